import test from 'ava';
import { apiFixture } from '#test/support/api-fixture.ts';
import { core, LIMIT_RANGES, object, pod, PODS, refusal, type Loose } from './support.ts';

const CLASSES = { group: 'scheduling.k8s.io', version: 'v1', resource: 'priorityclasses' };
const CLAIMS = core('persistentvolumeclaims');

const range = (limit: Record<string, unknown>): Loose =>
  object('v1', 'LimitRange', 'bounds', { spec: { limits: [limit] } });
const needs = (requests: Record<string, string>, limits: Record<string, string> = {}) => ({
  resources: { requests, limits },
});
const claim = (storage: string): Loose =>
  object('v1', 'PersistentVolumeClaim', 'c', {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  });

test('a LimitRange gives containers what they do not name, and says so', async (t) => {
  const f = await apiFixture();
  const defaults = { defaultRequest: { cpu: '100m', memory: '64Mi' }, default: { cpu: '200m', memory: '128Mi' } };
  await f.run(f.admin.create(LIMIT_RANGES, range({ type: 'Container', ...defaults })));
  const made = await f.run(f.admin.create<Loose>(PODS, pod('p', {}, needs({ cpu: '150m' }))));
  const { containers } = made['spec'] as { containers: { resources: unknown }[] };
  t.deepEqual(containers[0]?.resources, {
    requests: { cpu: '150m', memory: '64Mi' },
    limits: { cpu: '200m', memory: '128Mi' },
  });
  t.is(
    made.metadata?.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: memory request for container main; cpu, memory limit for container main',
  );
});

for (const [limit, container, why] of [
  [{ min: { cpu: '100m' } }, needs({ cpu: '50m' }), 'minimum cpu usage per Container is 100m, but request is 50m'],
  // The bound is the default of a LimitRange that names none.
  [{ max: { cpu: '1' } }, {}, undefined],
  [{ max: { cpu: '1' } }, needs({ cpu: '1' }, { cpu: '2' }), 'maximum cpu usage per Container is 1, but limit is 2'],
  [
    { maxLimitRequestRatio: { cpu: '2' } },
    needs({ cpu: '100m' }, { cpu: '300m' }),
    'cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000',
  ],
  [{ maxLimitRequestRatio: { cpu: '2' } }, needs({ cpu: '100m' }, { cpu: '200m' }), undefined],
] as const) {
  test(`a container of ${JSON.stringify(container)} within ${JSON.stringify(limit)}`, async (t) => {
    const f = await apiFixture();
    await f.run(f.admin.create(LIMIT_RANGES, range({ type: 'Container', ...limit })));
    const create = f.admin.create<Loose>(PODS, pod('p', {}, container));
    if (why === undefined) t.is((await f.run(create)).metadata?.name, 'p');
    else t.deepEqual(await refusal(f, create), { code: 403, message: `pods "p" is forbidden: ${why}` });
  });
}

test('bounds of a Pod are about all its containers together; several reasons come in brackets', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(LIMIT_RANGES, range({ type: 'Pod', max: { cpu: '1', memory: '1Gi' } })));
  const containers = ['a', 'b'].map((name) => ({ name, image: 'i', ...needs({}, { cpu: '600m' }) }));
  t.deepEqual(await refusal(f, f.admin.create(PODS, pod('p', { containers }))), {
    code: 403,
    message:
      'pods "p" is forbidden: [maximum cpu usage per Pod is 1, but limit is 1200m, maximum memory usage per Pod is 1Gi.  No limit is specified]',
  });
});

test('bounds of a claim', async (t) => {
  const f = await apiFixture();
  await f.run(
    f.admin.create(
      LIMIT_RANGES,
      range({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } }),
    ),
  );
  t.is(
    (await refusal(f, f.admin.create(CLAIMS, claim('512Mi')))).message,
    'persistentvolumeclaims "c" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi',
  );
  t.is(
    (await refusal(f, f.admin.create(CLAIMS, claim('3Gi')))).message,
    'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi',
  );
  t.is((await f.run(f.admin.create(CLAIMS, claim('1Gi')))).metadata?.name, 'c');
});

test('a PriorityClass gives its Pods their number; a default class gives it to the others', async (t) => {
  const f = await apiFixture();
  const cls = (name: string, rest: Record<string, unknown>): Loose => ({
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    ...rest,
  });
  t.like((await f.run(f.admin.create<Loose>(PODS, pod('none'))))['spec'], { priority: 0 });
  await f.run(f.admin.create(CLASSES, cls('high', { value: 1000, preemptionPolicy: 'Never' })));
  await f.run(f.admin.create(CLASSES, cls('usual', { value: 7, globalDefault: true })));
  t.like((await f.run(f.admin.create<Loose>(PODS, pod('a', { priorityClassName: 'high' }))))['spec'], {
    priority: 1000,
    preemptionPolicy: 'Never',
  });
  t.like((await f.run(f.admin.create<Loose>(PODS, pod('b'))))['spec'], { priority: 7, priorityClassName: 'usual' });
  t.is(
    (await refusal(f, f.admin.create(PODS, pod('c', { priorityClassName: 'nobody' })))).message,
    'pods "c" is forbidden: no PriorityClass with name nobody was found',
  );
  t.is(
    (await refusal(f, f.admin.create(PODS, pod('d', { priority: 5 })))).message,
    'pods "d" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 7 from the given PriorityClass name',
  );
  t.is(
    (await refusal(f, f.admin.create(CLASSES, cls('other', { value: 8, globalDefault: true })))).message,
    'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
  );
});

test('a Pod runs as an account that is there, and gets its pull secrets', async (t) => {
  const f = await apiFixture();
  t.is(
    (await refusal(f, f.admin.create(PODS, pod('p', { serviceAccountName: 'robot' })))).message,
    'pods "p" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
  );
  await f.run(
    f.admin.create(
      core('serviceaccounts'),
      object('v1', 'ServiceAccount', 'robot', { imagePullSecrets: [{ name: 's' }] }),
    ),
  );
  t.like((await f.run(f.admin.create<Loose>(PODS, pod('p', { serviceAccountName: 'robot' }))))['spec'], {
    serviceAccount: 'robot',
    imagePullSecrets: [{ name: 's' }],
  });
});

test('a claim that names no class gets the default one', async (t) => {
  const f = await apiFixture();
  t.is(((await f.run(f.admin.create<Loose>(CLAIMS, claim('1Gi'))))['spec'] as Loose)['storageClassName'], undefined);
  const STORAGE = { group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses' };
  await f.run(
    f.admin.create<Loose>(STORAGE, {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'fast', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'example.com/disk',
    }),
  );
  const named = { ...claim('1Gi'), metadata: { name: 'd', namespace: 'default' } };
  t.is(((await f.run(f.admin.create<Loose>(CLAIMS, named)))['spec'] as Loose)['storageClassName'], 'fast');
});

test('a node may not give itself labels that isolate workloads', async (t) => {
  const f = await apiFixture();
  const node = f.registry.clientFor({ user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] });
  const labels = { 'x.node-restriction.kubernetes.io/pci': 'yes' };
  t.like(
    await refusal(f, node.create(core('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels } })),
    {
      code: 403,
      message: 'nodes "n1" is forbidden: node "n1" is not allowed to set labels: x.node-restriction.kubernetes.io/pci',
    },
  );
  await f.run(node.create(core('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }));
});
