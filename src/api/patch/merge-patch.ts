/** RFC 7386: members replace, null removes, lists are replaced whole. */
import { deepCopy } from '../metadata.ts';

/** A new value; inputs stay unchanged. Cannot fail. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return deepCopy(patch);
  const result = { __proto__: null } as unknown as Record<string, unknown>;
  if (isRecord(target)) {
    for (const key of Object.keys(target)) {
      const change = Object.hasOwn(patch, key) ? patch[key] : undefined;
      if (change === null) continue;
      result[key] = change === undefined ? deepCopy(target[key]) : applyMergePatch(target[key], change);
    }
  }
  for (const key of Object.keys(patch)) {
    const change = patch[key];
    if (change !== null && change !== undefined && !(key in result)) result[key] = applyMergePatch(undefined, change);
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
