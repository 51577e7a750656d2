/**
 * `kontiki sim`: a cluster in virtual time, from a seed, with faults and clients, judged. Two tiers: whole nodes with
 * clients that speak the API, or the consensus group and its store alone, many times faster. A seed that fails is
 * replayed by the command that is printed with it.
 * Read next: sim-nodes.ts, sim-consensus.ts, sim-mutants.ts.
 */
import { writeFile } from 'node:fs/promises';
import { profiles, type Profile } from '#src/sim/faults.ts';
import { REPLICA_MUTATIONS, type ReplicaMutation } from '#src/replica/replica.ts';
import { marksMissed } from '#src/sim/marks.ts';
import { playFile, runConsensusSeed, shrinkSeed } from './sim-consensus.ts';
import { huntMutants } from './sim-mutants.ts';
import { runNodesSeed } from './sim-nodes.ts';
import { addTo, emptyTotals, tellTotals, type SeedOutcome, type Totals } from './sim-totals.ts';
import { choiceFlag, integerFlag, readFlags, textFlag, UsageError, type Flags } from './usage.ts';

const tiers = ['nodes', 'consensus'] as const;
const mutations: readonly (ReplicaMutation | 'none')[] = ['none', ...REPLICA_MUTATIONS];

/** What one seed is to be. */
export interface SimWanted {
  tier: (typeof tiers)[number];
  profile: Profile;
  /** Undefined: three in the tier of nodes, drawn in that of consensus. */
  nodes: number | undefined;
  /** Acknowledged before the faults end; tier of nodes. */
  writes: number;
  mutation: ReplicaMutation | 'none';
}

/** Exit code 1 when a run shows what a correct cluster never shows. */
export async function simCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, {
    tier: { type: 'string' },
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    profile: { type: 'string' },
    nodes: { type: 'string' },
    writes: { type: 'string' },
    mutation: { type: 'string' },
    json: { type: 'string' },
    faults: { type: 'string' },
    coverage: { type: 'boolean' },
    shrink: { type: 'boolean' },
    mutants: { type: 'boolean' },
    quiet: { type: 'boolean' },
  });
  const wanted = wantedOf(flags);
  const seed = integerFlag(flags, 'seed', 1, { min: 0, max: 2 ** 31 });
  const minutes = integerFlag(flags, 'minutes', 0, { min: 0, max: 24 * 60 });
  refuseMixtures(flags, wanted);
  const out = textFlag(flags, 'json', '');
  const write = async (value: unknown): Promise<void> => {
    if (out === '-') console.log(JSON.stringify(value));
    else if (out !== '') await writeFile(out, `${JSON.stringify(value, undefined, 2)}\n`);
  };
  if (flags.values['mutants'] === true) return huntMutants({ minutes: minutes || 10, seed, write });
  if (typeof flags.values['faults'] === 'string') return playFile(flags.values['faults'], write);
  if (flags.values['shrink'] === true) return shrinkSeed(seed, wanted, write);
  const totals = await runSeeds(flags, { wanted, seed, minutes, silent: out === '-' });
  await write(totals);
  const missed = marksMissed(Object.keys(totals.marks));
  if (flags.values['coverage'] === true) {
    for (const [mark, times] of Object.entries(totals.marks).sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`  ${times} × ${mark}`);
    for (const mark of missed) console.log(`  never: ${mark}`);
  }
  return totals.failed > 0 || (flags.values['coverage'] === true && missed.length > 0) ? 1 : 0;
}

async function runSeeds(
  flags: Flags,
  { wanted, seed, minutes, silent }: { wanted: SimWanted; seed: number; minutes: number; silent: boolean },
): Promise<Totals> {
  // With a time and without a number: as many as there is time for.
  const most = minutes > 0 ? 2 ** 31 : 1;
  const count = integerFlag(flags, 'seeds', most, { min: 1, max: 2 ** 31 });
  const startedMs = performance.now();
  const totals = emptyTotals(wanted);
  for (let at = seed; at < seed + count; at += 1) {
    if (minutes > 0 && performance.now() - startedMs > minutes * 60_000) break;
    const outcome = await runOne(at, wanted);
    addTo(totals, at, outcome);
    if (silent) continue;
    if (outcome.failed || flags.values['quiet'] !== true) console.log(outcome.lines.join('\n'));
  }
  totals.tookMs = Math.round(performance.now() - startedMs);
  if (!silent && totals.seeds > 1) tellTotals(totals);
  return totals;
}

function runOne(seed: number, wanted: SimWanted): Promise<SeedOutcome> {
  return wanted.tier === 'nodes' ? runNodesSeed(seed, wanted) : runConsensusSeed(seed, wanted);
}

function wantedOf(flags: Flags): SimWanted {
  const mutation = choiceFlag(flags, 'mutation', 'none', mutations);
  const nodes = integerFlag(flags, 'nodes', 0, { min: 0, max: 9 });
  return {
    tier: choiceFlag(flags, 'tier', 'nodes', tiers),
    profile: choiceFlag(flags, 'profile', 'flaky', profiles),
    nodes: nodes === 0 ? undefined : nodes,
    writes: integerFlag(flags, 'writes', 200, { min: 1, max: 1_000_000 }),
    mutation,
  };
}

/** Options that would be passed over in silence are refused. */
function refuseMixtures({ values }: Flags, { tier, nodes }: SimWanted): void {
  if (tier === 'consensus' && values['writes'] !== undefined)
    throw new UsageError('--writes belongs to --tier nodes; a run of --tier consensus has a length of its own');
  if (tier === 'consensus' && (nodes ?? 0) > 7)
    throw new UsageError(`--nodes is '${nodes}'; --tier consensus begins with at most 7 voters`);
  if (tier === 'nodes' && values['shrink'] === true)
    throw new UsageError('--shrink needs --tier consensus: only its faults are recorded as a list');
  const modes = ['mutants', 'faults', 'shrink'].filter((name) => values[name] !== undefined);
  if (modes.length > 1) throw new UsageError(`--${modes.join(' and --')} are different tasks; give one of them`);
  if (values['mutants'] === true && values['mutation'] !== undefined)
    throw new UsageError('--mutants plants every mutation in turn; for a single one give --mutation without it');
}
