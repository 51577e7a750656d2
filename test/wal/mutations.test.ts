/** Planted mistakes that only show on a disk that fails or rots; crash.test.ts has the others. */
import test from 'ava';
import { WAL_MUTATIONS } from '#src/wal/mutations.ts';
import { createLab, entries } from '#test/support/wal-lab.ts';

/** What is acknowledged after a sync that failed once, and is not there after a power cut: seeds. */
async function lostAfterFailedSync(mutations: ReadonlySet<string>): Promise<number[]> {
  const lost: number[] = [];
  for (let seed = 1; seed <= 30; seed += 1) {
    const lab = createLab(seed);
    const { wal } = await lab.open({ mutations });
    await lab.run(wal.append({ entries: entries(1, 3) }));
    lab.disk.faults.failSyncs = 1;
    const [outcome] = await lab.run(Promise.allSettled([wal.append({ entries: entries(4, 6, { bytes: 500 }) })]));
    lab.crash('power');
    const acknowledged = outcome?.status === 'fulfilled' ? 6 : 3;
    const after = await lab.open({ mutations }).catch(() => undefined);
    if ((after?.recovered.entries.length ?? 0) < acknowledged) lost.push(seed);
  }
  return lost;
}

test('A3.17: after a failed sync nothing is believed that the disk may not have', async (t) => {
  t.deepEqual(await lostAfterFailedSync(new Set()), []);
  t.true((await lostAfterFailedSync(new Set(['retry-failed-sync']))).length > 0, 'retry-failed-sync');
});

/** Entries that a damaged log gives out as if it were whole. */
async function afterDamage(mutations: ReadonlySet<string>): Promise<number | string> {
  const lab = createLab();
  const { wal } = await lab.open({ mutations });
  for (const index of [1, 2, 3]) await lab.run(wal.append({ entries: entries(index, index, { bytes: 400 }) }));
  await lab.run(wal.close());
  lab.disk.flipBit('wal/segment-0000000000000001', 3 * 512 + 100);
  lab.crash('process');
  return await lab.open({ mutations }).then(
    ({ recovered }) => recovered.entries.length,
    (error: { code?: string }) => error.code ?? '',
  );
}

test('A3.18: damage in the middle is told from a torn tail', async (t) => {
  t.is(await afterDamage(new Set()), 'WAL_CORRUPT');
  t.is(
    await afterDamage(new Set(['damage-cut-like-torn-tail'])),
    1,
    'two acknowledged entries are gone, and nobody knows',
  );
});

test('every mutation of the log is noticed by a test', (t) => {
  const here = ['retry-failed-sync', 'damage-cut-like-torn-tail'];
  const byHistories = ['rename-without-directory-sync', 'release-before-snapshot-durable', 'hard-state-not-written'];
  t.deepEqual([...WAL_MUTATIONS].toSorted(), [...here, ...byHistories].toSorted());
});
