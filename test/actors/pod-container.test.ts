/**
 * The machines of the kubelet: for every event an observation can follow, the machine and derive() name the same
 * state, so that a node that was killed between any two events goes on where it was.
 */
import test from 'ava';
import { transition, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate';
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  BACKOFF_RESET_MS,
  containerMachine,
  containerStepper,
  deriveContainer,
  mayRestart,
  type ContainerContext,
  type ContainerEvent,
  type ContainerObservation,
  type RestartPolicy,
} from '#actors/container/container.ts';
import {
  derivePod,
  entryIntents,
  podMachine,
  podStepper,
  type PodEvent,
  type PodObservation,
} from '#actors/pod/pod.ts';
import type { MachineState } from '#actors/step.ts';

const policies: RestartPolicy[] = ['Always', 'OnFailure', 'Never'];
const spec = (restartPolicy: RestartPolicy) => ({ name: 'c', restartPolicy });
const running = (attempt: number, startedAtMs = 1000): ContainerObservation => ({
  state: 'running',
  attempt,
  startedAtMs,
});
const exited = (attempt: number, exitCode: number, ranMs = 1): ContainerObservation => ({
  state: 'exited',
  attempt,
  startedAtMs: 1000,
  exitCode,
  finishedAtMs: 1000 + ranMs,
});

/** Runs events from the first activation; the last state and every intent. */
function live(
  policy: RestartPolicy,
  events: ContainerEvent[],
): { state: MachineState<ContainerContext>; intents: object[] } {
  let state = deriveContainer(spec(policy), { state: 'absent' });
  const intents: object[] = [];
  for (const event of events) {
    const step = containerStepper.step(state, event);
    state = step.state;
    intents.push(...step.intents);
  }
  return { state, intents };
}

/** `attempts` whole lives that end with this code, and what comes between them. */
function crashes(attempts: number, exitCode: number, ranMs = 1): ContainerEvent[] {
  const events: ContainerEvent[] = [{ type: 'START' }];
  for (let i = 0; i < attempts; i += 1) {
    if (i > 0) events.push({ type: 'TIMER.backoff' });
    events.push({ type: 'STARTED', atMs: 1000 }, { type: 'EXITED', exitCode, atMs: 1000 + ranMs });
  }
  return events;
}

for (const policy of policies) {
  for (const exitCode of [0, 1]) {
    test(`container: derive agrees with every step of a life under ${policy} that ends with ${exitCode}`, (t) => {
      const lives = mayRestart(policy, exitCode) ? 8 : 1;
      for (let attempt = 0; attempt < lives; attempt += 1) {
        const ended = live(policy, crashes(attempt + 1, exitCode)).state;
        const seen = deriveContainer(spec(policy), exited(attempt, exitCode));
        t.is(ended.value, seen.value);
        t.deepEqual(ended.context, seen.context, `attempt ${attempt}`);
        if (ended.value !== 'backoff') continue;
        const again = live(policy, [
          ...crashes(attempt + 1, exitCode),
          { type: 'TIMER.backoff' },
          { type: 'STARTED', atMs: 1000 },
        ]);
        t.deepEqual(again.state, deriveContainer(spec(policy), running(attempt + 1)));
      }
    });
  }
}

test('container: the first restart is at once, the next after 10 s, doubling to 5 min', (t) => {
  const { intents } = live('Always', crashes(8, 1));
  const waits = intents
    .filter((i) => (i as { kind: string }).kind === 'timer')
    .map((i) => (i as { delayMs: number }).delayMs);
  t.deepEqual(waits, [0, 10_000, 20_000, 40_000, 80_000, 160_000, BACKOFF_MAX_MS, BACKOFF_MAX_MS]);
});

test('container: after ten minutes of running the past is forgotten', (t) => {
  const { state } = live('Always', [
    ...crashes(5, 1),
    { type: 'TIMER.backoff' },
    { type: 'STARTED', atMs: 1000 },
    { type: 'EXITED', exitCode: 1, atMs: 1000 + BACKOFF_RESET_MS },
  ]);
  t.like(state, { value: 'backoff', context: { attempt: 5, backoffMs: 0 } });
  t.deepEqual(deriveContainer(spec('Always'), exited(5, 1, BACKOFF_RESET_MS)), state);
});

test('container: an image that cannot be had is tried again as the same attempt', (t) => {
  const failed: ContainerEvent = { type: 'FAILED', reason: 'ErrImagePull', message: 'no' };
  const { state, intents } = live('Never', [{ type: 'START' }, failed, { type: 'TIMER.backoff' }, failed]);
  t.like(state, { value: 'failing', context: { attempt: 0, reason: 'ErrImagePull' } });
  t.deepEqual(intents, [
    { kind: 'run', attempt: 0 },
    { kind: 'timer', name: 'backoff', delayMs: BACKOFF_FIRST_MS },
    { kind: 'run', attempt: 0 },
    { kind: 'timer', name: 'backoff', delayMs: 2 * BACKOFF_FIRST_MS },
  ]);
});

test('container: STOP ends every state, and nothing runs after it', (t) => {
  const restful = ['waiting', 'backoff', 'failing'];
  for (const value of ['waiting', 'creating', 'running', 'killing', 'backoff', 'failing', 'stopping', 'done']) {
    const base = deriveContainer(spec('Always'), running(2));
    const stopped = containerStepper.step({ ...base, value }, { type: 'STOP' }).state;
    t.is(stopped.value, restful.includes(value) || value === 'done' ? 'done' : 'stopping', value);
    const over = containerStepper.step(stopped, { type: 'EXITED', exitCode: 1, atMs: 2000 });
    t.is(over.state.value, 'done');
    t.deepEqual(containerStepper.step(over.state, { type: 'TIMER.backoff' }).intents, []);
  }
});

