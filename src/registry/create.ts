/** POST: a new object from what was sent, the system's fields, defaults, admission and validation. */
import { convertToStored } from '#src/api/convert.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import type { Kind } from '#src/api/kinds.ts';
import { managedAfterUpdate } from '#src/api/managed-fields/managed-fields.ts';
import { deepCopy, formatTime } from '#src/api/metadata.ts';
import { generatedName, GENERATED_SUFFIX_LENGTH } from '#src/api/names.ts';
import type { KubeObject } from '#src/api/object.ts';
import { invalid, validateCreate } from '#src/api/validation.ts';
import { warningsOf } from '#src/api/warnings.ts';
import type { Condition, Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { after, mutate, optionsOf, validate, type Attributes } from './admission/admission.ts';
import { splitAroundRevision } from './bytes.ts';
import type { Identity } from './client.ts';
import type { Plan, Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { judgeApiService } from './api-services.ts';
import { judgeDefinition, requireOpenDefinition } from './definitions.ts';
import { objectKey } from './keys.ts';
import { isNamespaceKind, openMarker, prepareNamespace, requireOpenNamespace } from './namespaces.ts';
import type { NamedObject } from './raw.ts';
import { alreadyExists, badRequest, generatedNameTaken } from './refusals.ts';
import { claimAddresses, isServiceKind } from './services.ts';
import { prepareForCreate } from './strategy.ts';
import { writerOf } from './writer.ts';

/** Names tried for one generateName, as Kubernetes does since 1.30. */
const GENERATE_NAME_TRIES_MAX = 8;

export interface CreateRequest {
  kind: Kind;
  namespace: string | undefined;
  object: KubeObject;
  identity: Identity;
  fieldManager?: string | undefined;
  dryRun?: boolean | undefined;
  /** From server-side apply: `object` carries its managedFields already. */
  applied?: boolean;
}

export function planCreate(core: RegistryCore, request: CreateRequest): Planner {
  return (view) => {
    const object = prepare(core, view, request);
    const { kind } = request;
    requireOpenDefinition(kind);
    const name = object.metadata.name ?? '';
    const conditions: Condition[] = [];
    if (kind.namespaced) {
      conditions.push(requireOpenNamespace(view, kind, object.metadata.namespace ?? '', name));
    }
    applyDefaults(kind, object);
    prepareForCreate(kind, object, { identity: request.identity, nowMs: core.clock.wallMs(), subresource: '' });
    const attributes = attributesOf(core, view, request, object);
    return after(mutate(attributes), () => {
      const causes = [
        ...validateCreate(kind, object),
        ...judgeDefinition({ core, view, kind }, object, undefined),
        ...judgeApiService(core, kind, object),
      ];
      if (causes.length > 0) throw invalid(kind, name, causes);
      return after(validate(attributes), (effect) => {
        object.metadata.managedFields = request.applied
          ? (request.object.metadata?.managedFields ?? [])
          : managedAfterUpdate(kind, undefined, object, writerOf(core, request.identity, request));
        const isGenerated = (request.object.metadata?.name ?? '') === '';
        const all = [...conditions, ...effect.conditions];
        const plan = planOf(core, { view, kind, object, conditions: all, isGenerated });
        return {
          ...plan,
          operations: [...plan.operations, ...effect.operations],
          warnings: [...plan.warnings, ...attributes.warnings],
        };
      });
    });
  };
}

function attributesOf(
  core: RegistryCore,
  view: StoreView,
  { kind, identity, dryRun, fieldManager }: CreateRequest,
  object: NamedObject,
): Attributes {
  return {
    core,
    view,
    operation: 'CREATE',
    kind,
    subresource: '',
    namespace: object.metadata.namespace,
    name: object.metadata.name ?? '',
    object,
    old: undefined,
    identity,
    dryRun: dryRun === true,
    options: optionsOf('CreateOptions', { dryRun, fieldManager }),
    warnings: [],
    annotations: {},
  };
}

function planOf(
  core: RegistryCore,
  at: { view: StoreView; kind: Kind; object: NamedObject; conditions: Condition[]; isGenerated: boolean },
): Plan {
  const { view, kind, object } = at;
  const name = object.metadata.name ?? '';
  const key = objectKey(kind, object.metadata.namespace, name);
  if (view.get(key) !== undefined) throw at.isGenerated ? generatedNameTaken(kind, name) : alreadyExists(kind, name);
  const claims = isServiceKind(kind) ? claimAddresses({ core, view, kind }, object, undefined) : undefined;
  const put: Operation = { type: 'put', key, ...splitAroundRevision(convertToStored(kind, object)) };
  const marker = isNamespaceKind(kind) ? [openMarker(name)] : [];
  return {
    resource: kind,
    name,
    outcome: 'created',
    object,
    conditions: [{ type: 'absent', key }, ...at.conditions, ...(claims?.conditions ?? [])],
    operations: [put, ...marker, ...(claims?.operations ?? [])],
    warnings: warningsOf(kind, object),
  };
}

/** The object with the system's fields set, whatever was sent in them. */
function prepare(core: RegistryCore, view: StoreView, request: CreateRequest): NamedObject {
  const { kind } = request;
  const object = deepCopy(request.object) as NamedObject & { status?: unknown };
  object.apiVersion = kind.apiVersion;
  object.kind = kind.kind;
  const sent = object.metadata ?? {};
  if ((sent.resourceVersion ?? '') !== '')
    throw badRequest('resourceVersion should not be set on objects to be created');
  const namespace = namespaceOfRequest(kind, request.namespace, sent.namespace);
  const {
    resourceVersion: _rv,
    deletionTimestamp: _dt,
    deletionGracePeriodSeconds: _dg,
    selfLink: _sl,
    managedFields: _mf,
    generation: _g,
    ...kept
  } = sent;
  const metadata: NamedObject['metadata'] = { ...kept };
  delete metadata.namespace;
  object.metadata = {
    ...(sent.generateName === undefined ? {} : { generateName: sent.generateName }),
    name: nameFor(core, view, kind, { sent, namespace }),
    ...(namespace === undefined ? {} : { namespace }),
    uid: core.random.uuid(),
    ...(kind.generationFields.length > 0 || kind.custom !== undefined ? { generation: 1 } : {}),
    creationTimestamp: formatTime(core.clock.wallMs()),
    ...omit(metadata, ['name', 'generateName', 'uid', 'creationTimestamp']),
  };
  prepareStatus(kind, object);
  return object;
}

function omit<T extends object>(object: T, keys: string[]): T {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key))) as T;
}

