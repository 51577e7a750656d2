/** The areas of cel-spec's conformance tests, and the libraries of Kubernetes, in our own words. */
import test from 'ava';
import fc from 'fast-check';
import {
  authorizerValue,
  compile,
  fromJson,
  lazyMap,
  toJson,
  typeText,
  type CelType,
  type CelValue,
} from '#src/cel/cel.ts';

const COST = 1_000_000;

const BINDINGS: Record<string, unknown> = {
  x: 5,
  name: 'kontiki',
  pod: {
    metadata: { name: 'web', labels: { app: 'shop', 'a/b': 'c' } },
    spec: { containers: [{ name: 'a' }, { name: 'b' }] },
  },
  nothing: null,
};

/** What it yields as JSON, or `error: …`, or `compile: …`. */
function run(expression: string, costLimit = COST): unknown {
  const variables = Object.fromEntries(Object.keys(BINDINGS).map((name) => [name, 'dyn' as const]));
  const compiled = compile(expression, { variables });
  if (!compiled.ok) return `compile: ${compiled.errors[0]?.message}`;
  const values = Object.fromEntries(Object.entries(BINDINGS).map(([name, value]) => [name, fromJson(value)]));
  const outcome = compiled.program.evaluate(values, { costLimit });
  return outcome.ok ? toJson(outcome.value) : `error: ${outcome.error.message}`;
}

