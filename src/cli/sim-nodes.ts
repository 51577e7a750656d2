/** `kontiki sim --tier nodes`: whole nodes, API server included. */
import { runSimulation } from '#src/sim/run.ts';
import type { SimWanted } from './sim.ts';
import type { SeedOutcome } from './sim-totals.ts';

/** A promise that nobody waits for and that fails is a mistake of ours: the run ends with it. */
export async function runNodesSeed(seed: number, wanted: SimWanted): Promise<SeedOutcome> {
  const startedMs = performance.now();
  const failures: unknown[] = [];
  const note = (reason: unknown): void => void failures.push(reason);
  process.on('unhandledRejection', note);
  try {
    const { profile, nodes = 3, writes, mutation } = wanted;
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
    const { virtualMs, events, acknowledged, unknown, leaderChanges, faultsByKind, violations, traceHash, marks } =
      result;
    const failed = violations.length > 0;
    const faults = Object.values(faultsByKind).reduce((sum, times) => sum + times, 0);
    const seconds = (ms: number): string => (ms / 1000).toFixed(1);
    const lines = [
      `${failed ? '✘' : '✔'} seed ${seed} ${profile}: ${acknowledged} writes acknowledged, ${unknown} unknown, ` +
        `${leaderChanges} leader changes, ${faults} faults, ${events} events in ${seconds(virtualMs)} s ` +
        `(took ${seconds(performance.now() - startedMs)} s), trace ${traceHash}`,
    ];
    if (failed) {
      for (const { kind, message } of violations) lines.push(`    ${kind}: ${message}`);
      lines.push(result.details, `  again: ${replayCommand(seed, wanted)}`);
    }
    return {
      failed,
      virtualMs,
      counts: { events, acknowledged, unknown, leaderChanges },
      faults: faultsByKind,
      marks,
      violations,
      traceHash,
      lines,
    };
  } finally {
    process.off('unhandledRejection', note);
  }
}

function replayCommand(seed: number, { profile, nodes = 3, writes, mutation }: SimWanted): string {
  const extra = mutation === 'none' ? '' : ` --mutation ${mutation}`;
  return `npm run -s kontiki -- sim --seed ${seed} --profile ${profile} --nodes ${nodes} --writes ${writes}${extra}`;
}
