/**
 * The HTTP edge: routes, authentication, negotiation, tables, discovery, OpenAPI, watches, logs.
 * Owns: everything that is HTTP about the API; turns faults into Status objects, and nobody else does.
 * Imports: std, ports, api, registry, wire's streams. Never: the store, replica, timers of its own.
 * Read next: route.ts (the path grammar), resources.ts (verbs), list-answer.ts, watch-answer.ts, status.ts.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { Http, HttpRequest, HttpResponse, HttpServeOptions, HttpServer, HttpUpgrade } from '#src/ports/http.ts';
import type { Log } from '#src/ports/log.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Registry } from '#src/registry/registry.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import { ANONYMOUS, forbiddenPath, identityOf, isOpenPath, unauthorized } from './authenticate.ts';
import { Exchange } from './exchange.ts';
import { relayExec } from './pod-exec.ts';
import { passOn, remoteGroups } from './aggregated.ts';
import { createPaths, type HealthCheck, type PathHandler, type PathSettings } from './paths.ts';
import { handleResource, isLongRunning } from './resources.ts';
import { parseTarget, type Target } from './route.ts';
import { apiErrorOf, notFoundPath, RETRY_AFTER_SECONDS, statusOf } from './status.ts';
import { FrameCache } from './watch-answer.ts';

export type { HealthCheck, VersionInfo } from './paths.ts';

/** Requests being worked on at once, watches and followed logs not counted; Kubernetes: 400 + 200. */
export const IN_FLIGHT_MAX = 600;
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
  config: Omit<PathSettings, 'readinessChecks' | 'livenessChecks' | 'clock' | 'kinds' | 'remoteGroups'>;
  readinessChecks?: HealthCheck[];
  livenessChecks?: HealthCheck[];
  extraRoutes?: ExtraRoutes;
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
  inFlight: number;
  longRunning: number;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  const state: ServerState = {
    options,
    log: options.log.scope('apiserver'),
    paths: createPaths({
      ...options.config,
      clock: options.clock,
      kinds: () => options.registry.kinds.all(),
      remoteGroups: async (identity) => await remoteGroups(options.registry, identity),
      readinessChecks: options.readinessChecks ?? [],
      livenessChecks: options.livenessChecks ?? [],
    }),
    frames: new FrameCache(),
    inFlight: 0,
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
  const exchangeOf = (target: Target | undefined, identity: Identity): Exchange =>
    new Exchange({ request, response, query: target?.query ?? new URLSearchParams(), identity });
  let target: Target;
  let identity: Identity;
  try {
    target = parseTarget(request.url);
    identity = identify(request, target);
  } catch (error) {
    exchangeOf(undefined, ANONYMOUS).sendError(apiErrorOf(error));
    return;
  }
  const exchange = exchangeOf(target, identity);
  const isLong = target.route.type === 'resource' && isLongRunning(target.route, target.query, request.method);
  if (isLong ? state.longRunning >= LONG_RUNNING_MAX : state.inFlight >= IN_FLIGHT_MAX) {
    exchange.sendError(tooMany());
    return;
  }
  const timer = isLong
    ? undefined
    : state.options.clock.after(REQUEST_DEADLINE_MS, () => {
        exchange.sendError(
          new ApiError(
            504,
            'Timeout',
            `request did not complete within ${REQUEST_DEADLINE_MS / 1000}s; the outcome of a write is unknown`,
          ),
        );
      });
  if (isLong) state.longRunning += 1;
  else state.inFlight += 1;
  try {
    await dispatch(state, exchange, target);
  } catch (error) {
    refuse(state, exchange, error);
  } finally {
    timer?.cancel();
    if (isLong) state.longRunning -= 1;
    else state.inFlight -= 1;
  }
}

/** exec and attach; everything else that wants to upgrade is refused. Never rejects. */
async function serveUpgrade(state: ServerState, upgrade: HttpUpgrade): Promise<void> {
  const { options } = state;
  if (state.longRunning >= LONG_RUNNING_MAX) {
    refuseUpgrade(upgrade, tooMany());
    return;
  }
  state.longRunning += 1;
  try {
    const target = parseTarget(upgrade.request.url);
    const { route, query } = target;
    const identity = identify(upgrade.request, target);
    const kind = route.type === 'resource' ? options.registry.kinds.find(route) : undefined;
    const isExec =
      route.type === 'resource' &&
      kind?.resource === 'pods' &&
      (route.subresource === 'exec' || route.subresource === 'attach');
    if (!isExec || kind === undefined || route.type !== 'resource') throw notFoundPath();
    if (options.streams === undefined) throw new ApiError(503, 'ServiceUnavailable', 'this server reaches no kubelets');
    const verbs = options.registry.verbsFor(identity);
    await relayExec(upgrade, { verbs, kind, route, query, streams: options.streams, clock: options.clock });
  } catch (error) {
    refuseUpgrade(upgrade, apiErrorOf(error));
  } finally {
    state.longRunning -= 1;
  }
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
  if (await passOn(options.registry, exchange, route)) return;
  if (route.type === 'resource') {
    const verbs = options.registry.verbsFor(exchange.identity);
    await handleResource(
      { clock: options.clock, verbs, kinds: options.registry.kinds, streams: options.streams, frames: state.frames },
      exchange,
      route,
    );
    return;
  }
  if (exchange.request.method !== 'GET')
    throw new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {
      details: {},
    });
  if (!(await state.paths(exchange, route.path))) throw notFoundPath();
}

function refuse(state: ServerState, exchange: Exchange, error: unknown): void {
  const refusal = apiErrorOf(error);
  if (refusal.status >= 500) {
    const { method, url } = exchange.request;
    state.log.warn('a request failed', { method, url, status: refusal.status, error: messageOf(error) });
    if (refusal.reason === 'InternalError' && error instanceof Error)
      state.log.error('this is a mistake of ours', { stack: error.stack });
  }
  if (!exchange.answered) {
    exchange.sendError(refusal);
    return;
  }
  // The head is out: only cutting tells the client that what it has is not all.
  if (!exchange.response.closed) exchange.response.abort(refusal.message);
}

function tooMany(): ApiError {
  return new ApiError(429, 'TooManyRequests', 'Too many requests, please try again later.', {
    details: { retryAfterSeconds: RETRY_AFTER_SECONDS },
  });
}
