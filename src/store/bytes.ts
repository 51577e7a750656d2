/** A growing byte writer and a checked reader, shared by the log's and the snapshot's encoding. Little endian, LEB128. */
import { assert } from '#src/std/assert.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
const WRITER_BYTES_INITIAL = 512;
/** Below this a loop over the characters is quicker than the platform's text codec. */
const SHORT_STRING_LENGTH = 96;

export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = WRITER_BYTES_INITIAL) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** The written bytes; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The written bytes, given away: the writer starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** A whole number in [0, 2^53). */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `${value} is not a whole number in [0, 2^53)`);
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number in (-2^53, 2^53): sign, then magnitude. */
  signed(value: number): void {
    this.byte(value < 0 ? 1 : 0);
    this.varint(Math.abs(value));
  }

  u32(value: number): void {
    this.reserve(4);
    this.#bytes[this.#length++] = value & 0xff;
    this.#bytes[this.#length++] = (value >>> 8) & 0xff;
    this.#bytes[this.#length++] = (value >>> 16) & 0xff;
    this.#bytes[this.#length++] = (value >>> 24) & 0xff;
  }

  string(text: string): void {
    if (text.length <= SHORT_STRING_LENGTH && this.#ascii(text)) return;
    const encoded = encoder.encode(text);
    this.bytes(encoded);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Write as ASCII when it is; a length below 128 takes one byte, so nothing has to be moved. */
  #ascii(text: string): boolean {
    this.reserve(text.length + 1);
    const start = this.#length + 1;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code >= 0x80) return false;
      this.#bytes[start + at] = code;
    }
    this.#bytes[this.#length] = text.length;
    this.#length = start + text.length;
    return true;
  }
}

/** Reads what ByteWriter wrote; running past the end is an assertion failure. Byte results are views, not copies. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    assert(to <= bytes.length, `reading to ${to} of ${bytes.length} bytes`);
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    assert(this.#at < this.#end, `read past the end at byte ${this.#at}`);
    return this.#bytes[this.#at++]!;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
      assert(scale < 2 ** 53, `number longer than 53 bits at byte ${this.#at}`);
    }
    assert(value <= Number.MAX_SAFE_INTEGER, `number past 2^53 at byte ${this.#at}`);
    return value;
  }

  signed(): number {
    const negative = this.byte() === 1;
    const magnitude = this.varint();
    return negative ? -magnitude : magnitude;
  }

  u32(): number {
    const [a, b, c, d] = [this.byte(), this.byte(), this.byte(), this.byte()];
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  string(): string {
    const length = this.varint();
    const from = this.#at;
    if (length <= SHORT_STRING_LENGTH) {
      assert(from + length <= this.#end, `string of ${length} bytes runs past the end at byte ${from}`);
      const end = from + length;
      let at = from;
      while (at < end && this.#bytes[at]! < 0x80) at++;
      if (at === end) {
        this.#at = end;
        // In one go: a string that grows by characters is a chain of pieces, to be joined when it is looked up.
        return String.fromCharCode.apply(null, this.#bytes.subarray(from, end) as unknown as number[]);
      }
    }
    return decoder.decode(this.raw(length));
  }

  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  /** Pass over bytes that are not looked at. */
  skip(length: number): void {
    assert(this.#at + length <= this.#end, `${length} bytes run past the end at byte ${this.#at}`);
    this.#at += length;
  }

  raw(length: number): Uint8Array {
    const from = this.#at;
    assert(from + length <= this.#end, `${length} bytes run past the end at byte ${from}`);
    this.#at = from + length;
    return this.#bytes.subarray(from, from + length);
  }
}
