/**
 * The smallest case that still fails in the same way: faults are left out (delta debugging, Zeller and Hildebrandt
 * 2002), then clients, then nodes, then what the network does; what is left tells the story.
 */
import type { Violation } from '../history.ts';
import type { FaultRecord } from './fault-record.ts';
import { calmQuality } from './plain-network.ts';
import type { ConsensusCase, ConsensusResult } from './run.ts';

export interface ShrinkOptions {
  /** The run that failed, as it was played. */
  failed: ConsensusResult;
  run: (played: ConsensusCase) => Promise<ConsensusResult>;
  runsMax: number;
  note?: (told: { runs: number; faults: number; clients: number; voters: number }) => void;
}

export interface Shrunk {
  kind: Violation['kind'];
  message: string;
  played: ConsensusCase;
  runs: number;
}

/** Undefined when the recorded run does not fail again in the same way. */
export async function shrink({ failed, run, runsMax, note }: ShrinkOptions): Promise<Shrunk | undefined> {
  const kind = failed.violations[0]?.kind;
  if (kind === undefined) return undefined;
  let runs = 0;
  let best: ConsensusResult = failed;
  const fails = async (played: ConsensusCase): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs += 1;
    const result = await run(played);
    if (result.violations[0]?.kind !== kind) return false;
    // The list as it was given: what the run could not do is left out with it.
    best = result;
    return true;
  };
  let current = failed.played;
  if (!(await fails(current))) return undefined;
  current = best.played;
  const attempt = async (next: ConsensusCase): Promise<boolean> => {
    if (!(await fails(next))) return false;
    current = best.played;
    const { clients, voters } = current.knobs;
    note?.({
      runs,
      faults: current.faults?.length ?? 0,
      clients: clients.registers + clients.lists + clients.bank + clients.watchers,
      voters,
    });
    return true;
  };
  for (let before = -1; before !== sizeOf(current) && runs < runsMax;) {
    before = sizeOf(current);
    await leaveOutFaults(() => current, attempt);
    for (const simpler of simplerKnobs(current)) await attempt({ ...simpler, faults: current.faults ?? [] });
  }
  return { kind, message: best.violations[0]?.message ?? '', played: current, runs };
}

function sizeOf({ faults, knobs }: ConsensusCase): number {
  return (faults?.length ?? 0) * 1000 + JSON.stringify(knobs).length + knobs.voters * 10;
}

/** Leave out halves, then quarters, and so on down to single faults. */
async function leaveOutFaults(
  now: () => ConsensusCase,
  attempt: (next: ConsensusCase) => Promise<boolean>,
): Promise<void> {
  for (
    let chunk = Math.ceil((now().faults?.length ?? 0) / 2);
    chunk >= 1;
    chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)
  ) {
    for (let from = 0; from < (now().faults?.length ?? 0);) {
      const faults: FaultRecord[] = now().faults ?? [];
      const without = [...faults.slice(0, from), ...faults.slice(from + chunk)];
      // What is left out makes room: the same place again.
      if (!(await attempt({ ...now(), faults: without }))) from += chunk;
    }
  }
}

function simplerKnobs(played: ConsensusCase): ConsensusCase[] {
  const { knobs } = played;
  const withKnobs = (change: Partial<ConsensusCase['knobs']>): ConsensusCase => ({
    ...played,
    knobs: { ...knobs, ...change },
  });
  const { clients, quality, clocks } = knobs;
  const cases: ConsensusCase[] = [];
  const last = played.faults?.at(-1);
  if (last !== undefined && knobs.safetyMs > last.atMs + 2 * last.lastsMs + 100)
    cases.push(withKnobs({ safetyMs: Math.ceil(last.atMs + 2 * last.lastsMs + 100) }));
  for (const kind of ['registers', 'lists', 'bank', 'watchers'] as const) {
    if (clients[kind] > 0) cases.push(withKnobs({ clients: { ...clients, [kind]: 0 } }));
    if (clients[kind] > 1) cases.push(withKnobs({ clients: { ...clients, [kind]: 1 } }));
  }
  if (clients.padBytes > 0) cases.push(withKnobs({ clients: { ...clients, padBytes: 0 } }));
  if (knobs.voters > 1) cases.push(withKnobs({ voters: knobs.voters - 1 }));
  if (JSON.stringify(quality) !== JSON.stringify(calmQuality)) cases.push(withKnobs({ quality: calmQuality }));
  for (const key of ['dropChance', 'duplicateChance', 'replayChance', 'tailChance'] as const)
    if (quality[key] > 0) cases.push(withKnobs({ quality: { ...quality, [key]: 0 } }));
  if (clocks.driftPpm > 0 || clocks.wallOffsetMs > 0)
    cases.push(withKnobs({ clocks: { wallOffsetMs: 0, driftPpm: 0 } }));
  return cases;
}
