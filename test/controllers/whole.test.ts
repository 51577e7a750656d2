/** The loops and the scheduler together: from a Deployment to endpoints, through the loss of a node and of the leader. */
import test from 'ava';
import { formatMicroTime, formatTime } from '#src/api/metadata.ts';
import type { Deployment, EndpointSlice, Node, Pod } from '#src/api/objects.ts';
import { createControllers } from '#src/controllers/controllers.ts';
import { DEPLOYMENTS, ENDPOINT_SLICES, LEASES, NODES, PODS, SERVICES } from '#src/controllers/resources.ts';
import { createScheduler } from '#src/scheduler/scheduler.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { controlPlane } from '#test/support/control-plane.ts';

const CONFIG = { nodeMonitorGraceMs: 10_000, podEvictionMs: 10_000 };

async function cluster(names: string[]) {
  const plane = await controlPlane(CONFIG);
  const { admin, clock, log, registry } = plane;
  const random = createSimRandom(createPrng(11));
  const client = registry.clientFor({ user: 'system:kube-scheduler', groups: ['system:authenticated'] });
  const scheduler = createScheduler({ client, clock, log, random });
  scheduler.warm();
  const dead = new Set<string>();
  plane.kubelet.accepts = (pod) => (pod.spec?.nodeName ?? '') !== '' && !dead.has(pod.spec?.nodeName ?? '');
  for (const name of names) {
    const now = formatTime(clock.wallMs());
    const resources = { cpu: '8', memory: '16Gi', pods: '250' };
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now, lastTransitionTime: now }];
    await plane.run(admin.create<Node>(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name } }));
    const status = { conditions, allocatable: resources, capacity: resources };
    await plane.run(admin.patch(NODES, name, { type: 'merge', body: { status } }, { subresource: 'status' }));
    const metadata = { name, namespace: 'kube-node-lease' };
    await plane.run(admin.create(LEASES, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata }));
    const beat = () => {
      if (dead.has(name)) return;
      const body = { spec: { renewTime: formatMicroTime(clock.wallMs()) } };
      void admin.patch(LEASES, name, { type: 'merge', body }, { namespace: 'kube-node-lease' }).catch(() => undefined);
      clock.after(2_000, beat);
    };
    beat();
  }
  const lead = (term: number) => {
    plane.replica.setTerm(term);
    plane.controllers.start(term);
    scheduler.start(term);
  };
  lead(1);
  await plane.pass(500);
  return {
    ...plane,
    scheduler,
    dead,
    lead,
    pods: async () => (await plane.run(admin.list<Pod>(PODS, { namespace: 'default' }))).items,
    endpoints: async () =>
      (await plane.run(admin.list<EndpointSlice>(ENDPOINT_SLICES, { namespace: 'default' }))).items.flatMap(
        (slice) => slice.endpoints ?? [],
      ),
  };
}

function web(replicas: number): Deployment {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template },
  };
}
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
};

test('a node dies: its Pods leave the endpoints, are replaced elsewhere, and the Deployment is whole again', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  await c.run(c.admin.create(SERVICES, service));
  await c.run(c.admin.create(DEPLOYMENTS, web(6)));
  await c.pass(3_000);
  const on = (pods: Pod[], name: string) => pods.filter((pod) => pod.spec?.nodeName === name).length;
  const before = await c.pods();
  t.deepEqual(
    ['n1', 'n2', 'n3'].map((name) => on(before, name)),
    [2, 2, 2],
  );
  t.is((await c.endpoints()).filter(({ conditions }) => conditions?.ready).length, 6);

  c.dead.add('n1');
  await c.pass(14_000);
  t.is((await c.endpoints()).filter(({ conditions }) => conditions?.ready).length, 4, 'no traffic to a silent node');
  await c.pass(14_000);
  const alive = (await c.pods()).filter((pod) => pod.metadata.deletionTimestamp === undefined);
  t.is(alive.length, 6);
  t.is(on(alive, 'n1'), 0);
  const deployment = await c.run(c.admin.get<Deployment>(DEPLOYMENTS, 'web', { namespace: 'default' }));
  t.is(deployment.status?.availableReplicas, 6);
  t.is((await c.endpoints()).filter(({ conditions }) => conditions?.ready).length, 6);
});

test('two hundred Pods cost few commits: they are made, bound and reported in batches', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  c.kubelet.readyAfterMs = undefined;
  const before = c.replica.counts.proposed;
  await c.run(c.admin.create(DEPLOYMENTS, web(200)));
  await c.pass(1_900);
  t.is((await c.pods()).filter((pod) => pod.spec?.nodeName !== undefined).length, 200);
  const commits = c.replica.counts.proposed - before;
  t.log(`${commits} commits for a Deployment, a ReplicaSet, 200 Pods and 200 bindings, Leases and Events included`);
  t.true(commits < 40, `${commits} commits`);
});

test('a leader is lost in the middle of a rollout; the next one, on another node, goes on from what is stored', async (t) => {
  const c = await cluster(['n1', 'n2']);
  const random = createSimRandom(createPrng(12));
  const client = c.registry.clientFor({ user: 'system:kube-controller-manager', groups: ['system:authenticated'] });
  const other = createControllers({ client, clock: c.clock, log: c.log, random, config: CONFIG });
  other.warm();
  await c.run(c.admin.create(DEPLOYMENTS, web(6)));
  await c.pass(3_000);
  const image = { spec: { template: { spec: { containers: [{ name: 'c', image: 'next' }] } } } };
  await c.run(c.admin.patch(DEPLOYMENTS, 'web', { type: 'strategic', body: image }, { namespace: 'default' }));
  await c.pass(300);
  const half = await c.pods();
  t.true(half.some((pod) => pod.spec?.containers[0]?.image === 'next'));
  t.true(half.some((pod) => pod.spec?.containers[0]?.image === 'i'));
  // The old leader does not know yet: its writes are refused by their term.
  c.replica.setTerm(2);
  other.start(2);
  c.scheduler.start(2);
  await c.pass(8_000);
  const pods = (await c.pods()).filter((pod) => pod.metadata.deletionTimestamp === undefined);
  t.is(pods.length, 6);
  t.true(pods.every((pod) => pod.spec?.containers[0]?.image === 'next'));
  t.deepEqual(
    other.listActors().filter(({ kind }) => kind !== 'Node'),
    [],
  );
  other.close();
  c.controllers.close();
  c.scheduler.close();
});
