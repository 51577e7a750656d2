/**
 * The HTTP edge: routes, authentication, negotiation, tables, discovery, OpenAPI, watches, logs.
 * Owns: everything that is HTTP about the API; turns faults into Status objects, and nobody else does.
 * Imports: std, ports, api, registry, wire's streams. Never: the store, replica, timers of its own.
 * Read next: route.ts (the path grammar), resources.ts (verbs), list-answer.ts, watch-answer.ts, status.ts.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Http, HttpRequest, HttpResponse, HttpServeOptions, HttpServer, HttpUpgrade } from '#src/ports/http.ts';
import type { Log } from '#src/ports/log.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Registry } from '#src/registry/registry.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import { messageOf } from '#src/std/fault.ts';
import { createMetrics, type Metrics } from '#src/std/metrics.ts';
import type { Peers } from '#src/wire/peers.ts';
import { ANONYMOUS, forbiddenPath, identityOf, isOpenPath, unauthorized } from './authenticate.ts';
import { createAudit, type Audit, type AuditOptions } from './audit/audit.ts';
import { Exchange } from './exchange.ts';
import { createFairness, type Fairness, type Seat } from './fairness/fairness.ts';
import type { HealthCheck } from './health.ts';
import { createPaths, type PathHandler, type PathSettings } from './paths.ts';
import { durationMsOf } from './query.ts';
import { requestInfoOf, type RequestInfo } from './request-info.ts';
import { createRequestMetrics, type RequestMetrics } from './request-metrics.ts';
import { handleResource } from './resources.ts';
import { parseTarget, type Target } from './route.ts';
import { apiErrorOf, notFoundPath, RETRY_AFTER_SECONDS, statusOf } from './status.ts';
import { serveUpgradeOf } from './upgrades.ts';
import { FrameCache } from './watch-answer.ts';

export type { VersionInfo } from './paths.ts';
export type { HealthCheck } from './health.ts';

/** Open watches and followed logs at once. */
export const LONG_RUNNING_MAX = 20_000;
/** A request that has no answer by then gets 504; Kubernetes: 60 s. */
export const REQUEST_DEADLINE_MS = 60_000;
/** What running requests are given when the server stops. */
export const STOP_GRACE_MS = 2_000;

/** Answers what is not the Kubernetes API (`/cluster/v1/…`, `/metrics`); false: not mine. Comes before authentication. */
export type ExtraRoutes = (request: HttpRequest, response: HttpResponse, identity: Identity | undefined) => boolean;

export interface ApiServerOptions {
  http: Http;
  clock: Clock;
  log: Log;
  registry: Registry;
  /** To the nodes' kubelets: logs and exec. */
  streams?: Peers;
  config: Omit<PathSettings, 'readinessChecks' | 'livenessChecks' | 'clock' | 'metrics' | 'kinds'>;
  readinessChecks?: HealthCheck[];
  livenessChecks?: HealthCheck[];
  extraRoutes?: ExtraRoutes;
  /** Shown at /metrics together with what others count in it. */
  metrics?: Metrics;
  audit?: AuditOptions;
}

export interface ApiServer {
  handle: (request: HttpRequest, response: HttpResponse) => void;
  upgrade: (upgrade: HttpUpgrade) => void;
  /** Faults: those of Http.serve. */
  start(options: Omit<HttpServeOptions, 'handle' | 'upgrade'>): Promise<HttpServer>;
  /** Idempotent. */
  stop(): Promise<void>;
}

