/**
 * The one place that drives xstate: a transition is a value, snapshot and event in,
 * next state and intents out. No actor is ever started; timers and effects are intents
 * that the host performs and reports back as events.
 * Owns: the reused inert scope (library transition() builds a whole actor per call: 18-22 us
 * against 3). Its shape is semi-internal, so test/actors/step.test.ts compares every machine
 * with the library's own transition().
 * Imports: xstate.
 */
import { createActor, type AnyActorScope, type AnyEventObject, type AnyStateMachine } from 'xstate';

/** What a machine asks its host to do; each machine has its own closed union. */
export interface Intent {
  kind: string;
}

/** What is kept of an activation: plain data, comparable and small. */
export interface MachineState<Context = unknown> {
  value: string;
  context: Context;
}

export interface StepResult<Context, I extends Intent> {
  state: MachineState<Context>;
  intents: I[];
  /** Whether the event was handled (a transition was taken, even to the same state). */
  changed: boolean;
}

export interface Stepper<Context, Event extends { type: string }, I extends Intent> {
  readonly id: string;
  step(state: MachineState<Context>, event: Event): StepResult<Context, I>;
}

/**
 * Make the pure step function of a machine. Its actions must be named `intent` with the intent as
 * params, or `assign`. Nested states are given as dotted values (`running.ready`).
 */
export function stepperOf<Context, Event extends { type: string }, I extends Intent>(
  machine: AnyStateMachine,
): Stepper<Context, Event, I> {
  const collected: I[] = [];
  const inert = createActor(machine, { id: machine.id, input: undefined as never });
  const scope = {
    self: inert,
    id: machine.id,
    sessionId: machine.id,
    logger: () => undefined,
    defer: () => undefined,
    stopChild: () => undefined,
    system: (inert as unknown as { system: unknown }).system,
    emit: () => undefined,
    actionExecutor: (action: { type: string; params: unknown }) => {
      if (action.type === 'intent') collected.push(action.params as I);
    },
  } as unknown as AnyActorScope;

  return {
    id: machine.id,
    step(state, event) {
      collected.length = 0;
      const before = machine.resolveState({ value: expand(state.value), context: state.context });
      const after = machine.transition(before, event as AnyEventObject, scope);
      return {
        state: { value: flatten(after.value), context: after.context as Context },
        intents: collected.slice(),
        changed: after !== before,
      };
    },
  };
}

type StateValue = string | { [key: string]: StateValue | undefined };

function expand(value: string): StateValue {
  const parts = value.split('.');
  let result: StateValue = parts.at(-1) ?? '';
  for (let i = parts.length - 2; i >= 0; i -= 1) result = { [parts[i] ?? '']: result };
  return result;
}

function flatten(value: unknown): string {
  let rest = value as StateValue;
  const parts: string[] = [];
  while (typeof rest !== 'string') {
    const [key, inner] = Object.entries(rest)[0] ?? ['', ''];
    parts.push(key);
    rest = inner ?? '';
  }
  return [...parts, rest].join('.');
}
