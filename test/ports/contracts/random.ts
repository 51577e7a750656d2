/** What every Random promises. */
import type { TestFn } from 'ava';

import type { Random } from '#src/ports/random.ts';

export function randomContract(test: TestFn, name: string, make: () => Random): void {
  test(`${name}: bytes are a fresh array of the length asked for, and differ`, (t) => {
    const random = make();
    const [a, b] = [random.bytes(32), random.bytes(32)];
    t.is(a.length, 32);
    t.notDeepEqual(a, b);
    t.is(random.bytes(0).length, 0);
  });

  test(`${name}: below reaches every integer under its bound and none else`, (t) => {
    const random = make();
    const seen = new Set(Array.from({ length: 400 }, () => random.below(5)));
    t.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4],
    );
    t.is(random.below(1), 0);
    t.true(random.below(2 ** 32) < 2 ** 32);
    t.throws(() => random.below(0), { message: /outside \[1, 2\^32\]/ });
  });

  test(`${name}: uuids are version 4, lower case, and do not repeat`, (t) => {
    const random = make();
    const uuids = Array.from({ length: 50 }, () => random.uuid());
    for (const uuid of uuids) t.regex(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.is(new Set(uuids).size, uuids.length);
  });
}
