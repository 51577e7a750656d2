/** Hosts the Node actors: who is silent, since when this leader knows, and what follows. */
import { planNode, type NodeInput, type PodName } from '#actors/node/plan.ts';
import { nodeLifecycle, type NodeFacts, type NodeIntent } from '#actors/node/node.ts';
import { unreachable } from '#src/std/assert.ts';
import { findCondition, formatTime, withCondition } from '#src/api/metadata.ts';
import type { Node, Pod } from '#src/api/objects.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { createActorHost, type ActorHost, type Duty } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import { LEASE_NAMESPACE, NODE } from './informers.ts';
import { NODES, PODS } from './resources.ts';

interface Seen {
  /** Monotonic: when this leader last saw the Lease or the heartbeat change. */
  changedMs: number;
  /** Monotonic: when it first saw the NoExecute taint. */
  taintedMs: number | undefined;
}

export function hostNodes(context: ControllerContext): ActorHost {
  const { informers, writer, clock, config } = context;
  const recorder = context.recorder('node-controller');
  const seen = new Map<string, Seen>();

  const lookAt = (name: string): Seen => {
    const known = seen.get(name) ?? { changedMs: clock.monotonicMs(), taintedMs: undefined };
    seen.set(name, known);
    return known;
  };
  const isStale = (name: string) => clock.monotonicMs() - lookAt(name).changedMs >= config.nodeMonitorGraceMs;
  const mostAreStale = (): boolean => {
    const names = informers.nodes.list().map((node) => node.metadata.name ?? '');
    return names.filter(isStale).length > names.length * config.unhealthyShareMax;
  };
  const heardFrom = (name: string) => {
    const wasStale = isStale(name);
    lookAt(name).changedMs = clock.monotonicMs();
    if (!wasStale) return;
    host.changed(name);
    // One more is alive: evictions held back because most seemed dead may now go on.
    for (const node of informers.nodes.list())
      if (isStale(node.metadata.name ?? '')) host.changed(node.metadata.name ?? '');
  };

  const observe = (key: string, observation: NodeFacts['observation']): NodeFacts | undefined => {
    const node = informers.nodes.get(undefined, key);
    if (node === undefined) {
      seen.delete(key);
      return undefined;
    }
    const nowMs = clock.monotonicMs();
    const known = lookAt(key);
    const tainted = (node.spec?.taints ?? []).some(({ effect }) => effect === 'NoExecute');
    known.taintedMs = tainted ? (known.taintedMs ?? nowMs) : undefined;
    const input: NodeInput = {
      node,
      pods: informers.pods.byIndex(NODE, key).filter(isAlive),
      nowMs: clock.wallMs(),
      silentMs: nowMs - known.changedMs,
      taintedMs: known.taintedMs === undefined ? undefined : nowMs - known.taintedMs,
      graceMs: config.nodeMonitorGraceMs,
      podEvictionMs: config.podEvictionMs,
      mostAreStale: mostAreStale(),
      evictionsMax: config.evictionsPerSecond,
    };
    return { observation, deleting: node.metadata.deletionTimestamp !== undefined, plan: planNode(input) };
  };

  const perform = async (key: string, intent: NodeIntent, duty: Duty): Promise<void> => {
    const node = informers.nodes.get(undefined, key);
    if (node === undefined) return;
    switch (intent.kind) {
      case 'writeConditions':
        await writer.update(
          duty,
          NODES,
          { ...node, status: { ...node.status, conditions: [...intent.conditions] } },
          'status',
        );
        note(node, 'NodeNotReady', `Node ${key} status is now: NodeNotReady`);
        return;
      case 'writeTaints':
        await writer.update(duty, NODES, { ...node, spec: { ...node.spec, taints: [...intent.taints] } });
        return;
      case 'markPodsNotReady':
        return markNotReady(intent.pods, duty);
      case 'evictPods':
        return evict(intent.pods, duty);
      case 'wake':
      case 'retryLater':
        return;
      default:
        return unreachable(intent);
    }
  };

  /** Conditional on what was seen: should a Pod change meanwhile, the next look decides again. */
  const markNotReady = async (names: readonly PodName[], duty: Duty): Promise<void> => {
    const pods = names.flatMap((name) => podOf(name) ?? []);
    const now = formatTime(clock.wallMs());
    const writes = pods.map((pod): BatchWrite => {
      const before = findCondition(pod.status?.conditions, 'Ready');
      const condition = { ...before, type: 'Ready', status: 'False' };
      const conditions = withCondition(pod.status?.conditions, condition, now);
      const object: Pod = { ...pod, status: { ...pod.status, conditions } };
      return { verb: 'update', resource: PODS, subresource: 'status', object };
    });
    await writer.batch(duty, writes);
    for (const pod of pods) {
      recorder.record(subjectOf(pod), { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
    }
  };

  const evict = async (names: readonly PodName[], duty: Duty): Promise<void> => {
    const pods = names.flatMap((name) => podOf(name) ?? []);
    const writes = pods.map(({ metadata }): BatchWrite => {
      const { namespace = '', name = '', uid = '' } = metadata;
      return { verb: 'delete', resource: PODS, namespace, name, options: { preconditions: { uid } } };
    });
    await writer.batch(duty, writes);
    for (const pod of pods) {
      const message = `Marking for deletion Pod ${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}`;
      recorder.record(subjectOf(pod), { type: 'Normal', reason: 'TaintManagerEviction', message });
    }
  };

  const podOf = (name: PodName): Pod | undefined => {
    const pod = informers.pods.get(name.namespace, name.name);
    return pod?.metadata.uid === name.uid ? pod : undefined;
  };

  const note = (node: Node, reason: string, message: string) =>
    recorder.record({ ...node, apiVersion: 'v1', kind: 'Node' }, { type: 'Normal', reason, message });

  const inner = createActorHost<NodeFacts, NodeIntent>({
    kind: {
      kind: 'Node',
      stepper: nodeLifecycle.stepper,
      derive: nodeLifecycle.derive,
      settled: (state) => state === 'deleting',
      waitsFor: waits,
      object: (key) => informers.nodes.get(undefined, key),
      observe,
      perform: (intent, key, duty) => perform(key, intent, duty),
    },
    clock,
    log: context.log,
    informerFor: informers.of,
    metrics: context.metrics,
  });
  const host: ActorHost = {
    ...methodsOf(inner),
    start(term) {
      // Full grace from taking office: what happened before, this leader has not seen.
      seen.clear();
      inner.start(term);
    },
  };

  informers.leases.onChange((type, lease, previous) => {
    if (lease.metadata.namespace !== LEASE_NAMESPACE) return;
    if (type !== 'DELETED' && lease.spec?.renewTime !== previous?.spec?.renewTime) heardFrom(lease.metadata.name ?? '');
  });
  informers.nodes.onChange((type, node, previous) => {
    const name = node.metadata.name ?? '';
    if (type !== 'DELETED' && heartbeatOf(node) !== heartbeatOf(previous)) heardFrom(name);
    host.changed(name);
  });
  informers.pods.onChange((_, pod, previous) => {
    // A Pod that comes to, or recovers on, a silent node; healthy nodes need not look at every change of their Pods.
    const name = pod.spec?.nodeName ?? '';
    if (name === '' || (previous?.spec?.nodeName === name && !isStale(name))) return;
    const tainted = informers.nodes.get(undefined, name)?.spec?.taints?.some(({ effect }) => effect === 'NoExecute');
    if (tainted === true || isStale(name)) host.changed(name);
  });
  return host;
}

function methodsOf(host: ActorHost): ActorHost {
  return {
    changed: (key) => host.changed(key),
    start: (term) => host.start(term),
    stop: () => host.stop(),
    list: () => host.list(),
  };
}

function isAlive(pod: Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}

/** Written by the kubelet only; our own mark leaves it as it was. */
function heartbeatOf(node: Node | undefined): string | undefined {
  return findCondition(node?.status?.conditions, 'Ready')?.lastHeartbeatTime;
}

function subjectOf(pod: Pod): Pod & { apiVersion: string; kind: string } {
  return { ...pod, apiVersion: 'v1', kind: 'Pod' };
}

function waits(state: string, { plan }: NodeFacts): string {
  const inSeconds = plan.wakeAfterMs === undefined ? '' : ` within ${Math.ceil(plan.wakeAfterMs / 1000)} s`;
  switch (state) {
    case 'healthy':
      return `its Lease to be renewed${inSeconds}`;
    case 'unreachable':
    case 'notReady':
      return plan.wakeAfterMs === undefined
        ? 'the node to be ready'
        : `the node to be ready; Pods are evicted in ${Math.ceil(plan.wakeAfterMs / 1000)} s`;
    case 'suspended':
      return 'most nodes to be heard of again';
    case 'recovering':
      return 'the kubelet to report Ready';
    default:
      return 'its own writes to be seen';
  }
}
