/** Deployments and ReplicaSets against the real registry, in virtual time. */
import test from 'ava';
import type { Deployment, Pod, ReplicaSet } from '#src/api/objects.ts';
import { isConditionTrue, findCondition } from '#src/api/metadata.ts';
import { DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS } from '#src/controllers/resources.ts';
import { controlPlane, type ControlPlane } from '#test/support/control-plane.ts';

function deployment(
  name: string,
  replicas: number,
  image = 'web:1',
  extra: Partial<Deployment['spec']> = {},
): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image }] } },
      ...extra,
    },
  };
}

async function podsOf(plane: ControlPlane, app: string): Promise<Pod[]> {
  const list = await plane.run(plane.admin.list<Pod>(PODS, { namespace: 'default', labelSelector: `app=${app}` }));
  return list.items;
}
const get = (plane: ControlPlane, name: string) =>
  plane.run(plane.admin.get<Deployment>(DEPLOYMENTS, name, { namespace: 'default' }));
const sets = async (plane: ControlPlane) =>
  (await plane.run(plane.admin.list<ReplicaSet>(REPLICA_SETS, { namespace: 'default' }))).items;
const setImage = (plane: ControlPlane, name: string, image: string) =>
  plane.run(
    plane.admin.patch(
      DEPLOYMENTS,
      name,
      { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } } },
      { namespace: 'default' },
    ),
  );

test('a Deployment gets a ReplicaSet, its Pods, a status and a revision, and its actors are dropped', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.pass(1_000);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 3)));
  await plane.pass(5_000);

  t.is((await podsOf(plane, 'web')).length, 3);
  const web = await get(plane, 'web');
  t.like(web.status, {
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
  });
  t.is(web.metadata.annotations?.['deployment.kubernetes.io/revision'], '1');
  t.true(isConditionTrue(web.status?.conditions, 'Available'));
  const [set] = await sets(plane);
  t.like(findCondition(web.status?.conditions, 'Progressing'), {
    status: 'True',
    reason: 'NewReplicaSetAvailable',
    message: `ReplicaSet "${set?.metadata.name}" has successfully progressed.`,
  });
  t.regex(set?.metadata.name ?? '', /^web-[bcdfghjklmnpqrstvwxz2456789]+$/);
  t.deepEqual(plane.controllers.listActors(), []);
});

test('a changed template rolls out within surge and unavailability, and undo brings the old ReplicaSet back', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 4)));
  await plane.pass(5_000);
  await setImage(plane, 'web', 'web:2');
  let fewest = 4;
  let most = 4;
  for (let i = 0; i < 60; i += 1) {
    await plane.pass(50);
    const pods = (await podsOf(plane, 'web')).filter((pod) => pod.metadata.deletionTimestamp === undefined);
    fewest = Math.min(fewest, pods.filter((pod) => pod.status?.phase === 'Running').length);
    most = Math.max(most, pods.length);
  }
  await plane.pass(5_000);
  t.true(fewest >= 3, `only ${fewest} of 4 were running with maxUnavailable 25%`);
  t.is(most, 5, 'the surge of 25 % of 4 is used, and not exceeded');
  t.true((await podsOf(plane, 'web')).every((pod) => pod.spec?.containers[0]?.image === 'web:2'));
  t.is((await get(plane, 'web')).metadata.annotations?.['deployment.kubernetes.io/revision'], '2');

  await setImage(plane, 'web', 'web:1');
  await plane.pass(8_000);
  const all = await sets(plane);
  t.is(all.length, 2, 'the old template is the old ReplicaSet');
  const back = all.find((set) => set.spec?.replicas === 4);
  t.is(back?.spec?.template?.spec?.containers[0]?.image, 'web:1');
  t.like(back?.metadata.annotations, {
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
  t.is((await get(plane, 'web')).metadata.annotations?.['deployment.kubernetes.io/revision'], '3');
});

test('scaling changes the size without a new revision, and events tell of it', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  const scale = (replicas: number) =>
    plane.run(
      plane.admin.patch(DEPLOYMENTS, 'web', { type: 'merge', body: { spec: { replicas } } }, { namespace: 'default' }),
    );
  await scale(5);
  await plane.pass(3_000);
  t.is((await podsOf(plane, 'web')).length, 5);
  await scale(1);
  await plane.pass(3_000);
  t.is((await podsOf(plane, 'web')).length, 1);
  t.is((await sets(plane)).length, 1);
  const events = (await plane.run(plane.admin.list(EVENTS, { namespace: 'default' }))).items as { message?: string }[];
  const [set] = await sets(plane);
  t.true(events.some((event) => event.message === `Scaled up replica set ${set?.metadata.name} from 2 to 5`));
  t.true(events.some((event) => event.message === `Scaled down replica set ${set?.metadata.name} from 5 to 1`));
});

test('Recreate ends every old Pod before the first new one', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 3, 'web:1', { strategy: { type: 'Recreate' } })));
  await plane.pass(3_000);
  await setImage(plane, 'web', 'web:2');
  for (let i = 0; i < 80; i += 1) {
    await plane.pass(25);
    const images = new Set((await podsOf(plane, 'web')).map((pod) => pod.spec?.containers[0]?.image));
    t.true(images.size <= 1, 'old and new Pods at the same time');
  }
  await plane.pass(2_000);
  t.is((await podsOf(plane, 'web')).filter((pod) => pod.spec?.containers[0]?.image === 'web:2').length, 3);
});

