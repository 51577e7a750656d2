/** The reference model follows whole nodes too: the simulator's clusters, with faults, and with all that is around the core. */
import test from 'ava';

import { runSimulation } from '#src/sim/run.ts';
import { messageOf } from '#src/std/fault.ts';
import { drained } from '#test/support/virtual.ts';
import { Recorder } from './recorder.ts';
import { replay } from './replay.ts';

for (const [seed, profile] of [
  [1, 'calm'],
  [5, 'flaky'],
] as const) {
  test.serial(`the model takes every step of the simulator's nodes (${profile}, seed ${seed})`, async (t) => {
    const recorder = new Recorder();
    const detach = recorder.attachAll();
    try {
      const result = await runSimulation({ seed, profile, settle: drained, writes: 60, leaderChanges: 2 });
      t.deepEqual(result.violations, []);
    } finally {
      detach();
    }
    t.log(`${recorder.events.length} events`);
    try {
      t.log([...replay(recorder.events, { torn: true })].map(([kind, count]) => `${kind} ${count}`).join(', '));
    } catch (error) {
      t.fail(messageOf(error));
    }
  });
}
