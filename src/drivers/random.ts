/**
 * The operating system's randomness behind the Random port. Imports: ports, std.
 */
import { randomFillSync, randomInt, randomUUID } from 'node:crypto';

import type { Random } from '#src/ports/random.ts';
import { assert } from '#src/std/assert.ts';

/** The real Random. */
export function createRandom(): Random {
  return {
    bytes: (length) => randomFillSync(new Uint8Array(length)),
    below: (bound) => {
      assert(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32, `random bound ${bound} is outside [1, 2^32]`);
      return randomInt(bound);
    },
    uuid: () => randomUUID(),
  };
}
