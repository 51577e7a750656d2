/**
 * POST pods/NAME/eviction: a delete that PodDisruptionBudgets can refuse. The budget is judged by the state that the
 * delete itself rests on and written in the same transaction, so that two evictions never spend the same allowance.
 * Source: Kubernetes 1.36 pkg/registry/core/pod/storage/eviction.go, pkg/controller/disruption/disruption.go.
 */
import { ApiError } from '#src/api/api-error.ts';
import { kindOf, type Kind } from '#src/api/kinds.ts';
import { percentOf, resolvePercent, type IntOrString } from '#src/api/int-or-string.ts';
import { controllerOf, formatTime, isConditionTrue } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Pod } from '#src/api/objects.ts';
import type { PodDisruptionBudget } from '#src/api/objects/policy.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import type { Value } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { after } from './admission/admission.ts';
import { splitAroundRevision } from './bytes.ts';
import type { Plan, Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { planDelete, type DeleteRequest } from './delete.ts';
import { objectKey, objectRange } from './keys.ts';
import type { NamedObject } from './raw.ts';

/** Budgets of a namespace that are looked at. */
const BUDGETS_MAX = 1_000;
/** Evicted Pods that a budget remembers; older ones are gone or will never go. */
const DISRUPTED_MS_MAX = 2 * 60_000;

/** What owns Pods and says how many there should be. */
const SCALED: Record<string, string> = {
  ReplicaSet: 'apps/v1',
  StatefulSet: 'apps/v1',
  Deployment: 'apps/v1',
  ReplicationController: 'v1',
};

type BudgetObject = NamedObject & PodDisruptionBudget;
type PodObject = NamedObject & Pod;

/** @throws ApiError 429 when a budget does not allow it, 500 when several watch over one Pod (as in Kubernetes). */
export function planEviction(core: RegistryCore, request: DeleteRequest): Planner {
  const remove = planDelete(core, request);
  return (view) => after(remove(view), (plan) => spared(core, request, view, plan));
}

function spared(core: RegistryCore, request: DeleteRequest, view: StoreView, plan: Plan): Plan {
  const value = view.get(objectKey(request.kind, request.namespace, request.name));
  if (value === undefined || plan.operations.length === 0) return plan;
  const pod = core.decoded.peek(request.kind, value) as PodObject;
  if (ignoresBudgets(pod)) return plan;
  const budget = budgetOf(core, view, pod);
  return budget === undefined ? plan : spend(core, view, { plan, request, pod, ...budget });
}

/** Done, not begun, or on its way already: nothing is taken from anybody. */
function ignoresBudgets(pod: PodObject): boolean {
  const phase = pod.status?.phase;
  return (
    phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined
  );
}

interface FoundBudget {
  key: string;
  value: Value;
  kind: Kind;
  budget: BudgetObject;
}

function budgetOf(core: RegistryCore, view: StoreView, pod: PodObject): FoundBudget | undefined {
  const kind = kindOf('policy/v1', 'PodDisruptionBudget');
  if (kind === undefined) return undefined;
  const { items } = view.range({ ...objectRange(kind, pod.metadata.namespace), limit: BUDGETS_MAX });
  const found = items.flatMap(({ key, value }) => {
    const budget = core.decoded.peek(kind, value) as BudgetObject;
    return selects(budget, pod) ? [{ key, value, kind, budget }] : [];
  });
  if (found.length > 1) {
    const text = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new ApiError(500, 'InternalError', text);
  }
  return found[0];
}

/** Without a selector none, with an empty one all. */
function selects(budget: BudgetObject, pod: PodObject): boolean {
  const selector = budget.spec?.selector;
  return selector !== undefined && labelSelectorMatcher(selector).matches(pod.metadata.labels);
}

function isHealthy(pod: PodObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && isConditionTrue(pod.status?.conditions, 'Ready');
}

interface Spending extends FoundBudget {
  plan: Plan;
  request: DeleteRequest;
  pod: PodObject;
}

function spend(core: RegistryCore, view: StoreView, at: Spending): Plan {
  const { plan, request, pod, budget, kind } = at;
  const policy = budget.spec?.unhealthyPodEvictionPolicy ?? 'IfHealthyBudget';
  const healthy = isHealthy(pod);
  if (!healthy && policy === 'AlwaysAllow') return plan;
  const pods = podsOf(core, view, request.kind, budget);
  const expected = expectedOf(core, view, budget, pods);
  const currentHealthy = pods.filter(isHealthy).length;
  const desiredHealthy = expected?.desiredHealthy ?? 0;
  // One that is not ready takes nothing away from those that are enough.
  if (!healthy && expected !== undefined && desiredHealthy > 0 && currentHealthy >= desiredHealthy) return plan;
  const allowed = expected === undefined ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  if (allowed === 0) throw refused(budget, desiredHealthy, currentHealthy);
  const nowMs = core.clock.wallMs();
  const known = Object.entries(budget.status?.disruptedPods ?? {}).filter(
    ([, time]) => nowMs - Date.parse(time) < DISRUPTED_MS_MAX,
  );
  const updated: BudgetObject = {
    ...budget,
    status: {
      ...budget.status,
      ...(budget.metadata.generation === undefined ? {} : { observedGeneration: budget.metadata.generation }),
      disruptedPods: { ...Object.fromEntries(known), [pod.metadata.name ?? '']: formatTime(nowMs) },
      disruptionsAllowed: allowed - 1,
      currentHealthy,
      desiredHealthy,
      expectedPods: expected?.expectedPods ?? 0,
    },
  };
  return {
    ...plan,
    conditions: [...plan.conditions, { type: 'modRevision', key: at.key, revision: at.value.modRevision }],
    operations: [
      ...plan.operations,
      {
        type: 'put',
        key: objectKey(kind, budget.metadata.namespace, budget.metadata.name ?? ''),
        ...splitAroundRevision(updated),
      },
    ],
  };
}

function refused(budget: BudgetObject, desired: number, current: number): ApiError {
  const name = budget.metadata.name ?? '';
  const message = `The disruption budget ${name} needs ${desired} healthy pods and has ${current} currently`;
  const text = "Cannot evict pod as it would violate the pod's disruption budget.";
  return new ApiError(429, 'TooManyRequests', text, { details: { causes: [{ reason: 'DisruptionBudget', message }] } });
}

function podsOf(core: RegistryCore, view: StoreView, kind: Kind, budget: BudgetObject): PodObject[] {
  const { items } = view.range({ ...objectRange(kind, budget.metadata.namespace), limit: 0 });
  return items
    .map(({ value }) => core.decoded.peek(kind, value) as PodObject)
    .filter((pod) => selects(budget, pod) && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed');
}

interface Expected {
  expectedPods: number;
  desiredHealthy: number;
}

/** Undefined when nobody says how many Pods there should be, where that is needed. */
function expectedOf(
  core: RegistryCore,
  view: StoreView,
  budget: BudgetObject,
  pods: PodObject[],
): Expected | undefined {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable !== undefined) {
    const expectedPods = scaleOf(core, view, pods);
    if (expectedPods === undefined) return undefined;
    return { expectedPods, desiredHealthy: Math.max(0, expectedPods - countOf(maxUnavailable, expectedPods)) };
  }
  if (minAvailable === undefined || percentOf(minAvailable) === undefined) {
    return { expectedPods: pods.length, desiredHealthy: countOf(minAvailable ?? 0, pods.length) };
  }
  const expectedPods = scaleOf(core, view, pods);
  return expectedPods === undefined ? undefined : { expectedPods, desiredHealthy: countOf(minAvailable, expectedPods) };
}

function countOf(value: IntOrString, total: number): number {
  return resolvePercent(value, total, 'up') ?? 0;
}

/** The replicas of all that the Pods belong to, each counted once. */
function scaleOf(core: RegistryCore, view: StoreView, pods: PodObject[]): number | undefined {
  const replicas = new Map<string, number>();
  for (const pod of pods) {
    const owner = scaledOwner(core, view, pod, pod.metadata.namespace ?? '');
    if (owner === undefined) return undefined;
    replicas.set(owner.metadata.uid ?? '', (owner as { spec?: { replicas?: number } }).spec?.replicas ?? 1);
  }
  return [...replicas.values()].reduce((sum, count) => sum + count, 0);
}

/** The topmost: a ReplicaSet's Deployment, not the ReplicaSet, which is scaled during a roll-out. */
function scaledOwner(
  core: RegistryCore,
  view: StoreView,
  object: KubeObject,
  namespace: string,
): NamedObject | undefined {
  const reference = controllerOf(object);
  if (reference === undefined || !Object.hasOwn(SCALED, reference.kind)) return undefined;
  const kind = kindOf(SCALED[reference.kind] ?? '', reference.kind);
  const value = kind === undefined ? undefined : view.get(objectKey(kind, namespace, reference.name));
  if (kind === undefined || value === undefined) return undefined;
  const owner = core.decoded.peek(kind, value);
  if (owner.metadata.uid !== reference.uid) return undefined;
  return reference.kind === 'ReplicaSet' ? (scaledOwner(core, view, owner, namespace) ?? owner) : owner;
}
