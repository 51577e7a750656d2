/**
 * What kube-apiserver tells about its requests, under its names (k8s.io/apiserver/pkg/endpoints/metrics, 1.36).
 * Labels take only values we know: what a client invents (methods, resources) is counted as one.
 */
import { findKind, KINDS } from '#src/api/kinds.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { Labels, Metrics } from '#src/std/metrics.ts';
import type { RequestInfo } from './request-info.ts';

const LATENCY_SECONDS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const REQUEST_LABELS = ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
const VERBS: Record<string, string> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  post: 'POST',
  update: 'PUT',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
  head: 'HEAD',
  options: 'OPTIONS',
};
const MUTATING = new Set(['create', 'update', 'patch', 'delete', 'deletecollection', 'post', 'put']);

/** One request while it is worked on. */
export interface Measured {
  /** Once; 0: the client went away before there was an answer. */
  end(code: number): void;
}

export interface RequestMetrics {
  begin(info: RequestInfo, query: URLSearchParams): Measured;
}

export function createRequestMetrics(setup: {
  metrics: Metrics;
  clock: Clock;
  /** Objects stored of a resource, as this node has them. */
  countOf: (kind: (typeof KINDS)[number]) => number;
}): RequestMetrics {
  const { metrics, clock } = setup;
  const total = metrics.counter('apiserver_request_total', 'Requests by what they asked and how they were answered', [
    ...REQUEST_LABELS,
    'code',
  ]);
  const duration = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Time from a request to its whole answer; watches and streams are not counted',
    REQUEST_LABELS,
    LATENCY_SECONDS,
  );
  const inflight = metrics.gauge('apiserver_current_inflight_requests', 'Requests being worked on', ['request_kind']);
  const long = metrics.gauge('apiserver_longrunning_requests', 'Open watches and streams', REQUEST_LABELS);
  const watchers = metrics.gauge('apiserver_registered_watchers', 'Open watches of a resource', [
    'group',
    'version',
    'kind',
  ]);
  objectCounts(metrics, setup.countOf);
  return {
    begin(info, query) {
      const labels = labelsOf(info, query);
      const kindLabels = watchedKind(info);
      const requestKind = { request_kind: MUTATING.has(info.verb) ? 'mutating' : 'readOnly' };
      const sinceMs = clock.monotonicMs();
      if (info.longRunning) long.add(labels);
      else inflight.add(requestKind);
      if (kindLabels !== undefined) watchers.add(kindLabels);
      let over = false;
      return {
        end(code) {
          if (over) return;
          over = true;
          if (info.longRunning) long.add(labels, -1);
          else inflight.add(requestKind, -1);
          if (kindLabels !== undefined) watchers.add(kindLabels, -1);
          total.add({ ...labels, code: String(code) });
          if (!info.longRunning) duration.observe(labels, (clock.monotonicMs() - sinceMs) / 1000);
        },
      };
    },
  };
}

function labelsOf(info: RequestInfo, query: URLSearchParams): Labels {
  const kind = info.isResource ? findKind(info) : undefined;
  const base = { verb: VERBS[info.verb] ?? 'other', dry_run: query.get('dryRun') === 'All' ? 'All' : '' };
  const none = { group: '', version: '', resource: '', subresource: '', scope: '', component: 'apiserver' };
  if (kind === undefined) return { ...base, ...none, subresource: info.isResource ? '' : knownPath(info.path) };
  const subresource = kind.subresources.some(({ name }) => name === info.subresource) ? info.subresource : '';
  const scope = info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster';
  const { group, version, resource } = kind;
  return { ...base, group, version, resource, subresource, scope, component: 'apiserver' };
}

/** kube-apiserver shows paths outside of resources as subresource; only those that exist. */
function knownPath(path: string): string {
  const first = path.split('/', 2)[1] ?? '';
  const known = ['api', 'apis', 'healthz', 'livez', 'readyz', 'metrics', 'openapi', 'version', 'logs'];
  return known.includes(first) ? `/${first}` : '';
}

function watchedKind(info: RequestInfo): Labels | undefined {
  if (info.verb !== 'watch') return undefined;
  const kind = findKind(info);
  return kind === undefined ? undefined : { group: kind.group, version: kind.version, kind: kind.kind };
}

/** Counted when asked: once per storage. */
function objectCounts(metrics: Metrics, countOf: (kind: (typeof KINDS)[number]) => number): void {
  const stored = metrics.gauge('apiserver_storage_objects', 'Objects stored, by resource', ['resource']);
  const counted = metrics.gauge('apiserver_resource_objects', 'Objects stored, by group and resource', [
    'group',
    'resource',
  ]);
  metrics.onCollect(() => {
    for (const kind of KINDS) {
      const isStored = kind.storedAs.apiVersion === kind.apiVersion && kind.storedAs.kind === kind.kind;
      if (!isStored || !kind.verbs.includes('list')) continue;
      const { group, resource } = kind;
      const count = countOf(kind);
      stored.set({ resource: group === '' ? resource : `${resource}.${group}` }, count);
      counted.set({ group, resource }, count);
    }
  });
}
