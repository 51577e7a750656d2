/** Garbage collection, namespaces and housekeeping against the real registry, in virtual time. */
import test from 'ava';
import type { KubeObject } from '#src/api/object.ts';
import { findCondition } from '#src/api/metadata.ts';
import type { ConfigMap, Deployment, Event, Namespace, Pod, ReplicaSet } from '#src/api/objects.ts';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  EVENTS,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
  SERVICE_ACCOUNTS,
  SERVICES,
} from '#src/controllers/resources.ts';
import { controlPlane, type ControlPlane } from '#test/support/control-plane.ts';

function deployment(namespace = 'default', replicas = 2): Deployment {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template },
  };
}
async function running(config = {}): Promise<ControlPlane> {
  const plane = await controlPlane(config);
  plane.controllers.start(1);
  await plane.pass(500);
  return plane;
}
const count = async (plane: ControlPlane, resource: typeof PODS, namespace = 'default') =>
  (await plane.run(plane.admin.list(resource, { namespace }))).items.length;
const namespaceOf = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const configMap = (name: string, owners: KubeObject[], extra: object = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name,
    namespace: 'default',
    ownerReferences: owners.map((owner) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owner.metadata?.name ?? '',
      uid: owner.metadata?.uid ?? '',
      ...extra,
    })),
  },
});

test('background: what a deleted Deployment owned goes after it, level by level', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment()));
  await plane.pass(3_000);
  t.is(await count(plane, PODS), 2);
  await plane.run(plane.admin.delete(DEPLOYMENTS, 'web', { namespace: 'default', propagationPolicy: 'Background' }));
  await plane.pass(3_000);
  t.is(await count(plane, REPLICA_SETS), 0);
  t.is(await count(plane, PODS), 0);
});

test('foreground: the owner waits until its dependents are gone', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment()));
  await plane.pass(3_000);
  const [pod] = (await plane.run(plane.admin.list<Pod>(PODS, { namespace: 'default' }))).items;
  const hold = { metadata: { finalizers: ['example.org/hold'] } };
  await plane.run(
    plane.admin.patch(PODS, pod?.metadata.name ?? '', { type: 'merge', body: hold }, { namespace: 'default' }),
  );
  await plane.run(plane.admin.delete(DEPLOYMENTS, 'web', { namespace: 'default', propagationPolicy: 'Foreground' }));
  await plane.pass(3_000);
  t.is(await count(plane, PODS), 1);
  t.is(await count(plane, REPLICA_SETS), 1);
  t.is(await count(plane, DEPLOYMENTS), 1);
  const release = { metadata: { finalizers: [] } };
  await plane.run(
    plane.admin.patch(PODS, pod?.metadata.name ?? '', { type: 'merge', body: release }, { namespace: 'default' }),
  );
  await plane.pass(3_000);
  t.is(await count(plane, PODS), 0);
  t.is(await count(plane, DEPLOYMENTS), 0);
});

test('orphan: the ReplicaSet stays and belongs to nobody', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment()));
  await plane.pass(3_000);
  await plane.run(plane.admin.delete(DEPLOYMENTS, 'web', { namespace: 'default', propagationPolicy: 'Orphan' }));
  await plane.pass(3_000);
  t.is(await count(plane, DEPLOYMENTS), 0);
  const [set] = (await plane.run(plane.admin.list<ReplicaSet>(REPLICA_SETS, { namespace: 'default' }))).items;
  t.is((set?.metadata.ownerReferences ?? []).length, 0);
  t.is(await count(plane, PODS), 2);
});

