/** What upstream's tests of the API machinery demand, against our own server. */
import test, { type ExecutionContext } from 'ava';
import { asked, settled, type Asked, type Json } from './asked.ts';
import { ROWS } from './table.ts';

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';
const TEMPLATES = '/api/v1/namespaces/default/podtemplates';

function conformance(row: keyof typeof ROWS, body: (t: ExecutionContext, f: Asked) => Promise<void>): void {
  test(ROWS[row].name, async (t) => body(t, await asked(t)));
}

const configMap = (name: string, labels: Record<string, string> = {}, data: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});
const told = ({ events }: ReturnType<Asked['watch']>): string[] =>
  events().map(({ type, object }) => `${type} ${object.metadata.name}`);

conformance('version', async (t, { done }) => {
  const { major, minor } = await done('GET', '/version');
  t.regex(String(major), /^\d+$/);
  t.regex(String(minor), /^\d+$/);
});

interface Group {
  name: string;
  versions: { groupVersion: string }[];
  preferredVersion: { groupVersion: string };
}

conformance('groups', async (t, { done }) => {
  const groups = (await done('GET', '/apis'))['groups'] as Group[];
  t.true(groups.length > 15);
  for (const { name, versions, preferredVersion } of groups) {
    t.true(
      versions.some(({ groupVersion }) => groupVersion === preferredVersion.groupVersion),
      name,
    );
    t.like(await done('GET', `/apis/${name}`), { name, preferredVersion });
  }
});

conformance('resources', async (t, { done }) => {
  for (const { versions } of (await done('GET', '/apis'))['groups'] as Group[]) {
    for (const { groupVersion } of versions) {
      const list = await done('GET', `/apis/${groupVersion}`);
      t.is(list['groupVersion'], groupVersion);
      t.true((list['resources'] as unknown[]).length > 0, groupVersion);
    }
  }
});

conformance('aggregated', async (t, f) => {
  for (const version of ['v2', 'v2beta1']) {
    const accept = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    const answer = await f.ask({ url: '/apis', headers: { accept } });
    t.is(answer.headers['content-type'], accept);
    const { apiVersion, items } = answer.json as unknown as {
      apiVersion: string;
      items: { metadata: { name: string } }[];
    };
    t.is(apiVersion, `apidiscovery.k8s.io/${version}`);
    for (const group of ['apps', 'batch', 'policy', 'rbac.authorization.k8s.io', 'storage.k8s.io'])
      t.true(
        items.some(({ metadata }) => metadata.name === group),
        group,
      );
  }
});

conformance('metadata406', async (t, { call }) => {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { nonResourceAttributes: { verb: 'get', path: '/' } },
  };
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  t.is((await call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review, { accept })).status, 406);
});

async function templates(f: Asked, count: number): Promise<void> {
  const template = {
    metadata: { labels: { for: 'chunks' } },
    spec: { containers: [{ name: 'test', image: 'test2' }] },
  };
  for (let at = 0; at < count; at += 1) {
    const metadata = { name: `template-${String(at).padStart(4, '0')}` };
    await f.done('POST', TEMPLATES, { apiVersion: 'v1', kind: 'PodTemplate', metadata, template });
  }
}

interface Page {
  metadata: { continue?: string; remainingItemCount?: number; resourceVersion: string };
  items: Json[];
}

conformance('chunks', async (t, f) => {
  const total = 40;
  await templates(f, total);
  const limit = 17;
  let [seen, next, version] = [0, '', ''];
  do {
    const url = `${TEMPLATES}?limit=${limit}${next === '' ? '' : `&continue=${next}`}`;
    const { metadata, items } = (await f.done('GET', url)) as unknown as Page;
    t.true(items.length <= limit);
    if (version !== '') t.is(metadata.resourceVersion, version);
    version = metadata.resourceVersion;
    for (const item of items) {
      t.is(item.metadata.name, `template-${String(seen).padStart(4, '0')}`);
      seen += 1;
    }
    t.is(metadata.remainingItemCount ?? 0, total - seen);
    next = metadata.continue ?? '';
  } while (next !== '');
  t.is(seen, total);
  t.is((await f.items(TEMPLATES)).length, total);
});

