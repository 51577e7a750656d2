/** PUT and PATCH: what may change, what is carried over, and when an update is the end of an object. */
import { convertToStored } from '#src/api/convert.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import type { Kind } from '#src/api/kinds.ts';
import { managedAfterUpdate } from '#src/api/managed-fields/managed-fields.ts';
import { deepCopy, deepEqual } from '#src/api/metadata.ts';
import type { Namespace, Pod, PodSpec } from '#src/api/objects.ts';
import { invalid, validateUpdate } from '#src/api/validation.ts';
import { warningsOf } from '#src/api/warnings.ts';
import type { Operation, Value } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { after, mutate, optionsOf, validate, type AdmissionEffect, type Attributes } from './admission/admission.ts';
import { requireOwnBoundPod } from './admission/node-restriction.ts';
import { releaseQuota } from './admission/resource-quota.ts';
import { judgeApiService } from './api-services.ts';
import { judgeDefinition } from './definitions.ts';
import { splitAroundRevision } from './bytes.ts';
import type { Identity } from './client.ts';
import type { Plan, Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { objectKey } from './keys.ts';
import { isNamespaceKind } from './namespaces.ts';
import { objectOf, type NamedObject } from './raw.ts';
import { badRequest, conflict, MODIFIED, notFound } from './refusals.ts';
import { removalOf } from './removal.ts';
import { claimAddresses, isServiceKind } from './services.ts';
import { prepareForUpdate } from './strategy.ts';
import { writerOf } from './writer.ts';

export interface UpdateRequest {
  kind: Kind;
  namespace: string | undefined;
  name: string;
  /** '' for the object itself. */
  subresource: string;
  identity: Identity;
  /** The wanted object from the current one (a copy, free to change). PUT ignores the current one. */
  produce: (current: NamedObject, view: StoreView) => { object: NamedObject; warnings: string[] };
  /** For kinds that PUT may create. */
  createInstead?: Planner;
  fieldManager?: string | undefined;
  dryRun?: boolean | undefined;
  /** Server-side apply: what is produced carries its managedFields already. */
  isApply?: boolean;
  /** A PUT without resourceVersion; a patch is never one, it is planned anew from the newest state. */
  isPut: boolean;
}

/** The fields each subresource may write, beside those of metadata. Others keep what they were. */
const SUBRESOURCE_FIELDS: Record<string, string[]> = {
  binding: ['spec', 'status'],
  status: ['status'],
  finalize: ['spec'],
  scale: ['spec'],
  ephemeralcontainers: ['spec'],
  resize: ['spec'],
  approval: ['status'],
};

export function planUpdate(core: RegistryCore, request: UpdateRequest): Planner {
  const { kind, namespace, name } = request;
  const key = objectKey(kind, namespace, name);
  return (view) => {
    const value = view.get(key);
    if (value === undefined) {
      if (request.createInstead !== undefined) return request.createInstead(view);
      throw notFound(kind, name);
    }
    const current = objectOf(kind, value);
    requireOwnBoundPod(kind, request.identity, current);
    const produced = request.produce(deepCopy(current), view);
    checkPreconditions(request, produced.object, current);
    const updated = carryOver(request, produced.object, current);
    applyDefaults(kind, updated);
    const { identity, subresource } = request;
    prepareForUpdate(kind, updated, current, { identity, nowMs: core.clock.wallMs(), subresource });
    const attributes = attributesOf(core, view, request, { object: updated, old: current });
    return after(mutate(attributes), () => {
      const claims =
        isServiceKind(kind) && request.subresource === ''
          ? claimAddresses({ core, view, kind }, updated, current)
          : { conditions: [], operations: [] };
      bumpGeneration(kind, updated, current);
      const causes = [
        ...validateUpdate(kind, updated, current, request.subresource),
        ...judgeDefinition({ core, view, kind }, updated, current),
        ...judgeApiService(core, kind, updated),
      ];
      if (causes.length > 0) throw invalid(kind, name, causes);
      return after(validate(attributes), (effect) => {
        updated.metadata = {
          ...updated.metadata,
          managedFields: request.isApply
            ? (produced.object.metadata.managedFields ?? [])
            : managedOf(core, request, current, updated),
        };
        const isChanged = updated.metadata.generation !== current.metadata.generation;
        const own = isChanged ? warningsOf(kind, updated) : [];
        const warnings = [...produced.warnings, ...own, ...attributes.warnings];
        return planOf({ request, key, value, current, updated, claims, effect, warnings, view });
      });
    });
  };
}

function attributesOf(
  core: RegistryCore,
  view: StoreView,
  { kind, namespace, name, subresource, identity, dryRun, fieldManager, isPut }: UpdateRequest,
  { object, old }: { object: NamedObject; old: NamedObject },
): Attributes {
  return {
    core,
    view,
    operation: 'UPDATE',
    kind,
    subresource,
    namespace,
    name,
    object,
    old,
    identity,
    dryRun: dryRun === true,
    options: optionsOf(isPut ? 'UpdateOptions' : 'PatchOptions', { dryRun, fieldManager }),
    warnings: [],
    annotations: {},
  };
}

/** A write that changes nothing changes nobody's fields either. */
function managedOf(
  core: RegistryCore,
  request: UpdateRequest,
  current: NamedObject,
  updated: NamedObject,
): NonNullable<NamedObject['metadata']['managedFields']> {
  const known = current.metadata.managedFields ?? [];
  const { managedFields: _ours, ...metadata } = current.metadata;
  if (deepEqual(withoutRevision(updated), withoutRevision({ ...current, metadata }))) return known;
  return managedAfterUpdate(request.kind, current, updated, writerOf(core, request.identity, request));
}

interface Outcome {
  request: UpdateRequest;
  key: string;
  value: Value;
  current: NamedObject;
  updated: NamedObject;
  claims: ReturnType<typeof claimAddresses>;
  effect: AdmissionEffect;
  view: StoreView;
  warnings: string[];
}

function planOf(at: Outcome): Plan {
  const { request, key, value, current, updated } = at;
  const { kind, name } = request;
  const unchanged: Plan = {
    resource: kind,
    name,
    outcome: 'unchanged',
    object: current,
    conditions: [],
    operations: [],
    warnings: at.warnings,
  };
  if (deepEqual(withoutRevision(updated), withoutRevision(current))) return unchanged;
  const conditions = [{ type: 'modRevision' as const, key, revision: value.modRevision }, ...at.claims.conditions];
  if (isFinished(kind, updated)) {
    const removal = [...removalOf({ kind, key, object: updated }), ...releaseQuota(at.view, kind, current)];
    return { ...unchanged, outcome: 'removed', object: updated, conditions, operations: removal };
  }
  const put: Operation = { type: 'put', key, ...splitAroundRevision(convertToStored(kind, updated)) };
  conditions.push(...at.effect.conditions);
  const operations = [put, ...at.claims.operations, ...at.effect.operations];
  return { ...unchanged, outcome: 'updated', object: updated, conditions, operations };
}

function withoutRevision(object: NamedObject): unknown {
  const { resourceVersion: _ignored, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function checkPreconditions(request: UpdateRequest, wanted: NamedObject, current: NamedObject): void {
  const { kind, name } = request;
  const meta = wanted.metadata ?? {};
  const sentName = meta.name ?? '';
  if (sentName !== name) {
    if (sentName === '' && request.isPut) throw badRequest('name must be provided');
    throw badRequest(`the name of the object (${sentName}) does not match the name on the URL (${name})`);
  }
  if (kind.namespaced && (meta.namespace ?? '') !== '' && meta.namespace !== request.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if ((meta.uid ?? '') !== '' && meta.uid !== current.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${meta.uid ?? ''}, UID in object meta: ${current.metadata.uid ?? ''}`;
    throw conflict(kind, name, why);
  }
  const revision = meta.resourceVersion ?? '';
  if (revision === '' || revision === '0') {
    if (request.isPut && !kind.allowUnconditionalUpdate) {
      throw invalid(kind, name, [
        {
          reason: 'FieldValueInvalid',
          field: 'metadata.resourceVersion',
          message: 'Invalid value: 0: must be specified for an update',
        },
      ]);
    }
    return;
  }
  if (revision !== current.metadata.resourceVersion) throw conflict(kind, name, MODIFIED);
}

/** What the caller may not decide stays as it is. */
function carryOver(request: UpdateRequest, wanted: NamedObject, current: NamedObject): NamedObject {
  const { kind, subresource } = request;
  const sent = wanted.metadata;
  const fields = SUBRESOURCE_FIELDS[subresource];
  // A status write may change labels and annotations, but not who owns or holds the object.
  const metadata = subresource === '' ? sent : { ...current.metadata, ...pickOf(sent, ['labels', 'annotations']) };
  if (subresource === 'status' && kind.resource !== 'pods' && sent.finalizers !== undefined)
    metadata.finalizers = sent.finalizers;
  const updated = subresource === '' ? { ...wanted } : { ...current };
  const from = wanted as unknown as Record<string, unknown>;
  const into = updated as unknown as Record<string, unknown>;
  for (const field of fields ?? []) into[field] = from[field];
  // Whatever else of the spec is sent stays as it is, as in Kubernetes.
  if (subresource === 'ephemeralcontainers')
    into['spec'] = withEphemeralContainers((current as Pod).spec, (wanted as Pod).spec);
  if (subresource === '' && kind.hasStatus) {
    const status = (current as { status?: unknown }).status;
    if (status === undefined) delete into['status'];
    else into['status'] = status;
  }
  updated.apiVersion = kind.apiVersion;
  updated.kind = kind.kind;
  updated.metadata = systemFields(metadata, current);
  if (isNamespaceKind(kind) && subresource === '') keepNamespaceFinalizers(updated, current);
  return updated;
}

function withEphemeralContainers(current: PodSpec | undefined, wanted: PodSpec | undefined): PodSpec {
  const { ephemeralContainers: _before, ...spec } = { containers: [], ...current };
  const after = wanted?.ephemeralContainers ?? [];
  return { ...spec, ...(after.length === 0 ? {} : { ephemeralContainers: after }) };
}

function pickOf(
  metadata: NamedObject['metadata'],
  keys: ('labels' | 'annotations')[],
): Partial<NamedObject['metadata']> {
  return Object.fromEntries(keys.map((key) => [key, metadata[key]]));
}

function systemFields(sent: NamedObject['metadata'], current: NamedObject): NamedObject['metadata'] {
  const kept = current.metadata;
  const metadata: Record<string, unknown> = {};
  // The order of the stored object is kept, so that an unchanged one has unchanged bytes.
  for (const key of new Set([...Object.keys(kept), ...Object.keys(sent)])) {
    metadata[key] = (sent as Record<string, unknown>)[key];
  }
  for (const key of SYSTEM_FIELDS) {
    if (kept[key] === undefined) delete metadata[key];
    else metadata[key] = kept[key];
  }
  delete metadata['selfLink'];
  delete metadata['managedFields'];
  for (const key of Object.keys(metadata)) if (metadata[key] === undefined) delete metadata[key];
  return metadata as NamedObject['metadata'];
}

const SYSTEM_FIELDS = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'generateName',
  'resourceVersion',
] as const;

/** spec.finalizers of a Namespace changes only through its finalize subresource. */
function keepNamespaceFinalizers(updated: NamedObject, current: NamedObject): void {
  const spec = (current as NamedObject & Namespace).spec;
  (updated as NamedObject & Namespace).spec = {
    ...(updated as NamedObject & Namespace).spec,
    ...(spec?.finalizers === undefined ? {} : { finalizers: spec.finalizers }),
  };
}

function bumpGeneration(kind: Kind, updated: NamedObject, current: NamedObject): void {
  const before = current as unknown as Record<string, unknown>;
  const after = updated as unknown as Record<string, unknown>;
  if (generationFieldsOf(kind, before, after).some((field) => !deepEqual(before[field], after[field]))) {
    updated.metadata.generation = (current.metadata.generation ?? 0) + 1;
  }
}

/** Of a custom resource everything counts but the metadata, and the status where that is a subresource. */
function generationFieldsOf(kind: Kind, before: object, after: object): readonly string[] {
  if (kind.custom === undefined) return kind.generationFields;
  const ignored = new Set(['apiVersion', 'kind', 'metadata', ...(kind.hasStatus ? ['status'] : [])]);
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((field) => !ignored.has(field));
}

/** Deleted, nobody holds it any more, and no grace is left: the update is the removal. */
export function isFinished(kind: Kind, object: NamedObject): boolean {
  const { metadata } = object;
  if (metadata.deletionTimestamp === undefined) return false;
  if ((metadata.finalizers ?? []).length > 0 || (metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  return !isNamespaceKind(kind) || ((object as NamedObject & Namespace).spec?.finalizers ?? []).length === 0;
}
