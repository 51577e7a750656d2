/**
 * The host of one Pod's actors: steps the machines of the Pod and its containers, performs their
 * intents through the runtime, and answers with events. Everything it knows can be derived again
 * from the Pod and from what the runtime holds.
 */
import {
  containerStepper,
  deriveContainer,
  type ContainerContext,
  type ContainerEvent,
  type ContainerIntent,
  type ContainerObservation,
  type RestartPolicy,
} from '#actors/container/container.ts';
import {
  derivePod,
  entryIntents,
  podStepper,
  type PodContext,
  type PodEvent,
  type PodIntent,
} from '#actors/pod/pod.ts';
import type { MachineState } from '#actors/step.ts';
import { isApiError } from '#src/api/api-error.ts';
import { formatTime } from '#src/api/metadata.ts';
import type { Container, EphemeralContainer, Pod } from '#src/api/objects.ts';
import type { Timer } from '#src/ports/clock.ts';
import type { ContainerState, SandboxState } from '#src/ports/runtime.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import { runContainer, stopContainer } from './containers.ts';
import type { References } from './environment.ts';
import type { KubeletHost } from './host.ts';
import { createProber, type Prober } from './probes.ts';
import { podStatus, sameStatus, type ContainerView } from './status.ts';
import { hasLiveVolumes, mountVolumes } from './volumes.ts';

const TRANSITIONS_KEPT = 20;
const FORGET_RETRY_MS = 1000;
const VOLUME_REFRESH_MS = 20_000;

export interface Tracked {
  spec: Container;
  isInit: boolean;
  /** An init container with restartPolicy Always (KEP-753). */
  isSidecar: boolean;
  /** Added to the running Pod by hand (`kubectl debug`); run once, and of no account for its phase. */
  isEphemeral: boolean;
  state: MachineState<ContainerContext>;
  current: ContainerState | undefined;
  previous: ContainerState | undefined;
  prober: Prober | undefined;
  started: boolean;
  ready: boolean;
  /** Its last try to start failed on the image: the next failure is a back-off. */
  timer: Timer | undefined;
  killTimer: Timer | undefined;
  /** Monotonic ms when `current` was learned from the runtime. */
  knownAtMs: number;
}

export interface WorkerView {
  kind: 'pod';
  namespace: string;
  name: string;
  uid: string;
  state: string;
  waitsFor: string;
  transitions: { at: string; event: string; from: string; to: string }[];
}

export interface RuntimeView {
  /** Monotonic ms when the lists were begun: what a worker learned since is newer than they are. */
  takenAtMs: number;
  sandboxes: SandboxState[];
  containers: ContainerState[];
}

export class PodWorker {
  readonly uid: string;
  readonly #host: KubeletHost;
  #pod: Pod;
  #state: MachineState<PodContext>;
  #sandbox: SandboxState | undefined;
  #sandboxAtMs = -Infinity;
  readonly #containers: Tracked[] = [];
  #volumes = new Map<string, string>();
  #timer: Timer | undefined;
  #volumeTimer: Timer | undefined;
  #transitions: WorkerView['transitions'] = [];
  /** What is being made; a clean-up that did not wait for it would leave it behind. */
  readonly #making = new Set<Promise<void>>();
  #closed = false;
  /** Ended by the clean-up of a Pod that the API no longer has: nothing to delete there. */
  #goneFromApi = false;

