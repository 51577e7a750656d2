/** Requests about resources: method and path to verb, body to object, answer to bytes. */
import { ApiError } from '#src/api/api-error.ts';
import { findKind, type Kind, type Subresource, type Verb } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { scale as scaleTable } from '#src/api/tables/autoscaling.ts';
import type { Binding, Eviction } from './bodies.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { ServedKinds } from '#src/registry/kinds.ts';
import type { PatchType } from '#src/registry/client.ts';
import type { WriteAnswer } from '#src/registry/commit.ts';
import { badRequest, methodNotAllowed } from '#src/registry/refusals.ts';
import type { RawObject } from '#src/registry/raw.ts';
import type { Place, Verbs } from '#src/registry/verbs.ts';
import type { Peers } from '#src/wire/peers.ts';
import { readDeleteBody, readObjectBody, readPatchBody, type ExpectedBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { sendList } from './list-answer.ts';
import { sendPodLogs } from './pod-logs.ts';
import { includeObjectOf, presentationOf, presentMany, presentOne, type Presenter } from './present.ts';
import type { Presentation } from './negotiate.ts';
import { booleanOf, deleteOptions, listOptions, watchOptions, writeOptions } from './query.ts';
import { proxyRequest } from './proxy.ts';
import type { ResourceRoute } from './route.ts';
import { notFoundPath, successStatus } from './status.ts';
import { markAge } from './state-age.ts';
import { sendWatch, type FrameCache } from './watch-answer.ts';

export interface ResourceContext {
  clock: Clock;
  verbs: Verbs;
  /** The server's own, for what a stream needs to know and the client may not read. */
  own: Verbs;
  kinds: ServedKinds;
  /** Absent in tests and on nodes without kubelets to reach. */
  streams: Peers | undefined;
  frames: FrameCache;
}

const ALL_PATCHES: readonly PatchType[] = ['json', 'merge', 'strategic', 'apply'];
/** Custom resources have no merge keys to go by. */
const CUSTOM_PATCHES: readonly PatchType[] = ['json', 'merge', 'apply'];
/** Kubernetes closes watches after 30 to 60 minutes when the client names no time. */
const WATCH_TIMEOUT_SECONDS_DEFAULT = 1800;

interface Call extends ResourceContext {
  exchange: Exchange;
  route: ResourceRoute;
  kind: Kind;
}

/** @throws ApiError for every refusal. */
export async function handleResource(
  context: ResourceContext,
  exchange: Exchange,
  route: ResourceRoute,
): Promise<void> {
  const kind = await context.kinds.lookup(route);
  if (kind === undefined || !fitsScope(kind, route)) throw notFoundPath();
  for (const warning of kind.custom?.warnings ?? []) exchange.warn(warning);
  const call: Call = { ...context, exchange, route, kind };
  if (route.subresource !== undefined) await handleSubresource(call, route.subresource);
  else if (route.name !== undefined) await handleNamed(call);
  else await handleCollection(call);
}

/** Namespaced objects lie in a namespace; only their lists exist across all. */
function fitsScope(kind: Kind, route: ResourceRoute): boolean {
  if (!kind.namespaced) return route.namespace === undefined;
  return route.namespace !== undefined || route.name === undefined;
}

function notAllowed(): ApiError {
  return methodNotAllowed('the server does not allow this method on the requested resource');
}

async function handleCollection(call: Call): Promise<void> {
  const { exchange, kind, route, verbs } = call;
  switch (exchange.request.method) {
    case 'GET':
      if (booleanOf(exchange.query, 'watch') === true || route.legacyWatch) return await answerWatch(call, undefined);
      return await answerList(call);
    case 'POST':
      return await answerCreate(call);
    case 'DELETE': {
      const options = deleteOptions(exchange.query, await readDeleteBody(exchange.request));
      const selection = listOptions(exchange.query, route.namespace);
      const presenter = presenterOf(call, ['table', 'metadataList']);
      const items = await verbs.deleteCollection(kind, selection, options);
      exchange.sendJson(200, presentMany(presenter, items));
      return;
    }
    default:
      throw notAllowed();
  }
}

async function handleNamed(call: Call): Promise<void> {
  const { exchange, kind, route, verbs } = call;
  const place: Place = { namespace: route.namespace, name: route.name ?? '' };
  switch (exchange.request.method) {
    case 'GET': {
      // `?watch=true` is for lists: on one object it asks for nothing, as in Kubernetes.
      if (route.legacyWatch) return await answerWatch(call, place.name);
      const presenter = presenterOf(call, ['table', 'metadata']);
      const resourceVersion = exchange.query.get('resourceVersion') ?? undefined;
      const raw = await verbs.get(kind, { ...place, resourceVersion });
      markAge(exchange, verbs);
      sendOne(call, presenter, raw);
      return;
    }
    case 'PUT':
      return await answerUpdate(call, place);
    case 'PATCH':
      return await answerPatch(call, place);
    case 'DELETE': {
      const options = deleteOptions(exchange.query, await readDeleteBody(exchange.request));
      const presenter = presenterOf(call, ['table', 'metadata']);
      const answer = await verbs.delete(kind, place, options);
      answerDelete(call, presenter, answer);
      return;
    }
    default:
      throw notAllowed();
  }
}

function sendOne({ exchange }: Call, presenter: Presenter, raw: RawObject): void {
  if (presenter.presentation.form === 'object') exchange.sendBytes(200, 'application/json', raw.bytes);
  else exchange.sendJson(200, presentOne(presenter, raw.object()));
}

function presenterOf(call: Call, allowed: Presentation['form'][]): Presenter {
  const { exchange, kind, clock } = call;
  return {
    clock,
    kind,
    presentation: presentationOf(exchange.request.headers['accept'], allowed),
    includeObject: includeObjectOf(exchange.query),
  };
}

async function answerList(call: Call): Promise<void> {
  const presenter = presenterOf(call, ['table', 'metadataList']);
  const list = await call.verbs.list(call.kind, listOptions(call.exchange.query, call.route.namespace));
  markAge(call.exchange, call.verbs);
  await sendList(call.exchange, presenter, list);
}

async function answerWatch(call: Call, name: string | undefined): Promise<void> {
  const { exchange, route, kind, verbs } = call;
  const presenter = presenterOf(call, ['table', 'metadata', 'metadataList']);
  const asked = watchOptions(exchange.query, route.namespace);
  const byName = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` };
  const timeoutSeconds = asked.timeoutSeconds ?? WATCH_TIMEOUT_SECONDS_DEFAULT;
  const watch = await verbs.watch(kind, { ...asked, ...byName, timeoutSeconds });
  markAge(exchange, verbs);
  await sendWatch(exchange, presenter, watch, call.frames);
}

function expectedOf(kind: Kind, subresource?: Subresource): ExpectedBody {
  if (subresource?.kind === undefined || subresource.typeName === undefined) return kind;
  const group = subresource.group ?? kind.group;
  const version = subresource.version ?? kind.version;
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind: subresource.kind,
    typeName: subresource.typeName,
  };
}

async function answerCreate(call: Call): Promise<void> {
  const { exchange, kind, route, verbs } = call;
  if (!kind.verbs.includes('create') || (kind.namespaced && route.namespace === undefined)) throw notAllowed();
  if (kind.group === '' && kind.resource === 'bindings') return await answerBindings(call);
  const options = writeOptions(exchange.query, 'CreateOptions');
  const { object, warnings } = await readObjectBody(exchange.request, kind, options.fieldValidation);
  const presenter = presenterOf(call, ['table', 'metadata']);
  const answer = await verbs.create(kind, { namespace: route.namespace, object }, options);
  sendWritten(presenter, call, 201, answer, warnings);
}

/** POST …/bindings, the old form of pods/NAME/binding: the body names the Pod. */
async function answerBindings(call: Call): Promise<void> {
  const { exchange, kind, route, verbs } = call;
  const pods = findKind({ group: '', version: 'v1', resource: 'pods' });
  if (pods === undefined) throw notFoundPath();
  const options = writeOptions(exchange.query, 'CreateOptions');
  const { object, warnings } = await readObjectBody(exchange.request, kind, options.fieldValidation);
  const { target, metadata } = object as KubeObject & Binding;
  if ((metadata?.name ?? '') === '') throw badRequest('name is required');
  const place = { namespace: route.namespace, name: metadata?.name ?? '', subresource: 'binding' };
  const annotations = metadata?.annotations === undefined ? {} : { annotations: metadata.annotations };
  const what = { ...place, kind: pods, node: target?.name ?? '', uid: metadata?.uid ?? '', ...annotations };
  await verbs.bind(what, options);
  exchange.sendJson(201, successStatus(undefined, 201), { warnings });
}

async function answerUpdate(call: Call, place: Place): Promise<void> {
  const { exchange, kind, verbs } = call;
  const subresource = kind.subresources.find((known) => known.name === place.subresource);
  const options = writeOptions(exchange.query, 'UpdateOptions');
  const expected = expectedOf(kind, subresource);
  const { object, warnings } = await readObjectBody(exchange.request, expected, options.fieldValidation);
  const presenter = presenterOf(call, ['table', 'metadata']);
  const answer = await verbs.update(kind, place, object, options);
  sendWritten(presenter, call, answer.outcome === 'created' ? 201 : 200, answer, warnings);
}

async function answerPatch(call: Call, place: Place): Promise<void> {
  const { exchange, kind, verbs } = call;
  const options = writeOptions(exchange.query, 'PatchOptions');
  const patch = await readPatchBody(exchange.request, kind.custom === undefined ? ALL_PATCHES : CUSTOM_PATCHES);
  const presenter = presenterOf(call, ['table', 'metadata']);
  const answer = await verbs.patch(kind, place, { ...patch, fieldValidation: options.fieldValidation }, options);
  sendWritten(presenter, call, answer.outcome === 'created' ? 201 : 200, answer, []);
}

/** The form was chosen before the write: an answer that cannot be given must not be found out after it. */
function sendWritten(
  presenter: Presenter,
  { exchange }: Call,
  status: number,
  answer: WriteAnswer,
  warnings: string[],
): void {
  exchange.sendJson(status, presentOne(presenter, answer.object), { warnings: [...warnings, ...answer.warnings] });
}

const SHOWN_WHEN_DELETED: ReadonlySet<string> = new Set([
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
]);

/** Kubernetes answers with the object where its storage says so, and while it is not gone; else with a Status. */
function answerDelete(call: Call, presenter: Presenter, answer: WriteAnswer): void {
  const { exchange, kind } = call;
  const showsObject = kind.group === '' && SHOWN_WHEN_DELETED.has(kind.resource);
  if (answer.outcome !== 'removed' || showsObject) {
    exchange.sendJson(200, presentOne(presenter, answer.object), { warnings: answer.warnings });
    return;
  }
  const { name = '', uid = '' } = answer.object.metadata;
  exchange.sendJson(
    200,
    successStatus({ name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource, uid }, 200),
  );
}

const SUBRESOURCE_VERBS: Record<string, Verb> = { GET: 'get', PUT: 'update', PATCH: 'patch', POST: 'create' };

async function handleSubresource(call: Call, name: string): Promise<void> {
  const { exchange, kind, route } = call;
  const subresource = kind.subresources.find((known) => known.name === name);
  if (subresource === undefined || (route.rest !== '' && name !== 'proxy')) throw notFoundPath();
  if (name === 'proxy') return await proxyRequest(exchange, call);
  const place: Place = { namespace: route.namespace, name: route.name ?? '', subresource: name };
  const verb = SUBRESOURCE_VERBS[exchange.request.method];
  if (verb === undefined || !subresource.verbs.includes(verb)) throw notAllowed();
  switch (name) {
    case 'log':
      if (call.streams === undefined) throw new ApiError(503, 'ServiceUnavailable', 'this server reaches no kubelets');
      return await sendPodLogs(exchange, { ...call, streams: call.streams });
    case 'binding':
    case 'eviction':
      return await answerAction(call, subresource, place);
    case 'exec':
    case 'attach':
    case 'portforward':
      throw badRequest('Upgrade request required');
    case 'status':
    case 'scale':
    case 'finalize':
    case 'ephemeralcontainers':
    case 'approval':
      return await answerPart(call, verb, place);
    default:
      throw notFoundPath();
  }
}

/** Parts of the object itself, or what stands for one (Scale). */
async function answerPart(call: Call, verb: Verb, place: Place): Promise<void> {
  const { exchange, kind, verbs } = call;
  if (verb === 'update') return await answerUpdate(call, place);
  if (verb === 'patch') return await answerPatch(call, place);
  if (place.subresource === 'scale') {
    const presenter = presenterOf({ ...call, kind: { ...kind, ...scaleTable } }, ['table']);
    exchange.sendJson(200, presentOne(presenter, await verbs.getScale(kind, place)));
    return;
  }
  sendOne(call, presenterOf(call, ['table', 'metadata']), await verbs.get(kind, place));
}

async function answerAction(call: Call, subresource: Subresource, place: Place): Promise<void> {
  const { exchange, kind, verbs } = call;
  const options = writeOptions(exchange.query, 'CreateOptions');
  const { object, warnings } = await readObjectBody(
    exchange.request,
    expectedOf(kind, subresource),
    options.fieldValidation,
  );
  if (subresource.name === 'binding') {
    const { target, metadata } = object as KubeObject & Binding;
    const annotations = metadata?.annotations === undefined ? {} : { annotations: metadata.annotations };
    await verbs.bind({ ...place, kind, node: target?.name ?? '', uid: metadata?.uid ?? '', ...annotations }, options);
  } else {
    const dryRun = options.dryRun === true || ((object as Eviction).deleteOptions?.dryRun ?? []).length > 0;
    await verbs.evict(kind, place, object, { ...options, dryRun });
  }
  exchange.sendJson(201, successStatus(undefined, 201), { warnings });
}
