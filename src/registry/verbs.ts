/**
 * Every verb on every kind for one identity: permission first, then the plan. The HTTP edge works with
 * these on raw bytes; `Client` is the same with objects.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Kind, Verb } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { requireAllowed } from './authorize.ts';
import type { DeleteOptions, Identity, ListOptions, WatchOptions, WriteOptions } from './client.ts';
import { commit, commitAll, type Planner, type WriteAnswer } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { planApply } from './apply.ts';
import { planCreate } from './create.ts';
import { planDelete } from './delete.ts';
import { planEviction } from './eviction.ts';
import { applyPatch, bodyType, type Patch } from './patch.ts';
import type { NamedObject, RawObject } from './raw.ts';
import { listConverted, readConverted, watchConverted } from './conversion.ts';
import type { RawList } from './read.ts';
import { badRequest, methodNotAllowed } from './refusals.ts';
import { answerReview, isReview } from './reviews.ts';
import { bound, evictionOptions, scaleOf, withScale } from './subresources.ts';
import { planUpdate, type UpdateRequest } from './update.ts';
import type { RawWatch } from './watch.ts';

export interface Place {
  namespace?: string | undefined;
  name: string;
  /** '' or absent: the object itself. */
  subresource?: string | undefined;
}

export interface Verbs {
  readonly identity: Identity;
  /** Ms since a quorum last confirmed the local state, which reads at resourceVersion=0 are served from; undefined: never. */
  stateAgeMs(): number | undefined;
  /** @throws ApiError 403 unless this identity may. */
  require(
    kind: Kind,
    verb: string,
    place: { namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined },
  ): void;
  get(kind: Kind, place: Place & { resourceVersion?: string | undefined }): Promise<RawObject>;
  /** The Scale of the object. */
  getScale(kind: Kind, place: Place): Promise<KubeObject>;
  list(kind: Kind, options: ListOptions): Promise<RawList>;
  watch(kind: Kind, options: WatchOptions): Promise<RawWatch>;
  create(
    kind: Kind,
    what: { namespace?: string | undefined; object: KubeObject },
    options: WriteOptions,
  ): Promise<WriteAnswer>;
  /** POST pods/NAME/binding. */
  bind(
    place: Place & { kind: Kind; node: string; uid: string; annotations?: Record<string, string> },
    options: WriteOptions,
  ): Promise<WriteAnswer>;
  /** POST pods/NAME/eviction. */
  evict(kind: Kind, place: Place, eviction: KubeObject, options: WriteOptions): Promise<WriteAnswer>;
  update(kind: Kind, place: Place, object: KubeObject, options: WriteOptions): Promise<WriteAnswer>;
  patch(kind: Kind, place: Place, patch: Patch, options: WriteOptions): Promise<WriteAnswer>;
  delete(kind: Kind, place: Place, options: DeleteOptions): Promise<WriteAnswer>;
  /** The objects as they were; those gone meanwhile are left out. */
  deleteCollection(kind: Kind, selection: ListOptions, options: DeleteOptions): Promise<NamedObject[]>;
  plannerOf: PlannerMakers;
}

/** Checks permission and makes the plan of a write, for batches. */
export interface PlannerMakers {
  create(kind: Kind, what: { namespace?: string | undefined; object: KubeObject }, options?: WriteOptions): Planner;
  update(kind: Kind, place: Place, object: KubeObject, options?: WriteOptions): Planner;
  delete(kind: Kind, place: Place, options: DeleteOptions): Planner;
  bind(place: Place & { kind: Kind; node: string; uid: string; annotations?: Record<string, string> }): Planner;
}

/** Objects deleted by one proposal of a deletecollection. */
const DELETE_LOT_OBJECTS = 256;

