/**
 * The runtime on a Docker engine: a Pod is a sandbox container that holds its namespaces, and
 * containers that join it. Labels hold all state, so that a node killed with -9 finds everything.
 * Several nodes share an engine; each sees what carries its data directory's label.
 * Read next: specs.ts (what is created), states.ts (what is read), sessions.ts, images.ts, events.ts.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerInfo, ContainerInspectInfo } from 'dockerode';
import type { Log } from '#src/ports/log.ts';
import type { ContainerState, Runtime, SandboxSpec, SandboxState } from '#src/ports/runtime.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { probe } from '../probe.ts';
import { createVolumeFiles } from '../volumes.ts';
import {
  call,
  callOr,
  connectEngine,
  engineFault,
  pingEngine,
  saidBy,
  statusOf,
  withDeadline,
  type Engine,
} from './engine.ts';
import { createEvents } from './events.ts';
import { createImages, DEMO_IMAGE, referenceOf, type Images } from './images.ts';
import { createNetworks } from './networks.ts';
import { overTls } from '../dial.ts';
import { attachTo, dialSandbox, openLogs, startExec } from './sessions.ts';
import { containerBody, hostsFile, LABEL, resolvFile, sandboxBody, sandboxFacts } from './specs.ts';
import { containerState, sandboxState, uncertainState } from './states.ts';
import { createMemoryVolumes } from './tmpfs.ts';

export { connectEngine, pingEngine } from './engine.ts';

/** One container that cannot be inspected must not hold up a list (moby#44300). */
const INSPECT_MS = 5000;
const INSPECTS_AT_ONCE = 8;
const CAP_SYS_RESOURCE = 24n;

export interface DockerRuntimeOptions {
  docker?: Engine;
  node: string;
  /** Nodes with the same label share a Docker network. Only with `network: 'bridge'`. */
  clusterLabel?: string;
  /** The node's data directory. */
  directory: string;
  /** netns: Pods get an empty namespace and the data plane connects it. bridge: the engine gives addresses. */
  network: 'netns' | 'bridge';
  log: Log;
}

interface Host extends DockerRuntimeOptions {
  engine: Engine;
  images: Images;
  /** Pods' hosts and resolv.conf files. */
  files: string;
  /** The network sandboxes get. */
  networkMode: string;
  /** Inspected objects that cannot have changed: ended ones, and running ones no event was seen for. */
  known: Map<string, ContainerInspectInfo>;
}

const unique = (): string => randomBytes(4).toString('hex');

export function createDockerRuntime(options: DockerRuntimeOptions): Runtime {
  const engine = options.docker ?? connectEngine();
  const runtimeDirectory = join(options.directory, 'runtime');
  const images = createImages(engine, options.log);
  const networks = createNetworks({
    engine,
    clusterLabel: options.clusterLabel ?? 'default',
    image: async () => (await images.pause()).image,
    log: options.log,
  });
  const host: Host = {
    ...options,
    engine,
    images,
    files: join(runtimeDirectory, 'docker'),
    networkMode: options.network === 'netns' ? 'none' : networks.name,
    known: new Map(),
  };
  const volumes = createVolumeFiles(join(runtimeDirectory, 'volumes'));
  const memory = createMemoryVolumes(options.log);
  const events = createEvents({
    engine,
    directory: options.directory,
    log: options.log,
    onChange: (id) => void host.known.delete(id),
  });

  return {
    info: () => readInfo(host),
    ping: (timeoutMs) => pingEngine(engine, timeoutMs),

    async runSandbox(spec) {
      if (options.network === 'bridge' && !spec.hostNetwork) await networks.ensure();
      return runSandbox(host, spec);
    },
    stopSandbox: (id) => stopSandbox(host, id),
    async removeSandbox(id) {
      await removeSandbox(host, id);
      if (options.network === 'bridge') await networks.removeWhenEmpty();
    },

    createContainer: (sandboxId, spec) => createContainer(host, sandboxId, spec),
    startContainer: (id) => startContainer(host, id),
    signalContainer: (id, signal) => signalContainer(host, id, signal),
    removeContainer: (id) => remove(host, id),
    async listSandboxes() {
      const all = await listKind(host, 'sandbox');
      const infos = await inAll(all, (listed) => inspectListed(host, listed).catch(() => undefined));
      return infos.flatMap((info) => (info ? [sandboxState(info)] : []));
    },
    async listContainers() {
      const all = await listKind(host, 'container');
      return (await inAll(all, (listed) => listedContainer(host, listed))).flatMap((state) => state ?? []);
    },
    async inspectContainer(id) {
      return containerState(await inspect(host, id));
    },
    onEvent: (handle) => events.subscribe(handle),

    async logs(id, logOptions) {
      const info = await inspectKnown(host, id);
      return openLogs(engine, id, { ...logOptions, tty: info.Config.Tty });
    },
    exec: (id, execOptions) => startExec(engine, id, execOptions),
    async attach(id, attachOptions) {
      const info = await inspectKnown(host, id);
      return attachTo(engine, id, { ...attachOptions, tty: info.Config.Tty });
    },
    async dial(sandboxId, port, { tls } = { tls: false }) {
      const { ip, netnsPath } = sandboxState(await inspectKnown(host, sandboxId));
      const connection = await dialSandbox({ ip, netnsPath }, port);
      return tls ? await overTls(connection) : connection;
    },
    probe,

    ensureImage: (image, policy) => host.images.ensure(image, policy),
    listImages: () => host.images.list(),
    writeVolume: (volume) => Promise.resolve().then(() => volumes.write(volume)),
    async makeEmptyDir(volume) {
      const { hostPath } = volumes.emptyDir(volume);
      if (volume.medium === 'Memory') await memory.mount(hostPath, volume.sizeBytes);
      return { hostPath };
    },
    async removeVolumes(podUid) {
      await memory.unmountBelow(join(runtimeDirectory, 'volumes', podUid));
      try {
        volumes.remove(podUid);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EACCES' && code !== 'EPERM') throw error;
        await removeAsRoot(host, join(runtimeDirectory, 'volumes'), podUid);
      }
    },
  };
}

