/**
 * The seeded generator of the simulator: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state.
 * One generator per subject, made by `fork`, so that one more draw in one place does not change
 * what happens everywhere else; that keeps a failing run comparable after an edit.
 */
import { assert } from '#src/std/assert.ts';

export interface Prng {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform integer in [0, bound); bound in [1, 2^32]. */
  below(bound: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  bytes(length: number): Uint8Array;
  /** An independent generator that depends on the seed and `label` only, not on what was drawn before. */
  fork(label: string): Prng;
}

/** `seed` is any integer below 2^53; `label` separates streams of one seed. */
export function createPrng(seed: number, label = ''): Prng {
  let [a, b, c] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, hash(label)];
  let counter = 1;
  const uint32 = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return result >>> 0;
  };
  // The author's advice: the first outputs still show the seed.
  for (let i = 0; i < 15; i += 1) uint32();
  const prng: Prng = {
    uint32,
    below: (bound) => {
      assert(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32, `random bound ${bound} is outside [1, 2^32]`);
      return Math.floor((uint32() / 2 ** 32) * bound);
    },
    chance: (p) => uint32() / 2 ** 32 < p,
    bytes: (length) => new Uint8Array(length).map(() => uint32() & 0xff),
    fork: (name) => createPrng(seed, `${label}/${name}`),
  };
  return prng;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let result = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) result = Math.imul(result ^ text.charCodeAt(i), 0x01000193);
  return result >>> 0;
}
