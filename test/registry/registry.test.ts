import test from 'ava';
import { isApiError } from '#src/api/api-error.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Namespace, Pod, Service } from '#src/api/objects.ts';
import type { DeleteOptions, ResourceRef, WatchEvent } from '#src/registry/client.ts';
import { kubernetesService } from '#src/registry/first-objects.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';

const PODS: ResourceRef = { group: '', version: 'v1', resource: 'pods' };
const CONFIGMAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps' };
const NAMESPACES: ResourceRef = { group: '', version: 'v1', resource: 'namespaces' };
const SERVICES: ResourceRef = { group: '', version: 'v1', resource: 'services' };
const DEPLOYMENTS: ResourceRef = { group: 'apps', version: 'v1', resource: 'deployments' };

type ConfigMap = KubeObject & { data?: Record<string, string> };

function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', ...(labels === undefined ? {} : { labels }) },
    data,
  };
}

function pod(name: string, nodeName?: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'busybox' }], ...(nodeName === undefined ? {} : { nodeName }) },
  };
}

function deployment(name: string): KubeObject & { spec: { replicas: number; template: unknown } } {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'busybox' }] } },
    } as never,
  };
}

async function refused(
  f: ApiFixture,
  promise: Promise<unknown>,
): Promise<{ reason: string; code: number; message: string; causes: string[] }> {
  try {
    await f.run(promise);
  } catch (error) {
    if (!isApiError(error)) throw error;
    return {
      reason: error.reason,
      code: error.status,
      message: error.message,
      causes: (error.details?.causes ?? []).map((c) => c.reason),
    };
  }
  throw new Error('it was not refused');
}

test('create sets what the system owns and answers with the revision of the write', async (t) => {
  const f = await apiFixture();
  const made = await f.run(
    f.admin.create(CONFIGMAPS, {
      ...configMap('a', { k: 'v' }),
      metadata: { ...configMap('a').metadata, uid: 'mine', selfLink: 'x' },
    }),
  );
  t.like(made, { apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'v' } });
  t.regex(made.metadata?.uid ?? '', /^[0-9a-f]{8}-/);
  t.is(made.metadata?.creationTimestamp, '2026-01-01T00:00:00Z');
  t.is(made.metadata?.resourceVersion, String(f.replica.store.revision));
  t.false('selfLink' in (made.metadata ?? {}));
  t.deepEqual(await f.run(f.admin.get(CONFIGMAPS, 'a', { namespace: 'default' })), made);
});

test('create is refused in Kubernetes words, after the state was confirmed', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(CONFIGMAPS, configMap('a')));
  const before = f.replica.counts.confirmed;
  t.like(await refused(f, f.admin.create(CONFIGMAPS, configMap('a'))), {
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "a" already exists',
  });
  t.is(f.replica.counts.confirmed, before + 1);
  t.like(
    await refused(f, f.admin.create(CONFIGMAPS, { ...configMap('a'), metadata: { name: 'a', namespace: 'nowhere' } })),
    { code: 404, message: 'namespaces "nowhere" not found' },
  );
  t.like(await refused(f, f.admin.create(CONFIGMAPS, configMap('b'), { namespace: 'kube-system' })), { code: 400 });
  t.like(await refused(f, f.admin.create(CONFIGMAPS, { ...configMap('x'), metadata: { namespace: 'default' } })), {
    code: 422,
    message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  });
});