/** Containers write as root into directories of a node that is not: only a container can remove that. */
async function removeAsRoot(host: Host, directory: string, podUid: string): Promise<void> {
  const { calls } = host.engine;
  await host.images.ensure(DEMO_IMAGE, 'IfNotPresent');
  const cleaner = await call(
    host.engine,
    'create cleaner',
    calls.createContainer({
      Image: referenceOf(DEMO_IMAGE),
      Entrypoint: ['rm', '-rf', `/volumes/${podUid}`],
      User: '0',
      HostConfig: {
        NetworkMode: 'none',
        Mounts: [{ Type: 'bind', Source: directory, Target: '/volumes' }],
      },
    }),
  );
  try {
    await call(host.engine, 'start cleaner', cleaner.start());
    await call(host.engine, 'wait for cleaner', cleaner.wait());
  } finally {
    await remove(host, cleaner.id);
  }
}

async function readInfo({ engine, network }: Host): ReturnType<Runtime['info']> {
  const { Version } = await call(engine, 'version', engine.calls.version());
  const limits: string[] = [];
  if (process.platform === 'linux') {
    const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 'f'.repeat(16);
    if (((BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n) === 0n)
      limits.push('this host lacks CAP_SYS_RESOURCE: privileged containers cannot be started');
  }
  if (process.getuid?.() !== 0) limits.push('not root: an emptyDir of medium Memory lies on disk');
  if (network === 'bridge')
    limits.push(
      "Pods have addresses of the engine's network: port-forward reaches servers that listen on the Pod's address",
    );
  return { name: 'docker', version: `docker://${Version}`, network, limits };
}

/** Each in turn, a few at once. */
async function inAll<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(INSPECTS_AT_ONCE, items.length) }, worker));
  return results;
}

async function listKind({ engine, directory, node }: Host, kind: 'sandbox' | 'container'): Promise<ContainerInfo[]> {
  const label = [`${LABEL.node}=${node}`, `${LABEL.directory}=${directory}`, `${LABEL.kind}=${kind}`];
  return call(engine, 'list', engine.calls.listContainers({ all: true, filters: { label } }));
}

async function inspect(host: Host, id: string): Promise<ContainerInspectInfo> {
  const { engine, known } = host;
  const info = await call(engine, `container ${id.slice(0, 12)}`, engine.calls.getContainer(id).inspect());
  if (info.State.Running || info.State.Status === 'exited') known.set(info.Id, info);
  return info;
}

const inspectKnown = (host: Host, id: string): Promise<ContainerInspectInfo> => {
  const known = host.known.get(id);
  return known ? Promise.resolve(known) : inspect(host, id);
};

/** An inspect costs the engine 10 ms; what the list shows unchanged is not asked for again. */
async function inspectListed(host: Host, listed: ContainerInfo): Promise<ContainerInspectInfo | undefined> {
  const known = host.known.get(listed.Id);
  if (known && known.State.Status === listed.State) return known;
  const late = (): Error =>
    new Fault('RUNTIME_UNAVAILABLE', `container ${listed.Id.slice(0, 12)} cannot be inspected`, 'later');
  const work = inspect(host, listed.Id);
  work.catch(() => undefined); // May fail after the deadline.
  try {
    return await withDeadline(work, INSPECT_MS, late);
  } catch (error) {
    if (error instanceof Fault && error.code === 'RUNTIME_NOT_FOUND') return undefined;
    throw error;
  }
}

async function listedContainer(host: Host, listed: ContainerInfo): Promise<ContainerState | undefined> {
  try {
    const info = await inspectListed(host, listed);
    return info && containerState(info);
  } catch (error) {
    host.log.warn('a container cannot be inspected', { container: listed.Id, error: messageOf(error) });
    return uncertainState(listed);
  }
}

const filesOf = (host: Host, podUid: string, attempt: number): string => join(host.files, `${podUid}-${attempt}`);

