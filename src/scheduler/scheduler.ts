/**
 * Gives every Pod without a node one: a queue, the pure placement of place.ts, bindings in one batch.
 * Owns: the queue, the assumed Pods. Runs on the leader only, fenced by its term; its copies are warm on every voter.
 * Imports: std, ports, api, registry's Client. Never: controllers, kubelet.
 * Read next: place.ts (filters and scores), snapshot.ts, resources.ts, affinity.ts.
 */
import { isApiError } from '#src/api/api-error.ts';
import { findCondition, formatTime, withCondition } from '#src/api/metadata.ts';
import type { Node, Pod, PodCondition } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { BatchWrite, Client, ResourceRef } from '#src/registry/client.ts';
import { createEventRecorder } from '#src/registry/event-recorder.ts';
import { createInformer, objectKey } from '#src/registry/informer.ts';
import { messageOf } from '#src/std/fault.ts';
import { place } from './place.ts';
import { nodeInfo, withPod, type NodeInfo } from './snapshot.ts';

export { place, type Placement } from './place.ts';
export { nodeInfo, withPod, type NodeInfo } from './snapshot.ts';

export const SCHEDULER_NAME = 'default-scheduler';
/** Nodes looked at in one slice of the event loop; then others get their turn (DESIGN §1: no block over 20 ms). */
export const NODE_CHECKS_PER_SLICE = 5_000;
/** Bindings that go as one proposal. */
export const BINDINGS_PER_BATCH = 500;
/** Back-off of a Pod that found no node; a change of nodes or Pods tries it again before. */
export const BACKOFF_MIN_MS = 1_000;
export const BACKOFF_MAX_MS = 10_000;
/** Even without a change an unschedulable Pod is looked at again (Kubernetes: 5 minutes). */
export const UNSCHEDULABLE_MAX_MS = 300_000;
/** After taking office: events of what the last leader bound arrive before the first decision. */
export const TAKE_OFFICE_MS = 250;

const PODS: ResourceRef = { group: '', version: 'v1', resource: 'pods' };
const NODES: ResourceRef = { group: '', version: 'v1', resource: 'nodes' };
const BY_NODE = 'node';

export interface SchedulerSetup {
  /** Identity system:kube-scheduler. */
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
}

export interface Scheduler {
  /** Lists and watches, on every voter. Idempotent. */
  warm(): void;
  start(term: number): void;
  stop(): void;
  close(): void;
}

interface Waiting {
  attempts: number;
  /** Monotonic; before it a change of the cluster does not bring it back. */
  notBeforeMs: number;
  /** The cluster changed while it backed off. */
  wanted: boolean;
  timer: Timer | undefined;
}