test('generateName gives a free name', async (t) => {
  const f = await apiFixture();
  const object: ConfigMap = { ...configMap(''), metadata: { generateName: 'job-', namespace: 'default' } };
  const first = await f.run(f.admin.create(CONFIGMAPS, object));
  const second = await f.run(f.admin.create(CONFIGMAPS, object));
  t.regex(first.metadata?.name ?? '', /^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  t.not(first.metadata?.name, second.metadata?.name);
});

test('a race lost at apply is judged again from the newer state', async (t) => {
  const f = await apiFixture();
  const other = f.registry.clientFor({ user: 'other', groups: ['system:masters'] });
  f.replica.interfere(async () => await other.create(CONFIGMAPS, configMap('a', { by: 'other' })));
  t.like(await refused(f, f.admin.create(CONFIGMAPS, configMap('a', { by: 'me' }))), { reason: 'AlreadyExists' });
});

test('update is optimistic: an old revision is a conflict, none is unconditional, the same changes nothing', async (t) => {
  const f = await apiFixture();
  const first = await f.run(f.admin.create(CONFIGMAPS, configMap('a', { n: '1' })));
  const second = await f.run(f.admin.update(CONFIGMAPS, { ...first, data: { n: '2' } }));
  t.not(second.metadata?.resourceVersion, first.metadata?.resourceVersion);
  const conflict = await refused(f, f.admin.update(CONFIGMAPS, { ...first, data: { n: '3' } }));
  t.like(conflict, {
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  });
  const same = await f.run(f.admin.update(CONFIGMAPS, second));
  t.is(same.metadata?.resourceVersion, second.metadata?.resourceVersion);
  const forced = await f.run(f.admin.update(CONFIGMAPS, configMap('a', { n: '4' })));
  t.is((forced as ConfigMap).data?.['n'], '4');
  t.is(forced.metadata?.uid, first.metadata?.uid);
  const wrongUid = { ...forced, metadata: { ...forced.metadata, uid: 'other' } };
  t.regex(
    (await refused(f, f.admin.update(CONFIGMAPS, wrongUid))).message,
    /Precondition failed: UID in precondition: other/,
  );
});

test('status and spec are written apart, and only spec moves the generation', async (t) => {
  const f = await apiFixture();
  const made = await f.run(f.admin.create(DEPLOYMENTS, deployment('d')));
  t.is(made.metadata?.generation, 1);
  const spec = { ...deployment('d').spec, replicas: 3 };
  const status = { observedGeneration: 1, replicas: 1 };
  const viaSpec = await f.run(f.admin.update(DEPLOYMENTS, { ...made, spec, status } as typeof made));
  t.is(viaSpec.metadata?.generation, 2);
  t.is((viaSpec as { status?: { replicas?: number } }).status?.replicas, undefined);
  const viaStatus = await f.run(
    f.admin.update(DEPLOYMENTS, { ...viaSpec, spec: deployment('d').spec, status } as typeof made, {
      subresource: 'status',
    }),
  );
  t.is(viaStatus.metadata?.generation, 2);
  t.is(viaStatus.spec.replicas, 3);
  t.like(viaStatus, { status: { replicas: 1 } });
});

test('patches retry by themselves and keep to the scale subresource', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(CONFIGMAPS, configMap('a', { n: '1' })));
  f.replica.interfere(
    async () =>
      await f.registry
        .clientFor({ user: 'o', groups: ['system:masters'] })
        .patch(CONFIGMAPS, 'a', { type: 'merge', body: { data: { other: 'x' } } }, { namespace: 'default' }),
  );
  const patched = await f.run(
    f.admin.patch<ConfigMap>(CONFIGMAPS, 'a', { type: 'merge', body: { data: { n: '2' } } }, { namespace: 'default' }),
  );
  t.deepEqual(patched.data, { n: '2', other: 'x' });
  const json = [{ op: 'replace', path: '/data/n', value: '3' }];
  const viaJson = await f.run(
    f.admin.patch<ConfigMap>(CONFIGMAPS, 'a', { type: 'json', body: json }, { namespace: 'default' }),
  );
  t.is(viaJson.data?.['n'], '3');
  const stale = { metadata: { resourceVersion: '1' }, data: { n: '4' } };
  t.like(await refused(f, f.admin.patch(CONFIGMAPS, 'a', { type: 'merge', body: stale }, { namespace: 'default' })), {
    reason: 'Conflict',
  });

  await f.run(f.admin.create(DEPLOYMENTS, deployment('d')));
  const scale = await f.run(
    f.admin.patch<KubeObject & { spec: { replicas: number } }>(
      DEPLOYMENTS,
      'd',
      { type: 'merge', body: { spec: { replicas: 5 } } },
      { namespace: 'default', subresource: 'scale' },
    ),
  );
  t.like(scale, { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 5 } });
  t.like(await f.run(f.admin.get(DEPLOYMENTS, 'd', { namespace: 'default' })), { spec: { replicas: 5 } });
});

