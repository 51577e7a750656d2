/**
 * From a request line to what is asked: the API's path grammar, by hand, since it is small and fixed.
 * Pure: whether the resource exists is judged later.
 */
import { badRequest } from '#src/registry/refusals.ts';

export interface ResourceRoute {
  type: 'resource';
  group: string;
  version: string;
  resource: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
  /** What follows the subresource; of `proxy` as it was sent, from its slash on, for it is another server's path. */
  rest: string;
  /** `/api/v1/watch/…`, the old form of ?watch=true. */
  legacyWatch: boolean;
}

export type Route = ResourceRoute | { type: 'path'; path: string };

/** Longest URL that is looked at: the command of an exec travels in its query. Headers in all hold 64 KiB. */
export const URL_CHARACTERS_MAX = 32 * 1024;

export interface Target {
  route: Route;
  query: URLSearchParams;
}

/** @throws ApiError 400 for broken percent-encoding, control characters and path tricks. */
export function parseTarget(url: string): Target {
  if (url.length > URL_CHARACTERS_MAX)
    throw badRequest(`the URL has ${url.length} characters; at most ${URL_CHARACTERS_MAX}`);
  const question = url.indexOf('?');
  const path = question === -1 ? url : url.slice(0, question);
  const query = new URLSearchParams(question === -1 ? '' : url.slice(question + 1));
  return { route: parsePath(path), query };
}

function decodeSegment(segment: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    throw badRequest(`invalid URL escape in path segment ${JSON.stringify(segment)}`);
  }
  // A name is one path segment (path-segment-name validation): these could reach another place.
  const tricks = decoded === '.' || decoded === '..' || decoded.includes('/');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (tricks || /[\u0000-\u001f\u007f]/.test(decoded)) {
    throw badRequest(`path segment ${JSON.stringify(decoded)} is not allowed`);
  }
  return decoded;
}

function parsePath(path: string): Route {
  if (!path.startsWith('/')) throw badRequest(`the path ${JSON.stringify(path)} does not begin with "/"`);
  const isApi = path.startsWith('/api/') || path.startsWith('/apis/');
  if (!isApi) return { type: 'path', path };
  const whole = path.split('/').slice(1);
  const proxied = proxyIndex(whole);
  if (proxied !== undefined) return proxyRoute(whole, proxied);
  const raw = whole;
  if (raw.at(-1) === '') raw.pop();
  const segments = raw.map(decodeSegment);
  if (segments.includes('')) return { type: 'path', path };
  const core = segments[0] === 'api';
  const group = core ? '' : (segments[1] ?? '');
  const version = core ? segments[1] : segments[2];
  const rest = segments.slice(core ? 2 : 3);
  if (version === undefined || rest.length === 0) return { type: 'path', path: `/${segments.join('/')}` };
  const legacyWatch = rest[0] === 'watch' && rest.length > 1;
  return resourceRoute(group, version, legacyWatch ? rest.slice(1) : rest, legacyWatch);
}

/** Where `proxy` stands as the subresource of a named object. */
function proxyIndex(raw: string[]): number | undefined {
  const first = raw[0] === 'api' ? 2 : 3;
  const at = raw[first] === 'namespaces' && raw[first + 2] !== 'proxy' ? first + 4 : first + 2;
  return raw[at] === 'proxy' && raw.slice(0, at).every((segment) => segment !== '') ? at : undefined;
}

function proxyRoute(raw: string[], at: number): Route {
  const core = raw[0] === 'api';
  const segments = raw.slice(0, at + 1).map(decodeSegment);
  const [group = '', version = ''] = core ? ['', segments[1]] : segments.slice(1, 3);
  const rest = raw.slice(at + 1);
  const route = resourceRoute(group, version, segments.slice(core ? 2 : 3), false);
  return { ...route, rest: rest.length === 0 ? '' : `/${rest.join('/')}` };
}

function resourceRoute(group: string, version: string, parts: string[], legacyWatch: boolean): ResourceRoute {
  const base = { type: 'resource' as const, group, version, legacyWatch };
  // /namespaces/NAME and its own subresources belong to the Namespace; deeper paths to what lies in it.
  const inNamespace =
    parts[0] === 'namespaces' &&
    parts.length > 2 &&
    !(parts.length === 3 && ['status', 'finalize'].includes(parts[2] ?? ''));
  const namespace = inNamespace ? parts[1] : undefined;
  const [resource = '', name, subresource, ...rest] = inNamespace ? parts.slice(2) : parts;
  return { ...base, resource, namespace, name, subresource, rest: rest.join('/') };
}
