/**
 * The cluster of a transcript: members of ../member.ts, links that hold what is sent until it is delivered,
 * disks that are durable when the script says so, and the checks of ../checks.ts after every command.
 */
import { bootstrapState, RAFT_DEFAULTS } from '#src/raft/raft.ts';
import type { Raft, RaftConfig, RaftMutation } from '#src/raft/raft.ts';
import type { Entry, Message, NodeId } from '#src/raft/types.ts';
import { Checks } from '../checks.ts';
import { configurationOf, entry } from '../core.ts';
import { Member } from '../member.ts';
import type { Surroundings, Transfer } from '../member.ts';
import { formatMessage, formatReady, formatTransfer } from './format.ts';

const STABILIZE_STEPS_MAX = 10_000;

export type Envelope = { from: NodeId; to: NodeId } & (
  | { kind: 'message'; message: Message }
  | { kind: 'snapshot'; transfer: Transfer }
  | { kind: 'snapshotEnd'; transfer: Transfer; ok: boolean }
);

export class Lab {
  readonly members = new Map<NodeId, Member>();
  readonly lines: string[] = [];
  readonly reads = new Map<number, number>();
  bag: Envelope[] = [];
  /** "from>to": what is sent there is lost; "from>to type": messages of this type. */
  readonly cut = new Set<string>();
  quiet = false;
  /** For leases. */
  nowMs = 0;
  #isStarted = false;
  #readId = 0;
  readonly #checks = new Checks();
  readonly #around: Surroundings;