const AREAS: Record<string, [string, unknown][]> = {
  'literals and escapes': [
    ['0x1F', 31],
    ['-9223372036854775808', Number(-(2n ** 63n))],
    ['9223372036854775808', 'compile: Syntax error: invalid int literal'],
    ['18446744073709551615u == 18446744073709551615u', true],
    ['1e3', 1000],
    ['.5 + 1.5', 2],
    [String.raw`'a\tb\x41\u00e9\101\''`, "a\tbAéA'"],
    [String.raw`r'\n' == '\\n'`, true],
    [`"""a"b\n"""`, 'a"b\n'],
    [String.raw`b'\xff' == b'\377'`, true],
    [String.raw`b'\u0041'`, 'compile: Syntax error: unicode escape in a bytes literal'],
    [`'a`, 'compile: Syntax error: unterminated string literal'],
    ['// note\n1 + 1', 2],
    ['for', 'compile: Syntax error: reserved identifier: for'],
  ],
  'integers and their limits': [
    ['9223372036854775807 + 1', 'error: return error for overflow'],
    ['-9223372036854775808 - 1', 'error: return error for overflow'],
    ['9223372036854775807 * 2', 'error: return error for overflow'],
    ['-(-9223372036854775808)', 'error: return error for overflow'],
    ['-9223372036854775808 / -1', 'error: return error for overflow'],
    ['1u - 2u', 'error: return error for overflow'],
    ['7 / 0', 'error: division by zero'],
    ['7 % 0', 'error: modulus by zero'],
    ['-7 / 2', -3],
    ['-7 % 2', -1],
    ['7.0 / 0.0 > 1.0', true],
    ['2 + 3 * 4 - 8 / 4', 12],
    ["1 + 'a'", "compile: found no matching overload for '_+_' applied to '(int, string)'"],
    ['!true || !!true', true],
  ],
  'comparison and equality': [
    ['1 < 1.5 && 2u > 1', true],
    ['dyn(1) == 1u && dyn(1) == 1.0', true],
    ["dyn(1) == '1'", false],
    ['[1, 2] == [1.0, 2u]', true],
    ["{'a': 1, 'b': [2]} == {'b': [2], 'a': 1}", true],
    ['null == null && dyn(null) != 0', true],
    ["'a' < 'b' && b'a' < b'b' && false < true", true],
    ['double("NaN") == double("NaN")', false],
    ['9007199254740993 == dyn(9007199254740992.0)', false],
    ["'\u{1F600}' > '\uFFFD'", true],
    ["type(1) == int && type('a') == string && type(type(1)) == type", true],
    ['type([]) == list && type({}) == map && type(null) == null_type', true],
    ["duration('1s') < duration('1500ms')", true],
  ],
  'logic absorbs errors': [
    ['true || 1 / 0 > 0', true],
    ['1 / 0 > 0 || true', true],
    ['1 / 0 > 0 && false', false],
    ['1 / 0 > 0 || false', 'error: division by zero'],
    ['false ? 1 / 0 : 2', 2],
    ['[1, 0].exists(n, 4 / n == 4)', true],
    ['[0, 1].exists(n, 4 / n == 4)', true],
    ['[0, 1].all(n, 4 / n == 1)', false],
    ['[0, 4].all(n, 4 / n == 1)', 'error: division by zero'],
    ['dyn(1) && true', 'error: no such overload: _&&_'],
  ],
  'lists, maps and fields': [
    ['[1, 2, 3][1]', 2],
    ['[1, 2, 3][3]', 'error: index out of bounds: 3'],
    ['[1][-1]', 'error: index out of bounds: -1'],
    ['[1, 2][dyn(1.0)]', 2],
    ["{'a': 1}['b']", 'error: no such key: b'],
    ["{1: 'a'}[dyn(1u)]", 'a'],
    ["{'a': 1, 'a': 2}", 'error: failed with repeated key: a'],
    ["{1.5: 'a'}", 'error: unsupported key type: double'],
    ["'a' in {'a': 1} && 2 in [1, 2]", true],
    ['pod.metadata.name', 'web'],
    ["pod.metadata.labels['a/b']", 'c'],
    ['pod.metadata.labels.`a/b`', 'c'],
    ['pod.spec.nodeName', 'error: no such key: nodeName'],
    ['has(pod.spec.nodeName) || has(pod.metadata.name)', true],
    ['has(name)', 'compile: Syntax error: invalid argument to has() macro'],
    ['has(nothing.a)', "error: no such overload: null_type has no field 'a'"],
    ['size(pod.spec.containers) + size("\u{1F600}a") + size({})', 4],
    ['[1, 2,]', [1, 2]],
    ['unknown', "compile: undeclared reference to 'unknown' (in container '')"],
    ['frobnicate(1)', "compile: undeclared reference to 'frobnicate' (in container '')"],
  ],
  macros: [
    ['pod.spec.containers.map(c, c.name)', ['a', 'b']],
    ['[1, 2, 3].map(n, n > 1, n * n)', [4, 9]],
    ['[1, 2, 3].filter(n, n % 2 == 1)', [1, 3]],
    ['[1, 2, 3].exists_one(n, n > 2)', true],
    ['[1, 2, 3].exists_one(n, n > 1)', false],
    ["{'a': 1, 'b': 2}.all(k, k != 'c')", true],
    ["{'a': 1, 'b': 2}.map(k, k)", ['a', 'b']],
    ['[1, 2].all(a, [3, 4].all(b, a < b))', true],
    ['[1].map(x, [2].map(x, x))', [[2]]],
    ['[1].all(1, true)', 'compile: Syntax error: argument must be a simple name'],
    ['cel.bind(n, x + 1, n * n)', 36],
    ["{'a': 1}.all(k, v, k == 'a' && v == 1)", true],
    ['[5, 6].exists(i, v, i == 1 && v == 6)', true],
    ["{'a': 1}.transformMap(k, v, v + 1)", { a: 2 }],
    ['[3, 4].transformList(i, v, v > 3, i * 10 + v)', [14]],
    ["{'a': 'b'}.transformMapEntry(k, v, {v: k})", { b: 'a' }],
    ['[].all(n, false) && ![].exists(n, true)', true],
    ['x.all(n, true)', 'error: no such overload: comprehension range is neither a list nor a map'],
  ],
  'optional values': [
    ['pod.?spec.?nodeName.orValue("none")', 'none'],
    ['pod.?metadata.name.orValue("none")', 'web'],
    ['pod.?spec.nodeName.other.hasValue()', false],
    ['[1][?5].orValue(7) + [1][?0].value()', 8],
    ["{'a': 1}[?'b'].hasValue()", false],
    ["{?'a': optional.none(), ?'b': optional.of(1)}", { b: 1 }],
    ['[1, ?optional.none(), ?optional.of(2)]', [1, 2]],
    ['optional.of(2).optMap(n, n * 2).value()', 4],
    ['optional.none().optMap(n, n * 2).hasValue()', false],
    ['optional.of(2).optFlatMap(n, optional.none()).hasValue()', false],
    ['optional.none().or(optional.of(3)).value()', 3],
    ['optional.none().value()', 'error: optional.none() dereference'],
    ["optional.ofNonZeroValue('').hasValue()", false],
    ['has(pod.?spec.nodeName)', false],
    ['optional.of(1) == optional.of(1) && optional.of(1) != optional.none()', true],
  ],
  conversions: [
    ["int('42') + int(3.9) + int(-3.9) + int(7u)", 49],
    ["int('4x')", `error: type conversion error from 'string' to 'int': "4x"`],
    ['int(1e30)', 'error: integer overflow'],
    ['uint(-1)', 'error: unsigned integer overflow'],
    ["double('1.5') + double(2)", 3.5],
    ['string(1e20) + " " + string(0.1) + " " + string(100000.0) + " " + string(1000000.0)', '1e+20 0.1 100000 1e+06'],
    ['string(true) + string(1u) + string(b"abc")', 'true1abc'],
    [String.raw`string(b'\xff')`, 'error: invalid UTF-8 in bytes, cannot convert to string'],
    ["bytes('é').size()", 2],
    ["bool('true') && !bool('F')", true],
    ["bool('maybe')", "error: type conversion error from 'string' to 'bool'"],
    ["int(timestamp('1970-01-01T00:01:00Z'))", 60],
  ],
  times: [
    ["timestamp('2024-02-29T12:00:00Z') + duration('24h') == timestamp('2024-03-01T12:00:00Z')", true],
    ["timestamp('2024-03-01T00:00:00+02:00')", '2024-02-29T22:00:00Z'],
    ["timestamp('2024-03-01T00:00:00Z') - timestamp('2024-02-29T00:00:00Z')", '86400s'],
    ["timestamp('2024-02-29T23:59:59.123Z').getMilliseconds()", 123],
    ["timestamp('2024-01-01T23:30:00Z').getHours('+01:00')", 0],
    ["timestamp('2024-01-07T00:00:00Z').getDayOfWeek()", 0],
    ["timestamp('2024-12-31T00:00:00Z').getDayOfYear()", 365],
    ["timestamp('2024-05-06T00:00:00Z').getMonth() + timestamp('2024-05-06T00:00:00Z').getDate()", 10],
    ["timestamp('2023-02-29T00:00:00Z')", /^error: parsing time/],
    ["timestamp('9999-12-31T23:59:59Z') + duration('1s')", 'error: timestamp overflow'],
    ["duration('1h30m').getMinutes()", 90],
    ["duration('-1.5s')", '-1.5s'],
    ["duration('1d')", 'error: time: invalid duration "1d"'],
    ["string(duration('90m'))", '5400s'],
  ],
  strings: [
    ["'héllo'.charAt(1) + 'hello'.substring(1, 3)", 'éel'],
    ["'\u{1F600}b'.indexOf('b')", 1],
    ["'abcabc'.lastIndexOf('b')", 4],
    ["'a,b,c'.split(',', 2)", ['a', 'b,c']],
    ["['a', 'b'].join('-')", 'a-b'],
    ["'hello'.replace('l', 'L', 1)", 'heLlo'],
    ["'ab'.replace('', '-')", '-a-b-'],
    ["' x '.trim() + 'É'.lowerAscii() + 'a'.upperAscii()", 'xÉA'],
    ["'abc'.reverse()", 'cba'],
    ["'abc'.substring(4)", 'error: index out of range: 4'],
    ["strings.quote('a\"b')", '"a\\"b"'],
    ["'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')", true],
    ["'%s %d %.2f %x %b %e %%'.format(['a', 3, 1.005, 255, 5, 1234.5])", 'a 3 1.00 ff 101 1.234500e+03 %'],
    ["'%s'.format([{'b': [1, 2.5], 'a': null}])", '{a: null, b: [1, 2.5]}'],
    ["'%d'.format(['a'])", /clause cannot be given a string/],
    ["'%s %s'.format(['a'])", 'error: index 1 out of range'],
  ],
  "Kubernetes' libraries": [
    ['[1, 2, 2].isSorted() && ![2, 1].isSorted()', true],
    ['[1, 2, 3].sum() + [4, 1].min() + [4, 1].max()', 11],
    ["[duration('1s'), duration('2s')].sum()", '3s'],
    ['[].max()', 'error: max called on empty list'],
    ['[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)', 2],
    ["'abc 123'.find('[0-9]+')", '123'],
    ["'1 2 3'.findAll('[0-9]', 2)", ['1', '2']],
    ["'a'.matches('(')", /error parsing regexp/],
    ["url('https://u@example.com:80/a%20b?q=1&q=2').getHost()", 'example.com:80'],
    ["url('https://[::1]:80/').getHostname() + url('https://a:81/').getPort()", '::181'],
    ["url('/p?a=1&a=2').getQuery()", { a: ['1', '2'] }],
    ["isURL('https://example.com') && !isURL('not a url')", true],
    ["quantity('1.5Gi').compareTo(quantity('1536Mi'))", 0],
    ["quantity('50k').add(20).asInteger()", 50020],
    ["quantity('1').sub(quantity('500m')).asApproximateFloat()", 0.5],
    ["isQuantity('1Gb') || quantity('1').isLessThan(quantity('1k'))", true],
    ["ip('192.168.0.1').family() + ip('::1').family()", 10],
    ["isIP('1.2.3.256') || isIP('::ffff:1.2.3.4')", false],
    ["ip('fe80::1').isLinkLocalUnicast() && ip('127.0.0.1').isLoopback()", true],
    ["ip.isCanonical('2001:DB8::1')", false],
    ["string(ip('2001:0:0:0:0:0:0:1'))", '2001::1'],
    ["cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')", true],
    ["string(cidr('10.1.2.3/8').masked())", '10.0.0.0/8'],
    ["isCIDR('10.0.0.0/33')", false],
    ["semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('v1.2', true) && !isSemver('01.2.3')", true],
    ["semver('1.0.0-alpha').compareTo(semver('1.0.0'))", -1],
    ["format.dns1123Label().validate('-no').hasValue()", true],
    ["format.named('uuid').value().validate('6ba7b810-9dad-11d1-80b4-00c04fd430c8').hasValue()", false],
    ['sets.contains([1, 2, 3], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])', true],
    ["jsonpatch.escapeKey('a/b~c')", 'a~1b~0c'],
    ["base64.encode(b'hello')", 'aGVsbG8='],
  ],
};

