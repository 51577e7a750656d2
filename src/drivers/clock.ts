/**
 * The machine's clocks and Node's timers behind the Clock port.
 * Owns: nothing but the timers it was asked for. Imports: ports.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';

/** setTimeout fires at once above this (2^31-1 ms, 24.8 days); longer waits are walked in steps of it. */
const timeoutMsMax = 2_147_483_647;

/**
 * The real Clock. Timers keep the process alive, as anything still to be done should;
 * Node orders timers of one length only, so equal due times of different lengths may swap by a millisecond.
 */
export function createClock(): Clock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    after: (delayMs, fire) => afterReal(Math.max(0, delayMs), fire),
    soon: (fire) => void setImmediate(fire),
    endOfTurn: (fire) => void setImmediate(fire),
  };
}

function afterReal(delayMs: number, fire: () => void): Timer {
  const dueMs = performance.now() + delayMs;
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = dueMs - performance.now();
    handle = setTimeout(() => (leftMs > timeoutMsMax ? arm() : fire()), Math.min(Math.max(leftMs, 0), timeoutMsMax));
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}
