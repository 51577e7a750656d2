/**
 * Custom resources whose versions a webhook converts. Reads ask it for whole lists at a time; a write that meets an
 * object of another version waits for its conversion and is planned again; what is written is in the storage version.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { ConversionNeeded, conversionReview, readConversionReview } from '#src/custom/conversion.ts';
import { messageOf } from '#src/std/fault.ts';
import { splitAroundRevision, utf8 } from './bytes.ts';
import type { ListOptions, WatchOptions } from './client.ts';
import type { Plan } from './commit.ts';
import type { RegistryCore } from './core.ts';
import type { NamedObject, RawObject } from './raw.ts';
import { readList, readObject, type RawList } from './read.ts';
import { openWatch, type RawWatch } from './watch.ts';
import { callWebhook } from './webhook-client.ts';

export const CONVERSION_TIMEOUT_MS = 30_000;
/** Objects of one question. */
const CONVERSION_LOT_OBJECTS = 250;
/** Objects that one write may have to have converted. */
const CONVERSIONS_PER_WRITE_MAX = 8;

type Convertible = NonNullable<NonNullable<Kind['custom']>['conversion']>;

/** @throws ApiError 500 that says what the webhook said. */
async function convert(
  core: RegistryCore,
  conversion: Convertible,
  objects: readonly KubeObject[],
  apiVersion: string,
): Promise<KubeObject[]> {
  const converted: KubeObject[] = [];
  for (let at = 0; at < objects.length; at += CONVERSION_LOT_OBJECTS) {
    const lot = objects.slice(at, at + CONVERSION_LOT_OBJECTS);
    const uid = core.random.uuid();
    const refuse = (why: string, cause?: unknown): ApiError => {
      const text = `conversion webhook for ${lot[0]?.apiVersion ?? ''}, Kind=${lot[0]?.kind ?? ''} failed: ${why}`;
      return new ApiError(500, 'InternalError', text, { cause });
    };
    let answer: unknown;
    try {
      const review = conversionReview(uid, apiVersion, lot);
      answer = await callWebhook(core, conversion.webhook.clientConfig ?? {}, review, CONVERSION_TIMEOUT_MS);
    } catch (error) {
      throw refuse(messageOf(error), error);
    }
    const read = readConversionReview(answer, { uid, apiVersion, objects: lot });
    if ('problem' in read) throw refuse(read.problem);
    converted.push(...read.objects);
  }
  return converted;
}

/** Reads objects as they are stored, whatever their version. */
function storedKind(kind: Kind): Kind {
  return kind.custom === undefined ? kind : { ...kind, custom: { ...kind.custom, readsStored: true } };
}

async function convertRaws(core: RegistryCore, kind: Kind, raws: readonly RawObject[]): Promise<RawObject[]> {
  const { custom } = kind;
  if (custom?.conversion === undefined) return [...raws];
  const stored = raws.map((raw) => raw.object());
  const others = stored.filter(({ apiVersion }) => apiVersion !== kind.apiVersion);
  const converted = await convert(core, custom.conversion, others, kind.apiVersion);
  let next = 0;
  return raws.map((raw, i) => {
    const own = stored[i] as NamedObject;
    const object = own.apiVersion === kind.apiVersion ? own : (converted[next++] as NamedObject);
    return shownRaw(raw, custom.fromStored(object) as NamedObject);
  });
}

function shownRaw(raw: RawObject, object: NamedObject): RawObject {
  const json = JSON.stringify(object);
  return { ...raw, bytes: utf8(json), object: () => JSON.parse(json) as NamedObject };
}

export async function readConverted(
  core: RegistryCore,
  kind: Kind,
  place: Parameters<typeof readObject>[2],
): Promise<RawObject> {
  if (kind.custom?.conversion === undefined) return await readObject(core, kind, place);
  const [raw] = await convertRaws(core, kind, [await readObject(core, storedKind(kind), place)]);
  return raw as RawObject;
}

/** Field selectors look at what is stored. */
export async function listConverted(core: RegistryCore, kind: Kind, options: ListOptions): Promise<RawList> {
  if (kind.custom?.conversion === undefined) return await readList(core, kind, options);
  const list = await readList(core, storedKind(kind), options);
  return { ...list, items: await convertRaws(core, kind, list.items) };
}

export async function watchConverted(core: RegistryCore, kind: Kind, options: WatchOptions): Promise<RawWatch> {
  if (kind.custom?.conversion === undefined) return await openWatch(core, kind, options);
  const watch = await openWatch(core, storedKind(kind), options);
  return {
    cancel: () => watch.cancel(),
    async next() {
      const events = await watch.next();
      if (events === undefined) return undefined;
      const raws = events.flatMap((event) => (event.type === 'BOOKMARK' ? [] : [event.object]));
      const converted = await convertRaws(core, kind, raws);
      let at = 0;
      return events.map((event) =>
        event.type === 'BOOKMARK' ? event : { ...event, object: converted[at++] as RawObject },
      );
    },
  };
}

/** Plans anew once the webhook has said what the plan needs. */
export async function withConversions<T>(core: RegistryCore, plan: () => Promise<T>): Promise<T> {
  for (let asked = 0; ; asked += 1) {
    try {
      return await plan();
    } catch (error) {
      if (!(error instanceof ConversionNeeded) || asked >= CONVERSIONS_PER_WRITE_MAX) throw error;
      const { conversion, stored } = error;
      const [converted] = await convert(core, conversion, [stored], conversion.apiVersion);
      conversion.note(stored, converted as KubeObject);
    }
  }
}

/** The plan with its object in the storage version. */
export async function inStoredVersion(core: RegistryCore, plan: Plan): Promise<Plan> {
  const conversion = (plan.resource as Partial<Kind>).custom?.conversion;
  const [first, ...rest] = plan.operations;
  if (conversion === undefined || first?.type !== 'put' || plan.object.apiVersion === conversion.storedVersion) {
    return plan;
  }
  const [stored] = await convert(core, conversion, [plan.object], conversion.storedVersion);
  return {
    ...plan,
    operations: [{ type: 'put', key: first.key, ...splitAroundRevision(stored as NamedObject) }, ...rest],
  };
}
