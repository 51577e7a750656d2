/** EndpointSlices against the real registry, in virtual time. */
import test from 'ava';
import type { Endpoints, EndpointSlice, Pod, Service } from '#src/api/objects.ts';
import { planSlices } from '#actors/service/plan.ts';
import { ENDPOINTS, ENDPOINT_SLICES, PODS, SERVICES } from '#src/controllers/resources.ts';
import { controlPlane, type ControlPlane } from '#test/support/control-plane.ts';

function pod(name: string, portName = 'http', containerPort = 8080): Pod {
  const ports = [{ name: portName, containerPort }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports }] },
  };
}
const service = (spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'web', port: 80, targetPort: 'http' }], ...spec },
});
const slices = async (plane: ControlPlane) =>
  (await plane.run(plane.admin.list<EndpointSlice>(ENDPOINT_SLICES, { namespace: 'default' }))).items.filter(
    (slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === 'web',
  );
const endpoints = async (plane: ControlPlane) => (await slices(plane)).flatMap((slice) => slice.endpoints ?? []);

test('a Service has a slice of its ready Pods, with the number its port name means there', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(SERVICES, service()));
  await plane.pass(1_000);
  t.like((await slices(plane))[0], {
    addressType: 'IPv4',
    metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' } },
  });
  t.is((await slices(plane)).length, 1, 'an empty slice says that there is nobody');

  await plane.run(plane.admin.create(PODS, pod('a')));
  await plane.run(plane.admin.create(PODS, pod('b')));
  await plane.pass(2_000);
  const [slice] = await slices(plane);
  t.deepEqual(slice?.ports, [{ name: 'web', protocol: 'TCP', port: 8080 }]);
  t.is((await endpoints(plane)).length, 2);
  t.true(
    (await endpoints(plane)).every(
      ({ conditions }) => conditions?.ready && conditions.serving && !conditions.terminating,
    ),
  );
  const older = await plane.run(plane.admin.get<Endpoints>(ENDPOINTS, 'web', { namespace: 'default' }));
  t.is(older.subsets?.length, 1);
  t.is(older.subsets?.[0]?.addresses?.length, 2);
  t.deepEqual(older.subsets?.[0]?.ports, [{ name: 'web', port: 8080, protocol: 'TCP' }]);
  t.deepEqual(plane.controllers.listActors(), []);
  await plane.run(plane.admin.delete(SERVICES, 'web', { namespace: 'default' }));
  await plane.pass(2_000);
  t.deepEqual(await slices(plane), []);
  await t.throwsAsync(plane.run(plane.admin.get(ENDPOINTS, 'web', { namespace: 'default' })), { message: /not found/ });
});

test('an ending Pod serves but is not ready; then it is gone', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(SERVICES, service()));
  await plane.run(plane.admin.create(PODS, pod('a')));
  await plane.pass(2_000);
  plane.kubelet.readyAfterMs = 2_000;
  await plane.run(plane.admin.delete(PODS, 'a', { namespace: 'default' }));
  await plane.pass(1_000);
  t.deepEqual((await endpoints(plane))[0]?.conditions, { ready: false, serving: true, terminating: true });
  await plane.pass(3_000);
  t.deepEqual(await endpoints(plane), []);
});

test('Pods that mean different numbers by a name get slices of their own', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(SERVICES, service({ clusterIP: 'None' })));
  await plane.run(plane.admin.create(PODS, pod('a')));
  await plane.run(plane.admin.create(PODS, pod('b', 'http', 9090)));
  await plane.pass(2_000);
  const all = await slices(plane);
  t.deepEqual(
    all.map((slice) => slice.ports?.[0]?.port ?? 0).toSorted((a, b) => a - b),
    [8080, 9090],
  );
  t.true(all.every((slice) => slice.metadata.labels?.['service.kubernetes.io/headless'] === ''));
  await plane.run(plane.admin.delete(PODS, 'b', { namespace: 'default' }));
  await plane.pass(2_000);
  t.is((await slices(plane)).length, 1);
});

test('a Service without a selector is left to its user', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  const { selector: _, ...spec } = service().spec ?? {};
  await plane.run(plane.admin.create(SERVICES, { ...service(), spec }));
  await plane.pass(1_000);
  t.deepEqual(await slices(plane), []);
});

test('251 Pods make three slices, and one Pod less changes one of them', (t) => {
  const pods = Array.from({ length: 251 }, (_, i): Pod => {
    const made = pod(`p${i}`);
    return {
      ...made,
      metadata: { ...made.metadata, uid: `u${i}` },
      status: { phase: 'Running', podIP: `10.0.${i >> 8}.${i & 255}` },
    };
  });
  const first = planSlices({ service: service(), pods, slices: [] });
  t.deepEqual(
    first.create.map((slice) => slice.endpoints?.length),
    [100, 100, 51],
  );
  const stored = first.create.map((slice, i) => ({ ...slice, metadata: { ...slice.metadata, name: `web-${i}` } }));
  t.like(planSlices({ service: service(), pods, slices: stored }), { create: [], update: [], remove: [] });
  const less = planSlices({ service: service(), pods: pods.slice(1), slices: stored });
  t.deepEqual([less.create.length, less.update.length, less.remove.length], [0, 1, 0]);
  t.deepEqual(planSlices({ service: service(), pods: pods.slice(0, 100), slices: stored }).remove.length, 2);
});
