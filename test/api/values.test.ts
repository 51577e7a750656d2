/** Quantities, names, selectors, ages: small values with exact texts. */
import test from 'ava';
import fc from 'fast-check';
import { ageOf, humanDuration } from '#src/api/human-duration.ts';
import { resolvePercent } from '#src/api/int-or-string.ts';
import { findKind } from '#src/api/kinds.ts';
import { deepCopy, deepEqual, withCondition, type ConditionLike } from '#src/api/metadata.ts';
import {
  generatedName,
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isIpv4,
  isIpv6,
  isLabelValue,
  isPortName,
  isQualifiedName,
} from '#src/api/names.ts';
import type { Pod } from '#src/api/objects.ts';
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
} from '#src/api/quantity.ts';
import {
  formatLabelSelector,
  labelSelectorMatcher,
  parseFieldSelector,
  parseLabelSelector,
} from '#src/api/selectors.ts';
import { isFault } from '#src/std/fault.ts';

const quantities: [string, string, number, number][] = [
  ['0', '0', 0, 0],
  ['100m', '100m', 1, 100],
  ['0.1', '100m', 1, 100],
  ['1.5', '1500m', 2, 1500],
  ['1000m', '1', 1, 1000],
  ['1.5Gi', '1536Mi', 1610612736, 1610612736000],
  ['1024Mi', '1Gi', 1073741824, 1073741824000],
  ['1000Ki', '1000Ki', 1024000, 1024000000],
  ['128974848', '128974848', 128974848, 128974848000],
  ['129e6', '129e6', 129000000, 129000000000],
  ['129M', '129M', 129000000, 129000000000],
  ['2000', '2k', 2000, 2000000],
  ['-500m', '-500m', -1, -500],
  ['.5', '500m', 1, 500],
  ['0.0000000001', '1n', 1, 1],
];
for (const [text, canonical, value, milli] of quantities) {
  test(`quantity ${text} is ${canonical}`, (t) => {
    const quantity = parseQuantity(text);
    t.is(formatQuantity(quantity), canonical);
    t.is(quantityValue(quantity), value);
    t.is(quantityMilliValue(quantity), milli);
  });
}

test('what is no quantity is a fault that shows the pattern', (t) => {
  for (const text of ['', 'x', '1x', '1 Gi', '--1', '1.2.3', '1e', 'Ki', '1'.repeat(200)]) {
    t.true(
      isFault(
        t.throws(() => parseQuantity(text)),
        'QUANTITY_SYNTAX',
      ),
      text,
    );
  }
});

