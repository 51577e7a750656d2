/** Small things about objects that everyone needs. */
import type { KubeObject, OwnerReference } from './object.ts';

export interface ConditionLike {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** Deep equality of JSON values; key order and prototype do not count, an undefined member is an absent one. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => deepEqual(item, b[index]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key of Object.keys(left)) {
    if (left[key] === undefined) continue;
    if (!Object.hasOwn(right, key) || !deepEqual(left[key], right[key])) return false;
  }
  for (const key of Object.keys(right)) {
    if (right[key] !== undefined && (!Object.hasOwn(left, key) || left[key] === undefined)) return false;
  }
  return true;
}

/** A deep copy of a JSON value; objects keep having, or not having, a prototype. */
export function deepCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(deepCopy) as T;
  const copy = Object.create(Object.getPrototypeOf(value) as object | null) as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    // Plain assignment to `__proto__` would set the prototype of an object that has one.
    if (key === '__proto__')
      Object.defineProperty(copy, key, {
        value: deepCopy(member),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else copy[key] = deepCopy(member);
  }
  return copy as T;
}

export function findCondition<T extends ConditionLike>(
  conditions: readonly T[] | undefined,
  type: string,
): T | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly ConditionLike[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/**
 * The list with this condition set: lastTransitionTime moves to `now` only when the status changes.
 * `now` is RFC 3339 text. The same list when nothing changed.
 */
export function withCondition<T extends ConditionLike>(
  conditions: readonly T[] | undefined,
  condition: T,
  now: string,
): T[] {
  const list = [...(conditions ?? [])];
  const index = list.findIndex((known) => known.type === condition.type);
  const before = list[index];
  const lastTransitionTime = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
  const after: T = { ...condition, lastTransitionTime };
  if (before === undefined) list.push(after);
  else if (deepEqual(before, after)) return conditions as T[];
  else list[index] = after;
  return list;
}

/** The reference with `controller: true`. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

/** A reference to the controller of a new object, as controllers write it. */
export function controllerReference(owner: KubeObject & { apiVersion: string; kind: string }): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** RFC 3339 in whole seconds, as creationTimestamp is written. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 with six digits, as Lease times are written. */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}
