/**
 * The container engine of the simulator: sandboxes and containers as values in virtual time. The engine belongs
 * to a simulated host and outlives its nodes, as a real one does: a node that crashes and comes back finds its
 * containers as they went on meanwhile.
 * Owns: what runs, when it ends, how it answers; programs are given by image name.
 * Imports: ports, std.
 */
import type { Clock } from '#src/ports/clock.ts';
import type {
  ContainerSpec,
  ContainerState,
  ExecSession,
  LogOptions,
  OutputStream,
  ProbeTarget,
  Runtime,
  RuntimeEvent,
  SandboxSpec,
  SandboxState,
} from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { simEpochMs, type World } from './clock.ts';

/** What the containers of an image do. Everything may be changed while they run. */
export interface SimProgram {
  /** Ends by itself after this long; undefined: runs until told to end. */
  runMs?: number;
  exitCode?: number;
  /** How long it takes to end after SIGTERM; 'never' waits for SIGKILL. */
  termMs?: number | 'never';
  pull?: 'fails' | 'absent';
  /** A command that does not exist. */
  startFails?: string;
  /** Answers HTTP and TCP probes; an Error is a refused connection. */
  probe?: (target: ProbeTarget) => number | Error;
  exec?: (command: string[]) => { exitCode: number; output?: string };
  output?: string;
}

export interface SimRuntimeHost {
  readonly world: World;
  readonly programs: Map<string, SimProgram>;
  /** Milliseconds that each kind of work takes. */
  latency: { pull: number; sandbox: number; create: number; start: number; probe: number };
  /** While set, every call is refused with RUNTIME_UNAVAILABLE: the engine is down, containers go on. */
  down: boolean;
  readonly sandboxes: Map<string, SandboxState & { node: string }>;
  readonly containers: Map<string, SimContainer>;
  readonly volumes: Map<string, Record<string, { content: Uint8Array; mode: number }>>;
  readonly listeners: Set<(event: RuntimeEvent) => void>;
  /** Every removal in order, for invariants: `container <podUid>/<name>`, `sandbox <podUid>`. */
  readonly removed: string[];
  /** Pods one of whose containers was removed while it ran, newest last. */
  readonly removedRunning: string[];
  next: number;
}

export interface SimContainer {
  state: ContainerState;
  spec: ContainerSpec;
  node: string;
}

const SIGKILL_EXIT = 137;
const SIGTERM_EXIT = 143;
const REMOVED_KEPT = 10_000;
const WRITE_BYTES_MAX = 64 * 1024;

export function createSimRuntimeHost(world: World): SimRuntimeHost {
  return {
    world,
    programs: new Map(),
    latency: { pull: 50, sandbox: 20, create: 5, start: 10, probe: 1 },
    down: false,
    sandboxes: new Map(),
    containers: new Map(),
    volumes: new Map(),
    listeners: new Set(),
    removed: [],
    removedRunning: [],
    next: 1,
  };
}

function programOf(host: SimRuntimeHost, container: SimContainer): SimProgram {
  return host.programs.get(container.spec.image) ?? {};
}

/** The process of a container ends; the engine notes it and tells who listens. */
export function endContainer(host: SimRuntimeHost, id: string, exitCode: number, reason?: string): void {
  const container = host.containers.get(id);
  if (container?.state.state !== 'running') return;
  container.state = {
    ...container.state,
    state: 'exited',
    exitCode,
    reason: reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    finishedAtMs: simEpochMs + host.world.nowMs(),
  };
  const { podUid, sandboxId } = container.state;
  tell(host, { type: 'containerExited', podUid, sandboxId, containerId: id });
}

/** The network namespace is gone and all that ran in it, as after a power cut of the host. */
export function loseSandbox(host: SimRuntimeHost, id: string): void {
  const sandbox = host.sandboxes.get(id);
  if (!sandbox) return;
  for (const container of host.containers.values())
    if (container.state.sandboxId === id) endContainer(host, container.state.id, SIGKILL_EXIT);
  host.sandboxes.set(id, { ...sandbox, state: 'notReady' });
  tell(host, { type: 'sandboxExited', podUid: sandbox.podUid, sandboxId: id });
}

function tell(host: SimRuntimeHost, event: RuntimeEvent): void {
  for (const listener of host.listeners) listener(event);
}

function outputOf(text: string): OutputStream {
  return {
    async pump(handle) {
      if (text !== '') await handle(new TextEncoder().encode(text), 'stdout');
    },
    cancel: () => undefined,
  };
}

