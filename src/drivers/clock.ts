/**
 * The machine's clocks and Node's timers behind the Clock port.
 * Owns: nothing but the timers it was asked for. Imports: ports.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';

/** setTimeout fires at once above this (2^31-1 ms, 24.8 days); longer waits are walked in steps of it. */
const timeoutMsMax = 2_147_483_647;

/** How often the end of a turn may set off more that still belongs to it, before input is looked at again. */
const settleRoundsMax = 8;

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
    endOfTurn: turnEnds(),
  };
}

/**
 * One immediate a turn: it comes after all that this poll of the event loop brought in, so that everything
 * of a turn shares a frame and a sync. What the end of the turn sets off in turn (a proposal becomes an
 * entry, the entry a frame), also through promises, ends with it: each in an immediate of its own would pass
 * the poll again, four times between a call and its first frame.
 */
function turnEnds(): (fire: () => void) => void {
  let waiting: (() => void)[] = [];
  let state: 'idle' | 'scheduled' | 'ending' = 'idle';
  let rounds = 0;
  function run(): void {
    while (waiting.length > 0) {
      const ready = waiting;
      waiting = [];
      for (const [at, fire] of ready.entries()) {
        try {
          fire();
        } catch (error) {
          // Stops the process, as a mistake in a callback does; if it does not, the others are not lost.
          waiting = [...ready.slice(at + 1), ...waiting];
          state = waiting.length > 0 ? 'scheduled' : 'idle';
          if (waiting.length > 0) setImmediate(end);
          throw error;
        }
      }
    }
  }
  /** After all promises that could be settled were. */
  function settle(): void {
    if (state !== 'ending') return;
    if (waiting.length === 0) {
      state = 'idle';
      return;
    }
    if ((rounds += 1) > settleRoundsMax) {
      state = 'scheduled';
      setImmediate(end);
      return;
    }
    run();
    afterPromises(settle);
  }
  function end(): void {
    state = 'ending';
    rounds = 0;
    run();
    afterPromises(settle);
  }
  return (fire) => {
    waiting.push(fire);
    if (state !== 'idle') return;
    state = 'scheduled';
    setImmediate(end);
  };
}

/** Node runs ticks when no promise reaction is left, so one asked for by a reaction comes after all of them. */
function afterPromises(then: () => void): void {
  queueMicrotask(() => process.nextTick(then));
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
