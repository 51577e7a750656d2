/** `kontiki sim --mutants`: plant every mistake in turn and count how long the simulator needs to find it. */
import { REPLICA_MUTATIONS, type ReplicaMutation } from '#src/replica/replica.ts';
import type { Profile } from '#src/sim/faults.ts';
import { drawCase } from '#src/sim/consensus/run.ts';
import { played } from './sim-consensus.ts';

export interface MutantFound {
  mutation: ReplicaMutation;
  found: boolean;
  seeds: number;
  seconds: number;
  /** The seed and profile that showed it. */
  seed: number | undefined;
  profile: Profile | undefined;
  violation: string;
}

const messageLength = 90;

/** Exit code 1 when one is not found in its share of the time. */
export async function huntMutants(options: {
  minutes: number;
  seed: number;
  write: (value: unknown) => Promise<void>;
}): Promise<number> {
  const { minutes, seed, write } = options;
  const table: MutantFound[] = [];
  const endMs = performance.now() + minutes * 60_000;
  // Each in turn for a little while, so that a hard one does not take the time of the others.
  const waiting = new Map(REPLICA_MUTATIONS.map((mutation) => [mutation, { at: seed, seconds: 0 }]));
  for (const shareMs = 3000; waiting.size > 0 && performance.now() < endMs;) {
    for (const [mutation, spent] of waiting) {
      const startedMs = performance.now();
      let found: MutantFound | undefined;
      while (found === undefined && performance.now() - startedMs < shareMs && performance.now() < endMs) {
        const profile: Profile = spent.at % 3 === 0 ? 'flaky' : 'hostile';
        const { violations } = await played(drawCase({ seed: spent.at, profile, mutations: [mutation] }));
        spent.at += 1;
        const [first] = violations;
        if (first === undefined) continue;
        const violation = `${first.kind}: ${first.message.split('\n')[0]?.slice(0, messageLength)}`;
        const seeds = spent.at - seed;
        const seconds = spent.seconds + (performance.now() - startedMs) / 1000;
        found = { mutation, found: true, seeds, seconds, seed: spent.at - 1, profile, violation };
      }
      spent.seconds += (performance.now() - startedMs) / 1000;
      if (found === undefined) continue;
      waiting.delete(mutation);
      table.push(found);
      console.log(rowOf(found));
    }
  }
  for (const [mutation, { at, seconds }] of waiting) {
    const missed = {
      mutation,
      found: false,
      seeds: at - seed,
      seconds,
      seed: undefined,
      profile: undefined,
      violation: '',
    };
    table.push(missed);
    console.log(rowOf(missed));
  }
  console.log(`${table.length - waiting.size} of ${table.length} mutants found`);
  await write(table);
  return waiting.size > 0 ? 1 : 0;
}

function rowOf({ mutation, found, seeds, seconds, seed, profile, violation }: MutantFound): string {
  const where = found ? `${profile} seed ${seed}  ${violation}` : 'not found';
  return `${found ? '✔' : '✘'} ${mutation.padEnd(32)} ${String(seeds).padStart(5)} seeds ${seconds.toFixed(1).padStart(6)} s  ${where}`;
}
