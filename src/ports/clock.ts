/** Time. Real: `drivers/clock.ts`; virtual: `sim/clock.ts`. */
export interface Timer {
  /** Idempotent; after it the callback does not run. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds from an arbitrary start; never goes back; for durations. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; may jump; for timestamps people read. */
  wallMs(): number;
  /** Timers fire in the order of (due time, creation). A delay of 0 fires in a later turn. */
  after(delayMs: number, fire: () => void): Timer;
  /** Yield: run in a later turn of the event loop, after waiting I/O was seen. For long work in slices. */
  soon(fire: () => void): void;
  /** Run once what is already being handled in this turn is done. For sending one frame per turn. */
  endOfTurn(fire: () => void): void;
}
