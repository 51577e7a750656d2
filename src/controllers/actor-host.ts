/**
 * Hosts the actors of one kind: activates one by derive(), steps it, performs its intents under the leader's term,
 * reports the results back as events, owns its timers, keeps its last transitions, and drops it when it is settled.
 * Owns: live actors, timers, transition rings, expectations per object.
 * Imports: std, ports, api, actors, the Client.
 */
import type { LifecycleEvent, Observation } from '#actors/observation.ts';
import type { Intent, MachineState, Stepper } from '#actors/step.ts';
import type { KubeObject } from '#src/api/object.ts';
import { isApiError } from '#src/api/api-error.ts';
import { formatTime } from '#src/api/metadata.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import { createExpectations, type Expectations, type InformerFor } from './expectations.ts';
import type { Metrics } from '#src/std/metrics.ts';
import { createWorkQueue, type WorkQueue } from './work-queue.ts';

/** Kept of each actor, also after it was dropped. */
export const TRANSITIONS_PER_ACTOR = 20;
/** Actors whose transitions are kept; the longest unchanged is forgotten first. */
export const RINGS_MAX = 5_000;
/** Back-off of an actor whose intent failed. */
export const RETRY_MIN_MS = 200;
export const RETRY_MAX_MS = 60_000;
/** After a write whose effect does not show. */
export const RECHECK_MS = 5_000;

export interface Transition {
  /** RFC 3339. */
  at: string;
  event: string;
  from: string;
  to: string;
}

/** A live actor as `kontiki actors` prints it. */
export interface ActorView {
  kind: string;
  namespace: string;
  name: string;
  uid: string;
  state: string;
  /** In words: what would move it on. */
  waitsFor: string;
  transitions: Transition[];
}

/** What the performer of an intent gets: the fence, and where it tells what it wrote. */
export interface Duty {
  readonly term: number;
  readonly expectations: Expectations;
  /** Attempts that failed since the last success. */
  readonly failures: number;
}

/** One kind of actor: how it is seen, decided and carried out. */
export interface ActorKind<Facts, I extends Intent> {
  kind: string;
  stepper: Stepper<Record<string, never>, LifecycleEvent<Facts>, I>;
  derive(facts: Facts): MachineState<Record<string, never>>;
  /** Nothing to do until an object changes; the actor is dropped. */
  settled(state: string): boolean;
  waitsFor(state: string, facts: Facts): string;
  object(key: string): KubeObject | undefined;
  /** Undefined when the object is gone. Synchronous, from the informers. */
  observe(key: string, observation: Observation & Attempt): Facts | undefined;
  /** Carries out one intent; throws when it was refused. `wake` and `retryLater` never get here. */
  perform(intent: I, key: string, duty: Duty, facts: Facts): Promise<void>;
}

/** What is known of failed attempts, for slow start and conditions. */
export interface Attempt {
  readonly failures: number;
  /** The last refusal that was news: a conflict or a vanished object only says that a copy was old. */
  readonly failure: Failure | undefined;
}

export interface Failure {
  readonly intent: string;
  readonly message: string;
}

export interface ActorHost {
  /** Something about this object changed. */
  changed(key: string): void;
  start(term: number): void;
  /** Cancels every timer, drops every actor; writes under way are fenced by their term. */
  stop(): void;
  list(): ActorView[];
}

interface Live {
  state: MachineState<Record<string, never>>;
  waitsFor: string;
}

/** Outlives activation as long as something about it is pending. */
interface Memory {
  expectations: Expectations;
  timers: Map<string, Timer>;
  fired: Set<string>;
  failures: number;
  failure: Failure | undefined;
}

interface HostSetup<Facts, I extends Intent> {
  kind: ActorKind<Facts, I>;
  clock: Clock;
  log: Log;
  informerFor: InformerFor;
  metrics?: Metrics | undefined;
}