for (const [area, rows] of Object.entries(AREAS)) {
  for (const [expression, want] of rows) {
    test(`${area}: ${expression}`, (t) => {
      const got = run(expression);
      if (want instanceof RegExp) t.regex(String(got), want);
      else t.deepEqual(got, want);
    });
  }
}

test('a program says which variables it uses and what it yields', (t) => {
  const compiled = compile('a.size() > 1 && b', { variables: { a: { list: 'int' }, b: 'bool', c: 'dyn' } });
  t.true(compiled.ok);
  if (!compiled.ok) return;
  t.deepEqual([...compiled.program.uses], ['a', 'b']);
  t.is(typeText(compiled.program.resultType), 'bool');
});

test('known types are checked before anything runs, with the place', (t) => {
  const self: CelType = {
    typeName: 'object',
    fields: new Map([['replicas', { type: 'int', property: 'replicas' }]]),
  };
  const problem = (expression: string): string | undefined => {
    const compiled = compile(expression, { variables: { self }, result: 'bool' });
    return compiled.ok ? undefined : compiled.errors[0]?.text;
  };
  t.is(problem('self.replicas > 1'), undefined);
  t.is(
    problem('true &&\n  self.size > 1'),
    "ERROR: <input>:2:7: undefined field 'size'\n |   self.size > 1\n | ......^",
  );
  t.regex(problem('self.replicas') ?? '', /must evaluate to bool, not int/);
  t.regex(problem("self.replicas == 'a'") ?? '', /found no matching overload for '_==_' applied to '\(int, string\)'/);
  t.regex(problem('self.replicas.startsWith("a")') ?? '', /found no matching overload for 'startsWith'/);
});

