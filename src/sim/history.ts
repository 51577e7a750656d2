/**
 * What simulated clients saw, and whether a correct store could have shown it. Pure.
 *
 * Every write carries a content of its own (`token`), so an effect can be traced to its operation:
 *   lost      an acknowledged write is not there at the end, or was overwritten by nothing
 *   doubled   an operation took effect twice, or was refused and took effect all the same
 *   stale     a read returned less than what was known before it began
 *   watch     events out of order, twice, or missing
 *   linearizability, transactions, bank   of the consensus tier: see linearizability.ts, list-append.ts
 * Other checks of a run report in the same words: diverged (nodes differ), consensus (Raft's own
 * invariants), liveness (no progress although nothing is broken), answer (one nobody should get),
 * removed (a container whose Pod exists), mistake (a broken program, seen in a log).
 */
export type Outcome = 'ok' | 'refused' | 'unknown';

export interface WriteOperation {
  type: 'write';
  client: string;
  key: string;
  token: string;
  invokedMs: number;
  /** Undefined while open: it may take effect at any later time. */
  completedMs: number | undefined;
  outcome: Outcome;
  /** resourceVersion of the acknowledged write. */
  revision: number | undefined;
  /** A conditional update on this revision; undefined: a create. */
  expectedRevision: number | undefined;
}

export interface ReadOperation {
  type: 'read';
  client: string;
  key: string;
  invokedMs: number;
  completedMs: number;
  /** resourceVersion seen; 0: not found. */
  revision: number;
  token: string | undefined;
}

export interface WatchHistory {
  client: string;
  /** Events with a greater revision are promised. */
  fromRevision: number;
  /** As received over all resumptions, in order. */
  events: { key: string; revision: number; token: string }[];
  /** Everything at or below this revision was promised to have arrived (last event, or bookmark). */
  throughRevision: number;
}

export interface FinalState {
  node: string;
  revision: number;
  /** By key: token and resourceVersion of the last write. */
  objects: Map<string, { token: string; revision: number }>;
}

export interface History {
  writes: WriteOperation[];
  reads: ReadOperation[];
  watches: WatchHistory[];
  finals: FinalState[];
}

export interface Violation {
  kind:
    | 'lost'
    | 'doubled'
    | 'stale'
    | 'watch'
    | 'linearizability'
    | 'transactions'
    | 'bank'
    | 'lease'
    | 'diverged'
    | 'consensus'
    | 'liveness'
    | 'answer'
    | 'removed'
    | 'mistake';
  message: string;
}

/** Every way in which this history is not that of one correct store; empty when none. */
export function checkHistory(history: History): Violation[] {
  return [...checkFinals(history), ...checkDoubled(history), ...checkReads(history), ...checkWatches(history)];
}

function checkFinals({ writes, finals }: History): Violation[] {
  const violations: Violation[] = [];
  const [first] = finals;
  for (const state of finals) {
    if (!first) break;
    for (const key of new Set([...first.objects.keys(), ...state.objects.keys()])) {
      const [a, b] = [first.objects.get(key), state.objects.get(key)];
      if (a?.token !== b?.token || a?.revision !== b?.revision) {
        violations.push({
          kind: 'diverged',
          message: `${key} is ${a?.token} at ${a?.revision} on ${first.node}, and ${b?.token} at ${b?.revision} on ${state.node}`,
        });
      }
    }
    const newest = new Map<string, WriteOperation>();
    for (const write of writes) {
      if (write.outcome === 'ok' && (write.revision ?? 0) > (newest.get(write.key)?.revision ?? 0))
        newest.set(write.key, write);
    }
    for (const write of newest.values()) {
      const found = state.objects.get(write.key);
      if (!found || found.revision < (write.revision ?? 0)) {
        violations.push({
          kind: 'lost',
          message: `${write.key}=${write.token} was acknowledged at revision ${write.revision}; ${state.node} has ${found ? `${found.token} at ${found.revision}` : 'nothing'}`,
        });
      } else if (found.revision === write.revision && found.token !== write.token) {
        violations.push({
          kind: 'lost',
          message: `${write.key} at ${found.revision} is ${found.token} on ${state.node}; acknowledged was ${write.token}`,
        });
      }
    }
  }
  return violations;
}

