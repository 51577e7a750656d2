/** What can be said of one node of the model. */
import { isJoint, isVoter } from '#src/raft/configuration.ts';
import { agreement, configurationOf } from './state.ts';
import type { Disk, ModelNode } from './state.ts';

/** How much of the log in memory is on the disk. */
export function durableIndex(node: ModelNode): number {
  return agreement(node.disk.log, node.log);
}

/** No voter any more, by a configuration that is committed and final (thesis §4.2.2). */
export function isDismissed({ id, log, commit }: ModelNode): boolean {
  const configuration = configurationOf(log);
  const newest = log.findLast((entry) => entry.configuration !== undefined)?.index ?? 0;
  return newest <= commit && !isJoint(configuration) && !isVoter(configuration, id);
}

export function isImpaired({ commit, repairTo }: ModelNode): boolean {
  return commit < repairTo;
}

export function mayStand(node: ModelNode): boolean {
  const since = node.log.findLastIndex(
    ({ index, configuration }) => configuration !== undefined && index <= node.commit,
  );
  const inForce = node.log.slice(Math.max(0, since)).flatMap(({ configuration }) => configuration ?? []);
  return inForce.some((configuration) => isVoter(configuration, node.id));
}

export function volatileOf(disk: Disk): Omit<ModelNode, 'id' | 'repairTo' | 'disk' | 'handed' | 'writes' | 'offers'> {
  const { term, vote, commit, log } = disk;
  return {
    term,
    vote,
    role: 'follower',
    log: [...log],
    commit: Math.min(commit, log.length),
    applied: 0,
    votes: new Set(),
    preVotes: new Set(),
    match: new Map(),
    heard: undefined,
    past: new Map(),
  };
}

export function copyDisk(disk: Disk): Disk {
  return { ...disk, log: [...disk.log] };
}
