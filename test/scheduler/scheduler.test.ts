/** The scheduler's loop against the real registry, in virtual time. */
import test from 'ava';
import { findCondition } from '#src/api/metadata.ts';
import type { Event, Node, Pod } from '#src/api/objects.ts';
import { EVENTS, NODES, PODS } from '#src/controllers/resources.ts';
import { createScheduler } from '#src/scheduler/scheduler.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { apiFixture } from '#test/support/api-fixture.ts';
import { runFor } from '#test/support/virtual.ts';

async function fixture() {
  const api = await apiFixture();
  const client = api.registry.clientFor({ user: 'system:kube-scheduler', groups: ['system:authenticated'] });
  const scheduler = createScheduler({ client, clock: api.clock, log: api.log, random: createSimRandom(createPrng(3)) });
  scheduler.warm();
  const addNode = async (name: string, cpu = '4') => {
    const status = { allocatable: { cpu, memory: '8Gi', pods: '110' }, capacity: { cpu, memory: '8Gi', pods: '110' } };
    await api.run(api.admin.create<Node>(NODES, { apiVersion: 'v1', kind: 'Node', metadata: { name }, status }));
    await api.run(api.admin.patch(NODES, name, { type: 'merge', body: { status } }, { subresource: 'status' }));
  };
  const pod = (name: string, cpu = '1'): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] },
  });
  return {
    ...api,
    scheduler,
    addNode,
    pass: (ms: number) => runFor(api.world, ms),
    addPod: (name: string, cpu?: string) => api.run(api.admin.create(PODS, pod(name, cpu))),
    pods: async () => (await api.run(api.admin.list<Pod>(PODS, { namespace: 'default' }))).items,
    events: async () => (await api.run(api.admin.list<Event>(EVENTS, { namespace: 'default' }))).items,
  };
}

test('Pods made together are bound by one proposal, spread over the nodes, with an event each', async (t) => {
  const f = await fixture();
  await f.addNode('n1');
  await f.addNode('n2');
  for (let i = 0; i < 8; i += 1) await f.addPod(`p${i}`);
  const before = f.replica.counts.proposed;
  f.scheduler.start(1);
  await f.pass(300);
  const pods = await f.pods();
  t.is(pods.filter((pod) => pod.spec?.nodeName === 'n1').length, 4);
  t.is(pods.filter((pod) => pod.spec?.nodeName === 'n2').length, 4);
  t.is(f.replica.counts.proposed - before, 1);
  await f.pass(1_000);
  const [event] = (await f.events()).filter(({ involvedObject }) => involvedObject.name === 'p0');
  t.like(event, { reason: 'Scheduled', type: 'Normal', source: { component: 'default-scheduler' }, count: 1 });
  t.regex(event?.message ?? '', /^Successfully assigned default\/p0 to n[12]$/);
});

test('a Pod without a place says why, in a condition and an event, and goes when room appears', async (t) => {
  const f = await fixture();
  await f.addNode('n1', '2');
  f.scheduler.start(1);
  await f.addPod('first', '2');
  await f.pass(1_000);
  await f.addPod('second', '2');
  await f.pass(1_000);
  const second = async () => (await f.pods()).find((pod) => pod.metadata.name === 'second');
  const message =
    '0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
  t.like(findCondition((await second())?.status?.conditions, 'PodScheduled'), {
    status: 'False',
    reason: 'Unschedulable',
    message,
  });
  t.true((await f.events()).some((event) => event.reason === 'FailedScheduling' && event.message === message));
  await f.run(f.admin.delete(PODS, 'first', { namespace: 'default', gracePeriodSeconds: 0 }));
  await f.pass(10_000);
  t.is((await second())?.spec?.nodeName, 'n1');
  t.true(
    (await second())?.status?.conditions?.some(({ type, status }) => type === 'PodScheduled' && status === 'True'),
  );
});

test('a new node takes who waited; a follower binds nothing; a new term begins with what is stored', async (t) => {
  const f = await fixture();
  await f.addPod('p');
  await f.pass(2_000);
  t.is((await f.pods())[0]?.spec?.nodeName, undefined);
  f.scheduler.start(1);
  await f.pass(2_000);
  t.like(findCondition((await f.pods())[0]?.status?.conditions, 'PodScheduled'), {
    message: 'no nodes available to schedule pods',
  });
  f.replica.setTerm(2);
  await f.addNode('n1');
  await f.pass(20_000);
  t.is((await f.pods())[0]?.spec?.nodeName, undefined, 'a binding of term 1 is refused in term 2');
  f.scheduler.start(2);
  await f.pass(2_000);
  t.is((await f.pods())[0]?.spec?.nodeName, 'n1');
});
