/** What Kubernetes refuses, in its words. */
import { ApiError, type StatusCause } from './api-error.ts';
import type { KubeObject } from './object.ts';
import type { Kind } from './kinds.ts';

/** Causes against a defaulted new object; empty when valid. `metadata.name` must be set already. */
export function validateCreate(_kind: Kind, _object: KubeObject): StatusCause[] {
  return [];
}

/** Causes against a change. `subresource` is '' , 'status', 'scale', … */
export function validateUpdate(
  _kind: Kind,
  _updated: KubeObject,
  _current: KubeObject,
  _subresource = '',
): StatusCause[] {
  return [];
}

/** The 422 that kubectl prints: `Deployment.apps "x" is invalid: spec.selector: Required value`. */
export function invalid(kind: { group: string; kind: string }, name: string, causes: StatusCause[]): ApiError {
  const texts = causes.map((cause) => (cause.field === undefined ? cause.message : `${cause.field}: ${cause.message}`));
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new ApiError(422, 'Invalid', `${qualified} "${name}" is invalid: ${text}`, {
    details: { name, group: kind.group, kind: kind.kind, causes },
  });
}
