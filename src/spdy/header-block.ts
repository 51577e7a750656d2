/**
 * SPDY/3 §2.6.10: name/value header blocks and their compression, one stream of it per direction of a connection.
 * We send stored blocks: a reply has a handful of short headers, and a window to compress against is not worth having.
 */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import { Inflater } from './inflate.ts';

export type Headers = ReadonlyMap<string, string>;

/** Unfolded bytes of one block, and pairs in it. */
export const HEADER_BYTES_MAX = 64 * 1024;
export const HEADER_PAIRS_MAX = 128;
const STORED_BYTES_MAX = 0xffff;
/** zlib header: deflate, 32 KiB window, a dictionary follows by its Adler-32. */
const ZLIB_HEADER = [0x78, 0xbb];
/** An empty stored block: Go's reader hands out what it has only when it meets one. */
const SYNC_FLUSH = [0, 0, 0, 0xff, 0xff];
const ADLER_MODULUS = 65_521;

// The dictionary of the specification: these words with their lengths before them, then text.
const WORDS = (
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow ' +
  'authorization cache-control connection content-base content-encoding content-language content-length ' +
  'content-location content-md5 content-range content-type date etag expect expires from host if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma ' +
  'proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade ' +
  'user-agent vary via warning www-authenticate method get status'
).split(' ');
const MORE_WORDS = ['200 OK', 'version', 'HTTP/1.1', 'url', 'public', 'set-cookie', 'keep-alive', 'origin'];
const TEXT =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
  '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,' +
  'publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

export const DICTIONARY = dictionary();
/** Adler-32 of the dictionary, by which a compressor names it. */
export const DICTIONARY_ID = adler32(DICTIONARY);

function dictionary(): Uint8Array {
  const encoder = new TextEncoder();
  const parts = [...WORDS, ...MORE_WORDS].flatMap((word) => [0, 0, 0, word.length, ...encoder.encode(word)]);
  return new Uint8Array([...parts, ...encoder.encode(TEXT)]);
}

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % ADLER_MODULUS;
    b = (b + a) % ADLER_MODULUS;
  }
  return b * 65_536 + a;
}

/** Header blocks of one connection, in the order in which they are sent: the compression has a memory. */
export class HeaderWriter {
  #begun = false;

  write(headers: Headers): Uint8Array {
    const encoder = new TextEncoder();
    const block: number[] = [];
    const text = (value: string): void => {
      const bytes = encoder.encode(value);
      block.push(...uint32(bytes.length), ...bytes);
    };
    block.push(...uint32(headers.size));
    for (const [name, value] of headers) {
      text(name.toLowerCase());
      text(value);
    }
    assert(block.length <= STORED_BYTES_MAX, `${block.length} bytes of headers`);
    const begin = this.#begun ? [] : [...ZLIB_HEADER, ...uint32(DICTIONARY_ID)];
    this.#begun = true;
    const size = block.length;
    const head = [0, size & 0xff, size >> 8, ~size & 0xff, (~size >> 8) & 0xff];
    return new Uint8Array([...begin, ...head, ...block, ...SYNC_FLUSH]);
  }
}

export class HeaderReader {
  readonly #inflater = new Inflater(DICTIONARY, DICTIONARY_ID);

  /** Faults: SPDY_COMPRESSION, SPDY_PROTOCOL; the connection cannot be read on. */
  read(compressed: Uint8Array): Headers {
    const bytes = this.#inflater.inflate(compressed, HEADER_BYTES_MAX);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const decoder = new TextDecoder();
    let at = 0;
    const number = (): number => {
      if (at + 4 > bytes.length) throw malformed('a header block ends early');
      at += 4;
      return view.getUint32(at - 4);
    };
    const text = (): string => {
      const length = number();
      if (length > bytes.length - at) throw malformed('a header is longer than its block');
      at += length;
      return decoder.decode(bytes.subarray(at - length, at));
    };
    const count = number();
    if (count > HEADER_PAIRS_MAX) throw malformed(`${count} headers; at most ${HEADER_PAIRS_MAX}`);
    const headers = new Map<string, string>();
    for (let i = 0; i < count; i += 1) {
      const name = text().toLowerCase();
      const value = text();
      if (name === '') throw malformed('a header without a name');
      if (headers.has(name)) throw malformed(`the header ${JSON.stringify(name.slice(0, 100))} comes twice`);
      headers.set(name, value);
    }
    if (at !== bytes.length) throw malformed('bytes follow a header block');
    return headers;
  }
}

export function malformed(why: string): Fault {
  return new Fault('SPDY_PROTOCOL', `malformed SPDY: ${why}`, 'never');
}

export function uint32(value: number): [number, number, number, number] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}