interface ServerState {
  options: ApiServerOptions;
  log: Log;
  paths: PathHandler;
  frames: FrameCache;
  fairness: Fairness;
  requests: RequestMetrics;
  audit: Audit | undefined;
  longRunning: number;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { clock, registry } = options;
  const metrics = options.metrics ?? createMetrics();
  const state: ServerState = {
    options,
    log: options.log.scope('apiserver'),
    paths: createPaths({
      ...options.config,
      clock,
      metrics,
      kinds: () => options.registry.kinds.all(),
      readinessChecks: options.readinessChecks ?? [],
      livenessChecks: options.livenessChecks ?? [],
    }),
    frames: new FrameCache(),
    fairness: createFairness({ clock, metrics }),
    requests: createRequestMetrics({ metrics, clock, countOf: (kind) => registry.countOf(kind) }),
    audit: options.audit === undefined ? undefined : createAudit({ ...options.audit, clock, metrics }),
    longRunning: 0,
  };
  const servers: HttpServer[] = [];
  const server: ApiServer = {
    handle(request, response) {
      if (
        options.extraRoutes?.(request, response, request.client === undefined ? undefined : safeIdentity(request)) ===
        true
      )
        return;
      void serve(state, request, response);
    },
    upgrade(upgrade) {
      void serveUpgrade(state, upgrade);
    },
    async start(serveOptions) {
      const started = await options.http.serve({ ...serveOptions, handle: server.handle, upgrade: server.upgrade });
      servers.push(started);
      return started;
    },
    async stop() {
      await Promise.all(servers.splice(0).map(async (running) => await running.close(STOP_GRACE_MS)));
    },
  };
  return server;
}

/** For extra routes a refused impersonation is the same as no name. */
function safeIdentity(request: HttpRequest): Identity | undefined {
  try {
    return identityOf(request);
  } catch {
    return undefined;
  }
}

/** One request from beginning to end. Never rejects. */
async function serve(state: ServerState, request: HttpRequest, response: HttpResponse): Promise<void> {
  let target: Target;
  let identity: Identity;
  try {
    target = parseTarget(request.url);
    identity = identify(request, target);
  } catch (error) {
    const query = new URLSearchParams();
    new Exchange({ request, response, query, identity: ANONYMOUS }).sendError(apiErrorOf(error));
    return;
  }
  const info = requestInfoOf(request, target);
  const trail = state.audit?.begin(request, { identity }, info);
  const exchange = new Exchange({
    request: trail?.watchRequest(request) ?? request,
    response,
    query: target.query,
    identity,
    observer: trail,
  });
  if (trail !== undefined) exchange.add({ 'audit-id': trail.id });
  const measured = state.requests.begin(info, target.query);
  let isMistake = false;
  try {
    await serveInTurn(state, exchange, target, info);
  } catch (error) {
    isMistake = refuse(state, exchange, error);
  }
  measured.end(exchange.status);
  trail?.complete(isMistake);
}

/** Waits for a seat, then answers, within the deadline. */
async function serveInTurn(state: ServerState, exchange: Exchange, target: Target, info: RequestInfo): Promise<void> {
  const { options } = state;
  if (info.longRunning && state.longRunning >= LONG_RUNNING_MAX) throw tooMany();
  const timer = info.longRunning ? undefined : armDeadline(options.clock, exchange);
  if (info.longRunning) state.longRunning += 1;
  // A watch costs while it begins; other streams are none of the queues' business.
  const seat = !info.longRunning || info.verb === 'watch' ? await seated(state, exchange, info, timer) : undefined;
  if (info.longRunning) exchange.onHead = () => seat?.release();
  try {
    if (!exchange.answered) await dispatch(state, exchange, target);
  } finally {
    timer?.cancel();
    seat?.release();
    if (info.longRunning) state.longRunning -= 1;
  }
}

async function seated(
  state: ServerState,
  exchange: Exchange,
  info: RequestInfo,
  timer: Timer | undefined,
): Promise<Seat> {
  try {
    const seat = await state.fairness.admit(exchange.identity, info);
    exchange.add(seat.headers);
    return seat;
  } catch (error) {
    timer?.cancel();
    if (info.longRunning) state.longRunning -= 1;
    throw error;
  }
}

