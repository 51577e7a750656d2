/**
 * Random runs: crashes, losses, disorder, repeats, partitions, changes of members, compaction and snapshots,
 * checked after every step; then everything heals, and the cluster must go on. And the mutations: a checker
 * that does not find a planted mistake proves nothing.
 */
import test from 'ava';

import { RAFT_MARKS } from '#src/raft/marks.ts';
import type { RaftMutation } from '#src/raft/raft.ts';
import type { NodeId } from '#src/raft/types.ts';
import { Network } from './network.ts';
import type { Envelope } from './network.ts';
import { randomRun } from './random-run.ts';

const RUNS = 400;
const STEPS = 2500;
/** A mutation that random runs find is found within this many. */
const MUTANT_SEEDS = 20;

/** What the runs together must have brought about, or they test less than they claim. */
const WANTED_MARKS = [
  'elected',
  'elected in a joint one',
  'left joint',
  'rolled back',
  'truncated',
  'installed',
  'transferring',
  'refused',
  'addLearner',
  'promote',
  'damaged',
  'demote the leader',
  'remove the leader',
];

/** Met a few times in a thousand runs; the tests of ./traps.test.ts bring them about. */
const RARE_MARKS = [
  'raft: write overtaken by a cut',
  'raft: snapshot offered but superseded',
  'raft: log replaced by an installed snapshot',
  'raft: answer to a read of an earlier life ignored',
  'raft: leader forgot what a damaged member had',
];

test('random runs keep all invariants, and converge when they heal', (t) => {
  const marks = new Map<string, number>();
  for (let seed = 0; seed < RUNS; seed += 1) randomRun({ seed, steps: STEPS, formerLogs: seed % 2 === 1 }, marks);
  t.log([...marks].map(([name, count]) => `${name} ${count}`).join(', '));
  t.deepEqual(
    RAFT_MARKS.filter((name) => !marks.has(name) && !RARE_MARKS.includes(name)),
    [],
    'every mark of the core is met',
  );
  t.deepEqual(
    WANTED_MARKS.filter((name) => !marks.has(name)),
    [],
  );
});

test('a seed is a run: twice the same', (t) => {
  const [one, two] = [randomRun({ seed: 7, steps: STEPS }), randomRun({ seed: 7, steps: STEPS })];
  t.true(one.checks.truth.size > 3);
  t.deepEqual(one.checks.truth, two.checks.truth);
});

test("mutation 'ack-before-sync' is found by random runs", (t) => {
  const found = Array.from({ length: MUTANT_SEEDS }, (_, seed) => {
    try {
      randomRun({ seed, steps: STEPS, mutations: ['ack-before-sync'] });
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  });
  t.true(found.some((sentence) => sentence?.includes('not on the disks of a quorum')));
});

test("mutation 'commit-old-term-by-counting' is found by figure 8", (t) => {
  t.notThrows(() => figureEight([]));
  t.throws(() => figureEight(['commit-old-term-by-counting']), { message: /Leader Completeness|State Machine Safety/ });
});

test("mutation 'vote-not-durable' is found when the voter crashes between two candidates", (t) => {
  t.notThrows(() => crashedVoter([]));
  t.throws(() => crashedVoter(['vote-not-durable']), { message: /n3 voted for n1 and for n2 in term 2/ });
});

/** Raft §5.4.2, figure 8, with the terms that elections here have. */
function figureEight(mutations: RaftMutation[]): void {
  const voters = ['n1', 'n2', 'n3', 'n4', 'n5'];
  // Entries longer than this travel alone, so that the old one arrives without the new one.
  const network = new Network({ voters, config: { appendBytesMax: 1 }, mutations });
  network.elect('n1');
  // (a) n1 leads and reaches only n2 with entry 3.
  network.loses = ({ from, to }) => from === 'n1' && to !== 'n2';
  network.propose('n1', 'old');
  network.settle();
  network.crash('n1');
  // (b) n5 leads, with the votes of n3 and n4, and reaches nobody.
  network.loses = (envelope) =>
    envelope.from === 'n5' && envelope.kind === 'message' && envelope.message.type === 'append';
  network.isolate('n2');
  network.elect('n5');
  network.crash('n5');
  network.heal();
  // (c) n1 leads again: entry 3 is on n1, n2 and n3 now, but entry 4, of its own term, only on n1 and n2.
  network.restart('n1');
  network.isolate('n4', 'n5');
  network.loses = (envelope) =>
    isAppendFrom(envelope, 'n1') && envelope.to === 'n3' && network.raft('n3').log.lastIndex === 3;
  network.elect('n1');
  network.run(3);
  network.crash('n1');
  network.heal();
  // (d) n5 leads and overwrites it.
  network.restart('n5');
  network.elect('n5');
  network.run(3);
}

function isAppendFrom(envelope: Envelope, from: NodeId): boolean {
  return envelope.from === from && envelope.kind === 'message' && envelope.message.type === 'append';
}

/** n1 and n2 stand in the same term; n3 crashes after it has heard of the first. */
function crashedVoter(mutations: RaftMutation[]): void {
  const network = new Network({ voters: ['n1', 'n2', 'n3'], mutations });
  const pass = (from: NodeId, to: NodeId): void => {
    for (const id of [from, to]) while (network.member(id).sync());
    const at = network.bag.findIndex((envelope) => envelope.from === from && envelope.to === to);
    if (at >= 0) network.deliver(at);
  };
  for (const id of ['n1', 'n2']) {
    while (network.raft(id).role === 'follower') network.tick(id);
    pass(id, 'n3');
    pass('n3', id);
  }
  for (const id of ['n1', 'n2']) while (network.member(id).sync());
  network.deliver(network.bag.findIndex(({ from, to }) => from === 'n1' && to === 'n3'));
  network.crash('n3');
  network.restart('n3');
  pass('n2', 'n3');
  network.run(30);
}
