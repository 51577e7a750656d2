/** The Random port from a seed. */
import type { Random } from '#src/ports/random.ts';
import type { Prng } from './prng.ts';

/** Bytes and uuids that repeat with the seed; uuids keep the form of RFC 9562 version 4. */
export function createSimRandom(prng: Prng): Random {
  return { bytes: (length) => prng.bytes(length), below: (bound) => prng.below(bound), uuid: () => uuidOf(prng) };
}

function uuidOf(prng: Prng): string {
  const bytes = prng.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