test('an object with a living and a dead owner keeps the living one; cycles do not block; a wrong uid is no owner', async (t) => {
  const plane = await running();
  const make = (map: ConfigMap) => plane.run(plane.admin.create(CONFIG_MAPS, map));
  const one = await make(configMap('one', []));
  const two = await make(configMap('two', []));
  await make(configMap('both', [one, two]));
  await make(configMap('stranger', [{ metadata: { name: 'one', uid: 'not-the-uid-of-one' } }]));
  await plane.run(plane.admin.delete(CONFIG_MAPS, 'two', { namespace: 'default' }));
  await plane.pass(2_000);
  const both = await plane.run(plane.admin.get<ConfigMap>(CONFIG_MAPS, 'both', { namespace: 'default' }));
  t.deepEqual(
    both.metadata.ownerReferences?.map(({ name }) => name),
    ['one'],
  );
  await t.throwsAsync(plane.run(plane.admin.get(CONFIG_MAPS, 'stranger', { namespace: 'default' })), {
    message: /not found/,
  });

  const a = await make(configMap('a', []));
  const b = await make(configMap('b', [a], { blockOwnerDeletion: true }));
  const back = { metadata: configMap('a', [b], { blockOwnerDeletion: true }).metadata };
  await plane.run(plane.admin.patch(CONFIG_MAPS, 'a', { type: 'merge', body: back }, { namespace: 'default' }));
  await plane.run(plane.admin.delete(CONFIG_MAPS, 'a', { namespace: 'default', propagationPolicy: 'Foreground' }));
  await plane.pass(5_000);
  const left = (await plane.run(plane.admin.list(CONFIG_MAPS, { namespace: 'default' }))).items.map(
    ({ metadata }) => metadata?.name,
  );
  t.deepEqual(new Set(left), new Set(['both', 'one']));
});

test('an owner in another namespace is no owner: the dependent goes, and an event says why', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(NAMESPACES, namespaceOf('shop')));
  const owner = await plane.run(plane.admin.create(CONFIG_MAPS, configMap('owner', [])));
  const stray = configMap('stray', [owner]);
  stray.metadata.namespace = 'shop';
  await plane.run(plane.admin.create(CONFIG_MAPS, stray));
  const member = {
    ...namespaceOf('member'),
    metadata: { name: 'member', ownerReferences: stray.metadata.ownerReferences },
  };
  await plane.run(plane.admin.create(NAMESPACES, member as Namespace));
  await plane.pass(5_000);
  await t.throwsAsync(plane.run(plane.admin.get(CONFIG_MAPS, 'stray', { namespace: 'shop' })), {
    message: /not found/,
  });
  const { items } = await plane.run(plane.admin.list<Event>(EVENTS, {}));
  const notes = items.filter(({ reason }) => reason === 'OwnerRefInvalidNamespace');
  const uid = owner.metadata?.uid ?? '';
  const said = (namespace: string) =>
    `ownerRef [v1/ConfigMap, namespace: ${namespace}, name: owner, uid: ${uid}] does not exist in namespace "${namespace}"`;
  t.true(notes.some(({ message, involvedObject }) => involvedObject.name === 'stray' && message === said('shop')));
  t.true(notes.some(({ message, involvedObject }) => involvedObject.name === 'member' && message === said('')));
  const left = await plane.run(plane.admin.get<Namespace>(NAMESPACES, 'member'));
  t.is(left.status?.phase, 'Active', 'an object of the cluster with such an owner is left alone');
  await plane.run(plane.admin.get(CONFIG_MAPS, 'owner', { namespace: 'default' }));
});

test('an owner named with the right uid and another name or kind is no owner', async (t) => {
  const plane = await running();
  const owner = await plane.run(plane.admin.create(CONFIG_MAPS, configMap('owner', [])));
  const renamed = { metadata: { name: 'another', uid: owner.metadata?.uid ?? '' } };
  await plane.run(plane.admin.create(CONFIG_MAPS, configMap('by-name', [renamed])));
  await plane.run(plane.admin.create(CONFIG_MAPS, configMap('by-kind', [owner], { kind: 'Secret' })));
  await plane.run(plane.admin.create(CONFIG_MAPS, configMap('unserved', [owner], { kind: 'Gadget' })));
  await plane.pass(5_000);
  const left = (await plane.run(plane.admin.list(CONFIG_MAPS, { namespace: 'default' }))).items;
  // Of a kind that nobody serves nobody can say that it is gone.
  t.deepEqual(
    left.map(({ metadata }) => metadata?.name),
    ['owner', 'unserved'],
  );
});

