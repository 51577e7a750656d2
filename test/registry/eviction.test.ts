/** Evictions and the budgets that refuse them. */
import test from 'ava';
import { isApiError } from '#src/api/api-error.ts';
import { kindOf } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { PodDisruptionBudget } from '#src/api/objects/policy.ts';
import { ADMIN, apiFixture } from '#test/support/api-fixture.ts';

const PODS = { group: '', version: 'v1', resource: 'pods' };
const REPLICA_SETS = { group: 'apps', version: 'v1', resource: 'replicasets' };
const BUDGETS = { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets' };
const POD = kindOf('v1', 'Pod')!;
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const selector = { matchLabels: { app: 'web' } };
const namespace = 'default';

interface Setup {
  spec: PodDisruptionBudget['spec'];
  /** Whether each Pod is ready. */
  ready: boolean[];
  /** Of the ReplicaSet; default: as many as there are Pods. */
  replicas?: number;
  owned?: boolean;
}

async function cluster({ spec, ready, replicas = ready.length, owned = true }: Setup) {
  const f = await apiFixture();
  const { admin } = f;
  const run: typeof f.run = (promise) => f.run(promise);
  const replicaSet = { metadata: { name: 'web', namespace }, spec: { replicas, selector, template } } as KubeObject;
  const owner = await run(admin.create(REPLICA_SETS, replicaSet));
  const reference = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    uid: owner.metadata?.uid ?? '',
    controller: true,
  };
  for (const [index, isReady] of ready.entries()) {
    const metadata = {
      name: `web-${index}`,
      namespace,
      labels: { app: 'web' },
      ...(owned ? { ownerReferences: [reference] } : {}),
    };
    const pod = await run(admin.create(PODS, { metadata, spec: { ...template.spec, nodeName: 'n1' } } as KubeObject));
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
    await run(
      admin.update(PODS, { ...pod, status: { phase: 'Running', conditions } } as KubeObject, { subresource: 'status' }),
    );
  }
  if (spec !== undefined)
    await run(admin.create(BUDGETS, { metadata: { name: 'web', namespace }, spec } as KubeObject));
  const verbs = f.registry.verbsFor(ADMIN);
  const evict = async (index: number, options = {}): Promise<string> => {
    try {
      const eviction = { metadata: { name: `web-${index}` } };
      await run(verbs.evict(POD, { namespace, name: `web-${index}` }, eviction, options));
      return 'evicted';
    } catch (error) {
      if (!isApiError(error)) throw error;
      return `${error.status} ${error.details?.causes?.[0]?.message ?? error.message}`;
    }
  };
  const budget = async () => await run(admin.get<PodDisruptionBudget & KubeObject>(BUDGETS, 'web', { namespace }));
  return { ...f, evict, budget, verbs };
}

const NEEDS = (needed: number, has: number): string =>
  `429 The disruption budget web needs ${needed} healthy pods and has ${has} currently`;

const cases: [string, Setup, string[]][] = [
  ['no budget lets all go', { spec: undefined, ready: [true, true] }, ['evicted', 'evicted']],
  [
    'minAvailable as a number',
    { spec: { selector, minAvailable: 2 }, ready: [true, true, true] },
    ['evicted', NEEDS(2, 2), NEEDS(2, 2)],
  ],
  [
    'minAvailable of all there should be',
    { spec: { selector, minAvailable: '50%' }, ready: [true, true], replicas: 4 },
    [NEEDS(2, 2), NEEDS(2, 2)],
  ],
  ['maxUnavailable', { spec: { selector, maxUnavailable: 1 }, ready: [true, true, true] }, ['evicted', NEEDS(2, 2)]],
  [
    'maxUnavailable while one is not ready',
    { spec: { selector, maxUnavailable: 1 }, ready: [true, true, false] },
    [NEEDS(2, 2)],
  ],
  [
    'one that is not ready, when enough others are',
    { spec: { selector, minAvailable: 1 }, ready: [false, true] },
    ['evicted', NEEDS(1, 1)],
  ],
  [
    'one that is not ready, when too few are',
    { spec: { selector, minAvailable: 2 }, ready: [false, true] },
    [NEEDS(2, 1)],
  ],
  [
    'AlwaysAllow lets what is not ready go',
    { spec: { selector, minAvailable: 2, unhealthyPodEvictionPolicy: 'AlwaysAllow' }, ready: [false, true] },
    ['evicted', NEEDS(2, 1)],
  ],
  [
    'nobody says how many there should be',
    { spec: { selector, maxUnavailable: 1 }, ready: [true, true], owned: false },
    [NEEDS(0, 2)],
  ],
  ['an empty selector is for all', { spec: { selector: {}, minAvailable: 1 }, ready: [true] }, [NEEDS(1, 1)]],
  ['no selector is for none', { spec: { minAvailable: 1 }, ready: [true] }, ['evicted']],
];
for (const [what, setup, want] of cases) {
  test(`eviction: ${what}`, async (t) => {
    const { evict } = await cluster(setup);
    const got: string[] = [];
    for (const index of want.keys()) got.push(await evict(index));
    t.deepEqual(got, want);
  });
}

test('an eviction notes what it spends, a dry run spends nothing', async (t) => {
  const { evict, budget } = await cluster({ spec: { selector, minAvailable: 1 }, ready: [true, true] });
  t.is(await evict(0, { dryRun: true }), 'evicted');
  t.deepEqual((await budget()).status?.disruptedPods, undefined);
  t.is(await evict(0), 'evicted');
  const { status, metadata } = await budget();
  t.like(status, {
    disruptionsAllowed: 0,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 2,
    observedGeneration: 1,
  });
  t.deepEqual(Object.keys(status?.disruptedPods ?? {}), ['web-0']);
  t.is(metadata.generation, 1);
});

test('two evictions at once do not spend the same allowance', async (t) => {
  const f = await cluster({ spec: { selector, minAvailable: 1 }, ready: [true, true] });
  const at = (name: string) =>
    f.verbs.evict(POD, { namespace, name }, { metadata: { name } }, {}).then(
      () => 'evicted',
      (error: unknown) => (isApiError(error) ? error.status : error),
    );
  const got = await f.run(Promise.all([at('web-0'), at('web-1')]));
  t.deepEqual(got.toSorted(), [429, 'evicted']);
});

test("several budgets over one Pod are refused in Kubernetes' words", async (t) => {
  const f = await cluster({ spec: { selector, minAvailable: 0 }, ready: [true] });
  await f.run(f.admin.create(BUDGETS, { metadata: { name: 'other', namespace }, spec: { selector } } as KubeObject));
  t.regex(await f.evict(0), /^500 This pod has more than one PodDisruptionBudget/);
});