test('a rollout that makes no progress says so at its deadline, and its actor says what it waits for', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  plane.kubelet.readyAfterMs = undefined;
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2, 'web:1', { progressDeadlineSeconds: 30 })));
  await plane.pass(10_000);
  const actors = plane.controllers.listActors();
  t.like(
    actors.find(({ kind }) => kind === 'Deployment'),
    {
      name: 'web',
      namespace: 'default',
      state: 'waiting',
      waitsFor: 'Pods to become available (2 updated, 0 available)',
    },
  );
  await plane.pass(30_000);
  const web = await get(plane, 'web');
  t.like(findCondition(web.status?.conditions, 'Progressing'), { status: 'False', reason: 'ProgressDeadlineExceeded' });
  t.false(isConditionTrue(web.status?.conditions, 'Available'));
});

test('a paused Deployment takes sizes but no templates; resumed, it rolls', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  const patch = (spec: object) =>
    plane.run(plane.admin.patch(DEPLOYMENTS, 'web', { type: 'merge', body: { spec } }, { namespace: 'default' }));
  await patch({ paused: true });
  await setImage(plane, 'web', 'web:2');
  await patch({ replicas: 3 });
  await plane.pass(3_000);
  const pods = await podsOf(plane, 'web');
  t.is(pods.length, 3);
  t.true(pods.every((pod) => pod.spec?.containers[0]?.image === 'web:1'));
  t.like(findCondition((await get(plane, 'web')).status?.conditions, 'Progressing'), { reason: 'DeploymentPaused' });
  await patch({ paused: false });
  await plane.pass(5_000);
  t.true((await podsOf(plane, 'web')).every((pod) => pod.spec?.containers[0]?.image === 'web:2'));
});

test('a lost Pod is replaced, an orphan adopted, a relabelled one let go', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  const [first, second] = await podsOf(plane, 'web');
  await plane.run(plane.admin.delete(PODS, first?.metadata.name ?? '', { namespace: 'default' }));
  await plane.pass(3_000);
  t.is((await podsOf(plane, 'web')).length, 2);

  const relabel = { metadata: { labels: { app: 'debug' } } };
  const name = second?.metadata.name ?? '';
  await plane.run(plane.admin.patch(PODS, name, { type: 'merge', body: relabel }, { namespace: 'default' }));
  await plane.pass(3_000);
  t.is((await podsOf(plane, 'web')).length, 2);
  const [freed] = await podsOf(plane, 'debug');
  t.is(freed?.metadata.ownerReferences, undefined);

  const [set] = await sets(plane);
  const labels = { ...set?.spec?.selector.matchLabels };
  const orphan = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'orphan', namespace: 'default', labels },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
  };
  await plane.run(plane.admin.create(PODS, orphan));
  await plane.pass(3_000);
  const pods = await podsOf(plane, 'web');
  t.is(pods.length, 2, 'adopting one too many, it deletes one');
});

test('duties wait for leadership and end with it', async (t) => {
  const plane = await controlPlane();
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  t.is((await sets(plane)).length, 0, 'a follower only watches');
  plane.controllers.start(1);
  await plane.pass(3_000);
  t.is((await podsOf(plane, 'web')).length, 2);
  plane.replica.setTerm(2);
  await setImage(plane, 'web', 'web:2');
  await plane.pass(3_000);
  t.is((await sets(plane)).length, 1, 'writes of term 1 are refused in term 2');
  plane.controllers.stop();
  plane.controllers.start(2);
  await plane.pass(5_000);
  t.true((await podsOf(plane, 'web')).every((pod) => pod.spec?.containers[0]?.image === 'web:2'));
});

test('a Deployment made again adopts the ReplicaSet its predecessor left behind', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  const before = (await podsOf(plane, 'web')).map(({ metadata }) => metadata.uid);
  await plane.run(plane.admin.delete(DEPLOYMENTS, 'web', { namespace: 'default', propagationPolicy: 'Orphan' }));
  await plane.pass(3_000);
  await plane.run(plane.admin.create(DEPLOYMENTS, deployment('web', 2)));
  await plane.pass(3_000);
  t.is((await sets(plane)).length, 1);
  t.deepEqual(
    (await podsOf(plane, 'web')).map(({ metadata }) => metadata.uid),
    before,
  );
  t.is((await get(plane, 'web')).status?.availableReplicas, 2);
});

test('Pods that are refused show in ReplicaFailure and are tried again with back-off', async (t) => {
  const plane = await controlPlane();
  plane.controllers.start(1);
  const refused = deployment('web', 3);
  // Passes as a template; refused when the Pod is made, since no such class exists.
  if (refused.spec?.template.spec !== undefined) refused.spec.template.spec.priorityClassName = 'missing';
  await plane.run(plane.admin.create(DEPLOYMENTS, refused));
  await plane.pass(4_000);
  t.is((await podsOf(plane, 'web')).length, 0);
  const [set] = await sets(plane);
  const condition = findCondition(set?.status?.conditions, 'ReplicaFailure');
  t.like(condition, { status: 'True', reason: 'FailedCreate' });
  t.regex(condition?.message ?? '', /missing/);
  t.true(isConditionTrue((await get(plane, 'web')).status?.conditions, 'ReplicaFailure'));
  const actor = plane.controllers.listActors().find(({ kind }) => kind === 'ReplicaSet');
  t.is(actor?.state, 'backingOff');
  t.true((actor?.transitions.length ?? 0) <= 20);
  const repair = { spec: { template: { spec: { priorityClassName: null } } } };
  await plane.run(plane.admin.patch(DEPLOYMENTS, 'web', { type: 'merge', body: repair }, { namespace: 'default' }));
  await plane.pass(20_000);
  t.is((await podsOf(plane, 'web')).length, 3);
});
