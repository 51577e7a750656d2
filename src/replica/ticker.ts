/**
 * The core's time: ticks are counted when something is due or looked at, not one by one, so that an idle node
 * wakes for heartbeats and deadlines only. A timer that comes late says that this process stood still, not
 * that the others were silent: what was due then waits one tick more, in which their messages are seen.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';

/** The longest sleep, in ticks: the replica's housekeeping is done in between. */
const SLEEP_TICKS_MAX = 5;
/** The same while calls wait on this replica. */
const BUSY_SLEEP_TICKS_MAX = 2;
/** A timer later than this is late. */
const LATE_TICKS = 2;

export class Ticker {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #untilDue: () => number;
  readonly #busy: () => boolean;
  readonly #pass: (count: number) => void;
  /** After a wake-up. */
  readonly #woke: () => void;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  /** Time up to here was passed on. */
  #tickedMs = 0;
  #running = false;

  constructor(options: {
    clock: Clock;
    tickMs: number;
    untilDue: () => number;
    busy: () => boolean;
    pass: (count: number) => void;
    woke: () => void;
  }) {
    this.#clock = options.clock;
    this.#tickMs = options.tickMs;
    this.#untilDue = options.untilDue;
    this.#busy = options.busy;
    this.#pass = options.pass;
    this.#woke = options.woke;
  }

  start(): void {
    this.#running = true;
    this.#tickedMs = this.#clock.monotonicMs();
    this.arm();
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
  }

  /** Before an input that may put something off: the time before it counts, but nothing falls due by it. */
  catchUp(): void {
    if (this.#running) this.#advance(this.#untilDue() - 1);
  }

  /** After anything that may have brought something nearer. */
  arm(): void {
    if (!this.#running) return;
    const sleep = this.#busy() ? BUSY_SLEEP_TICKS_MAX : SLEEP_TICKS_MAX;
    const dueMs = this.#tickedMs + Math.min(this.#untilDue(), sleep) * this.#tickMs;
    if (dueMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = dueMs;
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#wake());
  }

  #wake(): void {
    const lateMs = this.#clock.monotonicMs() - this.#timerAtMs;
    this.#timerAtMs = Infinity;
    if (!this.#running) return;
    const due = this.#untilDue();
    this.#advance(lateMs > LATE_TICKS * this.#tickMs ? due - 1 : due);
    this.#woke();
    this.arm();
  }

  #advance(most: number): void {
    const nowMs = this.#clock.monotonicMs();
    // Never ahead of the time, beyond what sums of fractions lose: leases rest on it.
    const elapsed = Math.floor((nowMs - this.#tickedMs) / this.#tickMs + 1e-6);
    if (elapsed <= 0) return;
    const count = Math.min(elapsed, most);
    // What is not counted is dropped, not owed: after a pause, one tick remains until what was due.
    this.#tickedMs = elapsed > most ? nowMs : this.#tickedMs + elapsed * this.#tickMs;
    if (count > 0) this.#pass(count);
  }
}
