import test from 'ava';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { core, DEPLOYMENTS, object, pod, PODS, QUOTAS, refusal, type Loose } from './support.ts';

const resources = (requests: Record<string, string>, limits: Record<string, string> = {}) => ({
  resources: { requests, limits },
});

async function quota(f: ApiFixture, hard: Record<string, string>, spec: Record<string, unknown> = {}): Promise<void> {
  await f.run(f.admin.create(QUOTAS, object('v1', 'ResourceQuota', 'q', { spec: { hard, ...spec } })));
  await f.run(f.registry.quotas.round());
}

async function used(f: ApiFixture): Promise<Record<string, string>> {
  await f.run(f.registry.quotas.round());
  const { status } = await f.run(f.admin.get<Loose>(QUOTAS, 'q', { namespace: 'default' }));
  return (status as { used: Record<string, string> }).used;
}

test('of 50 creates at once exactly as many as the quota allows happen, and none more after', async (t) => {
  const f = await apiFixture();
  await quota(f, { pods: '10' });
  const creates = Array.from({ length: 50 }, async (_, i) => {
    try {
      await f.admin.create(PODS, pod(`p${i}`));
      return 'made';
    } catch (error) {
      return (error as Error).message.replace(/"p\d+"/, '"p"');
    }
  });
  const outcomes = await f.run(Promise.all(creates));
  t.is(outcomes.filter((one) => one === 'made').length, 10);
  const [first, ...others] = [...new Set(outcomes.filter((one) => one !== 'made'))];
  t.is(first, 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10');
  t.deepEqual(others, []);
  t.is((await f.run(f.admin.list(PODS, { namespace: 'default' }))).items.length, 10);
  t.deepEqual(await used(f), { pods: '10' });
});

test('a batch stops at the quota and says so for the rest', async (t) => {
  const f = await apiFixture();
  await quota(f, { pods: '3' });
  const writes = Array.from({ length: 5 }, (_, i) => ({
    verb: 'create' as const,
    resource: PODS,
    object: pod(`p${i}`),
  }));
  const results = await f.run(f.admin.batch(writes));
  t.deepEqual(
    results.map((one) => one.ok),
    [true, true, true, false, false],
  );
});

test('what is deleted, and what has ended, is given back at once', async (t) => {
  const f = await apiFixture();
  await quota(f, { pods: '1', 'requests.cpu': '1' });
  await f.run(f.admin.create(PODS, pod('a', {}, resources({ cpu: '700m' }))));
  t.like(await refusal(f, f.admin.create(PODS, pod('b', {}, resources({ cpu: '400m' })))), {
    code: 403,
    message:
      'pods "b" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=400m, used: pods=1,requests.cpu=700m, limited: pods=1,requests.cpu=1',
  });
  await f.run(f.admin.delete(PODS, 'a', { namespace: 'default' }));
  await f.run(f.admin.create(PODS, pod('b', {}, resources({ cpu: '400m' }))));
  t.deepEqual(await used(f), { pods: '1', 'requests.cpu': '400m' });
  await f.run(
    f.admin.patch(
      PODS,
      'b',
      { type: 'merge', body: { status: { phase: 'Succeeded' } } },
      { namespace: 'default', subresource: 'status' },
    ),
  );
  t.deepEqual(await used(f), { pods: '0', 'requests.cpu': '0' });
  await f.run(f.admin.create(PODS, pod('c', {}, resources({ cpu: '1' }))));
  // The end of what has ended gives nothing back twice.
  await f.run(f.admin.delete(PODS, 'b', { namespace: 'default' }));
  t.deepEqual(await used(f), { pods: '1', 'requests.cpu': '1' });
});

test('a dry run is judged and counts nothing', async (t) => {
  const f = await apiFixture();
  await quota(f, { pods: '1' });
  await f.run(f.admin.create(PODS, pod('a'), { dryRun: true }));
  t.deepEqual(await used(f), { pods: '0' });
  await f.run(f.admin.create(PODS, pod('a')));
  t.is((await refusal(f, f.admin.create(PODS, pod('b'), { dryRun: true }))).code, 403);
});

test('a quota counts what was there before it, and is unknown until it has', async (t) => {
  const f = await apiFixture();
  for (const name of ['a', 'b']) await f.run(f.admin.create(PODS, pod(name)));
  await f.run(f.admin.create(QUOTAS, object('v1', 'ResourceQuota', 'q', { spec: { hard: { pods: '3' } } })));
  t.is(
    (await refusal(f, f.admin.create(PODS, pod('c')))).message,
    'pods "c" is forbidden: status unknown for quota: q, resources: pods',
  );
  t.deepEqual(await used(f), { pods: '2' });
  await f.run(f.admin.create(PODS, pod('c')));
  t.regex((await refusal(f, f.admin.create(PODS, pod('d')))).message, /exceeded quota/);
});

test('counting anew corrects a counter and keeps what is charged meanwhile', async (t) => {
  const f = await apiFixture();
  await quota(f, { pods: '5' });
  const { uid = '' } = (await f.run(f.admin.get(QUOTAS, 'q', { namespace: 'default' }))).metadata ?? {};
  const key = `/kontiki/quota/default/${uid}/pods`;
  const operations = [{ type: 'addBounded' as const, key, delta: 4, max: 100 }];
  await f.run(f.replica.proposer.propose([{ conditions: [], operations }], { deadlineMs: 1000 }));
  f.replica.interfere(async () => await f.admin.create(PODS, pod('a')));
  // A changed spec is a reason to count.
  await f.run(
    f.admin.patch(QUOTAS, 'q', { type: 'merge', body: { spec: { hard: { pods: '6' } } } }, { namespace: 'default' }),
  );
  t.deepEqual(await used(f), { pods: '1' });
});

for (const [what, hard, ref, made, message] of [
  [
    'objects of any kind',
    { 'count/deployments.apps': '0' },
    DEPLOYMENTS,
    object('apps/v1', 'Deployment', 'd', {
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    }),
    'deployments.apps "d" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=0, limited: count/deployments.apps=0',
  ],
  [
    'node ports',
    { 'services.nodeports': '1' },
    core('services'),
    object('v1', 'Service', 's', {
      spec: {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
      },
    }),
    'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1',
  ],
  [
    'storage',
    { 'requests.storage': '1Gi' },
    core('persistentvolumeclaims'),
    object('v1', 'PersistentVolumeClaim', 'c', {
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
    }),
    'persistentvolumeclaims "c" is forbidden: exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=0, limited: requests.storage=1Gi',
  ],
  [
    'silence about a limited resource',
    { 'limits.memory': '1Gi', 'requests.cpu': '1' },
    PODS,
    pod('p'),
    'pods "p" is forbidden: failed quota: q: must specify limits.memory for: main; requests.cpu for: main',
  ],
] as const) {
  test(`a quota holds for ${what}`, async (t) => {
    const f = await apiFixture();
    await quota(f, hard);
    t.deepEqual(await refusal(f, f.admin.create(ref, made as Loose)), { code: 403, message });
  });
}

for (const [scope, concerned, free] of [
  ['BestEffort', pod('a'), pod('b', {}, resources({ cpu: '1' }))],
  ['NotBestEffort', pod('a', {}, resources({ cpu: '1' })), pod('b')],
  ['Terminating', pod('a', { activeDeadlineSeconds: 5 }), pod('b')],
  ['NotTerminating', pod('a'), pod('b', { activeDeadlineSeconds: 5 })],
] as const) {
  test(`a quota of scope ${scope} concerns no other Pods`, async (t) => {
    const f = await apiFixture();
    await quota(f, { pods: '0' }, { scopes: [scope] });
    await f.run(f.admin.create(PODS, free));
    t.regex((await refusal(f, f.admin.create(PODS, concerned))).message, /exceeded quota/);
  });
}

test('a quota for a PriorityClass concerns its Pods', async (t) => {
  const f = await apiFixture();
  const scopeSelector = {
    matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
  };
  await quota(f, { pods: '0' }, { scopeSelector });
  await f.run(f.admin.create(PODS, pod('a')));
  t.is((await refusal(f, f.admin.create(PODS, pod('b', { priorityClassName: 'system-node-critical' })))).code, 403);
});