  constructor(host: KubeletHost, pod: Pod, seen: RuntimeView) {
    this.#host = host;
    this.#pod = pod;
    this.uid = pod.metadata.uid ?? '';
    this.#sandbox = seen.sandboxes.toSorted((a, b) => b.attempt - a.attempt)[0];
    for (const spec of pod.spec?.initContainers ?? []) this.#containers.push(this.#track(spec, true, seen));
    for (const spec of pod.spec?.containers ?? []) this.#containers.push(this.#track(spec, false, seen));
    for (const spec of pod.spec?.ephemeralContainers ?? []) this.#containers.push(this.#track(spec, false, seen, true));
    const phase = pod.status?.phase;
    this.#state = derivePod({
      deleting: pod.metadata.deletionTimestamp !== undefined,
      finished: phase === 'Succeeded' || phase === 'Failed',
      sandbox: { state: this.#sandbox?.state ?? 'absent', attempt: this.#sandbox?.attempt ?? 0 },
      initialized: this.#isInitialized(),
      anyContainer: seen.containers.length > 0,
    });
  }

  /** Begin to act; a Pod whose containers run on is adopted as it is. */
  async activate(): Promise<void> {
    const { runtime, addresses, log } = this.#host;
    const derived = this.#state;
    if (this.#sandbox?.state === 'ready') {
      if (this.#sandbox.ip !== undefined) addresses.adopt(this.uid, this.#sandbox.ip);
      try {
        this.#volumes = (await mountVolumes(runtime, this.#pod, this.#facts(), this.#references())).paths;
        await this.#attach();
      } catch (error) {
        log.warn('an adopted pod is not whole; it goes on as it is', {
          pod: this.#pod.metadata.name,
          error: messageOf(error),
        });
      }
      if (this.#closed) return;
    }
    this.#note('derive', '', this.#state.value);
    for (const tracked of this.#containers) this.#resume(tracked);
    this.#startEphemeral();
    // Deleted or lost in the meantime: the transition has given its intents already.
    if (this.#state === derived) for (const intent of entryIntents(derived)) this.#perform(intent);
    if (hasLiveVolumes(this.#pod)) this.#refreshVolumesLater();
    this.#report();
  }

  /** The stored Pod changed. */
  update(pod: Pod): void {
    const wasDeleting = this.#pod.metadata.deletionTimestamp !== undefined;
    this.#pod = pod;
    this.#takeEphemeral();
    if (pod.metadata.deletionTimestamp !== undefined && !wasDeleting) this.#send({ type: 'DELETE' });
    else if (pod.metadata.deletionTimestamp !== undefined && pod.metadata.deletionGracePeriodSeconds === 0)
      this.#killNow();
    this.#report();
  }

  /** The API has no such Pod any more: end it here too. */
  end(): void {
    this.#goneFromApi = true;
    this.#pod = {
      ...this.#pod,
      metadata: {
        ...this.#pod.metadata,
        deletionTimestamp: formatTime(this.#host.clock.wallMs()),
        deletionGracePeriodSeconds: this.#pod.metadata.deletionGracePeriodSeconds ?? 1,
      },
    };
    this.#send({ type: 'DELETE' });
  }

  /** The runtime says something of this Pod changed, or it is time to look. */
  observe(seen: RuntimeView): void {
    if (this.#closed) return;
    for (const tracked of this.#containers) {
      const now = seen.containers.find((state) => state.id === tracked.current?.id);
      if (!tracked.current || tracked.current.state === 'exited') continue;
      // Lists that were begun before the container was known are silent about it, or show it before its start.
      if (tracked.knownAtMs >= seen.takenAtMs) continue;
      if (now) tracked.current = now;
      if (now?.state === 'exited') this.#exited(tracked, now);
      else if (!now && tracked.current.state === 'running')
        this.#exited(tracked, {
          ...tracked.current,
          state: 'exited',
          exitCode: 137,
          reason: 'ContainerStatusUnknown',
          finishedAtMs: this.#host.clock.wallMs(),
        });
    }
    const sandbox = seen.sandboxes.find((state) => state.id === this.#sandbox?.id);
    if (this.#sandboxAtMs >= seen.takenAtMs) return;
    if (this.#sandbox && sandbox?.state !== 'ready' && ['initializing', 'running'].includes(this.#state.value)) {
      this.#event('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
      this.#send({ type: 'SANDBOX_LOST' });
    }
  }

  get isGone(): boolean {
    return this.#state.value === 'gone';
  }

  get pod(): Pod {
    return this.#pod;
  }

  containerNamed(name: string): Tracked | undefined {
    return this.#containers.find((tracked) => tracked.spec.name === name);
  }

  get sandboxId(): string | undefined {
    return this.#sandbox?.id;
  }

  /** The node stops: containers go on, nothing here does. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#volumeTimer?.cancel();
    for (const tracked of this.#containers) {
      tracked.timer?.cancel();
      tracked.killTimer?.cancel();
      tracked.prober?.stop();
    }
  }

  /** Stop and remove at once, whatever the API says: the operator takes the cluster down. */
  async removeNow(): Promise<void> {
    this.close();
    await this.#cleanUp();
  }

  view(): WorkerView {
    const waiting = this.#containers.filter((tracked) => !['running', 'done'].includes(tracked.state.value));
    return {
      kind: 'pod',
      namespace: this.#pod.metadata.namespace ?? '',
      name: this.#pod.metadata.name ?? '',
      uid: this.uid,
      state: this.#state.value,
      waitsFor: waiting.map((tracked) => `${tracked.spec.name}: ${tracked.state.value}`).join(', '),
      transitions: this.#transitions,
    };
  }

  // ── machines ────────────────────────────────────────────────────────────────────────────────

  #track(spec: Container, isInit: boolean, seen: RuntimeView, isEphemeral = false): Tracked {
    const own = seen.containers
      .filter((state) => state.name === spec.name)
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt);
    // What runs once ran, in whichever sandbox.
    const current = isEphemeral ? own[0] : own.find((state) => state.sandboxId === this.#sandbox?.id);
    const isSidecar = isInit && spec.restartPolicy === 'Always';
    const tracked: Tracked = {
      spec,
      isInit,
      isSidecar,
      isEphemeral,
      state: deriveContainer(
        { name: spec.name, restartPolicy: isEphemeral ? 'Never' : this.#policyOf(isInit, isSidecar) },
        observationOf(current),
      ),
      current,
      previous: own.find((state) => state !== current && state.state === 'exited'),
      prober: undefined,
      started: false,
      ready: false,
      timer: undefined,
      killTimer: undefined,
      knownAtMs: seen.takenAtMs,
    };
    // A new sandbox counts on from what the old one had; and what the API remembers is not forgotten.
    const stored = [
      ...(this.#pod.status?.containerStatuses ?? []),
      ...(this.#pod.status?.initContainerStatuses ?? []),
      ...(this.#pod.status?.ephemeralContainerStatuses ?? []),
    ].find((status) => status.name === spec.name);
    const oldest = Math.max(own[0]?.attempt ?? -1, (stored?.restartCount ?? 0) - 1);
    if (!current && oldest >= 0)
      tracked.state = { ...tracked.state, context: { ...tracked.state.context, attempt: oldest + 1 } };
    return tracked;
  }

  /** Containers that were added since. */
  #takeEphemeral(): void {
    for (const spec of this.#pod.spec?.ephemeralContainers ?? []) {
      if (this.containerNamed(spec.name)) continue;
      const seen = { takenAtMs: this.#host.clock.monotonicMs(), sandboxes: [], containers: [] };
      this.#containers.push(this.#track(spec, false, seen, true));
    }
    this.#startEphemeral();
  }

  /** As soon as there is a sandbox: init containers that hang are looked into with them. */
  #startEphemeral(): void {
    if (this.#sandbox?.state !== 'ready' || !['initializing', 'running'].includes(this.#state.value)) return;
    for (const tracked of this.#containers)
      if (tracked.isEphemeral && tracked.state.value === 'waiting' && !tracked.current)
        this.#sendContainer(tracked, { type: 'START' });
  }

  #policyOf(isInit: boolean, isSidecar: boolean): RestartPolicy {
    const policy = (this.#pod.spec?.restartPolicy ?? 'Always') as RestartPolicy;
    if (isSidecar) return 'Always';
    return isInit && policy === 'Always' ? 'OnFailure' : policy;
  }

  #resume(tracked: Tracked): void {
    const { state, current } = tracked;
    if (state.value === 'running' && current) this.#probe(tracked, current);
    if (state.value === 'backoff' && current) {
      const dueMs = (current.finishedAtMs ?? 0) + state.context.backoffMs - this.#host.clock.wallMs();
      this.#performContainer(tracked, {
        kind: 'timer',
        name: 'backoff',
        delayMs: Math.max(0, Math.min(dueMs, state.context.backoffMs)),
      });
    }
  }

  #send(event: PodEvent): void {
    if (this.#closed) return;
    const before = this.#state.value;
    const { state, intents, changed } = podStepper.step(this.#state, event);
    this.#state = state;
    if (changed) this.#note(event.type, before, state.value);
    for (const intent of intents) this.#perform(intent);
    this.#report();
  }

  #sendContainer(tracked: Tracked, event: ContainerEvent): void {
    if (this.#closed) return;
    const before = tracked.state.value;
    const { state, intents, changed } = containerStepper.step(tracked.state, event);
    tracked.state = state;
    if (changed) this.#note(`${tracked.spec.name}.${event.type}`, before, state.value);
    for (const intent of intents) this.#performContainer(tracked, intent);
    this.#afterContainer();
    this.#report();
  }

  #note(event: string, from: string, to: string): void {
    this.#transitions.push({ at: formatTime(this.#host.clock.wallMs()), event, from, to });
    if (this.#transitions.length > TRANSITIONS_KEPT) this.#transitions.shift();
  }

  /** What a container's change means for the Pod. */
  #afterContainer(): void {
    const main = this.#containers.filter(isMain);
    if (this.#state.value === 'terminating') {
      if (this.#containers.every((tracked) => isOver(tracked))) this.#send({ type: 'STOPPED' });
    } else if (this.#state.value === 'initializing') {
      this.#progressInit();
    } else if (this.#state.value === 'running' && main.every((tracked) => tracked.state.value === 'done')) {
      // Sidecars live as long as the containers they serve.
      const sidecars = this.#containers.filter((tracked) => tracked.isSidecar && tracked.state.value !== 'done');
      for (const sidecar of sidecars)
        if (sidecar.state.value !== 'stopping') this.#sendContainer(sidecar, { type: 'STOP' });
      if (sidecars.length === 0) this.#send({ type: 'ALL_DONE' });
    }
  }

  #isInitialized(): boolean {
    return (
      this.#containers.every((tracked) => {
        if (!tracked.isInit) return true;
        if (tracked.isSidecar) return tracked.current?.state === 'running';
        return tracked.current?.state === 'exited' && tracked.current.exitCode === 0;
      }) || this.#containers.some((tracked) => isMain(tracked) && tracked.current !== undefined)
    );
  }

  /** Init containers one after another; a sidecar lets the next begin once it has started. */
  #progressInit(): void {
    for (const tracked of this.#containers.filter((candidate) => candidate.isInit)) {
      if (tracked.isSidecar && tracked.state.value === 'running' && tracked.started) continue;
      if (tracked.state.value === 'done') {
        if (tracked.current?.exitCode === 0) continue;
        this.#send({ type: 'ALL_DONE' });
        return;
      }
      if (tracked.state.value === 'waiting') this.#sendContainer(tracked, { type: 'START' });
      return;
    }
    this.#send({ type: 'INITIALIZED' });
  }

  // ── intents of the Pod ──────────────────────────────────────────────────────────────────────

  #perform(intent: PodIntent): void {
    switch (intent.kind) {
      case 'prepare':
        this.#make(() => this.#prepare(intent.attempt));
        break;
      case 'startInit':
        this.#progressInit();
        break;
      case 'startContainers':
        for (const tracked of this.#containers)
          if (isMain(tracked) && tracked.state.value === 'waiting') this.#sendContainer(tracked, { type: 'START' });
        this.#startEphemeral();
        this.#afterContainer();
        break;
      case 'stopContainers':
        for (const tracked of this.#containers) this.#sendContainer(tracked, { type: 'STOP' });
        this.#afterContainer();
        break;
      case 'retire':
        void this.#run(() => this.#retire());
        break;
      case 'dropSandbox':
        void this.#run(() => this.#dropSandbox());
        break;
      case 'cleanUp':
        void this.#run(async () => {
          try {
            await this.#cleanUp();
            this.#send({ type: 'CLEANED' });
          } catch (error) {
            this.#host.log.warn('a pod could not be cleaned up; trying again', {
              pod: this.#pod.metadata.name,
              error: messageOf(error),
            });
            this.#send({ type: 'FAILED' });
          }
        });
        break;
      case 'forget':
        void this.#run(() => this.#forget());
        break;
      case 'timer':
        this.#timer?.cancel();
        this.#timer = this.#host.clock.after(intent.delayMs, () => this.#send({ type: 'TIMER.retry' }));
        break;
    }
  }

  /** Start an asynchronous intent; what it throws is a mistake, and is loud. */
  #run(work: () => Promise<void>): Promise<void> {
    return work().catch((error: unknown) =>
      this.#host.log.error('a pod intent failed', { pod: this.#pod.metadata.name, error: messageOf(error) }),
    );
  }

  /** The same for what makes sandboxes and containers. */
  #make(work: () => Promise<void>): void {
    const making = this.#run(work);
    this.#making.add(making);
    void making.then(() => this.#making.delete(making));
  }

  async #prepare(attempt: number): Promise<void> {
    const { runtime, addresses, config } = this.#host;
    const spec = this.#pod.spec;
    try {
      const hostNetwork = spec?.hostNetwork === true;
      const podIp = hostNetwork ? undefined : addresses.take(this.uid);
      this.#volumes = (await mountVolumes(runtime, this.#pod, this.#facts(), this.#references())).paths;
      const sandbox = await this.#host.limitStarts(() =>
        runtime.runSandbox({
          podUid: this.uid,
          podNamespace: this.#pod.metadata.namespace ?? '',
          podName: this.#pod.metadata.name ?? '',
          attempt,
          hostname: spec?.hostname ?? this.#pod.metadata.name ?? '',
          hostNetwork,
          ...(podIp === undefined ? {} : { podIp }),
          ...(spec?.hostAliases
            ? { hostAliases: spec.hostAliases.map((alias) => ({ ip: alias.ip, hostnames: alias.hostnames ?? [] })) }
            : {}),
          ...(spec?.shareProcessNamespace ? { shareProcessNamespace: true } : {}),
          labels: this.#labels(),
        }),
      );
      this.#sandbox = sandbox;
      this.#sandboxAtMs = this.#host.clock.monotonicMs();
      await this.#attach();
      if (this.#closed) return;
      this.#send({ type: 'PREPARED' });
    } catch (error) {
      if (this.#closed) return;
      const isVolume = isFault(error, 'KUBELET_VOLUME');
      this.#event(
        'Warning',
        isVolume ? 'FailedMount' : 'FailedCreatePodSandBox',
        isVolume ? messageOf(error) : `Failed to create pod sandbox: ${messageOf(error)}`,
      );
      this.#host.log.warn('a pod cannot be prepared', {
        pod: this.#pod.metadata.name,
        node: config.nodeName,
        error: messageOf(error),
      });
      if (this.#sandbox) await runtime.removeSandbox(this.#sandbox.id).catch(() => undefined); // Tried again by the next look at orphans.
      this.#sandbox = undefined;
      this.#send({ type: 'FAILED' });
    }
  }

  async #attach(): Promise<void> {
    const { netnsPath, ip } = this.#sandbox ?? {};
    if (netnsPath === undefined || ip === undefined || this.#pod.spec?.hostNetwork) return;
    await this.#host.dataplane.attachPod({ podUid: this.uid, ip, netnsPath });
  }

  async #dropSandbox(): Promise<void> {
    const { runtime } = this.#host;
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    for (const tracked of this.#containers) {
      // Done for good under its restart policy: a new sandbox does not run it again.
      if (!tracked.isInit && tracked.state.value === 'done' && tracked.current) continue;
      // Run once: it went with its sandbox.
      if (tracked.isEphemeral && tracked.current) {
        tracked.state = { ...tracked.state, value: 'done' };
        continue;
      }
      tracked.prober?.stop();
      tracked.timer?.cancel();
      tracked.started = false;
      tracked.ready = false;
      const { attempt } = tracked.state.context;
      if (tracked.current) tracked.previous = tracked.current;
      const next = deriveContainer(
        { name: tracked.spec.name, restartPolicy: tracked.state.context.restartPolicy },
        { state: 'absent' },
      );
      tracked.state = { ...next, context: { ...next.context, attempt: tracked.current ? attempt + 1 : attempt } };
      tracked.current = undefined;
    }
    if (sandbox) {
      await this.#host.dataplane.detachPod(this.uid).catch(() => undefined); // The link went with its namespace.
      await runtime
        .removeSandbox(sandbox.id)
        .catch((error: unknown) =>
          this.#host.log.warn('a lost sandbox stays', { sandbox: sandbox.id, error: messageOf(error) }),
        );
    }
    this.#send({ type: 'STOPPED' });
  }

  /** Kubernetes, too, gives the network of a finished Pod back; its address stays in the status as history. */
  async #retire(): Promise<void> {
    const { runtime, dataplane, addresses, log } = this.#host;
    const sandbox = this.#sandbox;
    if (sandbox?.state !== 'ready') return;
    for (const tracked of this.#containers) tracked.prober?.stop();
    this.#sandbox = { ...sandbox, state: 'notReady' };
    try {
      await dataplane.detachPod(this.uid);
      await runtime.stopSandbox(sandbox.id);
      addresses.release(this.uid);
    } catch (error) {
      log.warn('the sandbox of a finished pod stays until the pod is deleted', {
        pod: this.#pod.metadata.name,
        error: messageOf(error),
      });
    }
    this.#report();
  }

  async #cleanUp(): Promise<void> {
    const { runtime, dataplane, addresses } = this.#host;
    await Promise.all(this.#making);
    const all = await runtime.listSandboxes();
    const containers = (await runtime.listContainers()).filter((state) => state.podUid === this.uid);
    for (const container of containers) await runtime.removeContainer(container.id);
    await dataplane.detachPod(this.uid);
    for (const sandbox of all.filter((state) => state.podUid === this.uid)) await runtime.removeSandbox(sandbox.id);
    await runtime.removeVolumes(this.uid);
    addresses.release(this.uid);
  }

  async #forget(): Promise<void> {
    const { client, statusWriter, log } = this.#host;
    statusWriter.forget(this.uid);
    const { namespace = '', name = '' } = this.#pod.metadata;
    if (!this.#goneFromApi) {
      try {
        await client.delete({ group: '', version: 'v1', resource: 'pods' }, name, {
          namespace,
          gracePeriodSeconds: 0,
          preconditions: { uid: this.uid },
        });
      } catch (error) {
        if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) {
          log.debug('the last delete waits for the API', { pod: name, error: messageOf(error) });
          if (!this.#closed)
            this.#timer = this.#host.clock.after(FORGET_RETRY_MS, () => void this.#run(() => this.#forget()));
          return;
        }
      }
    }
    this.close();
    this.#host.onGone(this.uid);
  }

  /** Grace is over: deleted with grace 0, or again with less. */
  #killNow(): void {
    for (const tracked of this.#containers) {
      if (tracked.current?.state === 'running')
        void this.#run(() => this.#host.runtime.signalContainer(tracked.current?.id ?? '', 'SIGKILL'));
    }
  }

  // ── intents of a container ──────────────────────────────────────────────────────────────────

  #performContainer(tracked: Tracked, intent: ContainerIntent): void {
    switch (intent.kind) {
      case 'run':
        this.#make(() => this.#start(tracked, intent.attempt));
        break;
      case 'stop':
        void this.#run(() => this.#stop(tracked, intent.why));
        break;
      case 'timer':
        tracked.timer?.cancel();
        tracked.timer = this.#host.clock.after(intent.delayMs, () =>
          this.#sendContainer(tracked, { type: 'TIMER.backoff' }),
        );
        if (tracked.state.value === 'backoff' && intent.delayMs > 0) {
          const { name = '', namespace = '' } = this.#pod.metadata;
          const message = `back-off ${formatDelay(intent.delayMs)} restarting failed container=${tracked.spec.name} pod=${name}_${namespace}(${this.uid})`;
          tracked.state = { ...tracked.state, context: { ...tracked.state.context, message } };
          this.#event(
            'Warning',
            'BackOff',
            `Back-off restarting failed container ${tracked.spec.name} in pod ${name}_${namespace}(${this.uid})`,
            tracked,
          );
        }
        break;
    }
  }

  async #start(tracked: Tracked, attempt: number): Promise<void> {
    const sandbox = this.#sandbox;
    if (!sandbox) {
      // Lost since the intent: all of the Pod begins anew, or ends here if it was told to.
      if (tracked.state.value === 'stopping') this.#sendContainer(tracked, { type: 'FAILED', reason: '', message: '' });
      return;
    }
    const result = await runContainer(this.#host, {
      pod: this.#pod,
      spec: tracked.spec,
      attempt,
      sandboxId: sandbox.id,
      facts: this.#facts(),
      references: this.#references(),
      volumes: this.#volumes,
      labels: this.#labels(),
      wasFailing: tracked.state.context.reason !== '',
      event: (type, reason, message) => this.#event(type, reason, message, tracked),
      superseded: tracked.previous,
      replaced: tracked.current,
      target: this.#targetOf(tracked),
    });
    if (this.#closed) return;
    if (!result.ok) {
      this.#sendContainer(tracked, { type: 'FAILED', reason: result.reason, message: result.message });
      return;
    }
    if (tracked.current) tracked.previous = tracked.current;
    tracked.current = result.state;
    tracked.knownAtMs = this.#host.clock.monotonicMs();
    tracked.started = false;
    tracked.ready = false;
    this.#sendContainer(tracked, { type: 'STARTED', atMs: result.state.startedAtMs ?? this.#host.clock.wallMs() });
    // Read anew: the machine may have been told to stop while this was under way.
    if (result.state.state === 'exited') this.#exited(tracked, result.state);
    else if (tracked.state.value === 'stopping') void this.#run(() => this.#stop(tracked, ''));
    else if (tracked.state.value === 'running') this.#probe(tracked, result.state);
  }

  /** The running container whose processes an ephemeral one wants to see. */
  #targetOf({ spec, isEphemeral }: Tracked): string | undefined {
    const name = isEphemeral ? (spec as EphemeralContainer).targetContainerName : undefined;
    const target = name ? this.containerNamed(name)?.current : undefined;
    return target?.state === 'running' ? target.id : undefined;
  }

  #probe(tracked: Tracked, current: ContainerState): void {
    tracked.prober?.stop();
    const { clock, runtime } = this.#host;
    tracked.prober = createProber({
      clock,
      runtime,
      container: tracked.spec,
      containerId: current.id,
      podIp: this.#facts().podIp ?? this.#host.config.hostIp,
      startedAtMs: current.startedAtMs ?? clock.wallMs(),
      report: {
        started: () => {
          tracked.started = true;
          if (this.#state.value === 'initializing') this.#progressInit();
          this.#report();
        },
        ready: (isReady) => {
          if (tracked.ready === isReady) return;
          tracked.ready = isReady;
          this.#report();
        },
        failed: (kind, message) =>
          this.#event(
            'Warning',
            'Unhealthy',
            `${kind[0]?.toUpperCase()}${kind.slice(1)} probe failed: ${message}`,
            tracked,
          ),
        unhealthy: (kind) => {
          const why = `Container ${tracked.spec.name} failed ${kind} probe, will be restarted`;
          this.#event('Normal', 'Killing', why, tracked);
          this.#sendContainer(tracked, { type: 'UNHEALTHY', message: why });
        },
      },
    });
  }

  async #stop(tracked: Tracked, why: string): Promise<void> {
    const { current } = tracked;
    // Being created: #start stops what comes of it, or tells that nothing came.
    if (current?.state !== 'running') return;
    tracked.prober?.stop();
    tracked.ready = false;
    if (why === '') this.#event('Normal', 'Killing', `Stopping container ${tracked.spec.name}`, tracked);
    const grace = this.#pod.metadata.deletionGracePeriodSeconds ?? this.#pod.spec?.terminationGracePeriodSeconds ?? 30;
    const killTimer = await stopContainer(this.#host, {
      spec: tracked.spec,
      container: current,
      graceMs: grace * 1000,
      podIp: this.#facts().podIp ?? this.#host.config.hostIp,
      event: (type, reason, message) => this.#event(type, reason, message, tracked),
    });
    if (tracked.current?.state === 'exited' || this.#closed) killTimer?.cancel();
    else tracked.killTimer = killTimer;
  }

  #exited(tracked: Tracked, state: ContainerState): void {
    tracked.current = state;
    tracked.prober?.stop();
    tracked.killTimer?.cancel();
    tracked.ready = false;
    tracked.started = false;
    this.#sendContainer(tracked, {
      type: 'EXITED',
      exitCode: state.exitCode ?? 0,
      atMs: state.finishedAtMs ?? this.#host.clock.wallMs(),
    });
  }

  // ── what others see ─────────────────────────────────────────────────────────────────────────

  #refreshVolumesLater(): void {
    this.#volumeTimer = this.#host.clock.after(VOLUME_REFRESH_MS, () => {
      void this.#run(async () => {
        try {
          if (this.#state.value === 'running')
            await mountVolumes(this.#host.runtime, this.#pod, this.#facts(), this.#references());
        } catch (error) {
          this.#host.log.debug('volumes are not refreshed', { pod: this.#pod.metadata.name, error: messageOf(error) });
        }
        if (!this.#closed) this.#refreshVolumesLater();
      });
    });
  }

  #report(): void {
    if (this.#closed || this.isGone) return;
    const status = podStatus(
      {
        pod: this.#pod,
        machine: this.#state.value,
        containers: this.#containers.map(viewOf),
        podIp: this.#facts().podIp,
        hostIp: this.#host.config.hostIp,
        hasSandbox: this.#sandbox?.state === 'ready',
        initialized: this.#isInitialized(),
        nowMs: this.#host.clock.wallMs(),
      },
      this.#host.scheme,
    );
    if (sameStatus(this.#pod.status, status)) return;
    this.#pod = { ...this.#pod, status };
    this.#host.statusWriter.write(this.#pod);
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string, tracked?: Tracked): void {
    const kind = tracked?.isInit ? 'initContainers' : tracked?.isEphemeral ? 'ephemeralContainers' : 'containers';
    this.#host.events.record(
      { ...this.#pod, apiVersion: 'v1', kind: 'Pod' },
      { type, reason, message, ...(tracked ? { fieldPath: `spec.${kind}{${tracked.spec.name}}` } : {}) },
    );
  }

  #facts(): { podIp: string | undefined; hostIp: string; nodeName: string } {
    const { hostIp, nodeName } = this.#host.config;
    const own = this.#pod.spec?.hostNetwork ? hostIp : this.#sandbox?.ip;
    return { podIp: own, hostIp, nodeName };
  }

  #references(): References {
    return this.#host.references(this.#pod.metadata.namespace ?? '');
  }

  #labels(): Record<string, string> {
    return {
      'io.kubernetes.pod.uid': this.uid,
      'io.kubernetes.pod.name': this.#pod.metadata.name ?? '',
      'io.kubernetes.pod.namespace': this.#pod.metadata.namespace ?? '',
      'kontiki.cluster': this.#host.config.clusterId,
      'kontiki.node': this.#host.config.nodeName,
    };
  }
}

