/** What the log promises: nothing acknowledged is lost, nothing damaged is believed, a full disk is survived. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { createDisk } from '#src/drivers/disk.ts';

import type { HardState } from '#src/raft/types.ts';
import { crc32c } from '#src/std/crc32c.ts';
import { sha256, toHex } from '#src/std/sha256.ts';
import { encodeBatch, findRecord, segmentSeed } from '#src/wal/format.ts';
import { createSimLog } from '#src/sim/log.ts';
import { openWal } from '#src/wal/wal.ts';
import { createLab, entries, metaAt, readAll, walOptions } from '#test/support/wal-lab.ts';
import { runEvents, runFor } from '#test/support/virtual.ts';

const hard = (commitIndex: number, currentTerm = 1): HardState => ({ currentTerm, votedFor: 'n2', commitIndex });
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test('a new log is empty; what was appended is there after a restart', async (t) => {
  const lab = createLab();
  const first = await lab.open();
  t.deepEqual(first.recovered.entries, []);
  t.deepEqual(first.recovered.hardState, { currentTerm: 0, votedFor: undefined, commitIndex: 0 });
  await lab.run(first.wal.append({ entries: entries(1, 3), hardState: hard(0) }));
  await lab.run(first.wal.append({ entries: entries(4, 4, { bytes: 5000 }), hardState: hard(3) }));
  t.is(first.wal.lastIndex, 4);
  await lab.run(first.wal.close());
  lab.crash();
  const { recovered } = await lab.open();
  t.deepEqual(recovered.entries, [...entries(1, 3), ...entries(4, 4, { bytes: 5000 })]);
  t.deepEqual(recovered.hardState, hard(3));
});

test('entries of every type and of no data come back as they were', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  const written = [
    { index: 1, term: 1, type: 'noop' as const, data: new Uint8Array(0) },
    { index: 2, term: 1, type: 'configuration' as const, data: bytesOf('c') },
    { index: 3, term: 2 ** 40, type: 'command' as const, data: new Uint8Array(4097).fill(7) },
  ];
  await lab.run(wal.append({ entries: written }));
  lab.crash();
  t.deepEqual((await lab.open()).recovered.entries, written);
});

test('calls of one turn share one sync, and those made during it the next', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  const before = wal.stats().syncs;
  const calls = [1, 2, 3].map((index) => wal.append({ entries: entries(index, index) }));
  await runEvents(lab.world, 1);
  calls.push(...[4, 5, 6].map((index) => wal.append({ entries: entries(index, index) })));
  await lab.run(Promise.all(calls));
  t.is(wal.stats().syncs - before, 2);
  t.true(wal.lastSyncMs > 0);
});

test('an entry at or below the last index replaces it and all behind it', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 5), hardState: hard(2) }));
  await lab.run(wal.append({ entries: entries(3, 4, { term: 2 }), hardState: hard(2, 2) }));
  t.is(wal.lastIndex, 4);
  lab.crash();
  t.deepEqual((await lab.open()).recovered.entries, [...entries(1, 2), ...entries(3, 4, { term: 2 })]);
});

test('appends that would leave a gap, go back in term or commit what is not there are our mistakes', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await t.throwsAsync(wal.append({ entries: entries(2, 2) }), { message: /leaves a gap behind 0/ });
  await t.throwsAsync(wal.append({ hardState: hard(9) }), { message: /past the log end 0/ });
  await lab.run(wal.append({ hardState: hard(0, 5) }));
  await t.throwsAsync(wal.append({ hardState: hard(0, 4) }), { message: /term 4 is below 5/ });
});

test('the log goes on over many segments, entries larger than one included', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  for (let index = 1; index <= 60; index += 1) {
    const bytes = index === 30 ? 20_000 : 700;
    await lab.run(wal.append({ entries: entries(index, index, { bytes }), hardState: hard(index) }));
  }
  t.true(wal.stats().segments > 5);
  lab.crash();
  const { recovered } = await lab.open();
  t.deepEqual(recovered.entries, [
    ...entries(1, 29, { bytes: 700 }),
    ...entries(30, 30, { bytes: 20_000 }),
    ...entries(31, 60, { bytes: 700 }),
  ]);
});

test('a snapshot replaces the entries it covers; segments below it are used again and never believed', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  for (let round = 0; round < 6; round += 1) {
    const base = round * 30;
    await lab.run(wal.append({ entries: entries(base + 1, base + 30, { bytes: 700 }), hardState: hard(base + 30) }));
    await lab.run(wal.saveSnapshot(metaAt(base + 25), [bytesOf('state of '), bytesOf(String(base + 25))]));
  }
  const names = await lab.run(lab.disk.list('wal'));
  t.is(names.filter((name) => name.startsWith('snapshot-')).length, 1);
  t.true(wal.stats().segments <= 2, `${wal.stats().segments} segments are held for 5 entries`);
  lab.crash();
  const { wal: next, recovered } = await lab.open();
  t.deepEqual(recovered.snapshot, metaAt(175));
  t.deepEqual(recovered.entries, entries(176, 180, { bytes: 700 }));
  const snapshot = await lab.run(next.openSnapshot());
  const content = bytesOf('state of 175');
  t.is(snapshot?.bytes, content.length);
  t.is(snapshot?.sha256, toHex(sha256(content)));
  t.deepEqual(snapshot && (await lab.run(readAll(snapshot.read()))), content);
});

test('a snapshot from a leader empties a log that does not hold its last entry, and moves the commit index', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 10), hardState: hard(4) }));
  await lab.run(wal.saveSnapshot(metaAt(7, 3), [bytesOf('x')]));
  t.is(wal.lastIndex, 7);
  lab.crash();
  const next = await lab.open();
  t.deepEqual(next.recovered.entries, [], 'entries 8 to 10 belong to another history');
  await lab.run(next.wal.append({ entries: entries(8, 8, { term: 3 }) }));
  lab.crash();
  const { recovered } = await lab.open();
  t.deepEqual(recovered.entries, entries(8, 8, { term: 3 }));
  t.is(recovered.hardState.commitIndex, 7);
});

test('a snapshot that is not newer is ignored, two at once are refused', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 10), hardState: hard(10) }));
  const first = wal.saveSnapshot(metaAt(8), [bytesOf('eight')]);
  await t.throwsAsync(wal.saveSnapshot(metaAt(9), []), { code: 'WAL_BUSY' });
  await lab.run(first);
  await lab.run(wal.saveSnapshot(metaAt(5), [bytesOf('five')]));
  t.is((await wal.openSnapshot())?.meta.index, 8);
});

test('a snapshot can be read to its end while a newer one takes its place', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 10), hardState: hard(10) }));
  await lab.run(wal.saveSnapshot(metaAt(5), [bytesOf('one'), bytesOf('two')]));
  const reader = (await wal.openSnapshot())?.read()[Symbol.asyncIterator]();
  t.deepEqual(await lab.run(reader!.next()), { done: false, value: bytesOf('one') });
  await lab.run(wal.saveSnapshot(metaAt(9), [bytesOf('new')]));
  t.deepEqual(await lab.run(reader!.next()), { done: false, value: bytesOf('two') });
});

test('a directory of another cluster or node is refused with both names', async (t) => {
  const lab = createLab();
  await lab.open();
  lab.crash('process');
  await t.throwsAsync(lab.open({ clusterId: 'c2' }), { code: 'WAL_FOREIGN', message: /cluster c1.*cluster c2/ });
  await t.throwsAsync(lab.open({ nodeId: 'n7' }), { code: 'WAL_FOREIGN', message: /node n1.*node n7/ });
});

test('damage in the middle of the log stops the start and names segment, offset, index and remedy', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  for (const index of [1, 2, 3]) await lab.run(wal.append({ entries: entries(index, index, { bytes: 400 }) }));
  await lab.run(wal.close());
  // Without the note: the batch behind is proof enough.
  await lab.run(lab.disk.remove('wal/synced'));
  // Header sector, first batch (hard state), then one batch of one sector each.
  lab.disk.flipBit('wal/segment-0000000000000001', 3 * 512 + 100);
  lab.crash('process');
  await t.throwsAsync(lab.open(), {
    code: 'WAL_CORRUPT',
    message:
      /segment-0000000000000001 is damaged at offset 1536, index 2: .*batch 4 behind it.*remove its data directory/,
  });
});

test('damage in the last batch is noticed too, by the note that it had been synced', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  for (const index of [1, 2, 3]) await lab.run(wal.append({ entries: entries(index, index, { bytes: 400 }) }));
  await lab.run(wal.close());
  lab.disk.flipBit('wal/segment-0000000000000001', 4 * 512 + 100);
  lab.crash('process');
  await t.throwsAsync(lab.open(), { code: 'WAL_CORRUPT', message: /index 3: batch 4 up to index 3 was on the disk/ });
});

test('a batch that a start found is noted, though nothing is appended after it: damage to it is no torn tail', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  for (const index of [1, 2, 3]) await lab.run(wal.append({ entries: entries(index, index, { bytes: 400 }) }));
  lab.crash();
  await lab.open();
  await runFor(lab.world, 200);
  lab.crash();
  lab.disk.flipBit('wal/segment-0000000000000001', 4 * 512 + 100);
  lab.crash('process');
  await t.throwsAsync(lab.open(), { code: 'WAL_CORRUPT', message: /index 3: batch 4 up to index 3 was on the disk/ });
});

test('any flipped bit that matters is found: in headers, records and older segments', async (t) => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const lab = createLab(seed);
    const { wal } = await lab.open();
    for (let i = 1; i <= 25; i += 1) {
      await lab.run(wal.append({ entries: entries(i, i, { bytes: 600 }), hardState: hard(i) }));
    }
    await lab.run(wal.close());
    const segment = `wal/segment-${String(1 + lab.prng.below(3)).padStart(16, '0')}`;
    lab.disk.flipBit(segment, lab.prng.below(8192), lab.prng.below(8));
    lab.crash('process');
    const outcome = await lab.open().catch((error: unknown) => error);
    if (outcome instanceof Error) t.like(outcome, { code: 'WAL_CORRUPT' }, `seed ${seed}: ${outcome.message}`);
    else t.is((outcome as Awaited<ReturnType<typeof lab.open>>).recovered.entries.length, 25, `seed ${seed}`);
  }
});

test('a snapshot that is not what was offered is refused, and nothing of it is kept', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  const whole = [bytesOf('one'), bytesOf('two')];
  const offer = { bytes: 6, sha256: toHex(sha256(bytesOf('onetwo'))) };
  async function* cut(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(whole[0]!);
    throw new Error('the link was lost');
  }
  await t.throwsAsync(lab.run(wal.saveSnapshot(metaAt(5), cut(), offer)), { message: 'the link was lost' });
  const kept = await lab.run(wal.partialSnapshot(offer));
  t.is(kept.bytes, 3);
  t.deepEqual(await lab.run(readAll(kept.read())), bytesOf('one'));
  const wrong = { code: 'WAL_SNAPSHOT_MISMATCH', message: /offered as 6 bytes with SHA-256 .*, and 6 bytes with/ };
  await t.throwsAsync(lab.run(wal.saveSnapshot(metaAt(5), [whole[0]!, bytesOf('xxx')], offer)), wrong);
  t.is((await lab.run(wal.partialSnapshot(offer))).bytes, 0);
  await lab.run(wal.saveSnapshot(metaAt(5), whole, offer));
  t.is((await wal.openSnapshot())?.sha256, offer.sha256);
  t.false((await lab.run(lab.disk.list('wal'))).some((name) => name.startsWith('partial-')));
});

test('a damaged snapshot is not given out, a missing one stops the start', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 9), hardState: hard(9) }));
  await lab.run(wal.saveSnapshot(metaAt(9), [bytesOf('the state')]));
  await lab.run(wal.close());
  const file = (await lab.run(lab.disk.list('wal'))).find((name) => name.startsWith('snapshot-')) ?? '';
  lab.disk.flipBit(`wal/${file}`, 12);
  lab.crash('process');
  const snapshot = await (await lab.open()).wal.openSnapshot();
  await t.throwsAsync(lab.run(readAll(snapshot!.read())), { code: 'WAL_CORRUPT', message: /snapshot/ });
  await lab.run(lab.disk.remove(`wal/${file}`));
  lab.crash('process');
  await t.throwsAsync(lab.open(), { code: 'WAL_CORRUPT', message: /the file is missing/ });
});

test('on a full disk an append is refused, nothing older is lost, and it goes on when there is space', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  lab.disk.faults.full = true;
  let index = 0;
  const refused = await (async () => {
    for (;;) {
      try {
        await lab.run(wal.append({ entries: entries(index + 1, index + 1, { bytes: 700 }) }));
      } catch (error) {
        return error;
      }
      index += 1;
    }
  })();
  t.like(refused, { code: 'DISK_FULL', retry: 'later' });
  t.is(wal.lastIndex, index);
  lab.disk.faults.full = false;
  await lab.run(wal.append({ entries: entries(index + 1, index + 1, { bytes: 700 }) }));
  lab.crash();
  t.deepEqual((await lab.open()).recovered.entries, entries(1, index + 1, { bytes: 700 }));
});

test('with the reserve a snapshot can be saved on a full disk, which frees the log', async (t) => {
  const lab = createLab(1, { capacityBytes: 60_000 });
  const { wal } = await lab.open();
  let index = 0;
  const append = (): Promise<void> =>
    lab.run(wal.append({ entries: entries(index + 1, index + 1, { bytes: 700 }), hardState: hard(index + 1) }));
  await t.throwsAsync(
    (async () => {
      for (;;) {
        await append();
        index += 1;
      }
    })(),
    { code: 'DISK_FULL' },
  );
  await lab.run(wal.saveSnapshot(metaAt(index), [new Uint8Array(3000)]));
  for (let i = 0; i < 8; i += 1) {
    await append();
    index += 1;
  }
  lab.crash();
  t.is((await lab.open()).recovered.entries.length, 8);
});

test('after a failed sync nothing is appended any more, and a restart reads what is really there', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  await lab.run(wal.append({ entries: entries(1, 3) }));
  lab.disk.faults.failSyncs = 1;
  const [first, second] = [wal.append({ entries: entries(4, 4) }), wal.append({ entries: entries(5, 5) })];
  const outcomes = await lab.run(Promise.allSettled([first, second]));
  for (const one of outcomes) t.like(one, { status: 'rejected', reason: { code: 'WAL_FAILED' } });
  await t.throwsAsync(wal.append({ entries: entries(4, 4) }), { code: 'WAL_FAILED', message: /restart this node/ });
  t.true(wal.stats().failed);
  lab.crash();
  const { recovered } = await lab.open();
  t.deepEqual(recovered.entries.slice(0, 3), entries(1, 3));
});

test('what a restart after a failed sync reads and goes on from survives a later power cut', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const lab = createLab(seed);
    const { wal } = await lab.open();
    await lab.run(wal.append({ entries: entries(1, 1) }));
    lab.disk.faults.failSyncs = 1;
    await t.throwsAsync(lab.run(wal.append({ entries: entries(2, 2, { bytes: 3000 }) })));
    // The kernel lives and shows pages that never reached the disk.
    lab.crash('process');
    const second = await lab.open();
    const read = second.recovered.entries.length;
    await lab.run(second.wal.append({ entries: entries(read + 1, read + 1) }));
    lab.crash('power');
    t.is((await lab.open()).recovered.entries.length, read + 1, `seed ${seed}`);
  }
});

test('a hung sync shows in the statistics while it hangs', async (t) => {
  const lab = createLab();
  const { wal } = await lab.open();
  lab.disk.faults.syncDelayMs = 5000;
  const pending = wal.append({ entries: entries(1, 1) });
  await runFor(lab.world, 1000);
  t.is(typeof wal.stats().syncSinceMs, 'number');
  await lab.run(pending);
  t.true(wal.lastSyncMs >= 5000);
  t.is(wal.stats().syncSinceMs, undefined);
});

test('crc32c and sha256 agree with their published check values, in pieces too', (t) => {
  const digits = bytesOf('123456789');
  t.is(crc32c(digits), 0xe3069283, 'RFC 3720 appendix B.4 polynomial, the usual check value');
  t.is(crc32c(digits.subarray(4), crc32c(digits.subarray(0, 4))), 0xe3069283);
  const million = new Uint8Array(1_000_000).fill(0x61);
  t.is(
    toHex(sha256(million)),
    'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    'FIPS 180 long vector',
  );
});

test('what an earlier life of a recycled file left never validates, even where it lines up', (t) => {
  const [old, fresh] = [1, 2].map((segmentId) => segmentSeed({ segmentId, clusterId: 'c1', nodeId: 'n1' }));
  const records = entries(1, 2).map((entry) => ({ type: 'entry' as const, entry }));
  const batch = encodeBatch(records, { seed: old!, epoch: 1, previous: 0 });
  const segment = new Uint8Array(batch.chunks.flatMap((chunk) => [...chunk]));
  t.is(segment.length, batch.bytes);
  t.is(findRecord(segment, 0, old!)?.epoch, 1);
  t.is(findRecord(segment, 0, fresh!), undefined);
});

test('the same holds on the real disk', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kontiki-wal-'));
  t.teardown(() => rm(root, { recursive: true }));
  const disk = createDisk(root);
  const options = { ...walOptions({ disk, log: createSimLog({ monotonicMs: () => 0 }) }), segmentBytes: 64 * 1024 };
  const { wal } = await openWal(options);
  for (let base = 0; base < 200; base += 20) {
    await wal.append({ entries: entries(base + 1, base + 20, { bytes: 5000 }), hardState: hard(base + 20) });
    await wal.saveSnapshot(metaAt(base + 10), [bytesOf(`state of ${base + 10}`)]);
  }
  t.true(wal.stats().segments <= 3);
  await wal.close();
  await t.throwsAsync(wal.append({ hardState: hard(200, 2) }), { code: 'WAL_CLOSED' });
  const again = await openWal(options);
  t.deepEqual(again.recovered.entries, entries(191, 200, { bytes: 5000 }));
  t.deepEqual(await readAll((await again.wal.openSnapshot())!.read()), bytesOf('state of 190'));
  await again.wal.close();
});
