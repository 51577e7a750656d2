/** Node health, eviction and their limits against the real registry, in virtual time (DESIGN §4.13). */
import test from 'ava';
import { findCondition, formatMicroTime, formatTime, isConditionTrue } from '#src/api/metadata.ts';
import type { Event, Lease, Node, Pod } from '#src/api/objects.ts';
import { EVENTS, LEASES, NODES, PODS } from '#src/controllers/resources.ts';
import { controlPlane, type ControlPlane } from '#test/support/control-plane.ts';

const GRACE_MS = 10_000;
const EVICTION_MS = 10_000;

async function cluster(names: string[]) {
  const plane = await controlPlane({ nodeMonitorGraceMs: GRACE_MS, podEvictionMs: EVICTION_MS, sweepMs: 5_000 });
  const silent = new Set<string>();
  const dead = new Set<string>();
  const beat = async (name: string) => {
    const lease = {
      metadata: { name, namespace: 'kube-node-lease' },
      spec: { renewTime: formatMicroTime(plane.clock.wallMs()) },
    };
    await plane.admin.patch(LEASES, name, { type: 'merge', body: lease }, { namespace: 'kube-node-lease' });
  };
  const report = async (name: string) => {
    const now = formatTime(plane.clock.wallMs());
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now, lastTransitionTime: now },
    ];
    await plane.admin.patch(
      NODES,
      name,
      { type: 'strategic', body: { status: { conditions } } },
      { subresource: 'status' },
    );
  };
  for (const name of names) {
    await plane.run(plane.admin.create<Node>(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name } }));
    const lease: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: { holderIdentity: name },
    };
    await plane.run(plane.admin.create(LEASES, lease));
    await plane.run(report(name));
    const loop = () => {
      if (dead.has(name)) return;
      if (!silent.has(name)) void beat(name).catch(() => undefined);
      plane.clock.after(2_000, loop);
    };
    loop();
  }
  plane.kubelet.accepts = (pod) => !silent.has(pod.spec?.nodeName ?? '');
  return { ...plane, silent, dead, report, node: (name: string) => plane.run(plane.admin.get<Node>(NODES, name)) };
}

function pod(name: string, node: string, spec: Partial<Pod['spec']> = {}): Pod {
  const containers = [{ name: 'c', image: 'i' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName: node, containers, ...spec },
  };
}
const getPod = (plane: ControlPlane, name: string) =>
  plane.run(plane.admin.get<Pod>(PODS, name, { namespace: 'default' }));
const taintsOf = (node: Node) => (node.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
const UNREACHABLE = ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'];

test('a silent node becomes Unknown, its Pods not ready, then evicted; when it speaks again all is as before', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  c.controllers.start(1);
  await c.run(c.admin.create(PODS, pod('a', 'n1')));
  await c.pass(GRACE_MS * 3);
  t.deepEqual(taintsOf(await c.node('n1')), [], 'a node that renews its Lease stays healthy');
  t.like(
    c.controllers.listActors().find(({ name }) => name === 'n1'),
    { kind: 'Node', state: 'healthy' },
  );

  c.silent.add('n1');
  await c.pass(GRACE_MS + 3_000);
  const n1 = await c.node('n1');
  t.like(findCondition(n1.status?.conditions, 'Ready'), {
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  });
  t.deepEqual(taintsOf(n1), UNREACHABLE);
  t.false(isConditionTrue((await getPod(c, 'a')).status?.conditions, 'Ready'));
  t.is((await getPod(c, 'a')).metadata.deletionTimestamp, undefined);
  t.regex(c.controllers.listActors().find(({ name }) => name === 'n1')?.waitsFor ?? '', /Pods are evicted in \d+ s/);

  await c.pass(EVICTION_MS);
  t.not((await getPod(c, 'a')).metadata.deletionTimestamp, undefined);
  t.deepEqual(taintsOf(await c.node('n2')), []);

  c.silent.delete('n1');
  await c.pass(3_000);
  await c.run(c.report('n1'));
  await c.pass(1_000);
  t.deepEqual(taintsOf(await c.node('n1')), []);
  const view = c.controllers.listActors().find(({ name }) => name === 'n1');
  t.is(view?.state, 'healthy');
  t.true(view?.transitions.some(({ to }) => to === 'recovering'));
});

