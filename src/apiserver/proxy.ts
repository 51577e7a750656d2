/**
 * `…/proxy`: a request handed on to a server in a Pod, behind a Service or to a node's kubelet, over the peers'
 * streams. The client's credentials stay here; hop-by-hop headers are cut on both ways; redirects of the server to
 * itself come back here.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Kind, Verb } from '#src/api/kinds.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpHeaders, HttpRequest, HttpUpgrade, RawStream } from '#src/ports/http.ts';
import { utf8 } from '#src/registry/bytes.ts';
import { badRequest } from '#src/registry/refusals.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { Exchange, ResponseHeaders } from './exchange.ts';
import { askOver, headerOf, type Answer, type HeaderList } from './http-client.ts';
import { writeAndYield } from './list-answer.ts';
import { podTargetOf, splitSchemeNamePort, unavailable, type PodTarget } from './proxy-target.ts';
import type { ResourceRoute } from './route.ts';
import { idleGuard } from './stream-socket.ts';

/** A request's body is held whole before it is handed on. */
export const PROXY_BODY_BYTES_MAX = 16 * 1024 * 1024;
const PROXY_BODY_TIMEOUT_MS = 60_000;
/** Of the answer to a refused upgrade. */
const REFUSAL_BYTES_MAX = 64 * 1024;
const RAW_PENDING_BYTES_MAX = 1024 * 1024;
const NODE_TIMEOUT_MS = 10_000;

const VERBS: Record<string, Verb> = {
  GET: 'get',
  HEAD: 'get',
  OPTIONS: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];
/** They are for this server. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'proxy-authenticate'];

interface ProxyContext {
  kind: Kind;
  route: ResourceRoute;
  verbs: Verbs;
  own: Verbs;
  streams: Peers | undefined;
  clock: Clock;
}

function authorize({ kind, route, verbs }: ProxyContext, method: string): void {
  const verb = VERBS[method];
  if (verb === undefined) throw badRequest(`the method ${method} is not proxied`);
  verbs.require(kind, verb, { namespace: route.namespace, name: route.name ?? '', subresource: 'proxy' });
}

/** @throws ApiError. */
export async function proxyRequest(exchange: Exchange, at: ProxyContext): Promise<void> {
  const { request } = exchange;
  const { route, streams } = at;
  authorize(at, request.method);
  if (streams === undefined) throw new ApiError(503, 'ServiceUnavailable', 'this server reaches no kubelets');
  if (at.kind.resource === 'nodes') return await askNode(exchange, { ...at, streams });
  const target = await podTargetOf({ ...at, streams });
  const question = request.url.indexOf('?');
  if (route.rest === '' && (request.method === 'GET' || request.method === 'HEAD')) {
    const [path, query] =
      question === -1 ? [request.url, ''] : [request.url.slice(0, question), request.url.slice(question)];
    exchange.sendBytes(301, 'text/plain; charset=utf-8', new Uint8Array(), { location: `${path}/${query}` });
    return;
  }
  const body = await request.body({ bytesMax: PROXY_BODY_BYTES_MAX, timeoutMs: PROXY_BODY_TIMEOUT_MS });
  const stream = await target.open();
  exchange.response.onClose(() => stream.cancel('the client went away'));
  const answer = await ask(stream, { request, target, route, body, extra: [['Connection', 'close']] });
  await answerWith(exchange, { at, answer, target, stream });
}

async function ask(
  stream: ByteStream,
  at: { request: HttpRequest; target: PodTarget; route: ResourceRoute; body: Uint8Array; extra: HeaderList },
): Promise<Answer> {
  const { request, target, route, body } = at;
  const question = request.url.indexOf('?');
  const path = `${route.rest === '' ? '/' : route.rest}${question === -1 ? '' : request.url.slice(question)}`;
  if (!/^[\x21-\x7e]+$/.test(path)) throw badRequest('the path holds characters that a URL has not');
  const named = (request.headers['connection'] ?? '').split(',').map((name) => name.trim().toLowerCase());
  const dropped = new Set([...HOP_BY_HOP, ...CREDENTIALS, ...named, 'host', 'content-length', 'expect']);
  const kept = Object.entries(request.headers).filter(
    ([name]) => !dropped.has(name) && !name.startsWith(':') && !name.startsWith('impersonate-'),
  );
  const forwardedFor = [request.headers['x-forwarded-for'], request.remoteAddress].filter(
    (part) => (part ?? '') !== '',
  );
  const headers: HeaderList = [
    ['Host', target.host],
    ...kept.filter(([name]) => !name.startsWith('x-forwarded-')),
    ['X-Forwarded-For', forwardedFor.join(', ')],
    ['X-Forwarded-Host', request.headers['host'] ?? ''],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Uri', `${prefixOf(request.url, route)}${path}`],
    ...(body.length > 0 || request.headers['content-length'] !== undefined
      ? ([['Content-Length', String(body.length)]] satisfies HeaderList)
      : []),
    ...at.extra,
  ];
  try {
    return await askOver(stream, { method: request.method, target: path, headers, body });
  } catch (error) {
    stream.cancel(messageOf(error));
    if (isFault(error)) throw unavailable(`error trying to reach service: ${error.message}`);
    throw error;
  }
}

/** `/api/v1/namespaces/x/pods/y/proxy` of a URL below it. */
function prefixOf(url: string, route: ResourceRoute): string {
  const path = url.split('?')[0] ?? '';
  return path.slice(0, path.length - route.rest.length);
}

