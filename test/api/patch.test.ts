/** The three patches: RFC 6902, RFC 7386 and strategic merge. */
import test from 'ava';
import fc from 'fast-check';
import { isApiError } from '#src/api/api-error.ts';
import { applyJsonPatch } from '#src/api/patch/json-patch.ts';
import { applyMergePatch } from '#src/api/patch/merge-patch.ts';
import { applyStrategicMerge } from '#src/api/patch/strategic-merge.ts';

const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment';
const POD_SPEC = 'io.k8s.api.core.v1.PodSpec';
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

// RFC 7386 appendix A.
const mergeCases: [string, string, string][] = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
];
for (const [target, patch, want] of mergeCases) {
  test(`RFC 7386: ${target} with ${patch}`, (t) => {
    t.deepEqual(plain(applyMergePatch(JSON.parse(target), JSON.parse(patch))), JSON.parse(want));
  });
}

const jsonCases: [string, unknown, unknown[], unknown][] = [
  ['add a member', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['add into a list', { l: [1, 3] }, [{ op: 'add', path: '/l/1', value: 2 }], { l: [1, 2, 3] }],
  ['append', { l: [1] }, [{ op: 'add', path: '/l/-', value: 2 }], { l: [1, 2] }],
  ['remove', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
  ['replace', { a: { b: 1 } }, [{ op: 'replace', path: '/a/b', value: null }], { a: { b: null } }],
  ['move', { a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
  ['copy', { a: [1] }, [{ op: 'copy', from: '/a', path: '/b' }], { a: [1], b: [1] }],
  ['a passing test', { a: { b: [1] } }, [{ op: 'test', path: '/a', value: { b: [1] } }], { a: { b: [1] } }],
  [
    'escaped keys',
    { 'a/b': 1, 'c~d': 2 },
    [
      { op: 'remove', path: '/a~1b' },
      { op: 'remove', path: '/c~0d' },
    ],
    {},
  ],
  ['the whole document', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
];
for (const [what, target, patch, want] of jsonCases) {
  test(`RFC 6902: ${what}`, (t) => {
    const before = structuredClone(target);
    t.deepEqual(plain(applyJsonPatch(target, patch)), want);
    t.deepEqual(target, before, 'the input stays as it was');
  });
}

const jsonRefusals: [string, unknown, unknown, number, RegExp][] = [
  [
    'a missing path',
    { a: 1 },
    [{ op: 'remove', path: '/b' }],
    422,
    /remove operation does not apply: doc is missing path: "\/b": missing value/,
  ],
  [
    'a missing parent',
    {},
    [{ op: 'add', path: '/a/b', value: 1 }],
    422,
    /add operation does not apply: doc is missing path: "\/a\/b"/,
  ],
  [
    'replacing what is not there',
    {},
    [{ op: 'replace', path: '/a', value: 1 }],
    422,
    /replace operation does not apply: doc is missing key: \/a/,
  ],
  ['a failing test', { a: 1 }, [{ op: 'test', path: '/a', value: 2 }], 422, /testing value \/a failed: test failed/],
  ['an index past the end', { l: [] }, [{ op: 'add', path: '/l/1', value: 1 }], 422, /invalid index/],
  ['an unknown operation', {}, [{ op: 'frob', path: '/a' }], 400, /Unexpected kind: frob/],
  ['no list', {}, {}, 400, /must be a list/],
  [
    'too many operations',
    {},
    Array.from({ length: 10_001 }, () => ({})),
    413,
    /allowed maximum operations .* 10000, got 10001/,
  ],
];
jsonRefusals.push([
  'copies that double the document over and over',
  { a: 'x'.repeat(1000) },
  Array.from({ length: 100 }, (_, index) => ({ op: 'copy', from: '', path: `/b${index}` })),
  413,
  /accumulated size increase of copy is \d+, exceeding the limit 3145728/,
]);
jsonRefusals.push([
  'copies that nest the document ever deeper',
  { a: {} },
  Array.from({ length: 18 }, (_, index) => ({ op: 'copy', from: '', path: '/a'.repeat(2 ** index) + '/a' })),
  400,
  /nested deeper than 1000 levels/,
]);
for (const [what, target, patch, status, message] of jsonRefusals) {
  test(`RFC 6902 refused: ${what}`, (t) => {
    const error = t.throws(() => applyJsonPatch(target, patch), { message });
    t.true(isApiError(error) && error.status === status);
  });
}

const strategicCases: [string, unknown, unknown, unknown][] = [
  [
    'items of a list are told apart by the merge key',
    {
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '2' },
      ],
    },
    {
      containers: [
        { name: 'b', image: '3' },
        { name: 'c', image: '4' },
      ],
    },
    {
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '3' },
        { name: 'c', image: '4' },
      ],
    },
  ],
  [
    '$patch: delete removes an item',
    { containers: [{ name: 'a' }, { name: 'b' }] },
    { containers: [{ name: 'a', $patch: 'delete' }] },
    { containers: [{ name: 'b' }] },
  ],
  [
    '$patch: replace in a list replaces it whole',
    { containers: [{ name: 'a', image: '1' }, { name: 'b' }] },
    { containers: [{ name: 'a', image: null, tty: true }, { $patch: 'replace' }] },
    { containers: [{ name: 'a', tty: true }] },
  ],
  [
    '$patch: replace in a map replaces it whole',
    { nodeSelector: { a: '1' } },
    { nodeSelector: { b: '2', $patch: 'replace' } },
    { nodeSelector: { b: '2' } },
  ],
  ['null removes a member', { nodeName: 'n', hostname: 'h' }, { nodeName: null }, { hostname: 'h' }],
  [
    'lists without a merge key are replaced',
    { tolerations: [{ key: 'a' }] },
    { tolerations: [{ key: 'b' }] },
    { tolerations: [{ key: 'b' }] },
  ],
  [
    '$retainKeys drops what it does not name',
    { volumes: [{ name: 'v', emptyDir: {} }] },
    { volumes: [{ name: 'v', hostPath: { path: '/x' }, $retainKeys: ['name', 'hostPath'] }] },
    { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
  ],
  [
    '$setElementOrder orders, and keeps what only the server has in its place',
    { containers: [{ name: 'sidecar' }, { name: 'a' }, { name: 'b' }] },
    { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'b', image: '1' }] },
    { containers: [{ name: 'sidecar' }, { name: 'b', image: '1' }, { name: 'a' }] },
  ],
  [
    '$setElementOrder alone only orders',
    { containers: [{ name: 'a' }, { name: 'b' }] },
    { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
    { containers: [{ name: 'b' }, { name: 'a' }] },
  ],
  [
    'nested lists merge too',
    { containers: [{ name: 'a', env: [{ name: 'X', value: '1' }] }] },
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'Y', value: '2' },
            { name: 'X', value: '3' },
          ],
        },
      ],
    },
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', value: '3' },
            { name: 'Y', value: '2' },
          ],
        },
      ],
    },
  ],
];
for (const [what, target, patch, want] of strategicCases) {
  test(`strategic merge: ${what}`, (t) => {
    const before = structuredClone(target);
    t.deepEqual(plain(applyStrategicMerge(target, patch, POD_SPEC)), want);
    t.deepEqual(target, before, 'the input stays as it was');
  });
}

