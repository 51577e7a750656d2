/**
 * What every hosted lifecycle shares: what the host has seen of its own doings, and the events and intents
 * about them. A machine never asks a clock or a store; all it knows comes in the facts of an event.
 * Imports: xstate, step.ts.
 */
import type { MachineState } from './step.ts';

/** What only the host knows about its own writes for this object. Empty after a failover, which is safe: it is observed again. */
export interface Observation {
  /** Every write made for this object is visible in the informers: deciding before would do things twice. */
  readonly caughtUp: boolean;
  /** The timer `retry` runs since an intent failed. */
  readonly backingOff: boolean;
}

export const FRESH: Observation = { caughtUp: true, backingOff: false };

/** Facts as seen by the host now: sent for every change, and with every timer that fires. */
export interface ObservedEvent<Facts> {
  readonly type: 'OBSERVED' | 'TIMER.retry' | 'TIMER.due';
  readonly facts: Facts;
}

/** The intents were carried out; their effects are not necessarily visible in the informers yet. */
export interface DoneEvent {
  readonly type: 'INTENT.DONE';
}

/** An intent was refused or its outcome is unknown. */
export interface FailedEvent {
  readonly type: 'INTENT.FAILED';
  readonly message: string;
}

export type LifecycleEvent<Facts> = ObservedEvent<Facts> | DoneEvent | FailedEvent;

/** Arm the timer `retry`; the host chooses the delay (exponential, per object). */
export interface RetryLaterIntent {
  readonly kind: 'retryLater';
}

/** Arm the timer `due`: facts change by time alone, without an object changing. */
export interface WakeIntent {
  readonly kind: 'wake';
  readonly delayMs: number;
}

export interface ObservedFacts {
  readonly observation: Observation;
}

/** The value of a machine's state after its facts: the whole of derive() for a lifecycle without memory. */
export type Classify<Facts, State extends string> = (facts: Facts) => State;

/**
 * The transitions of an OBSERVED event: one per state, guarded by what the facts say. The machine and derive()
 * then agree by construction for what is seen; the test shows it for what is done (DONE, FAILED).
 */
export function transitionsByFacts<Facts, State extends string, Action>(
  states: readonly State[],
  classify: Classify<Facts, State>,
  actions: (state: State) => Action[],
): { guard: (input: { event: unknown }) => boolean; target: `.${State}`; actions: Action[] }[] {
  return states.map((state) => ({
    guard: ({ event }: { event: unknown }) => classify((event as ObservedEvent<Facts>).facts) === state,
    target: `.${state}` as const,
    actions: actions(state),
  }));
}

export function stateOf<State extends string>(value: State): MachineState<Record<string, never>> {
  return { value, context: {} };
}