const deletions: [
  string,
  { nodeName?: string; finalizers?: string[]; options?: DeleteOptions },
  'gone' | { graceSeconds: number; finalizers?: string[] },
][] = [
  ['an unscheduled pod goes at once', {}, 'gone'],
  ['a scheduled pod is given its grace', { nodeName: 'n1' }, { graceSeconds: 30 }],
  ['a shorter grace may be asked for', { nodeName: 'n1', options: { gracePeriodSeconds: 5 } }, { graceSeconds: 5 }],
  ['grace 0 removes at once', { nodeName: 'n1', options: { gracePeriodSeconds: 0 } }, 'gone'],
  ['a finalizer holds it', { finalizers: ['example.com/hold'] }, { graceSeconds: 0, finalizers: ['example.com/hold'] }],
  [
    'Foreground waits for dependents',
    { options: { propagationPolicy: 'Foreground' } },
    { graceSeconds: 0, finalizers: ['foregroundDeletion'] },
  ],
  [
    'Orphan lets dependents go',
    { options: { propagationPolicy: 'Orphan' } },
    { graceSeconds: 0, finalizers: ['orphan'] },
  ],
];
for (const [title, given, want] of deletions) {
  test(`delete: ${title}`, async (t) => {
    const f = await apiFixture();
    const made = pod('p', given.nodeName);
    if (given.finalizers !== undefined) made.metadata.finalizers = given.finalizers;
    await f.run(f.admin.create(PODS, made));
    const answer = await f.run(f.admin.delete(PODS, 'p', { namespace: 'default', ...given.options }));
    if (want === 'gone') {
      t.like(await refused(f, f.admin.get(PODS, 'p', { namespace: 'default' })), {
        code: 404,
        message: 'pods "p" not found',
      });
      return;
    }
    t.is(answer.metadata?.deletionGracePeriodSeconds, want.graceSeconds);
    t.truthy(answer.metadata?.deletionTimestamp);
    t.deepEqual(answer.metadata?.finalizers, want.finalizers);
    if (want.finalizers === undefined) return;
    const { finalizers: _gone, ...metadata } = answer.metadata ?? {};
    await f.run(f.admin.update(PODS, { ...answer, metadata }));
    t.like(await refused(f, f.admin.get(PODS, 'p', { namespace: 'default' })), { code: 404 });
  });
}

test('delete preconditions and dry run', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(CONFIGMAPS, configMap('a')));
  t.like(await refused(f, f.admin.delete(CONFIGMAPS, 'a', { namespace: 'default', preconditions: { uid: 'other' } })), {
    code: 409,
  });
  const { revision } = f.replica.store;
  await f.run(f.admin.delete(CONFIGMAPS, 'a', { namespace: 'default', dryRun: true }));
  await f.run(f.admin.create(CONFIGMAPS, configMap('b'), { dryRun: true }));
  t.is(f.replica.store.revision, revision);
  t.like(await refused(f, f.admin.create(CONFIGMAPS, configMap('a'), { dryRun: true })), { code: 409 });
});

test('a namespace closes when deleted and goes when finalized; the first ones are protected', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'dev' } }));
  const closing = (await f.run(f.admin.delete(NAMESPACES, 'dev'))) as Namespace;
  t.is(closing.status?.phase, 'Terminating');
  const denied = await refused(
    f,
    f.admin.create(CONFIGMAPS, { ...configMap('a'), metadata: { name: 'a', namespace: 'dev' } }),
  );
  t.deepEqual(denied.causes, ['NamespaceTerminating']);
  t.is(denied.code, 403);
  await f.run(
    f.admin.update(NAMESPACES, { ...closing, spec: { finalizers: [] } } as Namespace, { subresource: 'finalize' }),
  );
  t.like(await refused(f, f.admin.get(NAMESPACES, 'dev')), { code: 404 });
  t.like(await refused(f, f.admin.delete(NAMESPACES, 'default')), {
    code: 403,
    message: 'namespaces "default" is forbidden: this namespace may not be deleted',
  });
});

