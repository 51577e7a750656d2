import test from 'ava';
import { isApiError } from '#src/api/api-error.ts';
import { classify, inOrder } from '#src/apiserver/fairness/classify.ts';
import { SUGGESTED, type FlowConfiguration } from '#src/apiserver/fairness/configuration.ts';
import {
  createFairness,
  EXEMPT_MAX,
  QUEUE_WAIT_MS_MAX,
  type Fairness,
  type Seat,
} from '#src/apiserver/fairness/fairness.ts';
import { hand } from '#src/apiserver/fairness/queue-set.ts';
import { requestInfoOf, type RequestInfo } from '#src/apiserver/request-info.ts';
import { parseTarget } from '#src/apiserver/route.ts';
import type { Identity } from '#src/registry/client.ts';
import { createWorld, type NodeClock, type World } from '#src/sim/clock.ts';
import { createMetrics, type Metrics } from '#src/std/metrics.ts';
import { runFor } from '#test/support/virtual.ts';

function info(line: string): RequestInfo {
  const [method = '', url = ''] = line.split(' ');
  return requestInfoOf({ method, url }, parseTarget(url));
}

function person(user: string, ...groups: string[]): Identity {
  return { user, groups: [...groups, 'system:authenticated'] };
}

interface Lab {
  world: World;
  clock: NodeClock;
  metrics: Metrics;
  fairness: Fairness;
}

function lab(seats: number): Lab {
  const world = createWorld();
  const clock = world.clock();
  const metrics = createMetrics();
  return { world, clock, metrics, fairness: createFairness({ clock, metrics, seats }) };
}

const LIST = info('GET /api/v1/namespaces/default/pods');