export function createScheduler(setup: SchedulerSetup): Scheduler {
  const { client, clock } = setup;
  const log = setup.log.scope('scheduler');
  const pods = createInformer<Pod>({
    ...setup,
    resource: PODS,
    options: { indices: { [BY_NODE]: (pod) => (isOver(pod) ? [] : [pod.spec?.nodeName ?? '']) } },
  });
  const nodes = createInformer<Node>({ ...setup, resource: NODES });
  const recorder = createEventRecorder({ ...setup, component: SCHEDULER_NAME });

  /** Ready to be placed, in the order of arrival. */
  const ready = new Map<string, number>();
  const unschedulable = new Map<string, Waiting>();
  /** Bound by us, not yet seen as bound. */
  const assumed = new Map<string, { pod: Pod; node: string }>();
  const infos = new Map<string, NodeInfo>();
  /** Nodes whose info is to be made anew. */
  const stale = new Set<string>();
  let term = 0;
  let run = 0;
  let busy = false;
  let office: Timer | undefined;

  const pass = async (): Promise<void> => {
    const thisRun = run;
    busy = true;
    try {
      while (thisRun === run && ready.size > 0) {
        const nodeInfos = snapshot();
        const batch = takeBatch();
        const bindings: { pod: Pod; node: string; attempts: number }[] = [];
        const refusals: BatchWrite[] = [];
        let checked = 0;
        for (const { pod, attempts } of batch) {
          checked += nodeInfos.size;
          if (checked > NODE_CHECKS_PER_SLICE) checked = 0;
          if (checked === 0) await new Promise<void>((resolve) => clock.soon(resolve));
          const placement = place(pod, [...nodeInfos.values()]);
          if (placement.node === undefined) {
            const write = refuse(pod, attempts, placement.message);
            if (write !== undefined) refusals.push(write);
            continue;
          }
          const info = nodeInfos.get(placement.node);
          if (info !== undefined) nodeInfos.set(placement.node, withPod(info, pod));
          bindings.push({ pod, node: placement.node, attempts });
        }
        if (thisRun === run && bindings.length > 0) await bind(bindings);
        if (thisRun === run && refusals.length > 0) await tell(refusals);
      }
    } finally {
      busy = false;
    }
  };

  const wake = () => {
    if (busy || term === 0 || ready.size === 0) return;
    busy = true;
    // Once this turn is over: a ReplicaSet's Pods arrive together and are bound together.
    clock.endOfTurn(() => {
      busy = false;
      if (term === 0) return;
      void pass().catch((error: unknown) => log.error('a pass failed', { error: messageOf(error) }));
    });
  };

  /** Only nodes that changed, or whose Pods did, are summed up again. */
  const snapshot = (): Map<string, NodeInfo> => {
    for (const name of stale) {
      const node = nodes.get(undefined, name);
      if (node === undefined) infos.delete(name);
      else infos.set(name, nodeInfo(node, [...pods.byIndex(BY_NODE, name), ...assumedOn(name)]));
    }
    stale.clear();
    return new Map(infos);
  };

  const assumedOn = (name: string): Pod[] =>
    [...assumed.values()].filter(({ node }) => node === name).map(({ pod }) => pod);

  const assume = (pod: Pod, node: string) => {
    const spec = { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: node };
    assumed.set(objectKey(pod), { pod: { ...pod, spec }, node });
    stale.add(node);
  };

  const unassume = (key: string) => {
    const entry = assumed.get(key);
    if (entry !== undefined) stale.add(entry.node);
    assumed.delete(key);
  };

  const takeBatch = (): { pod: Pod; attempts: number }[] => {
    const batch: { pod: Pod; attempts: number }[] = [];
    for (const [key, attempts] of ready) {
      if (batch.length >= BINDINGS_PER_BATCH) break;
      ready.delete(key);
      const pod = find(key);
      if (pod !== undefined && isPending(pod) && !assumed.has(key)) batch.push({ pod, attempts });
    }
    // Higher priority first; the sort is stable, so that the order of arrival decides among equals.
    return batch.toSorted((a, b) => (b.pod.spec?.priority ?? 0) - (a.pod.spec?.priority ?? 0));
  };

  const find = (key: string): Pod | undefined => {
    const slash = key.indexOf('/');
    return pods.get(key.slice(0, slash), key.slice(slash + 1));
  };

  const bind = async (bindings: { pod: Pod; node: string; attempts: number }[]): Promise<void> => {
    for (const { pod, node } of bindings) assume(pod, node);
    const writes = bindings.map(({ pod, node }): BatchWrite => ({
      verb: 'bind',
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name ?? '',
      uid: pod.metadata.uid ?? '',
      node,
    }));
    const thisRun = run;
    const failed = (pod: Pod, attempts: number, error: unknown) => {
      unassume(objectKey(pod));
      if (thisRun !== run || isApiError(error, 'NotFound')) return;
      log.warn('a binding failed', { pod: objectKey(pod), error: messageOf(error) });
      wait(objectKey(pod), attempts, true);
    };
    try {
      const results = await client.batch(writes, { term });
      results.forEach((result, index) => {
        const binding = bindings[index];
        if (binding === undefined) return;
        const { pod, node, attempts } = binding;
        if (!result.ok) {
          failed(pod, attempts, result.error);
          return;
        }
        const message = `Successfully assigned ${objectKey(pod)} to ${node}`;
        recorder.record({ ...pod, apiVersion: 'v1', kind: 'Pod' }, { type: 'Normal', reason: 'Scheduled', message });
      });
    } catch (error) {
      for (const { pod, attempts } of bindings) failed(pod, attempts, error);
    }
  };

  /** Notes why, and returns the write that tells it; undefined when the Pod says so already. */
  const refuse = (pod: Pod, attempts: number, message: string): BatchWrite | undefined => {
    wait(objectKey(pod), attempts, false);
    recorder.record(
      { ...pod, apiVersion: 'v1', kind: 'Pod' },
      { type: 'Warning', reason: 'FailedScheduling', message },
    );
    const before = findCondition(pod.status?.conditions, 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return undefined;
    const condition: PodCondition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    const conditions = withCondition(pod.status?.conditions, condition, formatTime(clock.wallMs()));
    // Conditional on what was seen: should the Pod change meanwhile, it is looked at again anyway.
    const object: Pod = { ...pod, status: { ...pod.status, conditions } };
    return { verb: 'update', resource: PODS, subresource: 'status', object };
  };

  const tell = async (writes: BatchWrite[]): Promise<void> => {
    try {
      const results = await client.batch(writes, { term });
      const failed = results.find((result) => !result.ok);
      if (failed?.ok === false) log.debug('a reason could not be written', { error: messageOf(failed.error) });
    } catch (error) {
      log.debug('reasons could not be written', { error: messageOf(error) });
    }
  };

  const wait = (key: string, attempts: number, wanted: boolean) => {
    const delayMs = Math.min(BACKOFF_MIN_MS * 2 ** attempts, BACKOFF_MAX_MS);
    unschedulable.get(key)?.timer?.cancel();
    const entry: Waiting = {
      attempts: attempts + 1,
      notBeforeMs: clock.monotonicMs() + delayMs,
      wanted,
      timer: undefined,
    };
    entry.timer = clock.after(wanted ? delayMs : UNSCHEDULABLE_MAX_MS, () => again(key));
    unschedulable.set(key, entry);
  };

  const again = (key: string) => {
    const entry = unschedulable.get(key);
    entry?.timer?.cancel();
    unschedulable.delete(key);
    ready.set(key, entry?.attempts ?? 0);
    wake();
  };

  /** Room or a node may have appeared: who waits tries again, but not before its back-off ends. */
  const clusterChanged = () => {
    const nowMs = clock.monotonicMs();
    const due: string[] = [];
    for (const [key, entry] of unschedulable) {
      if (entry.wanted) continue;
      entry.wanted = true;
      entry.timer?.cancel();
      if (entry.notBeforeMs <= nowMs) due.push(key);
      else entry.timer = clock.after(entry.notBeforeMs - nowMs, () => again(key));
    }
    for (const key of due) again(key);
  };

  const forget = (key: string) => {
    ready.delete(key);
    unschedulable.get(key)?.timer?.cancel();
    unschedulable.delete(key);
    unassume(key);
  };

  pods.onChange((type, pod, previous) => {
    const key = objectKey(pod);
    for (const name of [pod.spec?.nodeName, previous?.spec?.nodeName]) if (name !== undefined) stale.add(name);
    if (type !== 'DELETED' && isPending(pod)) {
      if (term === 0 || assumed.has(key)) return;
      const waits = unschedulable.get(key);
      // Our own note about it is not a reason to try again; another spec is.
      const sameSpec = previous?.metadata.generation === pod.metadata.generation;
      if (waits === undefined || !sameSpec) {
        forget(key);
        ready.set(key, 0);
        wake();
      }
      return;
    }
    forget(key);
    const freed = type === 'DELETED' || isOver(pod) !== (previous !== undefined && isOver(previous));
    if (freed && (pod.spec?.nodeName ?? '') !== '') clusterChanged();
  });
  nodes.onChange((type, node, previous) => {
    stale.add(node.metadata.name ?? '');
    if (type !== 'DELETED' && previous !== undefined && placementOf(node) === placementOf(previous)) return;
    if (type !== 'DELETED') clusterChanged();
  });

  const begin = () => {
    office = undefined;
    log.info('scheduling begins', { term });
    for (const pod of pods.list()) if (isPending(pod)) ready.set(objectKey(pod), 0);
    wake();
  };
  const stop = () => {
    run += 1;
    term = 0;
    office?.cancel();
    office = undefined;
    for (const { timer } of unschedulable.values()) timer?.cancel();
    unschedulable.clear();
    ready.clear();
    for (const key of assumed.keys()) unassume(key);
    recorder.stop();
  };
  const warm = () => {
    pods.start();
    nodes.start();
  };

  return {
    warm,
    start(newTerm) {
      stop();
      warm();
      const thisRun = run;
      void Promise.all([pods.synced(), nodes.synced()]).then(() => {
        if (thisRun !== run) return;
        office = clock.after(TAKE_OFFICE_MS, () => {
          term = newTerm;
          begin();
        });
      });
    },
    stop,
    close() {
      stop();
      pods.stop();
      nodes.stop();
    },
  };
}

/** Waits for us: no node yet, not ending, our scheduler's, no gates. */
function isPending(pod: Pod): boolean {
  return (
    (pod.spec?.nodeName ?? '') === '' &&
    pod.metadata.deletionTimestamp === undefined &&
    !isOver(pod) &&
    (pod.spec?.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME &&
    (pod.spec?.schedulingGates ?? []).length === 0
  );
}

/** Uses nothing any more. */
function isOver(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** What of a node matters for placement: heartbeats change nothing. */
function placementOf(node: Node): string {
  const { allocatable, capacity } = node.status ?? {};
  const { taints, unschedulable } = node.spec ?? {};
  return JSON.stringify([node.metadata.labels, taints, unschedulable, allocatable ?? capacity]);
}
