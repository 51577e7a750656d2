/**
 * Virtual time: one queue of events for the whole simulated world, and a Clock per node that
 * sees it through its own offset and drift.
 * Owns: the order of everything that happens. Two events never run at once; events due at the
 * same moment run in the order they were asked for, so a seed gives one history.
 * Imports: ports, std.
 *
 * The caller's loop is: `world.runNext()`, let all promises settle, again. Promises are settled
 * by the caller because only the embedder has a way to yield to them (test/support/virtual.ts).
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import { assert } from '#src/std/assert.ts';

/** 2026-01-01T00:00:00Z: where every simulated run begins. */
export const simEpochMs = Date.UTC(2026, 0, 1);

export interface World {
  /** Milliseconds of virtual time since the start of the run. */
  nowMs(): number;
  /** Run the next event, advancing time to it; false when nothing is left to happen. */
  runNext(): boolean;
  /** When the next event is due; undefined when none is. */
  nextDueMs(): number | undefined;
  /** Events that wait, cancelled ones not counted. */
  size(): number;
  /** For the world itself (network, faults, workloads): an event that belongs to no node. */
  after(delayMs: number, fire: () => void): Timer;
  /** A node's own view. Defaults: no offset, no drift, monotonic time from 0 at this moment. */
  clock(options?: NodeClockOptions): NodeClock;
}

export interface NodeClockOptions {
  /** Added to the wall clock. */
  wallOffsetMs?: number;
  /** How much faster than the world both clocks of the node run, in parts per million; above -1,000,000. */
  driftPpm?: number;
}

export interface NodeClock extends Clock {
  /** Move the wall clock, as an operator or NTP does; monotonic time and timers do not notice. */
  jumpWall(byMs: number): void;
  /** Hold back everything of this node, as SIGSTOP does; time goes on. */
  pause(): void;
  /** Run what became due in the meantime, in order. */
  resume(): void;
  /** The node has crashed: nothing it asked for ever runs. */
  revoke(): void;
  /** Something from outside reaches the node: now, after its pause, or never once it has crashed. */
  run(fire: () => void): void;
  readonly revoked: boolean;
}

interface Event {
  dueMs: number;
  sequence: number;
  fire: (() => void) | undefined;
}

/** An empty world at time 0. */
export function createWorld(): World {
  return new VirtualWorld();
}

class VirtualWorld implements World {
  #nowMs = 0;
  #sequence = 0;
  #cancelled = 0;
  readonly #events: Event[] = [];
  /** What waits for the end of the turn that is being run; goes before every event. */
  #endOfTurn: Event[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  size(): number {
    return this.#events.length + this.#endOfTurn.length - this.#cancelled;
  }

  nextDueMs(): number | undefined {
    this.#dropCancelled();
    return this.#endOfTurn.length > 0 ? this.#nowMs : this.#events[0]?.dueMs;
  }

  runNext(): boolean {
    this.#dropCancelled();
    const event = this.#endOfTurn.shift() ?? pop(this.#events);
    if (event === undefined) return false;
    assert(event.dueMs >= this.#nowMs, `event due at ${event.dueMs} ms is before now, ${this.#nowMs} ms`);
    this.#nowMs = event.dueMs;
    const fire = event.fire;
    event.fire = undefined;
    fire?.();
    return true;
  }

  after(delayMs: number, fire: () => void): Timer {
    const event = this.#event(this.#nowMs + Math.max(0, delayMs), fire);
    push(this.#events, event);
    return this.#timerOf(event);
  }

  endOfTurn(fire: () => void): void {
    this.#endOfTurn.push(this.#event(this.#nowMs, fire));
  }

  clock(options: NodeClockOptions = {}): NodeClock {
    return new VirtualClock(this, options);
  }

  #event(dueMs: number, fire: () => void): Event {
    this.#sequence += 1;
    return { dueMs, sequence: this.#sequence, fire };
  }

  #timerOf(event: Event): Timer {
    return {
      cancel: () => {
        if (event.fire === undefined) return;
        event.fire = undefined;
        this.#cancelled += 1;
      },
    };
  }

  /** Cancelled events must not advance time: the run would depend on timers nobody waits for. */
  #dropCancelled(): void {
    while (this.#events.length > 0 && this.#events[0]?.fire === undefined) {
      pop(this.#events);
      this.#cancelled -= 1;
    }
  }
}

class VirtualClock implements NodeClock {
  readonly #world: VirtualWorld;
  readonly #startMs: number;
  readonly #rate: number;
  #wallOffsetMs: number;
  #revoked = false;
  /** Set while paused: what became due meanwhile. */
  #held: (() => void)[] | undefined;

  constructor(world: VirtualWorld, options: NodeClockOptions) {
    this.#world = world;
    this.#startMs = world.nowMs();
    this.#rate = 1 + (options.driftPpm ?? 0) / 1e6;
    this.#wallOffsetMs = simEpochMs + this.#startMs + (options.wallOffsetMs ?? 0);
    assert(this.#rate > 0, `a drift of ${options.driftPpm} ppm would run time backwards`);
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  monotonicMs(): number {
    return (this.#world.nowMs() - this.#startMs) * this.#rate;
  }

  /** Whole milliseconds, as the real wall clock gives. */
  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.monotonicMs());
  }

  after(delayMs: number, fire: () => void): Timer {
    let cancelled = false;
    const timer = this.#world.after(Math.max(0, delayMs) / this.#rate, () => this.run(() => cancelled || fire()));
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  soon(fire: () => void): void {
    this.#world.after(0, () => this.run(fire));
  }

  endOfTurn(fire: () => void): void {
    this.#world.endOfTurn(() => this.run(fire));
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const fire of held) this.soon(fire);
  }

  revoke(): void {
    this.#revoked = true;
    this.#held = undefined;
  }

  run(fire: () => void): void {
    if (this.#revoked) return;
    if (this.#held === undefined) fire();
    else this.#held.push(fire);
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence);
}

/** A binary heap, the next event at 0. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
