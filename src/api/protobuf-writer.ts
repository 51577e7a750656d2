/** Protobuf's wire format, writing only. Source: protobuf.dev/programming-guides/encoding. */

const encoder = new TextEncoder();

/** One message: fields in the order they are written; empty ones are left out, as proto3 does. */
export class MessageWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  string(field: number, value: string | undefined): void {
    if (value !== undefined && value !== '') this.#delimited(field, encoder.encode(value));
  }

  strings(field: number, values: readonly string[] | undefined): void {
    for (const value of values ?? []) this.#delimited(field, encoder.encode(value));
  }

  boolean(field: number, value: boolean | undefined): void {
    if (value === true) this.#push(Uint8Array.of(...varint(field * 8), 1));
  }

  /** An empty message is written: that it is there says something. */
  message(field: number, value: MessageWriter | undefined): void {
    if (value !== undefined) this.#delimited(field, value.bytes());
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #delimited(field: number, bytes: Uint8Array): void {
    this.#push(Uint8Array.of(...varint(field * 8 + 2), ...varint(bytes.length)));
    this.#push(bytes);
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return out;
}
