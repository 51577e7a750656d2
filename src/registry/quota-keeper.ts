/**
 * Keeps quotas right, on the leader: counts a namespace when a quota is new, has changed or was long not
 * counted, and copies the counters into `status.used`.
 *
 * A count is a difference to a counter, both read of one revision: it commutes with the charges of writes
 * that happen meanwhile, so nothing is locked and nothing is lost.
 */
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { ResourceQuota } from '#src/api/objects/policy.ts';
import { deepEqual } from '#src/api/metadata.ts';
import type { Timer } from '#src/ports/clock.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import type { Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { concerns, countName, textOf, usageOf } from './admission/quota-usage.ts';
import { splitAroundRevision } from './bytes.ts';
import { viewOf, WRITE_DEADLINE_MS, type RegistryCore } from './core.ts';
import { keyAfter, objectRange, quotaCounterKey } from './keys.ts';
import { objectOf } from './raw.ts';

/** How soon `status.used` shows what was charged. */
export const MIRROR_MS = 1_000;
/** Every quota is counted anew so often, whatever happened; Kubernetes' --resource-quota-sync-period. */
export const RECOUNT_MS = 300_000;
/** Objects decoded before other things may run. */
const COUNT_SLICE_OBJECTS = 256;
/** Quotas looked at in one round; the rest follows in the next. */
const ROUND_QUOTAS_MAX = 5_000;

export interface QuotaKeeper {
  /** In the office of this term. */
  start(term: number): void;
  stop(): void;
  /** One round at once, for tests: resolves when every quota is right. */
  round(term?: number): Promise<void>;
}

export function createQuotaKeeper(core: RegistryCore): QuotaKeeper {
  /** uid → when it was last counted, and for which `spec`. */
  const counted = new Map<string, { atMs: number; spec: string }>();
  let timer: Timer | undefined;
  let office: number | undefined;

  async function round(term?: number): Promise<void> {
    const kind = findKind({ group: '', version: 'v1', resource: 'resourcequotas' });
    if (kind === undefined) return;
    const { items } = core.reader.local().range({ ...objectRange(kind, undefined), limit: ROUND_QUOTAS_MAX });
    const present = new Set<string>();
    for (const { key, value } of items) {
      if (term !== undefined && term !== office) return;
      const { metadata } = objectOf(kind, value);
      present.add(metadata.uid ?? '');
      await settle(core, { kind, key, counted, term });
    }
    for (const uid of counted.keys()) if (!present.has(uid)) counted.delete(uid);
  }

  function schedule(term: number): void {
    timer = core.clock.after(MIRROR_MS, () => {
      round(term)
        .catch((error: unknown) => core.log.warn('quotas are not counted; trying again', { error: messageOf(error) }))
        .finally(() => {
          if (office === term) schedule(term);
        });
    });
  }

  return {
    round,
    start(term) {
      timer?.cancel();
      office = term;
      // Another leader may have charged and counted since.
      counted.clear();
      schedule(term);
    },
    stop() {
      office = undefined;
      timer?.cancel();
    },
  };
}

interface Settling {
  kind: Kind;
  key: string;
  counted: Map<string, { atMs: number; spec: string }>;
  term: number | undefined;
}

/** Bring one quota's counters and status up to date; a write lost to a faster one is left to the next round. */
async function settle(core: RegistryCore, { kind, key, counted, term }: Settling): Promise<void> {
  const local = core.reader.local();
  const known = local.get(key);
  if (known === undefined) return;
  const quota = objectOf(kind, known) as ResourceQuota;
  const uid = quota.metadata.uid ?? '';
  const spec = JSON.stringify(quota.spec ?? {});
  const last = counted.get(uid);
  const nowMs = core.clock.monotonicMs();
  const isDue = last === undefined || last.spec !== spec || nowMs - last.atMs >= RECOUNT_MS;
  if (!isDue) {
    await write(core, { key, kind, revision: known.modRevision, quota, status: statusOf(local, quota), term });
    return;
  }
  const view = await viewOf(core, { type: 'linearizable' });
  const value = view.get(key);
  if (value === undefined) return;
  const fresh = objectOf(kind, value) as ResourceQuota;
  const status = statusOf(view, fresh);
  const used = counters(view, fresh);
  const actual = await countNamespace(core, view, fresh, view.revision);
  if (actual === undefined) return;
  const corrections = Object.keys(fresh.spec?.hard ?? {}).flatMap((resource): Operation[] => {
    const delta = (actual.get(resource) ?? 0) - (used.get(resource) ?? 0);
    const counterKey = quotaCounterKey(fresh.metadata.namespace ?? '', uid, resource);
    return delta === 0 ? [] : [{ type: 'addBounded', key: counterKey, delta, max: Number.MAX_SAFE_INTEGER }];
  });
  for (const [resource, limit] of Object.entries(fresh.spec?.hard ?? {})) {
    status.used[resource] = textOf(resource, actual.get(resource) ?? 0, limit);
  }
  const done = await write(core, {
    key,
    kind,
    revision: value.modRevision,
    quota: fresh,
    status,
    corrections,
    term,
  });
  if (done) counted.set(uid, { atMs: nowMs, spec: JSON.stringify(fresh.spec ?? {}) });
}

