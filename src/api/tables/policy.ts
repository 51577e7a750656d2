/** Tables of limits, budgets, classes and flow control. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import type { KubeObject } from '../object.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../objects/flowcontrol.ts';
import type { PodDisruptionBudget, PriorityClass, ResourceQuota, RuntimeClass } from '../objects/policy.ts';
import { age, AGE, column, NAME, nameOf, printer } from './printer.ts';

export const resourceQuota = printer<ResourceQuota>(
  [NAME, column('Request', 'What is used, of what may be.'), column('Limit', 'Limits used, of those allowed.'), AGE],
  (object, nowMs) => {
    const { hard = {}, used = {} } = object.status ?? {};
    const texts = (limits: boolean): string =>
      Object.keys(hard)
        .sort()
        .filter((name) => name.startsWith('limits.') === limits)
        .map((name) => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
        .join(', ');
    return [nameOf(object), texts(false), texts(true), age(object, nowMs)];
  },
);

export const disruptionBudget = printer<PodDisruptionBudget>(
  [
    NAME,
    column('Min Available', 'Pods that must stay.'),
    column('Max Unavailable', 'Pods that may go.'),
    column('Allowed Disruptions', 'Pods that may go now.', 'integer'),
    AGE,
  ],
  (object, nowMs) => [
    nameOf(object),
    String(object.spec?.minAvailable ?? 'N/A'),
    String(object.spec?.maxUnavailable ?? 'N/A'),
    object.status?.disruptionsAllowed ?? 0,
    age(object, nowMs),
  ],
);

export const priorityClass = printer<PriorityClass>(
  [
    NAME,
    column('Value', 'Priority of its Pods.', 'integer'),
    column('Global-Default', 'Whether Pods without a class are of it.', 'boolean'),
    AGE,
    column('PreemptionPolicy', 'Whether its Pods push others out.'),
  ],
  (object, nowMs) => [
    nameOf(object),
    object.value ?? 0,
    object.globalDefault ?? false,
    age(object, nowMs),
    object.preemptionPolicy ?? '',
  ],
);

export const runtimeClass = printer<RuntimeClass>(
  [NAME, column('Handler', 'How the node runs its Pods.'), AGE],
  (object, nowMs) => [nameOf(object), object.handler ?? '', age(object, nowMs)],
);

export const flowSchema = printer<FlowSchema>(
  [
    NAME,
    column('PriorityLevel', 'Where its requests go.'),
    column('MatchingPrecedence', 'Lower is looked at first.'),
    column('DistinguisherMethod', 'What tells its flows apart.'),
    AGE,
    column('MissingPL', 'Whether its priority level is missing.'),
  ],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.priorityLevelConfiguration?.name ?? '',
    object.spec?.matchingPrecedence ?? 0,
    object.spec?.distinguisherMethod?.type ?? '<none>',
    age(object, nowMs),
    object.status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
  ],
);

export const priorityLevel = printer<PriorityLevelConfiguration>(
  [
    NAME,
    column('Type', 'Exempt or Limited.'),
    column('NominalConcurrencyShares', 'Its share of the requests at once.'),
    column('Queues', 'Number of its queues.'),
    column('HandSize', 'Queues that one flow is dealt.'),
    column('QueueLengthLimit', 'Requests that wait in one queue at most.'),
    AGE,
  ],
  (object, nowMs) => {
    const limited = object.spec?.limited;
    const queuing = limited?.limitResponse?.queuing;
    return [
      nameOf(object),
      object.spec?.type ?? '',
      limited?.nominalConcurrencyShares ?? '<none>',
      queuing?.queues ?? '<none>',
      queuing?.handSize ?? '<none>',
      queuing?.queueLengthLimit ?? '<none>',
      age(object, nowMs),
    ];
  },
);

/** resource.k8s.io is served as data only, so its shapes are not in objects/. */
interface Claim extends KubeObject {
  status?: { allocation?: unknown; reservedFor?: unknown[] };
}
interface Slice extends KubeObject {
  spec?: { nodeName?: string; driver?: string; pool?: { name?: string } };
}

export const resourceClaim = printer<Claim>(
  [NAME, column('State', 'Where it is in its life.'), AGE],
  (object, nowMs) => {
    const deleted = object.metadata?.deletionTimestamp !== undefined;
    const states = deleted ? ['deleted'] : [];
    if (object.status?.allocation === undefined) states.push(...(deleted ? [] : ['pending']));
    else states.push('allocated', (object.status.reservedFor?.length ?? 0) > 0 ? 'reserved' : '');
    return [nameOf(object), states.filter((state) => state !== '').join(','), age(object, nowMs)];
  },
);

export const resourceSlice = printer<Slice>(
  [
    NAME,
    column('Node', 'Node the devices are at.'),
    column('Driver', 'Driver of the devices.'),
    column('Pool', 'Pool they belong to.'),
    AGE,
  ],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.nodeName ?? '<unset>',
    object.spec?.driver ?? '',
    object.spec?.pool?.name ?? '',
    age(object, nowMs),
  ],
);