export function createActorHost<Facts, I extends Intent>(setup: HostSetup<Facts, I>): ActorHost {
  return new Host(setup);
}

class Host<Facts, I extends Intent> implements ActorHost {
  readonly #kind: ActorKind<Facts, I>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #informerFor: InformerFor;
  readonly #queue: WorkQueue;
  readonly #live = new Map<string, Live>();
  readonly #memories = new Map<string, Memory>();
  readonly #rings = new Map<string, Transition[]>();
  #term = 0;
  #run = 0;

  constructor(setup: HostSetup<Facts, I>) {
    const { kind, clock, metrics } = setup;
    const log = setup.log.scope(`actor-${kind.kind}`);
    this.#kind = kind;
    this.#clock = clock;
    this.#log = log;
    this.#informerFor = setup.informerFor;
    this.#queue = createWorkQueue({ name: kind.kind, clock, log, metrics, handle: (key) => this.#handle(key) });
  }

  changed(key: string): void {
    if (this.#term > 0) this.#queue.add(key);
  }

  start(term: number): void {
    this.#term = term;
    this.#run += 1;
    this.#queue.start();
  }

  stop(): void {
    this.#term = 0;
    this.#run += 1;
    this.#queue.stop();
    for (const memory of this.#memories.values()) for (const timer of memory.timers.values()) timer.cancel();
    this.#memories.clear();
    this.#live.clear();
  }

  list(): ActorView[] {
    const views: ActorView[] = [];
    for (const [key, live] of this.#live) {
      const metadata = this.#kind.object(key)?.metadata;
      views.push({
        kind: this.#kind.kind,
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? key,
        uid: metadata?.uid ?? '',
        state: live.state.value,
        waitsFor: live.waitsFor,
        transitions: [...(this.#rings.get(key) ?? [])],
      });
    }
    return views;
  }

  async #handle(key: string): Promise<void> {
    const run = this.#run;
    const memory = this.#memories.get(key) ?? this.#remember(key);
    const facts = this.#observe(key, memory);
    if (facts === undefined) {
      this.#forget(key, memory);
      return;
    }
    const live = this.#live.get(key) ?? { state: this.#kind.derive(facts), waitsFor: '' };
    this.#live.set(key, live);
    const intents = this.#step(key, live, { type: this.#eventType(memory), facts }, memory);
    live.waitsFor = this.#kind.waitsFor(live.state.value, facts);
    let acted = false;
    for (const intent of intents) {
      try {
        // In order: a status never overtakes the write it tells of.
        await this.#kind.perform(intent, key, this.#duty(memory), facts);
        if (run !== this.#run) return;
        acted = true;
      } catch (error) {
        if (run !== this.#run) return;
        this.#failed(key, live, memory, intent, error);
        return;
      }
    }
    if (acted) {
      this.#step(key, live, { type: 'INTENT.DONE' }, memory);
      if (!memory.timers.has('retry')) {
        memory.failures = 0;
        memory.failure = undefined;
      }
    }
    // Every write comes back as a change. Should one not (it changed nothing), look again rather than wait for ever.
    if (acted || !memory.expectations.caughtUp()) this.#arm(key, memory, 'recheck', RECHECK_MS);
    else this.#settle(key, live, memory);
  }

  #duty(memory: Memory): Duty {
    return { term: this.#term, expectations: memory.expectations, failures: memory.failures };
  }

  #observe(key: string, memory: Memory): Facts | undefined {
    return this.#kind.observe(key, {
      caughtUp: memory.expectations.caughtUp(),
      backingOff: memory.timers.has('retry'),
      failures: memory.failures,
      failure: memory.failure,
    });
  }

  #failed(key: string, live: Live, memory: Memory, intent: Intent, error: unknown): void {
    if (isFenced(error)) {
      this.#log.info('the term has ended; leaving the duties', { term: this.#term });
      return;
    }
    const wasBackingOff = memory.timers.has('retry');
    memory.failures += 1;
    // A conflict says that our copy was old; the next observation repairs it. Not news for the operator.
    const expected = isApiError(error, 'Conflict') || isApiError(error, 'NotFound');
    if (!expected) memory.failure = { intent: intent.kind, message: messageOf(error) };
    const level = expected ? 'debug' : 'warn';
    this.#log[level]('an intent failed', { key, intent: intent.kind, error: messageOf(error) });
    this.#step(key, live, { type: 'INTENT.FAILED', message: messageOf(error) }, memory);
    live.waitsFor = `retry after: ${messageOf(error)}`;
    // Look once more, so that the failure gets into the status; not again if that is what fails.
    if (!wasBackingOff) this.#queue.add(key);
  }

  #step(key: string, live: Live, event: LifecycleEvent<Facts>, memory: Memory): I[] {
    const { state, intents } = this.#kind.stepper.step(live.state, event);
    if (state.value !== live.state.value) this.#record(key, event.type, live.state.value, state.value);
    live.state = state;
    if (event.type !== 'INTENT.DONE') {
      for (const name of ['due', 'recheck']) {
        memory.timers.get(name)?.cancel();
        memory.timers.delete(name);
      }
    }
    const toPerform: I[] = [];
    for (const intent of intents) {
      if (intent.kind === 'retryLater') {
        const delayMs = Math.min(RETRY_MIN_MS * 2 ** Math.max(0, memory.failures - 1), RETRY_MAX_MS);
        this.#arm(key, memory, 'retry', delayMs);
      } else if (intent.kind === 'wake') {
        this.#arm(key, memory, 'due', (intent as Intent as { kind: 'wake'; delayMs: number }).delayMs);
      } else {
        toPerform.push(intent);
      }
    }
    return toPerform;
  }

