import test from 'ava';
import { createPrng } from '#src/sim/prng.ts';
import type { Fault } from '#src/std/fault.ts';
import type { Transaction } from '#src/store/command.ts';
import { drained } from '#test/support/virtual.ts';
import { Cluster } from './cluster.ts';

const RUN_MS = 4000;
const SEEDS = [11, 12, 13, 14];
const IDS = ['n1', 'n2', 'n3'];

/** Makes a key that must not be there, and counts: if it happened twice, the second would fail. */
const once = (key: string): Transaction => ({
  conditions: [{ type: 'absent', key }],
  operations: [
    { type: 'put', key, head: new Uint8Array(300), tail: new Uint8Array(0) },
    { type: 'addBounded', key: 'made', delta: 1, max: 1_000_000 },
  ],
});

for (const seed of SEEDS) {
  test(`seed ${seed}: crashes, power cuts, partitions and slow disks lose nothing, repeat nothing, tear nothing`, async (t) => {
    const prng = createPrng(seed);
    const cluster = await new Cluster({
      seed,
      settings: { snapshotEntries: 150, trailingEntries: 10, retainMs: 2000 },
    }).up();
    const { world } = cluster;
    const acknowledged = new Map<string, number>();
    const hashes = new Map<number, number>();
    const wrong: string[] = [];
    let newest = 0;
    let made = 0;

    const client = (): void => {
      if (world.nowMs() > RUN_MS) return;
      const member = cluster.members.get(IDS[prng.below(3)]!);
      world.after(1 + prng.below(30), client);
      if (member === undefined) return;
      const { replica } = member;
      if (prng.below(4) === 0) {
        const atLeast = newest;
        replica.confirm({ type: 'linearizable' }, { deadlineMs: 1500 }).then(
          (view) => {
            if (view.revision < atLeast) wrong.push(`read at ${view.revision} after ${atLeast} was acknowledged`);
          },
          () => undefined,
        );
        return;
      }
      const key = `k${made++}`;
      replica.propose([once(key)], { deadlineMs: 1500 }).then(
        ([result]) => {
          if (result?.ok !== true) return void wrong.push(`${key} was made twice`);
          acknowledged.set(key, result.revisions[0]!);
          newest = Math.max(newest, result.revisions[0]!);
        },
        (fault: Fault) => {
          if (!/^REPLICA_/.test(fault.code ?? '')) wrong.push(`${key}: ${fault.message}`);
        },
      );
    };
    for (let clients = 0; clients < 6; clients++) client();

    const down = new Set<string>();
    const isolated = new Set<string>();
    let nextFault = 600;
    while (world.nowMs() < RUN_MS) {
      world.runNext();
      await drained();
      for (const { replica } of cluster.members.values()) {
        const { appliedIndex } = replica.store;
        const hash = replica.store.stateHash();
        if ((hashes.get(appliedIndex) ?? hash) !== hash) wrong.push(`states differ at index ${appliedIndex}`);
        hashes.set(appliedIndex, hash);
      }
      if (world.nowMs() < nextFault) continue;
      nextFault += 150 + prng.below(500);
      const id = IDS[prng.below(3)]!;
      if (down.has(id)) {
        await cluster.start(id);
        down.delete(id);
      } else if (isolated.has(id)) {
        cluster.isolate(id, false);
        isolated.delete(id);
      } else if (prng.below(2) === 0) {
        cluster.crash(id);
        down.add(id);
      } else if (prng.below(3) === 0) {
        cluster.member(id).disk.faults.syncDelayMs = prng.below(60);
      } else {
        cluster.isolate(id);
        isolated.add(id);
      }
    }
    for (const id of isolated) cluster.isolate(id, false);
    for (const id of down) await cluster.start(id);
    await cluster.run(2000);
    t.true(await cluster.converged(), 'states differ at the end');
    const { store } = cluster.member('n1').replica;
    for (const [key, revision] of acknowledged) {
      if (store.get(key)?.modRevision !== revision) wrong.push(`${key} was acknowledged at ${revision} and is lost`);
    }
    t.deepEqual(wrong, []);
    t.is(store.counter('made'), store.range({ from: 'k', to: 'l', limit: 0 }).count);
    t.true(acknowledged.size > 100, `only ${acknowledged.size} writes of ${made} were acknowledged`);
    t.log(`${acknowledged.size} of ${made} writes acknowledged, term ${cluster.member('n1').replica.status().term}`);
    t.deepEqual(
      [...cluster.members.values()].map(({ fatal }) => fatal?.message),
      [undefined, undefined, undefined],
    );
  });
}
