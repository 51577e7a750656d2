/**
 * What a Deployment needs now: which ReplicaSet is the new one, how many replicas each should have, which old ones
 * may go. Pure. After kubernetes/pkg/controller/deployment (rolling.go, recreate.go, sync.go, util), 1.36.
 */
import { resolvePercent } from '#src/api/int-or-string.ts';
import { controllerOf, deepEqual } from '#src/api/metadata.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import type { Deployment, Pod, PodTemplateSpec, ReplicaSet } from '#src/api/objects.ts';
import { templateHash } from './template-hash.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
export const TEMPLATE_HASH = 'pod-template-hash';
/** Of the revision history annotation (kubectl rollout history reads revision only). */
export const REVISION_HISTORY_CHARS_MAX = 2_000;
const DEFAULT_HISTORY_LIMIT = 10;

/** Annotations that are the Deployment's own and not its ReplicaSets'. */
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

export interface ScaleStep {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface AnnotateStep {
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface DeploymentPlan {
  /** To be made; undefined when it exists. */
  readonly create: ReplicaSet | undefined;
  /** Without an owner and selected by it: left by a Deployment that was deleted without its dependents. */
  readonly adopt: readonly { name: string; uid: string }[];
  readonly scale: readonly ScaleStep[];
  readonly annotate: readonly AnnotateStep[];
  /** Old ones beyond revisionHistoryLimit, by name. */
  readonly prune: readonly string[];
  /** The revision annotation of the Deployment itself, when it is to be written. */
  readonly revision: string | undefined;
  /** Recreate: old Pods that must be gone before the new ReplicaSet comes. */
  readonly draining: number;
}

export interface DeploymentInput {
  deployment: Deployment;
  /** Controlled by it. */
  replicaSets: readonly ReplicaSet[];
  /** Of its namespace, controlled by nobody. */
  orphans?: readonly ReplicaSet[];
  /** Controlled by these ReplicaSets; needed for Recreate only. */
  pods?: readonly Pod[];
}

const NOTHING = {
  create: undefined,
  adopt: [],
  scale: [],
  annotate: [],
  prune: [],
  revision: undefined,
  draining: 0,
} as const;

export function planDeployment(input: DeploymentInput): DeploymentPlan {
  const { deployment, replicaSets } = input;
  if (deployment.metadata.deletionTimestamp !== undefined) return NOTHING;
  const adopt = adoptable(input);
  // Sizes are decided once all that counts is ours.
  if (adopt.length > 0) return { ...NOTHING, adopt };
  const fresh = newReplicaSet(deployment, replicaSets);
  const old = replicaSets.filter((set) => set !== fresh);
  const annotate = annotations(deployment, fresh, old);
  const revision = annotate.revision;
  const base = { ...NOTHING, annotate: annotate.steps, revision };

  if (isScalingEvent(deployment, replicaSets)) {
    const scale = proportionalScale(deployment, fresh, old);
    // Those whose size stays must also learn what they are sized for, or this is a scaling event for ever.
    const named = new Set(scale.map(({ name }) => name));
    const kept = replicaSets.filter((set) => sizedForOther(deployment, set) && !named.has(set.metadata.name ?? ''));
    return { ...base, scale: [...scale, ...kept.map((set) => step(set, wanted(set)))] };
  }
  if (deployment.spec?.paused === true) return { ...base, scale: proportionalScale(deployment, fresh, old) };
  if (deployment.spec?.strategy?.type === 'Recreate') return planRecreate(input, base, fresh, old);
  if (fresh === undefined) return { ...base, create: makeReplicaSet(deployment, replicaSets) };
  const up = scaleUpNew(deployment, fresh, old);
  if (up !== undefined) return { ...base, scale: [up] };
  const down = scaleDownOld(deployment, fresh, old);
  return { ...base, scale: down, prune: down.length === 0 ? prunable(deployment, fresh, old) : [] };
}

function adoptable({ deployment, orphans }: DeploymentInput): { name: string; uid: string }[] {
  const matcher = labelSelectorMatcher(deployment.spec?.selector);
  return (orphans ?? [])
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && matcher.matches(metadata.labels))
    .map(({ metadata }) => ({ name: metadata.name ?? '', uid: metadata.uid ?? '' }));
}

function planRecreate(
  { deployment, pods, replicaSets }: DeploymentInput,
  base: DeploymentPlan,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): DeploymentPlan {
  const down = old.filter((set) => wanted(set) > 0).map((set) => step(set, 0));
  if (down.length > 0) return { ...base, scale: down };
  const oldUids = new Set(old.map((set) => set.metadata.uid));
  const draining = (pods ?? []).filter(
    (pod) => oldUids.has(controllerOf(pod)?.uid) && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed',
  ).length;
  if (draining > 0) return { ...base, draining };
  if (fresh === undefined) return { ...base, create: makeReplicaSet(deployment, replicaSets) };
  const replicas = deployment.spec?.replicas ?? 1;
  if (wanted(fresh) !== replicas) return { ...base, scale: [step(fresh, replicas)] };
  return { ...base, prune: prunable(deployment, fresh, old) };
}

/** The ReplicaSet whose template is the Deployment's; the oldest, should there be several. */
export function newReplicaSet(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const template = withoutHash(deployment.spec?.template);
  return replicaSets.filter((set) => deepEqual(withoutHash(set.spec?.template), template)).toSorted(byAge)[0];
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const { [TEMPLATE_HASH]: _, ...labels } = template?.metadata?.labels ?? {};
  if (template === undefined) return undefined;
  // Clients write `creationTimestamp: null` into templates, or not; it means nothing.
  const { creationTimestamp: __, ...metadata } = template.metadata ?? {};
  return { ...template, metadata: { ...metadata, labels } };
}

function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const left = a.metadata.creationTimestamp ?? '';
  const right = b.metadata.creationTimestamp ?? '';
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}

