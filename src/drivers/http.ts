/**
 * The Http port over node:http2 (HTTP/2, HTTP/1.1 and WebSocket on one TLS port) and node:https.
 * Owns: TLS, header and body limits, WebSocket handshakes (ws).
 * A client certificate is asked for and optional: one that does not verify counts as none.
 */
import { EventEmitter } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { constants, createGzip, type Gzip } from 'node:zlib';
import { WebSocketServer } from 'ws';
import type {
  Http,
  HttpClientIdentity,
  HttpFetchOptions,
  HttpFetchResult,
  HttpHeaders,
  HttpRequest,
  HttpResponse,
  HttpServeOptions,
  HttpServer,
  HttpUpgrade,
} from '#src/ports/http.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { rawStreamOf, webSocketOf } from './http-streams.ts';

const HEADER_BYTES_MAX = 64 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const IDLE_CONNECTION_MS = 120_000;
const STREAMS_PER_SESSION_MAX = 250;
const CONNECTIONS_MAX = 10_000;
const WEBSOCKET_MESSAGE_BYTES_MAX = 1024 * 1024;
const HIGH_WATER_BYTES = 256 * 1024;

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

/** The real HTTP port. */
export function createHttp(): Http {
  return { serve, fetch: fetchOnce };
}

function headersOf(request: AnyRequest): HttpHeaders {
  const headers: HttpHeaders = Object.create(null) as HttpHeaders;
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(':') || value === undefined) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const authority = request.headers[':authority'];
  if (headers['host'] === undefined && typeof authority === 'string') headers['host'] = authority;
  return headers;
}

/** Whose certificate a connection showed: taking it apart costs more than most requests. */
const clients = new WeakMap<TLSSocket, HttpClientIdentity | 'nobody'>();

function clientOf(socket: TLSSocket | undefined): HttpClientIdentity | undefined {
  // Of HTTP/2 this is a proxy, for which the operator 'in' does not answer.
  if (!socket?.authorized) return undefined;
  let client = clients.get(socket);
  if (client === undefined) clients.set(socket, (client = subjectOf(socket) ?? 'nobody'));
  return client === 'nobody' ? undefined : client;
}

function subjectOf(socket: TLSSocket): HttpClientIdentity | undefined {
  const subject = socket.getPeerCertificate().subject as { CN?: string | string[]; O?: string | string[] } | undefined;
  const commonName = Array.isArray(subject?.CN) ? subject.CN[0] : subject?.CN;
  if (commonName === undefined) return undefined;
  const organizations = subject?.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O];
  return { commonName, organizations };
}

/** A request's socket; of HTTP/2 the session's. Undefined once it is gone. */
function socketOf(request: AnyRequest): TLSSocket | undefined {
  const session = 'stream' in request ? request.stream.session : undefined;
  return (session ? session.socket : request.socket) as TLSSocket | undefined;
}

function readBody(request: AnyRequest, limits: { bytesMax: number; timeoutMs: number }): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () => finish(new Fault('HTTP_BODY_TIMEOUT', `the body did not arrive within ${limits.timeoutMs} ms`, 'never')),
      limits.timeoutMs,
    );
    function finish(fault?: Fault): void {
      clearTimeout(timer);
      request.removeAllListeners('data');
      if (fault) {
        // What is still on its way is read and thrown away, so that the answer reaches the client.
        request.resume();
        reject(fault);
      } else {
        resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size));
      }
    }
    const tooLarge = (): Fault =>
      new Fault('HTTP_BODY_TOO_LARGE', `the body is larger than ${limits.bytesMax} bytes`, 'never');
    if (Number(request.headers['content-length'] ?? 0) > limits.bytesMax) {
      finish(tooLarge());
      return;
    }
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.bytesMax) finish(tooLarge());
      else chunks.push(chunk);
    });
    let ended = false;
    request.once('end', () => {
      ended = true;
      finish();
    });
    request.once('error', (error) =>
      finish(new Fault('HTTP_ABORTED', `the request broke off: ${error.message}`, 'never', error)),
    );
    request.once('close', () => {
      if (!ended) finish(new Fault('HTTP_ABORTED', 'the client went away before the end of the body', 'never'));
    });
  });
}

