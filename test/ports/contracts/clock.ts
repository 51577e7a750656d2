/** What every Clock promises. */
import type { TestFn } from 'ava';

import type { Clock } from '#src/ports/clock.ts';

export interface ClockFixture {
  clock: Clock;
  /** Let time pass until `promise` settles. */
  run: <T>(promise: Promise<T>) => Promise<T>;
}

export function clockContract(test: TestFn, name: string, make: () => ClockFixture): void {
  const elapsed = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

  test(`${name}: timers fire in the order of due time, then of creation`, async (t) => {
    const { clock, run } = make();
    const fired: string[] = [];
    clock.after(20, () => fired.push('late'));
    clock.after(5, () => fired.push('first'));
    clock.after(5, () => fired.push('second'));
    await run(elapsed(clock, 40));
    t.deepEqual(fired, ['first', 'second', 'late']);
  });

  test(`${name}: a cancelled timer does not fire, and cancel is idempotent`, async (t) => {
    const { clock, run } = make();
    const timer = clock.after(1, () => t.fail('fired after cancel'));
    timer.cancel();
    timer.cancel();
    await run(elapsed(clock, 10));
    t.pass();
  });

  test(`${name}: nothing fires in the turn that asked for it`, async (t) => {
    const { clock, run } = make();
    const fired: string[] = [];
    clock.after(0, () => fired.push('after'));
    clock.soon(() => fired.push('soon'));
    clock.endOfTurn(() => fired.push('endOfTurn'));
    t.deepEqual(fired, []);
    await run(elapsed(clock, 5));
    t.deepEqual(fired.toSorted(), ['after', 'endOfTurn', 'soon']);
  });

  test(`${name}: monotonic time passes by at least the delay of a timer and never goes back`, async (t) => {
    const { clock, run } = make();
    const before = clock.monotonicMs();
    await run(elapsed(clock, 10));
    t.true(clock.monotonicMs() - before >= 9, `${clock.monotonicMs() - before} ms passed`);
  });

  test(`${name}: the wall clock counts milliseconds since 1970`, (t) => {
    const { clock } = make();
    t.true(clock.wallMs() > Date.UTC(2025, 0, 1));
    t.true(Number.isInteger(clock.wallMs()));
  });
}
