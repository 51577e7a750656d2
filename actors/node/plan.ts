/**
 * What a Node's health asks for: conditions, taints, Pods marked not ready, Pods evicted. Pure; silence and taint ages
 * are monotonic durations since this leader saw a change (DESIGN §4.13), never differences of wall clocks.
 * After kubernetes/pkg/controller/nodelifecycle and tainteviction, 1.36.
 */
import { deepEqual, findCondition, formatTime } from '#src/api/metadata.ts';
import type { Node, NodeCondition, Pod, Taint, Toleration } from '#src/api/objects.ts';

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
/** What the registry's admission gives Pods that do not say (DefaultTolerationSeconds); read as the setting. */
export const DEFAULT_TOLERATION_SECONDS = 300;
/** Copies of what a kubelet runs by itself: deleting them deletes nothing. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

const PRESSURE_TAINTS: Record<string, string> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const OWNED_TAINTS = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURE_TAINTS)]);
const HEARTBEAT_CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface NodePlan {
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly stale: boolean;
  /** Stale, but so are most: then it is rather we who are cut off, and nothing is evicted. */
  readonly suspended: boolean;
  /** To be written; undefined when they are so already. */
  readonly conditions: readonly NodeCondition[] | undefined;
  readonly taints: readonly Taint[] | undefined;
  readonly markNotReady: readonly PodName[];
  readonly evict: readonly PodName[];
  /** Until time alone changes something: silence becomes staleness, a toleration ends. */
  readonly wakeAfterMs: number | undefined;
}

export interface NodeInput {
  node: Node;
  /** On this node, not ended. */
  pods: readonly Pod[];
  nowMs: number;
  /** Monotonic time since this leader saw the Lease or the status change, or took office. */
  silentMs: number;
  /** Monotonic time since this leader saw the NoExecute taint; undefined without one. */
  taintedMs: number | undefined;
  graceMs: number;
  /** Stands in for a default toleration of 300 s. */
  podEvictionMs: number;
  mostAreStale: boolean;
  /** Evicted at once at most; more follow a second later. */
  evictionsMax: number;
}

export function planNode(input: NodeInput): NodePlan {
  const { node, silentMs, graceMs } = input;
  const stale = silentMs >= graceMs;
  const suspended = stale && input.mostAreStale;
  const conditions = stale ? unknownConditions(input) : undefined;
  const ready = readyOf(conditions ?? node.status?.conditions);
  const taints = taintsOf(input, ready, suspended);
  const unready = ready !== 'True';
  // Taken from what is stored, so that eviction follows the taint and is seen by people first.
  const execute = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
  const eviction = suspended ? { due: [], nextMs: undefined } : evictions(input, execute);
  const waits = [
    stale ? undefined : graceMs - silentMs,
    eviction.due.length > input.evictionsMax ? 1000 : eviction.nextMs,
  ];
  return {
    ready,
    stale,
    suspended,
    conditions,
    taints: sameTaints(taints, node.spec?.taints ?? []) ? undefined : taints,
    markNotReady: unready && stale ? input.pods.filter(isMarkedReady).map(nameOf) : [],
    evict: eviction.due.slice(0, input.evictionsMax).map(nameOf),
    wakeAfterMs: least(waits),
  };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function readyOf(conditions: readonly NodeCondition[] | undefined): NodePlan['ready'] {
  const status = findCondition(conditions, 'Ready')?.status;
  return status === 'True' || status === 'False' ? status : 'Unknown';
}

function unknownConditions({ node, nowMs }: NodeInput): NodeCondition[] | undefined {
  const before = node.status?.conditions ?? [];
  const now = formatTime(nowMs);
  const after = before.map((condition): NodeCondition => {
    if (!HEARTBEAT_CONDITIONS.includes(condition.type) || condition.status === 'Unknown') return condition;
    return {
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    };
  });
  for (const type of HEARTBEAT_CONDITIONS) {
    if (after.some((condition) => condition.type === type)) continue;
    const message = 'Kubelet never posted node status.';
    after.push({ type, status: 'Unknown', reason: 'NodeStatusNeverUpdated', message, lastTransitionTime: now });
  }
  return deepEqual(before, after) ? undefined : after;
}

function taintsOf(input: NodeInput, ready: NodePlan['ready'], suspended: boolean): Taint[] {
  const { node, nowMs } = input;
  const before = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  const key = ready === 'False' ? NOT_READY : UNREACHABLE;
  const reported = findCondition(node.status?.conditions, 'Ready') !== undefined;
  if (!reported && input.silentMs < input.graceMs) {
    // It has just joined and says nothing yet: no new Pods, but no reason to send any away.
    wanted.push({ key: NOT_READY, effect: 'NoSchedule' });
  } else if (ready !== 'True') {
    wanted.push({ key, effect: 'NoSchedule' });
    if (!suspended) wanted.push({ key, effect: 'NoExecute' });
  }
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule' });
  for (const [type, pressure] of Object.entries(PRESSURE_TAINTS)) {
    if (findCondition(node.status?.conditions, type)?.status === 'True')
      wanted.push({ key: pressure, effect: 'NoSchedule' });
  }
  const kept = before.filter((taint) => !OWNED_TAINTS.has(taint.key));
  const timeAdded = formatTime(nowMs);
  return [
    ...kept,
    ...wanted.map((taint) => before.find((known) => sameTaint(known, taint)) ?? { ...taint, timeAdded }),
  ];
}

const sameTaint = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
const sameTaints = (a: readonly Taint[], b: readonly Taint[]) =>
  a.length === b.length && a.every((taint) => b.some((other) => sameTaint(taint, other)));

function isMarkedReady(pod: Pod): boolean {
  return findCondition(pod.status?.conditions, 'Ready')?.status === 'True';
}

function evictions(input: NodeInput, taints: readonly Taint[]): { due: Pod[]; nextMs: number | undefined } {
  const due: Pod[] = [];
  let nextMs: number | undefined;
  if (taints.length === 0) return { due, nextMs };
  for (const pod of input.pods) {
    if (pod.metadata.deletionTimestamp !== undefined || pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined)
      continue;
    const staysMs = toleratedMs(pod.spec?.tolerations ?? [], taints, input.podEvictionMs);
    if (staysMs === undefined) continue;
    const leftMs = staysMs - (input.taintedMs ?? 0);
    if (leftMs <= 0) due.push(pod);
    else nextMs = Math.min(nextMs ?? leftMs, leftMs);
  }
  return { due, nextMs };
}

/** How long the Pod stays under these taints: 0 untolerated, undefined for ever, else the shortest tolerationSeconds. */
export function toleratedMs(
  tolerations: readonly Toleration[],
  taints: readonly Taint[],
  podEvictionMs: number,
): number | undefined {
  let shortest: number | undefined;
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds, key } of matching) {
      if (tolerationSeconds === undefined) continue;
      const byDefault = tolerationSeconds === DEFAULT_TOLERATION_SECONDS && (key === NOT_READY || key === UNREACHABLE);
      const ms = byDefault ? podEvictionMs : Math.max(0, tolerationSeconds * 1000);
      shortest = Math.min(shortest ?? ms, ms);
    }
  }
  return shortest;
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false;
  const exists = toleration.operator === 'Exists';
  if ((toleration.key ?? '') === '') return exists;
  return toleration.key === taint.key && (exists || (toleration.value ?? '') === (taint.value ?? ''));
}

function nameOf({ metadata }: Pod): PodName {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '', uid: metadata.uid ?? '' };
}
