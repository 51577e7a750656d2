/** GET and LIST: freshness as asked (reference api-server §4), pages of one revision, ready bytes. */
import type { Kind } from '#src/api/kinds.ts';
import { parseFieldSelector, parseLabelSelector } from '#src/api/selectors.ts';
import type { Freshness } from '#src/replica/reader.ts';
import { isFault } from '#src/std/fault.ts';
import type { Key } from '#src/store/command.ts';
import type { RangeResult, StoreView } from '#src/store/view.ts';
import type { ListOptions } from './client.ts';
import { parseRevision, viewOf, type RegistryCore } from './core.ts';
import { keyAfter, objectKey, objectRange } from './keys.ts';
import { decodeToken, encodeToken } from './list-token.ts';
import { rawOf, type NamedObject, type RawObject } from './raw.ts';
import { checkListOptions } from './list-options.ts';
import { badRequest, expired, notFound } from './refusals.ts';

export interface RawList {
  revision: number;
  continue: string | undefined;
  remainingItemCount: number | undefined;
  items: RawObject[];
}

/** What a selector costs is decoding; the loop yields after this many objects. */
const SELECT_SLICE_OBJECTS = 128;
/** Objects taken from the store per step of a filtered page. */
const SELECT_STEP_OBJECTS_MIN = 256;

export interface Selection {
  everything: boolean;
  matches(object: NamedObject): boolean;
  /** The one name that can match, if the field selector says so. */
  name: string | undefined;
}

/** @throws ApiError 400 for selectors that cannot be read or fields the kind does not offer. */
export function selectionOf(kind: Kind, options: { labelSelector?: string; fieldSelector?: string }): Selection {
  const labels = parseLabelSelector(options.labelSelector);
  const fields = parseFieldSelector(kind, options.fieldSelector);
  return {
    everything: labels.everything && fields.everything,
    name: fields.exact('metadata.name'),
    matches: (object) => labels.matches(object.metadata.labels) && fields.matches(object),
  };
}

/** One key when only one can match: `kubectl wait` and single-object informers then cost one object. */
export function selectedRange(kind: Kind, namespace: string | undefined, selection: Selection): { from: Key; to: Key } {
  const isPlaced = !kind.namespaced || (namespace !== undefined && namespace !== '');
  if (selection.name === undefined || !isPlaced) return objectRange(kind, namespace);
  const from = objectKey(kind, namespace, selection.name);
  return { from, to: keyAfter(from) };
}

export async function readObject(
  core: RegistryCore,
  kind: Kind,
  place: { namespace?: string | undefined; name: string; resourceVersion?: string | undefined },
): Promise<RawObject> {
  const view = await viewOf(core, freshnessOf(place.resourceVersion));
  const value = view.get(objectKey(kind, place.namespace, place.name));
  if (value !== undefined) return rawOf(kind, value);
  // "Not there" from a view of unstated age is a refusal too: it must be confirmed (DESIGN §4.4).
  const confirmed = await viewOf(core, { type: 'linearizable' });
  const again = confirmed.get(objectKey(kind, place.namespace, place.name));
  if (again === undefined) throw notFound(kind, place.name);
  return rawOf(kind, again);
}

export function freshnessOf(resourceVersion: string | undefined): Freshness {
  if (resourceVersion === undefined || resourceVersion === '') return { type: 'linearizable' };
  const revision = parseRevision(resourceVersion);
  return revision === 0 ? { type: 'any' } : { type: 'atLeast', revision };
}

/** Where a list starts and at which revision; undefined revision: the newest of the view. */
interface ListPlan {
  freshness: Freshness;
  atRevision: number | undefined;
  after: string | undefined;
}

function planList(options: ListOptions): ListPlan {
  checkListOptions(options);
  const match = options.resourceVersionMatch ?? '';
  const given = options.resourceVersion ?? '';
  if (options.continue !== undefined && options.continue !== '') return planContinuation(options.continue, given);
  const freshness = freshnessOf(given);
  // Before resourceVersionMatch existed a limited list at a revision meant exactly that revision.
  const legacyExact = match === '' && (options.limit ?? 0) > 0 && freshness.type === 'atLeast';
  const exact = freshness.type === 'atLeast' && (match === 'Exact' || legacyExact);
  return { freshness, atRevision: exact ? freshness.revision : undefined, after: undefined };
}

