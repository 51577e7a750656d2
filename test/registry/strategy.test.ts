/** What the system itself writes into objects of some kinds. */
import test from 'ava';
import type { Kind } from '#src/api/kinds.ts';
import type { NamedObject } from '#src/registry/raw.ts';
import { prepareForCreate, prepareForUpdate } from '#src/registry/strategy.ts';
import { kindNamed, makeObject, type Json } from '#test/support/api-object.ts';

const NOW_MS = Date.parse('2026-11-23T10:00:00Z');
const identity = { user: 'jane', groups: ['devs'] };
const at = (subresource = '') => ({ identity, nowMs: NOW_MS, subresource });
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

function created(kind: Kind, fields: Json): Json {
  const object = makeObject(kind, {
    ...fields,
    metadata: { uid: 'u1', ...(fields['metadata'] as Json) },
  }) as NamedObject;
  prepareForCreate(kind, object, at());
  return plain(object);
}

function updated(kind: Kind, after: Json, before: Json, subresource = ''): Json {
  const object = makeObject(kind, after) as NamedObject;
  prepareForUpdate(kind, object, makeObject(kind, before) as NamedObject, at(subresource));
  return plain(object);
}

const template = {
  metadata: { labels: { app: 'x' } },
  spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
};

test('a Job finds its Pods by its uid, unless it says how', (t) => {
  const job = kindNamed('batch/v1', 'Job');
  const labels = {
    app: 'x',
    'batch.kubernetes.io/controller-uid': 'u1',
    'batch.kubernetes.io/job-name': 'x',
    'controller-uid': 'u1',
    'job-name': 'x',
  };
  t.like(created(job, { spec: { template } }), {
    spec: {
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
      template: { metadata: { labels } },
    },
  });
  const selector = { matchLabels: { app: 'x' } };
  const manual = created(job, { spec: { template, selector, manualSelector: true } }) as { spec: { selector: Json } };
  t.deepEqual(manual.spec.selector, selector);
});

test('statuses begin as Kubernetes writes them, whatever was sent', (t) => {
  const cases: [string, string, Json, Json][] = [
    ['apps/v1', 'StatefulSet', { replicas: 7, currentRevision: 'x' }, { replicas: 0 }],
    ['batch/v1', 'Job', { active: 3 }, {}],
    ['networking.k8s.io/v1', 'Ingress', { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } }, { loadBalancer: {} }],
    ['v1', 'PersistentVolumeClaim', { phase: 'Bound' }, { phase: 'Pending' }],
    [
      'v1',
      'PersistentVolume',
      { phase: 'Bound' },
      { phase: 'Pending', lastPhaseTransitionTime: '2026-11-23T10:00:00Z' },
    ],
    ['storage.k8s.io/v1', 'VolumeAttachment', { attached: true }, { attached: false }],
  ];
  for (const [apiVersion, kind, sent, want] of cases) {
    t.deepEqual(created(kindNamed(apiVersion, kind), { status: sent })['status'], want, kind);
  }
  const custom: Kind = {
    ...kindNamed('batch/v1', 'Job'),
    apiVersion: 'example.com/v1',
    typeName: 'com.example.v1.Job',
  };
  const object = { metadata: { name: 'x' }, status: { any: 'thing' } };
  prepareForCreate(custom, object, at());
  t.deepEqual(plain(object), { metadata: { name: 'x' } });
});

test('a DaemonSet counts the changes of its template', (t) => {
  const daemonSet = kindNamed('apps/v1', 'DaemonSet');
  const key = 'deprecated.daemonset.template.generation';
  const spec = { selector: { matchLabels: { app: 'x' } }, template };
  const before = created(daemonSet, { spec, metadata: { annotations: { [key]: '9' } } });
  t.like(before, { metadata: { annotations: { [key]: '1' } } });
  const same = updated(daemonSet, { spec, metadata: {} }, before);
  t.like(same, { metadata: { annotations: { [key]: '1' } } });
  const changed = { ...spec, template: { ...template, metadata: { labels: { app: 'x', b: 'c' } } } };
  t.like(updated(daemonSet, { spec: changed }, before), { metadata: { annotations: { [key]: '2' } } });
});

test("the time of a volume's phase is noted when it changes", (t) => {
  const volume = kindNamed('v1', 'PersistentVolume');
  const before = { status: { phase: 'Pending', lastPhaseTransitionTime: '2026-11-23T09:00:00Z' } };
  const bound = { status: { ...before.status, phase: 'Bound' } };
  t.like(updated(volume, bound, before, 'status'), { status: { lastPhaseTransitionTime: '2026-11-23T10:00:00Z' } });
  t.like(updated(volume, before, before, 'status'), before);
});

test('dataSource and dataSourceRef of a claim say the same', (t) => {
  const claim = kindNamed('v1', 'PersistentVolumeClaim');
  const source = { kind: 'PersistentVolumeClaim', name: 'other' };
  t.like(created(claim, { spec: { dataSource: source } }), { spec: { dataSourceRef: source } });
  t.like(created(claim, { spec: { dataSourceRef: source } }), { spec: { dataSource: source } });
  const elsewhere = created(claim, { spec: { dataSourceRef: { ...source, namespace: 'b' } } }) as { spec: Json };
  t.is(elsewhere.spec['dataSource'], undefined);
});