/** `?timeout=` shortens it. @throws ApiError 400. */
function armDeadline(clock: Clock, exchange: Exchange): Timer {
  const askedMs = durationMsOf(exchange.query, 'timeout');
  const deadlineMs = Math.min(askedMs ?? REQUEST_DEADLINE_MS, REQUEST_DEADLINE_MS);
  return clock.after(deadlineMs, () => {
    exchange.sendError(
      new ApiError(
        504,
        'Timeout',
        `request did not complete within ${deadlineMs / 1000}s; the outcome of a write is unknown`,
        { details: {} },
      ),
    );
  });
}

/** Never rejects. */
async function serveUpgrade(state: ServerState, upgrade: HttpUpgrade): Promise<void> {
  const { options } = state;
  if (state.longRunning >= LONG_RUNNING_MAX) {
    refuseUpgrade(upgrade, tooMany());
    return;
  }
  state.longRunning += 1;
  try {
    const target = parseTarget(upgrade.request.url);
    const verbs = options.registry.verbsFor(identify(upgrade.request, target));
    await serveUpgradeOf(upgrade, target, {
      verbs,
      own: ownVerbs(options),
      streams: options.streams,
      clock: options.clock,
    });
  } catch (error) {
    refuseUpgrade(upgrade, apiErrorOf(error));
  } finally {
    state.longRunning -= 1;
  }
}

/** For what this server has to know to serve somebody who may not read it himself, like a Pod's node. */
function ownVerbs(options: ApiServerOptions): Verbs {
  return options.registry.verbsFor({ user: 'system:apiserver', groups: ['system:masters'] });
}

function refuseUpgrade(upgrade: HttpUpgrade, error: ApiError): void {
  upgrade.refuse(error.status, { 'content-type': 'application/json' }, utf8(JSON.stringify(statusOf(error))));
}

function identify(request: HttpRequest, target: Target): Identity {
  const identity = identityOf(request);
  if (identity !== undefined) return identity;
  // A token that we cannot verify is a wrong name, not the lack of one.
  if (request.headers['authorization'] !== undefined) throw unauthorized();
  if (target.route.type === 'path' && !isOpenPath(target.route.path))
    throw forbiddenPath(ANONYMOUS, request.method, target.route.path);
  return ANONYMOUS;
}

async function dispatch(state: ServerState, exchange: Exchange, target: Target): Promise<void> {
  const { options } = state;
  const { route } = target;
  if (route.type === 'resource') {
    const verbs = options.registry.verbsFor(exchange.identity);
    await handleResource(
      {
        clock: options.clock,
        verbs,
        own: ownVerbs(options),
        kinds: options.registry.kinds,
        streams: options.streams,
        frames: state.frames,
      },
      exchange,
      route,
    );
    return;
  }
  const { method } = exchange.request;
  if (method !== 'GET' && method !== 'HEAD')
    throw new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {
      details: {},
    });
  if (!(await state.paths(exchange, route.path))) throw notFoundPath();
}

/** Whether it was a mistake of ours. */
function refuse(state: ServerState, exchange: Exchange, error: unknown): boolean {
  const refusal = apiErrorOf(error);
  if (refusal.status >= 500) {
    const { method, url } = exchange.request;
    state.log.warn('a request failed', { method, url, status: refusal.status, error: messageOf(error) });
    if (refusal.reason === 'InternalError' && error instanceof Error)
      state.log.error('this is a mistake of ours', { stack: error.stack });
  }
  if (!exchange.answered) {
    exchange.sendError(refusal);
    return refusal.reason === 'InternalError';
  }
  // The head is out: only cutting tells the client that what it has is not all.
  if (!exchange.response.closed) exchange.response.abort(refusal.message);
  return refusal.reason === 'InternalError';
}

function tooMany(): ApiError {
  return new ApiError(429, 'TooManyRequests', 'Too many requests, please try again later.', {
    details: { retryAfterSeconds: RETRY_AFTER_SECONDS },
  });
}