function isOver(tracked: Tracked): boolean {
  return tracked.state.value === 'done' || tracked.state.value === 'waiting';
}

/** Of those whose end is the end of the Pod. */
function isMain(tracked: Tracked): boolean {
  return !tracked.isInit && !tracked.isEphemeral;
}

function viewOf(tracked: Tracked): ContainerView {
  const { attempt, reason, message } = tracked.state.context;
  return {
    spec: tracked.spec,
    isInit: tracked.isInit,
    isSidecar: tracked.isSidecar,
    isEphemeral: tracked.isEphemeral,
    machine: tracked.state.value,
    attempt,
    reason,
    message,
    current: tracked.current,
    previous: tracked.previous,
    started: tracked.started,
    ready: tracked.ready,
  };
}

function observationOf(state: ContainerState | undefined): ContainerObservation {
  if (!state) return { state: 'absent' };
  const common = { attempt: state.attempt, startedAtMs: state.startedAtMs };
  if (state.state === 'exited')
    return {
      state: 'exited',
      ...common,
      exitCode: state.exitCode ?? 0,
      finishedAtMs: state.finishedAtMs ?? state.createdAtMs,
    };
  return { state: state.state === 'running' ? 'running' : 'created', ...common };
}

/** As Go prints durations: 10s, 1m20s. */
function formatDelay(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