  #arm(key: string, memory: Memory, name: 'retry' | 'due' | 'recheck', delayMs: number): void {
    memory.timers.get(name)?.cancel();
    memory.timers.set(
      name,
      this.#clock.after(Math.max(1, delayMs), () => {
        memory.timers.delete(name);
        memory.fired.add(name);
        this.#queue.add(key);
      }),
    );
  }

  /** Coalesced: several timers and changes since the last look are one event. */
  #eventType(memory: Memory): 'OBSERVED' | 'TIMER.retry' | 'TIMER.due' {
    const type = memory.fired.has('retry') ? 'TIMER.retry' : memory.fired.has('due') ? 'TIMER.due' : 'OBSERVED';
    memory.fired.clear();
    return type;
  }

  #remember(key: string): Memory {
    const memory: Memory = {
      expectations: createExpectations(this.#informerFor),
      timers: new Map(),
      fired: new Set(),
      failures: 0,
      failure: undefined,
    };
    this.#memories.set(key, memory);
    return memory;
  }

  #settle(key: string, live: Live, memory: Memory): void {
    if (!this.#kind.settled(live.state.value)) return;
    if (memory.timers.size === 0) {
      this.#live.delete(key);
      this.#memories.delete(key);
    }
  }

  #forget(key: string, memory: Memory): void {
    for (const timer of memory.timers.values()) timer.cancel();
    this.#memories.delete(key);
    this.#live.delete(key);
    this.#rings.delete(key);
  }

  #record(key: string, event: string, from: string, to: string): void {
    const ring = this.#rings.get(key) ?? [];
    this.#rings.delete(key);
    this.#rings.set(key, ring);
    ring.push({ at: formatTime(this.#clock.wallMs()), event, from, to });
    if (ring.length > TRANSITIONS_PER_ACTOR) ring.shift();
    if (this.#rings.size > RINGS_MAX) this.#rings.delete(this.#rings.keys().next().value ?? '');
  }
}

/** The write came from an ended term (WriteOptions.term). */
export function isFenced(error: unknown): boolean {
  return isApiError(error) && (error.details?.causes ?? []).some((cause) => cause.reason === 'FENCED');
}
