/** One request being answered: who asks, what, and the ways to answer, each at most once. */
import type { Identity } from '#src/registry/client.ts';
import type { HttpRequest, HttpResponse } from '#src/ports/http.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { ApiError } from '#src/api/api-error.ts';
import { inAskedForm } from './text-form.ts';
import { statusOf } from './status.ts';

/** Warnings sent with one answer, and characters of each; header fields are bounded by clients. */
const WARNINGS_MAX = 16;
const WARNING_CHARACTERS_MAX = 512;

/** Smaller answers are not worth the work (upstream: 128 KiB). */
const COMPRESSED_BYTES_MIN = 128 * 1024;

export type ResponseHeaders = Record<string, string | string[]>;

/** Told what is answered, for audit and metrics. None of it may throw. */
export interface AnswerObserver {
  started(status: number): void;
  answered(status: number, contentType: string, body: Uint8Array): void;
  refused(error: ApiError): void;
}

export class Exchange {
  readonly #warnings: string[] = [];
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  /** Set once a head was sent or the exchange was given up: later answers go nowhere. */
  #answered = false;
  #added: ResponseHeaders = {};
  readonly #observer: AnswerObserver | undefined;
  /** The status of the answer; 0: none was given. */
  status = 0;
  /** Called when the head is out. */
  onHead: (() => void) | undefined;

  constructor(from: {
    request: HttpRequest;
    response: HttpResponse;
    query: URLSearchParams;
    identity: Identity;
    observer?: AnswerObserver | undefined;
  }) {
    this.#observer = from.observer;
    this.request = from.request;
    this.response = from.response;
    this.query = from.query;
    this.identity = from.identity;
  }

  get answered(): boolean {
    return this.#answered || this.response.closed;
  }

  /** Headers of the answer to come, whoever sends it. */
  add(headers: ResponseHeaders): void {
    this.#added = { ...this.#added, ...headers };
  }

  /** False when there is nobody to answer any more. */
  head(status: number, headers: ResponseHeaders, options: { compress?: boolean } = {}): boolean {
    if (this.answered) return false;
    this.#answered = true;
    this.status = status;
    this.response.head(status, { 'cache-control': 'no-cache, private', ...this.#added, ...headers }, options);
    this.#observer?.started(status);
    this.onHead?.();
    return true;
  }

  /** Shown with the answer whatever it is: of a deprecated version. Before it is sent. */
  warn(warning: string): void {
    this.#warnings.push(warning);
  }

  sendBytes(status: number, contentType: string, body: Uint8Array, headers: ResponseHeaders = {}): void {
    if (this.answered) return;
    this.#observer?.answered(status, contentType, body);
    const shown = inAskedForm(this, contentType, body);
    const length = { 'content-type': shown.contentType, 'content-length': String(shown.body.length) };
    const compress = shown.body.length >= COMPRESSED_BYTES_MIN;
    const all = { ...warningHeaders(this.#warnings), ...length, ...headers };
    if (!this.head(status, all, { compress })) return;
    // An answer to HEAD ends with its head (RFC 9110 §9.3.2).
    if (this.request.method === 'HEAD') this.response.end();
    else this.response.end(shown.body);
  }

  sendText(status: number, text: string): void {
    this.sendBytes(status, 'text/plain; charset=utf-8', utf8(text), { 'x-content-type-options': 'nosniff' });
  }

  sendJson(
    status: number,
    value: unknown,
    extra: { warnings?: string[]; headers?: ResponseHeaders; contentType?: string } = {},
  ): void {
    const body = utf8(`${JSON.stringify(value)}\n`);
    this.sendBytes(status, extra.contentType ?? 'application/json', body, {
      ...warningHeaders([...this.#warnings, ...(extra.warnings ?? [])]),
      ...extra.headers,
    });
  }

  sendError(error: ApiError): void {
    if (!this.answered) this.#observer?.refused(error);
    const seconds = error.details?.retryAfterSeconds;
    this.sendJson(
      error.status,
      statusOf(error),
      seconds === undefined ? {} : { headers: { 'retry-after': String(seconds) } },
    );
  }
}

/** RFC 7234 §5.5 with code 299, as kubectl prints it. */
export function warningHeaders(warnings: string[]): ResponseHeaders {
  if (warnings.length === 0) return {};
  const lines = warnings.slice(0, WARNINGS_MAX).map((warning) => {
    // Header values are printable ASCII; what is not becomes a question mark.
    const plain = warning.slice(0, WARNING_CHARACTERS_MAX).replaceAll(/[^\x20-\x7e]/g, '?');
    return `299 - "${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return { warning: lines };
}
