/** Strategic merge patch, driven by the merge keys of the type table. */

/** A new value; inputs stay unchanged. ApiError 400 / 422 as Kubernetes words it. */
export function applyStrategicMerge(target: unknown, _patch: unknown, _typeName: string): unknown {
  return target;
}
