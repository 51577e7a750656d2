/**
 * What a ReplicaSet needs: how many Pods to make, which to delete, adopt or let go, and its status.
 * Pure: the time is an argument. After kubernetes/pkg/controller/replicaset and controller_utils.go, 1.36.
 */
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import { controllerOf, deepEqual, findCondition, isConditionTrue } from '#src/api/metadata.ts';
import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '#src/api/objects.ts';

/** Pods made or deleted in one go; the rest follows when they are seen (Kubernetes' BurstReplicas). */
export const BURST_PODS = 500;
/** The annotation that orders deletion, lower first. */
export const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface ReplicaSetPlan {
  readonly missing: number;
  readonly surplus: readonly PodRef[];
  readonly adopt: readonly PodRef[];
  readonly release: readonly PodRef[];
  /** To be written; undefined when the stored one says the same. */
  readonly status: ReplicaSetStatus | undefined;
  /** When a Pod becomes available by time alone (minReadySeconds). */
  readonly wakeAfterMs: number | undefined;
}

export interface ReplicaSetInput {
  replicaSet: ReplicaSet;
  /** Owned by it, or selected by it without an owner. Others are ignored. */
  pods: readonly Pod[];
  nowMs: number;
  /** The last intent failed with this; becomes the condition ReplicaFailure. */
  failure?: { reason: 'FailedCreate' | 'FailedDelete'; message: string } | undefined;
  /** 1, 2, 4 … after a failure, so that 500 refusals are not asked for (Kubernetes' slow start). */
  createLimit?: number;
}

export function planReplicaSet(input: ReplicaSetInput): ReplicaSetPlan {
  const { replicaSet, nowMs } = input;
  const matcher = labelSelectorMatcher(replicaSet.spec?.selector);
  const uid = replicaSet.metadata.uid;
  const deleting = replicaSet.metadata.deletionTimestamp !== undefined;
  const owned: Pod[] = [];
  const adopt: Pod[] = [];
  const release: Pod[] = [];
  for (const pod of input.pods) {
    const controller = controllerOf(pod);
    const selected = matcher.matches(pod.metadata.labels);
    if (controller?.uid === uid) (selected ? owned : release).push(pod);
    else if (controller === undefined && selected && isActive(pod) && !deleting) adopt.push(pod);
  }

  const active = [...owned.filter(isActive), ...adopt];
  const wanted = replicaSet.spec?.replicas ?? 1;
  const missing = deleting ? 0 : Math.max(0, wanted - active.length);
  const surplusCount = deleting ? 0 : Math.min(BURST_PODS, Math.max(0, active.length - wanted));
  const { available, wakeAfterMs } = availability(active, replicaSet.spec?.minReadySeconds ?? 0, nowMs);
  return {
    missing: Math.min(missing, BURST_PODS, input.createLimit ?? BURST_PODS),
    surplus: rankForDeletion(active, nowMs).slice(0, surplusCount).map(refOf),
    adopt: adopt.map(refOf),
    release: deleting ? [] : release.map(refOf),
    status: changedStatus(input, { active, available, owned }),
    wakeAfterMs,
  };
}

/** Counts as a replica: neither ended nor on its way out. */
export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== 'Succeeded' && phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined;
}

export function isReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, 'Ready');
}

/** Ready for at least `minReadySeconds`; and in how many ms the next one will be. */
export function availability(
  pods: readonly Pod[],
  minReadySeconds: number,
  nowMs: number,
): { available: number; wakeAfterMs: number | undefined } {
  let available = 0;
  let wakeAfterMs: number | undefined;
  for (const pod of pods) {
    if (!isReady(pod)) continue;
    const sinceMs = readySinceMs(pod);
    const waitMs = minReadySeconds === 0 ? 0 : sinceMs + minReadySeconds * 1000 - nowMs;
    if (waitMs <= 0) available += 1;
    else wakeAfterMs = Math.min(wakeAfterMs ?? waitMs, waitMs);
  }
  return { available, wakeAfterMs };
}