function requestOf(request: AnyRequest): HttpRequest {
  const socket = socketOf(request);
  const client = clientOf(socket);
  return {
    method: request.method ?? 'GET',
    url: request.url ?? '/',
    headers: headersOf(request),
    httpVersion: request.httpVersion.startsWith('2') ? '2' : '1.1',
    remoteAddress: socket?.remoteAddress ?? '',
    ...(client ? { client } : {}),
    body: (limits) => readBody(request, limits),
  };
}

/** Hop-by-hop headers do not exist in HTTP/2 (RFC 9113 §8.2.2). */
const HTTP1_ONLY = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** The header names it, and not with quality 0 (RFC 9110 §12.5.3). */
function acceptsGzip(request: AnyRequest): boolean {
  const accepted = String(request.headers['accept-encoding'] ?? '');
  return accepted.split(',').some((one) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$)[\d.]+\s*)?$/i.test(one));
}

function responseOf(request: AnyRequest, raw: AnyResponse, isHttp2: boolean): HttpResponse {
  let closed = false;
  /** Fastest level, in the thread pool: what it saves is the network, not our loop. */
  let gzip: Gzip | undefined;
  const closers: (() => void)[] = [];
  (raw as ServerResponse).once('close', () => {
    closed = true;
    gzip?.destroy();
    for (const handle of closers.splice(0)) handle();
  });
  // A broken pipe: 'close' follows and tells who waits.
  (raw as ServerResponse).on('error', () => undefined);
  const gone = (): boolean => closed || raw.destroyed || raw.writableEnded;
  return {
    get closed() {
      return gone();
    },
    head(status, headers, options) {
      if (gone() || raw.headersSent) return;
      const compressed = options?.compress === true && request.method !== 'HEAD' && acceptsGzip(request);
      const left = isHttp2 ? HTTP1_ONLY : new Set<string>();
      const kept: Record<string, string | string[]> = Object.fromEntries(
        Object.entries(headers).filter(([name]) => !left.has(name) && !(compressed && name === 'content-length')),
      );
      if (compressed) {
        kept['content-encoding'] = 'gzip';
        kept['vary'] = 'Accept-Encoding';
        gzip = createGzip({ level: constants.Z_BEST_SPEED });
        gzip.on('error', () => raw.destroy());
        gzip.pipe(raw as ServerResponse);
      }
      (raw as ServerResponse).writeHead(status, kept);
      // A watch sends its head long before its first event.
      if ('flushHeaders' in raw) raw.flushHeaders();
    },
    write(chunk) {
      if (gone()) return true;
      const took = gzip ? gzip.write(chunk) : (raw as ServerResponse).write(chunk);
      return took || (gzip ?? raw).writableLength < HIGH_WATER_BYTES;
    },
    drained() {
      if (gone() || (gzip ?? raw).writableLength < HIGH_WATER_BYTES) return Promise.resolve();
      const source: EventEmitter = gzip ?? raw;
      return new Promise((resolve) => {
        const done = (): void => {
          source.off('drain', done);
          raw.off('close', done);
          resolve();
        };
        source.on('drain', done);
        raw.on('close', done);
      });
    },
    bufferedBytes: () => raw.writableLength + (gzip?.writableLength ?? 0),
    end(chunk) {
      if (gone()) return;
      if (gzip) gzip.end(chunk);
      else if (chunk) (raw as ServerResponse).end(chunk);
      else raw.end();
    },
    abort() {
      if (isHttp2) (raw as Http2ServerResponse).stream.close(8);
      else raw.destroy();
    },
    onClose(handle) {
      if (closed) handle();
      else closers.push(handle);
    },
  };
}

