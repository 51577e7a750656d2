/**
 * Planted mistakes that the consensus tier finds within a few short runs. `kontiki sim --mutants` has the whole list;
 * those that need more luck than a test has time for are left to it and to the named tests of raft.
 */
import test from 'ava';
import { played } from '#src/cli/sim-consensus.ts';
import { drawCase } from '#src/sim/consensus/run.ts';
import type { Violation } from '#src/sim/history.ts';
import type { ReplicaMutation } from '#src/replica/replica.ts';

/** The rarest of these shows in about one seed of fifty; each seed takes a sixth of a second. */
const SEEDS_MAX = 400;
const safetyMs = 6000;
const FOUND: [ReplicaMutation, Violation['kind'][]][] = [
  ['ack-before-sync', ['consensus']],
  ['leader-counts-unsynced', ['consensus']],
  ['vote-not-durable', ['consensus']],
  ['vote-under-live-leader', ['consensus']],
  ['pre-vote-raises-term', ['consensus']],
  ['vote-for-shorter-log', ['consensus']],
  ['truncate-on-stale-append', ['consensus']],
  ['unclamped-heartbeat-commit', ['consensus']],
  ['joint-single-majority', ['consensus']],
  ['removed-leader-stays', ['consensus', 'liveness']],
  ['transfer-to-laggard', ['consensus']],
  ['read-before-noop', ['linearizability', 'transactions']],
  ['no-probe-after-loss', ['liveness']],
  ['no-dedup', ['doubled', 'linearizability']],
  ['lost-watch-event', ['watch', 'liveness']],
];
for (const [mutation, kinds] of FOUND) {
  test.serial(`${mutation} is found within ${SEEDS_MAX} seeds`, async (t) => {
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      const profile = seed % 3 === 0 ? 'flaky' : 'hostile';
      const { violations } = await played(drawCase({ seed, profile, safetyMs, mutations: [mutation] }));
      if (!violations.some(({ kind }) => kinds.includes(kind))) continue;
      t.log(`seed ${seed}: ${violations[0]?.message}`);
      t.pass();
      return;
    }
    t.fail(`${SEEDS_MAX} seeds did not find it`);
  });
}
