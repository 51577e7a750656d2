/**
 * The kubelet: the Pods of one node, from binding to last delete.
 * Owns: a worker per Pod (pod-worker.ts) that hosts its actors, the Node object and its Lease,
 * the streams (logs, exec) of this node's containers.
 * Imports: std, ports, api, actors, registry's Client, wire's streams. Never: Docker, the store.
 * Removal needs proof (DESIGN §4.7): what the runtime holds and no Pod explains is removed only
 * after a quorum-confirmed list of this node's Pods in this process's life.
 * Read next: actors/pod/pod.ts, pod-worker.ts, containers.ts, status.ts.
 */
import type { ConfigMap, Pod, Secret, Service } from '#src/api/objects.ts';
import { isApiError } from '#src/api/api-error.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Dataplane } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import type { Client } from '#src/registry/client.ts';
import { createEventRecorder } from '#src/registry/event-recorder.ts';
import { createInformer } from '#src/registry/informer.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import { createAddresses } from './addresses.ts';
import { serveDials } from './dial-stream.ts';
import type { KubeletConfig, KubeletHost } from './host.ts';
import { createNodeKeeper } from './node-object.ts';
import { serveNodePaths } from './node-paths.ts';
import { PodWorker, type RuntimeView, type WorkerView } from './pod-worker.ts';
import { createStatusWriter } from './status-writer.ts';
import { serveStreams } from './streams.ts';

export type { KubeletConfig } from './host.ts';

/** Runtime events are hints and may be lost; so often everything is compared. */
const LOOK_MS = 10_000;
const LOOK_RETRY_MS = 1000;
/** Events of the runtime within this time cause one look. */
const HINT_MS = 5;
const STARTS_AT_ONCE_MAX = 4;
const PODS = { group: '', version: 'v1', resource: 'pods' };

export interface Kubelet {
  start(): void;
  /** Whether the API has this node as Ready. */
  isReady(): boolean;
  listActors(): WorkerView[];
  /** Containers go on. */
  stop(): void;
  /** Stop, and remove every container of this node: the operator takes the cluster down. */
  removeContainers(): Promise<void>;
}