test('a create that races with the end of its namespace is refused at apply', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'dev' } }));
  f.replica.interfere(async () => await f.admin.delete(NAMESPACES, 'dev'));
  t.like(
    await refused(f, f.admin.create(CONFIGMAPS, { ...configMap('a'), metadata: { name: 'a', namespace: 'dev' } })),
    { code: 403 },
  );
});

function service(name: string, spec: object = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...spec } as never,
  };
}

test('Services own their addresses: allocated, refused when taken, kept, released', async (t) => {
  const f = await apiFixture();
  const kubernetes = await f.run(
    f.admin.create(SERVICES, kubernetesService({ serviceCidr: '10.96.0.0/16', apiServerPort: 6443 })),
  );
  t.like(kubernetes, { spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'] } });
  const a = (await f.run(f.admin.create(SERVICES, service('a', { type: 'NodePort' })))) as Service;
  const ip = a.spec?.clusterIP ?? '';
  const nodePort = a.spec?.ports?.[0]?.nodePort ?? 0;
  t.regex(ip, /^10\.96\.\d+\.\d+$/);
  t.true(nodePort >= 30000 && nodePort <= 32767);
  t.regex(
    (await refused(f, f.admin.create(SERVICES, service('b', { clusterIP: ip })))).message,
    /provided IP is already allocated/,
  );
  t.regex(
    (await refused(f, f.admin.create(SERVICES, service('b', { clusterIP: '192.168.0.1' })))).message,
    /not in the valid range/,
  );
  t.regex(
    (await refused(f, f.admin.create(SERVICES, service('b', { type: 'NodePort', ports: [{ port: 80, nodePort }] }))))
      .message,
    /spec\.ports\[0\]\.nodePort: Invalid value: \d+: provided port is already allocated/,
  );
  const again = (await f.run(
    f.admin.update(SERVICES, service('a', { type: 'NodePort', ports: [{ port: 80 }] })),
  )) as Service;
  t.is(again.spec?.clusterIP, ip);
  t.is(again.spec?.ports?.[0]?.nodePort, nodePort);
  const plain = (await f.run(
    f.admin.update(SERVICES, { ...again, spec: { ...again.spec, type: 'ClusterIP' } } as Service),
  )) as Service;
  t.is(plain.spec?.ports?.[0]?.nodePort, undefined);
  await f.run(f.admin.delete(SERVICES, 'a', { namespace: 'default' }));
  const b = (await f.run(
    f.admin.create(SERVICES, service('b', { clusterIP: ip, type: 'NodePort', ports: [{ port: 80, nodePort }] })),
  )) as Service;
  t.is(b.spec?.clusterIP, ip);
  const headless = (await f.run(f.admin.create(SERVICES, service('h', { clusterIP: 'None' })))) as Service;
  t.deepEqual(headless.spec?.clusterIPs, ['None']);
});

test('lists page through one revision and end in 410 with a way on', async (t) => {
  const f = await apiFixture();
  for (const name of ['a', 'b', 'c'])
    await f.run(f.admin.create(CONFIGMAPS, configMap(name, {}, { odd: String(name !== 'b') })));
  const first = await f.run(f.admin.list(CONFIGMAPS, { namespace: 'default', limit: 2 }));
  t.deepEqual(
    first.items.map((item) => item.metadata?.name),
    ['a', 'b'],
  );
  t.is(first.metadata.remainingItemCount, 1);
  await f.run(f.admin.create(CONFIGMAPS, configMap('d')));
  const token = first.metadata.continue ?? '';
  const second = await f.run(f.admin.list(CONFIGMAPS, { namespace: 'default', limit: 2, continue: token }));
  t.deepEqual(
    second.items.map((item) => item.metadata?.name),
    ['c'],
  );
  t.is(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const odd = await f.run(f.admin.list(CONFIGMAPS, { namespace: 'default', labelSelector: 'odd=true', limit: 1 }));
  t.deepEqual(
    odd.items.map((item) => item.metadata?.name),
    ['a'],
  );
  const rest = await f.run(
    f.admin.list(CONFIGMAPS, {
      namespace: 'default',
      labelSelector: 'odd=true',
      limit: 1,
      continue: odd.metadata.continue ?? '',
    }),
  );
  t.deepEqual([rest.items.map((item) => item.metadata?.name), rest.metadata.continue], [['c'], undefined]);

  f.replica.compact(f.replica.store.revision);
  const error = await t.throwsAsync(
    f.run(f.admin.list(CONFIGMAPS, { namespace: 'default', limit: 2, continue: token })),
  );
  if (!isApiError(error, 'Expired')) throw error;
  const on = await f.run(
    f.admin.list(CONFIGMAPS, { namespace: 'default', limit: 2, continue: error.listMeta?.continue ?? '' }),
  );
  t.deepEqual(
    on.items.map((item) => item.metadata?.name),
    ['c', 'd'],
  );
  t.like(await refused(f, f.admin.list(CONFIGMAPS, { continue: 'junk' })), { code: 400 });
  t.like(await refused(f, f.admin.list(CONFIGMAPS, { resourceVersionMatch: 'Exact' })), { code: 422 });
  t.like(await refused(f, f.admin.list(CONFIGMAPS, { resourceVersion: '99999' })), {
    code: 504,
    reason: 'Timeout',
    causes: ['ResourceVersionTooLarge'],
  });
});

function shape(event: WatchEvent | undefined): string {
  if (event === undefined) return 'end';
  return event.type === 'BOOKMARK'
    ? `BOOKMARK${event.initialEventsEnd ? ' end' : ''}`
    : `${event.type} ${event.object.metadata?.name}`;
}

test('watch: initial objects, selector transitions, bookmarks, timeout, 410', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(CONFIGMAPS, configMap('a', {}, { on: 'yes' })));
  const watch = await f.run(
    f.admin.watch(CONFIGMAPS, {
      namespace: 'default',
      labelSelector: 'on=yes',
      allowBookmarks: true,
      timeoutSeconds: 90,
    }),
  );
  t.is(shape(await f.run(watch.next())), 'ADDED a');
  await f.run(f.admin.create(CONFIGMAPS, configMap('b')));
  await f.run(f.admin.update(CONFIGMAPS, configMap('b', {}, { on: 'yes' })));
  t.is(shape(await f.run(watch.next())), 'ADDED b');
  await f.run(f.admin.update(CONFIGMAPS, configMap('b', { k: 'v' }, { on: 'yes' })));
  t.is(shape(await f.run(watch.next())), 'MODIFIED b');
  const left = await f.run(f.admin.update(CONFIGMAPS, configMap('b')));
  const leaving = await f.run(watch.next());
  t.is(shape(leaving), 'DELETED b');
  t.is(leaving?.type === 'DELETED' ? leaving.object.metadata?.resourceVersion : '', left.metadata?.resourceVersion);
  t.is(shape(await f.run(watch.next())), 'BOOKMARK');
  t.is(shape(await f.run(watch.next())), 'BOOKMARK', 'the last one, shortly before the timeout');
  t.is(shape(await f.run(watch.next())), 'end');

  const list = await f.run(
    f.admin.watch(CONFIGMAPS, {
      namespace: 'default',
      sendInitialEvents: true,
      resourceVersionMatch: 'NotOlderThan',
      allowBookmarks: true,
    }),
  );
  t.deepEqual(
    [shape(await f.run(list.next())), shape(await f.run(list.next())), shape(await f.run(list.next()))],
    ['ADDED a', 'ADDED b', 'BOOKMARK end'],
  );
  list.cancel();
  t.is(await f.run(list.next()), undefined);

  await f.run(f.admin.delete(CONFIGMAPS, 'a', { namespace: 'default' }));
  f.replica.compact(f.replica.store.revision);
  t.like(
    await refused(
      f,
      f.admin.watch(CONFIGMAPS, { resourceVersion: '1' }).then((w) => w.next()),
    ),
    { code: 410, reason: 'Expired' },
  );
});

test('pods are bound once; batches are one proposal with a result each', async (t) => {
  const f = await apiFixture();
  const made = await f.run(f.admin.create(PODS, pod('p')));
  const before = f.replica.counts.proposed;
  const results = await f.run(
    f.admin.batch([
      { verb: 'create', resource: PODS, object: pod('q') },
      { verb: 'create', resource: PODS, object: pod('p') },
      { verb: 'bind', namespace: 'default', name: 'p', uid: made.metadata.uid ?? '', node: 'n1' },
    ]),
  );
  t.is(f.replica.counts.proposed, before + 1);
  t.deepEqual(
    results.map((result) => result.ok),
    [true, false, true],
  );
  const bound = await f.run(f.admin.get<Pod>(PODS, 'p', { namespace: 'default' }));
  t.is(bound.spec?.nodeName, 'n1');
  t.like(bound.status?.conditions?.[0], { type: 'PodScheduled', status: 'True' });
  const [twice] = await f.run(f.admin.batch([{ verb: 'bind', namespace: 'default', name: 'p', uid: '', node: 'n2' }]));
  t.regex(twice?.ok === false ? twice.error.message : '', /already assigned to node "n1"/);
});

test('a batch beyond what one entry holds becomes several', async (t) => {
  const f = await apiFixture();
  f.replica.limits.transactionsMax = 2;
  const before = f.replica.counts.proposed;
  const writes = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    verb: 'create' as const,
    resource: CONFIGMAPS,
    object: configMap(name),
  }));
  const results = await f.run(f.admin.batch(writes));
  t.deepEqual(
    results.map((result) => (result.ok ? result.object.metadata?.name : '')),
    ['a', 'b', 'c', 'd', 'e'],
  );
  t.is(f.replica.counts.proposed, before + 3);
});

