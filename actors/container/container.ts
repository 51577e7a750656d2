/**
 * The life of one container of a Pod, through all its attempts.
 *
 *   waiting ─START→ creating ─STARTED→ running ─EXITED→ backoff ─TIMER.backoff→ creating (attempt + 1)
 *                      └─FAILED→ backoff            └────────→ done (the restart policy says no)
 *   running ─STOP→ stopping ─EXITED→ done          running ─UNHEALTHY→ killing ─EXITED→ backoff | done
 *
 * Owns: when to try, when to try again, when it is over. The kubelet carries out the intents.
 * Imports: xstate. Never: Docker, clocks.
 */
import { assign, setup } from 'xstate';
import { stepperOf, type MachineState, type Stepper } from '#actors/step.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export interface ContainerContext {
  name: string;
  restartPolicy: RestartPolicy;
  /** restartCount; the attempt that is or was the last. */
  attempt: number;
  /** The next wait; 0: none yet. */
  backoffMs: number;
  startedAtMs: number | undefined;
  /** Why it waits, in Kubernetes' words (ErrImagePull, CrashLoopBackOff …). */
  reason: string;
  message: string;
}

export type ContainerEvent =
  | { type: 'START' }
  | { type: 'STARTED'; atMs: number }
  /** The image, the creation or the command failed. */
  | { type: 'FAILED'; reason: string; message: string }
  | { type: 'EXITED'; exitCode: number; atMs: number }
  | { type: 'UNHEALTHY'; message: string }
  | { type: 'STOP' }
  | { type: 'TIMER.backoff' };

export type ContainerIntent =
  /** Pull, create and start this attempt; answer STARTED or FAILED. */
  | { kind: 'run'; attempt: number }
  /** preStop, SIGTERM, grace, SIGKILL; EXITED follows from the runtime. */
  | { kind: 'stop'; why: string }
  | { kind: 'timer'; name: 'backoff'; delayMs: number };

/** Kubernetes' CrashLoopBackOff: the first restart at once, then 10 s doubling to 5 min. */
export const BACKOFF_FIRST_MS = 10_000;
export const BACKOFF_MAX_MS = 300_000;
/** After running this long the past is forgotten. */
export const BACKOFF_RESET_MS = 600_000;

export function mayRestart(policy: RestartPolicy, exitCode: number): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

const nextBackoff = (backoffMs: number): number =>
  backoffMs === 0 ? BACKOFF_FIRST_MS : Math.min(BACKOFF_MAX_MS, backoffMs * 2);

const ranLong = (context: ContainerContext, atMs: number): boolean =>
  context.startedAtMs !== undefined && atMs - context.startedAtMs >= BACKOFF_RESET_MS;