const classified: [string, Identity, string, string][] = [
  ['an administrator', person('root', 'system:masters'), 'DELETE /api/v1/nodes/a', 'exempt'],
  ['a probe without a name', { user: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET /readyz', 'probes'],
  [
    'a node renewing its Lease',
    person('system:node:n1', 'system:nodes'),
    'PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1',
    'system-node-high',
  ],
  [
    'a node telling its status',
    person('system:node:n1', 'system:nodes'),
    'PATCH /api/v1/nodes/n1/status',
    'system-node-high',
  ],
  ['a node reading Pods', person('system:node:n1', 'system:nodes'), 'GET /api/v1/pods', 'system-nodes'],
  [
    'a leader election in a Pod',
    person('system:serviceaccount:app:sa', 'system:serviceaccounts'),
    'PUT /apis/coordination.k8s.io/v1/namespaces/app/leases/x',
    'workload-leader-election',
  ],
  ['the scheduler', person('system:kube-scheduler'), 'GET /api/v1/pods', 'kube-scheduler'],
  [
    'an add-on of the system',
    person('system:serviceaccount:kube-system:dns', 'system:serviceaccounts'),
    'GET /api/v1/services',
    'kube-system-service-accounts',
  ],
  [
    'a Pod',
    person('system:serviceaccount:app:sa', 'system:serviceaccounts'),
    'GET /api/v1/services',
    'service-accounts',
  ],
  ['a person', person('eve'), 'GET /api/v1/pods', 'global-default'],
  ['a person asking for a path', person('eve'), 'GET /version', 'global-default'],
  ['somebody of no group', { user: 'x', groups: [] }, 'GET /api/v1/pods', 'none'],
];

for (const [who, identity, line, schema] of classified) {
  test(`suggested FlowSchemas: ${who} is ${schema}`, (t) => {
    t.is(classify(inOrder(SUGGESTED.flowSchemas), identity, info(line))?.schema.name ?? 'none', schema);
  });
}

test('shuffle sharding deals each flow different queues, the same each time, and few flows share all', (t) => {
  const hands = Array.from({ length: 200 }, (_, i) => hand(`global-default\nuser-${i}`, 128, 6));
  for (const cards of hands) {
    t.is(new Set(cards).size, 6);
    t.true(cards.every((card) => card >= 0 && card < 128));
  }
  t.deepEqual(hand('global-default\nuser-7', 128, 6), hands[7]);
  const flood = new Set(hands[0]);
  t.true(hands.slice(1).every((cards) => cards.some((card) => !flood.has(card))));
  t.deepEqual(
    hand('x', 4, 4).toSorted((a, b) => a - b),
    [0, 1, 2, 3],
    'a whole deck can be dealt',
  );
});

/** A client that keeps `width` requests under way, each of 100 ms, and counts those served and refused. */
function client(at: Lab, user: string, width: number): { served: number; refused: number; waits: number[] } {
  const count = { served: 0, refused: 0, waits: [] as number[] };
  const one = async (): Promise<void> => {
    const sinceMs = at.clock.monotonicMs();
    let seat: Seat;
    try {
      seat = await at.fairness.admit(person(user), LIST);
    } catch (error) {
      if (!isApiError(error, 'TooManyRequests')) throw error;
      count.refused += 1;
      at.clock.after(1000, () => void one());
      return;
    }
    count.waits.push(at.clock.monotonicMs() - sinceMs);
    at.clock.after(100, () => {
      seat.release();
      count.served += 1;
      void one();
    });
  };
  for (let i = 0; i < width; i += 1) void one();
  return count;
}

test('a user who floods waits for himself: another is served as if he were alone', async (t) => {
  const at = lab(100);
  const flood = client(at, 'mallory', 2_000);
  await runFor(at.world, 1_000);
  const quiet = client(at, 'alice', 2);
  await runFor(at.world, 10_000);
  t.true(flood.served > 100, `the flood is served too: ${flood.served}`);
  t.true(flood.refused > 0, 'and bounded: what its queues do not hold is refused');
  // Alone, two at a time of 100 ms each are 200 in 10 s; a seat comes free after at most 100 ms.
  t.true(quiet.served >= 90, `${quiet.served} of 200`);
  t.is(quiet.refused, 0);
  t.true(Math.max(...quiet.waits) <= 300, `the longest wait was ${Math.max(...quiet.waits)} ms`);
});

test('without fairness the same flood would starve: in one queue the quiet user waits behind all of it', async (t) => {
  const at = lab(100);
  const one: FlowConfiguration = {
    priorityLevels: [
      {
        name: 'all',
        uid: 'l',
        limited: {
          nominalConcurrencyShares: 10,
          lendablePercent: 0,
          queuing: { queues: 1, handSize: 1, queueLengthLimit: 5_000 },
        },
      },
    ],
    flowSchemas: SUGGESTED.flowSchemas
      .filter(({ name }) => name === 'global-default')
      .map((schema) => ({ ...schema, priorityLevel: 'all' })),
  };
  at.fairness.configure(one);
  client(at, 'mallory', 2_000);
  await runFor(at.world, 1_000);
  const quiet = client(at, 'alice', 2);
  await runFor(at.world, 10_000);
  t.true(quiet.served < 20, `${quiet.served}`);
});

test('seats: what a level never lends is its own; idle ones are lent; their sum is kept', async (t) => {
  const at = lab(60);
  const seats = async (user: string, count: number, ...groups: string[]): Promise<Seat[]> => {
    const got: Seat[] = [];
    for (let i = 0; i < count; i += 1) {
      void at.fairness.admit(person(user, ...groups), LIST).then(
        (seat) => got.push(seat),
        () => undefined,
      );
    }
    await runFor(at.world, 0);
    return got;
  };
  const level = (name: string) => at.fairness.levels().find((one) => one.name === name);
  const nominal = level('global-default')?.nominalSeats ?? 0;
  t.is(nominal, Math.ceil((60 * 20) / 245));
  const greedy = await seats('eve', 200);
  t.true(greedy.length > nominal, `${greedy.length} seats: borrowed from idle levels`);
  t.true(greedy.length < 60);
  const nodes = level('node-high');
  const own = await seats('system:node:n1', 3, 'system:nodes');
  t.is(own.length, 3, `nodes are seated at once beside a flood (${nodes?.nominalSeats ?? 0} seats)`);
  t.true(at.fairness.levels().reduce((sum, one) => sum + (one.exempt ? 0 : one.executing), 0) <= 60 + 8);
  for (const seat of [...greedy, ...own]) seat.release();
  for (const seat of greedy) seat.release();
  await runFor(at.world, 0);
  t.true((level('global-default')?.executing ?? 0) > 0, 'who waited is served');
});

test('a wait has an end: 429 with Retry-After; catch-all refuses at once; administrators have their own bound', async (t) => {
  const at = lab(10);
  const held: Promise<Seat>[] = [];
  for (let i = 0; i < 40; i += 1) held.push(at.fairness.admit(person('eve'), LIST));
  const outcomes = Promise.allSettled(held);
  await runFor(at.world, QUEUE_WAIT_MS_MAX + 1);
  const refused = (await outcomes).filter((one) => one.status === 'rejected');
  t.true(refused.length > 20);
  for (const one of refused) t.like(one.reason, { status: 429, details: { retryAfterSeconds: 1 } });
  t.regex(at.metrics.text(), /apiserver_flowcontrol_rejected_requests_total\{.*reason="time-out"\} \d+/);

  await t.throwsAsync(at.fairness.admit({ user: 'nobody', groups: [] }, LIST), { message: /too many requests/ });
  const admin = person('root', 'system:masters');
  for (let i = 0; i < EXEMPT_MAX; i += 1) await at.fairness.admit(admin, LIST);
  await t.throwsAsync(at.fairness.admit(admin, LIST), { message: /too many requests/ });
  const probe = await at.fairness.admit(
    { user: 'system:anonymous', groups: ['system:unauthenticated'] },
    info('GET /livez'),
  );
  t.is(probe.schema, 'probes', 'health checks pass whatever else happens');
});

test('objects replace the built-in configuration; the mandatory ones stay', async (t) => {
  const at = lab(600);
  at.fairness.configure({
    priorityLevels: [{ name: 'exempt', uid: 'u-exempt', limited: { nominalConcurrencyShares: 0, lendablePercent: 0 } }],
    flowSchemas: [],
  });
  const levels = at.fairness.levels();
  t.deepEqual(
    levels.map(({ name, exempt, nominalSeats }) => [name, exempt, nominalSeats]),
    [
      ['exempt', true, 0],
      ['catch-all', false, 600],
    ],
  );
  const seat = await at.fairness.admit(person('root', 'system:masters'), LIST);
  t.is(seat.headers['x-kubernetes-pf-prioritylevel-uid'], 'u-exempt');
  t.is((await at.fairness.admit(person('eve'), LIST)).level, 'catch-all');
});