test('admission gives pods their account, priority and tolerations', async (t) => {
  const f = await apiFixture();
  const made = await f.run(f.admin.create(PODS, pod('p')));
  t.is(made.spec?.serviceAccountName, 'default');
  t.is(made.spec?.priority, 0);
  t.deepEqual(
    made.spec?.tolerations?.map((toleration) => [toleration.key, toleration.tolerationSeconds]),
    [
      ['node.kubernetes.io/not-ready', 300],
      ['node.kubernetes.io/unreachable', 300],
    ],
  );
  t.is(made.status?.phase, 'Pending');
});

test('writes fenced by a term end with it', async (t) => {
  const f = await apiFixture();
  f.replica.setTerm(7);
  await f.run(f.admin.create(CONFIGMAPS, configMap('a'), { term: 7 }));
  f.replica.setTerm(8);
  t.like(await refused(f, f.admin.create(CONFIGMAPS, configMap('b'), { term: 7 })), {
    reason: 'Conflict',
    causes: ['FENCED'],
  });
});

test('who may do what: fixed identities pass what they need, others are refused in Kubernetes words', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create(PODS, pod('mine', 'n1')));
  await f.run(f.admin.create(PODS, pod('theirs', 'n2')));
  const nobody = f.registry.clientFor({ user: 'eve', groups: ['system:authenticated'] });
  t.is(
    (await refused(f, nobody.list(PODS, { namespace: 'default' }))).message,
    'pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  t.is(
    (await refused(f, nobody.get(DEPLOYMENTS, 'd', { namespace: 'default' }))).message,
    'deployments.apps "d" is forbidden: User "eve" cannot get resource "deployments" in API group "apps" in the namespace "default"',
  );
  const node = f.registry.clientFor({ user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] });
  await f.run(node.delete(PODS, 'mine', { namespace: 'default', gracePeriodSeconds: 0 }));
  t.like(await refused(f, node.delete(PODS, 'theirs', { namespace: 'default' })), { code: 403 });
  t.like(await refused(f, node.create(PODS, pod('static', 'n2'))), { code: 403 });
  const nodes: ResourceRef = { group: '', version: 'v1', resource: 'nodes' };
  const leases: ResourceRef = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
  await f.run(node.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } }));
  t.like(await refused(f, node.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' } })), {
    code: 403,
  });
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'n1', namespace: 'kube-node-lease' },
    spec: { holderIdentity: 'n1' },
  };
  const held = await f.run(node.create(leases, lease));
  await f.run(node.update(leases, held));
  t.like(await refused(f, node.update(leases, { ...held, metadata: { ...held.metadata, name: 'n2' } })), { code: 403 });
  t.like(await refused(f, node.create(leases, { ...lease, metadata: { name: 'n1', namespace: 'default' } })), {
    code: 403,
  });
  const scheduler = f.registry.clientFor({ user: 'system:kube-scheduler', groups: [] });
  await f.run(scheduler.list(PODS));
  t.like(await refused(f, scheduler.create(CONFIGMAPS, configMap('a'))), { code: 403 });
});

