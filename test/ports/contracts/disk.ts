/** What every Disk promises while nothing crashes; what a crash does is the simulator's to show. */
import type { ExecutionContext, TestFn } from 'ava';

import type { Disk } from '#src/ports/disk.ts';

export interface DiskFixture {
  disk: Disk;
  /** Another Disk on the same directory, as a second process has it; undefined where there is no such thing. */
  second?: Disk;
  run: <T>(promise: Promise<T>) => Promise<T>;
  dispose?: () => Promise<void>;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export function diskContract(test: TestFn, name: string, make: () => Promise<DiskFixture>): void {
  const withDisk = (
    title: string,
    body: (t: ExecutionContext, disk: Disk, fixture: DiskFixture) => Promise<void>,
  ): void => {
    test(`${name}: ${title}`, async (t) => {
      const fixture = await make();
      try {
        await fixture.run(body(t, fixture.disk, fixture));
      } finally {
        await fixture.dispose?.();
      }
    });
  };

  withDisk('positional writes of several chunks are read back', async (t, disk) => {
    const file = await disk.open('a', { create: true });
    await file.write(3, [text('de'), new Uint8Array(0), text('fgh')]);
    await file.write(0, [text('abc')]);
    await file.sync();
    t.is(read(await file.read(0, 100)), 'abcdefgh');
    t.is(read(await file.read(2, 3)), 'cde');
    t.is((await file.read(8, 10)).length, 0);
    t.is(await file.size(), 8);
    t.is(file.path, 'a');
    await file.close();
  });

  withDisk('a write beyond the end leaves zeros between, and many chunks arrive in order', async (t, disk) => {
    const file = await disk.open('a', { create: true });
    const chunks = Array.from({ length: 2500 }, (_, i) => new Uint8Array([i & 0xff]));
    await file.write(1000, chunks);
    const bytes = await file.read(998, 4);
    t.deepEqual([...bytes], [0, 0, 0, 1]);
    t.is((await file.read(1000 + 2499, 10))[0], 2499 & 0xff);
    await file.close();
  });

  withDisk('truncate shortens, and lengthens with zeros', async (t, disk) => {
    const file = await disk.open('a', { create: true });
    await file.write(0, [text('abcdef')]);
    await file.truncate(2);
    await file.truncate(4);
    t.deepEqual([...(await file.read(0, 10))], [97, 98, 0, 0]);
    await file.close();
  });

  withDisk('a missing file or parent is DISK_NOT_FOUND, and the message names the path', async (t, disk) => {
    await t.throwsAsync(disk.open('missing'), { code: 'DISK_NOT_FOUND', message: /missing/ });
    await t.throwsAsync(disk.open('no/parent', { create: true }), { code: 'DISK_NOT_FOUND' });
    await t.throwsAsync(disk.rename('missing', 'b'), { code: 'DISK_NOT_FOUND', message: /missing/ });
  });

  withDisk('names: list is sorted, rename replaces, remove is idempotent', async (t, disk) => {
    await disk.makeDirectory('d/e');
    await disk.makeDirectory('d/e');
    for (const path of ['d/z', 'd/a']) await (await disk.open(path, { create: true })).close();
    t.deepEqual(await disk.list('d'), ['a', 'e', 'z']);
    t.deepEqual(await disk.list('nothing'), []);
    const file = await disk.open('d/z');
    await file.write(0, [text('z')]);
    await disk.rename('d/z', 'd/a');
    t.deepEqual(await disk.list('d'), ['a', 'e']);
    // The handle goes with the file, not with the name.
    await file.write(1, [text('!')]);
    await file.close();
    const renamed = await disk.open('d/a');
    t.is(read(await renamed.read(0, 9)), 'z!');
    await renamed.close();
    await disk.remove('d/a');
    await disk.remove('d/a');
    t.false(await disk.exists('d/a'));
    t.true(await disk.exists('d'));
    await disk.syncDirectory('d');
    await disk.syncDirectory('');
  });

  withDisk('open without create leaves an existing file as it is, with create too', async (t, disk) => {
    const file = await disk.open('a', { create: true });
    await file.write(0, [text('kept')]);
    await file.close();
    const again = await disk.open('a', { create: true });
    t.is(read(await again.read(0, 9)), 'kept');
    await again.close();
  });

  withDisk('free space is a positive number of bytes', async (t, disk) => {
    t.true((await disk.freeBytes()) > 0);
  });

  withDisk('paths that leave the directory are our mistake', async (t, disk) => {
    await t.throwsAsync(async () => disk.open('../a', { create: true }), { message: /leaves the data directory/ });
    await t.throwsAsync(async () => disk.open('/a', { create: true }), { message: /leaves the data directory/ });
  });

  withDisk('the directory is held by one: the second is DISK_LOCKED and told the pid', async (t, disk, { second }) => {
    await disk.lock();
    await t.throwsAsync((second ?? disk).lock(), { code: 'DISK_LOCKED', message: /process \d+/ });
  });
}