test('the budget ends an evaluation, also where errors would be absorbed', (t) => {
  const list = `[${Array.from({ length: 20 }, (_, i) => i).join(',')}]`;
  const expression = `true && ${list}.all(a, ${list}.all(b, ${list}.all(c, a + b + c >= 0))) || true`;
  t.is(run(expression, 1000), 'error: operation cancelled: actual cost limit exceeded (1000)');
  t.is(run(expression), true);
});

test('what is too long or nests too deeply is refused, not run into the ground', (t) => {
  t.regex(String(run(`${'('.repeat(1000)}1${')'.repeat(1000)}`)), /max recursion depth exceeded/);
  t.regex(String(run(`1${' + 1'.repeat(1000)}`)), /max recursion depth exceeded/);
  t.regex(String(run(`'${'a'.repeat(200_000)}'`)), /exceeds limit/);
  t.is(run(`true${' && true'.repeat(5000)}`), true);
  t.regex(String(run(`${'-'.repeat(5000)}x`)), /^(?:-?5|5)$/);
});

test('lazy maps evaluate what is asked for, once, and fail as it fails', (t) => {
  let asked = 0;
  const variables = lazyMap(['good', 'bad'], (name) => {
    asked += 1;
    const compiled = compile(name === 'good' ? '1 + 1' : '1 / 0', { variables: {} });
    if (!compiled.ok) throw new Error('these compile');
    return compiled.program.evaluate({}, { costLimit: COST });
  });
  const evaluate = (expression: string) => {
    const compiled = compile(expression, { variables: { variables: 'dyn' } });
    if (!compiled.ok) throw new Error(compiled.errors[0]?.text);
    return compiled.program.evaluate({ variables }, { costLimit: COST });
  };
  t.like(evaluate('variables.good + variables.good == 4'), { ok: true, value: true });
  t.is(asked, 1);
  t.like(evaluate('variables.bad == 1'), { ok: false, error: { message: 'division by zero' } });
  t.like(evaluate('has(variables.ugly)'), { ok: true, value: false });
});