function writeFiles(host: Host, spec: SandboxSpec, ip: string | undefined): void {
  // With the host's network a Pod sees the host's own files, unless it asks for more.
  if (spec.hostNetwork && !spec.dns && !spec.hostAliases) return;
  const directory = filesOf(host, spec.podUid, spec.attempt);
  mkdirSync(directory, { recursive: true });
  if (!spec.hostNetwork || spec.hostAliases) writeFileSync(join(directory, 'hosts'), hostsFile(spec, ip));
  if (spec.dns) writeFileSync(join(directory, 'resolv.conf'), resolvFile(spec.dns));
}

async function runSandbox(host: Host, spec: SandboxSpec): Promise<SandboxState> {
  const { engine, log } = host;
  const { image, command } = await host.images.pause();
  const owner = { node: host.node, directory: host.directory };
  const body = sandboxBody(spec, { owner, image, command, networkMode: host.networkMode, unique: unique() });
  const made = await call(engine, 'create sandbox', engine.calls.createContainer(body));
  try {
    await call(engine, 'start sandbox', made.start());
    const state = sandboxState(await inspect(host, made.id));
    if (state.state !== 'ready') throw new Fault('RUNTIME_START_FAILED', 'the sandbox ended at once', 'later');
    if (state.netnsPath !== undefined && !existsSync(state.netnsPath)) {
      throw new Fault(
        'RUNTIME_UNSUPPORTED',
        `the engine at ${engine.where} runs its processes elsewhere (${state.netnsPath} is not here); run Kontiki where the engine runs, or without root`,
        'never',
      );
    }
    writeFiles(host, spec, state.ip);
    return state;
  } catch (error) {
    await made
      .remove({ force: true })
      .catch((failure: unknown) =>
        log.warn('a sandbox that did not start stays', { sandbox: made.id, error: saidBy(failure) }),
      );
    throw error;
  }
}

async function membersOf({ engine }: Host, sandboxId: string, all: boolean): Promise<ContainerInfo[]> {
  const filters = { label: [`${LABEL.sandbox}=${sandboxId}`] };
  return call(engine, 'list', engine.calls.listContainers({ all, filters }));
}

async function stopSandbox(host: Host, id: string): Promise<void> {
  const members = await membersOf(host, id, false);
  for (const target of [...members.map((member) => member.Id), id]) {
    await signalContainer(host, target, 'SIGKILL').catch((error: unknown) => {
      if (!(error instanceof Fault && error.code === 'RUNTIME_NOT_FOUND')) throw error;
    });
  }
}

async function removeSandbox(host: Host, id: string): Promise<void> {
  const info = await callOr(host.engine, 'sandbox', host.engine.calls.getContainer(id).inspect(), undefined);
  for (const member of await membersOf(host, id, true)) await remove(host, member.Id);
  await remove(host, id);
  if (!info) return;
  const { podUid, attempt } = sandboxFacts(id, info.Config.Labels);
  if (podUid !== '') rmSync(filesOf(host, podUid, attempt), { recursive: true, force: true });
}

async function createContainer(
  host: Host,
  sandboxId: string,
  spec: Parameters<Runtime['createContainer']>[1],
): Promise<{ id: string }> {
  const { engine } = host;
  const info = await inspectKnown(host, sandboxId);
  const sandbox = sandboxFacts(info.Id, info.Config.Labels);
  const directory = filesOf(host, sandbox.podUid, sandbox.attempt);
  const [hosts, resolv] = [join(directory, 'hosts'), join(directory, 'resolv.conf')];
  const body = containerBody(spec, {
    owner: { node: host.node, directory: host.directory },
    sandbox,
    ...(existsSync(hosts) ? { hosts } : {}),
    ...(existsSync(resolv) ? { resolv } : {}),
    unique: unique(),
  });
  const { id } = await call(engine, 'create container', engine.calls.createContainer(body));
  return { id };
}

async function startContainer(host: Host, id: string): Promise<void> {
  const { engine, known } = host;
  known.delete(id);
  try {
    await engine.calls.getContainer(id).start();
  } catch (error) {
    const status = statusOf(error);
    if (status === 304) return; // It runs already.
    const said = saidBy(error);
    if (status === undefined || /no such container/i.test(said)) throw engineFault(engine, error, 'start container');
    // 409: the sandbox has died. Otherwise the command, its directory or a mount is at fault.
    throw new Fault('RUNTIME_START_FAILED', said, status === 409 ? 'later' : 'never', error);
  }
}

async function signalContainer({ engine, known }: Host, id: string, signal: string): Promise<void> {
  try {
    await engine.calls.getContainer(id).kill({ signal });
  } catch (error) {
    if (statusOf(error) === 409) return; // It has ended.
    throw engineFault(engine, error, `signal ${signal}`);
  } finally {
    known.delete(id);
  }
}

async function remove({ engine, known }: Host, id: string): Promise<void> {
  known.delete(id);
  try {
    await engine.calls.getContainer(id).remove({ force: true, v: true });
  } catch (error) {
    // 409: somebody else is removing it just now.
    if (statusOf(error) !== 404 && statusOf(error) !== 409) throw engineFault(engine, error, 'remove container');
  }
}
