/** A Pod's status from what its node sees. Pure; Kubernetes' words and rules. */
import { deepEqual, formatTime } from '#src/api/metadata.ts';
import type {
  Container,
  ContainerState as ApiContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from '#src/api/objects.ts';
import type { ContainerState } from '#src/ports/runtime.ts';

export interface ContainerView {
  spec: Container;
  isInit: boolean;
  isSidecar: boolean;
  isEphemeral: boolean;
  /** Of the container's machine. */
  machine: string;
  attempt: number;
  reason: string;
  message: string;
  current: ContainerState | undefined;
  previous: ContainerState | undefined;
  started: boolean;
  ready: boolean;
}

export interface PodView {
  pod: Pod;
  machine: string;
  containers: ContainerView[];
  podIp: string | undefined;
  hostIp: string;
  hasSandbox: boolean;
  initialized: boolean;
  nowMs: number;
}

function terminated(state: ContainerState): ApiContainerState {
  return {
    terminated: {
      exitCode: state.exitCode ?? 0,
      ...(state.signal === undefined ? {} : { signal: state.signal }),
      reason: state.reason ?? (state.exitCode === 0 ? 'Completed' : 'Error'),
      ...(state.message === undefined ? {} : { message: state.message }),
      startedAt: formatTime(state.startedAtMs ?? state.finishedAtMs ?? state.createdAtMs),
      finishedAt: formatTime(state.finishedAtMs ?? state.createdAtMs),
      containerID: state.id,
    },
  };
}

/** The runtime's name goes before a container's id: `docker://…`. */
export function containerStatus(view: ContainerView, scheme: string, podInitialized: boolean): ContainerStatus {
  const { spec, current, previous, machine } = view;
  const withScheme = (state: ApiContainerState): ApiContainerState =>
    state.terminated?.containerID
      ? { terminated: { ...state.terminated, containerID: `${scheme}://${state.terminated.containerID}` } }
      : state;
  let state: ApiContainerState;
  let lastState: ApiContainerState = {};
  if (current?.state === 'running') {
    state = { running: { startedAt: formatTime(current.startedAtMs ?? current.createdAtMs) } };
    if (previous?.state === 'exited') lastState = withScheme(terminated(previous));
  } else if (current?.state === 'exited' && machine === 'backoff' && view.message !== '') {
    state = {
      waiting: {
        reason: 'CrashLoopBackOff',
        message: view.message,
      },
    };
    lastState = withScheme(terminated(current));
  } else if (current?.state === 'exited' && machine !== 'creating' && machine !== 'failing') {
    state = withScheme(terminated(current));
    if (previous?.state === 'exited') lastState = withScheme(terminated(previous));
  } else {
    const waiting = view.reason || (view.isInit || podInitialized ? 'ContainerCreating' : 'PodInitializing');
    state = { waiting: { reason: waiting, ...(view.message ? { message: view.message } : {}) } };
    const last = current?.state === 'exited' ? current : previous;
    if (last?.state === 'exited') lastState = withScheme(terminated(last));
  }
  const running = current?.state === 'running';
  return {
    name: spec.name,
    state,
    lastState,
    ready:
      view.isInit && !view.isSidecar ? current?.state === 'exited' && current.exitCode === 0 : running && view.ready,
    restartCount: view.attempt,
    image: spec.image ?? '',
    imageID: current?.imageId ?? '',
    ...(current ? { containerID: `${scheme}://${current.id}` } : {}),
    started: running && view.started,
  };
}

/** Kubernetes' getPhase: Pending until every container has started once; then by what still may run. */
function phaseOf(view: PodView): string {
  const policy = view.pod.spec?.restartPolicy ?? 'Always';
  const init = view.containers.filter((c) => c.isInit);
  const main = view.containers.filter((c) => !c.isInit && !c.isEphemeral);
  if (
    init.some(
      // A sidecar that is ended with the Pod leaves with the code of its SIGTERM, which says nothing.
      (c) =>
        !c.isSidecar &&
        c.machine === 'done' &&
        c.current?.state === 'exited' &&
        c.current.exitCode !== 0 &&
        policy === 'Never',
    )
  )
    return 'Failed';
  if (main.some((c) => c.current === undefined || c.current.state === 'created') && view.machine !== 'finished') {
    return main.some(
      (c) => c.current?.state === 'running' || (c.current?.state === 'exited' && view.machine === 'running'),
    ) && main.every((c) => c.current !== undefined)
      ? 'Running'
      : 'Pending';
  }
  if (!view.initialized) return 'Pending';
  const over = main.every((c) => c.current?.state === 'exited' && (c.machine === 'done' || c.machine === 'stopping'));
  if (!over) return 'Running';
  if (policy === 'Always' && view.pod.metadata.deletionTimestamp === undefined) return 'Running';
  return main.every((c) => c.current?.exitCode === 0) ? 'Succeeded' : 'Failed';
}

interface Wanted {
  type: string;
  holds: boolean;
  reason?: string;
  message?: string;
}

function conditionsOf(view: PodView, phase: string): Wanted[] {
  const main = view.containers.filter((c) => !c.isInit && !c.isEphemeral);
  const pendingInit = view.containers
    .filter((c) => c.isInit && !(c.isSidecar ? c.started : c.current?.state === 'exited' && c.current.exitCode === 0))
    .map((c) => c.spec.name);
  // Sidecars count for readiness (KEP-753).
  const unready = [...view.containers.filter((c) => c.isSidecar), ...main]
    .filter((c) => !(c.current?.state === 'running' && c.ready))
    .map((c) => c.spec.name);
  const finished = phase === 'Succeeded' || phase === 'Failed';
  const notReady: Omit<Wanted, 'type' | 'holds'> =
    phase === 'Succeeded'
      ? { reason: 'PodCompleted' }
      : phase === 'Failed'
        ? { reason: 'PodFailed' }
        : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const allReady = unready.length === 0 && !finished;
  return [
    { type: 'PodReadyToStartContainers', holds: view.hasSandbox },
    view.initialized
      ? { type: 'Initialized', holds: true, ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) }
      : {
          type: 'Initialized',
          holds: false,
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${pendingInit.join(' ')}]`,
        },
    { type: 'Ready', holds: allReady, ...(allReady ? {} : notReady) },
    { type: 'ContainersReady', holds: allReady, ...(allReady ? {} : notReady) },
    { type: 'PodScheduled', holds: true },
  ];
}

function mergeConditions(before: PodCondition[], wanted: Wanted[], view: PodView): PodCondition[] {
  const own = new Set(wanted.map((w) => w.type));
  const now = formatTime(view.nowMs);
  const generation = view.pod.metadata.generation;
  return [
    ...wanted.map((w): PodCondition => {
      const old = before.find((c) => c.type === w.type);
      const status = w.holds ? 'True' : 'False';
      return {
        type: w.type,
        ...(generation === undefined ? {} : { observedGeneration: generation }),
        status,
        lastProbeTime: null as unknown as string,
        lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
        ...(w.reason === undefined ? {} : { reason: w.reason }),
        ...(w.message === undefined ? {} : { message: w.message }),
      };
    }),
    ...before.filter((c) => !own.has(c.type)),
  ];
}

export function qosClass(pod: Pod): string {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const any = containers.some(
    (c) => Object.keys(c.resources?.requests ?? {}).length > 0 || Object.keys(c.resources?.limits ?? {}).length > 0,
  );
  if (!any) return 'BestEffort';
  const guaranteed = containers.every((c) =>
    ['cpu', 'memory'].every((name) => {
      const limit = c.resources?.limits?.[name];
      return limit !== undefined && (c.resources?.requests?.[name] ?? limit) === limit;
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

export function podStatus(view: PodView, scheme: string): PodStatus {
  const before = view.pod.status ?? {};
  const phase = phaseOf(view);
  const statusOf = (c: ContainerView): ContainerStatus => containerStatus(c, scheme, view.initialized);
  const init = view.containers.filter((c) => c.isInit).map(statusOf);
  const ephemeral = view.containers.filter((c) => c.isEphemeral).map((c) => ({ ...statusOf(c), ready: false }));
  const generation = view.pod.metadata.generation;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions: mergeConditions(before.conditions ?? [], conditionsOf(view, phase), view),
    ...(before.message === undefined ? {} : { message: before.message }),
    ...(before.reason === undefined ? {} : { reason: before.reason }),
    hostIP: view.hostIp,
    hostIPs: [{ ip: view.hostIp }],
    ...(view.podIp === undefined ? {} : { podIP: view.podIp, podIPs: [{ ip: view.podIp }] }),
    startTime: before.startTime ?? formatTime(view.nowMs),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: view.containers.filter((c) => !c.isInit && !c.isEphemeral).map(statusOf),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: before.qosClass ?? qosClass(view.pod),
  };
}

export function sameStatus(a: PodStatus | undefined, b: PodStatus): boolean {
  return deepEqual(a, b);
}