const wanted = (set: ReplicaSet) => set.spec?.replicas ?? 1;
/** A status may lag behind the size it was last given; counting more than that would remove too many. */
const available = (set: ReplicaSet) => Math.min(set.status?.availableReplicas ?? 0, wanted(set));
const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
const step = (set: ReplicaSet, to: number): ScaleStep => ({ name: set.metadata.name ?? '', from: wanted(set), to });

export interface Fenceposts {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Surge rounds up, unavailable down; both zero would never move, so one may be missing (ResolveFenceposts). */
export function fenceposts(deployment: Deployment): Fenceposts {
  const replicas = deployment.spec?.replicas ?? 1;
  if (deployment.spec?.strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas };
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = resolvePercent(rolling?.maxSurge ?? '25%', replicas, 'up') ?? 0;
  const maxUnavailable = resolvePercent(rolling?.maxUnavailable ?? '25%', replicas, 'down') ?? 0;
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge: 0, maxUnavailable: Math.min(1, replicas) };
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

function scaleUpNew(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep | undefined {
  const replicas = deployment.spec?.replicas ?? 1;
  const now = wanted(fresh);
  if (now === replicas) return undefined;
  if (now > replicas) return step(fresh, replicas);
  const room = replicas + fenceposts(deployment).maxSurge - sum([now, ...old.map(wanted)]);
  return room <= 0 ? undefined : step(fresh, now + Math.min(room, replicas - now));
}

/** First the unhealthy, which cost no availability, then as many as availability allows; oldest first. */
function scaleDownOld(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): ScaleStep[] {
  const oldTotal = sum(old.map(wanted));
  if (oldTotal === 0) return [];
  const replicas = deployment.spec?.replicas ?? 1;
  const minAvailable = replicas - fenceposts(deployment).maxUnavailable;
  const freshUnavailable = wanted(fresh) - available(fresh);
  const removable = sum([wanted(fresh), ...old.map(wanted)]) - minAvailable - freshUnavailable;
  if (removable <= 0) return [];

  const target = new Map(old.map((set) => [set, wanted(set)]));
  let unhealthyLeft = removable;
  for (const set of old.toSorted(byAge)) {
    const unhealthy = Math.max(0, wanted(set) - available(set));
    const less = Math.min(unhealthyLeft, unhealthy);
    target.set(set, wanted(set) - less);
    unhealthyLeft -= less;
  }
  let spare = sum([available(fresh), ...old.map(available)]) - minAvailable;
  for (const set of old.toSorted(byAge)) {
    const left = target.get(set) ?? 0;
    // What the unhealthy ones took away was not available and does not use up what is spare.
    const less = Math.max(0, Math.min(spare, left));
    target.set(set, left - less);
    spare -= less;
  }
  return old.filter((set) => target.get(set) !== wanted(set)).map((set) => step(set, target.get(set) ?? 0));
}

/** The desired number changed since the ReplicaSets were last sized. */
function isScalingEvent(deployment: Deployment, replicaSets: readonly ReplicaSet[]): boolean {
  return replicaSets.some((set) => sizedForOther(deployment, set));
}

function sizedForOther(deployment: Deployment, set: ReplicaSet): boolean {
  const desired = set.metadata.annotations?.[DESIRED_REPLICAS];
  return wanted(set) > 0 && desired !== undefined && Number(desired) !== (deployment.spec?.replicas ?? 1);
}

/** Spreads a change of size over ReplicaSets in proportion to theirs, as in the middle of a rollout (sync.go scale). */
export function proportionalScale(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ScaleStep[] {
  const replicas = deployment.spec?.replicas ?? 1;
  const all = [...(fresh === undefined ? [] : [fresh]), ...old];
  const active = all.filter((set) => wanted(set) > 0);
  const only =
    active.length === 0 ? (fresh ?? old.toSorted(byAge).at(-1)) : active.length === 1 ? active[0] : undefined;
  if (only !== undefined) return wanted(only) === replicas ? [] : [step(only, replicas)];
  if (fresh !== undefined && wanted(fresh) === replicas && available(fresh) === replicas) {
    return old.filter((set) => wanted(set) > 0).map((set) => step(set, 0));
  }
  if (active.length === 0 || deployment.spec?.strategy?.type === 'Recreate') return [];

  const total = sum(all.map(wanted));
  const allowed = replicas > 0 ? replicas + fenceposts(deployment).maxSurge : 0;
  const toAdd = allowed - total;
  // Larger first; when growing newer first, when shrinking older first.
  const order = active.toSorted((a, b) => wanted(b) - wanted(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)));
  const target = new Map<ReplicaSet, number>();
  let added = 0;
  for (const set of order) {
    const share = toAdd === 0 ? 0 : proportion(deployment, set, { toAdd, added, allowed });
    target.set(set, wanted(set) + share);
    added += share;
  }
  const first = order[0];
  if (first !== undefined && toAdd !== 0) {
    target.set(first, Math.max(0, (target.get(first) ?? 0) + toAdd - added));
  }
  return order.filter((set) => target.get(set) !== wanted(set)).map((set) => step(set, target.get(set) ?? 0));
}

function proportion(
  deployment: Deployment,
  set: ReplicaSet,
  { toAdd, added, allowed }: { toAdd: number; added: number; allowed: number },
): number {
  if (wanted(set) === 0 || toAdd === added) return 0;
  const before = Number(set.metadata.annotations?.[MAX_REPLICAS] ?? 0) || (deployment.status?.replicas ?? 0);
  const size = before === 0 ? wanted(set) : Math.round((wanted(set) * allowed) / before);
  const share = size - wanted(set);
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left);
}

/** Old ReplicaSets without Pods, oldest revision first, beyond the limit. */
function prunable(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): string[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? DEFAULT_HISTORY_LIMIT;
  const empty = old.filter((set) => set !== fresh && set.metadata.deletionTimestamp === undefined);
  const excess = empty.length - limit;
  if (excess <= 0) return [];
  return empty
    .toSorted((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, excess)
    .filter(
      (set) =>
        wanted(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0),
    )
    .map((set) => set.metadata.name ?? '');
}

export function revisionOf(object: ReplicaSet | Deployment): number {
  return Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** Annotations that ReplicaSets take from their Deployment, the revision, and the sizes a later change is measured by. */
function annotations(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): { steps: AnnotateStep[]; revision: string | undefined } {
  const steps: AnnotateStep[] = [];
  if (fresh === undefined) return { steps, revision: undefined };
  const next = Math.max(0, ...old.map(revisionOf)) + 1;
  const has = fresh.metadata.annotations ?? {};
  // An old template taken back (rollout undo) becomes the newest revision; its former numbers are kept for people.
  const revision = revisionOf(fresh) < next ? String(next) : String(revisionOf(fresh));
  const want: Record<string, string> = { ...copied(deployment), [REVISION]: revision };
  if (has[REVISION] !== undefined && has[REVISION] !== revision) {
    const history = [...(has[REVISION_HISTORY]?.split(',') ?? []), has[REVISION]];
    while (history.join(',').length > REVISION_HISTORY_CHARS_MAX) history.shift();
    want[REVISION_HISTORY] = history.join(',');
  }
  const differing = Object.fromEntries(Object.entries(want).filter(([key, value]) => has[key] !== value));
  if (Object.keys(differing).length > 0) steps.push({ name: fresh.metadata.name ?? '', annotations: differing });
  return { steps, revision: deployment.metadata.annotations?.[REVISION] === revision ? undefined : revision };
}

function copied(deployment: Deployment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key)),
  );
}

