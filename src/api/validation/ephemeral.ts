/** Rules of ephemeral containers. Source: Kubernetes 1.36 pkg/apis/core/validation/validation.go. */
import { deepEqual } from '../metadata.ts';
import type { EphemeralContainer, Pod, PodSpec } from '../objects.ts';
import type { Causes } from './causes.ts';

const NOT_FOR_THEM = 'cannot be set for an Ephemeral Container';
const FORBIDDEN = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/** Of those that a Pod has; what holds for every container is checked with the others. */
export function validateEphemeralContainers(causes: Causes, field: string, spec: Partial<PodSpec>): void {
  const names = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = `${field}.ephemeralContainers[${index}]`;
    for (const key of FORBIDDEN) if (isSet(container, key)) causes.forbidden(`${path}.${key}`, NOT_FOR_THEM);
    for (const [at, mount] of (container.volumeMounts ?? []).entries()) {
      if (mount.subPath) causes.forbidden(`${path}.volumeMounts[${at}].subPath`, NOT_FOR_THEM);
      if (mount.subPathExpr) causes.forbidden(`${path}.volumeMounts[${at}].subPathExpr`, NOT_FOR_THEM);
    }
    const target = container.targetContainerName ?? '';
    if (target !== '' && !names.has(target)) causes.notFound(`${path}.targetContainerName`, target);
  }
}

/** Defaulting leaves an empty `resources`, which is no setting. */
function isSet(container: EphemeralContainer, key: (typeof FORBIDDEN)[number]): boolean {
  const value: unknown = container[key];
  if (value === undefined || value === '') return false;
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}

/** They may be added through their subresource, never changed or removed. */
export function validateEphemeralUpdate(causes: Causes, updated: Pod, current: Pod): void {
  const after = updated.spec?.ephemeralContainers ?? [];
  for (const old of current.spec?.ephemeralContainers ?? []) {
    const same = after.find(({ name }) => name === old.name);
    if (same === undefined) {
      causes.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${old.name}" may not be removed\n`);
    } else if (!deepEqual(same, old)) {
      causes.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${old.name}" may not be changed\n`);
    }
  }
}
