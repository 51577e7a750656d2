/** Driving virtual time in tests. The tests may yield to the real event loop; the simulated world may not. */
import type { World } from '#src/sim/clock.ts';

/** Let every promise that can settle settle: Node runs all microtasks before the next turn. */
export function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Run events until `promise` settles; fails when the world has nothing left to do, for then it never will. */
export async function settle<T>(world: World, promise: Promise<T>): Promise<T> {
  let settled = false;
  const noted = promise.finally(() => {
    settled = true;
  });
  noted.catch(() => undefined); // given back below
  await drained();
  while (!settled) {
    if (!world.runNext()) throw new Error('nothing is left to happen, and the promise has not settled');
    await drained();
  }
  return noted;
}

/** Run at most `count` events; the number that ran. */
export async function runEvents(world: World, count: number): Promise<number> {
  await drained();
  for (let ran = 0; ran < count; ran += 1) {
    if (!world.runNext()) return ran;
    await drained();
  }
  return count;
}

/** Run everything due in the next `ms`. */
export async function runFor(world: World, ms: number): Promise<void> {
  const untilMs = world.nowMs() + ms;
  let reached = false;
  world.after(ms, () => {
    reached = true;
  });
  await drained();
  while (!reached && (world.nextDueMs() ?? Number.POSITIVE_INFINITY) <= untilMs && world.runNext()) await drained();
}
