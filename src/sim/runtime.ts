/**
 * Containers of a simulated machine: they run until somebody ends them. The machine outlives the
 * node's process, so a kubelet that comes back finds what its predecessor started.
 * Left out: output, exec, port-forward, image contents. Imports: ports, std.
 */
import type { Clock } from '#src/ports/clock.ts';
import type {
  ContainerSpec,
  ContainerState,
  OutputStream,
  Runtime,
  RuntimeEvent,
  SandboxSpec,
  SandboxState,
} from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';

export interface SimRuntimeDelays {
  /** Of calls that only look or note something. */
  callMs: number;
  startMs: number;
  /** From SIGTERM to the end. */
  exitMs: number;
}

const defaultDelays: SimRuntimeDelays = { callMs: 0.5, startMs: 20, exitMs: 5 };

/** One machine. A power cut ends its containers, kill -9 of the node does not. */
export interface SimMachine {
  readonly sandboxes: Map<string, SandboxState>;
  readonly containers: Map<string, ContainerState>;
  readonly images: Set<string>;
  readonly volumes: Map<string, Set<string>>;
  delays: SimRuntimeDelays;
  /** Numbers handed out, so that ids are never used twice. */
  made: number;
  listener: ((event: RuntimeEvent) => void) | undefined;
  /** Every removal, for the checker: a container whose Pod exists is never removed. */
  readonly removed: { podUid: string; container: string; atMs: number }[];
  /** The machine itself lost its power. */
  powerCut(nowMs: number): void;
}

export function createSimMachine(delays: Partial<SimRuntimeDelays> = {}): SimMachine {
  const machine: SimMachine = {
    sandboxes: new Map(),
    containers: new Map(),
    images: new Set(),
    volumes: new Map(),
    delays: { ...defaultDelays, ...delays },
    made: 0,
    listener: undefined,
    removed: [],
    powerCut(nowMs) {
      for (const sandbox of machine.sandboxes.values()) sandbox.state = 'notReady';
      for (const container of machine.containers.values())
        if (container.state === 'running') exit(machine, container, { exitCode: 255, atMs: nowMs });
    },
  };
  return machine;
}

function exit(
  machine: SimMachine,
  container: ContainerState,
  { exitCode, atMs, signal }: { exitCode: number; atMs: number; signal?: number },
): void {
  if (container.state === 'exited') return;
  container.state = 'exited';
  container.exitCode = exitCode;
  container.finishedAtMs = atMs;
  container.reason = exitCode === 0 ? 'Completed' : 'Error';
  if (signal !== undefined) container.signal = signal;
  const { podUid, sandboxId, id } = container;
  machine.listener?.({ type: 'containerExited', podUid, sandboxId, containerId: id });
}

