/**
 * RFC 1950 and 1951, reading, for the one stream that a SPDY connection's headers are: the window and the
 * dictionary live as long as the connection, each frame brings whole blocks (a sync flush ends it). Written here
 * because node:zlib cannot go on synchronously with one stream, and because every step of it is bounded.
 */
import { Fault } from '#src/std/fault.ts';

const WINDOW_BYTES = 32 * 1024;
const LENGTH_CODES_MAX = 286;
const DISTANCE_CODES_MAX = 30;
const CODE_BITS_MAX = 15;
const METHOD_DEFLATE = 8;
const FLAG_DICTIONARY = 0x20;

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Canonical Huffman code: how many codes of each length, and the symbols in order of their codes. */
interface Code {
  counts: Uint16Array;
  symbols: Uint16Array;
}

const broken = (why: string): Fault => new Fault('SPDY_COMPRESSION', `compressed headers are broken: ${why}`, 'never');

/** RFC 1951 §3.2.2. An incomplete code is allowed (one distance only); an over-subscribed one is not. */
function codeOf(lengths: Uint8Array): Code {
  const counts = new Uint16Array(CODE_BITS_MAX + 1);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  let left = 1;
  for (let length = 1; length <= CODE_BITS_MAX; length += 1) {
    left = left * 2 - (counts[length] ?? 0);
    if (left < 0) throw broken('a Huffman code has more codes than room');
  }
  const offsets = new Uint16Array(CODE_BITS_MAX + 2);
  for (let length = 1; length <= CODE_BITS_MAX; length += 1)
    offsets[length + 1] = (offsets[length] ?? 0) + (counts[length] ?? 0);
  const symbols = new Uint16Array(lengths.length);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    const at = offsets[length] ?? 0;
    symbols[at] = symbol;
    offsets[length] = at + 1;
  }
  return { counts, symbols };
}

function fixedCodes(): { lengths: Code; distances: Code } {
  const lengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
  return { lengths: codeOf(lengths), distances: codeOf(new Uint8Array(DISTANCE_CODES_MAX).fill(5)) };
}
const FIXED = fixedCodes();

export class Inflater {
  readonly #dictionary: Uint8Array;
  readonly #dictionaryId: number;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  /** Bytes ever put out, the dictionary included: a distance may not reach past them. */
  #total = 0;
  #begun = false;
  #ended = false;
  #input: Uint8Array = new Uint8Array();
  #at = 0;
  #bits = 0;
  #bitCount = 0;
  #output: Uint8Array = new Uint8Array();
  #outputBytes = 0;

  constructor(dictionary: Uint8Array, dictionaryId: number) {
    this.#dictionary = dictionary;
    this.#dictionaryId = dictionaryId;
  }

