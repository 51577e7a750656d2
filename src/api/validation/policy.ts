/** Rules of budgets, quotas, limits and classes. Source: Kubernetes 1.36 pkg/apis/{policy,core,scheduling,node}/validation. */
import { deepEqual } from '../metadata.ts';
import { isDns1123Label, isQualifiedName } from '../names.ts';
import type {
  LimitRange,
  LimitRangeItem,
  PodDisruptionBudget,
  PriorityClass,
  ResourceQuota,
  RuntimeClass,
} from '../objects/policy.ts';
import { compareQuantity, isQuantity, parseQuantity } from '../quantity.ts';
import { validateCountOrPercent } from './apps.ts';
import type { Causes } from './causes.ts';
import { validateLabels } from './metadata.ts';
import { validateLabelSelector } from './selector.ts';

export function validateDisruptionBudget(causes: Causes, object: PodDisruptionBudget): void {
  const spec = object.spec ?? {};
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    causes.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  }
  validateCountOrPercent(causes, 'spec.minAvailable', spec.minAvailable, true);
  validateCountOrPercent(causes, 'spec.maxUnavailable', spec.maxUnavailable, true);
  causes.oneOf('spec.unhealthyPodEvictionPolicy', spec.unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget']);
  if (spec.selector !== undefined) validateLabelSelector(causes, 'spec.selector', spec.selector);
}

/** Names without a prefix that a quota may count. */
const QUOTA_RESOURCES: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
]);
const COUNTED: ReadonlySet<string> = new Set([
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
]);
const SCOPES = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];

export function validateQuota(causes: Causes, quota: ResourceQuota): void {
  const { hard = {}, scopes = [], scopeSelector } = quota.spec ?? {};
  for (const [name, value] of Object.entries(hard)) {
    const field = `spec.hard[${name}]`;
    causes.invalidEach(field, name, isQualifiedName(name));
    const isPlain = !name.includes('/') && !/^(?:requests\.)?hugepages-/.test(name);
    if (isPlain && !QUOTA_RESOURCES.has(name)) causes.invalid(field, name, 'must be a standard resource for quotas');
    if (!isQuantity(value)) continue;
    const { nano } = parseQuantity(value);
    if (nano < 0n) causes.invalid(field, value, 'must be greater than or equal to 0');
    if ((COUNTED.has(name) || name.startsWith('count/')) && nano % 1_000_000_000n !== 0n) {
      causes.invalid(field, value, 'must be an integer');
    }
  }
  for (const scope of scopes) {
    if (!SCOPES.includes(scope)) causes.invalid('spec.scopes', scopes, 'unsupported scope');
  }
  for (const [a, b] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ] as const) {
    if (scopes.includes(a) && scopes.includes(b)) causes.invalid('spec.scopes', scopes, 'conflicting scopes');
  }
  for (const [index, { scopeName, operator, values = [] }] of (scopeSelector?.matchExpressions ?? []).entries()) {
    const field = `spec.scopeSelector.matchExpressions[${index}]`;
    if (!SCOPES.includes(scopeName)) causes.invalid(`${field}.scopeName`, scopeName ?? '', 'unsupported scope');
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues && values.length === 0) {
      causes.required(
        `${field}.values`,
        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      );
    }
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
      causes.invalid(
        `${field}.values`,
        values,
        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
      );
    }
    if (!takesValues && operator !== 'Exists' && operator !== 'DoesNotExist') {
      causes.invalid(`${field}.operator`, operator ?? '', 'not a valid selector operator');
    }
  }
}

export function validateQuotaUpdate(causes: Causes, updated: ResourceQuota, current: ResourceQuota): void {
  const [after, before] = [updated.spec?.scopes ?? [], current.spec?.scopes ?? []];
  if (!deepEqual([...after].sort(), [...before].sort())) causes.immutable('spec.scopes', after);
}

export function validateLimitRange(causes: Causes, range: LimitRange): void {
  const seen = new Set<string>();
  for (const [index, item] of (range.spec?.limits ?? []).entries()) {
    const field = `spec.limits[${index}]`;
    causes.invalidEach(`${field}.type`, item.type ?? '', isQualifiedName(item.type ?? ''));
    if (seen.has(item.type)) causes.duplicate(`${field}.type`, item.type);
    seen.add(item.type);
    validateLimitItem(causes, field, item);
  }
}

