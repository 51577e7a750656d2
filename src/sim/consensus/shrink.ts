/**
 * The smallest case that still fails in the same way: faults are left out (delta debugging, Zeller and Hildebrandt
 * 2002), then clients, then nodes, then what the network does; what is left tells the story.
 */
import type { Violation } from '../history.ts';
import type { FaultRecord } from './fault-record.ts';
import type { Knobs } from './knobs.ts';
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
  const shape = shapeOf(failed.violations[0]?.message ?? '');
  let runs = 0;
  let best: ConsensusResult = failed;
  const fails = async (played: ConsensusCase): Promise<boolean> => {
    if (runs >= runsMax) return false;
    runs += 1;
    const result = await run(played);
    const [first] = result.violations;
    if (first?.kind !== kind || shapeOf(first.message) !== shape) return false;
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
      clients: clients.registers + clients.lists + clients.bank + clients.watchers + clients.locks,
      voters,
    });
    return true;
  };
  for (let before = -1; before !== sizeOf(current) && runs < runsMax;) {
    before = sizeOf(current);
    await leaveOutFaults(() => current, attempt);
    for (const simpler of simplerKnobs) {
      const knobs = simpler(current.knobs, current.faults ?? []);
      if (knobs !== undefined) await attempt({ ...current, knobs });
    }
  }
  return { kind, message: best.violations[0]?.message ?? '', played: current, runs };
}

/** A sentence without its names and numbers: what is left says what kind of harm it is. */
function shapeOf(message: string): string {
  const [first = ''] = message.split('\n');
  return first.replaceAll(/[a-z]*\d[\d.]*/g, '#').replaceAll(/(#,)+/g, '');
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

/** Each makes one thing simpler, or finds that it is simple already. */
const simplerKnobs: ((knobs: Knobs, faults: readonly FaultRecord[]) => Knobs | undefined)[] = [
  (knobs, faults) => {
    const last = faults.at(-1);
    const safetyMs = Math.ceil((last?.atMs ?? 0) + 2 * (last?.lastsMs ?? 0) + 100);
    return safetyMs < knobs.safetyMs ? { ...knobs, safetyMs } : undefined;
  },
  ...(['registers', 'lists', 'bank', 'watchers', 'locks'] as const).flatMap((kind) =>
    [0, 1].map((count) => (knobs: Knobs) => {
      const { clients } = knobs;
      return clients[kind] > count ? { ...knobs, clients: { ...clients, [kind]: count } } : undefined;
    }),
  ),
  (knobs) => (knobs.clients.padBytes > 0 ? { ...knobs, clients: { ...knobs.clients, padBytes: 0 } } : undefined),
  (knobs) => (knobs.voters > 1 ? { ...knobs, voters: knobs.voters - 1 } : undefined),
  (knobs) =>
    JSON.stringify(knobs.quality) === JSON.stringify(calmQuality) ? undefined : { ...knobs, quality: calmQuality },
  ...(['dropChance', 'duplicateChance', 'replayChance', 'tailChance'] as const).map(
    (key) => (knobs: Knobs) =>
      knobs.quality[key] > 0 ? { ...knobs, quality: { ...knobs.quality, [key]: 0 } } : undefined,
  ),
  (knobs) =>
    knobs.clocks.driftPpm > 0 || knobs.clocks.wallOffsetMs > 0
      ? { ...knobs, clocks: { wallOffsetMs: 0, driftPpm: 0 } }
      : undefined,
  // Settings of a drawing that a list of faults has no use for.
  (knobs) => (Object.keys(knobs.weights).length > 0 ? { ...knobs, weights: {} } : undefined),
];
