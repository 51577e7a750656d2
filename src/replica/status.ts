/** A replica's status as people and `cluster` read it. Pure. */
import type { Raft } from '#src/raft/raft.ts';
import type { NodeId } from '#src/raft/types.ts';
import type { Store } from '#src/store/store.ts';
import type { ReplicaStatus } from './membership.ts';

export function statusOf(options: {
  raft: Raft;
  store: Store;
  appliedIndex: number;
  tickMs: number;
  stopped: boolean;
  /** Why this node's own state is in doubt, and what it knows of others. */
  ownAlarm: string | undefined;
  alarm: string | undefined;
}): ReplicaStatus {
  const { raft, store, tickMs } = options;
  const { configuration } = raft;
  const progress: ReplicaStatus['progress'] = {};
  for (const [id, { matchIndex }] of raft.progress) {
    progress[id] = { matchIndex, lastContactMs: raft.contactTicks(id) * tickMs };
  }
  return {
    self: raft.id,
    role: options.stopped ? 'stopped' : roleOf(raft),
    term: raft.currentTerm,
    leader: raft.leader,
    commitIndex: raft.commitIndex,
    appliedIndex: options.appliedIndex,
    lastIndex: raft.log.lastIndex,
    revision: store.revision,
    compactedRevision: store.compactedRevision,
    voters: [...configuration.voters],
    learners: [...configuration.learners],
    addresses: { ...configuration.addresses },
    impaired: raft.impaired,
    reason: configuration.reason,
    removed: [...(configuration.removed ?? [])],
    progress,
    confirmedAgoMs: confirmedAgoMs(raft, progress, tickMs),
    alarms: [options.ownAlarm, options.alarm].filter((one) => one !== undefined),
    diverged: options.ownAlarm !== undefined,
    electionMs: raft.electionTicks * tickMs,
    commandVersion: store.commandVersion,
    commands: { ...store.commands },
  };
}

function roleOf(raft: Raft): ReplicaStatus['role'] {
  const isLearner = raft.configuration.learners.includes(raft.id);
  return raft.role === 'follower' && isLearner ? 'learner' : raft.role;
}

/** Leader: how long ago the slowest member of the quickest majority answered. Follower: the last word of the leader. */
function confirmedAgoMs(
  raft: Raft,
  progress: Record<NodeId, { lastContactMs: number }>,
  tickMs: number,
): number | undefined {
  if (raft.role !== 'leader') return raft.leader === undefined ? undefined : raft.silentTicks * tickMs;
  const { voters } = raft.configuration;
  const contacts = voters.map((id) => (id === raft.id ? 0 : (progress[id]?.lastContactMs ?? Infinity)));
  const slowest = contacts.sort((a, b) => a - b)[Math.floor(voters.length / 2)];
  return slowest === undefined || slowest === Infinity ? undefined : slowest;
}
