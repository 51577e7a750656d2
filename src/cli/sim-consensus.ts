/** `kontiki sim --tier consensus`: one seed, a recorded case, or the shrinking of a failure. */
import { readFile } from 'node:fs/promises';
import { drawCase, runConsensus, type ConsensusCase, type ConsensusResult } from '#src/sim/consensus/run.ts';
import { shrink } from '#src/sim/consensus/shrink.ts';
import { messageOf } from '#src/std/fault.ts';
import type { SimWanted } from './sim.ts';
import { createSimHost } from './sim-host.ts';
import type { SeedOutcome } from './sim-totals.ts';
import { UsageError } from './usage.ts';

const shrinkRunsMax = 400;

export async function runConsensusSeed(seed: number, wanted: SimWanted): Promise<SeedOutcome> {
  const startedMs = performance.now();
  const result = await played(caseOf(seed, wanted));
  const tookMs = performance.now() - startedMs;
  return {
    failed: result.violations.length > 0,
    virtualMs: result.virtualMs,
    counts: { events: eventsOf(result), seeds: 1, ...result.counts },
    faults: result.faultsByKind,
    marks: result.marks,
    violations: result.violations,
    traceHash: result.traceHash,
    lines: linesOf(result, tookMs, `--seed ${seed} ${optionsOf(wanted)}`),
  };
}

/** Play a recorded case again. */
export async function playFile(path: string, write: (value: unknown) => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  const result = await played(await caseFrom(path));
  console.log(linesOf(result, performance.now() - startedMs, `--faults ${path}`).join('\n'));
  await write(result);
  return result.violations.length > 0 ? 1 : 0;
}

/** The smallest case in which this seed fails as it did. Exit code 1 when it does fail. */
export async function shrinkSeed(
  seed: number,
  wanted: SimWanted,
  write: (value: unknown) => Promise<void>,
): Promise<number> {
  const failed = await played(caseOf(seed, wanted));
  if (failed.violations.length === 0) {
    console.log(`seed ${seed} passes; there is nothing to shrink`);
    return 0;
  }
  const found = await shrink({
    failed,
    run: played,
    runsMax: shrinkRunsMax,
    note: ({ runs, faults, clients, voters }) =>
      console.log(`  run ${runs}: ${faults} faults, ${clients} clients, ${voters} voters`),
  });
  if (!found) {
    console.log(`seed ${seed} fails, but its recorded faults alone do not bring it about again`);
    await write({ violations: failed.violations, case: failed.played });
    return 1;
  }
  console.log(`${found.kind}: ${found.message}`);
  for (const { atMs, kind, nodes, lastsMs, amount } of found.played.faults ?? [])
    console.log(`  ${atMs.toFixed(0)} ms: ${kind} ${nodes.join(', ')} for ${lastsMs} ms (${amount})`);
  await write({ kind: found.kind, message: found.message, case: found.played });
  return 1;
}

export async function played(run: ConsensusCase): Promise<ConsensusResult> {
  const host = createSimHost();
  try {
    return await runConsensus(run, host);
  } finally {
    host.close();
  }
}

function caseOf(seed: number, { profile, nodes, mutation }: SimWanted): ConsensusCase {
  return drawCase({ seed, profile, nodes, mutations: mutation === 'none' ? [] : [mutation] });
}

/** Faults: UsageError when the file is missing or no case. */
async function caseFrom(path: string): Promise<ConsensusCase> {
  let read: unknown;
  try {
    read = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--faults ${path} cannot be read: ${messageOf(error)}`);
  }
  const found = (read as { case?: unknown }).case ?? read;
  const { seed, knobs, faults, mutations } = found as Partial<ConsensusCase>;
  if (typeof seed !== 'number' || typeof knobs !== 'object' || !Array.isArray(faults) || !Array.isArray(mutations))
    throw new UsageError(`--faults ${path} is no recorded case: it needs 'seed', 'knobs' and 'faults'`);
  return found as ConsensusCase;
}

const eventsOf = ({ counts }: ConsensusResult): number => counts.messages + counts.timers + counts.disk;

function optionsOf({ profile, nodes, mutation }: SimWanted): string {
  return [
    `--tier consensus --profile ${profile}`,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(mutation === 'none' ? [] : [`--mutation ${mutation}`]),
  ].join(' ');
}

function linesOf(result: ConsensusResult, tookMs: number, again: string): string[] {
  const { seed, counts, virtualMs, violations, traceHash, played: run } = result;
  const failed = violations.length > 0;
  const lines = [
    `${failed ? '✘' : '✔'} seed ${seed} ${run.profile}, ${run.knobs.voters} voters: ${counts.acknowledged} writes acknowledged, ` +
      `${counts.unknown} unknown, ${counts.leaderChanges} leader changes, ${counts.configurations} configurations, ` +
      `${run.faults?.length ?? 0} faults, ${eventsOf(result)} events in ${(virtualMs / 1000).toFixed(1)} s ` +
      `(took ${(tookMs / 1000).toFixed(2)} s), trace ${traceHash}`,
  ];
  if (!failed) return lines;
  for (const { kind, message } of violations) lines.push(`    ${kind}: ${message}`);
  lines.push(`  drawn: ${JSON.stringify(run.knobs)}`, result.details, `  again: npm run -s kontiki -- sim ${again}`);
  return lines;
}