function planContinuation(token: string, resourceVersion: string): ListPlan {
  if (resourceVersion !== '' && resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  const { revision, after } = decodeToken(token);
  if (revision < 0) return { freshness: { type: 'linearizable' }, atRevision: undefined, after };
  if (revision === 0) throw badRequest('continue key is not valid: it names no revision');
  return { freshness: { type: 'atLeast', revision }, atRevision: revision, after };
}

export async function readList(core: RegistryCore, kind: Kind, options: ListOptions): Promise<RawList> {
  const selection = selectionOf(kind, options);
  const plan = planList(options);
  const limit = options.limit ?? 0;
  if (!Number.isSafeInteger(limit) || limit < 0) throw badRequest(`limit ${limit} is not a whole number of objects`);
  const view = await viewOf(core, plan.freshness);
  const range = selectedRange(kind, options.namespace, selection);
  const prefix = objectRange(kind, options.namespace).from;
  const from = plan.after === undefined ? range.from : keyAfter(prefix + plan.after);
  const page: Page = { view, kind, range: { ...range, from }, limit, plan, prefix };
  return selection.everything ? readPage(page) : await readSelected(core, page, selection);
}

interface Page {
  view: StoreView;
  kind: Kind;
  range: { from: Key; to: Key };
  limit: number;
  plan: ListPlan;
  /** Start of the whole range: tokens are relative to it. */
  prefix: Key;
}

function rangeAt(page: Page, from: Key, limit: number, atRevision: number | undefined): RangeResult {
  try {
    return page.view.range({ from, to: page.range.to, limit, ...(atRevision === undefined ? {} : { atRevision }) });
  } catch (error) {
    if (!isFault(error, 'STORE_COMPACTED')) throw error;
    if (page.plan.after === undefined) throw expired(`The resourceVersion for the provided list is too old.`);
    const token = encodeToken({ revision: -1, after: page.plan.after });
    throw expired(
      'The provided continue parameter is too old to go on with a consistent list. Start again without it, or use the continue token of this answer for the rest, which may miss or repeat what changed in between.',
      token,
    );
  }
}

function readPage(page: Page): RawList {
  const found = rangeAt(page, page.range.from, page.limit, page.plan.atRevision);
  const last = found.items.at(-1);
  const more = found.more && last !== undefined;
  return {
    revision: found.revision,
    items: found.items.map((item) => rawOf(page.kind, item.value)),
    continue: more ? encodeToken({ revision: found.revision, after: last.key.slice(page.prefix.length) }) : undefined,
    remainingItemCount: more ? found.count - found.items.length : undefined,
  };
}

/** Decodes what it must, in slices, from one revision. */
async function readSelected(core: RegistryCore, page: Page, selection: Selection): Promise<RawList> {
  const { limit, kind } = page;
  const items: RawObject[] = [];
  const step = limit === 0 ? 0 : Math.max(limit, SELECT_STEP_OBJECTS_MIN);
  let from = page.range.from;
  let found = rangeAt(page, from, step, page.plan.atRevision);
  const revision = found.revision;
  let looked = 0;
  for (;;) {
    for (const item of found.items) {
      const raw = rawOf(kind, item.value);
      looked += 1;
      if (looked % SELECT_SLICE_OBJECTS === 0) await new Promise<void>((resolve) => core.clock.soon(resolve));
      if (!selection.matches(raw.object())) continue;
      if (limit > 0 && items.length === limit) {
        // One more than the page holds matches: the token names the last one given.
        return { revision, items, continue: encodeToken({ revision, after: from }), remainingItemCount: undefined };
      }
      items.push(raw);
      from = item.key.slice(page.prefix.length);
    }
    const last = found.items.at(-1);
    if (!found.more || last === undefined) break;
    found = rangeAt(page, keyAfter(last.key), step, revision);
  }
  return { revision, items, continue: undefined, remainingItemCount: undefined };
}
