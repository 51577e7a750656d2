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
  /** Whether the turn that was begun goes on: its end is still to be run, before every other event. */
  inTurn(): boolean;
  /** Timers of nodes that have fired so far. */
  readonly timersFired: number;
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
  /** From now on both clocks of the node run faster by this; timers that are set already keep their moment. */
  setDrift(driftPpm: number): void;
  /** Monotonic time stands still, and with it the timers; the network and the disk go on. */
  freeze(): void;
  /** Time goes on from where it stood; timers that became due meanwhile fire now. */
  thaw(): void;
  /** What a disk or another part of the machine does after `delayMs` of true time. */
  outside(delayMs: number, fire: () => void): void;
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

class Event implements Timer {
  readonly dueMs: number;
  readonly sequence: number;
  /** Undefined once it has run or is cancelled. */
  fire: (() => void) | undefined;
  /** Of whose node it is; undefined: of the world. */
  readonly clock: VirtualClock | undefined;
  /** Asked for with `after`: a frozen clock holds it back. */
  isTimer = false;
  /** Whether it counts among the world's waiting events. */
  queued = true;
  readonly #world: VirtualWorld;

  constructor(
    world: VirtualWorld,
    at: { dueMs: number; sequence: number },
    fire: () => void,
    clock: VirtualClock | undefined,
  ) {
    this.#world = world;
    this.dueMs = at.dueMs;
    this.sequence = at.sequence;
    this.fire = fire;
    this.clock = clock;
  }

  cancel(): void {
    if (this.fire === undefined) return;
    this.fire = undefined;
    if (this.queued) this.#world.noteCancelled();
  }

  run(): void {
    const { fire } = this;
    this.fire = undefined;
    fire?.();
  }
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
  /** The next of them. */
  #endOfTurnAt = 0;
  timersFired = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  size(): number {
    return this.#events.length + this.#endOfTurn.length - this.#endOfTurnAt - this.#cancelled;
  }

  nextDueMs(): number | undefined {
    this.#dropCancelled();
    return this.inTurn() ? this.#nowMs : this.#events[0]?.dueMs;
  }

  inTurn(): boolean {
    return this.#endOfTurnAt < this.#endOfTurn.length;
  }

  runNext(): boolean {
    this.#dropCancelled();
    const event = this.#nextOfTurn() ?? pop(this.#events);
    if (event === undefined) return false;
    assert(event.dueMs >= this.#nowMs, 'an event is due before now');
    this.#nowMs = event.dueMs;
    event.queued = false;
    if (event.clock === undefined) event.run();
    else event.clock.take(event);
    return true;
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.at(delayMs, fire, undefined);
  }

  at(delayMs: number, fire: () => void, clock: VirtualClock | undefined): Event {
    const event = this.#event(this.#nowMs + Math.max(0, delayMs), fire, clock);
    push(this.#events, event);
    return event;
  }

  endOfTurn(fire: () => void, clock: VirtualClock): void {
    this.#endOfTurn.push(this.#event(this.#nowMs, fire, clock));
  }

  clock(options: NodeClockOptions = {}): NodeClock {
    return new VirtualClock(this, options);
  }

  noteCancelled(): void {
    this.#cancelled += 1;
  }

  #event(dueMs: number, fire: () => void, clock: VirtualClock | undefined): Event {
    this.#sequence += 1;
    return new Event(this, { dueMs, sequence: this.#sequence }, fire, clock);
  }

  #nextOfTurn(): Event | undefined {
    const event = this.#endOfTurn[this.#endOfTurnAt];
    if (event === undefined) return undefined;
    this.#endOfTurnAt += 1;
    if (this.#endOfTurnAt === this.#endOfTurn.length) {
      this.#endOfTurn = [];
      this.#endOfTurnAt = 0;
    }
    return event;
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
  /** Monotonic time was `#baseMs` when the world's was `#sinceMs`; since then it runs at `#rate`. */
  #sinceMs: number;
  #baseMs = 0;
  #rate: number;
  #wallOffsetMs: number;
  #revoked = false;
  /** Set while paused: what became due meanwhile. */
  #held: (() => void)[] | undefined;
  /** Set while frozen: the timers that became due meanwhile. */
  #frozen: Event[] | undefined;

  constructor(world: VirtualWorld, options: NodeClockOptions) {
    this.#world = world;
    this.#sinceMs = world.nowMs();
    this.#rate = 1 + (options.driftPpm ?? 0) / 1e6;
    this.#wallOffsetMs = simEpochMs + this.#sinceMs + (options.wallOffsetMs ?? 0);
    assert(this.#rate > 0, `a drift of ${options.driftPpm} ppm would run time backwards`);
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  monotonicMs(): number {
    if (this.#frozen !== undefined) return this.#baseMs;
    return this.#baseMs + (this.#world.nowMs() - this.#sinceMs) * this.#rate;
  }

  /** Whole milliseconds, as the real wall clock gives. */
  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.monotonicMs());
  }

  after(delayMs: number, fire: () => void): Timer {
    const event = this.#world.at(Math.max(0, delayMs) / this.#rate, fire, this);
    event.isTimer = true;
    return event;
  }

  outside(delayMs: number, fire: () => void): void {
    this.#world.at(delayMs, () => this.run(fire), undefined);
  }

  soon(fire: () => void): void {
    this.#world.at(0, fire, this);
  }

  endOfTurn(fire: () => void): void {
    this.#world.endOfTurn(fire, this);
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  setDrift(driftPpm: number): void {
    this.#rebase();
    this.#rate = 1 + driftPpm / 1e6;
  }

  freeze(): void {
    this.#rebase();
    this.#frozen ??= [];
  }

  thaw(): void {
    const frozen = this.#frozen ?? [];
    this.#rebase();
    this.#frozen = undefined;
    for (const event of frozen) this.soon(() => event.run());
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
    this.#frozen = undefined;
  }

  run(fire: () => void): void {
    if (this.#revoked) return;
    if (this.#held === undefined) fire();
    else this.#held.push(fire);
  }

  /** An event of this node is due. Held back it may still be cancelled. */
  take(event: Event): void {
    if (this.#revoked) return;
    if (this.#held !== undefined) this.#held.push(() => event.run());
    else if (this.#frozen !== undefined && event.isTimer) this.#frozen.push(event);
    else {
      if (event.isTimer) this.#world.timersFired += 1;
      event.run();
    }
  }

  #rebase(): void {
    this.#baseMs = this.monotonicMs();
    this.#sinceMs = this.#world.nowMs();
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
