/** Histories of one register: what could have been, and what could not. */
import test from 'ava';
import fc from 'fast-check';
import {
  checkLinearizable,
  registerModel,
  type Operation,
  type RegisterInput,
  type RegisterOutcome,
} from '#src/sim/linearizability.ts';

type Op = Operation<RegisterInput>;
const at = (input: RegisterInput, invokedAt: number, completedAt?: number): Op => ({ input, invokedAt, completedAt });
const put = (token: string, outcome: RegisterOutcome = 'ok'): RegisterInput => ({ type: 'put', token, outcome });
const create = (token: string, outcome: RegisterOutcome = 'ok'): RegisterInput => ({ type: 'create', token, outcome });
const swap = (expected: string, token: string, outcome: RegisterOutcome = 'ok'): RegisterInput => ({
  type: 'swap',
  expected,
  token,
  outcome,
});
const remove = (outcome: RegisterOutcome = 'ok'): RegisterInput => ({ type: 'delete', outcome });
const read = (token?: string): RegisterInput => ({ type: 'read', token });

const GOOD: [string, Op[]][] = [
  ['nothing at all', []],
  ['a read before any write finds nothing', [at(read(), 1, 2)]],
  ['a read after a write finds it', [at(put('a'), 1, 2), at(read('a'), 3, 4)]],
  ['a read during a write may find it', [at(put('a'), 1, 6), at(read('a'), 2, 3), at(read('a'), 4, 5)]],
  ['a read during a write may not find it yet', [at(put('a'), 1, 4), at(read(), 2, 3), at(read('a'), 5, 6)]],
  ['of two writes at once either is the last', [at(put('a'), 1, 4), at(put('b'), 2, 3), at(read('a'), 5, 6)]],
  ['a write without an answer may have happened', [at(put('a', 'unknown'), 1), at(read('a'), 2, 3)]],
  ['… much later', [at(put('a', 'unknown'), 1), at(read(), 2, 3), at(read(), 4, 5), at(read('a'), 6, 7)]],
  ['… or never', [at(put('a', 'unknown'), 1), at(put('b'), 2, 3), at(read('b'), 4, 5)]],
  ['a refused create found something', [at(put('a'), 1, 2), at(create('b', 'refused'), 3, 4), at(read('a'), 5, 6)]],
  ['a swap over what was read', [at(put('a'), 1, 2), at(swap('a', 'b'), 3, 4), at(read('b'), 5, 6)]],
  [
    'a refused swap, for another was first',
    [at(put('a'), 1, 2), at(swap('a', 'b'), 3, 6), at(swap('a', 'c', 'refused'), 4, 5)],
  ],
  [
    'a delete, and a refused second one',
    [at(put('a'), 1, 2), at(remove(), 3, 4), at(remove('refused'), 5, 6), at(read(), 7, 8)],
  ],
];
const BAD: [string, Op[]][] = [
  ['a read of what nobody wrote', [at(read('a'), 1, 2)]],
  ['a lost write', [at(put('a'), 1, 2), at(read(), 3, 4)]],
  ['a stale read', [at(put('a'), 1, 2), at(put('b'), 3, 4), at(read('a'), 5, 6)]],
  ['two reads that go back', [at(put('a'), 1, 2), at(put('b'), 3, 10), at(read('b'), 4, 5), at(read('a'), 6, 7)]],
  ['a read from the future', [at(read('a'), 1, 2), at(put('a'), 3, 4)]],
  ['a refused write that happened', [at(create('a'), 1, 2), at(create('b', 'refused'), 3, 4), at(read('b'), 5, 6)]],
  ['two creates of one key', [at(create('a'), 1, 2), at(create('b'), 3, 4)]],
  ['two swaps over one value', [at(put('a'), 1, 2), at(swap('a', 'b'), 3, 6), at(swap('a', 'c'), 4, 5)]],
  ['a write that came back', [at(put('a'), 1, 2), at(put('b'), 3, 4), at(read('b'), 5, 6), at(read('a'), 7, 8)]],
  [
    'an open write that happened twice',
    [at(put('a', 'unknown'), 1), at(read('a'), 2, 3), at(remove(), 4, 5), at(read('a'), 6, 7)],
  ],
  ['a delete of nothing', [at(remove(), 1, 2)]],
  ['a create refused by nothing', [at(create('a', 'refused'), 1, 2)]],
];
for (const [title, history] of GOOD)
  test(`could be: ${title}`, (t) => t.true(checkLinearizable(registerModel, history).linearizable));
for (const [title, history] of BAD)
  test(`could not be: ${title}`, (t) => t.false(checkLinearizable(registerModel, history).linearizable));

test('a failure names the answer that fits nowhere and the longest order before it', (t) => {
  const verdict = checkLinearizable(registerModel, BAD[2]![1]);
  t.like(verdict, { linearizable: false, stuck: { input: { type: 'read', token: 'a' } } });
  t.is(verdict.linearizable === false ? verdict.after.length : 0, 2);
});

/** Every order that real time allows, tried one after the other. */
function bruteForce(operations: readonly Op[]): boolean {
  const search = (state: { token: string | undefined }, left: readonly Op[]): boolean => {
    if (left.every((one) => one.completedAt === undefined)) return true;
    return left.some((one) => {
      // Nobody who ended before it began may still be left.
      if (left.some((other) => other !== one && (other.completedAt ?? Infinity) < one.invokedAt)) return false;
      const next = registerModel.step(state, one.input);
      return (
        next !== undefined &&
        search(
          next,
          left.filter((other) => other !== one),
        )
      );
    });
  };
  return search(registerModel.initial, operations);
}

const outcome = fc.constantFrom<RegisterOutcome>('ok', 'ok', 'refused', 'unknown');
const token = fc.constantFrom('a', 'b', 'c');
const input: fc.Arbitrary<RegisterInput> = fc.oneof(
  fc.record({ type: fc.constant('read' as const), token: fc.option(token, { nil: undefined }) }),
  fc.record({ type: fc.constant('put' as const), token, outcome: fc.constantFrom<RegisterOutcome>('ok', 'unknown') }),
  fc.record({ type: fc.constant('create' as const), token, outcome }),
  fc.record({ type: fc.constant('swap' as const), expected: token, token, outcome }),
  fc.record({ type: fc.constant('delete' as const), outcome }),
);

test('random histories: the same verdict as trying every order', (t) => {
  let [good, bad] = [0, 0];
  const history = fc.array(fc.record({ input, from: fc.nat(40), length: fc.nat(12) }), { maxLength: 6 });
  fc.assert(
    fc.property(history, (drawn) => {
      // Places of their own for all beginnings and ends.
      const operations = drawn.map(({ input: one, from, length }, i): Op => {
        const open = 'outcome' in one && one.outcome === 'unknown';
        const start = from + i / 100;
        return at({ ...one }, start, open ? undefined : start + length + 0.5);
      });
      const wanted = bruteForce(operations);
      if (wanted) good += 1;
      else bad += 1;
      return checkLinearizable(registerModel, operations).linearizable === wanted;
    }),
    { numRuns: 3000, seed: 7 },
  );
  t.true(good > 100 && bad > 100, `${good} good and ${bad} bad histories`);
});
