import test from 'ava';
import type { Transaction } from '#src/store/command.ts';
import type { ReplicaMutation, ReplicaSettings } from '#src/replica/replica.ts';
import { Cluster, put } from './cluster.ts';

const WAIT = { deadlineMs: 5000 };
const V1 = { min: 1, max: 1 };
const grant = (lease: string, ttlMs = 60_000): Transaction => ({
  conditions: [],
  operations: [{ type: 'grantLease', lease, ttlMs }],
});
const revoke = (lease: string): Transaction => ({ conditions: [], operations: [{ type: 'revokeLease', lease }] });

async function upTo(version: number, cluster: Cluster): Promise<void> {
  await cluster.until(() =>
    [...cluster.members.values()].every(({ replica }) => replica.store.commandVersion === version),
  );
}

/** n3 runs the release before, which knows version 1 only. */
async function mixed(options: { settings?: Partial<ReplicaSettings>; mutations?: ReplicaMutation[] } = {}) {
  const cluster = new Cluster(options);
  cluster.releases.set('n3', V1);
  await cluster.up();
  await cluster.leader();
  return cluster;
}

async function restart(cluster: Cluster, id: string, release: { min: number; max: number } | undefined): Promise<void> {
  cluster.crash(id);
  if (release === undefined) cluster.releases.delete(id);
  else cluster.releases.set(id, release);
  await cluster.start(id);
}

test('the command version rises by itself when the last member runs a release that knows it, and not before', async (t) => {
  const cluster = await mixed();
  await cluster.run(5000);
  t.deepEqual(
    [...cluster.members.values()].map(({ replica }) => replica.store.commandVersion),
    [1, 1, 1],
  );
  const { replica } = await cluster.leader();
  if (replica.status().self !== 'n3') {
    t.true(cluster.marks.has('replica: node kept the cluster at an older command version'));
  }
  await t.throwsAsync(cluster.member('n1').replica.propose([grant('l')], WAIT), {
    code: 'REPLICA_VERSION',
    message: /needs command version 2, the cluster is at 1/,
  });
  await cluster.settle(replica.propose([put('a')], WAIT));
  await restart(cluster, 'n3', undefined);
  await upTo(2, cluster);
  t.like(await cluster.settle(cluster.member('n3').replica.propose([grant('l')], WAIT)), [{ ok: true }]);
  t.true(await cluster.converged());
  for (const id of ['n1', 'n2', 'n3']) cluster.crash(id);
  await cluster.up();
  await cluster.settle(cluster.member('n2').replica.confirm({ type: 'linearizable' }, WAIT));
  t.is(cluster.member('n2').replica.store.commandVersion, 2, 'recovered from the log');
  t.is(cluster.member('n2').replica.store.leases.size, 1);
});

test('a downgrade: refused while leases exist, then nodes go back to the older release one by one', async (t) => {
  const cluster = await new Cluster({ settings: { trailingEntries: 0 } }).up();
  await upTo(2, cluster);
  const leader = await cluster.leader();
  const [follower] = await cluster.followers();
  await cluster.settle(leader.replica.propose([grant('l'), put('a')], WAIT));
  await t.throwsAsync(cluster.settle(follower!.replica.changeCommandVersion(1)), { code: 'REPLICA_NOT_LEADER' });
  await t.throwsAsync(cluster.settle(leader.replica.changeCommandVersion(1)), {
    code: 'REPLICA_VERSION',
    message: /1 leases exist/,
  });
  await t.throwsAsync(cluster.settle(leader.replica.changeCommandVersion(3)), {
    code: 'REPLICA_VERSION',
    message: /n1 knows 1 to 2/,
  });
  await cluster.settle(leader.replica.propose([revoke('l')], WAIT));
  await cluster.settle(leader.replica.changeCommandVersion(1));
  await upTo(1, cluster);
  await cluster.run(3000);
  t.is(leader.replica.store.commandVersion, 1, 'it stays down, although all programs know more');
  for (const id of ['n1', 'n2', 'n3']) {
    await restart(cluster, id, V1);
    const now = await cluster.leader();
    await cluster.settle(now.replica.propose([put(`on ${id}`)], WAIT));
    t.true(await cluster.converged());
    t.is(cluster.member(id).fatal, undefined);
  }
  for (const id of ['n1', 'n2', 'n3']) await restart(cluster, id, undefined);
  await upTo(2, cluster);
  t.is(cluster.member('n1').replica.local().range({ from: '', to: 'z', limit: 0 }).count, 4);
});

test('a program that is too old for the log stops and says so; nothing is skipped', async (t) => {
  const cluster = await new Cluster().up();
  await upTo(2, cluster);
  await restart(cluster, 'n3', V1);
  await cluster.until(() => cluster.member('n3').fatal !== undefined);
  t.regex(
    cluster.member('n3').fatal!.message,
    /this node is too old for this cluster: a log entry has command version 2, this program knows 1 to 1/,
  );
});

test('a snapshot of version 2 is refused by a program of version 1: from the leader and from its own disk', async (t) => {
  const cluster = await new Cluster({ settings: { snapshotEntries: 20, trailingEntries: 2 } }).up();
  await upTo(2, cluster);
  const { replica } = await cluster.leader();
  const write = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await cluster.settle(replica.propose([put(`k${at}`)], WAIT));
  };
  cluster.releases.set('n4', V1);
  await write(40);
  await cluster.run(500);
  const late = await cluster.start('n4', { joins: true });
  void replica.addLearner('n4', 'n4:1').catch(() => undefined);
  await cluster.until(() => late.log.lines.some(({ message }) => message === 'snapshot not installed'));
  t.regex(
    JSON.stringify(late.log.lines.find(({ message }) => message === 'snapshot not installed')!.fields),
    /too old for this cluster: the snapshot has version 2, this program knows 1 to 1; start a newer program/,
  );
  t.is(late.replica.store.revision, 0, 'and nothing was changed');
  const [follower] = await cluster.followers();
  await t.throwsAsync(restart(cluster, follower!.id, V1), { code: 'SNAPSHOT_VERSION', message: /too old/ });
});

test('mutant apply-skips-unknown-version: an old program that skips entries differs from the others', async (t) => {
  const cluster = await new Cluster({ mutations: ['apply-skips-unknown-version'] }).up();
  await upTo(2, cluster);
  await restart(cluster, 'n3', V1);
  const { replica } = await cluster.leader();
  await cluster.settle(replica.propose([grant('l'), { ...put('a') }], WAIT));
  t.false(await cluster.converged());
});
