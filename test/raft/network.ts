/**
 * A whole cluster of cores in memory, for tests: a bag of messages, disks that sync when they are told,
 * snapshots on their way, and the checks after every step. Deterministic: everything comes from the seed.
 */
import { bootstrapState, RAFT_DEFAULTS } from '#src/raft/raft.ts';
import type { Raft, RaftConfig, RaftMutation } from '#src/raft/raft.ts';
import type { ConfigurationChange, Message, NodeId } from '#src/raft/types.ts';
import { createPrng } from '#src/sim/prng.ts';
import type { Prng } from '#src/sim/prng.ts';
import { Checks } from './checks.ts';
import { plantedMutations } from './plant.ts';
import { Member } from './member.ts';
import type { Surroundings, Transfer } from './member.ts';

/** Messages delivered until a cluster that should be quiet is called noisy. */
const SETTLE_STEPS_MAX = 100_000;

export type Envelope = { from: NodeId; to: NodeId } & (
  | { kind: 'message'; message: Message }
  | { kind: 'snapshot'; transfer: Transfer }
  | { kind: 'snapshotEnd'; transfer: Transfer; ok: boolean }
);

export interface NetworkOptions {
  voters: NodeId[];
  seed?: number;
  config?: Partial<RaftConfig>;
  mutations?: RaftMutation[];
  started?: Surroundings['started'];
  mark?: Surroundings['mark'];
}

export class Network {
  readonly members = new Map<NodeId, Member>();
  readonly checks = new Checks();
  readonly prng: Prng;
  bag: Envelope[] = [];
  /** Messages from and to these do not arrive: "from>to". */
  readonly cut = new Set<string>();
  /** For scripts: true loses the envelope when it is sent. */
  loses: (envelope: Envelope) => boolean = () => false;
  /** ReadIndex answers, by id: the index, or undefined while it waits. */
  readonly reads = new Map<number, { floor: number; index: number | undefined }>();
  /** True time, in ticks; only `tickAll` moves it. */
  nowTicks = 0;
  #readId = 0;
  readonly #around: Surroundings;

