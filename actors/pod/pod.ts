/**
 * The life of a Pod on its node.
 *
 *   preparing ─PREPARED→ initializing ─INITIALIZED→ running ─ALL_DONE→ finished
 *       ↑ └─FAILED (again after a while)│                │
 *       └──────────── SANDBOX_LOST ─────┴────────────────┘
 *   any ─DELETE→ terminating ─STOPPED→ cleaning ─CLEANED→ gone
 *
 * Containers have machines of their own (actors/container); this one says which of them may run.
 * Imports: xstate.
 */
import { assign, setup } from 'xstate';
import { stepperOf, type MachineState, type Stepper } from '#actors/step.ts';

export interface PodContext {
  /** Sandboxes made so far; the next one's attempt. */
  sandboxAttempt: number;
  /** Failures to prepare in a row, for the wait. */
  failures: number;
}

export type PodEvent =
  | { type: 'PREPARED' }
  | { type: 'FAILED' }
  | { type: 'INITIALIZED' }
  | { type: 'SANDBOX_LOST' }
  | { type: 'ALL_DONE' }
  | { type: 'DELETE' }
  | { type: 'STOPPED' }
  | { type: 'CLEANED' }
  | { type: 'TIMER.retry' };

export type PodIntent =
  /** Volumes, sandbox, network; answer PREPARED or FAILED. */
  | { kind: 'prepare'; attempt: number }
  | { kind: 'startInit' }
  | { kind: 'startContainers' }
  /** Every container: STOP; answer STOPPED when all are done. */
  | { kind: 'stopContainers' }
  /** All is over: what still runs in the sandbox ends, its address is free; containers stay for their logs. */
  | { kind: 'retire' }
  /** What is left of a lost sandbox. */
  | { kind: 'dropSandbox' }
  /** Sandbox, volumes, address; answer CLEANED. */
  | { kind: 'cleanUp' }
  /** The last delete, with grace 0. */
  | { kind: 'forget' }
  | { kind: 'timer'; name: 'retry'; delayMs: number };

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 60_000;

export const podMachine = setup({
  types: { context: {} as PodContext, events: {} as PodEvent, input: {} as PodContext },
  actions: {
    intent: (_context, _params: PodIntent) => undefined,
  },
}).createMachine({
  id: 'pod',
  context: ({ input }) => input ?? { sandboxAttempt: 0, failures: 0 },
  initial: 'new',
  states: {
    new: { on: { 'TIMER.retry': 'preparing', DELETE: 'terminating' } },
    preparing: {
      entry: { type: 'intent', params: ({ context }) => ({ kind: 'prepare', attempt: context.sandboxAttempt }) },
      on: {
        PREPARED: { target: 'initializing', actions: assign({ failures: 0 }) },
        FAILED: { target: 'retrying', actions: assign({ failures: ({ context }) => context.failures + 1 }) },
        DELETE: 'terminating',
      },
    },
    retrying: {
      entry: {
        type: 'intent',
        params: ({ context }) => ({
          kind: 'timer',
          name: 'retry',
          delayMs: Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(context.failures - 1, 10)),
        }),
      },
      on: { 'TIMER.retry': 'preparing', DELETE: 'terminating' },
    },
    initializing: {
      entry: { type: 'intent', params: { kind: 'startInit' } },
      on: { INITIALIZED: 'running', SANDBOX_LOST: 'lost', ALL_DONE: 'finished', DELETE: 'terminating' },
    },
    running: {
      entry: { type: 'intent', params: { kind: 'startContainers' } },
      on: { SANDBOX_LOST: 'lost', ALL_DONE: 'finished', DELETE: 'terminating' },
    },
    /** The network is gone and with it what ran in it: all of the Pod begins anew. */
    lost: {
      entry: [
        { type: 'intent', params: { kind: 'dropSandbox' } },
        assign({ sandboxAttempt: ({ context }) => context.sandboxAttempt + 1 }),
      ],
      on: { STOPPED: 'preparing', DELETE: 'terminating' },
    },
    /** Succeeded or Failed: the sandbox is no longer needed, containers stay for their logs. */
    finished: { entry: { type: 'intent', params: { kind: 'retire' } }, on: { DELETE: 'terminating' } },
    terminating: {
      entry: { type: 'intent', params: { kind: 'stopContainers' } },
      on: { STOPPED: 'cleaning' },
    },
    cleaning: {
      entry: { type: 'intent', params: { kind: 'cleanUp' } },
      on: {
        CLEANED: 'gone',
        FAILED: { target: 'cleaningLater', actions: assign({ failures: ({ context }) => context.failures + 1 }) },
      },
    },
    cleaningLater: {
      entry: {
        type: 'intent',
        params: ({ context }) => ({
          kind: 'timer',
          name: 'retry',
          delayMs: Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(context.failures - 1, 10)),
        }),
      },
      on: { 'TIMER.retry': 'cleaning' },
    },
    gone: { entry: { type: 'intent', params: { kind: 'forget' } } },
  },
});

export const podStepper: Stepper<PodContext, PodEvent, PodIntent> = stepperOf(podMachine);

export interface PodObservation {
  deleting: boolean;
  /** Succeeded or Failed stands in the stored status. */
  finished: boolean;
  /** Of the newest sandbox. */
  sandbox: { state: 'absent' | 'ready' | 'notReady'; attempt: number };
  initialized: boolean;
  anyContainer: boolean;
}

/** Where an activation starts. The host performs the entry intent of the state it lands in. */
export function derivePod(seen: PodObservation): MachineState<PodContext> {
  const context: PodContext = { sandboxAttempt: seen.sandbox.attempt, failures: 0 };
  if (seen.deleting) return { value: 'terminating', context };
  if (seen.finished) return { value: 'finished', context };
  if (seen.sandbox.state === 'absent') return { value: 'preparing', context };
  if (seen.sandbox.state === 'notReady')
    return { value: 'lost', context: { ...context, sandboxAttempt: seen.sandbox.attempt + 1 } };
  return { value: seen.initialized ? 'running' : 'initializing', context };
}

/** The entry intent of a state, for activations that begin in it. */
export function entryIntents(state: MachineState<PodContext>): PodIntent[] {
  switch (state.value) {
    case 'preparing':
      return [{ kind: 'prepare', attempt: state.context.sandboxAttempt }];
    case 'initializing':
      return [{ kind: 'startInit' }];
    case 'running':
      return [{ kind: 'startContainers' }];
    case 'lost':
      return [{ kind: 'dropSandbox' }];
    case 'finished':
      return [{ kind: 'retire' }];
    case 'terminating':
      return [{ kind: 'stopContainers' }];
    default:
      return [];
  }
}
