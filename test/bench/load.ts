/** A closed loop of clients for a while, what they saw, what processes cost, and rows of a table. */
import { readFileSync } from 'node:fs';

export interface LoadResult {
  done: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  failed: number;
}

export function percentile(values: number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
}

export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** `clients` at once, each with one operation in flight, for `durationMs`. */
export async function closedLoop(
  clients: number,
  durationMs: number,
  operation: (client: number, n: number) => Promise<void>,
): Promise<LoadResult> {
  const times: number[] = [];
  let failed = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      let now = performance.now();
      for (let n = 0; now - start < durationMs; n += 1) {
        const began = now;
        try {
          await operation(client, n);
          now = performance.now();
          times.push(now - began);
        } catch {
          failed += 1; // Counted and shown; a benchmark of failures would be none.
          now = performance.now();
        }
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return {
    done: times.length,
    perSecond: times.length / seconds,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    failed,
  };
}

export function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** User and system time of a process so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function row(cells: (string | number)[]): void {
  const text = (cell: string | number): string =>
    typeof cell === 'number' ? (Math.abs(cell) >= 100 ? cell.toFixed(0) : cell.toFixed(2)) : cell;
  console.log(`| ${cells.map(text).join(' | ')} |`);
}

export function titles(names: string[]): void {
  row(names);
  row(names.map(() => '---'));
}