test('a deleted namespace is emptied and removed; what holds it is named', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(NAMESPACES, namespaceOf('shop')));
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('shop', 3)));
  await plane.run(
    plane.admin.create(SERVICES, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    } as KubeObject),
  );
  await plane.run(
    plane.admin.create(CONFIG_MAPS, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'held', namespace: 'shop', finalizers: ['example.org/hold'] },
    } as ConfigMap),
  );
  await plane.pass(3_000);
  t.is(await count(plane, PODS, 'shop'), 3);
  await plane.run(plane.admin.delete(NAMESPACES, 'shop'));
  await plane.pass(15_000);
  t.is(await count(plane, PODS, 'shop'), 0);
  const shop = await plane.run(plane.admin.get<Namespace>(NAMESPACES, 'shop'));
  t.is(shop.status?.phase, 'Terminating');
  t.like(findCondition(shop.status?.conditions, 'NamespaceContentRemaining'), {
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: 'Some resources are remaining: configmaps. has 1 resource instances',
  });
  t.like(findCondition(shop.status?.conditions, 'NamespaceFinalizersRemaining'), {
    message: 'Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances',
  });
  t.like(
    plane.controllers.listActors().find(({ kind }) => kind === 'Namespace'),
    { name: 'shop', waitsFor: 'its content to go: 1 configmaps' },
  );
  await plane.run(
    plane.admin.patch(
      CONFIG_MAPS,
      'held',
      { type: 'merge', body: { metadata: { finalizers: [] } } },
      { namespace: 'shop' },
    ),
  );
  await plane.pass(10_000);
  await t.throwsAsync(plane.run(plane.admin.get(NAMESPACES, 'shop')), { message: /not found/ });
});

test('an empty namespace goes within a second', async (t) => {
  const plane = await running();
  await plane.run(plane.admin.create(NAMESPACES, namespaceOf('empty')));
  await plane.pass(1_000);
  await plane.run(plane.admin.delete(NAMESPACES, 'empty'));
  await plane.pass(1_000);
  await t.throwsAsync(plane.run(plane.admin.get(NAMESPACES, 'empty')), { message: /not found/ });
});

test('every namespace has a default ServiceAccount and the root CA, also after they were deleted or changed', async (t) => {
  const plane = await running({ rootCa: 'PEM' });
  await plane.run(plane.admin.create(NAMESPACES, namespaceOf('shop')));
  await plane.pass(1_000);
  await plane.run(plane.admin.delete(SERVICE_ACCOUNTS, 'default', { namespace: 'shop' }));
  await plane.run(
    plane.admin.patch(
      CONFIG_MAPS,
      'kube-root-ca.crt',
      { type: 'merge', body: { data: { 'ca.crt': 'forged' } } },
      { namespace: 'shop' },
    ),
  );
  await plane.pass(1_000);
  for (const namespace of ['shop', 'default', 'kube-system']) {
    t.is(
      (await plane.run(plane.admin.get<ConfigMap>(CONFIG_MAPS, 'kube-root-ca.crt', { namespace }))).data?.['ca.crt'],
      'PEM',
    );
    await t.notThrowsAsync(plane.run(plane.admin.get(SERVICE_ACCOUNTS, 'default', { namespace })));
  }
  plane.controllers.configure({ rootCa: 'NEWER' });
  await plane.pass(1_000);
  t.is(
    (await plane.run(plane.admin.get<ConfigMap>(CONFIG_MAPS, 'kube-root-ca.crt', { namespace: 'shop' }))).data?.[
      'ca.crt'
    ],
    'NEWER',
  );
});

test('Events are deleted after an hour', async (t) => {
  const plane = await running({ sweepMs: 60_000 });
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment()));
  await plane.pass(3_000);
  const events = async () => (await plane.run(plane.admin.list<Event>(EVENTS, { namespace: 'default' }))).items.length;
  t.true((await events()) > 0);
  await plane.pass(3_500_000);
  t.true((await events()) > 0);
  await plane.pass(200_000);
  t.is(await events(), 0);
});
