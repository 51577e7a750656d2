import test from 'ava';
import type { ReplicaMutation } from '#src/replica/replica.ts';
import { createPrng } from '#src/sim/prng.ts';
import type { Fault } from '#src/std/fault.ts';
import type { Transaction } from '#src/store/command.ts';
import { drained } from '#test/support/virtual.ts';
import { Cluster } from './cluster.ts';

const RUN_MS = 4000;
const SEEDS = [11, 12, 13, 14];
const IDS = ['n1', 'n2', 'n3'];

/** Makes a key and counts: what happens twice is counted twice. */
const once = (key: string): Transaction => ({
  conditions: [],
  operations: [
    { type: 'put', key, head: new Uint8Array(300), tail: new Uint8Array(0) },
    { type: 'addBounded', key: 'made', delta: 1, max: 1_000_000 },
  ],
});

type Findings = { wrong: string[]; acknowledged: number; made: number };

/** One run from a seed; `wrong` says what must not have happened. */
async function simulate(seed: number, mutations: ReplicaMutation[] = []): Promise<Findings> {
  const prng = createPrng(seed);
  const cluster = await new Cluster({
    mutations,
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
        if (result?.ok !== true) return void wrong.push(`${key} was refused`);
        acknowledged.set(key, result.revisions[0]!);
        newest = Math.max(newest, result.revisions[0]!);
      },
      (fault: Fault) => {
        if (!(fault.code ?? '').startsWith('REPLICA_')) wrong.push(`${key}: ${fault.message}`);
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
    const leader = [...cluster.members.values()].find(({ replica }) => replica.status().role === 'leader')?.id;
    const id = prng.below(2) === 0 && leader !== undefined ? leader : IDS[prng.below(3)]!;
    if (prng.below(8) === 0) {
      // The power of the whole room, when the disks are behind.
      for (const { disk } of cluster.members.values()) disk.faults.syncDelayMs = 40;
      await cluster.run(60);
      for (const one of cluster.members.keys()) {
        cluster.crash(one);
        down.add(one);
      }
      for (const one of IDS) await cluster.start(one);
      down.clear();
    } else if (down.has(id)) {
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
  if (!(await cluster.converged())) wrong.push('states differ at the end');
  const { store } = cluster.member('n1').replica;
  for (const [key, revision] of acknowledged) {
    if (store.get(key)?.modRevision !== revision) wrong.push(`${key} was acknowledged at ${revision} and is lost`);
  }
  const { count } = store.range({ from: 'k', to: 'l', limit: 0 });
  if (store.counter('made') !== count) wrong.push(`${count} keys were made, ${store.counter('made')} were counted`);
  for (const { fatal } of cluster.members.values()) if (fatal !== undefined) wrong.push(fatal.message);
  return { wrong, acknowledged: acknowledged.size, made };
}

for (const seed of SEEDS) {
  test(`seed ${seed}: crashes, power cuts, partitions and slow disks lose nothing, repeat nothing, tear nothing`, async (t) => {
    const { wrong, acknowledged, made } = await simulate(seed);
    t.deepEqual(wrong, []);
    t.true(acknowledged > 100, `only ${acknowledged} writes of ${made} were acknowledged`);
    t.log(`${acknowledged} of ${made} writes acknowledged`);
  });
}

/** Planted mistakes, which some of this many seeds must find: what the runs above are worth. */
const MUTANT_SEEDS_MAX = 10;
for (const mutation of ['no-dedup', 'ack-before-sync'] as const) {
  test(`a few seeds find the mutant ${mutation}`, async (t) => {
    for (let seed = 11; seed < 11 + MUTANT_SEEDS_MAX; seed++) {
      // A run that cannot end well, since a member is stuck or dead, has found it too.
      const wrong = await simulate(seed, [mutation]).then(
        (findings) => findings.wrong,
        (error: Error) => [error.message],
      );
      if (wrong.length === 0) continue;
      t.log(`seed ${seed}: ${wrong[0]!.split('\n')[0]}`);
      t.pass();
      return;
    }
    t.fail(`not found by ${MUTANT_SEEDS_MAX} seeds`);
  });
}