/** One node's access to its host's engine: lists show what this node made. */
export function createSimRuntime(host: SimRuntimeHost, options: { clock: Clock; node: string }): Runtime {
  const { clock, node } = options;

  function check(): void {
    if (host.down) throw new Fault('RUNTIME_UNAVAILABLE', 'the simulated container engine is down', 'later');
  }

  async function take(ms: number): Promise<void> {
    check();
    await new Promise<void>((resolve) => clock.after(ms, resolve));
    check();
  }

  function found(id: string): SimContainer {
    check();
    const container = host.containers.get(id);
    if (!container) throw new Fault('RUNTIME_NOT_FOUND', `no container ${id}`, 'never');
    return container;
  }

  function newId(): string {
    host.next += 1;
    return host.next.toString(16).padStart(12, '0');
  }

  function note(line: string): void {
    host.removed.push(line);
    if (host.removed.length > REMOVED_KEPT) host.removed.shift();
  }

  function begin(container: SimContainer): void {
    const program = programOf(host, container);
    const { id, podUid, sandboxId } = container.state;
    container.state = {
      ...container.state,
      state: 'running',
      pid: host.next,
      startedAtMs: simEpochMs + host.world.nowMs(),
    };
    tell(host, { type: 'containerStarted', podUid, sandboxId, containerId: id });
    // The world's timer, not the node's: a container does not end because its node did.
    if (program.runMs !== undefined)
      host.world.after(program.runMs, () => endContainer(host, id, program.exitCode ?? 0));
  }

  function session(container: SimContainer, command: string[]): ExecSession {
    const { exitCode, output = '' } = programOf(host, container).exec?.(command) ?? { exitCode: 0 };
    return {
      output: outputOf(output),
      write: () => Promise.resolve(),
      closeStdin: () => undefined,
      resize: () => undefined,
      cancel: () => undefined,
      exited: Promise.resolve({ exitCode }),
    };
  }

  function runSandbox(spec: SandboxSpec): SandboxState {
    const id = `s${newId()}`;
    const sandbox = {
      id,
      node,
      podUid: spec.podUid,
      attempt: spec.attempt,
      state: 'ready' as const,
      ...(spec.hostNetwork ? {} : { netnsPath: `/sim/netns/${id}` }),
      ...(spec.podIp === undefined ? {} : { ip: spec.podIp }),
      createdAtMs: simEpochMs + host.world.nowMs(),
      labels: spec.labels,
    };
    host.sandboxes.set(id, sandbox);
    return { ...sandbox };
  }

  return {
    info: () => Promise.resolve({ name: 'sim', version: 'kontiki-sim://1', network: 'netns', limits: [] }),
    async ping() {
      await take(0);
    },
    async runSandbox(spec) {
      await take(host.latency.sandbox);
      return runSandbox(spec);
    },
    async stopSandbox(id) {
      await take(1);
      const sandbox = host.sandboxes.get(id);
      if (sandbox?.state === 'ready') loseSandbox(host, id);
    },
    async removeSandbox(id) {
      await take(1);
      const sandbox = host.sandboxes.get(id);
      if (!sandbox) return;
      for (const container of [...host.containers.values()].filter((c) => c.state.sandboxId === id)) {
        if (container.state.state === 'running') host.removedRunning.push(sandbox.podUid);
        endContainer(host, container.state.id, SIGKILL_EXIT);
        host.containers.delete(container.state.id);
        note(`container ${sandbox.podUid}/${container.state.name}`);
      }
      host.sandboxes.delete(id);
      note(`sandbox ${sandbox.podUid}`);
    },
    async createContainer(sandboxId, spec) {
      await take(host.latency.create);
      const sandbox = host.sandboxes.get(sandboxId);
      if (sandbox?.state !== 'ready') throw new Fault('RUNTIME_NOT_FOUND', `no running sandbox ${sandboxId}`, 'never');
      const { podUid } = sandbox;
      // An engine with names refuses a second one of the same attempt.
      for (const { state } of host.containers.values())
        if (
          state.podUid === podUid &&
          state.name === spec.name &&
          state.attempt === spec.attempt &&
          state.sandboxId === sandboxId
        )
          throw new Fault('RUNTIME_CONFLICT', `container ${spec.name} attempt ${spec.attempt} exists`, 'never');
      const id = newId();
      const state: ContainerState = {
        id,
        sandboxId,
        podUid,
        name: spec.name,
        attempt: spec.attempt,
        state: 'created',
        image: spec.image,
        imageId: `sim:${spec.image}`,
        createdAtMs: simEpochMs + host.world.nowMs(),
        labels: spec.labels,
      };
      host.containers.set(id, { state, spec, node });
      return { id };
    },
    async startContainer(id) {
      await take(host.latency.start);
      const container = found(id);
      const { startFails } = programOf(host, container);
      if (startFails !== undefined) throw new Fault('RUNTIME_START_FAILED', startFails, 'never');
      if (container.state.state === 'created') begin(container);
    },
    async signalContainer(id, signal) {
      await take(1);
      const container = found(id);
      const { termMs = 10, exitCode } = programOf(host, container);
      if (signal === 'SIGKILL') endContainer(host, id, SIGKILL_EXIT);
      else if (termMs !== 'never') host.world.after(termMs, () => endContainer(host, id, exitCode ?? SIGTERM_EXIT));
    },
    async removeContainer(id) {
      await take(1);
      const container = host.containers.get(id);
      if (!container) return;
      if (container.state.state === 'running') host.removedRunning.push(container.state.podUid);
      endContainer(host, id, SIGKILL_EXIT);
      host.containers.delete(id);
      note(`container ${container.state.podUid}/${container.state.name}`);
    },
    async listSandboxes() {
      await take(1);
      return [...host.sandboxes.values()].filter((s) => s.node === node).map((s) => ({ ...s }));
    },
    async listContainers() {
      await take(1);
      return [...host.containers.values()].filter((c) => c.node === node).map((c) => c.state);
    },
    async inspectContainer(id) {
      await take(1);
      return found(id).state;
    },
    onEvent(handle) {
      // Through the node's clock: what a crashed node asked for never runs.
      const listener = (event: RuntimeEvent): void => clock.soon(() => handle(event));
      host.listeners.add(listener);
      return () => void host.listeners.delete(listener);
    },
    async logs(id, { tailLines, limitBytes }: LogOptions) {
      await take(1);
      const text = programOf(host, found(id)).output ?? '';
      const lines = text.split('\n').filter((line) => line !== '');
      const kept = tailLines === undefined ? lines : lines.slice(Math.max(0, lines.length - tailLines));
      return outputOf(
        kept
          .map((line) => `${line}\n`)
          .join('')
          .slice(0, limitBytes ?? WRITE_BYTES_MAX),
      );
    },
    async exec(id, { command }) {
      await take(1);
      const container = found(id);
      if (container.state.state !== 'running')
        throw new Fault('RUNTIME_NOT_FOUND', `container ${id} is not running`, 'never');
      return session(container, command);
    },
    attach: () => Promise.reject(new Fault('RUNTIME_UNSUPPORTED', 'the simulated engine has no attach', 'never')),
    dial: () => Promise.reject(new Fault('RUNTIME_UNSUPPORTED', 'the simulated engine has no ports to dial', 'never')),
    async probe(target, timeoutMs) {
      await take(Math.min(host.latency.probe, timeoutMs));
      const sandbox = [...host.sandboxes.values()].find((s) => s.ip === target.host && s.state === 'ready');
      const running = [...host.containers.values()].filter(
        (c) => c.state.sandboxId === sandbox?.id && c.state.state === 'running',
      );
      const answering = running.find((c) => programOf(host, c).probe) ?? running[0];
      const refused = new Fault(
        'RUNTIME_PROBE',
        `dial tcp ${target.host}:${target.port}: connect: connection refused`,
        'later',
      );
      if (!answering) throw refused;
      const answer = programOf(host, answering).probe?.(target) ?? 200;
      if (answer instanceof Error) throw refused;
      return target.type === 'http' ? { status: answer } : {};
    },
    async ensureImage(image, policy) {
      check();
      const { pull } = host.programs.get(image) ?? {};
      if (policy === 'Never' && pull === 'absent')
        throw new Fault('RUNTIME_IMAGE_NEVER_PULL', `the image ${image} is not here`, 'never');
      if (policy !== 'Never') await take(host.latency.pull);
      if (pull === 'fails') throw new Fault('RUNTIME_IMAGE_PULL', `no such image: ${image}`, 'later');
      return { imageId: `sim:${image}`, pulled: policy === 'Always', bytes: 1 };
    },
    listImages: () =>
      Promise.resolve([...host.programs.keys()].map((name) => ({ id: `sim:${name}`, names: [name], bytes: 1 }))),
    async writeVolume({ podUid, name, files }) {
      await take(1);
      host.volumes.set(`${podUid}/${name}`, files);
      return { hostPath: `/sim/volumes/${podUid}/${name}` };
    },
    async makeEmptyDir({ podUid, name }) {
      await take(1);
      return { hostPath: `/sim/volumes/${podUid}/${name}` };
    },
    async removeVolumes(podUid) {
      await take(1);
      for (const key of host.volumes.keys()) if (key.startsWith(`${podUid}/`)) host.volumes.delete(key);
    },
  };
}
