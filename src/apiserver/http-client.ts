/**
 * HTTP/1.1 as a client, over a byte stream into a Pod: one request, one answer, then the connection is done (or, after
 * 101, belongs to whoever asked to leave HTTP). Only what a proxy needs, every part of it bounded. RFC 9112.
 */
import { Fault } from '#src/std/fault.ts';
import type { ByteStream } from '#src/wire/streams.ts';

export const HEAD_BYTES_MAX = 64 * 1024;
const INTERIM_ANSWERS_MAX = 16;
const CHUNK_LINE_BYTES_MAX = 4096;

export type HeaderList = [name: string, value: string][];

export interface SentRequest {
  method: string;
  /** Path and query, percent-encoded. */
  target: string;
  headers: HeaderList;
  body: Uint8Array;
}

export interface Answer {
  status: number;
  /** Names in lower case. */
  headers: HeaderList;
  /** Of 101: the bytes of the protocol that was changed to, until the other side's end. */
  body: AsyncGenerator<Uint8Array>;
}

const bad = (why: string): Fault =>
  new Fault('HTTP_UPSTREAM', `the server in the pod sent no valid HTTP: ${why}`, 'never');

/** Faults: HTTP_UPSTREAM, or the stream's own. */
export async function askOver(stream: ByteStream, request: SentRequest): Promise<Answer> {
  const lines = [
    `${request.method} ${request.target} HTTP/1.1`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (lines.some((line) => /[\r\n\0]/.test(line)))
    throw new Fault('HTTP_UPSTREAM', 'a request with a line break in its head is not sent', 'never');
  const head = new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
  // Not awaited: a server may answer before it has read all of the body.
  void (async () => {
    await stream.write(head);
    if (request.body.length > 0) await stream.write(request.body);
  })().catch(() => undefined); // Reading tells.
  const source = new Source(stream);
  for (let interim = 0; interim < INTERIM_ANSWERS_MAX; interim += 1) {
    const { status, headers } = parseHead(await source.head());
    if (status >= 200 || status === 101)
      return { status, headers, body: bodyOf({ source, status, headers, method: request.method }) };
  }
  throw bad('nothing but interim answers');
}

/** The bytes that came, looked at from the front. */
class Source {
  readonly #stream: ByteStream;
  #bytes: Uint8Array = new Uint8Array();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** Any bytes, undefined at the end. */
  async some(): Promise<Uint8Array | undefined> {
    if (this.#bytes.length === 0) return await this.#stream.read();
    const bytes = this.#bytes;
    this.#bytes = new Uint8Array();
    return bytes;
  }

  unread(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** Up to and without the empty line. */
  async head(): Promise<string> {
    return await this.#until('\r\n\r\n', HEAD_BYTES_MAX);
  }

  async line(): Promise<string> {
    return await this.#until('\r\n', CHUNK_LINE_BYTES_MAX);
  }

  async #until(mark: string, bytesMax: number): Promise<string> {
    let held = new Uint8Array();
    for (;;) {
      const chunk = await this.some();
      if (chunk === undefined) throw bad(held.length === 0 ? 'it closed the connection' : 'it ends in the middle');
      const joined = new Uint8Array(held.length + chunk.length);
      joined.set(held);
      joined.set(chunk, held.length);
      const at = indexOf(joined, mark, Math.max(0, held.length - mark.length));
      if (at >= 0) {
        this.unread(joined.subarray(at + mark.length));
        if (at > bytesMax) throw bad(`more than ${bytesMax} bytes of head`);
        return latin1(joined.subarray(0, at));
      }
      if (joined.length > bytesMax) throw bad(`more than ${bytesMax} bytes of head`);
      held = joined;
    }
  }
}

function indexOf(bytes: Uint8Array, mark: string, from: number): number {
  for (let at = from; at + mark.length <= bytes.length; at += 1) {
    let same = 0;
    while (same < mark.length && bytes[at + same] === mark.charCodeAt(same)) same += 1;
    if (same === mark.length) return at;
  }
  return -1;
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function parseHead(head: string): { status: number; headers: HeaderList } {
  const [first = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(first)?.[1] ?? 0);
  if (status === 0) throw bad(`it begins with ${JSON.stringify(first.slice(0, 80))}`);
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 1 || !/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name))
      throw bad(`the header line ${JSON.stringify(line.slice(0, 80))}`);
    const value = line.slice(colon + 1).trim();
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) throw bad(`a control character in the header ${name}`);
    return [name, value];
  });
  return { status, headers };
}

export function headerOf(headers: HeaderList, wanted: string): string | undefined {
  return headers.find(([name]) => name === wanted)?.[1];
}

/** RFC 9112 §6.3. */
function bodyOf(at: {
  source: Source;
  status: number;
  headers: HeaderList;
  method: string;
}): AsyncGenerator<Uint8Array> {
  const { source, status, headers, method } = at;
  if (status === 101) return toTheEnd(source);
  if (method === 'HEAD' || status === 204 || status === 304) return nothing();
  if (/\bchunked\s*$/i.test(headerOf(headers, 'transfer-encoding') ?? '')) return chunks(source);
  const length = headerOf(headers, 'content-length');
  if (length === undefined) return toTheEnd(source);
  if (!/^\d{1,15}$/.test(length)) throw bad(`the content-length ${JSON.stringify(length.slice(0, 80))}`);
  return exactly(source, Number(length));
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // No body.
}

async function* toTheEnd(source: Source): AsyncGenerator<Uint8Array> {
  for (let chunk = await source.some(); chunk !== undefined; chunk = await source.some())
    if (chunk.length > 0) yield chunk;
}

async function* exactly(source: Source, bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0;) {
    const chunk = await source.some();
    if (chunk === undefined) throw bad(`it ends ${left} bytes before its content-length`);
    const part = chunk.subarray(0, left);
    source.unread(chunk.subarray(part.length));
    left -= part.length;
    if (part.length > 0) yield part;
  }
}

async function* chunks(source: Source): AsyncGenerator<Uint8Array> {
  for (;;) {
    const line = await source.line();
    const size = /^([0-9a-f]{1,12})\s*(?:;.*)?$/i.exec(line)?.[1];
    if (size === undefined) throw bad(`the chunk size ${JSON.stringify(line.slice(0, 80))}`);
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) break;
    yield* exactly(source, bytes);
    if ((await source.line()) !== '') throw bad('a chunk is longer than its size');
  }
  for (let trailers = 0; trailers < 64; trailers += 1) if ((await source.line()) === '') return;
  throw bad('too many trailers');
}
