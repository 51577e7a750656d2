/**
 * The reference model follows traces of real runs. It has to accept every step of the core as it is, and to refuse a step
 * of the core with a planted mistake: a model that accepts everything proves nothing.
 */
import test from 'ava';

import type { RaftMutation } from '#src/raft/raft.ts';
import { randomRun } from '../random-run.ts';
import { Recorder } from './recorder.ts';
import { replay } from './replay.ts';

const SEEDS = 30;
const STEPS = 2500;

function record(seed: number, mutations: RaftMutation[] = []): Recorder {
  const recorder = new Recorder();
  randomRun({ seed, steps: STEPS, mutations, started: (member, raft) => recorder.attach(raft, member.disk.repairTo) });
  return recorder;
}

test('the model takes every step of random runs', (t) => {
  const kinds = new Map<string, number>();
  for (let seed = 1000; seed < 1000 + SEEDS; seed += 1) {
    const { events } = record(seed);
    try {
      for (const [kind, count] of replay(events)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  t.log([...kinds].map(([kind, count]) => `${kind} ${count}`).join(', '));
  t.pass();
});

/** Each mistake of the core, and what the model says of the step that shows it. */
const MUTANTS: [RaftMutation, number, RegExp][] = [
  ['vote-not-durable', 3, /the vote for \w+ must be on the disk before/],
  ['ack-before-sync', 3, /must be on the disk before|it believes that entry \d+ is on its disk|needs a quorum/],
  ['commit-old-term-by-counting', 60, /only entries of the own term \d+ are committed by counting/],
];

for (const [mutation, seeds, sentence] of MUTANTS) {
  test(`the model refuses a step of the core with '${mutation}'`, (t) => {
    for (let seed = 0; seed < seeds; seed += 1) {
      const recorder = new Recorder();
      try {
        randomRun({
          seed,
          steps: STEPS,
          mutations: [mutation],
          started: (member, raft) => recorder.attach(raft, member.disk.repairTo),
        });
      } catch {
        // The checks of the run may find it too; what counts is what the model says of the trace until there.
      }
      const said = refusalOf(recorder);
      if (said === undefined) continue;
      t.log(`seed ${seed}: ${said.split('\n')[0]}`);
      t.regex(said, sentence);
      return;
    }
    t.fail(`not refused within ${seeds} seeds`);
  });
}

function refusalOf({ events }: Recorder): string | undefined {
  try {
    replay(events);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
