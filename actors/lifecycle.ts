/**
 * Builds the machine of a lifecycle whose states follow from its facts: every OBSERVED moves it to the state the
 * facts name and emits that state's intents; results of intents move it to `catchingUp` or `backingOff` until
 * the next observation. The drawing is the same for all of them:
 *
 *   (any) ──OBSERVED──▶ state named by the facts ──intents──▶ DONE ──▶ catchingUp ──OBSERVED──▶ …
 *                                                     └────── FAILED ─▶ backingOff ──TIMER.retry──▶ …
 *
 * Imports: xstate, step.ts, observation.ts.
 */
import { enqueueActions, setup, type AnyStateMachine } from 'xstate';
import { transitionsByFacts, type Classify, type LifecycleEvent, type RetryLaterIntent } from './observation.ts';
import { stepperOf, type Intent, type MachineState, type Stepper } from './step.ts';

/** Data only: everything a lifecycle knows is derived again from its facts. */
export type NoContext = Record<string, never>;

export interface Lifecycle<Facts, State extends string, I extends Intent> {
  readonly machine: AnyStateMachine;
  readonly stepper: Stepper<NoContext, LifecycleEvent<Facts>, I | RetryLaterIntent>;
  /** Where an activation starts. */
  readonly derive: (facts: Facts) => MachineState<NoContext>;
  readonly states: readonly State[];
}

export interface LifecycleParts<Facts, State extends string, I extends Intent> {
  id: string;
  /** Must contain catchingUp and backingOff, which DONE and FAILED lead to. */
  states: readonly State[];
  initial: State;
  /** Names the state; must answer catchingUp unless `observation.caughtUp`, and backingOff while it backs off. */
  classify: Classify<Facts, State>;
  /** What is to be done in this state with these facts; emitted at each observation. */
  intents(state: State, facts: Facts): readonly I[];
  /** States in which no intent is ever under way, so that DONE and FAILED cannot come. */
  idle: readonly State[];
}

export function lifecycleOf<Facts, State extends string, I extends Intent>(
  parts: LifecycleParts<Facts, State, I>,
): Lifecycle<Facts, State, I> {
  const emit = (state: State) =>
    enqueueActions(({ enqueue, event }) => {
      const { facts } = event as unknown as { facts: Facts };
      for (const intent of parts.intents(state, facts)) enqueue({ type: 'intent', params: intent } as never);
    });
  const observed = transitionsByFacts(parts.states, parts.classify, (state) => [emit(state)]);
  const acting = {
    on: {
      'INTENT.DONE': { target: 'catchingUp' },
      'INTENT.FAILED': {
        target: 'backingOff',
        actions: [{ type: 'intent', params: { kind: 'retryLater' } satisfies RetryLaterIntent }],
      },
    },
  };
  const machine = setup({ actions: { intent: () => undefined } }).createMachine({
    id: parts.id,
    initial: parts.initial,
    context: {},
    states: Object.fromEntries(parts.states.map((state) => [state, parts.idle.includes(state) ? {} : acting])),
    on: { OBSERVED: observed, 'TIMER.retry': observed, 'TIMER.due': observed },
  } as never) as unknown as AnyStateMachine;
  return {
    machine,
    stepper: stepperOf(machine),
    derive: (facts) => ({ value: parts.classify(facts), context: {} }),
    states: parts.states,
  };
}
