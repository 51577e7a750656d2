/**
 * DELETE: at once when nobody holds the object, else marked with when it may go. Grace is for Pods:
 * their kubelet ends them and deletes again with grace 0.
 */
import { convertToStored } from '#src/api/convert.ts';
import type { Kind } from '#src/api/kinds.ts';
import { deepCopy, formatTime } from '#src/api/metadata.ts';
import type { Namespace, Pod } from '#src/api/objects.ts';
import { invalid } from '#src/api/validation.ts';
import type { StoreView } from '#src/store/view.ts';
import { after, mutate, optionsOf, validate, type Attributes } from './admission/admission.ts';
import { requireOwnBoundPod } from './admission/node-restriction.ts';
import { releaseQuota } from './admission/resource-quota.ts';
import { splitAroundRevision } from './bytes.ts';
import type { DeleteOptions, Identity } from './client.ts';
import type { Plan, Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { markTerminating } from './definitions.ts';
import { objectKey } from './keys.ts';
import { closeMarker, isNamespaceKind, refuseProtected } from './namespaces.ts';
import { objectOf, type NamedObject } from './raw.ts';
import { conflict, notFound } from './refusals.ts';
import { removalOf } from './removal.ts';
import { isFinished } from './update.ts';

export const POD_GRACE_PERIOD_SECONDS_DEFAULT = 30;
const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';

const PRESERVED =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';

export interface DeleteRequest {
  kind: Kind;
  namespace: string | undefined;
  name: string;
  identity: Identity;
  options: DeleteOptions;
}

export function planDelete(core: RegistryCore, request: DeleteRequest): Planner {
  const { kind, namespace, name, options } = request;
  checkOptions(options);
  const key = objectKey(kind, namespace, name);
  return (view: StoreView) => {
    refuseProtected(kind, name);
    const value = view.get(key);
    if (value === undefined) throw notFound(kind, name);
    const current = objectOf(kind, value);
    requireOwnBoundPod(kind, request.identity, current);
    checkPreconditions(request, current);
    const marked = mark(core, request, current);
    const plan: Plan = {
      resource: kind,
      name,
      outcome: 'unchanged',
      object: current,
      conditions: [],
      operations: [],
      warnings: options.propagationPolicy === undefined && kind.resource === 'jobs' ? [PRESERVED] : [],
    };
    const conditions: Plan['conditions'] = [{ type: 'modRevision', key, revision: value.modRevision }];
    if (marked === undefined) return plan;
    const attributes = attributesOf(core, view, request, current);
    return after(admit(attributes), () => planOf(attributes, { plan, conditions, key, current, marked }));
  };
}

function admit(attributes: Attributes): unknown {
  return after(mutate(attributes), () => validate(attributes));
}

function attributesOf(
  core: RegistryCore,
  view: StoreView,
  { kind, namespace, name, identity, options }: DeleteRequest,
  old: NamedObject,
): Attributes {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options;
  const shown = { gracePeriodSeconds, propagationPolicy, preconditions };
  return {
    core,
    view,
    operation: 'DELETE',
    kind,
    subresource: '',
    namespace,
    name,
    object: undefined,
    old,
    identity,
    dryRun: dryRun === true,
    options: { ...optionsOf('DeleteOptions', { dryRun }), ...shown },
    warnings: [],
    annotations: {},
  };
}

function planOf(
  { view, kind, name, warnings }: Attributes,
  at: { plan: Plan; conditions: Plan['conditions']; key: string; current: NamedObject; marked: NamedObject },
): Plan {
  const { conditions, key, current, marked } = at;
  const plan = { ...at.plan, warnings: [...at.plan.warnings, ...warnings] };
  if (isFinished(kind, marked)) {
    const operations = [...removalOf({ kind, key, object: current }), ...releaseQuota(view, kind, current)];
    return { ...plan, outcome: 'removed', conditions, operations };
  }
  const closes = isNamespaceKind(kind) && current.metadata.deletionTimestamp === undefined ? [closeMarker(name)] : [];
  const put = { type: 'put' as const, key, ...splitAroundRevision(convertToStored(kind, marked)) };
  return { ...plan, outcome: 'updated', object: marked, conditions, operations: [put, ...closes] };
}

function checkOptions(options: DeleteOptions): void {
  const policy = options.propagationPolicy as string | undefined;
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        reason: 'FieldValueNotSupported',
        field: 'propagationPolicy',
        message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
      },
    ]);
  }
}