test('quantities add and compare across formats; canonical text means the same', (t) => {
  t.is(formatQuantity(addQuantity(parseQuantity('1Gi'), parseQuantity('512Mi'))), '1536Mi');
  t.true(compareQuantity(parseQuantity('1Gi'), parseQuantity('1G')) > 0);
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom('', 'm', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'n'), (number, suffix) => {
      const quantity = parseQuantity(`${number}${suffix}`);
      t.is(parseQuantity(formatQuantity(quantity)).nano, quantity.nano);
    }),
  );
});

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const nameCases: [string, (value: string) => string[], string, string[]][] = [
  ['label', isDns1123Label, 'web-1', []],
  ['label', isDns1123Label, 'Web', [LABEL_TEXT]],
  ['label', isDns1123Label, 'a.b', ['must not contain dots']],
  ['label', isDns1123Label, 'a'.repeat(64), ['must be no more than 63 characters']],
  [
    'subdomain',
    isDns1123Subdomain,
    'A',
    [
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'service name',
    isDns1035Label,
    '1a',
    [
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  ['label key', isQualifiedName, 'example.com/app', []],
  ['label key', isQualifiedName, '/app', ['prefix part must be non-empty']],
  ['label value', isLabelValue, '', []],
  ['port name', isPortName, 'http--1', ['must not contain consecutive hyphens']],
  ['port name', isPortName, '80', ['must contain at least one letter (a-z)']],
];
for (const [what, check, value, texts] of nameCases) {
  test(`${what} ${value.slice(0, 20)}: ${texts.length === 0 ? 'right' : 'refused with its text'}`, (t) =>
    t.deepEqual(check(value), texts));
}

test('IP addresses', (t) => {
  for (const ip of ['10.0.0.1', '255.255.255.255', '0.0.0.0']) t.true(isIpv4(ip), ip);
  for (const ip of ['10.0.0', '256.0.0.1', '1.2.3.4.5', '01.2.3.4', '1.2.3.4.', '']) t.false(isIpv4(ip), ip);
  for (const ip of ['::', '::1', 'fd00::10.0.0.1', '1:2:3:4:5:6:7:8', '2001:db8::ffff']) t.true(isIpv6(ip), ip);
  for (const ip of ['1', ':::', '1::2::3', '1:2:3:4:5:6:7', 'g::', '1:2:3:4:5:6:7:8:9', '1.2.3.4'])
    t.false(isIpv6(ip), ip);
});

test('a generated name is its base and five characters of a vowel-free alphabet', (t) => {
  t.is(generatedName('web-', Uint8Array.of(0, 1, 26, 27, 255, 9)), 'web-bc9bq');
  t.is(generatedName('x'.repeat(100), new Uint8Array(5)).length, 63);
});

const ages: [number, string][] = [
  [0, '0s'],
  [119, '119s'],
  [120, '2m'],
  [330, '5m30s'],
  [600, '10m'],
  [179 * 60, '179m'],
  [180 * 60, '3h'],
  [7 * 3600 + 120, '7h2m'],
  [47 * 3600, '47h'],
  [48 * 3600, '2d'],
  [51 * 3600, '2d3h'],
  [9 * 86400, '9d'],
  [800 * 86400, '2y70d'],
  [9 * 365 * 86400, '9y'],
];
for (const [seconds, text] of ages)
  test(`an age of ${seconds} s is ${text}`, (t) => t.is(humanDuration(seconds * 1000), text));
test('no time has an unknown age', (t) => t.is(ageOf(undefined, 0), '<unknown>'));

const labelCases: [string, boolean][] = [
  ['', true],
  ['app=web', true],
  ['app==web,tier', true],
  ['app!=web', false],
  ['other!=x', true],
  ['!tier', false],
  ['app in (api, web)', true],
  ['app notin (web)', false],
  ['empty=', true],
  ['empty in ()', true],
  ['count>2', true],
  ['count<2', false],
];
for (const [selector, matches] of labelCases) {
  test(`label selector "${selector}" ${matches ? 'takes' : 'leaves'}`, (t) => {
    t.is(parseLabelSelector(selector).matches({ app: 'web', tier: 'front', empty: '', count: '3' }), matches);
  });
}
for (const [selector, message] of [
  ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ['a in x', "unable to parse requirement: found 'x', expected: '('"],
  ['a,', "unable to parse requirement: found '', expected: identifier after ','"],
  ['=x', "unable to parse requirement: found '=', expected: !, identifier, or 'end of string'"],
] as const) {
  test(`label selector "${selector}" is refused`, (t) => t.throws(() => parseLabelSelector(selector), { message }));
}

test('a LabelSelector object: absent takes nothing, empty takes all, expressions take part', (t) => {
  t.false(labelSelectorMatcher(undefined).matches({ a: '1' }));
  t.true(labelSelectorMatcher({}).matches({}));
  const selector = { matchLabels: { a: '1' }, matchExpressions: [{ key: 'b', operator: 'NotIn', values: ['y', 'x'] }] };
  t.true(labelSelectorMatcher(selector).matches({ a: '1' }));
  t.false(labelSelectorMatcher(selector).matches({ a: '1', b: 'x' }));
  t.is(formatLabelSelector(selector), 'a=1,b notin (x,y)');
});

test('field selectors know the fields of their kind', (t) => {
  const pods = findKind({ group: '', version: 'v1', resource: 'pods' })!;
  const pod = {
    metadata: { name: 'a', namespace: 'b' },
    spec: { nodeName: 'n1', containers: [] },
    status: { phase: 'Running' },
  } satisfies Pod;
  t.true(parseFieldSelector(pods, 'spec.nodeName=n1,status.phase!=Failed').matches(pod));
  t.false(parseFieldSelector(pods, 'metadata.name!=a').matches(pod));
  t.true(parseFieldSelector(pods, 'spec.hostNetwork=false').matches(pod));
  t.is(parseFieldSelector(pods, 'metadata.name=a,metadata.namespace=b').exact('metadata.name'), 'a');
  t.throws(() => parseFieldSelector(pods, 'spec.color=red'), { message: 'field label not supported: spec.color' });
  t.throws(() => parseFieldSelector(pods, 'x'), { message: "invalid selector: 'x'; can't understand 'x'" });
});

test('percentages round as the caller says', (t) => {
  t.is(resolvePercent('25%', 10, 'up'), 3);
  t.is(resolvePercent('25%', 10, 'down'), 2);
  t.is(resolvePercent(4, 10, 'up'), 4);
  t.is(resolvePercent('x', 10, 'up'), undefined);
});

test('copies are equal and separate, with or without a prototype', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      t.true(deepEqual(deepCopy(a), a));
      t.is(deepEqual(a, b), deepEqual(b, a));
    }),
  );
  t.true(deepEqual({ a: undefined, b: [1] }, { __proto__: null, b: [1] }));
  t.false(deepEqual([1], { 0: 1 }));
  t.false(deepEqual({ a: 1 }, { b: 1 }));
});

test('a condition keeps its transition time until its status changes', (t) => {
  const first = withCondition<ConditionLike>(undefined, { type: 'Ready', status: 'True' }, 't1');
  t.deepEqual(first, [{ type: 'Ready', status: 'True', lastTransitionTime: 't1' }]);
  t.is(withCondition(first, { type: 'Ready', status: 'True' }, 't2'), first);
  const changed = withCondition(first, { type: 'Ready', status: 'False', reason: 'Gone' }, 't3');
  t.deepEqual(changed, [{ type: 'Ready', status: 'False', reason: 'Gone', lastTransitionTime: 't3' }]);
});
