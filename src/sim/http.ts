/**
 * The Http port of simulated nodes and clients: requests and answers as items over the fabric,
 * so that latency, partitions and crashes meet them as they meet the links between nodes.
 * Left out: upgrades (exec, attach), plain http, slow readers, request bodies in parts.
 * Imports: ports, std.
 */
import type {
  Http,
  HttpClientIdentity,
  HttpFetchOptions,
  HttpFetchResult,
  HttpHeaders,
  HttpRequest,
  HttpResponse,
  HttpServeOptions,
} from '#src/ports/http.ts';
import { Fault, isFault } from '#src/std/fault.ts';
import { describeCertificate, holdsKey, verifyCertificate } from './crypto.ts';
import type { End, Fabric, Listener, Place } from './fabric.ts';
import type { SimNetwork } from './network.ts';

const highWaterBytes = 256 * 1024;
const headBytes = 300;
const closePollMs = 10;

/** A request whose answer is handed on as it comes; for watches. */
export interface HttpStream {
  /** Go away. */
  cancel(): void;
}

export interface StreamHandlers {
  onHead(status: number, headers: HttpHeaders): void;
  onChunk(chunk: Uint8Array): void;
  /** Once. A fault: it broke off. Not after `cancel`. */
  onEnd(fault: Fault | undefined): void;
}

export interface SimHttpClient extends Http {
  /** `timeoutMs` counts to the head only. */
  stream(options: Omit<HttpFetchOptions, 'bodyBytesMax'>, handlers: StreamHandlers): HttpStream;
}

export interface SimHttp {
  /** The port at a place that has entered the network (`network.of`). */
  of(name: string): SimHttpClient;
}

interface Hello {
  certificatePem: string | undefined;
  privateKeyPem: string | undefined;
}

type Message =
  | { type: 'request'; method: string; url: string; headers: HttpHeaders; body: Uint8Array }
  | { type: 'head'; status: number; headers: HttpHeaders }
  | { type: 'chunk'; chunk: Uint8Array }
  | { type: 'end' };

export function createSimHttp({ network }: { network: SimNetwork }): SimHttp {
  return {
    of(name) {
      const place = network.fabric.place(name);
      if (!place) throw new Fault('SIM_PLACE', `'${name}' has not entered the simulated network`, 'never');
      return new HttpAt(network.fabric, place);
    },
  };
}

class HttpAt implements SimHttpClient {
  readonly #fabric: Fabric;
  readonly #place: Place;

  constructor(fabric: Fabric, place: Place) {
    this.#fabric = fabric;
    this.#place = place;
  }

  serve(options: HttpServeOptions): ReturnType<Http['serve']> {
    const place = this.#place;
    const active = new Set<End>();
    const listeners: Listener[] = [];
    const accept: Listener['accept'] = (end, hello) => {
      const client = clientOf(hello as Hello, options.clientAuthorityPem, place.clock.wallMs());
      const remoteAddress = end.remote.name;
      end.onItem((item) => {
        const message = item as Message;
        if (message.type !== 'request') return;
        active.add(end);
        options.handle(
          requestOf(message, client, remoteAddress),
          responseOf(end, place, () => active.delete(end)),
        );
      });
      return { answer: options.certificatePem };
    };
    for (const { host, port, shared } of options.listen) {
      const listener = this.#fabric.listen(place, { host, port, accept, ...(shared === undefined ? {} : { shared }) });
      if (!listener) {
        for (const one of listeners) one.close();
        const message = `${host}:${port} is in use by another process; stop it, or choose another port (--port)`;
        return Promise.reject(new Fault('HTTP_ADDRESS_IN_USE', message, 'never'));
      }
      listeners.push(listener);
    }
    const close = async (graceMs: number): Promise<void> => {
      for (const listener of listeners) listener.close();
      const untilMs = place.clock.monotonicMs() + graceMs;
      while (active.size > 0 && place.clock.monotonicMs() < untilMs)
        await new Promise<void>((resolve) => void place.clock.after(closePollMs, resolve));
      for (const end of active) end.close('the connection broke');
    };
    return Promise.resolve({ ports: listeners.map((listener) => listener.port), close });
  }