test('strategic merge: lists of plain values merge as sets, and $deleteFromPrimitiveList takes out', (t) => {
  const target = { metadata: { finalizers: ['a', 'b'] } };
  const added = applyStrategicMerge(target, { metadata: { finalizers: ['b', 'c'] } }, DEPLOYMENT);
  t.deepEqual(plain(added), { metadata: { finalizers: ['a', 'b', 'c'] } });
  const removed = applyStrategicMerge(
    target,
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
    DEPLOYMENT,
  );
  t.deepEqual(plain(removed), { metadata: { finalizers: ['b'] } });
});

test('strategic merge of long lists does not cost their square', (t) => {
  const finalizers = Array.from({ length: 50_000 }, (_, index) => `example.com/${index}`);
  const containers = finalizers.map((name) => ({ name }));
  const merged = applyStrategicMerge({ metadata: { finalizers } }, { metadata: { finalizers } }, DEPLOYMENT);
  t.is((merged as { metadata: { finalizers: string[] } }).metadata.finalizers.length, 50_000);
  const patch = { containers, '$setElementOrder/containers': containers };
  t.is((applyStrategicMerge({ containers }, patch, POD_SPEC) as { containers: unknown[] }).containers.length, 50_000);
});

const strategicRefusals: [string, unknown, RegExp][] = [
  ['no merge key', { containers: [{ image: 'x' }] }, /does not contain declared merge key: name/],
  ['an unknown directive', { containers: [{ name: 'a', $patch: 'frob' }] }, /unknown patch type: "frob"/],
  [
    'an order that leaves an item out',
    { '$setElementOrder/containers': [{ name: 'b' }], containers: [{ name: 'a' }] },
    /order in the patch list containers/,
  ],
  ['$retainKeys that leaves a field out', { $retainKeys: ['a'], hostname: 'x' }, /does not name hostname/],
  ['no object', [], /must be an object/],
];
for (const [what, patch, message] of strategicRefusals) {
  test(`strategic merge refused: ${what}`, (t) => {
    const error = t.throws(() => applyStrategicMerge({ containers: [{ name: 'a' }] }, patch, POD_SPEC), { message });
    t.true(isApiError(error, 'BadRequest'));
  });
}