export const containerMachine = setup({
  types: { context: {} as ContainerContext, events: {} as ContainerEvent, input: {} as ContainerContext },
  actions: {
    intent: (_context, _params: ContainerIntent) => undefined,
    noteExit: assign(({ context, event }) => {
      if (event.type !== 'EXITED') return {};
      return ranLong(context, event.atMs) ? { backoffMs: 0 } : {};
    }),
    noteFailure: assign(({ context, event }) =>
      event.type === 'FAILED'
        ? { reason: event.reason, message: event.message, backoffMs: nextBackoff(context.backoffMs) }
        : {},
    ),
    nextAttempt: assign(({ context }) => ({ attempt: context.attempt + 1, backoffMs: nextBackoff(context.backoffMs) })),
  },
  guards: {
    mayRestart: ({ context, event }) => event.type === 'EXITED' && mayRestart(context.restartPolicy, event.exitCode),
  },
}).createMachine({
  id: 'container',
  context: ({ input }) =>
    input ?? {
      name: '',
      restartPolicy: 'Always',
      attempt: 0,
      backoffMs: 0,
      startedAtMs: undefined,
      reason: '',
      message: '',
    },
  initial: 'waiting',
  states: {
    waiting: { on: { START: 'creating', STOP: 'done' } },
    creating: {
      entry: { type: 'intent', params: ({ context }) => ({ kind: 'run', attempt: context.attempt }) },
      on: {
        STARTED: {
          target: 'running',
          actions: assign({ startedAtMs: ({ event }) => event.atMs, reason: '', message: '' }),
        },
        FAILED: { target: 'failing', actions: 'noteFailure' },
        // A command that ends at once may be seen as ended before its start is answered.
        EXITED: [{ guard: 'mayRestart', target: 'backoff', actions: 'noteExit' }, { target: 'done' }],
        STOP: { target: 'stopping', actions: { type: 'intent', params: { kind: 'stop', why: '' } } },
      },
    },
    running: {
      on: {
        EXITED: [{ guard: 'mayRestart', target: 'backoff', actions: 'noteExit' }, { target: 'done' }],
        UNHEALTHY: {
          target: 'killing',
          actions: { type: 'intent', params: ({ event }) => ({ kind: 'stop', why: event.message }) },
        },
        STOP: { target: 'stopping', actions: { type: 'intent', params: { kind: 'stop', why: '' } } },
      },
    },
    killing: {
      on: {
        EXITED: [{ guard: 'mayRestart', target: 'backoff', actions: 'noteExit' }, { target: 'done' }],
        STOP: 'stopping',
      },
    },
    /** Exited and waiting for its next attempt. */
    backoff: {
      entry: {
        type: 'intent',
        params: ({ context }) => ({ kind: 'timer', name: 'backoff', delayMs: context.backoffMs }),
      },
      on: { 'TIMER.backoff': { target: 'creating', actions: 'nextAttempt' }, STOP: 'done' },
    },
    /** Never started (image, configuration); the same attempt is tried again. */
    failing: {
      entry: {
        type: 'intent',
        params: ({ context }) => ({ kind: 'timer', name: 'backoff', delayMs: context.backoffMs }),
      },
      on: { 'TIMER.backoff': 'creating', STOP: 'done' },
    },
    stopping: { on: { EXITED: 'done', FAILED: 'done' } },
    done: {},
  },
});

export const containerStepper: Stepper<ContainerContext, ContainerEvent, ContainerIntent> = stepperOf(containerMachine);

/** What the runtime shows of a container's newest attempt. */
export type ContainerObservation =
  | { state: 'absent' }
  | { state: 'created' | 'running'; attempt: number; startedAtMs: number | undefined }
  | { state: 'exited'; attempt: number; startedAtMs: number | undefined; exitCode: number; finishedAtMs: number };

/** Where every activation starts: after a restart of the node as on the first day. */
export function deriveContainer(
  spec: { name: string; restartPolicy: RestartPolicy },
  seen: ContainerObservation,
): MachineState<ContainerContext> {
  const context: ContainerContext = {
    ...spec,
    attempt: 0,
    backoffMs: 0,
    startedAtMs: undefined,
    reason: '',
    message: '',
  };
  if (seen.state === 'absent') return { value: 'waiting', context };
  const known = {
    ...context,
    attempt: seen.attempt,
    startedAtMs: seen.startedAtMs,
    backoffMs: backoffOf(seen.attempt),
  };
  if (seen.state === 'running') return { value: 'running', context: known };
  // Created and never started: the same attempt is made again.
  if (seen.state !== 'exited') return { value: 'waiting', context: known };
  if (!mayRestart(spec.restartPolicy, seen.exitCode)) return { value: 'done', context: known };
  const forget = seen.startedAtMs !== undefined && seen.finishedAtMs - seen.startedAtMs >= BACKOFF_RESET_MS;
  return { value: 'backoff', context: forget ? { ...known, backoffMs: 0 } : known };
}

/** What the wait would be by now, had every attempt failed in a row. */
function backoffOf(attempt: number): number {
  return attempt === 0 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
}
