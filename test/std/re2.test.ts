import test from 'ava';
import fc from 'fast-check';
import { compileRegexp, tryRegexp } from '#src/std/re2.ts';

/** Pattern, text, what is found (undefined: nothing). */
const cases: [string, string, string | undefined][] = [
  ['abc', 'xabcx', 'abc'],
  ['^abc$', 'xabcx', undefined],
  ['a|ab', 'ab', 'a'],
  ['(?:a|ab)c', 'abc', 'abc'],
  ['a*', 'aaab', 'aaa'],
  ['a*?b', 'aab', 'aab'],
  ['a{2,3}', 'aaaa', 'aaa'],
  ['a{2}', 'aaaa', 'aa'],
  ['a{,2}', 'a{,2}', 'a{,2}'],
  ['[a-c]+', 'xxabcx', 'abc'],
  ['[^a-c]+', 'abxyc', 'xy'],
  ['[]a]+', 'x]a', ']a'],
  ['[[:digit:]]+', 'a12b', '12'],
  ['\\d+\\.\\d+', 'v1.25', '1.25'],
  ['[a-z0-9]([-a-z0-9]*[a-z0-9])?', 'My-name-1', 'y-name-1'],
  ['(?i)HELLO', 'well hello', 'hello'],
  ['a(?i:B)c', 'abc aBc', 'abc'],
  ['(?P<name>x)y', 'xy', 'xy'],
  ['.', '\n', undefined],
  ['(?s).', '\n', '\n'],
  ['(?m)^b$', 'a\nb\nc', 'b'],
  ['\\bfoo\\b', 'a foo b', 'foo'],
  ['\\Bo', 'foo', 'o'],
  ['\\Aa', 'ba', undefined],
  ['a\\z', 'ab', undefined],
  ['\\x41\\x{1F600}', 'A😀', 'A😀'],
  ['^.$', '😀', '😀'],
  ['\\pL+', '12äö3', 'äö'],
  ['\\p{Greek}', 'aλ', 'λ'],
  ['\\Qa.b\\E', 'a.b', 'a.b'],
  ['', 'abc', ''],
  ['x*', 'abc', ''],
  ['(a*)*b', 'aab', 'aab'],
];
for (const [pattern, text, want] of cases) {
  test(`${JSON.stringify(pattern)} in ${JSON.stringify(text)}`, (t) => {
    const match = compileRegexp(pattern).find(text);
    t.is(match === undefined ? undefined : text.slice(match.start, match.end), want);
    t.is(compileRegexp(pattern).test(text), want !== undefined);
  });
}

for (const pattern of [
  '(',
  ')',
  '[',
  'a**',
  '*',
  '\\',
  '(?<!a)',
  '(?=a)',
  '\\1',
  'a{2,1}',
  'a{2000}',
  '[z-a]',
  '\\pQ',
  '(?P<a',
]) {
  test(`${pattern} is refused`, (t) => t.is(tryRegexp(pattern), undefined));
}

test('what makes others backtrack for ever takes linear time', (t) => {
  t.false(compileRegexp('^(a+)+$').test(`${'a'.repeat(20_000)}!`));
  t.false(compileRegexp('(x+x+)+y').test('x'.repeat(10_000)));
  t.throws(() => compileRegexp('a{1000}'.repeat(4)).test('a'.repeat(100_000)), { message: /too long/ });
  t.is(tryRegexp('(a{1000}){1000}'), undefined);
});

test('agrees with the engine of JavaScript where both know the pattern', (t) => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '(?:ab|a)', '(?:b|ba)', '\\w');
  const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '*?', '{1,2}')).map((parts) => parts.join(''));
  const pattern = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, fc.stringMatching(/^[abc]{0,8}$/), (source, text) => {
      const ours = compileRegexp(source).find(text);
      const theirs = new RegExp(source, 'u').exec(text);
      t.deepEqual(
        ours === undefined ? undefined : [ours.start, text.slice(ours.start, ours.end)],
        theirs === null ? undefined : [theirs.index, theirs[0]],
        `${source} in ${text}`,
      );
    }),
  );
});