/** Each effect at most once, and only of operations that were not refused. */
function checkDoubled({ writes, watches, reads, finals }: History): Violation[] {
  const violations: Violation[] = [];
  const effects = new Map<string, Set<number>>();
  const see = (token: string | undefined, revision: number): void => {
    if (token === undefined) return;
    const revisions = effects.get(token) ?? new Set();
    revisions.add(revision);
    effects.set(token, revisions);
  };
  for (const watch of watches) for (const event of watch.events) see(event.token, event.revision);
  for (const read of reads) see(read.token, read.revision);
  for (const state of finals) for (const found of state.objects.values()) see(found.token, found.revision);
  for (const write of writes) {
    const revisions = effects.get(write.token);
    if (write.outcome === 'ok' && write.revision !== undefined) see(write.token, write.revision);
    if (revisions && write.outcome === 'refused') {
      violations.push({
        kind: 'doubled',
        message: `${write.key}=${write.token} was refused to ${write.client} and took effect at revision ${[...revisions].join(', ')}`,
      });
    }
    if ((effects.get(write.token)?.size ?? 0) > 1) {
      violations.push({
        kind: 'doubled',
        message: `${write.key}=${write.token} took effect at revisions ${[...(effects.get(write.token) ?? [])].join(' and ')}`,
      });
    }
  }
  const used = new Map<string, WriteOperation>();
  for (const write of writes) {
    if (write.outcome !== 'ok' || write.expectedRevision === undefined) continue;
    const id = `${write.key}@${write.expectedRevision}`;
    const other = used.get(id);
    if (other)
      violations.push({
        kind: 'doubled',
        message: `${other.token} and ${write.token} both replaced revision ${write.expectedRevision} of ${write.key}`,
      });
    used.set(id, write);
  }
  return violations;
}

/** A read sees at least what any operation on its key had shown before the read began. */
function checkReads({ writes, reads }: History): Violation[] {
  const known = [
    ...writes.flatMap((w) =>
      w.outcome === 'ok' && w.completedMs !== undefined
        ? [{ key: w.key, at: w.completedMs, revision: w.revision ?? 0 }]
        : [],
    ),
    ...reads.map((r) => ({ key: r.key, at: r.completedMs, revision: r.revision })),
  ];
  const byKey = Map.groupBy(known, (fact) => fact.key);
  for (const [key, facts] of byKey) {
    // Running maximum by completion time, so that each read is one binary search.
    const sorted = facts.toSorted((a, b) => a.at - b.at);
    let max = 0;
    byKey.set(
      key,
      sorted.map((fact) => ({ ...fact, revision: (max = Math.max(max, fact.revision)) })),
    );
  }
  const violations: Violation[] = [];
  for (const read of reads) {
    const facts = byKey.get(read.key) ?? [];
    const bound = lastBefore(facts, read.invokedMs)?.revision ?? 0;
    if (read.revision < bound) {
      violations.push({
        kind: 'stale',
        message: `${read.client} read ${read.key} at revision ${read.revision} from ${read.invokedMs} ms on; revision ${bound} was known before`,
      });
    }
  }
  return violations;
}

function lastBefore<T extends { at: number }>(sorted: T[], time: number): T | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.at ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}

/** Ordered, unique, reliable: every acknowledged revision in the promised span has arrived. */
function checkWatches({ writes, watches }: History): Violation[] {
  const violations: Violation[] = [];
  const acknowledged = writes.filter((write) => write.outcome === 'ok' && write.revision !== undefined);
  for (const watch of watches) {
    let last = watch.fromRevision;
    const seen = new Set<number>();
    for (const event of watch.events) {
      if (event.revision <= last) {
        violations.push({
          kind: 'watch',
          message: `${watch.client} got revision ${event.revision} of ${event.key} after revision ${last}`,
        });
      }
      last = Math.max(last, event.revision);
      seen.add(event.revision);
    }
    for (const write of acknowledged) {
      const revision = write.revision ?? 0;
      if (revision > watch.fromRevision && revision <= watch.throughRevision && !seen.has(revision)) {
        violations.push({
          kind: 'watch',
          message: `${watch.client} watched from ${watch.fromRevision} through ${watch.throughRevision} and never got ${write.key}=${write.token} at ${revision}`,
        });
      }
    }
  }
  return violations;
}