  constructor({ voters, seed = 1, config = {}, mutations = plantedMutations(), started, mark }: NetworkOptions) {
    this.prng = createPrng(seed, 'raft');
    const timeouts = this.prng.fork('timeouts');
    this.#around = {
      nowMs: () => this.nowTicks,
      config: { ...RAFT_DEFAULTS, ...config, mutations: new Set(mutations) },
      started,
      mark,
      randomBelow: (bound) => timeouts.below(bound),
      send: (from, { to, message }) => {
        this.checks.sent(from, to, message);
        this.#put({ kind: 'message', from, to, message });
      },
      offerSnapshot: (transfer) => this.#put({ kind: 'snapshot', from: transfer.from, to: transfer.to, transfer }),
      snapshotEnded: (transfer, ok) => this.#endTransfer(transfer, ok),
      applied: (by, entry) => this.checks.applied(by, entry),
      readDone: (by, { id, index }) => this.#readDone(by, id, index),
    };
    const addresses = Object.fromEntries(voters.map((id) => [id, id]));
    for (const id of voters) {
      const begin = bootstrapState({ voters, votersOutgoing: [], learners: [], addresses });
      this.#enter(new Member(id, this.#around, begin));
    }
  }

  // ── nodes ───────────────────────────────────────────────────────────────────────────────────

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (!member) throw new Error(`there is no ${id}`);
    return member;
  }

  /** The core of a node that is up. */
  raft(id: NodeId): Raft {
    const { raft } = this.member(id);
    if (!raft) throw new Error(`${id} is down`);
    return raft;
  }

  /** The leader of the highest term. */
  get leader(): Raft | undefined {
    const leaders = [...this.members.values()].flatMap(({ raft }) => (raft?.role === 'leader' ? raft : []));
    return leaders.toSorted((a, b) => b.currentTerm - a.currentTerm)[0];
  }

  /** A node with an empty disk, not yet part of any configuration. */
  addEmpty(id: NodeId): void {
    this.#enter(new Member(id, this.#around));
  }

  crash(id: NodeId, survive = 0): void {
    this.member(id).crash(survive);
    this.check();
  }

  restart(id: NodeId): void {
    this.member(id).start();
    this.check();
  }

  /** Change a core and check. */
  drive<T>(id: NodeId, act: (raft: Raft) => T): T {
    let result: T | undefined;
    this.member(id).drive((raft) => {
      result = act(raft);
    });
    this.check();
    return result as T;
  }

  propose(id: NodeId, text: string): boolean {
    return this.drive(id, (raft) => raft.propose([new TextEncoder().encode(text)])).accepted;
  }

  change(id: NodeId, change: ConfigurationChange): boolean {
    return this.drive(id, (raft) => raft.proposeConfiguration(change)).accepted;
  }

  /** Begin a linearizable read; undefined when no leader is known there. Its answer comes into `reads`. */
  read(id: NodeId): number | undefined {
    const read = (this.#readId += 1);
    this.reads.set(read, { floor: this.checks.committedIndex, index: undefined });
    return this.drive(id, (raft) => raft.readIndex(read)) ? read : undefined;
  }

  /** One tick of true time, seen by everybody: leases rest on clocks that run alike. */
  tickAll(): void {
    this.nowTicks += 1;
    for (const id of this.members.keys()) this.tick(id);
  }

  tick(id: NodeId): void {
    this.drive(id, (raft) => raft.tick());
  }

  // ── the wire ────────────────────────────────────────────────────────────────────────────────

  /** Cut all links between these and the rest. */
  isolate(...ids: NodeId[]): void {
    for (const id of this.members.keys()) {
      if (ids.includes(id)) continue;
      for (const one of ids) this.cut.add(`${one}>${id}`).add(`${id}>${one}`);
    }
  }

  heal(): void {
    this.cut.clear();
    this.loses = () => false;
  }

  /** Deliver one envelope of the bag; a copy stays when it is `repeated`. */
  deliver(at: number, repeated = false): void {
    const envelope = this.bag[at];
    if (!envelope) return;
    if (!repeated || envelope.kind !== 'message') this.bag.splice(at, 1);
    const { from, to } = envelope;
    const member = this.members.get(to);
    const lost = this.cut.has(`${from}>${to}`) || !member?.up;
    if (envelope.kind === 'snapshotEnd') {
      member?.drive((raft) => raft.snapshotSent(envelope.transfer.to, envelope.ok));
    } else if (lost || !member) {
      if (envelope.kind === 'snapshot') this.#endTransfer(envelope.transfer, false);
    } else if (envelope.kind === 'snapshot') {
      member.receiveSnapshot(envelope.transfer);
    } else {
      member.receive(from, envelope.message);
    }
    this.check();
  }

  // ── runs without faults of their own ────────────────────────────────────────────────────────

  /** Deliver, sync and apply in order until nothing is left to do. */
  settle(): void {
    for (let steps = 0; ; steps += 1) {
      if (steps > SETTLE_STEPS_MAX) throw new Error(`not quiet after ${steps} steps`);
      this.deliver(0);
      let busy = this.bag.length > 0;
      for (const member of this.members.values()) {
        busy = member.sync() || busy;
        busy = member.apply() || busy;
      }
      this.check();
      if (!busy) return;
    }
  }

  /** Ticks of all nodes, everything delivered after each, until it holds. False when it does not within `ticks`. */
  run(ticks: number, until: () => boolean = () => false): boolean {
    for (let i = 0; i < ticks; i += 1) {
      this.settle();
      if (until()) return true;
      this.tickAll();
    }
    this.settle();
    return until();
  }

  /** Make this node the leader: it alone times out. */
  elect(id: NodeId): Raft {
    for (let ticks = 0; this.raft(id).role !== 'leader'; ticks += 1) {
      if (ticks > 60) throw new Error(`${id} is not elected`);
      this.tick(id);
      // The others have to believe that the old leader is silent.
      for (const [other, { raft }] of this.members) if (other !== id && raft?.role !== 'leader') this.forget(other);
      this.settle();
    }
    return this.raft(id);
  }

  /** Let this node believe that its leader is away, without a candidacy of its own. */
  forget(id: NodeId): void {
    this.drive(id, (raft) => {
      if (raft.leader !== undefined) raft.unreachable(raft.leader);
    });
  }

  check(): void {
    this.checks.check(this.members.values());
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────

  #enter(member: Member): void {
    this.members.set(member.id, member);
    member.start();
  }

  #put(envelope: Envelope): void {
    if (!this.loses(envelope)) this.bag.push(envelope);
    else if (envelope.kind === 'snapshot') this.#endTransfer(envelope.transfer, false);
  }

  /** The sender always learns of the end: its driver has a timeout. */
  #endTransfer(transfer: Transfer, ok: boolean): void {
    this.bag.push({ kind: 'snapshotEnd', from: transfer.to, to: transfer.from, transfer, ok });
  }

  #readDone(by: NodeId, id: number, index: number): void {
    const read = this.reads.get(id);
    if (!read) throw new Error(`${by} has an answer to read ${id}, which nobody asked`);
    if (index < read.floor) throw new Error(`read ${id} of ${by} sees ${index}; ${read.floor} was committed before it`);
    read.index = index;
  }
}