export function createKubelet(options: {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  runtime: Runtime;
  dataplane: Dataplane;
  peers: Peers;
  config: KubeletConfig;
}): Kubelet {
  const { client, clock, random, runtime, dataplane, config } = options;
  const log = options.log.scope('kubelet');
  const workers = new Map<string, PodWorker>();
  const pods = createInformer<Pod>({
    client,
    clock,
    random,
    log,
    resource: PODS,
    options: { fieldSelector: `spec.nodeName=${config.nodeName}` },
  });
  const services = createInformer<Service>({
    client,
    clock,
    random,
    log,
    resource: { group: '', version: 'v1', resource: 'services' },
  });
  const events = createEventRecorder({ client, clock, log, random, component: 'kubelet', host: config.nodeName });
  const statusWriter = createStatusWriter({ client, clock, log });
  const keeper = createNodeKeeper({ client, clock, log, runtime, config });
  let stopped = false;
  /** A linearizable list of our Pods was seen in this process's life. */
  let proven = false;
  /** The addresses of the sandboxes that run on were taken over. */
  let recovered = false;
  let timer: Timer | undefined;
  let looking = false;
  let lookAgain = false;
  let unsubscribe: (() => void) | undefined;
  let starting = 0;
  const startQueue: (() => void)[] = [];

  const host: KubeletHost = {
    client,
    clock,
    log,
    runtime,
    dataplane,
    events,
    addresses: createAddresses(config.podCidr),
    statusWriter,
    config,
    scheme: 'containerd',
    references: (namespace) => ({
      configMap: (name) => getOptional<ConfigMap>('configmaps', namespace, name),
      secret: (name) => getOptional<Secret>('secrets', namespace, name),
      services: () => services.list(),
    }),
    async limitStarts(start) {
      if (starting >= STARTS_AT_ONCE_MAX) await new Promise<void>((resolve) => startQueue.push(resolve));
      starting += 1;
      try {
        return await start();
      } finally {
        starting -= 1;
        startQueue.shift()?.();
      }
    },
    onGone: (podUid) => void workers.delete(podUid),
  };

  async function getOptional<T extends ConfigMap | Secret>(
    resource: string,
    namespace: string,
    name: string,
  ): Promise<T | undefined> {
    try {
      return await client.get<T>({ group: '', version: 'v1', resource }, name, { namespace });
    } catch (error) {
      if (isApiError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async function runtimeView(): Promise<RuntimeView> {
    const takenAtMs = clock.monotonicMs();
    const [sandboxes, containers] = await Promise.all([runtime.listSandboxes(), runtime.listContainers()]);
    return { takenAtMs, sandboxes, containers };
  }

  function partOf(seen: RuntimeView, podUid: string): RuntimeView {
    return {
      takenAtMs: seen.takenAtMs,
      sandboxes: seen.sandboxes.filter((s) => s.podUid === podUid),
      containers: seen.containers.filter((c) => c.podUid === podUid),
    };
  }

  /** One look: workers for new Pods, news for the others, an end for what no Pod explains. */
  async function look(): Promise<void> {
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    timer?.cancel();
    let delayMs = LOOK_MS;
    try {
      await lookOnce();
    } catch (error) {
      log.warn('the runtime does not answer; looking again', { error: messageOf(error) });
      delayMs = LOOK_RETRY_MS;
    }
    looking = false;
    if (stopped) return;
    if (lookAgain) {
      lookAgain = false;
      delayMs = HINT_MS;
    }
    timer = clock.after(delayMs, () => void look());
  }

  async function lookOnce(): Promise<void> {
    const seen = await runtimeView();
    if (stopped) return;
    // Before any Pod is given an address: what still runs keeps its own, whether it is adopted or not.
    if (!recovered) {
      for (const { podUid, ip, state } of seen.sandboxes)
        if (ip !== undefined && state === 'ready') host.addresses.adopt(podUid, ip);
      recovered = true;
    }
    for (const pod of pods.list()) {
      const uid = pod.metadata.uid ?? '';
      const worker = workers.get(uid);
      if (worker) worker.observe(partOf(seen, uid));
      else adopt(pod, partOf(seen, uid));
    }
    for (const worker of workers.values()) {
      const { namespace, name } = worker.pod.metadata;
      const stored = pods.get(namespace, name ?? '');
      if (stored?.metadata.uid === worker.uid) continue;
      // The Pod is gone from the API (deleted by force, or moved): a change we may trust only after a confirmed list.
      worker.observe(partOf(seen, worker.uid));
      if (proven && !worker.isGone) worker.end();
    }
    if (proven) await removeUnexplained(seen);
  }

  /** Not awaited: one Pod whose volumes hang must not hold up the others. */
  function adopt(pod: Pod, seen: RuntimeView): void {
    const uid = pod.metadata.uid ?? '';
    if (
      (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') &&
      seen.sandboxes.length === 0 &&
      pod.metadata.deletionTimestamp === undefined
    )
      return;
    const worker = new PodWorker(host, pod, seen);
    workers.set(uid, worker);
    if (seen.sandboxes.length > 0)
      log.info('adopted a pod that ran on', { pod: pod.metadata.name, containers: seen.containers.length });
    worker
      .activate()
      .catch((error: unknown) =>
        log.error('a pod could not be taken up', { pod: pod.metadata.name, error: messageOf(error) }),
      );
  }

  async function removeUnexplained(seen: RuntimeView): Promise<void> {
    const explained = new Set([...workers.keys(), ...pods.list().map((pod) => pod.metadata.uid ?? '')]);
    const strangers = seen.sandboxes.filter((sandbox) => !explained.has(sandbox.podUid));
    for (const sandbox of strangers) {
      log.info('removing a sandbox whose pod is not of this node any more', {
        sandbox: sandbox.id,
        pod: sandbox.podUid,
      });
      for (const container of seen.containers.filter((c) => c.sandboxId === sandbox.id))
        await runtime.removeContainer(container.id);
      await dataplane.detachPod(sandbox.podUid);
      await runtime.removeSandbox(sandbox.id);
      await runtime.removeVolumes(sandbox.podUid);
      host.addresses.release(sandbox.podUid);
    }
  }

  /** The proof: a list without a resourceVersion is linearizable. */
  async function prove(): Promise<void> {
    while (!proven && !stopped) {
      try {
        await client.list(PODS, { fieldSelector: `spec.nodeName=${config.nodeName}`, limit: 1 });
        await pods.synced();
        proven = true;
      } catch (error) {
        log.debug('no confirmed list of this node yet', { error: messageOf(error) });
        await new Promise<void>((resolve) => clock.after(LOOK_RETRY_MS, resolve));
      }
    }
    if (!stopped) void look();
  }

  async function begin(): Promise<void> {
    const info = await runtime.info();
    host.scheme = info.name === 'docker' ? 'docker' : 'kontiki';
    await Promise.all([pods.synced(), services.synced()]);
    if (stopped) return;
    pods.onChange((type, pod) => {
      const worker = workers.get(pod.metadata.uid ?? '');
      if (worker && type !== 'DELETED') worker.update(pod);
      else void look();
    });
    unsubscribe = runtime.onEvent(() => {
      // Several hints, one look.
      if (!looking) {
        timer?.cancel();
        timer = clock.after(HINT_MS, () => void look());
      } else lookAgain = true;
    });
    void look();
    void prove();
  }

  const workerOf = (namespace: string, name: string): PodWorker | undefined =>
    [...workers.values()].find(
      (w) => w.pod.metadata.namespace === namespace && w.pod.metadata.name === name && !w.isGone,
    );
  serveStreams({ peers: options.peers, clock, runtime, workerOf });
  serveDials({ peers: options.peers, runtime, workerOf });
  serveNodePaths({ peers: options.peers, pods: () => [...workers.values()].map((worker) => worker.pod) });

  return {
    start() {
      pods.start();
      services.start();
      keeper.start();
      begin().catch((error: unknown) => log.error('the kubelet could not begin', { error: messageOf(error) }));
    },
    isReady: () => keeper.isReady(),
    listActors: () => [...workers.values()].map((worker) => worker.view()),
    stop() {
      stopped = true;
      timer?.cancel();
      unsubscribe?.();
      for (const worker of workers.values()) worker.close();
      keeper.stop();
      statusWriter.stop();
      events.stop();
      pods.stop();
      services.stop();
    },
    async removeContainers() {
      this.stop();
      const seen = await runtimeView();
      for (const container of seen.containers) await runtime.removeContainer(container.id);
      for (const sandbox of seen.sandboxes) {
        await dataplane.detachPod(sandbox.podUid);
        await runtime.removeSandbox(sandbox.id);
        await runtime.removeVolumes(sandbox.podUid);
      }
      log.info('removed all containers of this node', { sandboxes: seen.sandboxes.length });
    },
  };
}
