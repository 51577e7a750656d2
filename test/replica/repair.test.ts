/** Disks that lose what was acknowledged: the member says so, is refilled, and nothing is lost or decided without it. */
import test from 'ava';
import { Cluster, create } from './cluster.ts';

const settings = { snapshotEntries: 100_000 };

async function write(cluster: Cluster, at: string, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) {
    const [result] = await cluster.settle(
      cluster.member(at).replica.propose([create(`k${i}`)], { deadlineMs: 10_000 }),
    );
    if (!result?.ok) throw new Error(`k${i} was refused`);
  }
}

const leaderOf = (cluster: Cluster): string | undefined =>
  [...cluster.members.values()].find(({ replica }) => replica.status().role === 'leader')?.id;

test('a member with a damaged log does not vote until the leader has refilled it, and then has everything', async (t) => {
  const cluster = await new Cluster({ seed: 3, settings }).up();
  await cluster.until(() => leaderOf(cluster) !== undefined);
  const leader = leaderOf(cluster) ?? '';
  await write(cluster, leader, 0, 40);
  const victim = ['n1', 'n2', 'n3'].find((id) => id !== leader) ?? '';
  await cluster.until(() => cluster.member(victim).replica.store.get('k39') !== undefined);
  const segment = (await cluster.settle(cluster.member(victim).disk.list('raft'))).find((name) =>
    name.startsWith('segment-'),
  );
  cluster.member(victim).disk.flipBit(`raft/${segment}`, 20 * 512 + 40);
  cluster.crash(victim);
  await write(cluster, leader, 40, 5);
  const other = ['n1', 'n2', 'n3'].find((id) => id !== leader && id !== victim) ?? '';
  cluster.isolate(leader);
  const restarted = await cluster.start(victim);
  t.true(restarted.replica.status().impaired);
  await cluster.run(3000);
  t.is(leaderOf(cluster) === other || leaderOf(cluster) === victim, false, 'the two of them may not decide');
  cluster.isolate(leader, false);
  await cluster.until(() => !restarted.replica.status().impaired && leaderOf(cluster) !== undefined);
  await cluster.until(() => restarted.replica.store.get('k44') !== undefined);
  await cluster.until(() => restarted.log.lines.some(({ message }) => message.includes('has been refilled by')));
  await write(cluster, leaderOf(cluster) ?? '', 45, 2);
});

test('a member with a damaged snapshot gets another one', async (t) => {
  const cluster = await new Cluster({ seed: 4, settings: { snapshotEntries: 20, trailingEntries: 2 } }).up();
  await cluster.until(() => leaderOf(cluster) !== undefined);
  const leader = leaderOf(cluster) ?? '';
  await write(cluster, leader, 0, 45);
  const victim = ['n1', 'n2', 'n3'].find((id) => id !== leader) ?? '';
  await cluster.until(() => cluster.member(victim).replica.store.get('k44') !== undefined);
  await cluster.run(500);
  const { disk } = cluster.member(victim);
  const snapshot = (await cluster.settle(disk.list('raft'))).find((name) => name.startsWith('snapshot-'));
  t.truthy(snapshot);
  disk.flipBit(`raft/${snapshot}`, 60);
  cluster.crash(victim);
  const restarted = await cluster.start(victim);
  t.true(restarted.replica.status().impaired);
  await cluster.until(() => restarted.replica.store.get('k44') !== undefined && !restarted.replica.status().impaired);
  t.is(restarted.replica.store.stateHash(), cluster.member(leader).replica.store.stateHash());
});