function plainAnswer(status: number, headers: HttpHeaders, body: Uint8Array): Buffer {
  const lines = [`HTTP/1.1 ${status} ${status === 101 ? 'Switching Protocols' : 'Refused'}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (status !== 101) lines.push(`Content-Length: ${body.length}`, 'Connection: close');
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function upgradeOf(sockets: WebSocketServer, request: IncomingMessage, socket: Socket, head: Buffer): HttpUpgrade {
  socket.on('error', () => socket.destroy());
  return {
    request: requestOf(request),
    acceptWebSocket(protocol) {
      return new Promise((resolve) => {
        // ws answers with the first protocol of the request's header: leave only the chosen one.
        if (protocol === undefined) delete request.headers['sec-websocket-protocol'];
        else request.headers['sec-websocket-protocol'] = protocol;
        sockets.handleUpgrade(request, socket, head, (webSocket) => resolve(webSocketOf(webSocket)));
      });
    },
    acceptRaw(headers) {
      // A stream may be silent for long; who relays it ends it when it is idle.
      socket.setTimeout(0);
      socket.write(plainAnswer(101, headers, new Uint8Array()));
      if (head.length > 0) socket.unshift(head);
      return rawStreamOf(socket);
    },
    refuse(status, headers, body) {
      socket.end(plainAnswer(status, headers, body));
    },
  };
}

function listenOn(server: TcpServer, address: HttpServeOptions['listen'][number]): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const where = `${address.host}:${address.port}`;
      if (error.code === 'EADDRINUSE')
        reject(
          new Fault(
            'HTTP_ADDRESS_IN_USE',
            `${where} is in use by another process; stop it, or choose another port (--port)`,
            'never',
            error,
          ),
        );
      else if (error.code === 'EADDRNOTAVAIL')
        reject(new Fault('HTTP_ADDRESS_UNAVAILABLE', `${where}: this machine has no such address`, 'never', error));
      else if (error.code === 'EACCES')
        reject(
          new Fault(
            'HTTP_PERMISSION',
            `${where} needs privileges; choose a port from 1024 on (--port)`,
            'never',
            error,
          ),
        );
      else reject(error);
    };
    server.once('error', failed);
    server.listen(
      { host: address.host, port: address.port, reusePort: address.shared === true, exclusive: true },
      () => {
        server.off('error', failed);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound ? bound.port : address.port);
      },
    );
  });
}

function secureServer(options: HttpServeOptions): Http2SecureServer {
  const server = createSecureServer({
    allowHTTP1: true,
    cert: options.certificatePem,
    key: options.privateKeyPem,
    ca: options.clientAuthorityPem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    handshakeTimeout: HEADERS_TIMEOUT_MS,
    maxHeaderListPairs: 200,
    maxSessionMemory: 64,
    settings: {
      maxConcurrentStreams: STREAMS_PER_SESSION_MAX,
      maxHeaderListSize: HEADER_BYTES_MAX,
      initialWindowSize: 1024 * 1024,
    },
    ...({ maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_TIMEOUT_MS } as object),
  });
  server.setTimeout(IDLE_CONNECTION_MS);
  return server;
}

async function serve(options: HttpServeOptions): Promise<HttpServer> {
  const server = secureServer(options);
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: WEBSOCKET_MESSAGE_BYTES_MAX,
    handleProtocols: (protocols) => [...protocols][0] ?? false,
  });
  const open = new Set<Socket>();
  const active = new Set<AnyResponse>();
  server.on('request', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const isHttp2 = request.httpVersionMajor === 2;
    request.on('error', () => undefined); // The response's 'close' tells that the client is gone.
    active.add(response);
    response.once('close', () => active.delete(response));
    // A long watch is not idle, whatever the connection's timer says.
    response.setTimeout(0);
    options.handle(requestOf(request), responseOf(request, response, isHttp2));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const upgrade = upgradeOf(sockets, request, socket, head);
    if (options.upgrade) options.upgrade(upgrade);
    else upgrade.refuse(400, {}, Buffer.from('no upgrade here\n'));
  });
  server.on('sessionError', () => undefined); // One client's broken session; its streams close.
  server.on('clientError', (_error, socket: Socket) => {
    if (socket.writable)
      socket.end(plainAnswer(400, { 'Content-Type': 'text/plain' }, Buffer.from('malformed request\n')));
    else socket.destroy();
  });
  server.on('tlsClientError', (_error, socket: Socket) => socket.destroy());

  // One TLS server, fed by a TCP listener per address.
  const listeners: TcpServer[] = [];
  const ports: number[] = [];
  try {
    for (const address of options.listen) {
      const listener = createTcpServer({ noDelay: true }, (socket) => {
        open.add(socket);
        socket.on('error', () => socket.destroy());
        socket.once('close', () => open.delete(socket));
        server.emit('connection', socket);
      });
      listener.maxConnections = CONNECTIONS_MAX;
      ports.push(await listenOn(listener, address));
      listeners.push(listener);
    }
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }

  return {
    ports,
    async close(graceMs) {
      for (const listener of listeners) listener.close();
      const end = performance.now() + graceMs;
      while (active.size > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
      for (const socket of open) socket.destroy();
      sockets.close();
    },
  };
}

function faultOf(error: NodeJS.ErrnoException, url: string): Fault {
  const code = error.code ?? '';
  if (
    code.startsWith('ERR_TLS') ||
    code.includes('CERT') ||
    code.includes('SELF_SIGNED') ||
    code.includes('UNABLE_TO_VERIFY')
  ) {
    return new Fault(
      'HTTP_CERTIFICATE',
      `${url}: the certificate is not trusted (${messageOf(error)})`,
      'never',
      error,
    );
  }
  return new Fault('HTTP_UNREACHABLE', `${url}: ${messageOf(error)}`, 'later', error);
}

function trustOf({ authorityPem, systemAuthorities, serverName }: HttpFetchOptions): object {
  const name = serverName === undefined ? {} : { servername: serverName };
  if (authorityPem !== undefined) return { ca: authorityPem, ...name };
  return systemAuthorities === true ? name : { rejectUnauthorized: false };
}

function fetchOnce(options: HttpFetchOptions): Promise<HttpFetchResult> {
  return new Promise((resolve, reject) => {
    const events = new EventEmitter();
    const send = options.url.startsWith('https:') ? httpsRequest : httpRequest;
    const sent = send(
      options.url,
      {
        method: options.method,
        headers: { ...options.headers, ...(options.body ? { 'content-length': String(options.body.length) } : {}) },
        agent: false,
        ...trustOf(options),
        ...(options.certificatePem === undefined ? {} : { cert: options.certificatePem, key: options.privateKeyPem }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          chunks.push(chunk);
          if (size > options.bodyBytesMax) {
            events.emit(
              'done',
              new Fault(
                'HTTP_BODY_TOO_LARGE',
                `${options.url} answered more than ${options.bodyBytesMax} bytes`,
                'never',
              ),
            );
          }
        });
        response.on('error', (error) => events.emit('done', faultOf(error, options.url)));
        response.on('end', () =>
          events.emit('done', undefined, {
            status: response.statusCode ?? 0,
            headers: headersOf(response),
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    const timer = setTimeout(
      () =>
        events.emit(
          'done',
          new Fault('HTTP_TIMEOUT', `${options.url} did not answer within ${options.timeoutMs} ms`, 'later'),
        ),
      options.timeoutMs,
    );
    events.once('done', (fault: Fault | undefined, result: HttpFetchResult | undefined) => {
      clearTimeout(timer);
      sent.destroy();
      if (fault || !result) reject(fault ?? new Fault('HTTP_UNREACHABLE', `${options.url}: no answer`, 'later'));
      else resolve(result);
    });
    sent.on('error', (error) => events.emit('done', faultOf(error, options.url)));
    sent.end(options.body);
  });
}
