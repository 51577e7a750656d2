/**
 * `kontiki sim`: a whole cluster in virtual time, from a seed: real nodes on simulated disks,
 * networks and clocks, clients that speak the API, and faults. A seed that fails is replayed by
 * the command that is printed with it.
 */
import type { ReplicaMutation } from '#src/replica/replica.ts';
import { profiles } from '#src/sim/faults.ts';
import { runSimulation, type SimResult } from '#src/sim/run.ts';
import { choiceFlag, integerFlag, readFlags, textFlag, type Flags } from './usage.ts';

const mutations: readonly (ReplicaMutation | 'none')[] = [
  'none',
  'ack-before-sync',
  'commit-old-term-by-counting',
  'vote-not-durable',
  'no-dedup',
  'lost-watch-event',
];

interface Wanted {
  profile: (typeof profiles)[number];
  nodes: number;
  writes: number;
  mutation: ReplicaMutation | 'none';
}

/** Exit code 1 when a run shows what a correct cluster never shows. */
export async function simCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    profile: { type: 'string' },
    nodes: { type: 'string' },
    writes: { type: 'string' },
    mutation: { type: 'string' },
    json: { type: 'boolean' },
  });
  const first = integerFlag(flags, 'seed', 1, { min: 0, max: 2 ** 31 });
  const count = integerFlag(flags, 'seeds', 1, { min: 1, max: 1_000_000 });
  const wanted = wantedOf(flags);
  const asJson = flags.values['json'] === true;
  let failed = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const startedMs = performance.now();
    const result = await run(seed, wanted);
    if (result.violations.length > 0) failed += 1;
    if (asJson) console.log(JSON.stringify(result));
    else tell(result, wanted, performance.now() - startedMs);
  }
  if (count > 1 && !asJson) console.log(`${count - failed} of ${count} seeds passed`);
  return failed > 0 ? 1 : 0;
}

function wantedOf(flags: Flags): Wanted {
  const mutation = textFlag(flags, 'mutation', 'none');
  return {
    profile: choiceFlag(flags, 'profile', 'flaky', profiles),
    nodes: integerFlag(flags, 'nodes', 3, { min: 1, max: 9 }),
    writes: integerFlag(flags, 'writes', 200, { min: 1, max: 1_000_000 }),
    mutation: mutation === 'none' ? 'none' : choiceFlag(flags, 'mutation', 'none', mutations),
  };
}

/** A promise that nobody waits for and that fails is a mistake of ours: the run ends with it. */
async function run(seed: number, { profile, nodes, writes, mutation }: Wanted): Promise<SimResult> {
  const failures: unknown[] = [];
  const note = (reason: unknown): void => void failures.push(reason);
  process.on('unhandledRejection', note);
  try {
    const result = await runSimulation({
      seed,
      profile,
      nodes,
      writes,
      ...(mutation === 'none' ? {} : { mutations: [mutation] }),
      settle: () =>
        new Promise((resolve, reject) => {
          setImmediate(() => (failures.length > 0 ? reject(failures.shift()) : resolve()));
        }),
    });
    return result;
  } finally {
    process.off('unhandledRejection', note);
  }
}

function tell(result: SimResult, wanted: Wanted, tookMs: number): void {
  const { seed, virtualMs, events, acknowledged, unknown, leaderChanges, faultsByKind, violations, traceHash } = result;
  const faults = Object.values(faultsByKind).reduce((sum, times) => sum + times, 0);
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  console.log(
    `${violations.length === 0 ? '✔' : '✘'} seed ${seed} ${wanted.profile}: ${acknowledged} writes acknowledged, ${unknown} unknown, ` +
      `${leaderChanges} leader changes, ${faults} faults, ${events} events in ${seconds(virtualMs)} s (took ${seconds(tookMs)} s), trace ${traceHash}`,
  );
  if (violations.length === 0) return;
  for (const { kind, message } of violations) console.log(`    ${kind}: ${message}`);
  console.log(result.details);
  console.log(`  again: ${replayCommand(seed, wanted)}`);
}

function replayCommand(seed: number, { profile, nodes, writes, mutation }: Wanted): string {
  const extra = mutation === 'none' ? '' : ` --mutation ${mutation}`;
  return `npm run -s kontiki -- sim --seed ${seed} --profile ${profile} --nodes ${nodes} --writes ${writes}${extra}`;
}