/** The annotations a resized ReplicaSet carries: what it was sized for. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const replicas = deployment.spec?.replicas ?? 1;
  return {
    [DESIRED_REPLICAS]: String(replicas),
    [MAX_REPLICAS]: String(replicas + fenceposts(deployment).maxSurge),
  };
}

function makeReplicaSet(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet {
  const { metadata, spec } = deployment;
  const hash = templateHash(withoutHash(spec?.template), deployment.status?.collisionCount);
  const replicas = spec?.replicas ?? 1;
  const room = Math.max(0, replicas + fenceposts(deployment).maxSurge - sum(replicaSets.map(wanted)));
  const labels = { ...spec?.template.metadata?.labels, [TEMPLATE_HASH]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name ?? ''}-${hash}`,
      namespace: metadata.namespace ?? '',
      labels,
      annotations: {
        ...copied(deployment),
        ...sizeAnnotations(deployment),
        [REVISION]: String(Math.max(0, ...replicaSets.map(revisionOf)) + 1),
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          name: metadata.name ?? '',
          uid: metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      replicas: spec?.strategy?.type === 'Recreate' ? replicas : Math.min(replicas, room),
      ...(spec?.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: {
        ...spec?.selector,
        matchLabels: { ...spec?.selector.matchLabels, [TEMPLATE_HASH]: hash },
      },
      template: { ...spec?.template, metadata: { ...spec?.template.metadata, labels } },
    },
  };
}
