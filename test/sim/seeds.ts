/** Runs of seeds, for the test files that share them out. */
import type { TestFn } from 'ava';
import type { ReplicaMutation } from '#src/replica/replica.ts';
import type { Profile } from '#src/sim/faults.ts';
import { runSimulation, type SimResult } from '#src/sim/run.ts';
import { drained } from '#test/support/virtual.ts';

/** KONTIKI_SEEDS sets the number of seeds of a whole test run; under CI it is 200, else a sample. */
const seedsWanted = Number(process.env['KONTIKI_SEEDS'] ?? (process.env['CI'] ? 200 : 16));

/** So many of all seeds: `share` is a fraction. At least one. */
export const seedsOf = (share: number): number => Math.max(1, Math.round(seedsWanted * share));

/** Most clusters have three nodes. */
const nodesOf = (seed: number): number => (seed % 5 === 0 ? 5 : 3);

export function runSeed(seed: number, profile: Profile, mutations: ReplicaMutation[] = []): Promise<SimResult> {
  return runSimulation({ seed, profile, mutations, nodes: nodesOf(seed), settle: drained });
}

/** What to type to see it again. */
export function replay({ seed }: SimResult, profile: Profile): string {
  return `npm run -s kontiki -- sim --seed ${seed} --profile ${profile} --nodes ${nodesOf(seed)}`;
}

export function testSeeds(test: TestFn, options: { profile: Profile; first: number; count: number }): void {
  const { profile, first, count } = options;
  const lot = 5;
  for (let from = first; from < first + count; from += lot) {
    const to = Math.min(from + lot, first + count) - 1;
    test.serial(`${profile} seeds ${from} to ${to}: clients see one correct store`, async (t) => {
      for (let seed = from; seed <= to; seed += 1) {
        const result = await runSeed(seed, profile);
        t.deepEqual(result.violations, [], `${replay(result, profile)}\n${result.details}`);
        t.true(result.acknowledged >= 200, `seed ${seed}: only ${result.acknowledged} writes were acknowledged`);
        if (profile !== 'calm')
          t.true(result.leaderChanges >= 3, `seed ${seed}: only ${result.leaderChanges} leader changes`);
      }
    });
  }
}
