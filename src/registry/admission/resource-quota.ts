/**
 * ResourceQuota, counted in the transaction of the write: each resource of a quota is a bounded counter, so
 * that creates at the same time neither overshoot nor hinder each other. `status.used` is a copy of the
 * counters, made on the leader (quota-keeper.ts), which also counts anew.
 */
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { Container, Pod } from '#src/api/objects.ts';
import type { ResourceQuota } from '#src/api/objects/policy.ts';
import { parseQuantity } from '#src/api/quantity.ts';
import type { Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { decodeValue } from '../bytes.ts';
import { objectRange, quotaCounterKey } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionEffect, type AdmissionPlugin, type Attributes } from './attributes.ts';
import { resourcesOf } from './pod-resources.ts';
import { concerns, textOf, unitsOf, usageOf } from './quota-usage.ts';

/** Quotas of a namespace that are kept to. */
const QUOTAS_MAX = 1000;
/** Kubernetes' quota counts neither Events nor reviews. */
const UNCOUNTED = ['events', 'localsubjectaccessreviews', 'bindings'];
const COMPUTE = /^(?:(requests|limits)\.)?(cpu|memory)$/;

export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  validate(attributes) {
    const { view, kind, namespace, object, old } = attributes;
    if (namespace === undefined || object === undefined) return undefined;
    const operations = quotasOf(view, kind, namespace).flatMap((quota) => chargesOf(attributes, quota, object, old));
    return { conditions: [], operations } satisfies AdmissionEffect;
  },
};

/** What the removal of an object gives back. */
export function releaseQuota(view: StoreView, kind: Kind, object: NamedObject): Operation[] {
  const { namespace } = object.metadata;
  if (namespace === undefined) return [];
  if (kind.group === '' && kind.resource === 'resourcequotas') return forget(view, object);
  return quotasOf(view, kind, namespace)
    .filter((quota) => concerns(quota, kind, object))
    .flatMap((quota) =>
      Object.keys(quota.spec?.hard ?? {}).flatMap((resource) =>
        lower(view, quota, resource, usageOf(kind, object).get(resource) ?? 0),
      ),
    );
}

function quotasOf(view: StoreView, kind: Kind, namespace: string): ResourceQuota[] {
  const quotas = findKind({ group: '', version: 'v1', resource: 'resourcequotas' });
  if (quotas === undefined || UNCOUNTED.includes(kind.resource)) return [];
  const { items } = view.range({ ...objectRange(quotas, namespace), limit: QUOTAS_MAX });
  return items.map(({ value }) => decodeValue(value) as ResourceQuota);
}

function counterOf(quota: ResourceQuota, resource: string): string {
  return quotaCounterKey(quota.metadata.namespace ?? '', quota.metadata.uid ?? '', resource);
}

/** Never below what is counted: a counter that lags is set right by counting anew. */
function lower(view: StoreView, quota: ResourceQuota, resource: string, by: number): Operation[] {
  const key = counterOf(quota, resource);
  const delta = Math.min(by, view.counter(key));
  return delta === 0 ? [] : [{ type: 'addBounded', key, delta: -delta, max: Number.MAX_SAFE_INTEGER }];
}

function forget(view: StoreView, object: NamedObject): Operation[] {
  const quota = object as ResourceQuota;
  return Object.keys(quota.spec?.hard ?? {}).flatMap((resource) =>
    lower(view, quota, resource, Number.MAX_SAFE_INTEGER),
  );
}

interface Charge {
  resource: string;
  delta: number;
  used: number;
  hard: string;
}

/** @throws ApiError 403 when the quota does not allow it, or does not know yet. */
function chargesOf(
  attributes: Attributes,
  quota: ResourceQuota,
  object: NamedObject,
  old: NamedObject | undefined,
): Operation[] {
  const { kind, view, name } = attributes;
  const after = concerns(quota, kind, object) ? usageOf(kind, object) : undefined;
  const before = old !== undefined && concerns(quota, kind, old) ? usageOf(kind, old) : undefined;
  if (after === undefined && before === undefined) return [];
  const hard = Object.entries(quota.spec?.hard ?? {});
  if (after !== undefined && old === undefined && isPodKind(kind)) requireNamed(attributes, quota, object as Pod);
  const charges: Charge[] = hard
    .map(([resource, limit]) => ({
      resource,
      delta: (after?.get(resource) ?? 0) - (before?.get(resource) ?? 0),
      used: view.counter(counterOf(quota, resource)),
      hard: limit,
    }))
    .filter(({ delta }) => delta !== 0);
  const raised = charges.filter(({ delta }) => delta > 0);
  const unknown = raised.filter(({ resource }) => quota.status?.hard?.[resource] === undefined);
  const quotaName = quota.metadata.name ?? '';
  if (unknown.length > 0) {
    const resources = unknown.map(({ resource }) => resource).toSorted();
    throw forbidden(kind, name, `status unknown for quota: ${quotaName}, resources: ${resources.join(',')}`);
  }
  requireRoom(attributes, quotaName, raised);
  return charges.flatMap(({ resource, delta, hard: limit }): Operation[] =>
    delta < 0
      ? lower(view, quota, resource, -delta)
      : [{ type: 'addBounded', key: counterOf(quota, resource), delta, max: unitsOf(resource, parseQuantity(limit)) }],
  );
}

function requireRoom({ kind, name }: Attributes, quota: string, raised: readonly Charge[]): void {
  const exceeded = raised
    .filter(({ resource, used, delta, hard }) => used + delta > unitsOf(resource, parseQuantity(hard)))
    .toSorted((a, b) => (a.resource < b.resource ? -1 : 1));
  if (exceeded.length === 0) return;
  const list = (units: (charge: Charge) => number): string =>
    exceeded.map((one) => `${one.resource}=${textOf(one.resource, units(one), one.hard)}`).join(',');
  const limited = exceeded.map(({ resource, hard }) => `${resource}=${hard}`).join(',');
  const why = `requested: ${list((one) => one.delta)}, used: ${list((one) => one.used)}, limited: ${limited}`;
  throw forbidden(kind, name, `exceeded quota: ${quota}, ${why}`);
}

/** A Pod in the scope of a compute quota says what it needs, container by container. @throws ApiError 403. */
function requireNamed({ kind, name }: Attributes, quota: ResourceQuota, { spec }: Pod): void {
  const containers: Container[] = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const whole = (spec as { resources?: Record<string, Record<string, string>> } | undefined)?.resources;
  const missing = Object.keys(quota.spec?.hard ?? {})
    .toSorted()
    .flatMap((resource) => {
      const match = COMPUTE.exec(resource);
      if (match === null) return [];
      const side = match[1] === 'limits' ? 'limits' : 'requests';
      const unit = match[2] ?? '';
      if (whole?.[side]?.[unit] !== undefined) return [];
      const silent = containers.filter((one) => resourcesOf(one, side)?.[unit] === undefined);
      return silent.length === 0 ? [] : [`${resource} for: ${silent.map((one) => one.name).join(',')}`];
    });
  if (missing.length === 0) return;
  throw forbidden(kind, name, `failed quota: ${quota.metadata.name ?? ''}: must specify ${missing.join('; ')}`);
}