function checkPreconditions(request: DeleteRequest, current: NamedObject): void {
  const { kind, name } = request;
  const wanted = request.options.preconditions;
  if (wanted?.uid !== undefined && wanted.uid !== current.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${current.metadata.uid ?? ''}`,
    );
  }
  const revision = wanted?.resourceVersion;
  if (revision !== undefined && revision !== current.metadata.resourceVersion) {
    const found = current.metadata.resourceVersion ?? '';
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${revision}, ResourceVersion in object meta: ${found}`,
    );
  }
}

/** The object as this delete leaves it; undefined when it changes nothing. */
function mark(core: RegistryCore, request: DeleteRequest, current: NamedObject): NamedObject | undefined {
  const { kind, options } = request;
  const object = deepCopy(current);
  const meta = object.metadata;
  const graceSeconds = graceOf(kind, object, options);
  const finalizers = finalizersAfter(kind, meta.finalizers ?? [], options);
  const changedFinalizers = finalizers.join() !== (meta.finalizers ?? []).join();
  if (changedFinalizers) meta.finalizers = finalizers;
  if (meta.deletionTimestamp === undefined) {
    meta.deletionTimestamp = formatTime(core.clock.wallMs() + graceSeconds * 1000);
    meta.deletionGracePeriodSeconds = graceSeconds;
    if (meta.generation !== undefined) meta.generation += 1;
    if (isNamespaceKind(kind)) setTerminating(object);
    markTerminating(kind, object, core.clock.wallMs());
    return object;
  }
  // A second delete can only shorten the time left (Kubernetes rest.BeforeDelete).
  const before = meta.deletionGracePeriodSeconds ?? 0;
  if (graceSeconds < before) {
    const requestedAtMs = Date.parse(meta.deletionTimestamp) - before * 1000;
    const dueMs = Math.max(requestedAtMs + graceSeconds * 1000, 0);
    meta.deletionTimestamp = formatTime(dueMs);
    meta.deletionGracePeriodSeconds = graceSeconds;
    return object;
  }
  return changedFinalizers || isFinished(kind, object) ? object : undefined;
}

function graceOf(kind: Kind, object: NamedObject, options: DeleteOptions): number {
  if (kind.group !== '' || kind.resource !== 'pods') return 0;
  const pod = object as NamedObject & Pod & { status?: { phase?: string } };
  // Nobody runs it, so nobody would end it.
  if ((pod.spec?.nodeName ?? '') === '') return 0;
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0;
  const asked = options.gracePeriodSeconds;
  const seconds = asked ?? pod.spec?.terminationGracePeriodSeconds ?? POD_GRACE_PERIOD_SECONDS_DEFAULT;
  // Negative is read as one second, as Kubernetes does.
  return seconds < 0 ? 1 : seconds;
}

/** Kinds older than garbage collection: deleted without a word, they leave what they made (batch/v1, core/v1). */
const ORPHANING: ReadonlySet<string> = new Set(['batch/v1 Job', 'v1 ReplicationController']);

function orphansByDefault(kind: Kind): boolean {
  return ORPHANING.has(`${kind.apiVersion} ${kind.kind}`);
}

function finalizersAfter(kind: Kind, finalizers: string[], options: DeleteOptions): string[] {
  const decided = finalizers.includes(ORPHAN) || finalizers.includes(FOREGROUND);
  const policy = options.propagationPolicy ?? (orphansByDefault(kind) && !decided ? 'Orphan' : undefined);
  if (policy === undefined) return finalizers;
  const kept = finalizers.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  if (policy === 'Orphan') return [...kept, ORPHAN];
  if (policy === 'Foreground') return [...kept, FOREGROUND];
  return kept;
}

function setTerminating(object: NamedObject): void {
  const namespace = object as NamedObject & Namespace;
  namespace.status = { ...namespace.status, phase: 'Terminating' };
}
