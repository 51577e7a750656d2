/** A damaged log that others can refill: what is believed of it, what is kept aside, and when nothing may be done. */
import test from 'ava';
import type { Configuration, Entry } from '#src/raft/types.ts';
import { encodeConfiguration } from '#src/raft/configuration.ts';
import { createLab, entries, type Lab } from '#test/support/wal-lab.ts';
import type { WalOptions } from '#src/wal/wal.ts';

const REPAIR: Partial<WalOptions> = { repair: { distrustSnapshots: false } };
const configuration = (voters: string[]): Configuration => ({
  voters,
  votersOutgoing: [],
  learners: [],
  addresses: {},
});

/** Entry 1 says who votes; the rest are commands; each append carries term and vote, as the replica's do. */
async function written(lab: Lab, options: { last: number; voters?: string[]; bytes?: number }): Promise<void> {
  const { wal } = await lab.open();
  const first: Entry = {
    index: 1,
    term: 1,
    type: 'configuration',
    data: encodeConfiguration(configuration(options.voters ?? ['n1', 'n2', 'n3'])),
  };
  await lab.run(wal.append({ entries: [first], hardState: { currentTerm: 1, votedFor: 'n2', commitIndex: 1 } }));
  for (let index = 2; index <= options.last; index += 1) {
    const hardState = { currentTerm: 1, votedFor: 'n2', commitIndex: index - 1 };
    await lab.run(wal.append({ entries: entries(index, index, { bytes: options.bytes ?? 400 }), hardState }));
  }
  await lab.run(wal.close());
}

const SEGMENT = 'wal/segment-0000000000000001';

test('what is before the damage stays, and the note says how far may have been acknowledged', async (t) => {
  const lab = createLab();
  await written(lab, { last: 8 });
  lab.disk.flipBit(SEGMENT, 5 * 512 + 100);
  lab.crash('process');
  const { wal, recovered } = await lab.open(REPAIR);
  const last = recovered.entries.at(-1)?.index ?? 0;
  t.true(last >= 2 && last < 8, `kept up to ${last}`);
  t.is(recovered.repairTo, 8);
  t.like(recovered.hardState, { currentTerm: 1, votedFor: 'n2' });
  t.true(recovered.hardState.commitIndex <= last);
  t.true((await lab.run(lab.disk.list('wal/damaged'))).includes('segment-0000000000000001'), 'kept aside');
  // Refilled by the leader, through another crash.
  await lab.run(wal.append({ entries: entries(last + 1, 6) }));
  lab.crash('power');
  const again = await lab.open(REPAIR);
  t.is(again.recovered.repairTo, 8, 'still known after a restart');
  t.is(again.recovered.entries.at(-1)?.index, 6);
  await lab.run(again.wal.append({ entries: entries(7, 9) }));
  await lab.run(again.wal.endRepair());
  lab.crash('power');
  const whole = await lab.open(REPAIR);
  t.is(whole.recovered.repairTo, undefined);
  t.is(whole.recovered.entries.length, 9);
  t.deepEqual(await lab.run(lab.disk.list('wal/damaged')), []);
});

test('a power cut at any moment of the repair is survived', async (t) => {
  for (let events = 1; events < 400; events += 7) {
    const lab = createLab(events);
    await written(lab, { last: 6 });
    lab.disk.flipBit(SEGMENT, 4 * 512 + 100);
    lab.crash('process');
    const opening = lab.open(REPAIR).catch(() => undefined);
    for (let i = 0; i < events && lab.world.runNext(); i += 1) await new Promise((resolve) => setImmediate(resolve));
    void opening;
    lab.crash('power');
    const { recovered } = await lab.open(REPAIR);
    t.is(recovered.repairTo, 6, `cut after ${events} events`);
    t.true((recovered.entries.at(-1)?.index ?? 0) < 6);
  }
});

test('without others to refill it, the start is refused and nothing is changed', async (t) => {
  const lab = createLab();
  await written(lab, { last: 6, voters: ['n1'] });
  lab.disk.flipBit(SEGMENT, 4 * 512 + 100);
  lab.crash('process');
  const before = await lab.run(lab.disk.list('wal'));
  await t.throwsAsync(lab.open(REPAIR), {
    code: 'WAL_CORRUPT',
    message: /No other node votes.*kontiki snapshot restore/,
  });
  t.deepEqual(
    (await lab.run(lab.disk.list('wal'))).filter((name) => !name.startsWith('repair')),
    before,
  );
});

test('where the newest vote may be lost, nothing is repaired: it could vote twice', async (t) => {
  const lab = createLab();
  await written(lab, { last: 6 });
  lab.disk.flipBit(SEGMENT, 7 * 512 + 100);
  lab.crash('process');
  await t.throwsAsync(lab.open(REPAIR), {
    code: 'WAL_CORRUPT',
    message: /cannot know how it voted; remove the node from the cluster/,
  });
});

test('any flipped bit in a middle segment leaves a prefix and the right bound, or is harmless', async (t) => {
  let repaired = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const lab = createLab(seed);
    await written(lab, { last: 25, bytes: 600 });
    const segment = `wal/segment-${String(1 + lab.prng.below(2)).padStart(16, '0')}`;
    lab.disk.flipBit(segment, lab.prng.below(8192), lab.prng.below(8));
    lab.crash('process');
    const { recovered } = await lab.open(REPAIR);
    const indexes = recovered.entries.map(({ index }) => index);
    t.deepEqual(
      indexes,
      Array.from(indexes, (_, i) => i + 1),
      `seed ${seed}: without a gap`,
    );
    if (recovered.repairTo === undefined) {
      t.is(indexes.length, 25);
      continue;
    }
    repaired += 1;
    t.is(recovered.repairTo, 25, `seed ${seed}`);
  }
  t.true(repaired > 10);
});

test('a snapshot that does not read any more: the log begins empty, for the leader to fill', async (t) => {
  const lab = createLab();
  await written(lab, { last: 9 });
  const { wal } = await lab.open();
  const meta = { index: 9, term: 1, configuration: configuration(['n1', 'n2']), configurationIndex: 1 };
  await lab.run(wal.saveSnapshot(meta, [new TextEncoder().encode('the state')]));
  await lab.run(
    wal.append({ entries: entries(10, 12), hardState: { currentTerm: 1, votedFor: 'n2', commitIndex: 11 } }),
  );
  await lab.run(wal.close());
  const file = (await lab.run(lab.disk.list('wal'))).find((name) => name.startsWith('snapshot-')) ?? '';
  lab.disk.flipBit(`wal/${file}`, 12);
  lab.crash('process');
  const { recovered } = await lab.open({ repair: { distrustSnapshots: true } });
  t.deepEqual(recovered.entries, []);
  t.is(recovered.snapshot, undefined);
  t.is(recovered.repairTo, 12);
});

test('a flipped bit anywhere in the note of a repair stops the start: nobody else knows how far this node acknowledged', async (t) => {
  for (let bit = 0; bit < 8 * 60; bit += 7) {
    const lab = createLab();
    await written(lab, { last: 8 });
    lab.disk.flipBit(SEGMENT, 5 * 512 + 100);
    lab.crash('process');
    await lab.open(REPAIR);
    lab.disk.flipBit('wal/repair.json', bit >> 3, bit & 7);
    lab.crash('process');
    await t.throwsAsync(lab.open(REPAIR), { code: 'WAL_CORRUPT', message: /repair\.json is damaged/ }, `bit ${bit}`);
  }
});