  constructor(options: {
    voters: NodeId[];
    learners: NodeId[];
    config: Partial<RaftConfig>;
    mutations?: readonly RaftMutation[];
    started?: Surroundings['started'];
  }) {
    this.#around = {
      config: { ...RAFT_DEFAULTS, ...options.config, mutations: new Set(options.mutations) },
      // The shortest election timeouts, everywhere: scripts tick the node that they mean.
      randomBelow: () => 0,
      nowMs: () => this.nowMs,
      started: (member, raft) => {
        options.started?.(member, raft);
        this.#lookOn(raft);
      },
      send: (from, { to, message }) => {
        this.#checks.sent(from, to, message);
        this.#put({ kind: 'message', from, to, message });
      },
      offerSnapshot: (transfer) => this.#put({ kind: 'snapshot', from: transfer.from, to: transfer.to, transfer }),
      snapshotEnded: (transfer, ok) =>
        this.#put({ kind: 'snapshotEnd', from: transfer.to, to: transfer.from, transfer, ok }),
      applied: (by, one) => this.#checks.applied(by, one),
      readDone: (_by, { id, index }) => void this.reads.set(id, index),
    };
    const begin = bootstrapState(configurationOf(options.voters, options.learners));
    for (const id of [...options.voters, ...options.learners])
      this.members.set(id, new Member(id, this.#around, begin));
  }

  /** All that were never started; `begin` may change what is on their disks before. */
  startAll(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    for (const member of this.members.values()) member.start();
    this.afterwards();
    this.lines.length = 0;
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (!member) throw new Error(`there is no node '${id}'`);
    return member;
  }

  raft(id: NodeId): Raft {
    const { raft } = this.member(id);
    if (!raft) throw new Error(`${id} is down`);
    return raft;
  }

  addEmpty(id: NodeId): void {
    if (this.members.has(id)) return;
    const member = new Member(id, this.#around);
    this.members.set(id, member);
    member.start();
  }

  /** Before the start: this log after the first entry, as if the node had lived through these terms. */
  begin(id: NodeId, options: { terms: number[]; term: number; commitIndex: number }): void {
    const [first] = this.member(id).disk.entries;
    if (!first) throw new Error(`${id} has no first entry`);
    const entries: Entry[] = [first, ...options.terms.map((term, i) => entry(i + 2, term, `${i + 2}/${term}`))];
    const hardState = { currentTerm: options.term, votedFor: undefined, commitIndex: options.commitIndex };
    this.members.set(id, new Member(id, this.#around, { hardState, entries }));
  }

  say(...lines: string[]): void {
    if (!this.quiet) this.lines.push(...lines);
  }

  drive<T>(id: NodeId, act: (raft: Raft) => T): T {
    const raft = this.raft(id);
    let result: T | undefined;
    this.member(id).drive(() => {
      result = act(raft);
    });
    return result as T;
  }

  /** Silence until this node stands; how that goes is decided by the others. */
  timeOut(id: NodeId): void {
    const ticks = this.raft(id).config.electionTimeoutTicks;
    for (let i = 0; i < ticks; i += 1) this.drive(id, (raft) => raft.tick());
  }

  /** Let a node believe that its leader is silent, without a candidacy of its own. */
  doubt(id: NodeId): void {
    this.drive(id, (raft) => {
      if (raft.leader !== undefined) raft.unreachable(raft.leader);
    });
  }

  read(id: NodeId): void {
    this.#readId += 1;
    const read = this.#readId;
    const asked = this.drive(id, (raft) => raft.readIndex(read));
    this.say(`${id}: ${asked ? `read #${read} asked` : 'read not possible: no leader is known'}`);
  }

  /** The oldest of a link, up to `count`; how many there were. */
  deliver(from: NodeId, to: NodeId, count: number): number {
    const due = this.take(from, to, count);
    for (const envelope of due) this.#arrive(envelope);
    return due.length;
  }

  /** Remove the oldest of a link. */
  take(from: NodeId, to: NodeId, count: number): Envelope[] {
    const due = this.bag.filter((envelope) => envelope.from === from && envelope.to === to).slice(0, count);
    this.bag = this.bag.filter((envelope) => !due.includes(envelope));
    return due;
  }

  lose(envelope: Envelope): void {
    if (envelope.kind === 'snapshot')
      this.#put({ kind: 'snapshotEnd', from: envelope.to, to: envelope.from, transfer: envelope.transfer, ok: false });
  }

  /** Among these nodes: deliver and write until nothing is left. */
  stabilize(ids: readonly NodeId[]): void {
    for (let steps = 0; steps < STABILIZE_STEPS_MAX; steps += 1) {
      const at = this.bag.findIndex(({ from, to }) => ids.includes(from) && ids.includes(to));
      const [envelope] = at < 0 ? [] : this.bag.splice(at, 1);
      if (envelope) this.#arrive(envelope);
      let busy = envelope !== undefined;
      for (const id of ids) busy = this.persist(id, 1) > 0 || busy;
      this.afterwards();
      if (!busy) return;
    }
    throw new Error(`not stable after ${STABILIZE_STEPS_MAX} steps`);
  }

  /** The oldest writes reach the disk; how many. */
  persist(id: NodeId, count: number): number {
    const member = this.member(id);
    let done = 0;
    while (done < count && member.up && member.writes.length > 0) {
      const [write] = member.writes;
      if (write?.kind === 'ready' && write.ready.hardState) this.say(`${id}: disk has #${write.ready.id}`);
      if (write?.kind === 'install')
        this.say(`${id}: disk has the snapshot ${write.transfer.meta.index}/${write.transfer.meta.term}`);
      member.sync();
      done += 1;
    }
    return done;
  }

  crash(id: NodeId, survive: number): void {
    this.member(id).crash(survive);
  }

  /** After every command: apply what is committed, and check the whole cluster. */
  afterwards(): void {
    for (const member of this.members.values()) while (member.apply());
    this.#checks.check(this.members.values());
  }

  describe(envelope: Envelope): string {
    const { from, to } = envelope;
    if (envelope.kind === 'message') return `${from}->${to} ${formatMessage(envelope.message)}`;
    if (envelope.kind === 'snapshot') return `${from}->${to} ${formatTransfer(envelope.transfer)}`;
    return `${from}->${to} snapshot ${envelope.transfer.meta.index} ${envelope.ok ? 'taken' : 'not taken'}`;
  }

  #put(envelope: Envelope): void {
    if (envelope.kind === 'snapshot') this.say(`${envelope.from}: send ${this.describe(envelope)}`);
    const link = `${envelope.from}>${envelope.to}`;
    const type = envelope.kind === 'message' ? envelope.message.type : envelope.kind;
    if (!this.cut.has(link) && !this.cut.has(`${link} ${type}`)) this.bag.push(envelope);
    else this.lose(envelope);
  }

  #arrive(envelope: Envelope): void {
    this.say(this.describe(envelope));
    const member = this.members.get(envelope.to);
    if (!member?.up) {
      this.say(`${envelope.to} is down`);
      this.lose(envelope);
    } else if (envelope.kind === 'message') member.receive(envelope.from, envelope.message);
    else if (envelope.kind === 'snapshot') member.receiveSnapshot(envelope.transfer);
    else member.drive((raft) => raft.snapshotSent(envelope.transfer.to, envelope.ok));
  }

  #lookOn(raft: Raft): void {
    const { id } = raft;
    const ready = raft.ready.bind(raft);
    raft.ready = () => {
      const one = ready();
      if (one) this.say(...formatReady(id, one));
      return one;
    };
  }
}
