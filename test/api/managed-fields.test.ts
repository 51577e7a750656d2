/** Who manages which field: the bookkeeping of writes, and server-side apply with its conflicts. */
import test from 'ava';
import fc from 'fast-check';
import { isApiError } from '#src/api/api-error.ts';
import { kindOf, type Kind } from '#src/api/kinds.ts';
import { applyConfiguration, managedAfterUpdate } from '#src/api/managed-fields/managed-fields.ts';
import {
  difference,
  emptySet,
  fromFieldsV1,
  insert,
  intersection,
  pathsOf,
  pathText,
  toFieldsV1,
  union,
  type FieldSet,
} from '#src/api/managed-fields/field-set.ts';
import type { KubeObject } from '#src/api/object.ts';

const DEPLOYMENT = kindOf('apps/v1', 'Deployment') as Kind;
const CONFIGMAP = kindOf('v1', 'ConfigMap') as Kind;
const POD = kindOf('v1', 'Pod') as Kind;
const AT = '2026-11-23T10:00:00Z';
const LATER = '2026-11-23T11:00:00Z';

const writer = (manager: string, extra: { force?: boolean; time?: string; subresource?: string } = {}) => ({
  manager,
  subresource: '',
  time: AT,
  force: false,
  ...extra,
});
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** As the registry does it. */
function updated(kind: typeof POD, live: KubeObject | undefined, object: KubeObject, by = writer('kubectl-create')) {
  const { managedFields: _old, ...metadata } = object.metadata ?? {};
  const bare = { ...object, metadata };
  return { ...bare, metadata: { ...metadata, managedFields: managedAfterUpdate(kind, live, bare, by) } };
}

function fieldsOf(object: KubeObject, manager: string): unknown {
  return plain(object.metadata?.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1 ?? null);
}

const deployment = (spec: object): KubeObject =>
  ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default' }, spec }) as KubeObject;
const configMap = (data: Record<string, string>): KubeObject =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'default' }, data }) as KubeObject;
const dataOf = (object: KubeObject): unknown => plain((object as { data?: unknown }).data ?? null);

test('a created object belongs to its creator, in the form that Kubernetes writes', (t) => {
  const object = updated(
    DEPLOYMENT,
    undefined,
    deployment({
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'nginx',
              ports: [{ containerPort: 80, protocol: 'TCP' }],
              resources: {},
              env: [{ name: 'A', value: '1' }],
            },
          ],
          nodeSelector: { disk: 'ssd' },
        },
      },
    }),
  );
  t.deepEqual(plain(object.metadata.managedFields), [
    {
      manager: 'kubectl-create',
      operation: 'Update',
      apiVersion: 'apps/v1',
      time: AT,
      fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:spec': {
          'f:replicas': {},
          'f:selector': {},
          'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} }, 'f:type': {} },
          'f:template': {
            'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
            'f:spec': {
              'f:containers': {
                'k:{"name":"web"}': {
                  '.': {},
                  'f:env': { '.': {}, 'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
                  'f:image': {},
                  'f:name': {},
                  'f:ports': {
                    '.': {},
                    'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {}, 'f:protocol': {} },
                  },
                },
              },
              'f:nodeSelector': {},
            },
          },
        },
      },
    },
  ]);
});

test('an update takes what it changes from its manager, and what it removes from everybody', (t) => {
  const first = updated(CONFIGMAP, undefined, configMap({ a: '1', b: '1', c: '1' }));
  const second = updated(CONFIGMAP, first, configMap({ a: '2', b: '1' }), writer('editor', { time: LATER }));
  t.deepEqual(fieldsOf(second, 'kubectl-create'), { 'f:data': { '.': {}, 'f:b': {} } });
  t.deepEqual(fieldsOf(second, 'editor'), { 'f:data': { 'f:a': {} } });
  const third = updated(CONFIGMAP, second, configMap({ a: '2', b: '1' }), writer('idle', { time: LATER }));
  t.is(fieldsOf(third, 'idle'), null, 'who changes nothing manages nothing');
  const gone = updated(CONFIGMAP, second, configMap({ a: '3', b: '3' }), writer('editor', { time: LATER }));
  t.deepEqual(fieldsOf(gone, 'kubectl-create'), { 'f:data': {} });
});

