/** What one object uses of a quota's resources, and whether a quota concerns it. Counted in whole units, CPU in thousandths. */
import type { Kind } from '#src/api/kinds.ts';
import type { Pod, PodSpec, Service } from '#src/api/objects.ts';
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '#src/api/objects/policy.ts';
import { formatQuantity, parseQuantity, quantityMilliValue, quantityValue, type Quantity } from '#src/api/quantity.ts';
import type { NamedObject } from '../raw.ts';
import { isPodKind } from './attributes.ts';
import { podResources } from './pod-resources.ts';

/** Resource name → units. */
export type Usage = Map<string, number>;

/** Kinds that quotas have always counted by their bare names. */
const BARE_NAMES = [
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
];
/** Requests that may be named without their prefix. */
const PLAIN_REQUESTS = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;
const LIMITS = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;

function isCpu(resource: string): boolean {
  return resource === 'cpu' || resource.endsWith('.cpu');
}

export function unitsOf(resource: string, quantity: Quantity): number {
  const units = isCpu(resource) ? quantityMilliValue(quantity) : quantityValue(quantity);
  return Math.max(0, Math.min(units, Number.MAX_SAFE_INTEGER));
}

/** As the quota's own text would write it: `500m`, `1Gi`. */
export function textOf(resource: string, units: number, like: string): string {
  const { format } = parseQuantity(like);
  return formatQuantity({ nano: BigInt(units) * (isCpu(resource) ? 1_000_000n : 1_000_000_000n), format });
}

export function countName({ group, resource }: Pick<Kind, 'group' | 'resource'>): string {
  return `count/${resource}${group === '' ? '' : `.${group}`}`;
}

export function usageOf(kind: Kind, object: NamedObject): Usage {
  const usage: Usage = new Map([[countName(kind), 1]]);
  if (kind.group !== '') return usage;
  if (BARE_NAMES.includes(kind.resource)) usage.set(kind.resource, 1);
  if (isPodKind(kind)) addPod(usage, object as NamedObject & Pod);
  else if (kind.resource === 'services') addService(usage, object as NamedObject & Service);
  else if (kind.resource === 'persistentvolumeclaims') addClaim(usage, object as Claim);
  return usage;
}

function addPod(usage: Usage, pod: Pod): void {
  const phase = pod.status?.phase;
  // What has ended uses nothing but its place in the store.
  if (phase === 'Succeeded' || phase === 'Failed' || pod.spec === undefined) return;
  usage.set('pods', 1);
  for (const [name, quantity] of podResources(pod.spec, 'requests')) {
    usage.set(`requests.${name}`, unitsOf(name, quantity));
    if (PLAIN_REQUESTS.test(name)) usage.set(name, unitsOf(name, quantity));
  }
  for (const [name, quantity] of podResources(pod.spec, 'limits')) {
    if (LIMITS.test(name)) usage.set(`limits.${name}`, unitsOf(name, quantity));
  }
}

function addService(usage: Usage, { spec }: Service): void {
  const ports = spec?.ports ?? [];
  const allocates = (spec as { allocateLoadBalancerNodePorts?: boolean } | undefined)?.allocateLoadBalancerNodePorts;
  if (spec?.type === 'NodePort') usage.set('services.nodeports', ports.length);
  if (spec?.type !== 'LoadBalancer') return;
  usage.set('services.loadbalancers', 1);
  const held = allocates === false ? ports.filter((port) => (port.nodePort ?? 0) !== 0) : ports;
  usage.set('services.nodeports', held.length);
}

type Claim = NamedObject & {
  spec?: { storageClassName?: string; resources?: { requests?: Record<string, string> } };
};

function addClaim(usage: Usage, { spec, metadata }: Claim): void {
  const asked = spec?.resources?.requests?.['storage'];
  const units = asked === undefined ? 0 : unitsOf('requests.storage', parseQuantity(asked));
  usage.set('requests.storage', units);
  const className = metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? '';
  if (className === '') return;
  usage.set(`${className}.storageclass.storage.k8s.io/requests.storage`, units);
  usage.set(`${className}.storageclass.storage.k8s.io/persistentvolumeclaims`, 1);
}

/** Scopes are about Pods: a quota that has some concerns nothing else. */
export function concerns(quota: ResourceQuota, kind: Kind, object: NamedObject): boolean {
  const scopes: ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (scopes.length === 0) return true;
  const { spec } = object as Pod;
  return isPodKind(kind) && spec !== undefined && scopes.every((scope) => inScope(scope, spec));
}

function inScope({ scopeName, operator, values }: ScopedResourceSelectorRequirement, spec: PodSpec): boolean {
  switch (scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined;
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return isBestEffort(spec);
    case 'NotBestEffort':
      return !isBestEffort(spec);
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(spec);
    case 'PriorityClass':
      return matchesClass(operator, values ?? [], spec.priorityClassName ?? '');
    default:
      return false;
  }
}

function isBestEffort(spec: PodSpec): boolean {
  const named = [...podResources(spec, 'requests'), ...podResources(spec, 'limits')];
  return !named.some(([name, quantity]) => (name === 'cpu' || name === 'memory') && quantity.nano > 0n);
}

function matchesClass(operator: string, values: readonly string[], name: string): boolean {
  if (operator === 'Exists') return name !== '';
  if (operator === 'DoesNotExist') return name === '';
  return operator === 'In' ? values.includes(name) : !values.includes(name);
}

interface AffinityTerm {
  namespaces?: string[];
  namespaceSelector?: unknown;
}

function crossesNamespaces({ affinity }: PodSpec): boolean {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((one) => [
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ]) as AffinityTerm[];
  return terms.some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined);
}