type Amounts = Record<string, string>;

function validateLimitItem(causes: Causes, field: string, item: LimitRangeItem): void {
  if (item.type === 'Pod') {
    for (const key of ['default', 'defaultRequest'] as const) {
      if (item[key] !== undefined) causes.forbidden(`${field}.${key}`, "may not be specified when `type` is 'Pod'");
    }
  }
  if (item.type === 'PersistentVolumeClaim') {
    const has = item.min?.['storage'] !== undefined || item.max?.['storage'] !== undefined;
    const text = 'either minimum or maximum storage value is required, but neither was provided';
    if (!has) causes.required(`${field}.limits`, text);
  }
  const { min = {}, max = {}, default: limit = {}, defaultRequest: request = {} } = item;
  validateOrder(causes, `${field}.min`, ['min', min], ['max', max]);
  validateOrder(causes, `${field}.defaultRequest`, ['min', min], ['default request', request]);
  validateOrder(causes, `${field}.defaultRequest`, ['default request', request], ['max', max]);
  validateOrder(causes, `${field}.defaultRequest`, ['default request', request], ['default limit', limit]);
  validateOrder(causes, `${field}.default`, ['min', min], ['default', limit]);
  validateOrder(causes, `${field}.default`, ['default', limit], ['max', max]);
  for (const [name, ratio] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    if (isQuantity(ratio) && parseQuantity(ratio).nano < 1_000_000_000n) {
      causes.invalid(`${field}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`);
    }
  }
}

/** The first may not be greater than the second, where both are given. */
function validateOrder(causes: Causes, field: string, low: [string, Amounts], high: [string, Amounts]): void {
  for (const [name, value] of Object.entries(low[1])) {
    const other = high[1][name];
    if (other === undefined || !isQuantity(value) || !isQuantity(other)) continue;
    if (compareQuantity(parseQuantity(value), parseQuantity(other)) <= 0) continue;
    causes.invalid(`${field}[${name}]`, value, `${low[0]} value ${value} is greater than ${high[0]} value ${other}`);
  }
}

const SYSTEM_CLASSES: Record<string, number> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
const USER_PRIORITY_MAX = 1_000_000_000;

export function validatePriorityClass(causes: Causes, priorityClass: PriorityClass): void {
  const name = priorityClass.metadata?.name ?? '';
  const value = priorityClass.value ?? 0;
  if (name.startsWith('system-')) {
    const reserved = "priority class names with 'system-' prefix are reserved for system use only. error: ";
    const known = Object.hasOwn(SYSTEM_CLASSES, name) ? SYSTEM_CLASSES[name] : undefined;
    if (known === undefined) {
      causes.forbidden('metadata.name', `${reserved}${name} is not a known system priority class`);
    } else if (known !== value) {
      causes.forbidden('metadata.name', `${reserved}value of ${name} PriorityClass must be ${known}`);
    }
  } else if (value > USER_PRIORITY_MAX) {
    const text = `maximum allowed value of a user defined priority is ${USER_PRIORITY_MAX}`;
    causes.forbidden('value', text);
  }
  causes.oneOf('preemptionPolicy', priorityClass.preemptionPolicy, ['Never', 'PreemptLowerPriority']);
}

export function validatePriorityClassUpdate(causes: Causes, updated: PriorityClass, current: PriorityClass): void {
  if ((updated.value ?? 0) !== (current.value ?? 0)) causes.forbidden('value', 'may not be changed in an update.');
  if (updated.preemptionPolicy !== current.preemptionPolicy) {
    causes.immutable('preemptionPolicy', updated.preemptionPolicy ?? '');
  }
}

export function validateRuntimeClass(causes: Causes, runtimeClass: RuntimeClass): void {
  const handler = runtimeClass.handler ?? '';
  causes.invalidEach('handler', handler, isDns1123Label(handler));
  validateLabels(causes, 'scheduling.nodeSelector', runtimeClass.scheduling?.nodeSelector);
}

export function validateRuntimeClassUpdate(causes: Causes, updated: RuntimeClass, current: RuntimeClass): void {
  if (updated.handler !== current.handler) causes.immutable('handler', updated.handler ?? '');
}
