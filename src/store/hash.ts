/** A 32-bit mixing hash (FNV-1a's shape) to compare replicas by. Finds divergence, not attackers. */
const PRIME = 0x01000193;
export const HASH_START = 0x811c9dc5 | 0;

export function mixNumber(hash: number, value: number): number {
  const low = (value % 0x100000000) | 0;
  const high = Math.floor(value / 0x100000000) | 0;
  const mixed = Math.imul(hash ^ low, PRIME);
  return Math.imul(mixed ^ (mixed >>> 15) ^ high, PRIME);
}

export function mixString(hash: number, text: string): number {
  let mixed = hash;
  for (let at = 0; at < text.length; at++) mixed = Math.imul(mixed ^ text.charCodeAt(at), PRIME);
  return mixNumber(mixed, text.length);
}

export function mixBytes(hash: number, bytes: Uint8Array): number {
  let mixed = hash;
  for (let at = 0; at < bytes.length; at++) mixed = Math.imul(mixed ^ bytes[at]!, PRIME);
  return mixNumber(mixed, bytes.length);
}

/** 64 bits over all bytes there are, fed in pieces. */
export class DeepHash {
  #high = 0x811c9dc5;
  #low = 0x1b873593;

  update(chunk: Uint8Array): void {
    let [high, low] = [this.#high, this.#low];
    for (let at = 0; at < chunk.length; at++) {
      high = Math.imul(high ^ chunk[at]!, PRIME);
      low = Math.imul((low ^ chunk[at]!) + 0x7f4a7c15, 0x5bd1e995) ^ (low >>> 13);
    }
    [this.#high, this.#low] = [high, low];
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