test('a status write is kept apart from the spec', (t) => {
  const live = updated(POD, undefined, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'a', image: 'x' }] },
  } as KubeObject);
  const next = { ...live, status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
  const written = updated(POD, live, next, writer('kubelet', { subresource: 'status' }));
  t.deepEqual(plain(written.metadata.managedFields.find(({ manager }) => manager === 'kubelet')), {
    manager: 'kubelet',
    operation: 'Update',
    apiVersion: 'v1',
    time: AT,
    fieldsType: 'FieldsV1',
    fieldsV1: {
      'f:status': {
        'f:conditions': { '.': {}, 'k:{"type":"Ready"}': { '.': {}, 'f:status': {}, 'f:type': {} } },
        'f:phase': {},
      },
    },
    subresource: 'status',
  });
});

test('beyond ten managers the oldest updates are joined', (t) => {
  let object = updated(CONFIGMAP, undefined, configMap({ k0: '0' }), writer('m0'));
  for (let i = 1; i < 15; i += 1) {
    const data = { ...(dataOf(object) as Record<string, string>), [`k${i}`]: '0' };
    object = updated(CONFIGMAP, object, configMap(data), writer(`m${i}`, { time: `2026-11-23T10:00:${10 + i}Z` }));
  }
  const managers = object.metadata.managedFields.map(({ manager }) => manager);
  t.is(managers.length, 10);
  t.true(managers.includes('ancient-changes'));
  t.deepEqual(fieldsOf(object, 'ancient-changes'), {
    'f:data': { '.': {}, 'f:k0': {}, 'f:k1': {}, 'f:k2': {}, 'f:k3': {}, 'f:k4': {}, 'f:k5': {} },
  });
});

test('apply creates, changes, and removes what it applies no more', (t) => {
  const one = applyConfiguration(CONFIGMAP, undefined, configMap({ a: '1', b: '1' }), writer('ci'));
  t.deepEqual(plain(one.metadata?.managedFields), [
    {
      manager: 'ci',
      operation: 'Apply',
      apiVersion: 'v1',
      time: AT,
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    },
  ]);
  const two = applyConfiguration(CONFIGMAP, one, configMap({ a: '2' }), writer('ci', { time: LATER }));
  t.deepEqual(dataOf(two), { a: '2' });
  t.is(applyConfiguration(CONFIGMAP, two, configMap({ a: '2' }), writer('ci')), two, 'the same again changes nothing');
});

