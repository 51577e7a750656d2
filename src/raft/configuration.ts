/** Configurations as values: majorities, the next configuration of a change, their bytes in the log. Pure. */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import type { Configuration, ConfigurationChange, NodeId } from './types.ts';

export const MEMBERS_MAX = 64;
export const VOTERS_MAX = 7;

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
export function nextConfiguration(current: Configuration, change: ConfigurationChange): Configuration {
  assert(!isJoint(current), 'a change while another is under way');
  const { voters, learners, addresses } = current;
  const { id } = change;
  const without = (list: NodeId[]): NodeId[] => list.filter((member) => member !== id);
  const joint = (nextVoters: NodeId[], nextLearners: NodeId[]): Configuration => {
    if (nextVoters.length === 0) refuse(`'${id}' is the last voter; a cluster without voters cannot decide anything`);
    if (nextVoters.length > VOTERS_MAX) refuse(`a cluster has at most ${VOTERS_MAX} voters`);
    return { voters: nextVoters, votersOutgoing: voters, learners: nextLearners, addresses };
  };
  switch (change.type) {
    case 'addLearner':
      if (membersOf(current).includes(id)) refuse(`'${id}' is a member already`);
      if (membersOf(current).length >= MEMBERS_MAX) refuse(`a cluster has at most ${MEMBERS_MAX} members`);
      return { ...current, learners: [...learners, id], addresses: { ...addresses, [id]: change.address } };
    case 'promote':
      if (!learners.includes(id)) refuse(`'${id}' is no learner`);
      return joint([...voters, id], without(learners));
    case 'demote':
      if (!voters.includes(id)) refuse(`'${id}' is no voter`);
      return joint(without(voters), [...learners, id]);
    case 'remove':
      if (!membersOf(current).includes(id)) refuse(`'${id}' is no member`);
      if (voters.includes(id)) return joint(without(voters), learners);
      return leaveJoint({ ...current, learners: without(learners) });
    case 'setAddress':
      if (!membersOf(current).includes(id)) refuse(`'${id}' is no member`);
      return { ...current, addresses: { ...addresses, [id]: change.address } };
  }
}

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, votersOutgoing, learners, addresses } = configuration;
  return new TextEncoder().encode(JSON.stringify({ voters, votersOutgoing, learners, addresses }));
}

export function decodeConfiguration(data: Uint8Array): Configuration {
  return JSON.parse(new TextDecoder().decode(data)) as Configuration;
}
