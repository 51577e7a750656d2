/** Sums over many seeds, and how they are told. */
import type { SimWanted } from './sim.ts';

export interface SeedOutcome {
  failed: boolean;
  virtualMs: number;
  /** What was counted, by name. */
  counts: Record<string, number>;
  faults: Record<string, number>;
  marks: Record<string, number>;
  violations: { kind: string; message: string }[];
  traceHash: string;
  /** What is printed of it. */
  lines: string[];
}

export interface Totals {
  wanted: SimWanted;
  seeds: number;
  failed: number;
  failedSeeds: number[];
  virtualMs: number;
  tookMs: number;
  counts: Record<string, number>;
  faults: Record<string, number>;
  marks: Record<string, number>;
  violations: Record<string, number>;
  /** Over the traces of all seeds, in order. */
  traceHash: string;
}

const failedSeedsMax = 100;

export function emptyTotals(wanted: SimWanted): Totals {
  return {
    wanted,
    seeds: 0,
    failed: 0,
    failedSeeds: [],
    virtualMs: 0,
    tookMs: 0,
    counts: {},
    faults: {},
    marks: {},
    violations: {},
    traceHash: '00000000',
  };
}

export function addTo(totals: Totals, seed: number, outcome: SeedOutcome): void {
  totals.seeds += 1;
  if (outcome.failed) totals.failed += 1;
  if (outcome.failed && totals.failedSeeds.length < failedSeedsMax) totals.failedSeeds.push(seed);
  totals.virtualMs += outcome.virtualMs;
  const sum = (into: Record<string, number>, from: Record<string, number>): void => {
    for (const [name, value] of Object.entries(from)) into[name] = (into[name] ?? 0) + value;
  };
  sum(totals.counts, outcome.counts);
  sum(totals.faults, outcome.faults);
  sum(totals.marks, outcome.marks);
  for (const { kind } of outcome.violations) totals.violations[kind] = (totals.violations[kind] ?? 0) + 1;
  const mixed = Math.imul(Number.parseInt(totals.traceHash, 16) ^ Number.parseInt(outcome.traceHash, 16), 0x01000193);
  totals.traceHash = (mixed >>> 0).toString(16).padStart(8, '0');
}

export function tellTotals(totals: Totals): void {
  const { seeds, failed, failedSeeds, virtualMs, tookMs, counts, faults, violations } = totals;
  const seconds = tookMs / 1000;
  const many = (record: Record<string, number>): string =>
    Object.entries(record)
      .sort((a, b) => b[1] - a[1])
      .map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
      .join(', ');
  console.log(`${seeds - failed} of ${seeds} seeds passed`);
  const events = counts['events'] ?? 0;
  console.log(
    `  ${(virtualMs / 1000).toFixed(0)} s of virtual time in ${seconds.toFixed(0)} s (${(virtualMs / Math.max(1, tookMs)).toFixed(1)} × real time), ` +
      `${Math.round(events / Math.max(0.001, seconds)).toLocaleString('en-US')} events a second, trace ${totals.traceHash}`,
  );
  console.log(`  ${many(counts)}`);
  if (Object.keys(faults).length > 0) console.log(`  faults: ${many(faults)}`);
  if (failed > 0) console.log(`  violations: ${many(violations)}; seeds ${failedSeeds.join(', ')}`);
}