/** A redirect of the server to itself becomes one to the same place through this proxy. */
export function rewriteLocation(location: string, at: { host: string; prefix: string; base: string }): string {
  let resolved: URL;
  try {
    resolved = new URL(location, `http://${at.host}${at.base}`);
  } catch {
    return location; // Not a URL: the client may judge.
  }
  if (resolved.host !== new URL(`http://${at.host}`).host) return location;
  const { pathname, search, hash } = resolved;
  return pathname.startsWith(`${at.prefix}/`)
    ? `${pathname}${search}${hash}`
    : `${at.prefix}${pathname}${search}${hash}`;
}

function answerHeaders(
  answer: Answer,
  at: { request: HttpRequest; route: ResourceRoute; target: PodTarget },
): ResponseHeaders {
  const named = (headerOf(answer.headers, 'connection') ?? '').split(',').map((name) => name.trim().toLowerCase());
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  const headers: ResponseHeaders = {};
  for (const [name, value] of answer.headers) {
    if (dropped.has(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  const location = headerOf(answer.headers, 'location');
  if (location !== undefined) {
    const { request, route, target } = at;
    const base = route.rest === '' ? '/' : route.rest;
    headers['location'] = rewriteLocation(location, { host: target.host, prefix: prefixOf(request.url, route), base });
  }
  return headers;
}

async function answerWith(
  exchange: Exchange,
  { at, answer, target, stream }: { at: ProxyContext; answer: Answer; target: PodTarget; stream: ByteStream },
): Promise<void> {
  const { route } = at;
  if (!exchange.head(answer.status, answerHeaders(answer, { request: exchange.request, route, target }))) return;
  try {
    for await (const chunk of answer.body) if (!(await writeAndYield(exchange, at.clock, chunk))) break;
    exchange.response.end();
  } catch (error) {
    // The head is out: only cutting tells the client that what it has is not all.
    exchange.response.abort(messageOf(error));
  }
  stream.cancel('the answer is whole');
}

async function askNode(exchange: Exchange, at: ProxyContext & { streams: Peers }): Promise<void> {
  const { name } = splitSchemeNamePort(at.route.name ?? '', 'node');
  await at.own.get(at.kind, { namespace: undefined, name });
  if (exchange.request.method !== 'GET' && exchange.request.method !== 'HEAD')
    throw new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {
      details: {},
    });
  const path = at.route.rest === '' ? '/' : at.route.rest;
  let answer: { status: number; contentType: string; body: string };
  try {
    answer = (await at.streams.request(
      name,
      'kubelet.path',
      { path },
      { timeoutMs: NODE_TIMEOUT_MS },
    )) as typeof answer;
  } catch (error) {
    throw unavailable(`error trying to reach service: ${messageOf(error)}`);
  }
  exchange.sendBytes(answer.status, answer.contentType, utf8(answer.body));
}

/** @throws ApiError until the handshake; resolves when the connection is over. */
export async function proxyUpgrade(upgrade: HttpUpgrade, at: ProxyContext & { streams: Peers }): Promise<void> {
  const { request } = upgrade;
  authorize(at, request.method);
  if (at.kind.resource === 'nodes') throw badRequest('the kubelet has no path to upgrade');
  const target = await podTargetOf(at);
  const stream = await target.open();
  const extra: HeaderList = [
    ['Connection', 'Upgrade'],
    ['Upgrade', request.headers['upgrade'] ?? ''],
  ];
  const answer = await ask(stream, { request, target, route: at.route, body: new Uint8Array(), extra });
  if (answer.status !== 101) {
    upgrade.refuse(
      answer.status,
      plainHeaders(answer, { request, route: at.route, target }),
      await upTo(answer, REFUSAL_BYTES_MAX),
    );
    stream.cancel('the upgrade was refused');
    return;
  }
  const raw = upgrade.acceptRaw({
    ...plainHeaders(answer, { request, route: at.route, target }),
    connection: 'Upgrade',
    upgrade: headerOf(answer.headers, 'upgrade') ?? '',
  });
  await joinRaw(raw, { stream, answer, clock: at.clock });
}

function plainHeaders(
  answer: Answer,
  at: { request: HttpRequest; route: ResourceRoute; target: PodTarget },
): HttpHeaders {
  const { 'content-length': _counted, ...headers } = answerHeaders(answer, at);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

async function upTo(answer: Answer, bytesMax: number): Promise<Uint8Array> {
  let body = new Uint8Array();
  for await (const chunk of answer.body) {
    const joined = new Uint8Array(body.length + chunk.length);
    joined.set(body);
    joined.set(chunk, body.length);
    body = joined;
    if (body.length >= bytesMax) break;
  }
  return body.subarray(0, bytesMax);
}

async function joinRaw(raw: RawStream, at: { stream: ByteStream; answer: Answer; clock: Clock }): Promise<void> {
  const { stream, answer } = at;
  const idle = idleGuard(at.clock, () => stream.cancel('nothing went over the connection for too long'));
  let pendingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  raw.onData((chunk) => {
    idle.touch();
    pendingBytes += chunk.length;
    if (pendingBytes > RAW_PENDING_BYTES_MAX) raw.pause();
    last = last.then(async () => {
      await stream.write(chunk);
      pendingBytes -= chunk.length;
      if (pendingBytes <= RAW_PENDING_BYTES_MAX / 2) raw.resume();
    });
    last.catch(() => raw.resume()); // The other direction ends it.
  });
  raw.onEnd(() => void last.then(() => stream.end()).catch(() => undefined)); // As above.
  raw.onClose(() => stream.cancel('the client went away'));
  try {
    for await (const chunk of answer.body) {
      idle.touch();
      if (!raw.write(chunk)) await raw.drained();
    }
  } catch {
    // Told by the end of the connection, the only way there is.
  }
  idle.stop();
  raw.end();
}