test('a new leader gives every node the full grace', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  c.silent.add('n1');
  await c.pass(GRACE_MS * 4);
  c.controllers.start(1);
  await c.pass(GRACE_MS - 1_000);
  t.deepEqual(taintsOf(await c.node('n1')), []);
  await c.pass(3_000);
  t.deepEqual(taintsOf(await c.node('n1')), UNREACHABLE);
});

test('while most nodes look silent nothing is evicted; when they are back, the one that stayed silent is', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  c.controllers.start(1);
  for (const name of ['n1', 'n2', 'n3']) await c.run(c.admin.create(PODS, pod(`on-${name}`, name)));
  await c.pass(2_000);
  for (const name of ['n1', 'n2', 'n3']) c.silent.add(name);
  await c.pass(GRACE_MS + EVICTION_MS * 3);
  for (const name of ['n1', 'n2', 'n3']) {
    t.is((await getPod(c, `on-${name}`)).metadata.deletionTimestamp, undefined);
    t.is(c.controllers.listActors().find((actor) => actor.name === name)?.state, 'suspended');
  }
  c.silent.delete('n2');
  c.silent.delete('n3');
  await c.pass(3_000);
  await c.run(c.report('n2'));
  await c.run(c.report('n3'));
  await c.pass(EVICTION_MS + 3_000);
  t.not((await getPod(c, 'on-n1')).metadata.deletionTimestamp, undefined);
  t.is((await getPod(c, 'on-n2')).metadata.deletionTimestamp, undefined);
});

test('tolerations decide how long a Pod stays', async (t) => {
  const c = await cluster(['n1', 'n2', 'n3']);
  c.controllers.start(1);
  const stay = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' };
  await c.run(c.admin.create(PODS, pod('stays', 'n1', { tolerations: [{ operator: 'Exists' }] })));
  await c.run(c.admin.create(PODS, pod('long', 'n1', { tolerations: [{ ...stay, tolerationSeconds: 60 }] })));
  await c.run(c.admin.create(PODS, pod('usual', 'n1')));
  await c.pass(2_000);
  c.silent.add('n1');
  await c.pass(GRACE_MS + EVICTION_MS + 3_000);
  t.not((await getPod(c, 'usual')).metadata.deletionTimestamp, undefined);
  t.is((await getPod(c, 'long')).metadata.deletionTimestamp, undefined);
  await c.pass(60_000);
  t.not((await getPod(c, 'long')).metadata.deletionTimestamp, undefined);
  t.is((await getPod(c, 'stays')).metadata.deletionTimestamp, undefined);
  const events = (await c.run(c.admin.list<Event>(EVENTS, { namespace: 'default' }))).items;
  t.true(
    events.some(
      ({ reason, message }) =>
        reason === 'TaintManagerEviction' && message === 'Marking for deletion Pod default/usual',
    ),
  );
});

test('a cordoned node is tainted; a removed one loses its Pods and its Lease does not matter', async (t) => {
  const c = await cluster(['n1', 'n2']);
  c.controllers.start(1);
  await c.pass(1_000);
  await c.run(c.admin.patch(NODES, 'n2', { type: 'merge', body: { spec: { unschedulable: true } } }));
  await c.run(c.admin.create(PODS, pod('a', 'n1')));
  await c.pass(1_000);
  t.deepEqual(taintsOf(await c.node('n2')), ['node.kubernetes.io/unschedulable:NoSchedule']);
  c.silent.add('n1');
  c.dead.add('n1');
  await c.run(c.admin.delete(NODES, 'n1'));
  await c.pass(50_000);
  await t.throwsAsync(getPod(c, 'a'), { message: /not found/ });
  t.is(
    c.controllers.listActors().find(({ name }) => name === 'n1'),
    undefined,
  );
});

test('a node that has just joined takes no new Pods until it reports, and loses none', async (t) => {
  const c = await cluster(['n1', 'n2']);
  c.controllers.start(1);
  await c.pass(1_000);
  await c.run(c.admin.create<Node>(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n3' } }));
  await c.pass(1_000);
  t.deepEqual(taintsOf(await c.node('n3')), ['node.kubernetes.io/not-ready:NoSchedule']);
  await c.run(c.report('n3'));
  await c.pass(1_000);
  t.deepEqual(taintsOf(await c.node('n3')), []);
});