  /** What one frame's whole blocks hold. Faults: SPDY_COMPRESSION; nothing can be read after it. */
  inflate(input: Uint8Array, bytesMax: number): Uint8Array {
    this.#input = input;
    this.#at = 0;
    this.#output = new Uint8Array(bytesMax);
    this.#outputBytes = 0;
    if (!this.#begun) this.#readHeader();
    while (this.#at < input.length) this.#readBlock();
    return this.#output.slice(0, this.#outputBytes);
  }

  #readHeader(): void {
    const method = this.#byte();
    const flags = this.#byte();
    if ((method & 0x0f) !== METHOD_DEFLATE || method >> 4 > 7) throw broken('the method is not deflate');
    if (((method << 8) | flags) % 31 !== 0) throw broken('the check of the zlib header is wrong');
    if ((flags & FLAG_DICTIONARY) !== 0) {
      let id = 0;
      for (let i = 0; i < 4; i += 1) id = id * 256 + this.#byte();
      if (id !== this.#dictionaryId) throw broken("another dictionary than SPDY/3's is asked for");
      for (const byte of this.#dictionary) this.#remember(byte);
    }
    this.#begun = true;
  }

  #readBlock(): void {
    if (this.#ended) throw broken('bytes follow the last block');
    this.#ended = this.#take(1) === 1;
    const type = this.#take(2);
    if (type === 0) this.#readStored();
    else if (type === 1) this.#readCoded(FIXED.lengths, FIXED.distances);
    else if (type === 2) {
      const { lengths, distances } = this.#readCodes();
      this.#readCoded(lengths, distances);
    } else throw broken('a block of type 3');
  }

  #readStored(): void {
    this.#bits = 0;
    this.#bitCount = 0;
    const size = this.#byte() | (this.#byte() << 8);
    const inverted = this.#byte() | (this.#byte() << 8);
    if (size !== (inverted ^ 0xffff)) throw broken('the length of a stored block and its inverse differ');
    for (let i = 0; i < size; i += 1) this.#put(this.#byte());
  }

  #readCodes(): { lengths: Code; distances: Code } {
    const lengthCount = this.#take(5) + 257;
    const distanceCount = this.#take(5) + 1;
    const orderCount = this.#take(4) + 4;
    if (lengthCount > LENGTH_CODES_MAX || distanceCount > DISTANCE_CODES_MAX) throw broken('too many codes');
    const orders = new Uint8Array(CODE_LENGTH_ORDER.length);
    for (const symbol of CODE_LENGTH_ORDER.slice(0, orderCount)) orders[symbol] = this.#take(3);
    const orderCode = codeOf(orders);
    const lengths = new Uint8Array(lengthCount + distanceCount);
    for (let at = 0; at < lengths.length;) {
      const symbol = this.#symbol(orderCode);
      if (symbol < 16) {
        lengths[at] = symbol;
        at += 1;
        continue;
      }
      if (symbol === 16 && at === 0) throw broken('a repetition of nothing');
      const value = symbol === 16 ? (lengths[at - 1] ?? 0) : 0;
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (at + times > lengths.length) throw broken('more code lengths than codes');
      lengths.fill(value, at, at + times);
      at += times;
    }
    if (lengths[256] === 0) throw broken('a block without an end');
    return { lengths: codeOf(lengths.subarray(0, lengthCount)), distances: codeOf(lengths.subarray(lengthCount)) };
  }

  #readCoded(lengths: Code, distances: Code): void {
    for (;;) {
      const symbol = this.#symbol(lengths);
      if (symbol < 256) this.#put(symbol);
      else if (symbol === 256) return;
      else this.#copy(symbol - 257, distances);
    }
  }

  #copy(lengthCode: number, distances: Code): void {
    const lengthBase = LENGTH_BASE[lengthCode];
    if (lengthBase === undefined) throw broken('a length that does not exist');
    const length = lengthBase + this.#take(LENGTH_EXTRA[lengthCode] ?? 0);
    const distanceCode = this.#symbol(distances);
    const distanceBase = DISTANCE_BASE[distanceCode];
    if (distanceBase === undefined) throw broken('a distance that does not exist');
    const distance = distanceBase + this.#take(DISTANCE_EXTRA[distanceCode] ?? 0);
    if (distance > this.#total) throw broken('a distance past the beginning');
    for (let i = 0; i < length; i += 1) this.#put(this.#window[(this.#total - distance) % WINDOW_BYTES] ?? 0);
  }

  #symbol({ counts, symbols }: Code): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= CODE_BITS_MAX; length += 1) {
      code |= this.#take(1);
      const count = counts[length] ?? 0;
      if (code - count < first) return symbols[index + (code - first)] ?? 0;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw broken('a code that does not exist');
  }

  #take(count: number): number {
    while (this.#bitCount < count) {
      this.#bits |= this.#byte() << this.#bitCount;
      this.#bitCount += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }

  #byte(): number {
    const byte = this.#input[this.#at];
    if (byte === undefined) throw broken('the frame ends inside a block');
    this.#at += 1;
    return byte;
  }

  #put(byte: number): void {
    if (this.#outputBytes >= this.#output.length) throw broken(`they unfold to more than ${this.#output.length} bytes`);
    this.#output[this.#outputBytes] = byte;
    this.#outputBytes += 1;
    this.#remember(byte);
  }

  #remember(byte: number): void {
    this.#window[this.#total % WINDOW_BYTES] = byte;
    this.#total += 1;
  }
}
