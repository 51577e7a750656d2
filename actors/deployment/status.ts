/**
 * The status of a Deployment: counts, Available and Progressing with Kubernetes' reasons and messages, which
 * `kubectl rollout status` and `kubectl wait` read. Pure. After deployment/progress.go and sync.go, 1.36.
 */
import { deepEqual, findCondition, formatTime } from '#src/api/metadata.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '#src/api/objects.ts';
import { fenceposts, newReplicaSet } from './plan.ts';

/** progressDeadlineSeconds for "no deadline". */
const NO_DEADLINE = 2_147_483_647;

export interface StatusInput {
  deployment: Deployment;
  replicaSets: readonly ReplicaSet[];
  nowMs: number;
  /** A ReplicaSet was just made; becomes the reason of Progressing. */
  created?: string;
  /** The last attempt to make it failed. */
  failure?: string | undefined;
}

export interface StatusPlan {
  readonly status: DeploymentStatus;
  /** Differs from the stored one. */
  readonly changed: boolean;
  readonly complete: boolean;
  readonly stalled: boolean;
  /** When the progress deadline passes. */
  readonly deadlineInMs: number | undefined;
}

export function planStatus(input: StatusInput): StatusPlan {
  const { deployment, replicaSets, nowMs } = input;
  const counts = countsOf(deployment, replicaSets);
  const complete = isComplete(deployment, counts);
  const progress = progressing(input, counts, complete);
  const conditions: DeploymentCondition[] = [];
  put(conditions, deployment, available(deployment, counts), nowMs);
  if (progress !== undefined) put(conditions, deployment, progress.condition, nowMs, progress.updated);
  const failure = failureCondition(replicaSets, input.failure);
  if (failure !== undefined) put(conditions, deployment, failure, nowMs);
  // Stored order is kept, so that a status that says the same is the same.
  const order = (deployment.status?.conditions ?? []).map((condition) => condition.type);
  conditions.sort((a, b) => rank(order, a.type) - rank(order, b.type));

  const { collisionCount } = deployment.status ?? {};
  const status: DeploymentStatus = {
    ...counts,
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
  return {
    status,
    changed: !deepEqual(deployment.status ?? {}, status),
    complete,
    stalled: progress?.condition.reason === 'ProgressDeadlineExceeded',
    deadlineInMs: progress?.deadlineInMs,
  };
}

function rank(order: readonly string[], type: string): number {
  const index = order.indexOf(type);
  return index < 0 ? order.length : index;
}

type Counts = Omit<DeploymentStatus, 'conditions' | 'collisionCount'>;

function countsOf(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Counts {
  const fresh = newReplicaSet(deployment, replicaSets);
  const total = (of: (set: ReplicaSet) => number | undefined) =>
    replicaSets.reduce((count, set) => count + (of(set) ?? 0), 0);
  const wanted = total((set) => set.spec?.replicas ?? 1);
  const availableReplicas = total((set) => set.status?.availableReplicas);
  return {
    ...nonZero('observedGeneration', deployment.metadata.generation ?? 0),
    ...nonZero(
      'replicas',
      total((set) => set.status?.replicas),
    ),
    ...nonZero('updatedReplicas', fresh?.status?.replicas ?? 0),
    ...nonZero(
      'readyReplicas',
      total((set) => set.status?.readyReplicas),
    ),
    ...nonZero('availableReplicas', availableReplicas),
    ...nonZero('unavailableReplicas', Math.max(0, wanted - availableReplicas)),
    terminatingReplicas: total((set) => set.status?.terminatingReplicas),
  };
}

function nonZero<K extends keyof Counts>(key: K, value: number): Partial<Record<K, number>> {
  return value === 0 ? {} : ({ [key]: value } as Record<K, number>);
}

/** Every replica is of the new template and available, and no old one is left. */
function isComplete(deployment: Deployment, counts: Counts): boolean {
  const replicas = deployment.spec?.replicas ?? 1;
  return (
    (counts.updatedReplicas ?? 0) === replicas &&
    (counts.replicas ?? 0) === replicas &&
    (counts.availableReplicas ?? 0) === replicas
  );
}

type NewCondition = { type: string; status: 'True' | 'False' | 'Unknown'; reason: string; message: string };

function available(deployment: Deployment, counts: Counts): NewCondition {
  const replicas = deployment.spec?.replicas ?? 1;
  const enough = (counts.availableReplicas ?? 0) >= replicas - fenceposts(deployment).maxUnavailable;
  return enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

interface Progress {
  condition: NewCondition;
  /** Progress was made now: restarts the deadline. */
  updated: boolean;
  deadlineInMs: number | undefined;
}

/** Undefined without a deadline, and for a Deployment that never had one. */
function progressing(input: StatusInput, counts: Counts, complete: boolean): Progress | undefined {
  const { deployment, replicaSets } = input;
  const deadline = deployment.spec?.progressDeadlineSeconds ?? 600;
  if (deadline === NO_DEADLINE) return undefined;
  const before = findCondition(deployment.status?.conditions, 'Progressing');
  const fresh = newReplicaSet(deployment, replicaSets);
  const subject = `ReplicaSet "${fresh?.metadata.name ?? ''}"`;
  const keep = (): Progress | undefined =>
    before === undefined ? undefined : { condition: before as NewCondition, updated: false, deadlineInMs: undefined };
  const say = (status: 'True' | 'False' | 'Unknown', reason: string, message: string, updated = true): Progress => ({
    condition: { type: 'Progressing', status, reason, message },
    updated,
    deadlineInMs: undefined,
  });

  if (deployment.spec?.paused === true) {
    return before?.reason === 'DeploymentPaused' || before?.reason === 'ProgressDeadlineExceeded'
      ? keep()
      : say('Unknown', 'DeploymentPaused', 'Deployment is paused');
  }
  if (before?.reason === 'DeploymentPaused') return say('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  if (complete) {
    const message = `${subject} has successfully progressed.`;
    const same = before?.reason === 'NewReplicaSetAvailable' && before.message === message;
    return same ? keep() : say('True', 'NewReplicaSetAvailable', message);
  }
  if (input.created !== undefined) {
    return say('True', 'NewReplicaSetCreated', `Created new replica set "${input.created}"`);
  }
  if (before === undefined && fresh !== undefined) {
    return timed(
      say('True', 'NewReplicaSetCreated', `Created new replica set "${fresh.metadata.name ?? ''}"`),
      deadline,
    );
  }
  if (input.failure !== undefined && fresh === undefined) {
    return say('False', 'ReplicaSetCreateError', `Failed to create new replica set: ${input.failure}`, false);
  }
  if (madeProgress(deployment, counts)) {
    return timed(say('True', 'ReplicaSetUpdated', `${subject} is progressing.`), deadline);
  }
  return waiting(input, { before, deadline, subject }) ?? keep();
}

function timed(progress: Progress, deadlineSeconds: number): Progress {
  return { ...progress, deadlineInMs: deadlineSeconds * 1000 };
}

function waiting(
  { deployment, nowMs }: StatusInput,
  { before, deadline, subject }: { before: DeploymentCondition | undefined; deadline: number; subject: string },
): Progress | undefined {
  if (before === undefined) return undefined;
  const condition = before as NewCondition;
  if (before.reason === 'ProgressDeadlineExceeded') return { condition, updated: false, deadlineInMs: undefined };
  // A complete rollout that lost Pods is not a rollout: its deadline does not run until the template or size changes.
  const changed = (deployment.metadata.generation ?? 0) !== (deployment.status?.observedGeneration ?? 0);
  if (before.reason === 'NewReplicaSetAvailable' && !changed)
    return { condition, updated: false, deadlineInMs: undefined };
  if (before.reason === 'NewReplicaSetAvailable') {
    const message = `${subject} is progressing.`;
    const next: NewCondition = { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message };
    return { condition: next, updated: true, deadlineInMs: deadline * 1000 };
  }
  const leftMs = (Date.parse(before.lastUpdateTime ?? '') || nowMs) + deadline * 1000 - nowMs;
  if (leftMs > 0) return { condition, updated: false, deadlineInMs: leftMs };
  const message = `${subject} has timed out progressing.`;
  const late: NewCondition = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message };
  return { condition: late, updated: true, deadlineInMs: undefined };
}

function madeProgress(deployment: Deployment, counts: Counts): boolean {
  const before = deployment.status ?? {};
  const oldNow = (counts.replicas ?? 0) - (counts.updatedReplicas ?? 0);
  const oldBefore = (before.replicas ?? 0) - (before.updatedReplicas ?? 0);
  return (
    (counts.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldNow < oldBefore ||
    (counts.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

/** What a ReplicaSet says about Pods it cannot make. */
function failureCondition(replicaSets: readonly ReplicaSet[], failure: string | undefined): NewCondition | undefined {
  for (const set of replicaSets) {
    const condition = findCondition(set.status?.conditions, 'ReplicaFailure');
    if (condition === undefined) continue;
    const { reason = '', message = '' } = condition;
    return { type: 'ReplicaFailure', status: condition.status as 'True', reason, message };
  }
  if (failure === undefined) return undefined;
  return { type: 'ReplicaFailure', status: 'True', reason: 'ReplicaSetCreateError', message: failure };
}

function put(
  list: DeploymentCondition[],
  deployment: Deployment,
  condition: NewCondition,
  nowMs: number,
  restart = false,
): void {
  const now = formatTime(nowMs);
  const before = findCondition(deployment.status?.conditions, condition.type);
  const same =
    before !== undefined &&
    before.status === condition.status &&
    before.reason === condition.reason &&
    before.message === condition.message;
  if (same && !restart) {
    list.push(before);
    return;
  }
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  const { type, status, reason, message } = condition;
  list.push({ type, status, lastUpdateTime: now, lastTransitionTime, reason, message });
}
