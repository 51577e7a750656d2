/**
 * Consensus on this log: three nodes with lossy links and crashing disks. What one node has applied
 * stands at that index on every node for ever, through power cuts, kill -9 and snapshots.
 */
import test from 'ava';

import { bootstrapState, Raft, RAFT_DEFAULTS } from '#src/raft/raft.ts';
import type { Entry, Message, NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { createWorld, type NodeClock, type World } from '#src/sim/clock.ts';
import { createSimDisk, type DiskMedium, type SimDisk } from '#src/sim/disk.ts';
import { createSimLog } from '#src/sim/log.ts';
import { createPrng, type Prng } from '#src/sim/prng.ts';
import { openWal, type Wal, type WalOptions } from '#src/wal/wal.ts';
import { readAll, walOptions } from '#test/support/wal-lab.ts';
import { runFor } from '#test/support/virtual.ts';

const names = ['n1', 'n2', 'n3'];
const addresses = Object.fromEntries(names.map((name) => [name, name]));
const bootstrap = bootstrapState({ voters: names, votersOutgoing: [], learners: [], addresses });
const snapshotEvery = 15;

interface Cluster {
  world: World;
  prng: Prng;
  nodes: Map<NodeId, Node>;
  /** By index: what some node has applied there. */
  truth: Map<number, string>;
  problems: string[];
}

/** One incarnation of a node. */
class Node {
  readonly #name: NodeId;
  readonly #cluster: Cluster;
  readonly #clock: NodeClock;
  readonly #disk: SimDisk;
  readonly #mutations: ReadonlySet<string>;
  #wal!: Wal;
  raft: Raft | undefined;
  applied: string[] = [];
  #saved = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  #saving = false;

  constructor(cluster: Cluster, name: NodeId, options: { medium?: DiskMedium; mutations: ReadonlySet<string> }) {
    this.#name = name;
    this.#cluster = cluster;
    this.#mutations = options.mutations;
    this.#clock = cluster.world.clock();
    const medium = options.medium === undefined ? {} : { medium: options.medium };
    this.#disk = createSimDisk({ clock: this.#clock, prng: cluster.prng, syncMs: 10, ...medium });
    this.#start().catch((error: unknown) => cluster.problems.push(`${name}: ${String(error)}`));
  }

  crash(): DiskMedium {
    this.raft = undefined;
    this.#clock.revoke();
    return this.#disk.crash(this.#cluster.prng.chance(0.7) ? 'power' : 'process');
  }

  receive(from: NodeId, message: Message): void {
    if (this.#saving && message.type === 'append') return;
    this.raft?.receive(from, message);
    this.#pump();
  }

  propose(text: string): void {
    this.raft?.propose([new TextEncoder().encode(text)]);
    this.#pump();
  }

  async install(from: NodeId, meta: SnapshotMeta, bytes: Uint8Array): Promise<void> {
    if (this.raft === undefined || this.#saving || meta.index <= this.raft.commitIndex) return;
    this.#saving = true;
    await this.#wal.saveSnapshot(meta, [bytes]);
    this.#saving = false;
    if (meta.index > this.raft.commitIndex) {
      this.raft.snapshotInstalled(from, meta);
      this.#restore(meta, bytes);
    }
    this.#pump();
  }

  async #start(): Promise<void> {
    const log = createSimLog(this.#clock);
    const options: WalOptions = { ...walOptions({ disk: this.#disk, log }), nodeId: this.#name, clock: this.#clock };
    const { wal, recovered } = await openWal({ ...options, mutations: this.#mutations });
    this.#wal = wal;
    const fresh = recovered.entries.length === 0 && recovered.snapshot === undefined;
    if (fresh) await wal.append(bootstrap);
    const snapshot = await wal.openSnapshot();
    if (snapshot !== undefined) this.#restore(snapshot.meta, await readAll(snapshot.read()));
    this.raft = new Raft({
      id: this.#name,
      config: RAFT_DEFAULTS,
      randomBelow: (bound) => this.#cluster.prng.below(bound),
      recovered: fresh ? { ...bootstrap, snapshot: undefined } : recovered,
    });
    this.#tick();
  }

  #tick(): void {
    this.#clock.after(10, () => {
      this.raft?.tick();
      this.#pump();
      this.#tick();
    });
  }

  #pump(): void {
    for (let ready = this.raft?.ready(); ready !== undefined; ready = this.raft?.ready()) {
      const { id, hardState, entries, messages, messagesAfterPersist, committed, snapshotsFor } = ready;
      this.#send(messages);
      // Also a promise without data of its own rests on the writes under way.
      if (hardState !== undefined) this.#lastWrite = this.#wal.append({ entries, hardState });
      const durable = this.#lastWrite;
      durable.then(
        () => {
          this.#send(messagesAfterPersist);
          if (hardState !== undefined) this.raft?.persisted(id);
          if (hardState !== undefined) this.#pump();
        },
        (error: unknown) => this.#cluster.problems.push(`${this.#name}: ${String(error)}`),
      );
      for (const to of snapshotsFor) void this.#sendSnapshot(to);
      this.#apply(committed);
    }
  }

  #send(messages: { to: NodeId; message: Message }[]): void {
    const { world, prng, nodes } = this.#cluster;
    for (const { to, message } of messages) {
      if (prng.chance(0.02)) continue;
      world.after(1 + prng.below(4), () => nodes.get(to)?.receive(this.#name, message));
    }
  }

  #apply(committed: Entry[]): void {
    for (const { index, data } of committed) {
      const text = new TextDecoder().decode(data);
      const known = this.#cluster.truth.get(index) ?? text;
      if (known !== text) this.#cluster.problems.push(`${this.#name} applies ${text} at ${index}, not ${known}`);
      this.#cluster.truth.set(index, known);
      this.applied[index] = text;
    }
    const last = committed.at(-1)?.index;
    if (last === undefined) return;
    this.raft?.applied(last);
    if (last - this.#saved > snapshotEvery && !this.#saving) void this.#saveSnapshot(last);
  }

  async #saveSnapshot(index: number): Promise<void> {
    const raft = this.raft;
    if (raft === undefined) return;
    this.#saving = true;
    this.#saved = index;
    const { configuration } = raft;
    const meta = { index, term: raft.log.termAt(index) ?? 0, configuration, configurationIndex: 1 };
    await this.#wal.saveSnapshot(meta, [new TextEncoder().encode(JSON.stringify(this.applied.slice(0, index + 1)))]);
    this.#saving = false;
    raft.compact(meta.index - 3);
  }

  async #sendSnapshot(to: NodeId): Promise<void> {
    const snapshot = await this.#wal.openSnapshot();
    if (snapshot === undefined) return void this.#cluster.problems.push(`${this.#name} has no snapshot to send`);
    const bytes = await readAll(snapshot.read());
    await this.#cluster.nodes.get(to)?.install(this.#name, snapshot.meta, bytes);
    this.raft?.snapshotSent(to, true);
    this.#pump();
  }

  #restore(meta: SnapshotMeta, bytes: Uint8Array): void {
    this.applied = JSON.parse(new TextDecoder().decode(bytes)) as string[];
    this.#saved = meta.index;
  }
}

async function history(seed: number, mutations: ReadonlySet<string> = new Set()): Promise<Cluster> {
  const world = createWorld();
  const prng = createPrng(seed);
  const cluster: Cluster = { world, prng, nodes: new Map(), truth: new Map(), problems: [] };
  for (const name of names) cluster.nodes.set(name, new Node(cluster, name, { mutations }));
  try {
    await crashesAndProposals(cluster, seed, mutations);
  } catch (error) {
    // The core checks itself: an entry that vanished from a leader trips one of its assertions.
    cluster.problems.push(String(error));
  }
  return cluster;
}

async function crashesAndProposals(cluster: Cluster, seed: number, mutations: ReadonlySet<string>): Promise<void> {
  const { world, prng } = cluster;
  for (let round = 0; round < 40 && cluster.problems.length === 0; round += 1) {
    for (const node of cluster.nodes.values()) node.propose(`${seed}/${round}`);
    await runFor(world, prng.chance(0.3) ? 5 + prng.below(15) : 20 + prng.below(200));
    const victims = prng.chance(0.15) ? names : names.filter(() => prng.chance(0.1));
    for (const name of victims) {
      const medium = cluster.nodes.get(name)!.crash();
      cluster.nodes.set(name, new Node(cluster, name, { medium, mutations }));
    }
  }
  await runFor(world, 1000);
}

/** Undefined when nothing that was applied anywhere is different or gone. */
function complaint({ problems, truth, nodes }: Cluster): string | undefined {
  for (const [name, { applied }] of nodes) {
    const wrong = [...truth].find(([index, text]) => (applied[index] ?? text) !== text);
    if (wrong !== undefined) return `${name} has ${applied[wrong[0]]} at ${wrong[0]}, not ${wrong[1]}`;
  }
  const whole = [...nodes.values()].some(({ applied }) => applied.length > truth.size);
  return problems[0] ?? (whole ? undefined : 'nobody has all that was applied');
}

test('three nodes agree on every index through crashes, lost messages and snapshots', async (t) => {
  let committed = 0;
  for (let seed = 1; seed <= 8; seed += 1) {
    const cluster = await history(seed);
    t.is(complaint(cluster), undefined, `seed ${seed}`);
    committed += cluster.truth.size;
  }
  t.true(committed > 100, `only ${committed} entries were committed`);
});

test('acknowledging before the sync is noticed', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    if (complaint(await history(seed, new Set(['ack-before-sync']))) !== undefined) return t.pass();
  }
  t.fail('twenty histories did not notice it');
});
