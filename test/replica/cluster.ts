/** Replicas of one group in one process over virtual time, simulated disks and a plain network that can be cut. */
import type { CommandRange } from '#src/store/codec.ts';
import type { NodeId } from '#src/raft/types.ts';
import { createReplica } from '#src/replica/replica.ts';
import type { Replica, ReplicaMutation, ReplicaSettings } from '#src/replica/replica.ts';
import { createWorld } from '#src/sim/clock.ts';
import type { NodeClock, World } from '#src/sim/clock.ts';
import { createSimDisk } from '#src/sim/disk.ts';
import type { DiskMedium, SimDisk } from '#src/sim/disk.ts';
import { createSimLog } from '#src/sim/log.ts';
import type { SimLog } from '#src/sim/log.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { Fault } from '#src/std/fault.ts';
import type { Transaction } from '#src/store/command.ts';
import { decodePeerFrame, encodeFrame } from '#src/wire/frames.ts';
import type { Peers, PeerState } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { drained } from '#test/support/virtual.ts';

const LATENCY_MS = 0.5;

export type Member = {
  id: NodeId;
  clock: NodeClock;
  disk: SimDisk;
  log: SimLog;
  replica: Replica;
  net: FakePeers;
  fatal: Fault | undefined;
};

/** Messages, requests and streams of one node; both directions can be cut. */
class FakePeers implements Peers {
  readonly self: NodeId;
  readonly #network: FakeNetwork;
  readonly messages = new Map<string, (from: NodeId, message: unknown) => void>();
  readonly requests = new Map<string, (from: NodeId, payload: unknown) => Promise<unknown>>();
  readonly streams = new Map<string, (from: NodeId, header: unknown, stream: ByteStream) => Promise<void>>();
  readonly disconnects: ((name: NodeId, reason: string) => void)[] = [];

  constructor(network: FakeNetwork, self: NodeId) {
    this.#network = network;
    this.self = self;
  }

  send(to: NodeId, channel: string, message: unknown): void {
    const frame = encodeFrame([['m', channel, message]]);
    this.#network.deliver(this.self, to, (peers) => {
      opened(frame, (copy) => peers.messages.get(channel)?.(this.self, copy));
    });
  }

  onMessage(channel: string, handle: (from: NodeId, message: unknown) => void): void {
    this.messages.set(channel, handle);
  }

  request(to: NodeId, method: string, payload: unknown, { timeoutMs }: { timeoutMs: number }): Promise<unknown> {
    if (!this.#network.linked(this.self, to))
      return Promise.reject(new Fault('WIRE_UNREACHABLE', `no link to ${to}`, 'later'));
    const frame = encodeFrame([['m', method, payload]]);
    return new Promise((resolve, reject) => {
      this.#network.world.after(timeoutMs, () => reject(new Fault('WIRE_TIMEOUT', `${to} is silent`, 'later')));
      this.#network.deliver(this.self, to, (peers) => {
        const handler = peers.requests.get(method);
        if (handler === undefined) return;
        const answer = opened(frame, (copy) => handler(this.self, copy));
        answer.then(
          (value) => this.#network.deliver(to, this.self, () => resolve(value)),
          (error: Error) => this.#network.deliver(to, this.self, () => reject(error)),
        );
      });
    });
  }

  onRequest(method: string, handle: (from: NodeId, payload: unknown) => Promise<unknown>): void {
    this.requests.set(method, handle);
  }

  openStream(to: NodeId, method: string, header: unknown): Promise<ByteStream> {
    if (!this.#network.linked(this.self, to))
      return Promise.reject(new Fault('WIRE_UNREACHABLE', `no link to ${to}`, 'later'));
    const near = new FakeStream();
    const far = new FakeStream();
    near.other = far;
    far.other = near;
    this.#network.streams.push({ ends: [this.self, to], near, far });
    near.pass = (act) => this.#network.deliver(this.self, to, act);
    far.pass = (act) => this.#network.deliver(to, this.self, act);
    near.pass(() => {
      const handler = this.#network.peers.get(to)!.streams.get(method)!;
      handler(this.self, structuredClone(header), far).catch((error: unknown) => far.cancel(String(error)));
    });
    return Promise.resolve(near);
  }

  onStream(method: string, handle: (from: NodeId, header: unknown, stream: ByteStream) => Promise<void>): void {
    this.streams.set(method, handle);
  }

  setAddress(): void {
    // Everyone is reachable by name here.
  }

  /** Round-trip times as the links would have measured them. */
  readonly rtts = new Map<NodeId, number>();

  states(): PeerState[] {
    return [...this.rtts].map(([name, rttMs]) => ({ name, address: `${name}:1`, connected: true, rttMs }));
  }

  onDisconnect(handle: (name: NodeId, reason: string) => void): void {
    this.disconnects.push(handle);
  }
}