function readySinceMs(pod: Pod): number {
  return Date.parse(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime ?? '') || 0;
}

const PHASE_RANK: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * First to be deleted first: unassigned, pending, not ready, cheap, crowded on its node, ready for a shorter time,
 * restarted more often, younger (ActivePodsWithRanks). Times compare by powers of two, so that the choice among
 * Pods of about one age is by uid and does not always hit the youngest (LogarithmicScaleDown).
 */
export function rankForDeletion(pods: readonly Pod[], nowMs: number): Pod[] {
  const onNode = new Map<string, number>();
  for (const pod of pods) {
    const node = pod.spec?.nodeName;
    if (node !== undefined) onNode.set(node, (onNode.get(node) ?? 0) + 1);
  }
  const keys = new Map(pods.map((pod) => [pod, deletionKey(pod, onNode, nowMs)]));
  return pods.toSorted((a, b) => {
    const left = keys.get(a) ?? [];
    const right = keys.get(b) ?? [];
    for (let i = 0; i < left.length; i += 1) {
      const difference = (left[i] ?? 0) - (right[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1;
  });
}

function deletionKey(pod: Pod, onNode: Map<string, number>, nowMs: number): number[] {
  const node = pod.spec?.nodeName ?? '';
  const ready = isReady(pod);
  const restarts = (pod.status?.containerStatuses ?? []).reduce((most, c) => Math.max(most, c.restartCount), 0);
  return [
    node === '' ? 0 : 1,
    PHASE_RANK[pod.status?.phase ?? 'Pending'] ?? 1,
    ready ? 1 : 0,
    deletionCost(pod),
    -(onNode.get(node) ?? 0),
    ready ? logarithmicAge(readySinceMs(pod), nowMs) : 0,
    -restarts,
    logarithmicAge(Date.parse(pod.metadata.creationTimestamp ?? '') || nowMs, nowMs),
  ];
}

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  return Number.isInteger(cost) ? cost : 0;
}

function logarithmicAge(sinceMs: number, nowMs: number): number {
  return Math.floor(Math.log2(Math.max(1, nowMs - sinceMs)));
}

function changedStatus(
  input: ReplicaSetInput,
  counted: { active: Pod[]; available: number; owned: Pod[] },
): ReplicaSetStatus | undefined {
  const { replicaSet } = input;
  const before = replicaSet.status;
  const labels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {});
  const fullyLabeled = counted.active.filter((pod) =>
    labels.every(([key, value]) => pod.metadata.labels?.[key] === value),
  ).length;
  const terminating = counted.owned.filter(
    (pod) =>
      pod.metadata.deletionTimestamp !== undefined &&
      pod.status?.phase !== 'Succeeded' &&
      pod.status?.phase !== 'Failed',
  ).length;
  const conditions = failureConditions(input);
  const status: ReplicaSetStatus = {
    replicas: counted.active.length,
    ...positive('fullyLabeledReplicas', fullyLabeled),
    ...positive('readyReplicas', counted.active.filter(isReady).length),
    ...positive('availableReplicas', counted.available),
    terminatingReplicas: terminating,
    ...positive('observedGeneration', replicaSet.metadata.generation ?? 0),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
  return deepEqual(before, status) ? undefined : status;
}

/** Kubernetes leaves zero counts out of a status. */
function positive<K extends string>(key: K, value: number): Partial<Record<K, number>> {
  return value > 0 ? ({ [key]: value } as Record<K, number>) : {};
}

function failureConditions({ replicaSet, failure, nowMs }: ReplicaSetInput): ReplicaSetCondition[] {
  const others = (replicaSet.status?.conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const before = findCondition(replicaSet.status?.conditions, 'ReplicaFailure');
  const lastTransitionTime = before?.lastTransitionTime ?? `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime, ...failure }];
}

function refOf(pod: Pod): PodRef {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '', uid: pod.metadata.uid ?? '' };
}
