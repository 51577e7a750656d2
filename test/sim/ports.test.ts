/** The simulated ports beyond their contract: time that we move, crashes that a seed decides. */
import test from 'ava';

import { createWorld } from '#src/sim/clock.ts';
import { createSimDisk, type SimDisk, type SimDiskOptions } from '#src/sim/disk.ts';
import { createSimLog } from '#src/sim/log.ts';
import { createPrng } from '#src/sim/prng.ts';
import { runEvents, runFor, settle } from '#test/support/virtual.ts';

test('a fast clock reaches its timers early, by its own time exactly', async (t) => {
  const world = createWorld();
  const fast = world.clock({ driftPpm: 100_000 });
  const fired: number[] = [];
  fast.after(110, () => fired.push(world.nowMs()));
  await runFor(world, 200);
  t.is(Math.round(fired[0] ?? 0), 100);
  t.is(Math.round(fast.monotonicMs()), 220);
});

test('wall clocks differ by node and jump; monotonic time and timers do not notice', (t) => {
  const world = createWorld();
  const [right, wrong] = [world.clock(), world.clock({ wallOffsetMs: -60_000 })];
  t.is(right.wallMs() - wrong.wallMs(), 60_000);
  right.jumpWall(5000);
  t.is(right.wallMs() - wrong.wallMs(), 65_000);
  t.is(right.monotonicMs(), wrong.monotonicMs());
});

test('the end of a turn comes before everything else that is due', async (t) => {
  const world = createWorld();
  const clock = world.clock();
  const order: string[] = [];
  clock.after(0, () => {
    order.push('turn');
    clock.soon(() => order.push('soon'));
    clock.endOfTurn(() => order.push('end of turn'));
  });
  clock.after(0, () => order.push('next'));
  await runEvents(world, 10);
  t.deepEqual(order, ['turn', 'end of turn', 'next', 'soon']);
});

test('a paused node does nothing and catches up in order; a revoked one never does', async (t) => {
  const world = createWorld();
  const [slow, dead] = [world.clock(), world.clock()];
  const fired: string[] = [];
  slow.after(1, () => fired.push('one'));
  slow.after(2, () => fired.push('two'));
  dead.after(1, () => fired.push('dead'));
  slow.pause();
  dead.revoke();
  await runFor(world, 10);
  t.deepEqual(fired, []);
  slow.resume();
  await runFor(world, 1);
  t.deepEqual(fired, ['one', 'two']);
});

test('cancelled timers neither count nor move time', (t) => {
  const world = createWorld();
  world.after(50, () => undefined).cancel();
  t.is(world.size(), 0);
  t.false(world.runNext());
  t.is(world.nowMs(), 0);
});

test('the same seed gives the same numbers, and a fork does not depend on what was drawn', (t) => {
  const [a, b] = [createPrng(42), createPrng(42)];
  b.uint32();
  t.deepEqual(a.fork('disk').bytes(8), b.fork('disk').bytes(8));
  t.notDeepEqual(a.fork('disk').bytes(8), a.fork('network').bytes(8));
  t.notDeepEqual(createPrng(1).bytes(8), createPrng(2).bytes(8));
});

const pattern = (byte: number, length = 2048): Uint8Array => new Uint8Array(length).fill(byte);

/** Synced ones, then unsynced twos over them; what a crash leaves, one digit a sector, '-' when the file is gone. */
async function afterCrash(seed: number, kind: 'power' | 'process', options: { nameSynced: boolean }): Promise<string> {
  const world = createWorld();
  const base: SimDiskOptions = { clock: world.clock(), prng: createPrng(seed) };
  const disk = createSimDisk(base);
  const write = async (): Promise<void> => {
    const file = await disk.open('f', { create: true });
    await file.write(0, [pattern(1)]);
    await file.sync();
    if (options.nameSynced) await disk.syncDirectory('');
    await file.write(0, [pattern(2)]);
  };
  await settle(world, write());
  const next = createSimDisk({ ...base, clock: world.clock(), medium: disk.crash(kind) });
  return settle(world, digits(next));
}

async function digits(disk: SimDisk): Promise<string> {
  if (!(await disk.exists('f'))) return '-';
  const bytes = await (await disk.open('f')).read(0, 2048);
  return [0, 512, 1024, 1536].map((at) => bytes[at]).join('');
}

test('a power cut keeps what was synced, and of the rest nothing, all, a front part or scattered sectors', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed += 1) seen.add(await afterCrash(seed, 'power', { nameSynced: true }));
  for (const want of ['1111', '2222']) t.true(seen.has(want), `${want} never happened`);
  t.true(
    [...seen].some((one) => /^2+1+$/.test(one)),
    'never torn in front',
  );
  t.true(
    [...seen].some((one) => /12/.test(one)),
    'never out of order',
  );
  t.true(
    [...seen].every((one) => /^[12]{4}$/.test(one)),
    `something else was read: ${[...seen].join(' ')}`,
  );
  t.is(await afterCrash(5, 'power', { nameSynced: true }), await afterCrash(5, 'power', { nameSynced: true }));
});

test('a name is durable only when its directory was synced', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 30; seed += 1) seen.add(await afterCrash(seed, 'power', { nameSynced: false }));
  t.true(seen.has('-'), 'the name was never lost');
  t.true(seen.size > 1, 'the name was always lost');
});

test('kill -9 keeps what the kernel was given', async (t) => {
  for (let seed = 1; seed <= 10; seed += 1) t.is(await afterCrash(seed, 'process', { nameSynced: false }), '2222');
});

test('after a failed sync a second one succeeds and is worth nothing', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = createWorld();
    const base: SimDiskOptions = { clock: world.clock(), prng: createPrng(seed) };
    const disk = createSimDisk(base);
    const file = await settle(world, disk.open('f', { create: true }));
    await settle(world, disk.syncDirectory(''));
    await settle(world, file.write(0, [pattern(2)]));
    disk.faults.failSyncs = 1;
    await t.throwsAsync(settle(world, file.sync()), { code: 'DISK_IO' });
    await settle(world, file.sync());
    t.is((await settle(world, file.read(0, 1)))[0], 2, 'readers go on seeing it');
    seen.add(await settle(world, digits(createSimDisk({ ...base, clock: world.clock(), medium: disk.crash() }))));
  }
  t.true([...seen].some((one) => one !== '2222'));
});

test('a crashed disk answers nothing any more, and the next incarnation is not touched by it', async (t) => {
  const world = createWorld();
  const base: SimDiskOptions = { clock: world.clock(), prng: createPrng(1) };
  const disk = createSimDisk(base);
  const file = await settle(world, disk.open('f', { create: true }));
  const answered: string[] = [];
  void file.write(0, [pattern(1)]).finally(() => answered.push('pending'));
  const next = createSimDisk({ ...base, clock: world.clock(), medium: disk.crash('process') });
  void file.write(0, [pattern(2)]).finally(() => answered.push('later'));
  void disk.remove('f').finally(() => answered.push('remove'));
  await runFor(world, 100);
  t.deepEqual(answered, []);
  t.true(await settle(world, next.exists('f')));
});

test('the log in memory keeps level, subsystem and fields of every scope in order', (t) => {
  const log = createSimLog(createWorld().clock());
  log.scope('raft').info('one', { term: 1 });
  log.warn('two');
  t.like(log.lines, [
    { level: 'info', subsystem: 'raft', message: 'one', fields: { term: 1 } },
    { level: 'warn', subsystem: 'node', message: 'two' },
  ]);
});
