/** Everything that is not a resource: discovery, OpenAPI, version, health. */
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '#src/api/discovery.ts';
import { openApiV3, openApiV3Paths, type Describe } from '#src/api/openapi.ts';
import type { Clock } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Exchange } from './exchange.ts';
import { createSwaggerMaker } from './openapi-v2.ts';
import { presentationOf } from './present.ts';
import { notFoundPath } from './status.ts';

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

/** A named check of readiness or liveness: undefined when well, else what is wrong. */
export interface HealthCheck {
  name: string;
  check(): string | undefined;
}

export interface PathSettings {
  clock: Clock;
  version: VersionInfo;
  /** `host:port` shown by `/api`. */
  serverAddress: string;
  /** Without them the process is alive as long as it answers. */
  livenessChecks: HealthCheck[];
  readinessChecks: HealthCheck[];
  describe?: Describe | undefined;
}

/** Answers, or says that there is nothing here. */
export type PathHandler = (exchange: Exchange, path: string) => Promise<boolean>;

interface CachedDocument {
  bytes: Uint8Array;
  hash: string;
}

export function createPaths(settings: PathSettings): PathHandler {
  // Documents depend on the served kinds and texts only, which do not change while we run.
  const documents = new Map<string, CachedDocument>();
  const documentOf = (path: string): CachedDocument | undefined => {
    const known = documents.get(path);
    if (known !== undefined) return known;
    const document = openApiV3(path, settings.describe);
    if (document === undefined) return undefined;
    const bytes = utf8(JSON.stringify(document));
    const made = { bytes, hash: hashOf(bytes) };
    documents.set(path, made);
    return made;
  };
  const swagger = createSwaggerMaker(settings.clock, () => openApiV3Paths().flatMap((path) => documentOf(path) ?? []));
  return async (exchange, path) => {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    if (trimmed === '/version') exchange.sendJson(200, settings.version);
    else if (trimmed === '/') exchange.sendJson(200, { paths: rootPaths() });
    else if (/^\/(?:healthz|livez|readyz)(?:\/|$)/.test(trimmed)) sendHealth(exchange, settings, trimmed);
    else if (trimmed === '/api' || trimmed === '/apis')
      sendDiscovery(exchange, settings, trimmed === '/api' ? 'api' : 'apis');
    else if (trimmed.startsWith('/api/') || trimmed.startsWith('/apis/')) return sendGroup(exchange, trimmed);
    else if (trimmed === '/openapi/v2') {
      const { bytes, hash, contentType } = await swagger(exchange.request.headers['accept']);
      sendTagged(exchange, { bytes, hash: hashOf(utf8(hash)) }, contentType, { vary: 'Accept' });
    } else if (trimmed === '/openapi/v3') await sendOpenApiIndex(exchange, settings.clock, documentOf);
    else if (trimmed.startsWith('/openapi/v3/'))
      return sendOpenApi(exchange, documentOf(trimmed.slice('/openapi/v3/'.length)));
    else return false;
    return true;
  };
}

function rootPaths(): string[] {
  return [
    '/api',
    '/apis',
    '/healthz',
    '/livez',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
    ...openApiV3Paths().map((path) => `/${path}`),
  ].sort();
}

function sendDiscovery(exchange: Exchange, settings: PathSettings, root: 'api' | 'apis'): void {
  const presentation = presentationOf(exchange.request.headers['accept'], ['discovery']);
  if (presentation.form !== 'discovery') {
    exchange.sendJson(200, root === 'api' ? apiVersions(settings.serverAddress) : apiGroupList());
    return;
  }
  const bytes = utf8(JSON.stringify(aggregatedDiscovery(root, presentation.version)));
  // The answer's type must name the version, or kubectl 1.27 reads nothing from it.
  const contentType = `application/json;g=apidiscovery.k8s.io;v=${presentation.version};as=APIGroupDiscoveryList`;
  sendTagged(exchange, { bytes, hash: hashOf(bytes) }, contentType, { vary: 'Accept' });
}

function sendGroup(exchange: Exchange, path: string): boolean {
  const parts = path.split('/').slice(1);
  const found =
    parts[0] === 'api'
      ? parts.length === 2 && apiResourceList('', parts[1] ?? '')
      : parts.length === 2
        ? apiGroup(parts[1] ?? '')
        : parts.length === 3 && apiResourceList(parts[1] ?? '', parts[2] ?? '');
  if (found === undefined || found === false) return false;
  exchange.sendJson(200, found);
  return true;
}

async function sendOpenApiIndex(
  exchange: Exchange,
  clock: Clock,
  documentOf: (path: string) => CachedDocument | undefined,
): Promise<void> {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const path of openApiV3Paths()) {
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${documentOf(path)?.hash ?? ''}` };
    // The first time each hash costs its whole document.
    await new Promise<void>((resolve) => clock.soon(resolve));
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

/** `ok`, or the failed checks; `?verbose` lists all, `?exclude=` leaves some out, `/readyz/NAME` is one. */
function sendHealth(exchange: Exchange, settings: PathSettings, path: string): void {
  const [, endpoint = '', only] = path.split('/');
  const checks: HealthCheck[] = [
    { name: 'ping', check: () => undefined },
    ...settings.livenessChecks,
    ...(endpoint === 'readyz' ? settings.readinessChecks : []),
  ];
  const excluded = exchange.query.getAll('exclude');
  const chosen = checks.filter((check) => (only === undefined ? !excluded.includes(check.name) : check.name === only));
  if (only !== undefined && chosen.length === 0) {
    exchange.sendError(notFoundPath());
    return;
  }
  const results = chosen.map((check) => ({ name: check.name, wrong: check.check() }));
  const failed = results.some((result) => result.wrong !== undefined);
  const isShort = only !== undefined || !exchange.query.has('verbose');
  if (!failed && isShort) {
    exchange.sendText(200, 'ok');
    return;
  }
  const lines = results.map(({ name, wrong }) =>
    wrong === undefined ? `[+]${name} ok` : `[-]${name} failed: ${wrong}`,
  );
  const title = failed ? `${endpoint} check failed` : `${endpoint} check passed`;
  exchange.sendText(failed ? 500 : 200, `${lines.join('\n')}\n${title}\n`);
}
