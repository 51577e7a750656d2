/** Requests to a server without a network: what a client sends, and what it is given, as it is given. */
import type { HttpClientIdentity, HttpRequest, HttpResponse } from '#src/ports/http.ts';
import { Fault } from '#src/std/fault.ts';

export interface FakeRequest {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** undefined: system:masters; false: no certificate. */
  client?: HttpClientIdentity | false;
  /** The client takes nothing: writes return false until `drain`. */
  stalled?: boolean;
  /** The body never comes. */
  bodyless?: boolean;
}

export interface FakeAnswer {
  status: number;
  headers: Record<string, string | string[]>;
  text: string;
  json: never;
  /** Lines that came so far. */
  lines(): string[];
  ended: boolean;
  aborted: string | undefined;
  /** The client goes away. */
  hangUp(): void;
  /** Resolves when the answer has ended or was cut. */
  done: Promise<void>;
  /** Resolves at the next head, chunk or end. */
  progress(): Promise<void>;
}

const ADMIN: HttpClientIdentity = { commonName: 'admin', organizations: ['system:masters'] };

export function send(handle: (request: HttpRequest, response: HttpResponse) => void, asked: FakeRequest): FakeAnswer {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const raw =
    asked.body instanceof Uint8Array
      ? asked.body
      : asked.body === undefined
        ? new Uint8Array()
        : encoder.encode(typeof asked.body === 'string' ? asked.body : JSON.stringify(asked.body));
  const client = asked.client === undefined ? ADMIN : asked.client;
  const request: HttpRequest = {
    method: asked.method ?? 'GET',
    url: asked.url,
    headers: { ...(asked.body === undefined ? {} : { 'content-type': 'application/json' }), ...asked.headers },
    httpVersion: '2',
    remoteAddress: '127.0.0.1:1',
    ...(client === false ? {} : { client }),
    body: async (limits) => {
      if (asked.bodyless === true) return await new Promise<Uint8Array>(() => undefined);
      if (raw.length > limits.bytesMax)
        throw new Fault('HTTP_BODY_TOO_LARGE', `more than ${limits.bytesMax} bytes`, 'never');
      return raw;
    },
  };
  const closers: (() => void)[] = [];
  const waiters: (() => void)[] = [];
  let resolveDone: () => void = () => undefined;
  let closed = false;
  let buffered = 0;
  const notify = (): void => {
    for (const waiter of waiters.splice(0)) waiter();
  };
  const close = (): void => {
    if (closed) return;
    closed = true;
    resolveDone();
    notify();
    for (const closer of closers) closer();
  };
  const answer: FakeAnswer = {
    status: 0,
    headers: {},
    text: '',
    get json(): never {
      return JSON.parse(answer.text) as never;
    },
    lines: () => answer.text.split('\n').slice(0, -1),
    ended: false,
    aborted: undefined,
    hangUp: close,
    done: new Promise((resolve) => {
      resolveDone = resolve;
    }),
    progress: () => new Promise((resolve) => waiters.push(resolve)),
  };
  const take = (chunk: Uint8Array): void => {
    answer.text += decoder.decode(chunk, { stream: true });
    if (asked.stalled === true) buffered += chunk.length;
    notify();
  };
  const response: HttpResponse = {
    head(status, headers) {
      if (answer.status !== 0) throw new Error('a second head');
      answer.status = status;
      answer.headers = headers;
      notify();
    },
    write(chunk) {
      if (answer.status === 0) throw new Error('a write before the head');
      take(chunk);
      return asked.stalled !== true;
    },
    drained: () => new Promise((resolve) => closers.push(resolve)),
    bufferedBytes: () => buffered,
    end(chunk) {
      if (chunk !== undefined) take(chunk);
      answer.ended = true;
      close();
    },
    abort(reason) {
      answer.aborted = reason;
      close();
    },
    get closed() {
      return closed;
    },
    onClose(handle) {
      closers.push(handle);
    },
  };
  handle(request, response);
  return answer;
}