// The second implementation: lists with a merge key become objects by that key, then RFC 7386, then lists again.
const KEYED: Record<string, string> = { containers: 'name', env: 'name', volumeMounts: 'mountPath' };

function keyed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(keyed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const mergeKey = KEYED[name];
      if (mergeKey === undefined || !Array.isArray(member)) return [name, keyed(member)];
      const items = (member as Record<string, unknown>[]).map((item) => [
        `#${String(item[mergeKey])}`,
        item['$patch'] === 'delete' ? null : keyed(item),
      ]);
      return [name, Object.fromEntries(items) as unknown];
    }),
  );
}

function unkeyed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unkeyed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      KEYED[name] !== undefined && !Array.isArray(member)
        ? Object.values(member as object).map(unkeyed)
        : unkeyed(member),
    ]),
  );
}

const names = fc.constantFrom('a', 'b', 'c');
const list = (item: fc.Arbitrary<Record<string, unknown>>, key: string) =>
  fc.uniqueArray(item, { selector: (one) => one[key], maxLength: 3 });
const container = (isPatch: boolean) => {
  const value = isPatch ? fc.constantFrom('1', '2', null) : fc.constantFrom('1', '2');
  const optional = { requiredKeys: ['name'] as ['name'] };
  const whole = fc.record(
    {
      name: names,
      image: value,
      env: list(fc.record({ name: names, value }, { requiredKeys: ['name'] }), 'name'),
      args: fc.array(names, { maxLength: 2 }),
      resources: fc.record({ limits: fc.dictionary(names, value, { noNullPrototype: true }) }, { requiredKeys: [] }),
    },
    optional,
  );
  return isPatch ? fc.oneof(whole, fc.record({ name: names, $patch: fc.constant('delete') })) : whole;
};
const podSpec = (isPatch: boolean) =>
  fc.record(
    {
      containers: list(container(isPatch) as fc.Arbitrary<Record<string, unknown>>, 'name'),
      nodeSelector: fc.dictionary(names, isPatch ? fc.constantFrom('1', null) : fc.constant('1'), {
        noNullPrototype: true,
      }),
      tolerations: fc.array(fc.record({ key: names }), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  );

test('strategic merge agrees with RFC 7386 over lists keyed by their merge key', (t) => {
  fc.assert(
    fc.property(podSpec(false), podSpec(true), (target, patch) => {
      const got = plain(applyStrategicMerge(target, patch, POD_SPEC));
      const want = unkeyed(plain(applyMergePatch(keyed(target), keyed(patch))));
      t.deepEqual(got, want);
    }),
    { numRuns: 500 },
  );
});

test('random patches of all three types are applied or refused with an ApiError', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (target, patch, item) => {
      const attempts = [
        () => applyJsonPatch(target, patch),
        () => applyJsonPatch(target, [{ op: 'add', path: '/a', value: item }, item]),
        () => applyMergePatch(target, patch),
        () => applyStrategicMerge(target, patch, DEPLOYMENT),
        () => applyStrategicMerge({ containers: target }, { containers: patch, $retainKeys: item }, POD_SPEC),
        () =>
          applyStrategicMerge(
            { containers: [target] },
            { containers: [patch], '$setElementOrder/containers': item },
            POD_SPEC,
          ),
      ];
      for (const attempt of attempts) {
        try {
          attempt();
        } catch (error) {
          t.true(isApiError(error), String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
});
