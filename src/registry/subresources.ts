/** The parts of an object with verbs of their own: scale, binding, eviction. */
import type { Kind } from '#src/api/kinds.ts';
import { formatTime, withCondition } from '#src/api/metadata.ts';
import type { KubeObject, ObjectMeta } from '#src/api/object.ts';
import type { LabelSelector, Pod } from '#src/api/objects.ts';
import { formatLabelSelector } from '#src/api/selectors.ts';
import { invalid } from '#src/api/validation.ts';
import type { NamedObject } from './raw.ts';
import { badRequest, conflict } from './refusals.ts';

export interface Scale extends KubeObject {
  metadata: ObjectMeta;
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

interface Scalable {
  spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> };
  status?: { replicas?: number };
}

/** autoscaling/v1 Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController, or of a custom resource. */
export function scaleOf(object: NamedObject, kind?: Kind): Scale {
  if (kind?.custom?.scale !== undefined) return customScaleOf(object, kind.custom.scale);
  const scalable = object as NamedObject & Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = selectorText(scalable.spec?.selector);
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)),
    spec: scalable.spec?.replicas === undefined ? {} : { replicas: scalable.spec.replicas },
    status: { replicas: scalable.status?.replicas ?? 0, ...(selector === '' ? {} : { selector }) },
  };
}

type CustomScale = NonNullable<NonNullable<Kind['custom']>['scale']>;

function customScaleOf(object: NamedObject, paths: CustomScale): Scale {
  const replicas = memberAt(object, paths.specReplicas);
  const current = memberAt(object, paths.statusReplicas);
  const selector = paths.labelSelector === undefined ? undefined : memberAt(object, paths.labelSelector);
  const scale = scaleOf({ ...object, spec: undefined, status: undefined } as unknown as NamedObject);
  return {
    ...scale,
    spec: typeof replicas === 'number' ? { replicas } : {},
    status: {
      replicas: typeof current === 'number' ? current : 0,
      ...(typeof selector === 'string' && selector !== '' ? { selector } : {}),
    },
  };
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

/** A copy with another value at the path; what is missing on the way is made. */
function withMember(value: unknown, [name, ...rest]: readonly string[], member: unknown): unknown {
  if (name === undefined) return member;
  const record = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  return { ...record, [name]: withMember((record as Record<string, unknown>)[name], rest, member) };
}

function selectorText(selector: LabelSelector | Record<string, string> | undefined): string {
  if (selector === undefined) return '';
  const isLabelSelector = 'matchLabels' in selector || 'matchExpressions' in selector;
  return isLabelSelector
    ? formatLabelSelector(selector as LabelSelector)
    : formatLabelSelector({ matchLabels: selector as Record<string, string> });
}

/** The object with the replicas of this Scale. @throws ApiError 422. */
export function withScale(kind: Kind, object: NamedObject, wanted: KubeObject): NamedObject {
  const scale = wanted as Partial<Scale>;
  const replicas = scale.spec?.replicas ?? 0;
  const name = object.metadata.name ?? '';
  if ((scale.metadata?.name ?? name) !== name) {
    throw badRequest(
      `the name of the object (${scale.metadata?.name ?? ''}) does not match the name on the URL (${name})`,
    );
  }
  if (!Number.isInteger(replicas) || replicas < 0) {
    throw invalid({ group: 'autoscaling', kind: 'Scale' }, name, [
      {
        reason: 'FieldValueInvalid',
        field: 'spec.replicas',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
      },
    ]);
  }
  const scalable = object as NamedObject & Scalable;
  const metadata = { ...object.metadata };
  if (scale.metadata?.resourceVersion === undefined) delete metadata.resourceVersion;
  else metadata.resourceVersion = scale.metadata.resourceVersion;
  if (scale.metadata?.uid !== undefined) metadata.uid = scale.metadata.uid;
  const paths = kind.custom?.scale;
  if (paths !== undefined) {
    return { ...(withMember(object, paths.specReplicas, replicas) as NamedObject), metadata };
  }
  return { ...object, metadata, spec: { ...scalable.spec, replicas } } as NamedObject;
}

export interface BindingRequest {
  kind: Kind;
  node: string;
  /** Empty: any. */
  uid: string;
  annotations?: Record<string, string>;
  nowMs: number;
}

/** A Pod given to a node. @throws ApiError 409 when it has one, is being deleted, or is another Pod. */
export function bound(object: NamedObject, request: BindingRequest): NamedObject {
  const pod = object as NamedObject & Pod;
  const name = pod.metadata.name ?? '';
  if (request.node === '') {
    throw invalid({ group: '', kind: 'Binding' }, name, [
      { reason: 'FieldValueRequired', field: 'target.name', message: 'Required value' },
    ]);
  }
  if (request.uid !== '' && request.uid !== pod.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${request.uid}, UID in object meta: ${pod.metadata.uid ?? ''}`;
    throw conflict(request.kind, name, why);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(request.kind, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if ((pod.spec?.nodeName ?? '') !== '') {
    throw conflict(request.kind, name, `pod ${name} is already assigned to node ${JSON.stringify(pod.spec?.nodeName)}`);
  }
  if ((pod.spec?.schedulingGates ?? []).length > 0) {
    throw conflict(request.kind, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  const now = formatTime(request.nowMs);
  const conditions = withCondition(pod.status?.conditions, { type: 'PodScheduled', status: 'True' }, now);
  const annotations = { ...pod.metadata.annotations, ...request.annotations };
  return {
    ...pod,
    metadata: { ...pod.metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: request.node },
    status: { ...pod.status, conditions },
  } as NamedObject;
}

/** The delete options inside an Eviction. @throws ApiError 400. */
export function evictionOptions(eviction: KubeObject, name: string): Record<string, unknown> {
  const sent = eviction as KubeObject & { deleteOptions?: Record<string, unknown> };
  if ((sent.metadata?.name ?? name) !== name) throw badRequest('name in URL does not match name in Eviction object');
  return sent.deleteOptions ?? {};
}
