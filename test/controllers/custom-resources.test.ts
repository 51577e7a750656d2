import test from 'ava';
import type { KubeObject } from '#src/api/object.ts';
import { controlPlane } from '#test/support/control-plane.ts';

const CRDS = { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions' };
const WIDGETS = { group: 'example.com', version: 'v1', resource: 'widgets' };
const CONFIG_MAPS = { group: '', version: 'v1', resource: 'configmaps' };
const NAMESPACES = { group: '', version: 'v1', resource: 'namespaces' };

const DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
} as KubeObject;

function widget(name: string, metadata: object = {}): KubeObject {
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name, ...metadata } };
}

async function plane() {
  const c = await controlPlane();
  c.controllers.start(1);
  await c.pass(10_000);
  await c.run(c.admin.create(CRDS, DEFINITION));
  await c.pass(1_000);
  return c;
}

test('a definition that is deleted takes its objects along, and waits for those that are held', async (t) => {
  const c = await plane();
  await c.run(c.admin.create(WIDGETS, widget('free'), { namespace: 'default' }));
  await c.run(c.admin.create(WIDGETS, widget('held', { finalizers: ['example.com/hold'] }), { namespace: 'default' }));
  await c.run(c.admin.delete(CRDS, 'widgets.example.com'));
  await c.pass(10_000);
  const left = await c.run(c.admin.list(WIDGETS, {}));
  t.deepEqual(
    left.items.map(({ metadata }) => metadata?.name),
    ['held'],
  );
  const going = await c.run(c.admin.get(CRDS, 'widgets.example.com'));
  t.like(
    (going as { status?: { conditions: { type: string; status: string }[] } }).status?.conditions.find(
      ({ type }) => type === 'Terminating',
    ),
    { status: 'True', reason: 'InstanceDeletionInProgress' },
  );
  const release = { type: 'merge' as const, body: { metadata: { finalizers: null } } };
  await c.run(c.admin.patch(WIDGETS, 'held', release, { namespace: 'default' }));
  await c.pass(20_000);
  await t.throwsAsync(c.run(c.admin.get(CRDS, 'widgets.example.com')), { message: /not found/ });
  t.false(c.admin.kinds().some((kind) => kind.resource === 'widgets'));
  await c.run(c.admin.create(CRDS, DEFINITION));
  t.is((await c.run(c.admin.list(WIDGETS, {}))).items.length, 0);
  c.controllers.close();
});

test('a namespace that is deleted loses its custom resources too', async (t) => {
  const c = await plane();
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
  await c.run(c.admin.create(NAMESPACES, namespace));
  await c.run(c.admin.create(WIDGETS, widget('a'), { namespace: 'shop' }));
  await c.run(c.admin.delete(NAMESPACES, 'shop'));
  await c.pass(30_000);
  t.is((await c.run(c.admin.list(WIDGETS, {}))).items.length, 0);
  await t.throwsAsync(c.run(c.admin.get(NAMESPACES, 'shop')), { message: /not found/ });
  c.controllers.close();
});

test('what a custom resource owns goes with it, and so does a custom resource with its owner', async (t) => {
  const c = await plane();
  const owner = await c.run(c.admin.create(WIDGETS, widget('owner'), { namespace: 'default' }));
  const reference = (of: KubeObject) => ({
    apiVersion: of.apiVersion ?? '',
    kind: of.kind ?? '',
    name: of.metadata?.name ?? '',
    uid: of.metadata?.uid ?? '',
  });
  const owned = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'owned', ownerReferences: [reference(owner)] },
  };
  const map = await c.run(c.admin.create(CONFIG_MAPS, owned, { namespace: 'default' }));
  const below = widget('below', { ownerReferences: [reference(map)] });
  await c.run(c.admin.create(WIDGETS, below, { namespace: 'default' }));
  await c.pass(5_000);
  t.is((await c.run(c.admin.list(WIDGETS, {}))).items.length, 2);
  await c.run(c.admin.delete(WIDGETS, 'owner', { namespace: 'default', propagationPolicy: 'Background' }));
  await c.pass(20_000);
  t.is((await c.run(c.admin.list(WIDGETS, {}))).items.length, 0);
  await t.throwsAsync(c.run(c.admin.get(CONFIG_MAPS, 'owned', { namespace: 'default' })), { message: /not found/ });
  c.controllers.close();
});
