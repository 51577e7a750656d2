/** Five planted mistakes: what the simulator is worth. Each must be found within a bounded number of seeds. */
import test from 'ava';
import type { ReplicaMutation } from '#src/replica/replica.ts';
import type { Violation } from '#src/sim/history.ts';
import { NotPlayed, playSeed, type Script } from './script.ts';
import { askedTwice, figureEight, forgottenVote } from './scripts.ts';
import { runSeed } from './seeds.ts';

const found = (violations: Violation[], kinds: Violation['kind'][]): boolean =>
  violations.some(({ kind }) => kinds.includes(kind));

/** Found by faults drawn from the seed, like any mistake of ours would be. */
const DRAWN: [ReplicaMutation, 'flaky' | 'hostile', number, Violation['kind'][]][] = [
  ['lost-watch-event', 'flaky', 3, ['watch']],
  ['ack-before-sync', 'hostile', 20, ['consensus', 'lost', 'diverged']],
];
for (const [mutation, profile, seedsMax, kinds] of DRAWN) {
  test.serial(`${mutation} is found by ${profile} faults within ${seedsMax} seeds`, async (t) => {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const { violations } = await runSeed(seed, profile, [mutation]);
      if (!found(violations, kinds)) continue;
      t.log(`seed ${seed}: ${violations[0]?.message}`);
      t.pass();
      return;
    }
    t.fail(`${seedsMax} seeds did not find it`);
  });
}

/** Rare enough by chance that a script brings them about; the cluster and the checkers are the same. */
const SCRIPTED: [ReplicaMutation, string, Script, Violation['kind'][]][] = [
  ['vote-not-durable', 'a voter forgets its vote', forgottenVote, ['consensus']],
  ['commit-old-term-by-counting', 'Raft figure 8', figureEight, ['consensus']],
  ['no-dedup', 'a create is asked twice', askedTwice, ['doubled']],
];
const SCRIPT_SEEDS_MAX = 8;
for (const [mutation, title, script, kinds] of SCRIPTED) {
  test.serial(`${mutation} is found: ${title}; without it the same script shows nothing`, async (t) => {
    for (let seed = 1; seed <= SCRIPT_SEEDS_MAX; seed += 1) {
      const result = await playSeed(script, seed, [mutation]);
      if (result instanceof NotPlayed || !found(result, kinds)) continue;
      t.log(`seed ${seed}: ${result[0]?.message}`);
      t.deepEqual(await playSeed(script, seed, []), []);
      return;
    }
    t.fail(`${SCRIPT_SEEDS_MAX} seeds did not find it`);
  });
}