conformance('chunksExpired', async (t, f) => {
  const total = 40;
  await templates(f, total);
  const first = (await f.done('GET', `${TEMPLATES}?limit=15`)) as unknown as Page;
  // More history than is kept, and then a compaction of it.
  for (let at = 0; at < 10; at += 1) await f.done('POST', CONFIGMAPS, configMap(`later-${at}`));
  f.replica.compact(f.replica.reader.local().revision);
  const refused = await f.call('GET', `${TEMPLATES}?limit=15&continue=${first.metadata.continue}`);
  t.is(refused.status, 410, refused.text);
  t.is(refused.object['reason'], 'Expired');
  const token = refused.object.metadata['continue'] as string | undefined;
  t.truthy(token);
  const second = (await f.done('GET', `${TEMPLATES}?limit=15&continue=${token}`)) as unknown as Page;
  t.is(second.items.length, 15);
  t.is(second.items[0]?.metadata.name, 'template-0015');
  t.true(Number(second.metadata.resourceVersion) > Number(first.metadata.resourceVersion));
  t.is(second.metadata.remainingItemCount, total - 30);
  const third = (await f.done('GET', `${TEMPLATES}?limit=15&continue=${second.metadata.continue}`)) as unknown as Page;
  t.is(third.items.length, total - 30);
  t.is(third.metadata.resourceVersion, second.metadata.resourceVersion);
});

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const deployment = (more: string, metadata = ''): string =>
  `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"${metadata}},"spec":{${more}"replicas":1,"selector":{"matchLabels":{"a":"b"}},` +
  '"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}';

conformance('unknownFields', async (t, { call }) => {
  const { status, text } = await call(
    'POST',
    `${DEPLOYMENTS}?fieldValidation=Strict`,
    deployment('"unknownOne":1,"unknownTwo":2,"paused":true,"paused":false,'),
  );
  t.is(status, 400);
  for (const said of [
    'unknown field \\"spec.unknownOne\\"',
    'unknown field \\"spec.unknownTwo\\"',
    'duplicate field \\"spec.paused\\"',
  ])
    t.true(text.includes(said), text);
});

conformance('unknownMetadata', async (t, { call }) => {
  const { status, text } = await call(
    'POST',
    `${DEPLOYMENTS}?fieldValidation=Strict`,
    deployment('', ',"unknownMeta":"foo"'),
  );
  t.is(status, 400);
  t.true(text.includes('unknown field \\"metadata.unknownMeta\\"'), text);
});

conformance('watchRestart', async (t, f) => {
  const first = f.watch(CONFIGMAPS);
  await f.done('POST', CONFIGMAPS, configMap('a'));
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '1' } });
  await settled(f);
  const last = first.events().at(-1)?.object.metadata.resourceVersion;
  first.answer.hangUp();
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '2' } });
  await f.done('DELETE', `${CONFIGMAPS}/a`);
  const second = f.watch(`${CONFIGMAPS}?resourceVersion=${last}`);
  await settled(f);
  t.deepEqual(told(first), ['ADDED a', 'MODIFIED a']);
  t.deepEqual(told(second), ['MODIFIED a', 'DELETED a']);
});

conformance('watchFrom', async (t, f) => {
  await f.done('POST', CONFIGMAPS, configMap('a'));
  const { metadata } = await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '1' } });
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '2' } });
  await f.done('DELETE', `${CONFIGMAPS}/a`);
  const watch = f.watch(`${CONFIGMAPS}?resourceVersion=${metadata.resourceVersion}`);
  await settled(f);
  t.deepEqual(told(watch), ['MODIFIED a', 'DELETED a']);
});

conformance('watchLabels', async (t, f) => {
  const label = (value: string | null): Promise<Json> =>
    f.merge(`${CONFIGMAPS}/a`, { metadata: { labels: { watch: value } } });
  const watch = f.watch(`${CONFIGMAPS}?labelSelector=watch%3Dyes`);
  await f.done('POST', CONFIGMAPS, configMap('a', { watch: 'yes' }));
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '1' } });
  await label('no');
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '2' } });
  await settled(f);
  t.deepEqual(told(watch), ['ADDED a', 'MODIFIED a', 'DELETED a']);
  await label('yes');
  await f.merge(`${CONFIGMAPS}/a`, { data: { mutation: '3' } });
  await f.done('DELETE', `${CONFIGMAPS}/a`);
  await settled(f);
  t.deepEqual(told(watch).slice(3), ['ADDED a', 'MODIFIED a', 'DELETED a']);
});

conformance('watchMany', async (t, f) => {
  const by = (selector: string): ReturnType<Asked['watch']> =>
    f.watch(`${CONFIGMAPS}?labelSelector=${encodeURIComponent(selector)}`);
  const [a, b, both] = [by('watch=A'), by('watch=B'), by('watch in (A,B)')];
  for (const name of ['A', 'B']) {
    await f.done('POST', CONFIGMAPS, configMap(name.toLowerCase(), { watch: name }));
    await f.merge(`${CONFIGMAPS}/${name.toLowerCase()}`, { data: { mutation: '1' } });
    await f.done('DELETE', `${CONFIGMAPS}/${name.toLowerCase()}`);
  }
  await settled(f);
  t.deepEqual(told(a), ['ADDED a', 'MODIFIED a', 'DELETED a']);
  t.deepEqual(told(b), ['ADDED b', 'MODIFIED b', 'DELETED b']);
  t.deepEqual(told(both), [...told(a), ...told(b)]);
});

