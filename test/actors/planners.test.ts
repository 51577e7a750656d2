/** The numbers: rollouts, rankings, statuses; by table and by property. */
import test from 'ava';
import fc from 'fast-check';
import { fenceposts, planDeployment, proportionalScale, REVISION } from '#actors/deployment/plan.ts';
import { planStatus } from '#actors/deployment/status.ts';
import { templateHash } from '#actors/deployment/template-hash.ts';
import { planNode, toleratedMs, type NodeInput } from '#actors/node/plan.ts';
import { planReplicaSet, rankForDeletion } from '#actors/replicaset/plan.ts';
import { findCondition } from '#src/api/metadata.ts';
import type { Deployment, DeploymentStrategy, Pod, ReplicaSet } from '#src/api/objects.ts';

const NOW_MS = Date.parse('2026-11-23T12:00:00Z');
const ago = (seconds: number) => `${new Date(NOW_MS - seconds * 1000).toISOString().slice(0, 19)}Z`;

function deployment(replicas: number, strategy: DeploymentStrategy = {}, image = 'new'): Deployment {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'd', generation: 1 },
    spec: {
      replicas,
      strategy,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
    },
  };
}
function set(
  image: string,
  replicas: number,
  available = replicas,
  annotations: Record<string, string> = {},
): ReplicaSet {
  return {
    metadata: {
      name: image,
      uid: image,
      namespace: 'default',
      creationTimestamp: ago(image === 'new' ? 1 : 100),
      annotations,
    },
    spec: {
      replicas,
      selector: {},
      template: {
        metadata: { labels: { app: 'web', 'pod-template-hash': image } },
        spec: { containers: [{ name: 'c', image }] },
      },
    },
    status: { replicas, availableReplicas: available },
  };
}
const rolling = (maxSurge: number | string, maxUnavailable: number | string): DeploymentStrategy => ({
  type: 'RollingUpdate',
  rollingUpdate: { maxSurge, maxUnavailable },
});

const posts: [number, DeploymentStrategy, { maxSurge: number; maxUnavailable: number }][] = [
  [10, {}, { maxSurge: 3, maxUnavailable: 2 }],
  [1, {}, { maxSurge: 1, maxUnavailable: 0 }],
  [4, rolling('25%', '25%'), { maxSurge: 1, maxUnavailable: 1 }],
  [4, rolling(0, 0), { maxSurge: 0, maxUnavailable: 1 }],
  [3, rolling(0, '10%'), { maxSurge: 0, maxUnavailable: 1 }],
  [2, rolling(1, 5), { maxSurge: 1, maxUnavailable: 2 }],
];
for (const [replicas, strategy, want] of posts) {
  test(`fenceposts of ${replicas} with ${JSON.stringify(strategy.rollingUpdate ?? 'defaults')}`, (t) => {
    t.deepEqual(fenceposts(deployment(replicas, strategy)), want);
  });
}

const steps: [string, Deployment, ReplicaSet[], { name: string; from: number; to: number }[]][] = [
  [
    'up to the surge',
    deployment(10, rolling(2, 0)),
    [set('new', 0), set('old', 10)],
    [{ name: 'new', from: 0, to: 2 }],
  ],
  ['wait for the surge', deployment(10, rolling(2, 0)), [set('new', 2, 0), set('old', 10)], []],
  [
    'down by what became available',
    deployment(10, rolling(2, 0)),
    [set('new', 2, 1), set('old', 10)],
    [{ name: 'old', from: 10, to: 9 }],
  ],
  [
    'down first without surge',
    deployment(10, rolling(0, 2)),
    [set('new', 0), set('old', 10)],
    [{ name: 'old', from: 10, to: 8 }],
  ],
  ['unhealthy old ones go at once', deployment(10, rolling(0, 2)), [set('new', 2, 0), set('old', 8, 5)], []],
  [
    'unhealthy old ones cost nothing',
    deployment(10, rolling(2, 2)),
    [set('new', 2, 2), set('old', 10, 6)],
    [{ name: 'old', from: 10, to: 6 }],
  ],
  [
    'a status that lags behind a smaller size is not believed',
    deployment(10, rolling(0, 2)),
    [set('new', 2, 1), set('old', 8, 10)],
    [{ name: 'old', from: 8, to: 7 }],
  ],
  ['the last old one', deployment(1, rolling(1, 0)), [set('new', 1), set('old', 1)], [{ name: 'old', from: 1, to: 0 }]],
  ['a smaller Deployment', deployment(2), [set('new', 5)], [{ name: 'new', from: 5, to: 2 }]],
];
for (const [title, object, replicaSets, want] of steps) {
  test(`rollout: ${title}`, (t) => t.deepEqual(planDeployment({ deployment: object, replicaSets }).scale, want));
}

