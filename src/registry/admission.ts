/**
 * What Kubernetes' built-in admission sets in new objects, in-process and in its order: ServiceAccount,
 * Priority, DefaultTolerationSeconds. Pure but for the state it looks at.
 */
import type { Kind } from '#src/api/kinds.ts';
import type { Pod, PodSpec, Toleration } from '#src/api/objects.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Identity } from './client.ts';
import type { RegistryCore } from './core.ts';
import { decodeValue } from './bytes.ts';
import { nodeNameOf } from './authorize.ts';
import type { NamedObject } from './raw.ts';
import { forbidden } from './refusals.ts';

export interface AdmissionRequest {
  core: RegistryCore;
  view: StoreView;
  kind: Kind;
  identity: Identity;
}

/** The two classes every cluster has; others are objects. */
const SYSTEM_PRIORITY: Record<string, number> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

const UNREACHABLE_TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

function isPodKind(kind: Kind): boolean {
  return kind.group === '' && kind.resource === 'pods';
}

/** Changes the object in place. @throws ApiError 403 Forbidden. */
export function admitCreate(request: AdmissionRequest, object: NamedObject): void {
  requireOwnNode(request, object);
  if (!isPodKind(request.kind)) return;
  const pod = object as NamedObject & Pod;
  const spec = pod.spec;
  if (spec === undefined) return;
  requireOwnPod(request, pod);
  const isMirror = pod.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;
  if (!isMirror) defaultServiceAccount(spec);
  setPriority(request, pod, spec);
  addTolerations(spec, request.core.config.evictionTolerationSeconds);
}

/** A node registers only itself, its Lease and its slice of the `kubernetes` Service. @throws ApiError 403. */
function requireOwnNode(request: AdmissionRequest, object: NamedObject): void {
  const node = nodeNameOf(request.identity);
  const name = object.metadata.name ?? '';
  const own: Record<string, string> = {
    nodes: node ?? '',
    leases: node ?? '',
    endpointslices: `kubernetes-${node ?? ''}`,
  };
  const wanted = own[request.kind.resource];
  if (node === undefined || wanted === undefined || name === wanted) return;
  throw forbidden(request.kind, name, `node "${node}" is not allowed to create ${request.kind.resource} "${name}"`);
}

/** A node creates only Pods that are its own. @throws ApiError 403. */
function requireOwnPod(request: AdmissionRequest, pod: NamedObject & Pod): void {
  const node = nodeNameOf(request.identity);
  if (node === undefined || pod.spec?.nodeName === node) return;
  throw forbidden(
    request.kind,
    pod.metadata.name ?? '',
    `node "${node}" can only create pods with spec.nodeName set to itself`,
  );
}

/** A node changes or deletes only Pods bound to it. @throws ApiError 403. */
export function requireOwnBoundPod(kind: Kind, identity: Identity, object: NamedObject): void {
  const node = nodeNameOf(identity);
  if (node === undefined || !isPodKind(kind)) return;
  const bound = (object as Pod).spec?.nodeName;
  if (bound === node) return;
  throw forbidden(
    kind,
    object.metadata.name ?? '',
    `node "${node}" can only change pods bound to it, this one is bound to "${bound ?? ''}"`,
  );
}

function defaultServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName ?? spec.serviceAccount ?? '';
  spec.serviceAccountName = name === '' ? 'default' : name;
  // The deprecated alias is kept equal, as Kubernetes' conversion does.
  spec.serviceAccount = spec.serviceAccountName;
}

function setPriority(request: AdmissionRequest, pod: NamedObject & Pod, spec: PodSpec): void {
  const className = spec.priorityClassName ?? '';
  let priority: number | undefined = 0;
  let preemptionPolicy = 'PreemptLowerPriority';
  if (className !== '') {
    priority = SYSTEM_PRIORITY[className];
    const stored = request.view.get(`/registry/scheduling.k8s.io/priorityclasses/${className}`);
    if (stored !== undefined) {
      const found = decodeValue(stored) as NamedObject & { value?: number; preemptionPolicy?: string };
      priority = found.value ?? 0;
      preemptionPolicy = found.preemptionPolicy ?? preemptionPolicy;
    }
    if (priority === undefined) {
      throw forbidden(request.kind, pod.metadata.name ?? '', `no PriorityClass with name ${className} was found`);
    }
  }
  if (spec.priority !== undefined && spec.priority !== priority) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`;
    throw forbidden(request.kind, pod.metadata.name ?? '', why);
  }
  spec.priority = priority;
  spec.preemptionPolicy ??= preemptionPolicy;
}

function tolerates(toleration: Toleration, key: string): boolean {
  const sameKey = toleration.key === key || toleration.key === undefined || toleration.key === '';
  const sameEffect = toleration.effect === undefined || toleration.effect === '' || toleration.effect === 'NoExecute';
  return sameKey && sameEffect;
}

function addTolerations(spec: PodSpec, seconds: number): void {
  const tolerations = spec.tolerations ?? [];
  const missing = UNREACHABLE_TAINTS.filter((key) => !tolerations.some((toleration) => tolerates(toleration, key)));
  if (missing.length === 0) return;
  spec.tolerations = [
    ...tolerations,
    ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds })),
  ];
}
