/** Quorum arithmetic against a slow, plain reference: every set of voters that could have agreed is tried. */
import test from 'ava';
import fc from 'fast-check';

import { hasQuorum, isLost, nextConfiguration, quorumIndex } from '#src/raft/configuration.ts';
import { VOTERS_MAX } from '#src/raft/configuration.ts';
import type { Configuration, ConfigurationChange, NodeId } from '#src/raft/types.ts';
import { configurationOf } from './core.ts';

const ids = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8'];
const someVoters = fc.subarray(ids, { maxLength: VOTERS_MAX });
const simple = someVoters.map((voters) => configurationOf(voters));
const joint = fc.tuple(someVoters, someVoters).map(([voters, outgoing]) => configurationOf(voters, [], outgoing));
const matches = fc.array(fc.nat(6), { minLength: ids.length, maxLength: ids.length });
/** 0: silent, 1: yes, 2: no. */
const answers = fc.array(fc.constantFrom(0, 1, 2), { minLength: ids.length, maxLength: ids.length });

/** All subsets of these that are more than half. */
function majorities(voters: NodeId[]): NodeId[][] {
  const all = Array.from({ length: 2 ** voters.length }, (_, bits) => voters.filter((_id, i) => (bits >> i) % 2 === 1));
  return all.filter((set) => set.length * 2 > voters.length);
}

function quorumWithin(configuration: Configuration, has: (id: NodeId) => boolean): boolean {
  const halves = [configuration.voters, configuration.votersOutgoing].filter((half, i) => i === 0 || half.length > 0);
  return halves.every((half) => majorities(half).some((set) => set.length > 0 && set.every(has)));
}

for (const [name, configurations] of [
  ['majority', simple],
  ['joint', joint],
] as const) {
  test(`${name} commit: the highest index of which a quorum has it`, (t) => {
    const property = fc.property(configurations, matches, (configuration, match) => {
      const matchOf = (id: NodeId): number => match[ids.indexOf(id)] ?? 0;
      let slow = 0;
      for (let index = 1; index <= 6; index += 1)
        if (quorumWithin(configuration, (id) => matchOf(id) >= index)) slow = index;
      return quorumIndex(configuration, matchOf) === slow;
    });
    t.notThrows(() => fc.assert(property, { numRuns: 500 }));
  });

  test(`${name} vote: won with a quorum, lost when the silent ones cannot make one any more`, (t) => {
    const property = fc.property(configurations, answers, (configuration, answer) => {
      const said = (id: NodeId, what: number): boolean => answer[ids.indexOf(id)] === what;
      const won = hasQuorum(configuration, (id) => said(id, 1));
      const lost = isLost(configuration, (id) => said(id, 2));
      return (
        won === quorumWithin(configuration, (id) => said(id, 1)) &&
        lost === !quorumWithin(configuration, (id) => !said(id, 2)) &&
        !(won && lost)
      );
    });
    t.notThrows(() => fc.assert(property, { numRuns: 500 }));
  });
}

test('a change: any quorum before it meets any quorum after it, by one of the halves', (t) => {
  const wanted = fc.record({
    type: fc.constantFrom('addLearner', 'promote', 'demote', 'remove', 'setAddress'),
    id: fc.constantFrom(...ids),
    address: fc.constant('x'),
  });
  const voters = fc.subarray(ids.slice(0, 5), { minLength: 1 });
  const property = fc.property(voters, fc.subarray(ids.slice(5)), wanted, (current, learners, change) => {
    const before = configurationOf(current, learners);
    let next: Configuration;
    try {
      next = nextConfiguration(before, change as ConfigurationChange);
    } catch {
      return true; // refused, which is always safe
    }
    const meets = (a: NodeId[], b: NodeId[]): boolean =>
      majorities(a).every((one) => majorities(b).every((two) => one.some((id) => two.includes(id))));
    const sameVoters = next.votersOutgoing.length === 0 && next.voters.join() === before.voters.join();
    const overlaps = sameVoters ? meets(before.voters, next.voters) : meets(before.voters, next.votersOutgoing);
    return overlaps && next.voters.length > 0 && !next.voters.some((id) => next.learners.includes(id));
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});
