/** The eight invariants of the TLA+ model of etcd-io/raft, in words of our own, over the state of the reference model. */
import { hasQuorum } from '#src/raft/configuration.ts';
import type { Configuration, NodeId } from '#src/raft/types.ts';
import { agreement, configurationOf, lastTermOf, sameEntry } from './state.ts';
import type { Log, ModelNode, ModelState } from './state.ts';

export class Violation extends Error {}

/** Throws the first sentence that does not hold. `changed`: only what this node can have broken is looked at. */
export function checkInvariants(state: ModelState, changed?: NodeId): void {
  const nodes = [...state.nodes.values()];
  for (const node of nodes) {
    if (changed !== undefined && node.id !== changed) continue;
    logInv(state, node);
    electionSafety(state, node);
    if (node.role === 'leader') leaderCompleteness(state, node);
    for (const other of nodes) {
      if (other === node) continue;
      moreThanOneLeader(node, other);
      logMatching(node.id, node.log, other.id, other.log);
      moreUpToDateCorrect(state, node, other);
      moreUpToDateCorrect(state, other, node);
    }
  }
  quorumLog(state);
  committedIsDurable(state);
}

/** LogInv: what nodes call committed is the same everywhere. */
function logInv({ history }: ModelState, node: ModelNode): void {
  const index = Math.min(node.commit, history.committed.length);
  const truth = history.committed.slice(0, index).map(({ entry }) => entry);
  const same = agreement(truth, node.log);
  hold('LogInv', same >= index, () => `entry ${same + 1} is committed, and ${node.id} has another one there`);
  hold(
    'LogInv',
    node.commit <= history.committed.length,
    () => `${node.id} calls ${node.commit} committed, nobody committed it`,
  );
}

/** MoreThanOneLeader: never two at the same time in the same term. */
function moreThanOneLeader(a: ModelNode, b: ModelNode): void {
  const two = a.role === 'leader' && b.role === 'leader' && a.term === b.term;
  hold('MoreThanOneLeader', !two, () => `${a.id} and ${b.id} lead term ${a.term}`);
}

/** ElectionSafety: a term has one leader, for ever. */
function electionSafety({ history }: ModelState, node: ModelNode): void {
  if (node.role !== 'leader') return;
  const leader = history.leaders.get(node.term)?.id;
  hold('ElectionSafety', leader === node.id, () => `${node.id} leads term ${node.term}, which ${leader} has led`);
}

/** LogMatching: equal terms at an index mean equal logs up to there (Raft §5.3). */
function logMatching(aId: NodeId, a: Log, bId: NodeId, b: Log): void {
  let at = Math.min(a.length, b.length);
  while (at > 0 && a[at - 1]?.term !== b[at - 1]?.term) at -= 1;
  for (let index = at; index > 0; index -= 1)
    hold(
      'LogMatching',
      sameEntry(a[index - 1], b[index - 1]),
      () => `${aId} and ${bId} agree at ${at} and differ at ${index}`,
    );
}

/** QuorumLog: no quorum of the newest configuration could elect without a disk that has all that is committed. */
function quorumLog({ nodes, history }: ModelState): void {
  const index = history.committed.length;
  const truth = history.committed[index - 1]?.entry;
  if (!truth) return;
  const configuration = configurationOf(history.committed.map(({ entry }) => entry));
  const lacks = (id: NodeId): boolean => {
    const node = nodes.get(id);
    return !isDamaged(node) && !sameEntry(node?.disk.log[index - 1], truth);
  };
  hold(
    'QuorumLog',
    !hasQuorum(configuration, lacks),
    () => `a quorum of ${configuration.voters.join(' ')} lacks entry ${index}`,
  );
}

/**
 * MoreUpToDateCorrect: a log that is at least as up to date as another has what that one calls committed. But for what
 * a term after its last one committed: a leader that woke up late writes in a term that is over, and harms nobody.
 */
function moreUpToDateCorrect({ history }: ModelState, a: ModelNode, b: ModelNode): void {
  const [aTerm, bTerm] = [lastTermOf(a.log), lastTermOf(b.log)];
  if (aTerm < bTerm || (aTerm === bTerm && a.log.length < b.log.length)) return;
  // What is committed in a term stays below what is committed in the terms after it, so the last one tells.
  let index = Math.min(b.commit, history.committed.length);
  while (index > 0 && (history.committed[index - 1]?.inTerm ?? 0) > aTerm) index -= 1;
  const truth = history.committed[index - 1]?.entry;
  hold(
    'MoreUpToDateCorrect',
    truth === undefined || sameEntry(a.log[index - 1], truth),
    () => `${a.id} has a newer log than ${b.id} and lacks entry ${index}, which ${b.id} knows committed`,
  );
}

/** LeaderCompleteness: a leader has what was committed in its term and before (Raft §5.4.3). */
function leaderCompleteness({ history }: ModelState, leader: ModelNode): void {
  let index = history.committed.length;
  while (index > 0 && (history.committed[index - 1]?.inTerm ?? 0) > leader.term) index -= 1;
  const truth = history.committed[index - 1]?.entry;
  hold(
    'LeaderCompleteness',
    truth === undefined || sameEntry(leader.log[index - 1], truth),
    () => `${leader.id} leads term ${leader.term} without entry ${index} of term ${truth?.term}`,
  );
}

/** CommittedIsDurable: what was committed by counting is on the disks of the quorum that counted, for ever. */
function committedIsDurable({ nodes, history }: ModelState): void {
  const { lastCount } = history;
  if (!lastCount) return;
  const { index, configuration }: { index: number; configuration: Configuration } = lastCount;
  const truth = history.committed[index - 1]?.entry;
  const holds = hasQuorum(configuration, (id) => {
    const node = nodes.get(id);
    return sameEntry(node?.disk.log[index - 1], truth) || (isDamaged(node) && index <= (node?.repairTo ?? 0));
  });
  hold(
    'CommittedIsDurable',
    holds,
    () => `entry ${index} is committed and not on the disks of a quorum of ${configuration.voters.join(' ')}`,
  );
}

/** What it lost it will not vote without, so that it counts as if it had it. */
function isDamaged(node: ModelNode | undefined): boolean {
  return node !== undefined && node.disk.log.length < node.repairTo;
}

function hold(name: string, holds: boolean, otherwise: () => string): void {
  if (!holds) throw new Violation(`${name}: ${otherwise()}`);
}