test('design §4.4: a refusal rests on confirmed state, whatever the local state says', async (t) => {
  const key = (name: string): string => `/registry/core/configmaps/default/${name}`;
  const cases: [string, (f: ApiFixture) => Promise<unknown>][] = [
    [
      'a read of what is not here yet',
      async (f) => await f.admin.get(CONFIGMAPS, 'new', { namespace: 'default', resourceVersion: '0' }),
    ],
    ['an update of what is not here yet', async (f) => await f.admin.update(CONFIGMAPS, configMap('new', { n: '1' }))],
    ['a create of what is gone', async (f) => await f.admin.create(CONFIGMAPS, configMap('old'))],
    [
      'a delete of what is not here yet',
      async (f) => await f.admin.delete(CONFIGMAPS, 'new', { namespace: 'default' }),
    ],
  ];
  for (const [title, act] of cases) {
    const f = await apiFixture();
    await f.run(f.admin.create(CONFIGMAPS, configMap('old')));
    f.replica.lag();
    const encoder = new TextEncoder();
    const [head, tail] = [
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"',
      '","name":"new","namespace":"default","uid":"u"}}',
    ];
    const put = { type: 'put' as const, key: key('new'), head: encoder.encode(head), tail: encoder.encode(tail) };
    const gone = { type: 'deleteRange' as const, from: key('old'), to: key('old~'), limit: 1 };
    f.replica.apply([{ conditions: [], operations: [put, gone] }]);
    await t.notThrowsAsync(f.run(act(f)), title);
  }
});