interface QuotaStatus {
  hard: Record<string, string>;
  used: Record<string, string>;
}

function counters(view: StoreView, { metadata, spec }: ResourceQuota): Map<string, number> {
  const read = (resource: string): number =>
    view.counter(quotaCounterKey(metadata.namespace ?? '', metadata.uid ?? '', resource));
  return new Map(Object.keys(spec?.hard ?? {}).map((resource) => [resource, read(resource)]));
}

function statusOf(view: StoreView, quota: ResourceQuota): QuotaStatus {
  const hard = quota.spec?.hard ?? {};
  const read = counters(view, quota);
  const used = Object.keys(hard).map((name) => [name, textOf(name, read.get(name) ?? 0, hard[name] ?? '0')]);
  return { hard: { ...hard }, used: Object.fromEntries(used) as Record<string, string> };
}

async function write(
  core: RegistryCore,
  what: {
    key: string;
    kind: Kind;
    revision: number;
    quota: ResourceQuota;
    status: QuotaStatus;
    corrections?: Operation[];
    term: number | undefined;
  },
): Promise<boolean> {
  const { key, quota, status, corrections = [], term } = what;
  if (corrections.length === 0 && deepEqual(quota.status, status)) return true;
  const [result] = await core.proposer.propose(
    [
      {
        conditions: [
          ...(term === undefined ? [] : [{ type: 'entryTerm' as const, term }]),
          { type: 'modRevision', key, revision: what.revision },
        ],
        operations: [{ type: 'put', key, ...splitAroundRevision({ ...quota, status } as KubeObject) }, ...corrections],
      },
    ],
    { deadlineMs: WRITE_DEADLINE_MS },
  );
  return result?.ok === true;
}

/** Of one revision, in slices; undefined when history has moved past it: again in the next round. */
async function countNamespace(
  core: RegistryCore,
  view: StoreView,
  quota: ResourceQuota,
  atRevision: number,
): Promise<Map<string, number> | undefined> {
  const total = new Map<string, number>();
  try {
    for (const kind of core.kinds.all()) {
      if (isCounted(kind, quota)) await countKind(core, { view, quota, kind, atRevision, total });
    }
    return total;
  } catch (error) {
    if (isFault(error, 'STORE_COMPACTED')) return undefined;
    throw error;
  }
}

/** Kinds whose use is more than their number. */
const MEASURED = ['pods', 'services', 'persistentvolumeclaims'];

function isCounted(kind: Kind, quota: ResourceQuota): boolean {
  if (!kind.namespaced || !kind.verbs.includes('list') || kind.resource === 'events') return false;
  const hard = Object.keys(quota.spec?.hard ?? {});
  const isMeasured = kind.group === '' && MEASURED.includes(kind.resource);
  return isMeasured || hard.includes(countName(kind)) || (kind.group === '' && hard.includes(kind.resource));
}

async function countKind(
  core: RegistryCore,
  at: { view: StoreView; quota: ResourceQuota; kind: Kind; atRevision: number; total: Map<string, number> },
): Promise<void> {
  const { view, quota, kind, atRevision, total } = at;
  const range = objectRange(kind, quota.metadata.namespace);
  let { from } = range;
  for (;;) {
    const page = view.range({ from, to: range.to, limit: COUNT_SLICE_OBJECTS, atRevision });
    for (const { value } of page.items) {
      const object = objectOf(kind, value);
      if (!concerns(quota, kind, object)) continue;
      for (const [name, units] of usageOf(kind, object)) total.set(name, (total.get(name) ?? 0) + units);
    }
    const last = page.items.at(-1);
    if (!page.more || last === undefined) return;
    from = keyAfter(last.key);
    await new Promise<void>((resolve) => core.clock.soon(resolve));
  }
}
