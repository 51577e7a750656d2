/** LimitRanger: defaults for containers that name no resources, and the bounds of containers, Pods and claims. */
import { findKind } from '#src/api/kinds.ts';
import type { Container, Pod } from '#src/api/objects.ts';
import type { LimitRange, LimitRangeItem } from '#src/api/objects/policy.ts';
import { compareQuantity, formatQuantity, parseQuantity, type Quantity } from '#src/api/quantity.ts';
import { decodeValue } from '../bytes.ts';
import { objectRange } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionPlugin, type Attributes } from './attributes.ts';
import { podResources, quantitiesOf, resourcesOf, type Quantities } from './pod-resources.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';
/** LimitRanges of a namespace that are looked at. */
const RANGES_MAX = 1000;
/** Refusals told at once. */
const REASONS_MAX = 32;

type Claim = NamedObject & {
  spec?: { resources?: { requests?: Record<string, string>; limits?: Record<string, string> } };
};

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  mutate(attributes) {
    if (!concernsPod(attributes)) return;
    for (const range of rangesOf(attributes)) applyDefaults(attributes.object as NamedObject & Pod, range);
  },
  validate(attributes) {
    const reasons = rangesOf(attributes).flatMap((range) => refusals(attributes, range));
    if (reasons.length === 0) return undefined;
    const shown = [...new Set(reasons)].slice(0, REASONS_MAX);
    const [first = ''] = shown;
    throw forbidden(attributes.kind, attributes.name, shown.length === 1 ? first : `[${shown.join(', ')}]`);
  },
};

/** Resources of containers do not change afterwards, but by resize. */
function concernsPod({ kind, operation, subresource, object }: Attributes): boolean {
  if (!isPodKind(kind) || object === undefined) return false;
  return (operation === 'CREATE' && subresource === '') || (operation === 'UPDATE' && subresource === 'resize');
}

function concernsClaim({ kind, operation, subresource, object }: Attributes): boolean {
  return (
    kind.resource === 'persistentvolumeclaims' && object !== undefined && operation !== 'DELETE' && subresource === ''
  );
}

function rangesOf(attributes: Attributes): LimitRange[] {
  if (!concernsPod(attributes) && !concernsClaim(attributes)) return [];
  const kind = findKind({ group: '', version: 'v1', resource: 'limitranges' });
  if (kind === undefined) return [];
  const { items } = attributes.view.range({ ...objectRange(kind, attributes.namespace), limit: RANGES_MAX });
  return items.map(({ value }) => decodeValue(value) as LimitRange);
}

function applyDefaults(pod: NamedObject & Pod, range: LimitRange): void {
  const item = range.spec?.limits.findLast(({ type }) => type === 'Container');
  const { spec } = pod;
  if (item === undefined || spec === undefined) return;
  const notes = [
    ...(spec.containers ?? []).flatMap((container) => defaultContainer(container, item, 'container')),
    ...(spec.initContainers ?? []).flatMap((container) => defaultContainer(container, item, 'init container')),
  ];
  if (notes.length === 0) return;
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}`,
  };
}

/** What was set, in words. */
function defaultContainer(container: Container, item: LimitRangeItem, what: string): string[] {
  const notes: string[] = [];
  for (const [side, defaults] of [
    ['requests', item.defaultRequest],
    ['limits', item.default],
  ] as const) {
    const own = resourcesOf(container, side) ?? {};
    const missing = Object.keys(defaults ?? {}).filter((name) => own[name] === undefined);
    if (missing.length === 0) continue;
    const set = Object.fromEntries(missing.map((name) => [name, defaults?.[name] ?? '0']));
    container.resources = { ...container.resources, [side]: { ...own, ...set } };
    notes.push(`${missing.toSorted().join(', ')} ${side.slice(0, -1)} for ${what} ${container.name}`);
  }
  return notes;
}

interface Measured {
  type: string;
  requests: Quantities;
  limits: Quantities;
}

function refusals(attributes: Attributes, range: LimitRange): string[] {
  const measured = concernsClaim(attributes)
    ? [measuredClaim(attributes.object as Claim)]
    : measuredPod(attributes.object as Pod);
  const items = range.spec?.limits ?? [];
  return items.flatMap((item) =>
    measured.filter(({ type }) => type === item.type).flatMap((subject) => boundsOf(item, subject)),
  );
}

function measuredClaim(claim: Claim): Measured {
  const { requests, limits } = claim.spec?.resources ?? {};
  return { type: 'PersistentVolumeClaim', requests: quantitiesOf(requests), limits: quantitiesOf(limits) };
}

function measuredPod({ spec }: Pod): Measured[] {
  if (spec === undefined) return [];
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  return [
    ...containers.map((container) => ({
      type: 'Container',
      requests: quantitiesOf(resourcesOf(container, 'requests')),
      limits: quantitiesOf(resourcesOf(container, 'limits')),
    })),
    { type: 'Pod', requests: podResources(spec, 'requests'), limits: podResources(spec, 'limits') },
  ];
}

function boundsOf(item: LimitRangeItem, subject: Measured): string[] {
  const isClaim = item.type === 'PersistentVolumeClaim';
  return [
    ...each(item.min, (name, bound) => belowMin(subject, name, bound)),
    ...each(item.max, (name, bound) => aboveMax(subject, name, bound, isClaim)),
    ...(isClaim ? [] : each(item.maxLimitRequestRatio, (name, bound) => aboveRatio(subject, name, bound))),
  ];
}

function each(
  list: Record<string, string> | undefined,
  check: (name: string, bound: Quantity) => string | undefined,
): string[] {
  return Object.entries(list ?? {}).flatMap(([name, text]) => check(name, parseQuantity(text)) ?? []);
}

function belowMin({ type, requests, limits }: Measured, name: string, bound: Quantity): string | undefined {
  const request = requests.get(name);
  const limit = limits.get(name);
  const head = `minimum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (request === undefined) return `${head}.  No request is specified`;
  if (compareQuantity(request, bound) < 0) return `${head}, but request is ${formatQuantity(request)}`;
  if (limit !== undefined && compareQuantity(limit, bound) < 0) return `${head}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

/** A claim has requests only. */
function aboveMax(
  { type, requests, limits }: Measured,
  name: string,
  bound: Quantity,
  isClaim: boolean,
): string | undefined {
  const request = requests.get(name);
  const limit = limits.get(name);
  const head = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (!isClaim) {
    if (limit === undefined) return `${head}.  No limit is specified`;
    if (compareQuantity(limit, bound) > 0) return `${head}, but limit is ${formatQuantity(limit)}`;
  } else if (request === undefined) return `${head}.  No request is specified`;
  if (request !== undefined && compareQuantity(request, bound) > 0)
    return `${head}, but request is ${formatQuantity(request)}`;
  return undefined;
}

function aboveRatio({ type, requests, limits }: Measured, name: string, bound: Quantity): string | undefined {
  const request = requests.get(name)?.nano ?? 0n;
  const limit = limits.get(name)?.nano ?? 0n;
  const head = `${name} max limit to request ratio per ${type} is ${formatQuantity(bound)}`;
  if (request === 0n) return `${head}, but no request is specified or request is 0`;
  if (limit === 0n) return `${head}, but no limit is specified or limit is 0`;
  if (limit * 1_000_000_000n <= bound.nano * request) return undefined;
  return `${head}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`;
}
