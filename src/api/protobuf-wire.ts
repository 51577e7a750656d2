/** Protobuf's wire format, reading only. Source: protobuf.dev/programming-guides/encoding. */
import { ScalarProblem } from './scalars.ts';

/** Reads tags and values; every length is checked against what is there. */
export class Wire {
  field = 0;
  wireType = 0;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes as Uint8Array<ArrayBuffer>;
  }

  more(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Reads the next tag; false at the end. */
  next(): boolean {
    if (!this.more()) return false;
    const tag = this.#rawVarint();
    this.field = Number(tag >> 3n);
    this.wireType = Number(tag & 7n);
    if (this.field < 1 || this.field > 0x1fffffff)
      throw new ScalarProblem(`field number ${this.field} at byte ${this.#at}`);
    return true;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    this.#expect(2);
    const length = this.#rawVarint();
    const end = this.#at + Number(length);
    if (end > this.#bytes.length) {
      throw new ScalarProblem(`field ${this.field} claims ${length} bytes, ${this.#bytes.length - this.#at} are left`);
    }
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  varint(): bigint {
    this.#expect(0);
    return this.#rawVarint();
  }

  /** A signed number; negative ones come as ten bytes of two's complement. */
  integer(): number {
    return exact(this.varint());
  }

  double(): number {
    this.#expect(1);
    return this.#rawDouble();
  }

  /** One element of a packed list, which has no tag. */
  packed(type: string): number | boolean {
    if (type === 'double') return this.#rawDouble();
    const value = this.#rawVarint();
    return type === 'boolean' ? value !== 0n : exact(value);
  }

  skip(): void {
    if (this.wireType === 0) this.#rawVarint();
    else if (this.wireType === 1) this.#advance(8);
    else if (this.wireType === 2) this.bytes();
    else if (this.wireType === 5) this.#advance(4);
    else throw new ScalarProblem(`field ${this.field} has the unsupported wire type ${this.wireType}`);
  }

  #rawDouble(): number {
    const start = this.#at;
    this.#advance(8);
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, 8).getFloat64(0, true);
    if (!Number.isFinite(value)) throw new ScalarProblem(`field ${this.field} is no finite number`);
    return value;
  }

  #advance(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new ScalarProblem(`field ${this.field} is cut off`);
    this.#at += count;
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) {
      throw new ScalarProblem(`field ${this.field} has wire type ${this.wireType}, expected ${wireType}`);
    }
  }

  #rawVarint(): bigint {
    let low = 0;
    for (let index = 0; index < 10; index++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ScalarProblem('the body ends within a number');
      // Up to four bytes fit a small integer: nearly all tags and lengths.
      if (index < 4) low += (byte & 0x7f) << (7 * index);
      if (byte < 0x80 && index < 4) return BigInt(low);
      if (index === 4) return this.#longVarint(BigInt(low), byte);
    }
    throw new ScalarProblem('a number is longer than ten bytes');
  }

  #longVarint(low: bigint, fifth: number): bigint {
    let value = low | (BigInt(fifth & 0x7f) << 28n);
    let byte = fifth;
    for (let index = 5; byte >= 0x80; index++) {
      if (index >= 10) throw new ScalarProblem('a number is longer than ten bytes');
      const next = this.#bytes[this.#at++];
      if (next === undefined) throw new ScalarProblem('the body ends within a number');
      value |= BigInt(next & 0x7f) << BigInt(7 * index);
      byte = next;
    }
    return BigInt.asUintN(64, value);
  }
}

function exact(value: bigint): number {
  const signed = BigInt.asIntN(64, value);
  const number = Number(signed);
  if (!Number.isSafeInteger(number)) throw new ScalarProblem(`the number ${signed} cannot be kept exactly`);
  return number;
}