test('a dry run and a write that changes nothing are confirmed, since nothing judges them at apply', async (t) => {
  const f = await apiFixture();
  const made = await f.run(f.admin.create(CONFIGMAPS, configMap('a')));
  const { confirmed, proposed } = f.replica.counts;
  await f.run(f.admin.update(CONFIGMAPS, made));
  await f.run(f.admin.create(CONFIGMAPS, configMap('b'), { dryRun: true }));
  t.deepEqual(f.replica.counts, { confirmed: confirmed + 2, proposed });
});

test('deletecollection takes what the selector names, and only that', async (t) => {
  const f = await apiFixture();
  for (const name of ['a', 'b', 'c'])
    await f.run(f.admin.create(CONFIGMAPS, configMap(name, {}, { keep: String(name === 'b') })));
  const { findKind } = await import('#src/api/kinds.ts');
  const kind = findKind(CONFIGMAPS);
  if (kind === undefined) throw new Error('configmaps are not served');
  const verbs = f.registry.verbsFor(f.admin.identity);
  const deleted = await f.run(verbs.deleteCollection(kind, { namespace: 'default', labelSelector: 'keep=false' }, {}));
  t.deepEqual(
    deleted.map((object) => object.metadata.name),
    ['a', 'c'],
  );
  t.deepEqual(
    (await f.run(f.admin.list(CONFIGMAPS, { namespace: 'default' }))).items.map((item) => item.metadata?.name),
    ['b'],
  );
});

test('both Events are one object in two versions', async (t) => {
  const f = await apiFixture();
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Started',
    message: 'it runs',
    type: 'Normal',
  };
  const old = { group: '', version: 'v1', resource: 'events' };
  const young = { group: 'events.k8s.io', version: 'v1', resource: 'events' };
  await f.run(f.admin.create(old, event));
  t.like(await f.run(f.admin.get(young, 'e', { namespace: 'default' })), {
    apiVersion: 'events.k8s.io/v1',
    regarding: { name: 'p' },
    note: 'it runs',
  });
  await f.run(f.admin.patch(young, 'e', { type: 'merge', body: { note: 'it still runs' } }, { namespace: 'default' }));
  t.like(await f.run(f.admin.get(old, 'e', { namespace: 'default' })), { apiVersion: 'v1', message: 'it still runs' });
  const selected = await f.run(f.admin.list(old, { fieldSelector: 'involvedObject.name=p' }));
  t.is(selected.items.length, 1);
});
