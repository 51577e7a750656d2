import test from 'ava';
import type { ReplicaMutation } from '#src/replica/replica.ts';
import { Cluster, put } from './cluster.ts';

const WAIT = { deadlineMs: 5000 };
const SETTINGS = { checkMs: 1000, deepCheckMs: 2000 };

async function ready(options: { voters?: string[]; mutations?: ReplicaMutation[] } = {}): Promise<Cluster> {
  const cluster = await new Cluster({ settings: SETTINGS, ...options }).up();
  await cluster.until(() => [...cluster.members.values()].every(({ replica }) => replica.store.commandVersion === 2));
  return cluster;
}

/** Some writes through any member, so that there is something to compare. */
async function busy(cluster: Cluster, ms: number): Promise<void> {
  keepBusy(cluster, ms);
  await cluster.run(ms);
}

/** A key that nobody writes again. */
async function quiet(cluster: Cluster): Promise<void> {
  await cluster.settle(cluster.member('n1').replica.propose([put('still')], WAIT));
  await cluster.run(100);
}

function keepBusy(cluster: Cluster, ms: number): void {
  const end = cluster.world.nowMs() + ms;
  let wrote = 0;
  const write = (): void => {
    if (cluster.world.nowMs() >= end) return;
    cluster.world.after(100, write);
    const [member] = cluster.members.values();
    member!.replica.propose([put(`k${wrote++ % 4}`)], WAIT).catch(() => undefined);
  };
  write();
}

const alarms = (cluster: Cluster): string[] =>
  [...cluster.members.values()].flatMap(({ replica }) => replica.status().alarms);

test('equal states are compared without a word; an idle cluster writes no checkpoints', async (t) => {
  const cluster = await ready();
  await busy(cluster, 5000);
  t.true(cluster.marks.get('replica: states compared')! >= 3);
  t.deepEqual(alarms(cluster), []);
  await cluster.run(3000);
  const { lastIndex } = cluster.member('n1').replica.status();
  await cluster.run(10_000);
  t.is(cluster.member('n1').replica.status().lastIndex, lastIndex);
});

for (const who of ['follower', 'leader'] as const) {
  test(`a byte that changes in the memory of the ${who} is found, alarmed, and its state is refilled`, async (t) => {
    const cluster = await ready();
    await quiet(cluster);
    const leader = await cluster.leader();
    const odd = who === 'leader' ? leader : (await cluster.followers())[0]!;
    odd.replica.store.corrupt('still');
    t.false(await cluster.converged(), 'and the running hash alone would not see it');
    const seen = new Set<string>();
    let refused = false;
    keepBusy(cluster, 8000);
    await cluster.until(() => {
      for (const alarm of alarms(cluster)) seen.add(alarm.split(' ')[0]!);
      if (odd.replica.status().diverged) refused = true;
      return cluster.marks.has('replica: diverged state refilled');
    });
    t.deepEqual([...seen], ['STATE_DIVERGED:']);
    t.true(refused);
    t.true(odd.log.lines.some(({ level, message }) => level === 'error' && message.startsWith('STATE_DIVERGED')));
    t.true((await cluster.settle(odd.disk.list('raft.diverged'))).length > 0, 'log and snapshot are kept aside');
    t.is(cluster.marks.has('replica: diverged leader hands over'), who === 'leader');
    t.true(await cluster.converged());
    await busy(cluster, 5000);
    t.deepEqual(alarms(cluster), [], 'the alarm goes when all agree again');
    cluster.crash(odd.id);
    await cluster.start(odd.id);
    await quiet(cluster);
    t.true(await cluster.converged(), 'what it has on disk is sound too');
  });
}

test('a diverged member serves no reads while its state is replaced', async (t) => {
  const cluster = await ready();
  await quiet(cluster);
  const [odd] = await cluster.followers();
  odd!.replica.store.corrupt('still');
  keepBusy(cluster, 8000);
  await cluster.until(() => odd!.replica.status().diverged);
  await t.throwsAsync(() => odd!.replica.confirm({ type: 'any' }, WAIT), {
    code: 'REPLICA_NOT_READY',
    message: /STATE_DIVERGED/,
  });
  await cluster.until(() => !odd!.replica.status().diverged);
  await cluster.settle(odd!.replica.confirm({ type: 'linearizable' }, WAIT));
  t.pass();
});

test('without a majority nobody is right: an alarm, and nothing is thrown away', async (t) => {
  const cluster = await ready({ voters: ['n1', 'n2'] });
  await quiet(cluster);
  cluster.member('n1').replica.store.corrupt('still');
  await busy(cluster, 4000);
  t.regex(alarms(cluster).join(), /no majority agrees/);
  t.false(cluster.marks.has('replica: diverged state refilled'));
  t.false(await cluster.converged());
});

test('raft.md A3.21: mutant non-deterministic-apply: the comparison finds an apply that depends on the node', async (t) => {
  const cluster = await ready({ mutations: ['non-deterministic-apply'] });
  await quiet(cluster);
  cluster.member('n2').replica.store.get('still');
  await busy(cluster, 2500);
  t.true(cluster.marks.has('replica: states differ'));
});
