/** Everything that is not a resource: discovery, OpenAPI, version, health. */
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '#src/api/discovery.ts';
import { openApiV3, openApiV3Paths, pathOf, type Describe } from '#src/api/openapi.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { Clock } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Metrics } from '#src/std/metrics.ts';
import { forbiddenPath } from './authenticate.ts';
import type { Exchange } from './exchange.ts';
import { createSwaggerMaker } from './openapi-v2.ts';
import { checksOf, HEALTH_ENDPOINTS, isHealthPath, sendHealth, type HealthSettings } from './health.ts';
import { presentationOf } from './present.ts';

export interface VersionInfo {
  major: string;
  minor: string;
  /** `v1.36.0+kontiki.0.1.0` */
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

export interface PathSettings extends HealthSettings {
  clock: Clock;
  version: VersionInfo;
  /** `host:port` shown by `/api`. */
  serverAddress: string;
  /** What is served now; the same array as long as nothing changed. */
  kinds(): readonly Kind[];
  describe?: Describe | undefined;
}

/** Who may read /metrics without RBAC saying so, as Kubernetes' role system:monitoring gives it. */
const MAY_SEE_METRICS = ['system:masters', 'system:monitoring'];

/** Answers, or says that there is nothing here. */
export type PathHandler = (exchange: Exchange, path: string) => Promise<boolean>;

interface CachedDocument {
  bytes: Uint8Array;
  hash: string;
}

export function createPaths(settings: PathSettings): PathHandler {
  // Documents depend on the served kinds and texts only. Those of a path are kept until its kinds change.
  const documents = new Map<string, CachedDocument & { kinds: readonly Kind[] }>();
  const documentOf = (path: string): CachedDocument | undefined => {
    const kinds = settings.kinds().filter((kind) => pathOf(kind.group, kind.version) === path);
    const known = documents.get(path);
    if (known?.kinds.length === kinds.length && known.kinds.every((kind, i) => kind === kinds[i])) return known;
    documents.delete(path);
    const document = openApiV3(path, settings.describe, kinds);
    if (document === undefined) return undefined;
    const bytes = utf8(JSON.stringify(document));
    const made = { bytes, hash: hashOf(bytes), kinds };
    documents.set(path, made);
    return made;
  };
  const swagger = createSwaggerMaker(settings.clock, () =>
    openApiV3Paths(settings.kinds()).flatMap((path) => documentOf(path) ?? []),
  );
  return async (exchange, path) => {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    if (trimmed === '/version') exchange.sendJson(200, settings.version);
    else if (trimmed === '/') exchange.sendJson(200, { paths: rootPaths(settings) });
    else if (isHealthPath(trimmed)) return sendHealth(exchange, settings, trimmed);
    else if (trimmed === '/metrics' && settings.metrics !== undefined) sendMetrics(exchange, settings.metrics);
    else if (trimmed === '/api' || trimmed === '/apis')
      sendDiscovery(exchange, settings, trimmed === '/api' ? 'api' : 'apis');
    else if (trimmed.startsWith('/api/') || trimmed.startsWith('/apis/'))
      return sendGroup(exchange, trimmed, settings.kinds());
    else if (trimmed === '/openapi/v2') {
      const { bytes, hash, contentType } = await swagger(exchange.request.headers['accept']);
      sendTagged(exchange, { bytes, hash: hashOf(utf8(hash + contentType)) }, contentType, { vary: 'Accept' });
    } else if (trimmed === '/openapi/v3') await sendOpenApiIndex(exchange, settings, documentOf);
    else if (trimmed.startsWith('/openapi/v3/'))
      return sendOpenApi(exchange, documentOf(trimmed.slice('/openapi/v3/'.length)));
    else return false;
    return true;
  };
}

/** Every path that is no resource, as kube-apiserver lists them. */
function rootPaths(settings: PathSettings): string[] {
  const groups = openApiV3Paths(settings.kinds());
  const health = HEALTH_ENDPOINTS.flatMap((endpoint) => [
    `/${endpoint}`,
    ...checksOf(settings, endpoint).map(({ name }) => `/${endpoint}/${name}`),
  ]);
  const names = groups.filter((path) => path.startsWith('apis/')).map((path) => `/apis/${path.split('/')[1] ?? ''}`);
  const all = [
    '/api',
    '/apis',
    '/apis/',
    ...health,
    ...(settings.metrics === undefined ? [] : ['/metrics']),
    ...names,
    '/openapi/v2',
    ...groups.flatMap((path) => [`/${path}`, `/openapi/v3/${path}`]),
    '/openapi/v3',
    '/openapi/v3/',
    '/version',
  ];
  return [...new Set(all)].sort();
}

function sendMetrics(exchange: Exchange, metrics: Metrics): void {
  if (!MAY_SEE_METRICS.some((group) => exchange.identity.groups.includes(group)))
    throw forbiddenPath(exchange.identity, exchange.request.method, '/metrics');
  exchange.sendBytes(200, 'text/plain; version=0.0.4; charset=utf-8', utf8(metrics.text()));
}

function sendDiscovery(exchange: Exchange, settings: PathSettings, root: 'api' | 'apis'): void {
  const presentation = presentationOf(exchange.request.headers['accept'], ['discovery']);
  if (presentation.form !== 'discovery') {
    exchange.sendJson(200, root === 'api' ? apiVersions(settings.serverAddress) : apiGroupList(settings.kinds()));
    return;
  }
  const bytes = utf8(JSON.stringify(aggregatedDiscovery(root, presentation.version, settings.kinds())));
  // The answer's type must name the version, or kubectl 1.27 reads nothing from it.
  const contentType = `application/json;g=apidiscovery.k8s.io;v=${presentation.version};as=APIGroupDiscoveryList`;
  sendTagged(exchange, { bytes, hash: hashOf(bytes) }, contentType, { vary: 'Accept' });
}

function sendGroup(exchange: Exchange, path: string, kinds: readonly Kind[]): boolean {
  const parts = path.split('/').slice(1);
  const found =
    parts[0] === 'api'
      ? parts.length === 2 && apiResourceList('', parts[1] ?? '')
      : parts.length === 2
        ? apiGroup(parts[1] ?? '', kinds)
        : parts.length === 3 && apiResourceList(parts[1] ?? '', parts[2] ?? '', kinds);
  if (found === undefined || found === false) return false;
  exchange.sendJson(200, found);
  return true;
}

async function sendOpenApiIndex(
  exchange: Exchange,
  settings: PathSettings,
  documentOf: (path: string) => CachedDocument | undefined,
): Promise<void> {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const path of openApiV3Paths(settings.kinds())) {
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${documentOf(path)?.hash ?? ''}` };
    // The first time each hash costs its whole document.
    await new Promise<void>((resolve) => settings.clock.soon(resolve));
  }
  exchange.sendJson(200, { paths });
}

function sendOpenApi(exchange: Exchange, document: CachedDocument | undefined): boolean {
  if (document === undefined) return false;
  const asked = exchange.query.get('hash');
  // A URL with the right hash names exactly these bytes, so they may be kept (as kube-apiserver does).
  const headers: Record<string, string> =
    asked === document.hash ? { 'cache-control': 'public, immutable, max-age=31536000' } : {};
  sendTagged(exchange, document, 'application/json', headers);
  return true;
}

function sendTagged(
  exchange: Exchange,
  document: CachedDocument,
  contentType: string,
  headers: Record<string, string>,
): void {
  const etag = `"${document.hash}"`;
  if (exchange.request.headers['if-none-match'] === etag) {
    if (exchange.head(304, { etag, ...headers })) exchange.response.end();
    return;
  }
  exchange.sendBytes(200, contentType, document.bytes, { etag, ...headers });
}

/** FNV-1a, two lanes of 32 bits: a name for bytes, not a proof. */
export function hashOf(bytes: Uint8Array): string {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193) >>> 0;
    high = Math.imul(high ^ byte ^ (low & 0xff), 0x01000193) >>> 0;
  }
  return high.toString(16).padStart(8, '0').toUpperCase() + low.toString(16).padStart(8, '0').toUpperCase();
}