conformance('watchOrder', async (t, f) => {
  const first = f.watch(`${CONFIGMAPS}?resourceVersion=${(await f.done('GET', CONFIGMAPS)).metadata.resourceVersion}`);
  const others: ReturnType<Asked['watch']>[] = [];
  for (let at = 0; at < 40; at += 1) {
    const name = `order-${at % 7}`;
    const { status } = await f.call('POST', CONFIGMAPS, configMap(name));
    if (status === 409)
      await (at % 2 === 0
        ? f.merge(`${CONFIGMAPS}/${name}`, { data: { at: String(at) } })
        : f.done('DELETE', `${CONFIGMAPS}/${name}`));
    await settled(f);
    others.push(f.watch(`${CONFIGMAPS}?resourceVersion=${first.events().at(-1)?.object.metadata.resourceVersion}`));
  }
  await f.done('POST', CONFIGMAPS, configMap('last'));
  await settled(f);
  const versions = ({ events }: ReturnType<Asked['watch']>): string[] =>
    events().map(({ object }) => object.metadata.resourceVersion);
  const all = versions(first);
  for (const [at, other] of others.entries())
    t.deepEqual(versions(other), all.slice(at + 1), `the watch begun after event ${at}`);
});

const NAMESPACE = '/api/v1/namespaces/e2e';
const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'e2e' } };

conformance('namespaceFinalizer', async (t, f) => {
  const made = await f.done('POST', '/api/v1/namespaces', namespace);
  const finalizers = (object: Json): string[] => (object['spec'] as { finalizers: string[] }).finalizers;
  const changed = await f.done('PUT', `${NAMESPACE}/finalize`, {
    ...made,
    spec: { finalizers: [...finalizers(made), 'e2e.example.com/fake'] },
  });
  t.true(finalizers(changed).includes('e2e.example.com/fake'));
  const back = await f.done('PUT', `${NAMESPACE}/finalize`, { ...changed, spec: { finalizers: finalizers(made) } });
  t.false(finalizers(back).includes('e2e.example.com/fake'));
});

conformance('namespaceUpdate', async (t, f) => {
  const made = await f.done('POST', '/api/v1/namespaces', namespace);
  const labels = { ...(made.metadata['labels'] as object), updated: 'yes' };
  t.like(await f.done('PUT', NAMESPACE, { ...made, metadata: { ...made.metadata, labels } }), { metadata: { labels } });
});

conformance('namespaceStatus', async (t, f) => {
  await f.done('POST', '/api/v1/namespaces', namespace);
  const status = await f.done('GET', `${NAMESPACE}/status`);
  t.like(status, { status: { phase: 'Active' } });
  const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Set from an e2e test' };
  const patched = await f.merge(`${NAMESPACE}/status`, {
    metadata: { annotations: { patched: 'yes' } },
    status: { conditions: [condition] },
  });
  t.like(patched, { metadata: { annotations: { patched: 'yes' } }, status: { conditions: [condition] } });
  const update = { ...condition, type: 'StatusUpdate' };
  const updated = await f.done('PUT', `${NAMESPACE}/status`, {
    ...patched,
    status: { ...(patched['status'] as object), conditions: [condition, update] },
  });
  t.like(updated, { status: { conditions: [{ type: 'StatusPatch' }, { type: 'StatusUpdate' }] } });
});

conformance('namespacePatch', async (t, f) => {
  await f.done('POST', '/api/v1/namespaces', namespace);
  const headers = { 'content-type': 'application/strategic-merge-patch+json' };
  const patched = await f.done('PATCH', NAMESPACE, { metadata: { labels: { testLabel: 'testValue' } } }, headers);
  t.like(patched, { metadata: { labels: { testLabel: 'testValue' } } });
});

conformance('emptyKey', async (t, { call }) => {
  t.is((await call('POST', CONFIGMAPS, configMap('x', {}, { '': 'value' }))).status, 422);
});

conformance('emptySecretKey', async (t, { call }) => {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, data: { '': 'dmFsdWU=' } };
  t.is((await call('POST', '/api/v1/namespaces/default/secrets', secret)).status, 422);
});

