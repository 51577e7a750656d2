/**
 * The runtime that needs no engine: a container is a process of this host under a detached shim.
 * With privileges each Pod has a network namespace of its own, held by a sleeping process.
 * Everything is on disk and found again after kill -9 of the node, by pid, start time and boot.
 * Read next: shim.js (what stays with a container), files.ts, logs.ts.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, watch, type FSWatcher } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Log } from '#src/ports/log.ts';
import type { ContainerSpec, ContainerState, Runtime, RuntimeEvent, SandboxState } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { findProgram } from '../dataplane/commands.ts';
import { dialTcp } from '../dial.ts';
import { probe } from '../probe.ts';
import { createVolumeFiles } from '../volumes.ts';
import {
  bootId,
  isSame,
  listNames,
  readJson,
  runtimeFiles,
  startTimeOf,
  writeJson,
  type ContainerFile,
  type ExitFile,
  type SandboxFile,
  type StateFile,
} from './files.ts';
import { openLog } from './logs.ts';
import { attachTo, startExec, terminalCommand } from './sessions.ts';

export const DEMO_IMAGE = 'kontiki/demo';
const SHIM = fileURLToPath(new URL('./shim.js', import.meta.url));
const DEMO = fileURLToPath(new URL('../demo/demo-server.js', import.meta.url));
/** Processes that died without a word (their shim was killed) are found by looking. */
const LOOK_MS = 1000;
const START_TIMEOUT_MS = 10_000;
const CONTAINERS_MAX = 2000;
/** As of SIGKILL, of what was removed. */
const KILLED = 137;

export interface ProcessRuntimeOptions {
  /** Where specs, states and logs lie. */
  directory: string;
  /** A network namespace per Pod; the data plane connects it. */
  namespaces: boolean;
  limits: string[];
  log: Log;
  /** Where unshare(1) lies; by default where Debian puts it. */
  unshare?: string;
}

const newId = (): string => randomBytes(8).toString('hex');

const isDemo = (image: string): boolean =>
  image === DEMO_IMAGE || image.startsWith(`${DEMO_IMAGE}:`) || image === `docker.io/${DEMO_IMAGE}`;