test('a field of another manager is a conflict that names it; with force it is taken', (t) => {
  const live = updated(CONFIGMAP, undefined, configMap({ a: '1', b: '1' }));
  const error = t.throws(() => applyConfiguration(CONFIGMAP, live, configMap({ a: '2' }), writer('ci')));
  t.true(isApiError(error, 'Conflict'));
  t.is(error?.message, 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .data.a');
  t.deepEqual((error as unknown as { details: { causes: unknown } }).details.causes, [
    { reason: 'FieldManagerConflict', message: 'conflict with "kubectl-create" using v1', field: '.data.a' },
  ]);
  const both = t.throws(() => applyConfiguration(CONFIGMAP, live, configMap({ a: '2', b: '2' }), writer('ci')));
  t.is(both?.message, 'Apply failed with 2 conflicts: conflicts with "kubectl-create" using v1:\n- .data.a\n- .data.b');
  const same = applyConfiguration(CONFIGMAP, live, configMap({ a: '1' }), writer('ci'));
  t.deepEqual(fieldsOf(same, 'ci'), { 'f:data': { 'f:a': {} } }, 'the same value is shared, not a conflict');
  const forced = applyConfiguration(CONFIGMAP, live, configMap({ a: '2' }), writer('ci', { force: true }));
  t.deepEqual(dataOf(forced), { a: '2', b: '1' });
  t.deepEqual(fieldsOf(forced, 'kubectl-create'), { 'f:data': { '.': {}, 'f:b': {} } });
});

test('what two appliers want goes only when the last of them lets go', (t) => {
  const one = applyConfiguration(CONFIGMAP, undefined, configMap({ a: '1' }), writer('x'));
  const two = applyConfiguration(CONFIGMAP, one, configMap({ a: '1' }), writer('y'));
  const three = applyConfiguration(CONFIGMAP, two, configMap({}), writer('x'));
  t.deepEqual(dataOf(three), { a: '1' });
  const four = applyConfiguration(CONFIGMAP, three, configMap({}), writer('y'));
  t.deepEqual(dataOf(four) ?? {}, {});
});

test('items of lists are told apart by their keys, in the order of the configuration', (t) => {
  const containers = (...list: object[]): KubeObject =>
    ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: list } }) as KubeObject;
  const live = applyConfiguration(
    POD,
    undefined,
    containers({ name: 'a', image: '1' }, { name: 'b', image: '1' }),
    writer('x'),
  );
  const other = applyConfiguration(
    POD,
    live,
    containers({ name: 'c', image: '1' }, { name: 'b', image: '1' }),
    writer('y'),
  );
  const names = (object: KubeObject): string[] =>
    (object as unknown as { spec: { containers: { name: string }[] } }).spec.containers.map(({ name }) => name);
  t.deepEqual(names(other), ['c', 'a', 'b']);
  const less = applyConfiguration(POD, other, containers({ name: 'b', image: '1' }), writer('x'));
  t.deepEqual(names(less), ['c', 'b'], 'a was only x’s');
  const twice = t.throws(() =>
    applyConfiguration(POD, undefined, containers({ name: 'a' }, { name: 'a' }), writer('x')),
  );
  t.regex(twice?.message ?? '', /duplicate entries for key \[\{"name":"a"\}\]/);
});

test('kubectl goes over from client-side apply without conflicts in what it has set itself', (t) => {
  const sent = configMap({ a: '1', b: '1' });
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(sent) };
  const withAnnotation = { ...sent, metadata: { ...sent.metadata, annotations } };
  const live = updated(CONFIGMAP, undefined, withAnnotation, writer('kubectl-client-side-apply'));
  const taken = applyConfiguration(CONFIGMAP, live, configMap({ a: '2' }), writer('kubectl'));
  t.deepEqual(dataOf(taken), { a: '2', b: '1' });
  t.throws(() => applyConfiguration(CONFIGMAP, live, configMap({ a: '2' }), writer('ci')), { message: /1 conflict/ });
  const edited = updated(
    CONFIGMAP,
    live,
    { ...withAnnotation, data: { a: '3', b: '1' } } as KubeObject,
    writer('editor'),
  );
  const refused = t.throws(() => applyConfiguration(CONFIGMAP, edited, configMap({ a: '2' }), writer('kubectl')));
  t.is(refused?.message, 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a');
});

test('what was written before anyone kept books belongs to before-first-apply', (t) => {
  const applied = applyConfiguration(CONFIGMAP, configMap({ a: '1', b: '1' }), configMap({ b: '1' }), writer('ci'));
  t.deepEqual(fieldsOf(applied, 'before-first-apply'), { 'f:data': { 'f:a': {}, 'f:b': {} } });
});

