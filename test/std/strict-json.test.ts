/** JSON as the API takes it: strict, exact, bounded, and telling of duplicates. */
import test from 'ava';
import fc from 'fast-check';
import { isFault } from '#src/std/fault.ts';
import { JSON_DEPTH_MAX, parseStrictJson } from '#src/std/strict-json.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a document means what JSON.parse says it means', (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      fc.pre(!/[1-9]\d{15}/.test(text)); // past 2^53 the two differ on purpose
      const expected = JSON.parse(text) as unknown;
      const { value, duplicates } = parseStrictJson(text);
      t.deepEqual(plain(value), plain(expected));
      t.true(duplicates.length === 0 || text.includes('"'));
    }),
    { numRuns: 200 },
  );
});

test('random text is parsed or refused by a Fault, and refused whenever JSON.parse refuses', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]":,0123e.-+ntrfalsu\\ \n\t\u0001é'.split('')) }), (text) => {
      let parsed = true;
      try {
        parseStrictJson(text);
      } catch (error) {
        t.true(isFault(error), String(error));
        parsed = false;
      }
      if (parsed) t.notThrows(() => JSON.parse(text) as unknown);
    }),
    { numRuns: 1000 },
  );
});

const duplicates: [string, string[], unknown][] = [
  ['{"a":1,"a":2}', ['a'], { a: 2 }],
  ['{"spec":{"replicas":1,"replicas":2,"replicas":3}}', ['spec.replicas'], { spec: { replicas: 3 } }],
  ['{"c":[{"n":1},{"n":1,"n":2}]}', ['c[1].n'], { c: [{ n: 1 }, { n: 2 }] }],
  ['{"a":{"x":1},"b":{"x":1}}', [], { a: { x: 1 }, b: { x: 1 } }],
  ['{"\\u0061":1,"a":2}', ['a'], { a: 2 }],
];
for (const [text, paths, value] of duplicates) {
  test(`repeated keys are named by path and the last one wins: ${text}`, (t) => {
    const parsed = parseStrictJson(bytes(text));
    t.deepEqual(parsed.duplicates, paths);
    t.deepEqual(plain(parsed.value), value);
  });
}

const refused: [string, string | Uint8Array, string][] = [
  ['text after the value', '{} {}', 'JSON_SYNTAX'],
  ['a trailing comma', '[1,]', 'JSON_SYNTAX'],
  ['single quotes', "{'a':1}", 'JSON_SYNTAX'],
  ['a leading zero', '01', 'JSON_SYNTAX'],
  ['a bare word', 'undefined', 'JSON_SYNTAX'],
  ['NaN', 'NaN', 'JSON_SYNTAX'],
  ['a line break in a string', '"a\nb"', 'JSON_SYNTAX'],
  ['nothing', '', 'JSON_SYNTAX'],
  ['an integer past 2^53', '{"a":9007199254740993}', 'JSON_NUMBER_RANGE'],
  ['a number past the doubles', '1e400', 'JSON_NUMBER_RANGE'],
  ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'JSON_UTF8'],
  ['nesting past the bound', '['.repeat(JSON_DEPTH_MAX + 1), 'JSON_DEPTH'],
];
for (const [what, input, code] of refused) {
  test(`refused: ${what}`, (t) => {
    const error = t.throws(() => parseStrictJson(input));
    t.true(isFault(error, code), `${String(error)} is not ${code}`);
  });
}

test('a syntax fault tells the position and what was found there', (t) => {
  t.throws(() => parseStrictJson('{"a" 1}'), { message: /position 5: expected ':' after a key, found "1"/ });
  t.throws(() => parseStrictJson('{"a":{"b":12345678901234567890}}'), {
    message: /^a\.b: the number 12345678901234567890/,
  });
});

test('objects have no prototype, so __proto__ is only a key', (t) => {
  const { value } = parseStrictJson('{"__proto__":{"admin":true},"constructor":1}');
  t.is(Object.getPrototypeOf(value), null);
  t.deepEqual(Object.keys(value as object), ['__proto__', 'constructor']);
  t.is(({} as Record<string, unknown>)['admin'], undefined);
});

test('the largest exact integer and the deepest nesting pass', (t) => {
  t.is(parseStrictJson('9007199254740991').value, Number.MAX_SAFE_INTEGER);
  t.notThrows(() => parseStrictJson('['.repeat(JSON_DEPTH_MAX) + ']'.repeat(JSON_DEPTH_MAX)));
});