const nothing: PodObservation = {
  deleting: false,
  finished: false,
  sandbox: { state: 'absent', attempt: 0 },
  initialized: false,
  anyContainer: false,
};
const ready = { state: 'ready', attempt: 0 } as const;
const lost = { state: 'notReady', attempt: 0 } as const;
const podRows: [from: PodObservation, event: PodEvent, then: PodObservation][] = [
  [nothing, { type: 'PREPARED' }, { ...nothing, sandbox: ready }],
  [nothing, { type: 'DELETE' }, { ...nothing, deleting: true }],
  [{ ...nothing, sandbox: ready }, { type: 'INITIALIZED' }, { ...nothing, sandbox: ready, initialized: true }],
  [{ ...nothing, sandbox: ready }, { type: 'ALL_DONE' }, { ...nothing, sandbox: ready, finished: true }],
  [{ ...nothing, sandbox: ready }, { type: 'SANDBOX_LOST' }, { ...nothing, sandbox: lost }],
  [{ ...nothing, sandbox: ready }, { type: 'DELETE' }, { ...nothing, sandbox: ready, deleting: true }],
  [
    { ...nothing, sandbox: ready, initialized: true },
    { type: 'SANDBOX_LOST' },
    { ...nothing, sandbox: lost, initialized: true },
  ],
  [
    { ...nothing, sandbox: ready, initialized: true },
    { type: 'ALL_DONE' },
    { ...nothing, sandbox: ready, initialized: true, finished: true },
  ],
  [
    { ...nothing, sandbox: ready, initialized: true },
    { type: 'DELETE' },
    { ...nothing, sandbox: ready, initialized: true, deleting: true },
  ],
  [{ ...nothing, sandbox: lost }, { type: 'DELETE' }, { ...nothing, sandbox: lost, deleting: true }],
  [{ ...nothing, finished: true }, { type: 'DELETE' }, { ...nothing, finished: true, deleting: true }],
];

for (const [from, event, then] of podRows) {
  const begun = derivePod(from);
  test(`pod: ${begun.value} on ${event.type} is where derive starts, with the same intents`, (t) => {
    const { state, intents } = podStepper.step(begun, event);
    const derived = derivePod(then);
    t.is(state.value, derived.value);
    t.deepEqual(intents, entryIntents(derived));
    if (derived.value === 'lost') t.deepEqual(state.context, derived.context);
  });
}

test('pod: a preparation that fails is repeated ever later, and derive begins it at once', (t) => {
  let state = derivePod(nothing);
  const delays: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    const failed = podStepper.step(state, { type: 'FAILED' });
    for (const intent of failed.intents) if (intent.kind === 'timer') delays.push(intent.delayMs);
    const again = podStepper.step(failed.state, { type: 'TIMER.retry' });
    t.deepEqual(again.intents, entryIntents(derivePod(nothing)));
    state = again.state;
  }
  t.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('pod: once terminating, no event leads back', (t) => {
  const events: PodEvent['type'][] = [
    'PREPARED',
    'FAILED',
    'INITIALIZED',
    'SANDBOX_LOST',
    'ALL_DONE',
    'DELETE',
    'STOPPED',
    'CLEANED',
    'TIMER.retry',
  ];
  const last = ['terminating', 'cleaning', 'cleaningLater', 'gone'];
  for (const value of last)
    for (const type of events)
      t.true(
        last.includes(podStepper.step({ value, context: { sandboxAttempt: 0, failures: 1 } }, { type }).state.value),
        `${value} on ${type}`,
      );
});

test('the step is the library’s transition, state and intents', (t) => {
  const same = (
    machine: AnyStateMachine,
    context: unknown,
    value: string,
    event: { type: string },
    ours: { state: MachineState; intents: object[] },
  ) => {
    const before = machine.resolveState({ value, context }) as AnyMachineSnapshot;
    const [after, actions] = transition(machine, before, event);
    t.is(ours.state.value, (after as AnyMachineSnapshot).value as string, `${value} on ${event.type}`);
    t.deepEqual(ours.state.context, (after as AnyMachineSnapshot).context);
    t.deepEqual(
      ours.intents,
      actions.filter(({ type }) => String(type) === 'intent').map(({ params }) => params as unknown as object),
    );
  };
  const containerEvents: ContainerEvent[] = [
    { type: 'START' },
    { type: 'STARTED', atMs: 5 },
    { type: 'FAILED', reason: 'r', message: 'm' },
    { type: 'EXITED', exitCode: 1, atMs: 9 },
    { type: 'UNHEALTHY', message: 'm' },
    { type: 'STOP' },
    { type: 'TIMER.backoff' },
  ];
  const { context } = deriveContainer(spec('OnFailure'), running(3));
  for (const value of Object.keys(containerMachine.states))
    for (const event of containerEvents)
      same(containerMachine, context, value, event, containerStepper.step({ value, context }, event));
  const podContext = { sandboxAttempt: 2, failures: 3 };
  for (const value of Object.keys(podMachine.states))
    for (const type of [
      'PREPARED',
      'FAILED',
      'INITIALIZED',
      'SANDBOX_LOST',
      'ALL_DONE',
      'DELETE',
      'STOPPED',
      'CLEANED',
      'TIMER.retry',
    ] as const)
      same(podMachine, podContext, value, { type }, podStepper.step({ value, context: podContext }, { type }));
});