test('an authorizer is asked what the expression says', (t) => {
  const authorizer = authorizerValue({
    decide: ({ verb, resource, namespace }) => ({
      allowed: verb === 'get' && resource === 'pods' && namespace === 'a',
    }),
  });
  const evaluate = (expression: string): CelValue | string => {
    const compiled = compile(expression, { variables: { authorizer: 'dyn' } });
    if (!compiled.ok) return compiled.errors[0]?.text ?? '';
    const outcome = compiled.program.evaluate({ authorizer }, { costLimit: COST });
    return outcome.ok ? outcome.value : outcome.error.message;
  };
  t.is(evaluate("authorizer.group('').resource('pods').namespace('a').check('get').allowed()"), true);
  t.is(evaluate("authorizer.group('').resource('pods').namespace('b').check('get').allowed()"), false);
});

test('values go from JSON and back unchanged', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = JSON.parse(JSON.stringify(value).replaceAll('-0', '0')) as unknown;
      t.deepEqual(JSON.parse(JSON.stringify(toJson(fromJson(plain)))), plain);
    }),
  );
});

test('no text whatsoever makes it throw', (t) => {
  const words = fc.constantFrom(
    'x',
    '1',
    "'a'",
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '.',
    '?',
    ':',
    '+',
    '-',
    '!',
    '&&',
    'in',
    ',',
    'has',
    '.all(',
    'map(',
    '1.5',
    'u',
    '`',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (text) => {
        t.notThrows(() => run(text));
      },
    ),
    { numRuns: 2000 },
  );
});