export function verbsFor(core: RegistryCore, identity: Identity): Verbs {
  const require: Verbs['require'] = (kind, verb, place) => {
    requireAllowed({
      identity,
      verb,
      resource: kind,
      namespace: kind.namespaced ? place.namespace : undefined,
      name: place.name,
      subresource: nonEmpty(place.subresource),
      rbac: core.rbac,
    });
  };
  const plannerOf = plannerMakers(core, identity, require);
  return {
    identity,
    require,
    stateAgeMs: () => core.reader.ageMs(),
    plannerOf,
    async get(kind, place) {
      requireVerb(kind, 'get');
      require(kind, 'get', place);
      return await readConverted(core, kind, place);
    },
    async getScale(kind, place) {
      require(kind, 'get', { ...place, subresource: 'scale' });
      return scaleOf((await readConverted(core, kind, place)).object(), kind);
    },
    async list(kind, options) {
      requireVerb(kind, 'list');
      require(kind, 'list', { namespace: options.namespace });
      return await listConverted(core, kind, options);
    },
    async watch(kind, options) {
      requireVerb(kind, 'watch');
      require(kind, 'watch', { namespace: options.namespace });
      return await watchConverted(core, kind, options);
    },
    async create(kind, what, options) {
      if (!isReview(kind)) return await commit(core, plannerOf.create(kind, what, options), options);
      requireVerb(kind, 'create');
      require(kind, 'create', { namespace: what.namespace });
      const question = {
        kind,
        identity,
        ...what,
        namespace: what.namespace,
        judgeToken: core.judgeToken,
        rbac: core.rbac,
      };
      return { object: await answerReview(question), outcome: 'created', warnings: [] };
    },
    bind: async (what, options) => await commit(core, plannerOf.bind(what), options),
    async evict(kind, place, eviction, options) {
      require(kind, 'create', { ...place, subresource: 'eviction' });
      const deletion = { ...(evictionOptions(eviction, place.name) as DeleteOptions), ...options };
      return await commit(
        core,
        planEviction(core, { kind, namespace: place.namespace, name: place.name, identity, options: deletion }),
        deletion,
      );
    },
    update: async (kind, place, object, options) => {
      const answer = await commit(core, plannerOf.update(kind, place, object, options), options);
      return shown(kind, place, answer);
    },
    patch: async (kind, place, patch, options) => {
      require(kind, 'patch', place);
      const answer = await commit(core, planPatch(core, identity, { kind, place, patch, options }), options);
      return shown(kind, place, answer);
    },
    delete: async (kind, place, options) => await commit(core, plannerOf.delete(kind, place, options), options),
    deleteCollection: async (kind, selection, options) => {
      requireVerb(kind, 'deletecollection');
      require(kind, 'deletecollection', { namespace: selection.namespace });
      return await deleteCollection(core, { kind, selection, identity, options });
    },
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function requireVerb(kind: Kind, verb: Verb): void {
  if (!kind.verbs.includes(verb))
    throw methodNotAllowed(`the server does not allow this method on the requested resource`);
}

/** What the client sees of a written scale is the Scale. */
function shown(kind: Kind, place: Place, answer: WriteAnswer): WriteAnswer {
  return place.subresource === 'scale' ? { ...answer, object: scaleOf(answer.object, kind) } : answer;
}

function plannerMakers(core: RegistryCore, identity: Identity, require: Verbs['require']): PlannerMakers {
  return {
    create(kind, what, options) {
      requireVerb(kind, 'create');
      // What has no name to be found by again is answered, never stored.
      requireVerb(kind, 'get');
      require(kind, 'create', { namespace: what.namespace ?? what.object.metadata?.namespace });
      return planCreate(core, {
        kind,
        namespace: what.namespace,
        object: what.object,
        identity,
        fieldManager: options?.fieldManager,
        dryRun: options?.dryRun,
      });
    },
    update(kind, place, object, options) {
      if (nonEmpty(place.subresource) === undefined) requireVerb(kind, 'update');
      require(kind, 'update', place);
      return planUpdate(core, putRequest(core, identity, { kind, place, object, options }));
    },
    delete(kind, place, options) {
      requireVerb(kind, 'delete');
      require(kind, 'delete', place);
      return planDelete(core, { kind, namespace: place.namespace, name: place.name, identity, options });
    },
    bind(what) {
      require(what.kind, 'create', { ...what, subresource: 'binding' });
      const produce: UpdateRequest['produce'] = (current) => ({
        object: bound(current, { ...what, nowMs: core.clock.wallMs() }),
        warnings: [],
      });
      const { kind, namespace, name } = what;
      return planUpdate(core, { kind, namespace, name, subresource: 'binding', identity, produce, isPut: false });
    },
  };
}

function putRequest(
  core: RegistryCore,
  identity: Identity,
  { kind, place, object, options }: { kind: Kind; place: Place; object: KubeObject; options: WriteOptions | undefined },
): UpdateRequest {
  const fieldManager = options?.fieldManager;
  const dryRun = options?.dryRun;
  const subresource = place.subresource ?? '';
  const wanted = { ...object, metadata: { ...object.metadata } } as NamedObject;
  const base = {
    kind,
    namespace: place.namespace,
    name: place.name,
    subresource,
    identity,
    isPut: true,
    fieldManager,
    dryRun,
  };
  if (subresource === 'scale') {
    return {
      ...base,
      isPut: false,
      produce: (current) => ({ object: withScale(kind, current, object), warnings: [] }),
    };
  }
  // Before it is looked for: a body that means another object says so, also when the one of the URL is not there.
  requireSameName(wanted.metadata.name ?? '', place.name);
  const mayCreate = subresource === '' && kind.allowCreateOnUpdate && (wanted.metadata.resourceVersion ?? '') === '';
  const createInstead = mayCreate
    ? planCreate(core, { kind, namespace: place.namespace, object, identity, fieldManager, dryRun })
    : undefined;
  return {
    ...base,
    produce: () => ({ object: wanted, warnings: [] }),
    ...(createInstead === undefined ? {} : { createInstead }),
  };
}

/** @throws ApiError 400. */
function requireSameName(sent: string, asked: string): void {
  if (sent !== '' && sent !== asked)
    throw badRequest(`the name of the object (${sent}) does not match the name on the URL (${asked})`);
}

function planPatch(
  core: RegistryCore,
  identity: Identity,
  { kind, place, patch, options }: { kind: Kind; place: Place; patch: Patch; options: WriteOptions },
): Planner {
  const subresource = place.subresource ?? '';
  if (subresource === '') requireVerb(kind, 'patch');
  const { fieldManager, dryRun } = options;
  const base = {
    kind,
    namespace: place.namespace,
    name: place.name,
    subresource,
    identity,
    isPut: false,
    fieldManager,
    dryRun,
  };
  if (patch.type === 'apply') return planApply(core, base, { patch, force: options.force === true });
  const type = bodyType(kind, subresource);
  const produce: UpdateRequest['produce'] = (current) => {
    if (subresource !== 'scale') return applyPatch(type, current, patch);
    const patched = applyPatch(type, scaleOf(current, kind), patch);
    return { object: withScale(kind, current, patched.object), warnings: patched.warnings };
  };
  return planUpdate(core, { ...base, produce });
}

async function deleteCollection(
  core: RegistryCore,
  what: { kind: Kind; selection: ListOptions; identity: Identity; options: DeleteOptions },
): Promise<NamedObject[]> {
  const { kind, identity, options } = what;
  const found = await listConverted(core, kind, what.selection);
  const objects = found.items.map((item) => item.object());
  const deleted: NamedObject[] = [];
  for (let at = 0; at < objects.length; at += DELETE_LOT_OBJECTS) {
    const lot = objects.slice(at, at + DELETE_LOT_OBJECTS);
    const planners = lot.map(({ metadata: { namespace, name = '', uid } }) =>
      // Only what was listed: a new object of the same name stays.
      planDelete(core, {
        kind,
        namespace,
        name,
        identity,
        options: { ...options, preconditions: { ...(uid === undefined ? {} : { uid }), ...options.preconditions } },
      }),
    );
    const results = await commitAll(core, planners, options);
    results.forEach((result, i) => {
      const object = lot[i];
      if (result.ok && object !== undefined) deleted.push(object);
      else if (!result.ok && !isGone(result.error)) throw result.error;
    });
  }
  return deleted;
}

function isGone(error: Error): boolean {
  return error instanceof ApiError && (error.reason === 'NotFound' || error.reason === 'Conflict');
}
