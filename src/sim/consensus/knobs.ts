/**
 * What a run draws for itself before it begins (swarm testing, Groce et al. 2012): sizes, rates, which faults there
 * are at all. Plain data, so that a run can be written down, changed and played again.
 */
import type { NodeId } from '#src/raft/types.ts';
import type { ReplicaSettings } from '#src/replica/replica.ts';
import type { Profile } from '../faults.ts';
import { createPrng, type Prng } from '../prng.ts';
import { faultKinds, type FaultKind } from './fault-record.ts';
import type { PlainQuality } from './plain-network.ts';

export interface Knobs {
  voters: number;
  /** Faults happen for so long, in virtual ms. */
  safetyMs: number;
  replica: Partial<ReplicaSettings>;
  walSegmentBytes: number;
  quality: PlainQuality;
  clocks: { wallOffsetMs: number; driftPpm: number };
  syncMs: number;
  /** From one fault to the next, at most; 0: none. */
  faultEveryMs: number;
  faultLastsMs: number;
  weights: Partial<Record<FaultKind, number>>;
  /** The one node whose disk may rot, so that a quorum has every byte (the fault atlas of VOPR); then nobody is removed. */
  rotten: NodeId | undefined;
  clients: {
    registers: number;
    lists: number;
    bank: number;
    watchers: number;
    locks: number;
    thinkMs: number;
    padBytes: number;
  };
}

export interface KnobOptions {
  seed: number;
  profile: Profile;
  /** Voters at the beginning; default: drawn, 1 to 7. */
  nodes?: number | undefined;
  /** Of faults; default: drawn. */
  safetyMs?: number | undefined;
}

const votersDrawn = [1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7] as const;
const profileOf = {
  calm: { everyMs: [0], onChance: 0, tail: [0], drop: [0], drift: 0, wall: 0 },
  flaky: { everyMs: [800, 1500, 3000], onChance: 0.6, tail: [0, 0.02], drop: [0, 0, 0.01], drift: 200, wall: 500 },
  hostile: {
    everyMs: [150, 400, 800, 1500],
    onChance: 0.7,
    tail: [0, 0.05, 0.3],
    drop: [0, 0.02, 0.15],
    drift: 2000,
    wall: 5000,
  },
} as const;
/** Faults that only the hostile profile has. */
const hostileOnly: readonly FaultKind[] = [
  'power-all',
  'broken-sync',
  'failed-write',
  'full-disk',
  'little-space',
  'late-power',
  'hung-disk',
  'freeze',
  'freeze-alone',
  'drift',
  'wall-jump',
  'filter',
  'one-way',
  'bridge',
  'swizzle',
  'flapping',
];
/** As many ticks in every election timeout as the real settings have. */
const electionsMs = [100, 250, 250, 500] as const;

export function drawKnobs({ seed, profile, nodes, safetyMs }: KnobOptions): Knobs {
  const prng = createPrng(seed, 'knobs');
  const facts = profileOf[profile];
  const pick = <T>(values: readonly T[]): T => values[prng.below(values.length)] as T;
  const electionMs = pick(electionsMs);
  const voters = nodes ?? (profile === 'calm' ? 3 : pick(votersDrawn));
  const weights = drawWeights(prng, profile, facts.onChance);
  const rots = profile === 'hostile' && voters >= 3 && prng.chance(0.35);
  if (rots) for (const kind of ['remove', 'remove-while-down', 'set-voters'] as const) delete weights[kind];
  else delete weights['bit-flip'];
  // A lease trusts clocks that run: a process that goes on while its clock stands still is beyond what it promises.
  const reads = pick(['index', 'index', 'lease'] as const);
  if (reads === 'lease') for (const kind of ['freeze', 'freeze-alone'] as const) delete weights[kind];
  const unordered = profile !== 'calm' && prng.chance(0.3);
  return {
    voters,
    rotten: rots ? `n${1 + prng.below(voters)}` : undefined,
    safetyMs: safetyMs ?? (profile === 'hostile' ? 30_000 : 20_000),
    replica: {
      electionMs,
      heartbeatMs: electionMs / 5,
      tickMs: electionMs / 25,
      diskHangMs: pick([500, 2000]),
      snapshotEntries: pick([40, 150, 600, 3000, 100_000]),
      trailingEntries: pick([1, 5, 40, 1000]),
      retainMs: pick([500, 1500, 300_000]),
      // Small pipelined messages out of order are refused one by one and sent again a hundred times over: no news in that.
      appendBytesMax: pick(unordered ? [1024 * 1024, 3000] : [1024 * 1024, 1024 * 1024, 300, 1]),
      compactionIntervalMs: pick([300, 1000]),
      reads,
      checkMs: pick([60_000, 700]),
      checkEntries: pick([100_000, 100]),
    },
    walSegmentBytes: pick([32 * 1024, 128 * 1024]),
    quality: {
      minMs: pick([0.05, 0.2, 2]),
      jitterMs: pick([0, 0.5, 5]),
      tailChance: pick(facts.tail),
      tailMax: pick([4, 64]),
      dropChance: pick(facts.drop),
      duplicateChance: unordered ? pick([0, 0.02, 0.2]) : 0,
      replayChance: unordered ? pick([0, 0, 0.02]) : 0,
      reorder: unordered,
      chunkMs: pick([0.05, 5, 150]),
    },
    clocks: { wallOffsetMs: facts.wall, driftPpm: facts.drift },
    syncMs: pick([0.1, 0.5, 3, 15]),
    faultEveryMs: pick(facts.everyMs),
    faultLastsMs: pick([300, 1200, 4000]),
    weights,
    clients: {
      registers: 1 + prng.below(4),
      lists: 1 + prng.below(3),
      bank: prng.below(2),
      watchers: 1 + prng.below(2),
      locks: prng.below(3),
      thinkMs: pick([2, 10, 40]),
      padBytes: pick([0, 0, 600, 4000]),
    },
  };
}

function drawWeights(prng: Prng, profile: Profile, onChance: number): Knobs['weights'] {
  const weights: Knobs['weights'] = {};
  for (const kind of faultKinds) {
    const on = prng.chance(onChance);
    const weight = 1 + prng.below(4);
    if (on && (profile === 'hostile' || !hostileOnly.includes(kind))) weights[kind] = weight;
  }
  return weights;
}