function namespaceOfRequest(kind: Kind, asked: string | undefined, sent: string | undefined): string | undefined {
  if (!kind.namespaced) return undefined;
  const given = sent ?? '';
  if (asked !== undefined && given !== '' && given !== asked) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  const namespace = asked ?? given;
  if (namespace === '') throw badRequest('an empty namespace may not be set during creation');
  return namespace;
}

function nameFor(
  core: RegistryCore,
  view: StoreView,
  kind: Kind,
  from: { sent: { name?: string; generateName?: string }; namespace: string | undefined },
): string {
  const { sent, namespace } = from;
  if ((sent.name ?? '') !== '') return sent.name ?? '';
  const base = sent.generateName ?? '';
  if (base === '') {
    throw invalid(kind, '', [
      {
        reason: 'FieldValueRequired',
        field: 'metadata.name',
        message: 'Required value: name or generateName is required',
      },
    ]);
  }
  let name = '';
  for (let i = 0; i < GENERATE_NAME_TRIES_MAX; i += 1) {
    name = generatedName(base, core.random.bytes(GENERATED_SUFFIX_LENGTH));
    if (view.get(objectKey(kind, namespace, name)) === undefined) break;
  }
  return name;
}

/** A new object has no history: its status begins as Kubernetes' strategies set it. */
function prepareStatus(kind: Kind, object: NamedObject & { status?: unknown }): void {
  if (isNamespaceKind(kind)) {
    prepareNamespace(object);
    return;
  }
  // Nodes register with their status in the same request; mirror and other kinds start empty.
  if (kind.custom !== undefined && kind.hasStatus) delete object.status;
  if (kind.custom !== undefined || !kind.hasStatus || (kind.group === '' && kind.resource === 'nodes')) return;
  if (kind.group === '' && kind.resource === 'pods') object.status = { phase: 'Pending' };
  else if (isServiceKind(kind)) object.status = { loadBalancer: {} };
  else if (object.status !== undefined) object.status = {};
}
