/** `kontiki sim --mutants`: plant every mistake in turn and count how long the simulator needs to find it. */
import { REPLICA_MUTATIONS, type ReplicaMutation } from '#src/replica/replica.ts';
import type { Profile } from '#src/sim/faults.ts';
import { drawCase } from '#src/sim/consensus/run.ts';
import { played } from './sim-consensus.ts';

export interface MutantFound {
  mutation: ReplicaMutation;
  found: boolean;
  seeds: number;
  /** Of a processor. */
  seconds: number;
  /** The seed and profile that showed it. */
  seed: number | undefined;
  profile: Profile | undefined;
  violation: string;
}

const messageLength = 90;
/** Short runs: what they lack in length they make up for in settings. */
const huntMs = 6000;

/** Exit code 1 when one is not found in its share of the time. */
export async function huntMutants(options: {
  /** Of real time, for all. */
  minutes: number;
  seed: number;
  only?: readonly ReplicaMutation[];
  write: (value: unknown) => Promise<void>;
}): Promise<number> {
  const { minutes, seed, write, only = REPLICA_MUTATIONS } = options;
  const table: MutantFound[] = [];
  const endMs = performance.now() + minutes * 60_000;
  // Each in turn for a little while, so that a hard one does not take the time of the others.
  const waiting = new Map(only.map((mutation) => [mutation, { at: seed, seconds: 0 }]));
  const shareMs = 3000;
  while (waiting.size > 0 && performance.now() < endMs) {
    for (const [mutation, spent] of waiting) {
      const startedMs = cpuMs();
      let found: MutantFound | undefined;
      while (found === undefined && cpuMs() - startedMs < shareMs && performance.now() < endMs) {
        const profile: Profile = spent.at % 3 === 0 ? 'flaky' : 'hostile';
        const { violations } = await played(
          drawCase({ seed: spent.at, profile, safetyMs: huntMs, mutations: [mutation] }),
        );
        spent.at += 1;
        const [first] = violations;
        if (first === undefined) continue;
        // A seed that fails without the mistake says nothing of it; it is a finding of its own.
        const { violations: baseline } = await played(drawCase({ seed: spent.at - 1, profile, safetyMs: huntMs }));
        if (baseline[0] !== undefined) {
          console.log(
            `seed ${spent.at - 1} ${profile} fails without any mistake: ${baseline[0].kind}: ${baseline[0].message}`,
          );
          continue;
        }
        const violation = `${first.kind}: ${first.message.split('\n')[0]?.slice(0, messageLength)}`;
        const seeds = spent.at - seed;
        const seconds = spent.seconds + (cpuMs() - startedMs) / 1000;
        found = { mutation, found: true, seeds, seconds, seed: spent.at - 1, profile, violation };
      }
      spent.seconds += (cpuMs() - startedMs) / 1000;
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

/** Of this process: a busy machine makes no mutant harder to find. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function rowOf({ mutation, found, seeds, seconds, seed, profile, violation }: MutantFound): string {
  const where = found ? `${profile} seed ${seed}  ${violation}` : 'not found';
  return `${found ? '✔' : '✘'} ${mutation.padEnd(32)} ${String(seeds).padStart(5)} seeds ${seconds.toFixed(1).padStart(6)} s  ${where}`;
}
