/** Configurations as values: majorities, the next configuration of a change, their bytes in the log. Pure. */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import type { Configuration, ConfigurationChange, NodeId } from './types.ts';

export const MEMBERS_MAX = 64;
export const VOTERS_MAX = 7;
/** Of the reason of a change, in characters. */
export const REASON_LENGTH_MAX = 200;
/** Ids of removed members that are remembered; the certificate of one that is forgotten has long run out. */
export const REMOVED_MAX = 256;

export const EMPTY_CONFIGURATION: Configuration = { voters: [], votersOutgoing: [], learners: [], addresses: {} };

/** Whether a majority of these voters satisfies; of none, none does. */
function majority(voters: NodeId[], holds: (id: NodeId) => boolean): boolean {
  let count = 0;
  for (const id of voters) if (holds(id)) count += 1;
  return voters.length > 0 && count * 2 > voters.length;
}

/** A quorum: of a joint configuration both majorities (Raft §6). */
export function hasQuorum(configuration: Configuration, holds: (id: NodeId) => boolean): boolean {
  return (
    majority(configuration.voters, holds) &&
    (configuration.votersOutgoing.length === 0 || majority(configuration.votersOutgoing, holds))
  );
}

/** Whether a quorum can no longer be reached when these have refused. */
export function isLost(configuration: Configuration, refused: (id: NodeId) => boolean): boolean {
  return !hasQuorum(configuration, (id) => !refused(id));
}

/** The highest index that a majority has; of a joint configuration the lower of both. */
export function quorumIndex(configuration: Configuration, matchOf: (id: NodeId) => number): number {
  const incoming = majorityIndex(configuration.voters, matchOf);
  return configuration.votersOutgoing.length === 0
    ? incoming
    : Math.min(incoming, majorityIndex(configuration.votersOutgoing, matchOf));
}

function majorityIndex(voters: NodeId[], matchOf: (id: NodeId) => number): number {
  const sorted = voters.map(matchOf).sort((a, b) => b - a);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.votersOutgoing.includes(id);
}

export function membersOf(configuration: Configuration): NodeId[] {
  return [...new Set([...configuration.voters, ...configuration.votersOutgoing, ...configuration.learners])];
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

/** How many voters a joint configuration takes in and leaves out; 0 when it is none. */
export function changedVoters({ voters, votersOutgoing }: Configuration): number {
  if (votersOutgoing.length === 0) return 0;
  const added = voters.filter((id) => !votersOutgoing.includes(id));
  return added.length + votersOutgoing.filter((id) => !voters.includes(id)).length;
}

/** The configuration that ends a joint one. */
export function leaveJoint(configuration: Configuration): Configuration {
  const next = { ...configuration, votersOutgoing: [] };
  const members = new Set(membersOf(next));
  return { ...next, addresses: Object.fromEntries(Object.entries(next.addresses).filter(([id]) => members.has(id))) };
}

function refuse(message: string): never {
  throw new Fault('RAFT_BAD_CHANGE', message, 'never');
}

/** Voters change through a joint configuration, the rest at once. Faults: RAFT_BAD_CHANGE. */
export function nextConfiguration(before: Configuration, change: ConfigurationChange): Configuration {
  assert(!isJoint(before), 'a change while another is under way');
  const { reason: _old, ...rest } = before;
  const { reason } = change;
  if ((reason?.length ?? 0) > REASON_LENGTH_MAX)
    refuse(`a reason of ${reason?.length} characters; the limit is ${REASON_LENGTH_MAX}`);
  const current: Configuration = reason === undefined ? rest : { ...rest, reason };
  const { voters, learners } = current;
  if (change.type === 'setVoters') {
    const wanted = new Set(change.voters);
    for (const id of wanted) requireMember(current, id);
    const former = voters.filter((id) => !wanted.has(id));
    return joint(current, [...wanted], [...learners.filter((id) => !wanted.has(id)), ...former]);
  }
  const { id } = change;
  const without = (list: NodeId[]): NodeId[] => list.filter((member) => member !== id);
  switch (change.type) {
    case 'addLearner':
      if (membersOf(current).includes(id)) refuse(`'${id}' is a member already`);
      if (current.removed?.includes(id)) refuse(`'${id}' was removed, and ids never come back; join under another id`);
      if (membersOf(current).length >= MEMBERS_MAX) refuse(`a cluster has at most ${MEMBERS_MAX} members`);
      return { ...current, learners: [...learners, id], addresses: { ...current.addresses, [id]: change.address } };
    case 'promote':
      if (!learners.includes(id)) refuse(`'${id}' is no learner`);
      return joint(current, [...voters, id], without(learners));
    case 'demote':
      if (!voters.includes(id)) refuse(`'${id}' is no voter`);
      return joint(current, without(voters), [...learners, id]);
    case 'remove': {
      requireMember(current, id);
      const next = { ...current, removed: [...(current.removed ?? []), id].slice(-REMOVED_MAX) };
      if (voters.includes(id)) return joint(next, without(voters), learners);
      return leaveJoint({ ...next, learners: without(learners) });
    }
    case 'setAddress':
      requireMember(current, id);
      return { ...current, addresses: { ...current.addresses, [id]: change.address } };
  }
}

function requireMember(configuration: Configuration, id: NodeId): void {
  if (!membersOf(configuration).includes(id)) refuse(`'${id}' is no member`);
}

function joint(before: Configuration, voters: NodeId[], learners: NodeId[]): Configuration {
  if (voters.length === 0) {
    const last = before.voters.map((id) => `'${id}'`).join(', ');
    refuse(`${last} is the last voter; a cluster without voters cannot decide anything`);
  }
  if (voters.length > VOTERS_MAX) refuse(`a cluster has at most ${VOTERS_MAX} voters`);
  const same = voters.length === before.voters.length && voters.every((id) => before.voters.includes(id));
  if (same) return { ...before, voters, learners };
  return { ...before, voters, votersOutgoing: before.voters, learners };
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, votersOutgoing, learners, addresses, reason, removed } = configuration;
  return new TextEncoder().encode(JSON.stringify({ voters, votersOutgoing, learners, addresses, reason, removed }));
}

export function decodeConfiguration(data: Uint8Array): Configuration {
  return JSON.parse(new TextDecoder().decode(data)) as Configuration;
}