/** Real frames; their bytes are valid during the call only, as the Network port says. */
function opened<T>(frame: Uint8Array, use: (message: unknown) => T): T {
  try {
    return use(decodePeerFrame(frame)[0]![2]);
  } finally {
    frame.fill(0xee);
  }
}

class FakeStream implements ByteStream {
  other: FakeStream | undefined;
  pass: (act: () => void) => void = () => undefined;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #dead: string | undefined;
  #wake: (() => void) | undefined;
  readonly #writing = new Set<() => void>();

  write(chunk: Uint8Array): Promise<void> {
    if (this.#dead !== undefined) return Promise.reject(new Fault('WIRE_LOST', this.#dead, 'later'));
    const copy = chunk.slice();
    return new Promise((resolve, reject) => {
      const lose = (): void => reject(new Fault('WIRE_LOST', 'the link was lost', 'later'));
      this.#writing.add(lose);
      this.pass(() => {
        this.#writing.delete(lose);
        this.other!.#take(() => this.other!.#chunks.push(copy));
        resolve();
      });
    });
  }

  end(): void {
    this.pass(() => this.other!.#take(() => (this.other!.#ended = true)));
  }

  cancel(reason: string): void {
    this.#take(() => (this.#dead ??= reason));
    this.pass(() => this.other!.#take(() => (this.other!.#dead ??= reason)));
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) return chunk;
      if (this.#dead !== undefined) throw new Fault('WIRE_CANCELLED', this.#dead, 'later');
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  onClose(): void {
    // Nobody here asks.
  }

  /** The link is gone: also a write that was under way ends. */
  die(): void {
    this.#take(() => (this.#dead ??= 'the link was lost'));
    for (const lose of this.#writing) lose();
  }

  #take(change: () => void): void {
    change();
    this.#wake?.();
  }
}

class FakeNetwork {
  readonly world: World;
  readonly peers = new Map<NodeId, FakePeers>();
  readonly cut = new Set<string>();
  readonly streams: { ends: [NodeId, NodeId]; near: FakeStream; far: FakeStream }[] = [];

  constructor(world: World) {
    this.world = world;
  }

  linked(from: NodeId, to: NodeId): boolean {
    return this.peers.has(to) && this.peers.has(from) && !this.cut.has(`${from}>${to}`);
  }

  disconnect(a: NodeId, b: NodeId): void {
    for (const [self, other] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const handle of this.peers.get(self)?.disconnects ?? []) handle(other, 'cut');
    }
    for (const { ends, near, far } of this.streams) {
      if (!ends.includes(a) || !ends.includes(b)) continue;
      near.die();
      far.die();
    }
  }

  deliver(from: NodeId, to: NodeId, act: (peers: FakePeers) => void): void {
    const target = this.peers.get(to);
    const source = this.peers.get(from);
    if (target === undefined || !this.linked(from, to)) return;
    this.world.after(LATENCY_MS, () => {
      // To another incarnation, or of one that is gone, nothing is delivered.
      if (this.peers.get(to) === target && this.peers.get(from) === source && this.linked(from, to)) act(target);
    });
  }
}

export class Cluster {
  readonly world = createWorld();
  readonly network = new FakeNetwork(this.world);
  readonly members = new Map<NodeId, Member>();
  readonly #media = new Map<NodeId, DiskMedium>();
  readonly #prng;
  readonly #settings: Partial<ReplicaSettings>;
  readonly #mutations: ReadonlySet<ReplicaMutation>;
  readonly #voters: NodeId[];
  /** Command versions of the release each node runs at its next start; absent: this program's. */
  readonly releases = new Map<NodeId, CommandRange>();
  /** Marks hit, by name. */
  readonly marks = new Map<string, number>();

  constructor(
    options: {
      seed?: number;
      voters?: NodeId[];
      settings?: Partial<ReplicaSettings>;
      mutations?: ReplicaMutation[];
    } = {},
  ) {
    this.#prng = createPrng(options.seed ?? 1);
    this.#settings = options.settings ?? {};
    this.#mutations = new Set(options.mutations ?? []);
    this.#voters = options.voters ?? ['n1', 'n2', 'n3'];
  }

  /** All voters, started; every one bootstraps with the same configuration. */
  async up(): Promise<this> {
    for (const id of this.#voters) await this.start(id);
    return this;
  }

  async start(id: NodeId, options: { joins?: boolean } = {}): Promise<Member> {
    const clock = this.world.clock();
    const prng = createPrng(this.#prng.below(2 ** 31));
    const medium = this.#media.get(id);
    const disk = createSimDisk({ clock, prng, ...(medium === undefined ? {} : { medium }) });
    const log = createSimLog(clock);
    const net = new FakePeers(this.network, id);
    this.network.peers.set(id, net);
    const addresses = Object.fromEntries(this.#voters.map((voter) => [voter, `${voter}:1`]));
    const release = this.releases.get(id);
    const member = { id, clock, disk, log, net, fatal: undefined as Fault | undefined };
    const creating = createReplica({
      ports: { clock, disk, log, random: createSimRandom(prng) },
      directory: 'raft',
      clusterId: 'c1',
      self: id,
      peers: net,
      config: {
        settings: this.#settings,
        walSegmentBytes: 1024 * 1024,
        ...(options.joins === true ? {} : { bootstrap: { voters: this.#voters, addresses } }),
      },
      mutations: this.#mutations,
      ...(release === undefined ? {} : { release: { commands: release } }),
      mark: (mark) => this.marks.set(mark, (this.marks.get(mark) ?? 0) + 1),
      onFatal: (fault) => (started.fatal = fault),
    });
    const started: Member = Object.assign(member, { replica: await this.settle(creating) });
    this.members.set(id, started);
    started.replica.start();
    return started;
  }

  /** kill -9, by default with a power cut at once. */
  crash(id: NodeId, how: 'power' | 'process' = 'power'): void {
    const member = this.member(id);
    this.network.peers.delete(id);
    for (const other of this.network.peers.keys()) this.network.disconnect(other, id);
    this.#media.set(id, member.disk.crash(how));
    member.clock.revoke();
    this.members.delete(id);
  }

  isolate(id: NodeId, cut = true): void {
    for (const other of new Set([...this.#voters, ...this.network.peers.keys()])) {
      for (const way of [`${id}>${other}`, `${other}>${id}`]) {
        if (other === id) continue;
        if (cut) this.network.cut.add(way);
        else this.network.cut.delete(way);
      }
      // A link that loses frames closes; both ends notice.
      if (cut && other !== id) this.network.disconnect(id, other);
    }
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`${id} is not running`);
    return member;
  }

  /** Run until it holds, at most `withinMs` of virtual time. */
  async until(holds: () => boolean, withinMs = 10_000): Promise<void> {
    const end = this.world.nowMs() + withinMs;
    await drained();
    while (!holds()) {
      if (this.world.nowMs() > end || !this.world.runNext())
        throw new Error(`still not so after ${withinMs} ms: ${holds.toString()}\n${this.tell()}`);
      await drained();
    }
  }

  async run(ms: number): Promise<void> {
    const end = this.world.nowMs() + ms;
    await this.until(() => this.world.nowMs() >= end, ms + 1000);
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const noted = promise.finally(() => (done = true));
    noted.catch(() => undefined);
    await this.until(() => done, 60_000);
    return noted;
  }

  /** The leader whose no-op all running members have applied. */
  async leader(): Promise<Member> {
    let found: Member | undefined;
    await this.until(() => {
      const all = [...this.members.values()];
      const best = Math.max(...all.map(({ replica }) => replica.status().term));
      found = all.find(({ replica }) => replica.status().role === 'leader' && replica.status().term === best);
      return found !== undefined && found.replica.status().appliedIndex > 1;
    });
    return found!;
  }

  async followers(): Promise<Member[]> {
    const leader = await this.leader();
    return [...this.members.values()].filter((member) => member !== leader);
  }

  /** Wait until all running members have applied the same and say whether their states are equal. */
  async converged(): Promise<boolean> {
    const all = [...this.members.values()].map(({ replica }) => replica);
    await this.until(() => {
      const commit = Math.max(...all.map((replica) => replica.status().commitIndex));
      return all.every((replica) => replica.status().appliedIndex === commit);
    });
    return new Set(all.map(({ store }) => `${store.stateHash()} ${store.deepHash()}`)).size === 1;
  }

  tell(): string {
    const lines = [...this.members.values()].map(({ id, replica, log, fatal }) => {
      const { role, term, leader, commitIndex, appliedIndex, lastIndex } = replica.status();
      const last = log.lines
        .slice(-5)
        .map((line) => `    ${line.atMs.toFixed(1)} ${line.message} ${JSON.stringify(line.fields)}`);
      return [
        `  ${id} ${role} term ${term} leader ${leader} applied ${appliedIndex}/${commitIndex}/${lastIndex} ${fatal?.message ?? ''}`,
        ...last,
      ].join('\n');
    });
    return lines.join('\n');
  }
}

export const put = (key: string, size = 8): Transaction => ({
  conditions: [],
  operations: [{ type: 'put', key, head: new Uint8Array(size).fill(97), tail: new Uint8Array(0) }],
});

export const create = (key: string): Transaction => ({ ...put(key), conditions: [{ type: 'absent', key }] });
