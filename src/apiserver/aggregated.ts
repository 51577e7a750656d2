/** Requests and discovery of groups that other API servers have. Watches are not passed on: an answer is read whole. */
import { ApiError } from '#src/api/api-error.ts';
import { groupEntry } from '#src/api/discovery.ts';
import type { Aggregation } from '#src/registry/aggregation.ts';
import type { ApiService } from '#src/registry/api-services.ts';
import { requireAllowed } from '#src/registry/authorize.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Registry } from '#src/registry/registry.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { BODY_BYTES_MAX, BODY_TIMEOUT_MS } from './body.ts';
import type { Exchange } from './exchange.ts';
import { booleanOf } from './query.ts';
import type { ResourceRoute, Route } from './route.ts';

export interface RemoteGroup {
  name: string;
  versions: { version: string; freshness: 'Current' | 'Stale'; resources: unknown[] }[];
}

const VERBS: Record<string, string> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** True when another server has answered. Our own kinds come first. @throws ApiError 403, 501, 503. */
export async function passOn(registry: Registry, exchange: Exchange, route: Route): Promise<boolean> {
  const place = placeOf(route);
  if (place === undefined || registry.kinds.all().some((kind) => isOf(kind, place))) return false;
  if (place.version === '') return sendGroup(registry.aggregation, exchange, place.group);
  const service = registry.aggregation.find(place.group, place.version);
  if (service === undefined) return false;
  if (route.type === 'resource') authorize(exchange, route);
  if (booleanOf(exchange.query, 'watch') === true) {
    throw new ApiError(501, 'InternalError', 'watches of aggregated APIs are not passed on by this server');
  }
  await relay(registry.aggregation, service, exchange);
  return true;
}

function isOf(kind: { group: string; version: string }, place: { group: string; version: string }): boolean {
  return kind.group === place.group && (place.version === '' || kind.version === place.version);
}

function placeOf(route: Route): { group: string; version: string } | undefined {
  if (route.type === 'resource') return route.group === '' ? undefined : route;
  const [, root, group = '', version = '', ...rest] = route.path.split('/');
  return root === 'apis' && group !== '' && rest.join('') === '' ? { group, version } : undefined;
}

function authorize(exchange: Exchange, route: ResourceRoute): void {
  const verb = VERBS[exchange.request.method] ?? exchange.request.method.toLowerCase();
  const { group, version, resource, namespace, name, subresource } = route;
  const isMany = name === undefined && (verb === 'get' || verb === 'delete');
  requireAllowed({
    identity: exchange.identity,
    verb: isMany ? (verb === 'get' ? 'list' : 'deletecollection') : verb,
    resource: { group, version, resource },
    namespace,
    name,
    subresource,
  });
}

async function relay(aggregation: Aggregation, service: ApiService, exchange: Exchange): Promise<void> {
  const { request, identity } = exchange;
  const body = await request.body({ bytesMax: BODY_BYTES_MAX, timeoutMs: BODY_TIMEOUT_MS });
  const { method, url, headers } = request;
  const answer = await aggregation.send(service, { method, url, headers, body, identity });
  const warning = answer.headers['warning'];
  exchange.sendBytes(answer.status, answer.headers['content-type'] ?? 'application/json', answer.body, {
    ...(warning === undefined ? {} : { warning }),
  });
}

function sendGroup(aggregation: Aggregation, exchange: Exchange, group: string): boolean {
  const versions = aggregation.all().filter(({ spec }) => spec?.group === group);
  if (versions.length === 0) return false;
  const names = versions.map(({ spec }) => spec?.version ?? '');
  exchange.sendJson(200, { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group, names) });
  return true;
}

/** What the others say they have; of one that does not answer only that it should be there. */
export async function remoteGroups(registry: Registry, identity: Identity): Promise<RemoteGroup[]> {
  const { aggregation, kinds } = registry;
  const own = new Set(kinds.all().map(({ group }) => group));
  const remote = aggregation.all().filter(({ spec }) => !own.has(spec?.group ?? ''));
  const answers = await Promise.all(remote.map(async (service) => await resourcesOf(aggregation, service, identity)));
  const groups = new Map<string, RemoteGroup>();
  remote.forEach(({ spec }, i) => {
    const { group = '', version = '' } = spec ?? {};
    const entry = groups.get(group) ?? { name: group, versions: [] };
    const resources = answers[i];
    entry.versions.push({
      version,
      freshness: resources === undefined ? 'Stale' : 'Current',
      resources: resources ?? [],
    });
    groups.set(group, entry);
  });
  return [...groups.values()];
}

interface PlainResource {
  name: string;
  singularName?: string;
  namespaced?: boolean;
  kind?: string;
  group?: string;
  version?: string;
  verbs?: string[];
  shortNames?: string[];
  categories?: string[];
}

async function resourcesOf(
  aggregation: Aggregation,
  service: ApiService,
  identity: Identity,
): Promise<unknown[] | undefined> {
  const { group = '', version = '' } = service.spec ?? {};
  try {
    const headers = { accept: 'application/json' };
    const asked = { method: 'GET', url: `/apis/${group}/${version}`, headers, body: new Uint8Array(), identity };
    const answer = await aggregation.send(service, asked);
    if (answer.status !== 200) return undefined;
    const list = parseStrictJson(answer.body).value as { resources?: PlainResource[] };
    const resources = Array.isArray(list.resources) ? list.resources : [];
    return resources
      .filter(({ name }) => !name.includes('/'))
      .map((resource) => aggregatedResource(resource, resources, { group, version }));
  } catch {
    return undefined; // Shown as stale: discovery of the others must not fail with it.
  }
}

function aggregatedResource(
  resource: PlainResource,
  all: readonly PlainResource[],
  own: { group: string; version: string },
): Record<string, unknown> {
  const kindOf = (one: PlainResource) => ({
    group: one.group ?? own.group,
    version: one.version ?? own.version,
    kind: one.kind ?? '',
  });
  const below = all.filter(({ name }) => name.startsWith(`${resource.name}/`));
  return {
    resource: resource.name,
    responseKind: kindOf(resource),
    scope: resource.namespaced === true ? 'Namespaced' : 'Cluster',
    singularResource: resource.singularName ?? '',
    verbs: resource.verbs ?? [],
    ...(resource.shortNames === undefined ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories === undefined ? {} : { categories: resource.categories }),
    ...(below.length === 0
      ? {}
      : {
          subresources: below.map((one) => ({
            subresource: one.name.slice(resource.name.length + 1),
            responseKind: kindOf(one),
            verbs: one.verbs ?? [],
          })),
        }),
  };
}
