/**
 * What a request is about, in the words that authorization, flow control, audit and metrics share.
 * After k8s.io/apiserver/pkg/endpoints/request/requestinfo.go, 1.36.
 */
import type { HttpRequest } from '#src/ports/http.ts';
import { booleanOf } from './query.ts';
import type { Target } from './route.ts';

export interface RequestInfo {
  isResource: boolean;
  /** get, list, watch, create, update, patch, delete, deletecollection; for other paths the method in small letters. */
  verb: string;
  /** Without the query. */
  path: string;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  /** '' across all, and for what has no namespace. */
  namespace: string;
  name: string;
  /** A watch, a followed log, a stream: it is open for as long as its client likes. */
  longRunning: boolean;
}

const VERBS: Record<string, string> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
/** Subresources that are streams, whatever their method. */
const STREAMS = new Set(['attach', 'exec', 'portforward', 'proxy']);

export function requestInfoOf(request: Pick<HttpRequest, 'method' | 'url'>, target: Target): RequestInfo {
  const { route, query } = target;
  const path = request.url.split('?', 1)[0] ?? '';
  if (route.type === 'path') {
    const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
    return { ...none, isResource: false, verb: request.method.toLowerCase(), path, longRunning: false };
  }
  const verb = verbOf(request.method, target);
  const { group, version, resource, subresource = '', namespace = '', name = '' } = route;
  const followed = subresource === 'log' && verb === 'get' && booleanOf(query, 'follow') === true;
  return {
    isResource: true,
    verb,
    path,
    group,
    version,
    resource,
    subresource,
    // A Namespace lies in itself, for those who ask what may be done in it.
    namespace: resource === 'namespaces' && namespace === '' ? name : namespace,
    name,
    longRunning: verb === 'watch' || followed || STREAMS.has(subresource),
  };
}

function verbOf(method: string, { route, query }: Target): string {
  const verb = VERBS[method] ?? method.toLowerCase();
  if (route.type !== 'resource') return verb;
  if (verb === 'get' && route.legacyWatch) return 'watch';
  if (route.name !== undefined) return verb;
  if (verb === 'get') return booleanOf(query, 'watch') === true ? 'watch' : 'list';
  return verb === 'delete' ? 'deletecollection' : verb;
}
