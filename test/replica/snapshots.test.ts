/** A snapshot on its way to a member: goes on where it was cut off, keeps its pace, is believed only as a whole. */
import test from 'ava';
import type { ReplicaSettings } from '#src/replica/replica.ts';
import { Cluster, put, type Member } from './cluster.ts';

const WAIT = { deadlineMs: 5000 };
const VALUES = 130;
const VALUE_BYTES = 20_000;
const SETTINGS: Partial<ReplicaSettings> = {
  snapshotEntries: 100,
  trailingEntries: 5,
  snapshotBytesPerSecond: 800_000,
};

/** A follower that has missed a state of more than a megabyte, back on the network. */
async function behind(
  settings: Partial<ReplicaSettings> = SETTINGS,
): Promise<{ cluster: Cluster; leader: Member; slow: Member }> {
  const cluster = await new Cluster({ settings }).up();
  const leader = await cluster.leader();
  const [slow] = await cluster.followers();
  cluster.isolate(slow!.id);
  for (let at = 0; at < VALUES; at += 1)
    await cluster.settle(leader.replica.propose([put(`k${at}`, VALUE_BYTES)], WAIT));
  await cluster.run(2000);
  cluster.isolate(slow!.id, false);
  return { cluster, leader, slow: slow! };
}

/** The file in which a snapshot is being received. */
async function receipt(cluster: Cluster, { disk }: Member): Promise<{ path: string; bytes: number } | undefined> {
  const name = (await cluster.settle(disk.list('raft'))).find((one) => one.startsWith('partial-'));
  if (name === undefined) return undefined;
  const file = await cluster.settle(disk.open(`raft/${name}`));
  return { path: file.path, bytes: await cluster.settle(file.size()) };
}

async function received(cluster: Cluster, member: Member, bytes: number): Promise<string> {
  for (;;) {
    const found = await receipt(cluster, member);
    if (found !== undefined && found.bytes > bytes) return found.path;
    await cluster.run(50);
  }
}

const wentOn = (member: Member): { at: number; bytes: number } | undefined =>
  member.log.lines.find(({ message }) => message === 'a snapshot goes on where it was cut off')?.fields as never;

test('a receiver that is killed goes on from what it has, also in its next life', async (t) => {
  const { cluster, slow } = await behind();
  await received(cluster, slow, 600_000);
  cluster.crash(slow.id, 'process');
  const back = await cluster.start(slow.id);
  await cluster.until(() => back.replica.local().get(`k${VALUES - 1}`) !== undefined, 20_000);
  const { at = 0, bytes = 0 } = wentOn(back) ?? {};
  t.true(at >= 500_000 && at < bytes, `${at} of ${bytes}`);
  t.true(cluster.marks.has('replica: snapshot goes on where it was cut off'));
  t.is(await receipt(cluster, back), undefined, 'the file of the receipt has become the snapshot');
  t.true(await cluster.converged());
});

test('a link that is cut costs the rest of the way only', async (t) => {
  const { cluster, leader, slow } = await behind();
  await received(cluster, slow, 600_000);
  cluster.isolate(slow.id);
  cluster.network.disconnect(slow.id, leader.id);
  await cluster.run(3000);
  cluster.isolate(slow.id, false);
  await cluster.until(() => slow.replica.local().get(`k${VALUES - 1}`) !== undefined, 30_000);
  t.true((wentOn(slow)?.at ?? 0) >= 500_000);
  t.true(await cluster.converged());
});

test('bytes that rotted in the file of the receipt are asked for again', async (t) => {
  const { cluster, slow } = await behind();
  const path = await received(cluster, slow, 600_000);
  cluster.crash(slow.id, 'process');
  slow.disk.flipBit(path, 100_000, 3);
  const back = await cluster.start(slow.id);
  await cluster.until(() => back.replica.local().get(`k${VALUES - 1}`) !== undefined, 20_000);
  t.true((wentOn(back)?.at ?? 0) <= 100_000);
  t.true(await cluster.converged());
});

test('the leader keeps the pace it was told', async (t) => {
  const durationAt = async (snapshotBytesPerSecond: number): Promise<number> => {
    const { cluster, slow } = await behind({ ...SETTINGS, snapshotBytesPerSecond });
    const startedMs = cluster.world.nowMs();
    await cluster.until(() => slow.replica.local().get(`k${VALUES - 1}`) !== undefined, 60_000);
    return cluster.world.nowMs() - startedMs;
  };
  const [slow, quick] = [await durationAt(200_000), await durationAt(20_000_000)];
  const wholeMs = ((VALUES * VALUE_BYTES) / 200_000) * 1000;
  t.true(slow > wholeMs * 0.6, `${slow} ms at 200 kB/s`);
  t.true(quick < 3000, `${quick} ms at 20 MB/s`);
});

test('a write that waits for space, and is overtaken by a snapshot that fits into the reserve, is not written behind it', async (t) => {
  const settings = { snapshotEntries: 130, trailingEntries: 5, retainMs: 500, compactionIntervalMs: 200 };
  const cluster = await new Cluster({ settings }).up();
  const leader = await cluster.leader();
  const [slow] = await cluster.followers();
  const write = async (times: number, bytes: number): Promise<void> => {
    for (let at = 0; at < times; at += 1) await cluster.settle(leader.replica.propose([put('k', bytes)], WAIT));
  };
  await cluster.run(500);
  // Enough for a small snapshot, too little for a segment of the log.
  slow!.disk.faults.spaceBytes = 300_000;
  await write(115, VALUE_BYTES);
  t.true(
    slow!.log.lines.some(({ message }) => message === 'the disk is full; nothing is written until there is space'),
  );
  cluster.isolate(slow!.id);
  // The history of the big values is compacted before the snapshot.
  await cluster.run(4000);
  await write(60, 100);
  await cluster.run(2000);
  slow!.disk.faults.spaceBytes = 300_000;
  cluster.isolate(slow!.id, false);
  await cluster.until(() => slow!.log.lines.some(({ message }) => message === 'snapshot installed'));
  await cluster.run(3000);
  t.is(slow!.fatal, undefined);
  t.true(cluster.marks.has('replica: waiting write overtaken'), 'the situation was met');
  slow!.disk.faults.spaceBytes = Number.POSITIVE_INFINITY;
  t.true(await cluster.converged());
  cluster.crash(slow!.id);
  await cluster.start(slow!.id);
  t.true(await cluster.converged(), 'and what is on the disk is whole');
});