/** The Runtime port of one incarnation of the node. */
export function createSimRuntime(machine: SimMachine, clock: Clock): Runtime {
  machine.listener = undefined;
  const listeners = new Set<(event: RuntimeEvent) => void>();
  machine.listener = (event) => {
    for (const handle of listeners) handle(event);
  };

  function call<T>(act: () => T, delayMs = machine.delays.callMs): Promise<T> {
    return new Promise((resolve, reject) => {
      clock.after(delayMs, () => {
        try {
          resolve(act());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  function sandbox(id: string): SandboxState {
    const found = machine.sandboxes.get(id);
    if (!found) throw new Fault('RUNTIME_NOT_FOUND', `there is no sandbox ${id}`, 'never');
    return found;
  }

  function container(id: string): ContainerState {
    const found = machine.containers.get(id);
    if (!found) throw new Fault('RUNTIME_NOT_FOUND', `there is no container ${id}`, 'never');
    return found;
  }

  const newId = (kind: string): string => `${kind}${(machine.made += 1)}`;
  const unsupported = (what: string): Promise<never> =>
    Promise.reject(new Fault('RUNTIME_UNSUPPORTED', `${what} is not simulated`, 'never'));

  function runSandbox(spec: SandboxSpec): SandboxState {
    const state: SandboxState = {
      id: newId('s'),
      podUid: spec.podUid,
      attempt: spec.attempt,
      state: 'ready',
      ...(spec.podIp === undefined ? {} : { ip: spec.podIp, netnsPath: `/sim/${spec.podUid}` }),
      createdAtMs: clock.wallMs(),
      labels: spec.labels,
    };
    machine.sandboxes.set(state.id, state);
    return { ...state };
  }

  function createContainer(sandboxId: string, spec: ContainerSpec): { id: string } {
    const state: ContainerState = {
      id: newId('c'),
      sandboxId,
      podUid: sandbox(sandboxId).podUid,
      name: spec.name,
      attempt: spec.attempt,
      state: 'created',
      image: spec.image,
      imageId: `sim://${spec.image}`,
      createdAtMs: clock.wallMs(),
      labels: spec.labels,
    };
    machine.containers.set(state.id, state);
    return { id: state.id };
  }

  function start(id: string): void {
    const state = container(id);
    if (state.state !== 'created') return;
    state.state = 'running';
    state.pid = 1000 + machine.made;
    state.startedAtMs = clock.wallMs();
    const { podUid, sandboxId } = state;
    machine.listener?.({ type: 'containerStarted', podUid, sandboxId, containerId: id });
  }

  function signal(id: string, name: string): void {
    const state = container(id);
    if (state.state !== 'running') return;
    if (name === 'SIGKILL') exit(machine, state, { exitCode: 137, atMs: clock.wallMs(), signal: 9 });
    else clock.after(machine.delays.exitMs, () => exit(machine, state, { exitCode: 0, atMs: clock.wallMs() }));
  }

  function stopSandbox(id: string): void {
    const state = machine.sandboxes.get(id);
    if (!state) return;
    for (const one of machine.containers.values())
      if (one.sandboxId === id && one.state === 'running') exit(machine, one, { exitCode: 137, atMs: clock.wallMs(), signal: 9 });
    state.state = 'notReady';
  }

  function removeContainer(id: string): void {
    const state = machine.containers.get(id);
    if (!state) return;
    if (state.state === 'running') exit(machine, state, { exitCode: 137, atMs: clock.wallMs(), signal: 9 });
    machine.containers.delete(id);
    machine.removed.push({ podUid: state.podUid, container: id, atMs: clock.wallMs() });
  }

  function volume(podUid: string, name: string): { hostPath: string } {
    const names = machine.volumes.get(podUid) ?? new Set();
    machine.volumes.set(podUid, names.add(name));
    return { hostPath: `/sim/volumes/${podUid}/${name}` };
  }

  const reached = (host: string): boolean => {
    for (const one of machine.containers.values())
      if (one.state === 'running' && machine.sandboxes.get(one.sandboxId)?.ip === host) return true;
    return false;
  };

  return {
    info: () => Promise.resolve({ name: 'sim', version: 'sim://1', network: 'netns', limits: [] }),
    ping: () => call(() => undefined),
    runSandbox: (spec) => call(() => runSandbox(spec), machine.delays.startMs),
    stopSandbox: (id) => call(() => stopSandbox(id)),
    removeSandbox: (id) =>
      call(() => {
        stopSandbox(id);
        machine.sandboxes.delete(id);
      }),
    createContainer: (id, spec) => call(() => createContainer(id, spec)),
    startContainer: (id) => call(() => start(id), machine.delays.startMs),
    signalContainer: (id, name) => call(() => signal(id, name)),
    removeContainer: (id) => call(() => removeContainer(id)),
    listSandboxes: () => call(() => Array.from(machine.sandboxes.values(), (one) => ({ ...one }))),
    listContainers: () => call(() => Array.from(machine.containers.values(), (one) => ({ ...one }))),
    inspectContainer: (id) => call(() => ({ ...container(id) })),
    onEvent(handle) {
      listeners.add(handle);
      return () => void listeners.delete(handle);
    },
    logs: () => Promise.resolve(emptyStream()),
    exec: () => unsupported('exec'),
    attach: () => unsupported('attach'),
    dial: () => unsupported('port-forward'),
    probe: (target) =>
      call(() => {
        if (reached(target.host)) return { status: 200 };
        throw new Fault('RUNTIME_PROBE', `dial tcp ${target.host}:${target.port}: connection refused`, 'later');
      }),
    ensureImage: (image, policy) =>
      call(() => {
        const pulled = !machine.images.has(image);
        if (pulled && policy === 'Never')
          throw new Fault('RUNTIME_IMAGE_NEVER_PULL', `image ${image} is not present`, 'never');
        machine.images.add(image);
        return { imageId: `sim://${image}`, pulled, bytes: 1 };
      }),
    listImages: () => call(() => Array.from(machine.images, (image) => ({ id: `sim://${image}`, names: [image], bytes: 1 }))),
    writeVolume: ({ podUid, name }) => call(() => volume(podUid, name)),
    makeEmptyDir: ({ podUid, name }) => call(() => volume(podUid, name)),
    removeVolumes: (podUid) => call(() => void machine.volumes.delete(podUid)),
  };
}

function emptyStream(): OutputStream {
  return { pump: () => Promise.resolve(), cancel: () => undefined };
}