test('a change of size in the middle of a rollout is spread in proportion', (t) => {
  const sized = (image: string, replicas: number) =>
    set(image, replicas, replicas, {
      'deployment.kubernetes.io/desired-replicas': '10',
      'deployment.kubernetes.io/max-replicas': '13',
    });
  const spread = proportionalScale(deployment(15, rolling(3, 2)), sized('new', 5), [sized('old', 8)]);
  t.deepEqual(spread, [
    { name: 'old', from: 8, to: 11 },
    { name: 'new', from: 5, to: 7 },
  ]);
});

test('the first ReplicaSet: named by the hash, selecting by it, revision 1', (t) => {
  const made = planDeployment({ deployment: deployment(3), replicaSets: [] }).create;
  const hash = templateHash({
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'new' }] },
  });
  t.is(made?.metadata.name, `web-${hash}`);
  t.deepEqual(made?.spec?.selector, { matchLabels: { app: 'web', 'pod-template-hash': hash } });
  t.is(made?.spec?.replicas, 3);
  t.is(made?.metadata.annotations?.[REVISION], '1');
  t.not(templateHash({}, 0), templateHash({}, 1), 'a collision count gives another name');
  t.is(
    templateHash({ spec: { containers: [], hostNetwork: true } }),
    templateHash({ spec: { hostNetwork: true, containers: [] } }),
  );
});

test('old ReplicaSets beyond the history limit go, lowest revision first, and only empty ones', (t) => {
  const object = deployment(1);
  if (object.spec !== undefined) object.spec.revisionHistoryLimit = 1;
  const old = (image: string, revision: string, replicas = 0) =>
    set(image, replicas, replicas, { [REVISION]: revision });
  const plan = planDeployment({
    deployment: object,
    replicaSets: [old('c', '3'), old('a', '1'), old('b', '2'), set('new', 1, 1, { [REVISION]: '4' })],
  });
  t.deepEqual(plan.prune, ['a', 'b']);
});