export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const files = runtimeFiles(options.directory);
  const volumes = createVolumeFiles(files.volumes);
  const listeners = new Set<(event: RuntimeEvent) => void>();
  const reported = new Set<string>();
  let watcher: FSWatcher | undefined;
  let looking: NodeJS.Timeout | undefined;

  function sandboxFile(id: string): SandboxFile {
    const file = readJson<SandboxFile>(files.sandbox(id));
    if (!file) throw new Fault('RUNTIME_NOT_FOUND', `there is no sandbox ${id}`, 'never');
    return file;
  }

  function containerFile(id: string): ContainerFile {
    const file = readJson<ContainerFile>(files.container(id, 'container.json'));
    if (!file) throw new Fault('RUNTIME_NOT_FOUND', `there is no container ${id}`, 'never');
    return file;
  }

  function sandboxState(file: SandboxFile): SandboxState {
    const { id, spec, holder } = file;
    const ready = !file.stopped && (holder ? isSame(holder) : true);
    return {
      id,
      podUid: spec.podUid,
      attempt: spec.attempt,
      state: ready ? 'ready' : 'notReady',
      ...(holder && ready ? { netnsPath: `/proc/${holder.pid}/ns/net` } : {}),
      ...(spec.hostNetwork || spec.podIp === undefined ? {} : { ip: spec.podIp }),
      createdAtMs: file.createdAtMs,
      labels: spec.labels,
    };
  }

  function containerState(file: ContainerFile): ContainerState {
    const { id, spec } = file;
    const state = readJson<StateFile>(files.container(id, 'state.json'));
    const exit = readJson<ExitFile>(files.container(id, 'exit.json'));
    const sandbox = readJson<SandboxFile>(files.sandbox(file.sandboxId));
    const base: ContainerState = {
      id,
      sandboxId: file.sandboxId,
      podUid: sandbox?.spec.podUid ?? spec.labels['io.kubernetes.pod.uid'] ?? '',
      name: spec.name,
      attempt: spec.attempt,
      state: 'created',
      image: spec.image,
      imageId: isDemo(spec.image) ? 'process://kontiki/demo' : 'process://host',
      createdAtMs: file.createdAtMs,
      labels: spec.labels,
      ...(state ? { pid: state.pid, startedAtMs: state.startedAtMs } : {}),
    };
    if (exit) {
      const { exitCode, finishedAtMs, signal, reason, message } = exit;
      return {
        ...base,
        state: 'exited',
        exitCode,
        finishedAtMs,
        ...(signal === undefined ? {} : { signal }),
        reason: reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
        ...(message === undefined ? {} : { message }),
      };
    }
    if (!state) return base;
    if (isSame({ pid: state.pid, started: state.started, bootId: state.bootId })) return { ...base, state: 'running' };
    // The shim writes the exit a moment after the end; only when it is gone too nobody will.
    if (isSame({ pid: state.shimPid, started: state.shimStarted, bootId: state.bootId }))
      return { ...base, state: 'running' };
    return {
      ...base,
      state: 'exited',
      exitCode: 137,
      finishedAtMs: Date.now(),
      reason: 'ContainerStatusUnknown',
      message: 'the process and its shim are gone (killed, or the host was restarted)',
    };
  }

  const containersOf = (sandboxId: string): ContainerFile[] =>
    allContainers().filter((file) => file.sandboxId === sandboxId);

  function allContainers(): ContainerFile[] {
    return listNames(files.containers).flatMap(
      (id) => readJson<ContainerFile>(files.container(id, 'container.json')) ?? [],
    );
  }

  function commandOf(spec: ContainerSpec): string[] {
    if (spec.command && spec.command.length > 0) return [...spec.command, ...(spec.args ?? [])];
    if (isDemo(spec.image)) return [process.execPath, DEMO, ...(spec.args ?? [])];
    throw new Fault(
      'RUNTIME_IMAGE_PULL',
      `the process runtime has no images, so '${spec.image}' cannot be run by itself; give the container a command (a program of this host), use ${DEMO_IMAGE}, or start a Docker engine`,
      'never',
    );
  }

  function environmentOf(spec: ContainerSpec, sandbox: SandboxFile): Record<string, string> {
    const env: Record<string, string> = {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: userInfo().homedir,
      HOSTNAME: sandbox.spec.hostname,
    };
    if (!options.namespaces && sandbox.spec.podIp && !sandbox.spec.hostNetwork) {
      env['POD_IP'] = sandbox.spec.podIp;
      env['KONTIKI_LISTEN'] = sandbox.spec.podIp;
    }
    if (isDemo(spec.image)) {
      env['POD_NAME'] = sandbox.spec.podName;
      env['NODE_NAME'] = sandbox.spec.labels['kontiki.node'] ?? '';
    }
    for (const mount of spec.mounts)
      env[`KONTIKI_VOLUME_${mount.volume.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`] = mount.hostPath;
    for (const { name, value } of spec.env) env[name] = value;
    return env;
  }

  /** A sleeping process keeps the namespace; it outlives this node. */
  async function startHolder(): Promise<SandboxFile['holder']> {
    const unshare = options.unshare ?? findProgram('unshare');
    const sleep = findProgram('sleep');
    const sh = findProgram('sh');
    if (!unshare || !sleep || !sh)
      throw new Fault(
        'RUNTIME_UNSUPPORTED',
        'unshare, sh and sleep are needed for network namespaces (Debian: util-linux, dash, coreutils)',
        'never',
      );
    // It speaks from inside: until then its /proc entry names the network of this node, and whoever
    // set up the Pod's addresses there would set up the machine's.
    const script = 'echo inside; exec "$0" infinity >/dev/null';
    const child = spawn(unshare, ['--net', sh, '-c', script, sleep], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.unref();
    await new Promise<void>((resolve, reject) => {
      const failed = (why: string, error?: Error): void =>
        reject(new Fault('RUNTIME_START_FAILED', `the sandbox could not be started: ${why}`, 'later', error));
      child.stdout.once('data', () => resolve());
      child.once('error', (error) => failed(error.message, error));
      child.once('exit', (code, signal) => failed(`unshare --net ended with ${signal ?? `exit code ${code}`}`));
    });
    child.stdout.destroy();
    const pid = child.pid ?? 0;
    const started = startTimeOf(pid);
    if (started === undefined) throw new Fault('RUNTIME_START_FAILED', 'the sandbox ended at once', 'later');
    return { pid, started, bootId: bootId() };
  }

  function signal(state: StateFile, name: NodeJS.Signals): void {
    if (!isSame({ pid: state.pid, started: state.started, bootId: state.bootId }) || state.pid <= 1) return;
    try {
      // The container leads its own process group: its children get the signal too.
      process.kill(-state.pid, name);
    } catch {
      try {
        process.kill(state.pid, name);
      } catch {
        // It ended between the look and the signal.
      }
    }
  }

  function report(id: string): void {
    if (reported.has(id)) return;
    const file = readJson<ContainerFile>(files.container(id, 'container.json'));
    if (!file?.started || containerState(file).state !== 'exited') return;
    reported.add(id);
    const sandbox = readJson<SandboxFile>(files.sandbox(file.sandboxId));
    for (const listener of listeners)
      listener({
        type: 'containerExited',
        podUid: sandbox?.spec.podUid ?? '',
        sandboxId: file.sandboxId,
        containerId: id,
      });
  }

  function look(): void {
    for (const id of listNames(files.containers)) report(id);
    for (const name of listNames(files.sandboxes)) {
      const file = readJson<SandboxFile>(join(files.sandboxes, name));
      if (!file || file.stopped || reported.has(file.id) || sandboxState(file).state === 'ready') continue;
      reported.add(file.id);
      for (const listener of listeners)
        listener({ type: 'sandboxExited', podUid: file.spec.podUid, sandboxId: file.id });
    }
  }

  function watchAll(): void {
    if (watcher) return;
    watcher = watch(files.containers, { recursive: true }, (_event, name) => {
      if (name?.endsWith('exit.json')) report(name.split('/')[0] ?? '');
    });
    watcher.unref();
    // The look below finds what a failed watch does not.
    watcher.on('error', () => undefined);
    looking = setInterval(look, LOOK_MS);
    looking.unref();
  }

  async function untilStarted(id: string): Promise<void> {
    const end = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < end) {
      const exit = readJson<ExitFile>(files.container(id, 'exit.json'));
      if (exit?.reason === 'StartError')
        throw new Fault('RUNTIME_START_FAILED', exit.message ?? 'the command could not be started', 'never');
      if (exit || readJson<StateFile>(files.container(id, 'state.json'))) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Fault(
      'RUNTIME_START_FAILED',
      `the shim of container ${id} did not start within ${START_TIMEOUT_MS} ms`,
      'later',
    );
  }

  return {
    info: () =>
      Promise.resolve({
        name: 'process',
        version: `kontiki-process://${process.versions.node}`,
        network: options.namespaces ? 'netns' : 'loopback',
        limits: options.limits,
      }),
    ping: () => Promise.resolve(),

    async runSandbox(spec) {
      if (listNames(files.sandboxes).length >= CONTAINERS_MAX)
        throw new Fault(
          'RUNTIME_UNAVAILABLE',
          `${CONTAINERS_MAX} sandboxes are the limit of the process runtime`,
          'later',
        );
      const holder = options.namespaces && !spec.hostNetwork ? await startHolder() : undefined;
      const file: SandboxFile = {
        id: newId(),
        spec,
        createdAtMs: Date.now(),
        stopped: false,
        ...(holder ? { holder } : {}),
      };
      writeJson(files.sandbox(file.id), file);
      return sandboxState(file);
    },
    stopSandbox(id) {
      const file = readJson<SandboxFile>(files.sandbox(id));
      if (!file) return Promise.resolve();
      for (const container of containersOf(id)) {
        const state = readJson<StateFile>(files.container(container.id, 'state.json'));
        if (state) signal(state, 'SIGKILL');
      }
      writeJson(files.sandbox(id), { ...file, stopped: true });
      if (file.holder && isSame(file.holder)) process.kill(file.holder.pid, 'SIGKILL');
      return Promise.resolve();
    },
    async removeSandbox(id) {
      await this.stopSandbox(id);
      for (const container of containersOf(id)) await this.removeContainer(container.id);
      files.remove(files.sandbox(id));
      reported.delete(id);
    },

    async createContainer(sandboxId, spec) {
      sandboxFile(sandboxId);
      commandOf(spec);
      const id = newId();
      mkdirSync(files.container(id), { recursive: true, mode: 0o711 });
      writeJson(files.container(id, 'container.json'), {
        id,
        sandboxId,
        spec,
        createdAtMs: Date.now(),
        started: false,
      } satisfies ContainerFile);
      return { id };
    },
    async startContainer(id) {
      const file = containerFile(id);
      const sandbox = sandboxFile(file.sandboxId);
      const state = sandboxState(sandbox);
      if (state.state !== 'ready')
        throw new Fault('RUNTIME_START_FAILED', `sandbox ${file.sandboxId} is not running`, 'later');
      writeJson(files.container(id, 'spec.json'), {
        argv: file.spec.tty ? terminalCommand(commandOf(file.spec)) : commandOf(file.spec),
        cwd: file.spec.workingDir ?? '/',
        env: environmentOf(file.spec, sandbox),
        stdin: file.spec.stdin,
        stdinOnce: file.spec.stdinOnce ?? false,
        tty: file.spec.tty,
        netnsPath: state.netnsPath,
        uid: process.getuid?.() === 0 ? file.spec.user?.uid : undefined,
        gid: process.getuid?.() === 0 ? file.spec.user?.gid : undefined,
      });
      if (file.spec.workingDir !== undefined && !existsSync(file.spec.workingDir)) {
        throw new Fault(
          'RUNTIME_START_FAILED',
          `workingDir '${file.spec.workingDir}' does not exist on this host`,
          'never',
        );
      }
      writeJson(files.container(id, 'container.json'), { ...file, started: true });
      const shim = spawn(process.execPath, ['--max-semi-space-size=1', SHIM, files.container(id)], {
        detached: true,
        stdio: 'ignore',
        cwd: '/',
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      });
      shim.on('error', (error) =>
        options.log.error('a shim could not be started', { container: id, error: error.message }),
      );
      shim.unref();
      await untilStarted(id);
    },
    async signalContainer(id, name) {
      containerFile(id);
      const state = readJson<StateFile>(files.container(id, 'state.json'));
      if (state) signal(state, name as NodeJS.Signals);
    },
    removeContainer(id) {
      const state = readJson<StateFile>(files.container(id, 'state.json'));
      if (state) signal(state, 'SIGKILL');
      files.remove(files.container(id));
      reported.delete(id);
      return Promise.resolve();
    },

    listSandboxes: () =>
      Promise.resolve(
        listNames(files.sandboxes)
          .filter((name) => name.endsWith('.json'))
          .flatMap((name) => readJson<SandboxFile>(join(files.sandboxes, name)) ?? [])
          .map(sandboxState),
      ),
    listContainers: () => Promise.resolve(allContainers().map(containerState)),
    inspectContainer: (id) => Promise.resolve().then(() => containerState(containerFile(id))),
    onEvent(handle) {
      listeners.add(handle);
      watchAll();
      return () => {
        listeners.delete(handle);
        if (listeners.size > 0) return;
        watcher?.close();
        watcher = undefined;
        clearInterval(looking);
      };
    },

    async logs(id, logOptions) {
      const file = containerFile(id);
      return openLog(
        files.container(id, 'log'),
        logOptions,
        () => !existsSync(files.container(id)) || containerState(file).state === 'exited',
      );
    },
    exec: (id, execOptions) =>
      Promise.resolve().then(() => {
        const file = containerFile(id);
        const sandbox = sandboxFile(file.sandboxId);
        return startExec({
          ...execOptions,
          env: environmentOf(file.spec, sandbox),
          cwd: file.spec.workingDir ?? '/',
          netnsPath: sandboxState(sandbox).netnsPath,
        });
      }),
    attach: async (id, { stdin }) => {
      const { spec } = containerFile(id);
      const exitCodeOf = (): number | undefined => {
        if (!existsSync(files.container(id))) return KILLED;
        const state = containerState(containerFile(id));
        return state.state === 'exited' ? (state.exitCode ?? KILLED) : undefined;
      };
      return await attachTo({
        directory: files.container(id),
        hasShimSocket: spec.stdin || spec.tty,
        stdin,
        exitCodeOf,
      });
    },
    async dial(sandboxId, port) {
      const { spec } = sandboxFile(sandboxId);
      return dialTcp(spec.hostNetwork || spec.podIp === undefined ? '127.0.0.1' : spec.podIp, port);
    },
    probe,

    ensureImage: (image) =>
      Promise.resolve({
        imageId: isDemo(image) ? 'process://kontiki/demo' : 'process://host',
        pulled: false,
        bytes: 0,
      }),
    listImages: () => Promise.resolve([{ id: 'process://kontiki/demo', names: [DEMO_IMAGE], bytes: 0 }]),
    writeVolume: (volume) => Promise.resolve().then(() => volumes.write(volume)),
    makeEmptyDir: (volume) => Promise.resolve().then(() => volumes.emptyDir(volume)),
    removeVolumes: (podUid) => Promise.resolve().then(() => volumes.remove(podUid)),
  };
}