  fetch(options: HttpFetchOptions): Promise<HttpFetchResult> {
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      let head: { status: number; headers: HttpHeaders } | undefined;
      const timer = this.#place.clock.after(options.timeoutMs, () => {
        sent.cancel();
        reject(timeoutFault(options));
      });
      const sent = this.stream(options, {
        onHead: (status, headers) => (head = { status, headers }),
        onChunk(chunk) {
          chunks.push(chunk);
          size += chunk.length;
          if (size <= options.bodyBytesMax) return;
          sent.cancel();
          timer.cancel();
          const message = `${options.url} answered more than ${options.bodyBytesMax} bytes`;
          reject(new Fault('HTTP_BODY_TOO_LARGE', message, 'never'));
        },
        onEnd(fault) {
          timer.cancel();
          if (fault || !head) reject(fault ?? broken(options.url, 'no answer'));
          else resolve({ ...head, body: joined(chunks, size) });
        },
      });
    });
  }

  stream(options: Omit<HttpFetchOptions, 'bodyBytesMax'>, handlers: StreamHandlers): HttpStream {
    let end: End | undefined;
    let over = false;
    const finish = (fault: Fault | undefined): void => {
      if (over) return;
      over = true;
      timer.cancel();
      end?.close('done');
      handlers.onEnd(fault);
    };
    const timer = this.#place.clock.after(options.timeoutMs, () => finish(timeoutFault(options)));
    this.#open(options).then(
      (opened) => {
        end = opened;
        if (over) {
          end.close('given up');
          return;
        }
        end.onItem((item) => {
          if (over) return;
          const message = item as Message;
          if (message.type === 'head') {
            timer.cancel();
            handlers.onHead(message.status, message.headers);
          } else if (message.type === 'chunk') handlers.onChunk(message.chunk);
          else if (message.type === 'end') finish(undefined);
        });
        end.onClose((reason) => finish(broken(options.url, reason)));
        const body = options.body ?? new Uint8Array();
        const { pathname, search, host } = new URL(options.url);
        const headers = {
          host,
          ...options.headers,
          ...(options.body ? { 'content-length': String(body.length) } : {}),
        };
        const message: Message = { type: 'request', method: options.method, url: pathname + search, headers, body };
        end.send(message, headBytes + body.length);
      },
      (fault: Fault) => finish(fault),
    );
    return {
      cancel() {
        if (over) return;
        over = true;
        timer.cancel();
        end?.close('the client went away');
      },
    };
  }

  async #open(options: Omit<HttpFetchOptions, 'bodyBytesMax'>): Promise<End> {
    const { protocol, hostname, port } = new URL(options.url);
    if (protocol !== 'https:') throw broken(options.url, 'only https is simulated');
    const hello: Hello = { certificatePem: options.certificatePem, privateKeyPem: options.privateKeyPem };
    const call = { host: hostname, port: Number(port || 443), hello, timeoutMs: options.timeoutMs };
    const { end, answer } = await this.#fabric.connect(this.#place, call).catch((error: unknown) => {
      throw isFault(error, 'FABRIC_TIMEOUT') ? timeoutFault(options) : broken(options.url, (error as Error).message);
    });
    const { authorityPem } = options;
    if (authorityPem === undefined || this.#isTrusted(answer as string, authorityPem, hostname)) return end;
    end.close('not trusted');
    throw new Fault('HTTP_CERTIFICATE', `${options.url}: the certificate is not trusted`, 'never');
  }

  #isTrusted(certificatePem: string, authorityPem: string, hostname: string): boolean {
    if (!verifyCertificate(certificatePem, authorityPem, this.#place.clock.wallMs())) return false;
    const { dnsNames, ipAddresses } = describeCertificate(certificatePem);
    return dnsNames.includes(hostname) || ipAddresses.includes(hostname);
  }
}

function clientOf(hello: Hello, authorityPem: string, nowMs: number): HttpClientIdentity | undefined {
  const { certificatePem, privateKeyPem } = hello;
  if (certificatePem === undefined || privateKeyPem === undefined) return undefined;
  if (!verifyCertificate(certificatePem, authorityPem, nowMs) || !holdsKey(certificatePem, privateKeyPem))
    return undefined;
  const { commonName, organizations } = describeCertificate(certificatePem);
  return { commonName, organizations };
}

function requestOf(
  message: Message & { type: 'request' },
  client: HttpClientIdentity | undefined,
  remoteAddress: string,
): HttpRequest {
  const headers: HttpHeaders = Object.create(null) as HttpHeaders;
  for (const [name, value] of Object.entries(message.headers)) headers[name.toLowerCase()] = value;
  return {
    method: message.method,
    url: message.url,
    headers,
    httpVersion: '2',
    remoteAddress,
    ...(client ? { client } : {}),
    body: ({ bytesMax }) =>
      message.body.length <= bytesMax
        ? Promise.resolve(message.body)
        : Promise.reject(new Fault('HTTP_BODY_TOO_LARGE', `the body is larger than ${bytesMax} bytes`, 'never')),
  };
}

function responseOf(end: End, place: Place, forget: () => void): HttpResponse {
  let closed = false;
  let hasHead = false;
  const closers: (() => void)[] = [];
  let waiting: (() => void)[] = [];
  const over = (): void => {
    closed = true;
    forget();
    for (const resolve of waiting.splice(0)) resolve();
    for (const handle of closers.splice(0)) handle();
  };
  const isFull = (): boolean => end.bufferedBytes() >= highWaterBytes;
  end.onClose(over);
  end.onTaken(() => {
    if (waiting.length === 0 || isFull()) return;
    const ready = waiting;
    waiting = [];
    for (const resolve of ready) resolve();
  });
  return {
    get closed() {
      return closed;
    },
    head(status, headers) {
      if (closed || hasHead) return;
      hasHead = true;
      const message: Message = { type: 'head', status, headers: plainHeaders(headers) };
      end.send(message, headBytes);
    },
    write(chunk) {
      if (closed) return true;
      send(chunk);
      return !isFull();
    },
    drained: () => (closed || !isFull() ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    bufferedBytes: () => end.bufferedBytes(),
    end(chunk) {
      if (closed) return;
      if (chunk && chunk.length > 0) send(chunk);
      const message: Message = { type: 'end' };
      end.send(message, 0);
      closed = true;
      // The other side closes when it has read all; here the exchange is over a turn later.
      place.clock.soon(over);
    },
    abort(reason) {
      end.close(reason);
    },
    onClose(handle) {
      if (closed) handle();
      else closers.push(handle);
    },
  };

  function send(chunk: Uint8Array): void {
    const message: Message = { type: 'chunk', chunk: chunk.slice() };
    end.send(message, chunk.length);
  }
}

function plainHeaders(headers: Record<string, string | string[]>): HttpHeaders {
  const plain: HttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    plain[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  return plain;
}

function joined(chunks: Uint8Array[], size: number): Uint8Array {
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

function broken(url: string, reason: string): Fault {
  return new Fault('HTTP_UNREACHABLE', `${url}: ${reason}`, 'later');
}

function timeoutFault({ url, timeoutMs }: { url: string; timeoutMs: number }): Fault {
  return new Fault('HTTP_TIMEOUT', `${url} did not answer within ${timeoutMs} ms`, 'later');
}
