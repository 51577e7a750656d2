/**
 * What must hold: of one node after every step (in production too), and of a whole cluster (in
 * the simulator, which sees all nodes at once).
 */
import { assert } from '#src/std/assert.ts';
import { hasQuorum, isVoter } from './configuration.ts';
import type { Raft } from './raft.ts';
import type { NodeId } from './types.ts';

/** Cheap enough for every step. Throws AssertionFailure. */
export function checkState(raft: Raft): void {
  const { log, commitIndex, appliedIndex, handedIndex } = raft;
  assert(appliedIndex <= handedIndex, `applied ${appliedIndex} is past what was handed out ${handedIndex}`);
  assert(handedIndex <= commitIndex, `handed out ${handedIndex} is past commit ${commitIndex}`);
  assert(commitIndex <= log.lastIndex, `commit ${commitIndex} is past the log end ${log.lastIndex}`);
  assert(log.firstIndex <= appliedIndex + 1, `the log begins at ${log.firstIndex}, after the applied ${appliedIndex}`);
  assert(log.persistedIndex <= log.lastIndex, `persisted ${log.persistedIndex} is past the log end ${log.lastIndex}`);
  assert(
    log.lastTerm <= raft.currentTerm,
    `the last entry has term ${log.lastTerm}, above the current ${raft.currentTerm}`,
  );
  assert(raft.role !== 'leader' || raft.leader === raft.id, `leader ${raft.id} follows ${raft.leader}`);
  assert(raft.role !== 'candidate' || raft.votedFor === raft.id, `candidate ${raft.id} voted for ${raft.votedFor}`);
  if (raft.role !== 'leader') return;
  for (const [id, progress] of raft.progress) {
    assert(
      progress.matchIndex < progress.nextIndex,
      `match ${progress.matchIndex} of ${id} is not below next ${progress.nextIndex}`,
    );
    assert(
      progress.matchIndex <= log.lastIndex,
      `match ${progress.matchIndex} of ${id} is past the log end ${log.lastIndex}`,
    );
  }
}

/** Remembers what was seen, and finds what contradicts it. */
export interface ClusterChecker {
  /** After every event, with the nodes that are alive. Returns sentences; empty: all holds. */
  check(nodes: readonly Raft[]): string[];
}

export function createClusterChecker(): ClusterChecker {
  const leaders = new Map<number, NodeId>();
  /** Each committed entry, by index: who showed it first, and in which term it was committed (not written). */
  const committed = new Map<number, { term: number; data: Uint8Array; by: NodeId; committedInTerm: number }>();
  const checkedTo = new Map<NodeId, number>();

  function checkCommitted(node: Raft, found: string[]): void {
    const from = Math.max(node.log.firstIndex, (checkedTo.get(node.id) ?? 0) + 1);
    for (let index = from; index <= node.commitIndex; index += 1) {
      const entry = node.log.entryAt(index);
      if (!entry) continue;
      const known = committed.get(index);
      if (!known)
        committed.set(index, { term: entry.term, data: entry.data, by: node.id, committedInTerm: node.currentTerm });
      else if (known.term !== entry.term || !sameBytes(known.data, entry.data)) {
        found.push(
          `State Machine Safety: entry ${index} is committed with term ${known.term} on ${known.by} and with term ${entry.term} on ${node.id}`,
        );
      }
    }
    checkedTo.set(node.id, Math.max(node.commitIndex, checkedTo.get(node.id) ?? 0));
  }

  function checkLeader(node: Raft, found: string[]): void {
    const other = leaders.get(node.currentTerm);
    if (other !== undefined && other !== node.id)
      found.push(`Election Safety: ${other} and ${node.id} both led term ${node.currentTerm}`);
    if (other === node.id) return;
    leaders.set(node.currentTerm, node.id);
    for (const [index, entry] of committed) {
      // A candidate that slept may win a term that is long over; it misses what later terms committed, and harms nobody.
      if (entry.committedInTerm >= node.currentTerm) continue;
      const own = node.log.termAt(index);
      if (own === undefined ? index > node.log.lastIndex : own !== entry.term) {
        found.push(
          `Leader Completeness: ${node.id} leads term ${node.currentTerm} without the committed entry ${index} of term ${entry.term}`,
        );
        return;
      }
    }
  }

  return {
    check(nodes) {
      const found: string[] = [];
      for (const node of nodes) {
        // A restarted node begins anew below what it had shown.
        if ((checkedTo.get(node.id) ?? 0) > node.commitIndex) checkedTo.set(node.id, node.commitIndex);
        checkCommitted(node, found);
        if (node.role === 'leader') checkLeader(node, found);
      }
      return found;
    },
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

/** Whether the acknowledged index is durable on a quorum (CommittedIsDurable). */
export function isDurableOnQuorum(nodes: readonly Raft[], observer: Raft, index: number, term: number): boolean {
  return hasQuorum(observer.configuration, (id) => {
    const node = nodes.find((candidate) => candidate.id === id);
    if (!node || !isVoter(observer.configuration, id)) return false;
    return node.log.persistedIndex >= index && (node.log.termAt(index) ?? term) === term;
  });
}
