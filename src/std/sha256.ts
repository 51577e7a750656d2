/**
 * SHA-256 (FIPS 180-4) over bytes that come in pieces, for places that have no Crypto port or
 * need a running hash: snapshot files and the simulator.
 */
import { assert } from './assert.ts';

const blockBytes = 64;

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** The 32 bytes; the hash takes no more input afterwards. */
  digest(): Uint8Array;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = createSha256();
  hash.update(bytes);
  return hash.digest();
}

export function createSha256(): Sha256 {
  const state = new Int32Array(initial);
  const schedule = new Int32Array(64);
  const partial = new Uint8Array(blockBytes);
  let filled = 0;
  let total = 0;
  let ended = false;

  const update = (bytes: Uint8Array): void => {
    assert(!ended, 'a hash that was read takes no more bytes');
    total += bytes.length;
    let at = 0;
    if (filled > 0) {
      at = Math.min(blockBytes - filled, bytes.length);
      partial.set(bytes.subarray(0, at), filled);
      filled += at;
      if (filled < blockBytes) return;
      compress(state, schedule, partial, 0);
      filled = 0;
    }
    for (; at + blockBytes <= bytes.length; at += blockBytes) compress(state, schedule, bytes, at);
    filled = bytes.length - at;
    partial.set(bytes.subarray(at), 0);
  };

  return {
    update,
    digest: () => {
      const lengthInBits = total * 8;
      const padding = new Uint8Array((filled < 56 ? 64 : 128) - filled);
      padding[0] = 0x80;
      const view = new DataView(padding.buffer);
      view.setUint32(padding.length - 8, Math.floor(lengthInBits / 2 ** 32));
      view.setUint32(padding.length - 4, lengthInBits >>> 0);
      update(padding);
      ended = true;
      const out = new Uint8Array(32);
      const words = new DataView(out.buffer);
      state.forEach((word, i) => words.setInt32(4 * i, word));
      return out;
    },
  };
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** One block of 64 bytes at `at` (FIPS 180-4 §6.2.2). */
function compress(state: Int32Array, w: Int32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0, p = at; i < 16; i += 1, p += 4) {
    w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
  }
  for (let i = 16; i < 64; i += 1) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + constants[i]! + w[i]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4 §4.2.2). */
const constants = Int32Array.from(firstPrimes(64), (prime) => rootBits(prime, 3));
/** The same of the square roots of the first 8 (FIPS 180-4 §5.3.3). */
const initial = Int32Array.from(firstPrimes(8), (prime) => rootBits(prime, 2));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n += 1) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

/** In whole numbers, because Math.cbrt may differ in its last bit between engines: the root of prime · 2^(32·degree). */
function rootBits(prime: number, degree: 2 | 3): number {
  const target = BigInt(prime) << BigInt(32 * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(degree) <= target) low = middle;
    else high = middle;
  }
  return Number(BigInt.asIntN(32, low));
}