test('property: a rollout never goes below what must be available nor above the surge, and ends', (t) => {
  interface World {
    ready: Map<string, { ready: number; unready: number }>;
    sets: Map<string, ReplicaSet>;
  }
  const settle = (world: World, name: string) => {
    const pods = world.ready.get(name) ?? { ready: 0, unready: 0 };
    const want = world.sets.get(name)?.spec?.replicas ?? 0;
    let surplus = pods.ready + pods.unready - want;
    const fromUnready = Math.min(pods.unready, Math.max(0, surplus));
    surplus -= fromUnready;
    world.ready.set(name, {
      unready: pods.unready - fromUnready + Math.max(0, -surplus),
      ready: pods.ready - Math.max(0, surplus),
    });
  };
  const report = (world: World, name: string) => {
    const before = world.sets.get(name);
    const pods = world.ready.get(name);
    if (before === undefined || pods === undefined) return;
    const status = { replicas: pods.ready + pods.unready, availableReplicas: pods.ready };
    world.sets.set(name, { ...before, status });
  };
  const become = (world: World, name: string) => {
    const pods = world.ready.get(name);
    if (pods !== undefined && pods.unready > 0)
      world.ready.set(name, { ready: pods.ready + 1, unready: pods.unready - 1 });
  };
  const act = (world: World, object: Deployment) => {
    const plan = planDeployment({ deployment: object, replicaSets: [...world.sets.values()] });
    if (plan.create !== undefined)
      world.sets.set('new', {
        ...set('new', 0),
        spec: { ...set('new', 0).spec, selector: {}, replicas: plan.create.spec?.replicas ?? 0 },
        status: { replicas: 0 },
      });
    for (const { name, to } of plan.scale) {
      const before = world.sets.get(name);
      if (before?.spec !== undefined) world.sets.set(name, { ...before, spec: { ...before.spec, replicas: to } });
    }
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      fc.array(fc.tuple(fc.constantFrom(act, settle, report, become), fc.constantFrom('old', 'new')), {
        maxLength: 120,
      }),
      (replicas, maxSurge, maxUnavailable, moves) => {
        const object = deployment(replicas, rolling(maxSurge, maxUnavailable));
        const bounds = fenceposts(object);
        const world: World = {
          sets: new Map([['old', set('old', replicas)]]),
          ready: new Map([['old', { ready: replicas, unready: 0 }]]),
        };
        const check = () => {
          const pods = [...world.ready.values()];
          const available = pods.reduce((sum, { ready }) => sum + ready, 0);
          const wanted = [...world.sets.values()].reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
          if (available < replicas - bounds.maxUnavailable) throw new Error(`${available} available of ${replicas}`);
          if (wanted > replicas + bounds.maxSurge) throw new Error(`${wanted} wanted for ${replicas}`);
        };
        for (const [move, name] of moves) {
          if (move === act) act(world, object);
          else if (world.sets.has(name)) (move as typeof settle)(world, name);
          check();
        }
        for (let i = 0; i < 200; i += 1) {
          act(world, object);
          for (const name of world.sets.keys()) {
            settle(world, name);
            become(world, name);
            report(world, name);
          }
          check();
        }
        return world.sets.get('new')?.spec?.replicas === replicas && world.sets.get('old')?.spec?.replicas === 0;
      },
    ),
    { numRuns: 150 },
  );
  t.pass();
});

const ready = (seconds: number) => [{ type: 'Ready', status: 'True', lastTransitionTime: ago(seconds) }];
function pod(
  name: string,
  over: {
    node?: string;
    phase?: string;
    conditions?: object[];
    restarts?: number;
    age?: number;
    annotations?: Record<string, string>;
    deleting?: boolean;
  } = {},
): Pod {
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      creationTimestamp: ago(over.age ?? 1000),
      labels: { app: 'web' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'new', uid: 'new', controller: true }],
      ...(over.annotations === undefined ? {} : { annotations: over.annotations }),
      ...(over.deleting === true ? { deletionTimestamp: ago(0) } : {}),
    },
    spec: { containers: [], ...(over.node === '' ? {} : { nodeName: over.node ?? 'n1' }) },
    status: {
      phase: over.phase ?? 'Running',
      conditions: (over.conditions ?? ready(900)) as never,
      containerStatuses: [{ name: 'c', restartCount: over.restarts ?? 0, ready: true, image: '', imageID: '' }],
    },
  };
}
const rankings: [string, Pod, Pod][] = [
  [
    'unassigned before assigned',
    pod('b', { node: '', phase: 'Pending', conditions: [] }),
    pod('a', { phase: 'Pending', conditions: [] }),
  ],
  ['pending before running', pod('b', { phase: 'Pending', conditions: [] }), pod('a', { conditions: [] })],
  ['not ready before ready', pod('b', { conditions: [] }), pod('a')],
  ['cheap before dear', pod('b', { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } }), pod('a')],
  ['ready for a shorter time', pod('b', { conditions: ready(10) }), pod('a')],
  ['restarted more often', pod('b', { restarts: 3 }), pod('a')],
  ['younger', pod('b', { age: 10 }), pod('a')],
];
for (const [title, first, second] of rankings) {
  test(`deleted first: ${title}`, (t) => t.is(rankForDeletion([second, first], NOW_MS)[0], first));
}