async function immutable(
  t: ExecutionContext,
  f: Asked,
  collection: string,
  kind: string,
  value: (text: string) => string,
): Promise<void> {
  const made = await f.done('POST', collection, {
    apiVersion: 'v1',
    kind,
    metadata: { name: 'x' },
    data: { k: value('1') },
  });
  const changed = await f.done('PUT', `${collection}/x`, { ...made, data: { k: value('2') } });
  const fixed = await f.done('PUT', `${collection}/x`, { ...changed, immutable: true });
  for (const body of [
    { ...fixed, data: { k: value('3') } },
    { ...fixed, immutable: false },
    { ...fixed, data: {} },
  ])
    t.is((await f.call('PUT', `${collection}/x`, body)).status, 422);
  await f.merge(`${collection}/x`, { metadata: { labels: { still: 'changes' } } });
  await f.done('DELETE', `${collection}/x`);
}
conformance('immutableConfigMap', (t, f) => immutable(t, f, CONFIGMAPS, 'ConfigMap', (text) => text));
conformance('immutableSecret', (t, f) =>
  immutable(t, f, '/api/v1/namespaces/default/secrets', 'Secret', (text) => btoa(text)),
);

async function scales(
  t: ExecutionContext,
  f: Asked,
  { root, resource, kind, spec }: { root: string; resource: string; kind: string; spec: object },
): Promise<void> {
  const url = `${root}/namespaces/default/${resource}`;
  const template = { metadata: { labels: { app: 'scaled' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await f.done('POST', url, {
    apiVersion: root.replace(/^\/apis?\//, ''),
    kind,
    metadata: { name: 'x' },
    spec: { replicas: 1, template, ...spec },
  });
  const scale = await f.done('GET', `${url}/x/scale`);
  t.like(scale, { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 1 } });
  t.like(await f.done('PUT', `${url}/x/scale`, { ...scale, spec: { replicas: 2 } }), { spec: { replicas: 2 } });
  t.like(await f.done('GET', `${url}/x`), { spec: { replicas: 2 } });
  t.like(await f.merge(`${url}/x/scale`, { spec: { replicas: 4 } }), { spec: { replicas: 4 } });
}
const selector = { matchLabels: { app: 'scaled' } };
conformance('scaleDeployment', (t, f) =>
  scales(t, f, { root: '/apis/apps/v1', resource: 'deployments', kind: 'Deployment', spec: { selector } }),
);
conformance('scaleStatefulSet', (t, f) =>
  scales(t, f, {
    root: '/apis/apps/v1',
    resource: 'statefulsets',
    kind: 'StatefulSet',
    spec: { selector, serviceName: 's' },
  }),
);
conformance('scaleController', (t, f) =>
  scales(t, f, {
    root: '/api/v1',
    resource: 'replicationcontrollers',
    kind: 'ReplicationController',
    spec: { selector: { app: 'scaled' } },
  }),
);

conformance('eventsCollection', async (t, f) => {
  const url = '/apis/events.k8s.io/v1/namespaces/default/events';
  for (const name of ['one', 'two', 'three']) {
    const regarding = { kind: 'Pod', name: 'p', namespace: 'default' };
    const told = {
      eventTime: '2026-11-23T10:00:00.000000Z',
      action: 'Do',
      reason: 'Test',
      type: 'Normal',
      reportingController: 'e2e',
      reportingInstance: 'e2e-1',
    };
    await f.done('POST', url, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, labels: { set: 'e2e' } },
      regarding,
      ...told,
    });
  }
  t.is((await f.items(`${url}?labelSelector=set%3De2e`)).length, 3);
  await f.done('DELETE', `${url}?labelSelector=set%3De2e`);
  t.is((await f.items(`${url}?labelSelector=set%3De2e`)).length, 0);
});

conformance('selfSubject', async (t, f) => {
  const url = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  t.like(await f.done('POST', url, review), { status: { userInfo: { username: 'admin' } } });
  const as = { 'impersonate-user': 'jane', 'impersonate-group': 'developers' };
  const groups = ['developers', 'system:authenticated'];
  t.like(await f.done('POST', url, review, as), { status: { userInfo: { username: 'jane', groups } } });
});

conformance('accessReview', async (t, f) => {
  const attributes = { verb: 'list', resource: 'configmaps', version: 'v1', namespace: 'default' };
  for (const [user, groups] of [
    ['jane', []],
    ['root', ['system:masters']],
  ] as const) {
    const spec = { user, groups, resourceAttributes: attributes };
    const wide = await f.done('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec,
    });
    const local = await f.done('POST', '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'LocalSubjectAccessReview',
      metadata: { namespace: 'default' },
      spec,
    });
    const allowed = user === 'root';
    t.is((wide['status'] as { allowed: boolean }).allowed, allowed);
    t.is((local['status'] as { allowed: boolean }).allowed, allowed);
    const as = { 'impersonate-user': user, ...(groups.length > 0 ? { 'impersonate-group': groups.join(',') } : {}) };
    t.is((await f.call('GET', CONFIGMAPS, undefined, as)).status, allowed ? 200 : 403, 'as it is for them');
  }
});