// A simple second implementation: sets of path strings, and apply on flat maps.
const path = fc.array(fc.constantFrom('f:a', 'f:b', 'k:{"n":1}', 'v:"x"'), { minLength: 1, maxLength: 3 });
const paths = fc.array(path, { maxLength: 8 });
const setOf = (list: string[][]): FieldSet => {
  const set = emptySet();
  for (const one of list) insert(set, one);
  return set;
};
const texts = (set: FieldSet): string[] =>
  pathsOf(set)
    .map((one) => JSON.stringify(one))
    .toSorted();

test('field sets are sets', (t) => {
  fc.assert(
    fc.property(paths, paths, (left, right) => {
      const [a, b] = [setOf(left), setOf(right)];
      const [x, y] = [
        new Set(left.map((one) => JSON.stringify(one))),
        new Set(right.map((one) => JSON.stringify(one))),
      ];
      t.deepEqual(texts(union(a, b)), [...x.union(y)].toSorted());
      t.deepEqual(texts(intersection(a, b)), [...x.intersection(y)].toSorted());
      t.deepEqual(texts(difference(a, b)), [...x.difference(y)].toSorted());
      t.deepEqual(texts(fromFieldsV1(JSON.parse(JSON.stringify(toFieldsV1(a)))) ?? emptySet()), texts(a));
    }),
  );
  t.is(pathText(['f:spec', 'k:{"name":"a"}', 'f:image']), '.spec[name="a"].image');
});

type Act = { manager: string; data: Record<string, string>; apply: boolean };
const acts = fc.array(
  fc.record({
    manager: fc.constantFrom('x', 'y', 'z'),
    data: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'), { maxKeys: 4 }),
    apply: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Data and, per manager and operation, the keys it manages. */
function model(state: { data: Map<string, string>; owned: Map<string, Set<string>> }, { manager, data, apply }: Act) {
  const own = `${manager}/${apply ? 'Apply' : 'Update'}`;
  const last = state.owned.get(own) ?? new Set();
  const before = new Map(state.data);
  if (apply) {
    for (const [key, value] of Object.entries(data)) state.data.set(key, value);
    const others = [...state.owned].filter(([name]) => name !== own && name.endsWith('/Apply'));
    for (const key of last) {
      if (!(key in data) && !others.some(([, keys]) => keys.has(key))) state.data.delete(key);
    }
    state.owned.set(own, new Set(Object.keys(data)));
  } else {
    state.data = new Map(Object.entries(data));
    state.owned.set(own, last);
  }
  const changed = [...state.data].filter(([key, value]) => before.get(key) !== value).map(([key]) => key);
  const removed = [...before.keys()].filter((key) => !state.data.has(key));
  for (const [name, keys] of state.owned) {
    for (const key of removed) keys.delete(key);
    if (name === own) {
      if (!apply) for (const key of changed) keys.add(key);
    } else {
      for (const key of changed) keys.delete(key);
    }
  }
}

test('any series of forced applies and updates gives what a simple second implementation gives', (t) => {
  fc.assert(
    fc.property(acts, (series) => {
      const state = { data: new Map<string, string>(), owned: new Map<string, Set<string>>() };
      let live: KubeObject | undefined;
      for (const act of series) {
        model(state, act);
        const by = writer(act.manager, { force: true });
        live = act.apply
          ? applyConfiguration(CONFIGMAP, live, configMap(act.data), by)
          : updated(CONFIGMAP, live, configMap(act.data), by);
        t.deepEqual(Object.fromEntries(state.data), (dataOf(live) as object | null) ?? {});
        for (const [name, keys] of state.owned) {
          const [manager, operation] = name.split('/');
          const entry = live.metadata?.managedFields?.find((e) => e.manager === manager && e.operation === operation);
          const found = pathsOf(fromFieldsV1(entry?.fieldsV1 ?? {}) ?? emptySet())
            .filter((one) => one.length === 2 && one[0] === 'f:data')
            .map((one) => one[1]?.slice(2));
          t.deepEqual(new Set(found).symmetricDifference(keys), new Set(), name);
        }
      }
    }),
    { numRuns: 300 },
  );
});
