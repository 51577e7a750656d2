/** A closed loop of clients for a while, and what they saw. */
export interface LoadResult {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  failed: number;
}

export function percentile(values: number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
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
      for (let n = 0; performance.now() - start < durationMs; n += 1) {
        const began = performance.now();
        try {
          await operation(client, n);
          times.push(performance.now() - began);
        } catch {
          failed += 1; // Counted and shown; a benchmark of failures would be none.
        }
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return { perSecond: times.length / seconds, p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99), failed };
}
