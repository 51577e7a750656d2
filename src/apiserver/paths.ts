/** Everything that is not a resource: discovery, OpenAPI, version, health. */
import {
  aggregatedDiscovery,
  groupEntry,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
} from '#src/api/discovery.ts';
import { openApiV3, openApiV3Paths, pathOf, type Describe } from '#src/api/openapi.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { Clock } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Exchange } from './exchange.ts';
import type { Identity } from '#src/registry/client.ts';
import type { RemoteGroup } from './aggregated.ts';
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
  /** What is served now; the same array as long as nothing changed. */
  kinds(): readonly Kind[];
  /** Groups that other API servers have, as aggregated discovery shows them. */
  remoteGroups(identity: Identity): Promise<RemoteGroup[]>;
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
  return async (exchange, path) => {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    if (trimmed === '/version') exchange.sendJson(200, settings.version);
    else if (trimmed === '/') exchange.sendJson(200, { paths: rootPaths(settings.kinds()) });
    else if (/^\/(?:healthz|livez|readyz)(?:\/|$)/.test(trimmed)) sendHealth(exchange, settings, trimmed);
    else if (trimmed === '/api' || trimmed === '/apis')
      await sendDiscovery(exchange, settings, trimmed === '/api' ? 'api' : 'apis');
    else if (trimmed.startsWith('/api/') || trimmed.startsWith('/apis/'))
      return sendGroup(exchange, trimmed, settings.kinds());
    else if (trimmed === '/openapi/v3') await sendOpenApiIndex(exchange, settings, documentOf);
    else if (trimmed.startsWith('/openapi/v3/'))
      return sendOpenApi(exchange, documentOf(trimmed.slice('/openapi/v3/'.length)));
    else return false;
    return true;
  };
}

function rootPaths(kinds: readonly Kind[]): string[] {
  return [
    '/api',
    '/apis',
    '/healthz',
    '/livez',
    '/openapi/v3',
    '/readyz',
    '/version',
    ...openApiV3Paths(kinds).map((path) => `/${path}`),
  ].sort();
}

async function sendDiscovery(exchange: Exchange, settings: PathSettings, root: 'api' | 'apis'): Promise<void> {
  const presentation = presentationOf(exchange.request.headers['accept'], ['discovery']);
  if (presentation.form !== 'discovery') {
    if (root === 'api') exchange.sendJson(200, apiVersions(settings.serverAddress));
    else {
      const list = apiGroupList(settings.kinds()) as { groups: object[] };
      const remote = (await settings.remoteGroups(exchange.identity)).map(({ name, versions }) =>
        groupEntry(
          name,
          versions.map(({ version }) => version),
        ),
      );
      exchange.sendJson(200, { ...list, groups: [...list.groups, ...remote] });
    }
    return;
  }
  const own = aggregatedDiscovery(root, presentation.version, settings.kinds()) as { items: object[] };
  const remote = root === 'api' ? [] : await settings.remoteGroups(exchange.identity);
  const items = remote.map(({ name, versions }) => ({ metadata: { name, creationTimestamp: null }, versions }));
  const bytes = utf8(JSON.stringify({ ...own, items: [...own.items, ...items] }));
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
