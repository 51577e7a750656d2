/**
 * What Kubernetes refuses, in its words. The rules stand in validation/, a file per area.
 * Every rule sees objects that were decoded by type and defaulted; missing required fields are still possible.
 */
import { ApiError, type StatusCause } from './api-error.ts';
import type { Kind } from './kinds.ts';
import type { KubeObject } from './object.ts';
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Event,
  Lease,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Service,
} from './objects.ts';
import { validateDeployment, validateReplicaSet, validateSelectorUpdate } from './validation/apps.ts';
import { Causes } from './validation/causes.ts';
import {
  validateConfigMap,
  validateConfigMapUpdate,
  validateEvent,
  validateLease,
  validateNode,
  validateNodeUpdate,
  validateSecret,
  validateSecretUpdate,
} from './validation/core.ts';
import { validateEphemeralUpdate } from './validation/ephemeral.ts';
import { validateMetadata, validateMetadataUpdate } from './validation/metadata.ts';
import { KIND_RULES } from './validation/rules.ts';
import { validatePodSpec, validatePodUpdate } from './validation/pod.ts';
import {
  validateEndpoints,
  validateEndpointSlice,
  validateService,
  validateServiceUpdate,
} from './validation/service.ts';

/** `create` looks at the object, on updates too; `update` compares it with what was. */
interface Rules<T> {
  create?: (causes: Causes, object: T) => void;
  update?: (causes: Causes, updated: T, current: T) => void;
}

function rules<T>(of: Rules<T>): Rules<KubeObject> {
  return of as Rules<KubeObject>;
}

const RULES: Record<string, Rules<KubeObject>> = {
  'v1 Pod': rules<Pod>({
    create: (causes, pod) => validatePodSpec(causes, 'spec', pod.spec),
    update: validatePodUpdate,
  }),
  'apps/v1 Deployment': rules<Deployment>({ create: validateDeployment, update: validateSelectorUpdate }),
  'apps/v1 ReplicaSet': rules<ReplicaSet>({ create: validateReplicaSet, update: validateSelectorUpdate }),
  'v1 Service': rules<Service>({ create: validateService, update: validateServiceUpdate }),
  'v1 Endpoints': rules<Endpoints>({ create: validateEndpoints }),
  'discovery.k8s.io/v1 EndpointSlice': rules<EndpointSlice>({
    create: validateEndpointSlice,
    update: (causes, updated, current) => {
      if (updated.addressType !== current.addressType) causes.immutable('addressType', updated.addressType ?? '');
    },
  }),
  'v1 ConfigMap': rules<ConfigMap>({ create: validateConfigMap, update: validateConfigMapUpdate }),
  'v1 Secret': rules<Secret>({ create: validateSecret, update: validateSecretUpdate }),
  'v1 Node': rules<Node>({ create: validateNode, update: validateNodeUpdate }),
  'coordination.k8s.io/v1 Lease': rules<Lease>({ create: validateLease }),
  'v1 Event': rules<Event>({ create: validateEvent }),
};

function rulesOf(
  kind: Kind,
): Rules<KubeObject> & { status?: Rules<KubeObject>['update']; onlyNew?: Rules<KubeObject>['create'] } {
  const key = `${kind.apiVersion} ${kind.kind}`;
  if (Object.hasOwn(RULES, key)) return RULES[key] ?? {};
  const { always, create, update, status } = (KIND_RULES[key] ?? {}) as {
    always?: Rules<KubeObject>['create'];
    create?: Rules<KubeObject>['create'];
    update?: Rules<KubeObject>['update'];
    status?: Rules<KubeObject>['update'];
  };
  return {
    ...(always === undefined ? {} : { create: always }),
    ...(create === undefined ? {} : { onlyNew: create }),
    ...(update === undefined ? {} : { update }),
    ...(status === undefined ? {} : { status }),
  };
}

/** Causes against a defaulted new object; empty when valid. `metadata.name` must be set already. */
export function validateCreate(kind: Kind, object: KubeObject): StatusCause[] {
  const causes = new Causes();
  validateMetadata(causes, kind, object.metadata ?? {});
  kind.custom?.validate(causes, object, undefined);
  const { create, onlyNew } = rulesOf(kind);
  create?.(causes, object);
  onlyNew?.(causes, object);
  if (kind.group === '' && kind.kind === 'Pod' && ((object as Pod).spec?.ephemeralContainers ?? []).length > 0)
    causes.forbidden('spec.ephemeralContainers', 'cannot be set on create');
  return causes.list;
}

/**
 * Causes against a change. `subresource` is '', 'status', 'scale', …: status and the like cannot change the spec,
 * so only the metadata is compared, and what the kind says of its status.
 */
export function validateUpdate(kind: Kind, updated: KubeObject, current: KubeObject, subresource = ''): StatusCause[] {
  const causes = new Causes();
  validateMetadata(causes, kind, updated.metadata ?? {});
  validateMetadataUpdate(causes, updated.metadata ?? {}, current.metadata ?? {});
  if (kind.custom !== undefined) {
    kind.custom.validate(causes, updated, current);
    return causes.list;
  }
  const { create, update, status } = rulesOf(kind);
  if (subresource === '' || subresource === 'scale') {
    create?.(causes, updated);
    update?.(causes, updated, current);
  } else if (subresource === 'ephemeralcontainers') {
    validatePodSpec(causes, 'spec', (updated as Pod).spec);
    validateEphemeralUpdate(causes, updated as Pod, current as Pod);
  } else status?.(causes, updated, current);
  return causes.list;
}

/** The 422 that kubectl prints: `Deployment.apps "x" is invalid: spec.selector: Required value`. */
export function invalid(kind: { group: string; kind: string }, name: string, causes: StatusCause[]): ApiError {
  const texts = new Set(
    causes.map((cause) => (cause.field === undefined ? cause.message : `${cause.field}: ${cause.message}`)),
  );
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const list = [...texts];
  const text = list.length === 0 ? '' : `: ${list.length === 1 ? list[0] : `[${list.join(', ')}]`}`;
  return new ApiError(422, 'Invalid', `${qualified} "${name}" is invalid${text}`, {
    details: { name, group: kind.group, kind: kind.kind, causes },
  });
}