test('of Pods alike, those crowded on a node go first', (t) => {
  const order = rankForDeletion([pod('a', { node: 'n1' }), pod('b', { node: 'n2' }), pod('c', { node: 'n2' })], NOW_MS);
  t.deepEqual(
    order.map(({ metadata }) => metadata.name),
    ['b', 'c', 'a'],
  );
});

test('a ReplicaSet counts active Pods, and those ready long enough as available', (t) => {
  const replicaSet: ReplicaSet = {
    metadata: { name: 'new', uid: 'new', generation: 4 },
    spec: { replicas: 3, minReadySeconds: 60, selector: { matchLabels: { app: 'web' } } },
  };
  const pods = [
    pod('long'),
    pod('short', { conditions: ready(50) }),
    pod('ending', { deleting: true }),
    pod('over', { phase: 'Failed' }),
  ];
  const plan = planReplicaSet({ replicaSet, pods, nowMs: NOW_MS });
  t.is(plan.missing, 1);
  t.is(plan.wakeAfterMs, 10_000);
  t.deepEqual(plan.status, {
    replicas: 2,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 4,
  });
});

test('Progressing: the deadline runs from the last progress and then says so', (t) => {
  const object = { ...deployment(2) };
  if (object.spec !== undefined) object.spec.progressDeadlineSeconds = 60;
  object.status = {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Progressing',
        status: 'True',
        reason: 'ReplicaSetUpdated',
        message: 'x',
        lastUpdateTime: ago(59),
        lastTransitionTime: ago(59),
      },
    ],
  };
  const at = (nowMs: number) => planStatus({ deployment: object, replicaSets: [set('new', 2, 0)], nowMs });
  object.status.replicas = 2;
  object.status.updatedReplicas = 2;
  t.is(at(NOW_MS).deadlineInMs, 1_000);
  t.false(at(NOW_MS).stalled);
  const late = at(NOW_MS + 1_000);
  t.true(late.stalled);
  t.like(findCondition(late.status.conditions, 'Progressing'), {
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: 'ReplicaSet "new" has timed out progressing.',
  });
});

const taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
const tolerations: [string, object[], number | undefined][] = [
  ['none', [], 0],
  ['for ever', [{ operator: 'Exists' }], undefined],
  ['seconds', [{ key: taint.key, operator: 'Exists', tolerationSeconds: 7 }], 7_000],
  [
    'the default means the setting',
    [{ key: taint.key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }],
    1_234,
  ],
  [
    'the shortest of several',
    [
      { operator: 'Exists', tolerationSeconds: 9 },
      { key: taint.key, operator: 'Exists', tolerationSeconds: 4 },
    ],
    4_000,
  ],
  ['another key', [{ key: 'other', operator: 'Exists' }], 0],
];
for (const [title, list, want] of tolerations) {
  test(`tolerated: ${title}`, (t) => t.is(toleratedMs(list as never, [taint], 1_234), want));
}

test('a node that never reported says so; evictions are bounded', (t) => {
  const input: NodeInput = {
    node: { metadata: { name: 'n1' }, spec: { taints: [taint] } },
    pods: ['a', 'b', 'c'].map((name) => pod(name)),
    nowMs: NOW_MS,
    silentMs: 40_000,
    taintedMs: 0,
    graceMs: 40_000,
    podEvictionMs: 300_000,
    mostAreStale: false,
    evictionsMax: 2,
  };
  const plan = planNode(input);
  t.is(plan.conditions?.length, 4);
  t.true(plan.conditions?.every(({ reason }) => reason === 'NodeStatusNeverUpdated'));
  t.is(plan.evict.length, 2);
  t.is(plan.wakeAfterMs, 1_000);
  t.deepEqual(planNode({ ...input, mostAreStale: true }).evict, []);
  t.is(planNode({ ...input, silentMs: 0 }).wakeAfterMs, 1_000);
});
