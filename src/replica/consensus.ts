/**
 * The drive loop: ticks, messages and finished writes go into the core; what it makes ready goes to the
 * disk, the wire and the applier. One round a turn, so that everything of a turn shares a frame and a sync.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { Entry, Message, NodeId, Ready } from '#src/raft/types.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { Wal } from '#src/wal/wal.ts';
import type { ReplicaMark } from './marks.ts';
import { READ_INDEX_TIMEOUT_MS } from './settings.ts';
import type { ReplicaSettings } from './settings.ts';
import { Ticker } from './ticker.ts';

export const RAFT_CHANNEL = 'raft';
/** A full disk is tried again after this. */
const DISK_FULL_PAUSE_MS = 200;

/** News of the commit index alone wait this long for entries to travel with, unless the member waits for them. */
const NOTICE_DELAY_MS = 2;
const NOTICE_REST_MS = 0.1;
/** A read under a lease is asked again when this process stood still longer in one turn. */
const LEASE_PAUSE_MS_MAX = 20;
/** The election timeout has room for this many of the slowest write of late. */
const SYNCS_IN_ELECTION = 4;
/** … and for so many round trips to a majority: heartbeats and pre-votes of several rounds (etcd's tuning guide: ten). */
const ROUND_TRIPS_IN_ELECTION = 10;
const SLOW_SYNC_FORGOTTEN_MS = 10_000;

export interface ConsensusEvents {
  committed(entries: Entry[]): void;
  snapshotWanted(to: NodeId): void;
  /** Role, term or leader is another than before. */
  changed(): void;
  ticked(): void;
  /** Whether calls wait that housekeeping looks after. */
  busy(): boolean;
  /** While a snapshot is being installed, new entries are not taken: they would not fit to the log on disk. */
  refusesAppends(): boolean;
  fatal(error: unknown): void;
}

type ReadRound = { resolve: (index: number) => void; reject: (fault: Fault) => void; beganMs: number };

export class Consensus {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #raft: Raft;
  readonly #wal: Wal;
  readonly #peers: Peers;
  readonly #settings: ReplicaSettings;
  readonly #events: ConsensusEvents;
  readonly #ticker: Ticker;
  #pumping = false;
  /** When the core was told the time last. */
  #toldMs = -Infinity;
  /** The slowest write of late, halved by and by. */
  #slowestSyncMs = 0;
  #slowestNotedMs = 0;
  #electionTicks: number;
  #stopped = false;
  /** When each write under way began, monotonic ms, oldest first. */
  #writes: number[] = [];
  #lastWrite: Promise<boolean> = Promise.resolve(true);
  /** Since a write found no space, until all that waited are written. */
  #diskFull = false;
  /** Read rounds that this node has asked for, by their fresh id. */
  #reads = new Map<number, ReadRound>();
  #readId = 0;
  /** The newest append without entries to each member that is held back. */
  #notices = new Map<NodeId, { message: Message; sinceMs: number }>();
  #noticeTimer: Timer | undefined;
  /** Members whose own calls wait for the commit of this index. */
  #awaited = new Map<NodeId, number>();
  #seen = { role: '', term: 0, leader: undefined as NodeId | undefined };

  /** The mutation disk-hang-ignored. */
  readonly #ignoresHang: boolean;
  readonly #mark: (mark: ReplicaMark) => void;

  constructor(options: {
    clock: Clock;
    log: Log;
    raft: Raft;
    wal: Wal;
    peers: Peers;
    settings: ReplicaSettings;
    events: ConsensusEvents;
    ignoresHang?: boolean;
    mark?: (mark: ReplicaMark) => void;
  }) {
    this.#electionTicks = Math.max(1, Math.round(options.settings.electionMs / options.settings.tickMs));
    this.#ignoresHang = options.ignoresHang === true;
    this.#mark = options.mark ?? (() => undefined);
    this.#clock = options.clock;
    this.#log = options.log;
    this.#raft = options.raft;
    this.#wal = options.wal;
    this.#peers = options.peers;
    this.#settings = options.settings;
    this.#events = options.events;
    this.#ticker = new Ticker({
      clock: this.#clock,
      tickMs: this.#settings.tickMs,
      untilDue: () => this.#raft.ticksUntilDue(),
      busy: () => this.#reads.size > 0 || this.#writes.length > 0 || this.#events.busy(),
      pass: (count) => {
        if (this.#pauseForDisk()) return;
        this.#tellTime();
        this.#guard(() => this.#raft.tick(count));
      },
      woke: () => {
        this.#adaptElection();
        this.#expireReads();
        this.#events.ticked();
        this.pump();
      },
    });
    this.#peers.onMessage(RAFT_CHANNEL, (from, message) => {
      if (this.#stopped) return;
      // The wire checks who sends; what a member of the same cluster and release sends is a message of the core.
      const received = owned(message as Message);
      if (received.type === 'append' && this.#events.refusesAppends()) return;
      this.#tellTime();
      this.#ticker.catchUp();
      this.#guard(() => this.#raft.receive(from, received));
      this.pump();
    });
    this.#peers.onDisconnect((name) => {
      if (this.#stopped) return;
      this.#guard(() => this.#raft.unreachable(name));
      this.pump();
    });
  }

  /** The disk has not answered for longer than the limit (reference/raft.md A3.19). */
  get diskHangs(): boolean {
    const oldest = this.#writes[0];
    return oldest !== undefined && this.#clock.monotonicMs() - oldest > this.#settings.diskHangMs;
  }

  start(): void {
    this.#ticker.start();
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#ticker.stop();
    this.#noticeTimer?.cancel();
    this.#loseReads([...this.#reads.keys()], 'this replica stopped');
  }

  /** Change the core and carry out what follows. */
  drive<T>(act: (raft: Raft) => T): T {
    try {
      return act(this.#raft);
    } finally {
      this.pump();
    }
  }

  /**
   * An index committed when this was called, confirmed by the leader, wherever it is. REPLICA_NO_LEADER when
   * there is none, or it changes, or is silent for too long.
   */
  readIndex(): Promise<number> {
    // Fresh for every attempt, so that a late answer to another attempt is never taken for this one's (raft.md A3.5).
    const id = ++this.#readId;
    return new Promise((resolve, reject) => {
      this.#reads.set(id, { resolve, reject, beganMs: this.#clock.monotonicMs() });
      if (this.#stopped || !this.#raft.readIndex(id)) this.#loseReads([id], 'no leader is known');
      this.pump();
    });
  }

  /** A call of this member is in the entry at `index`: tell it at once when that is committed. */
  awaits(member: NodeId, index: number): void {
    this.#awaited.set(member, index);
  }

  /** Look for work at the end of this turn. */
  pump(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    this.#clock.endOfTurn(() => {
      this.#pumping = false;
      if (!this.#stopped) this.#guard(() => this.#round());
      this.#ticker.arm();
    });
  }

  /** For leases, always right before what they may vouch for. */
  #tellTime(): void {
    if (this.#settings.reads !== 'lease') return;
    this.#toldMs = this.#clock.monotonicMs();
    this.#raft.passTime(this.#toldMs);
  }

  /** The clock again, after the lease was judged: this process may have stood still in between (raft.md A3.6). */
  #pausedSinceTold(): boolean {
    return this.#settings.reads === 'lease' && this.#clock.monotonicMs() - this.#toldMs > LEASE_PAUSE_MS_MAX;
  }

  /** Slow syncs, here or at the leader, and long ways must not look like a lost leader. The core keeps it within its bounds. */
  #adaptElection(): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#slowestNotedMs > SLOW_SYNC_FORGOTTEN_MS) {
      this.#slowestSyncMs /= 2;
      this.#slowestNotedMs = now;
    }
    const { electionMs, heartbeatMs, tickMs } = this.#settings;
    const wantedMs = Math.max(
      electionMs,
      heartbeatMs + SYNCS_IN_ELECTION * this.#slowestSyncMs,
      ROUND_TRIPS_IN_ELECTION * this.#quorumRoundTripMs(),
    );
    const ticks = Math.max(1, Math.round(wantedMs / tickMs));
    if (ticks === this.#electionTicks) return;
    this.#electionTicks = ticks;
    this.#mark('replica: election timeout adapted');
    this.#guard(() => this.#raft.setElectionTimeout(ticks));
  }

  /** Of the slowest member of the quickest majority, itself included: one far member must not slow down the others. */
  #quorumRoundTripMs(): number {
    const { voters } = this.#raft.configuration;
    const known = new Map(this.#peers.states().map(({ name, rttMs }) => [name, rttMs]));
    const times = voters.map((id) => (id === this.#raft.id ? 0 : (known.get(id) ?? 0)));
    return times.sort((a, b) => a - b)[Math.floor(voters.length / 2)] ?? 0;
  }

  #round(): void {
    this.#tellTime();
    for (let ready = this.#raft.ready(); ready !== undefined && !this.#stopped; ready = this.#raft.ready()) {
      // Followers write while we do: those messages do not wait for our disk.
      this.#send(ready.messages);
      this.#persist(ready);
      if (ready.reads.length > 0 && this.#pausedSinceTold()) {
        this.#mark('replica: lease read refused after a pause');
        this.#loseReads(
          ready.reads.map(({ id }) => id),
          'this process stood still',
        );
      }
      for (const { id, index } of ready.reads) {
        this.#reads.get(id)?.resolve(index);
        this.#reads.delete(id);
      }
      for (const to of ready.snapshotsFor) this.#events.snapshotWanted(to);
      this.#noticeChange();
      if (ready.committed.length > 0) this.#events.committed(ready.committed);
    }
    this.#noticeChange();
  }

  #persist(ready: Ready): void {
    const { hardState, messagesAfterPersist } = ready;
    if (hardState !== undefined) {
      this.#writes.push(this.#clock.monotonicMs());
      this.#lastWrite = this.#write(ready, this.#lastWrite);
    } else if (messagesAfterPersist.length === 0) {
      return;
    } else if (this.#writes.length === 0) {
      this.#send(messagesAfterPersist);
      return;
    }
    if (messagesAfterPersist.length === 0) return;
    // Also without data of its own: what is promised may rest on writes still under way.
    void this.#lastWrite.then((durable) => {
      if (durable && !this.#stopped) this.#send(messagesAfterPersist);
    });
  }

  /** True when it is durable; false when this replica has stopped over it. */
  async #write({ id, hardState, entries }: Ready, before: Promise<boolean>): Promise<boolean> {
    // What follows a write that found the disk full waits for it: the log has no gaps.
    let waits = this.#diskFull;
    let left = entries;
    for (;;) {
      if (waits && !(await before)) return false;
      // A snapshot that is on its way into the log says what may follow it.
      while (waits && this.#events.refusesAppends() && !this.#stopped) await this.#pause();
      if (waits) left = this.#notOvertaken(left);
      if (await this.#append({ hardState, entries: left })) break;
      if (this.#stopped) return false;
      waits = true;
      await this.#pause();
    }
    const syncMs = this.#clock.monotonicMs() - (this.#writes.shift() ?? Infinity);
    if (syncMs > this.#slowestSyncMs) {
      this.#slowestSyncMs = syncMs;
      this.#slowestNotedMs = this.#clock.monotonicMs();
    }
    if (this.#stopped) return false;
    this.#guard(() => this.#raft.persisted(id));
    this.pump();
    return true;
  }

  /** What waited while a snapshot came into the log, or another leader, may be covered by it, or be of no log any more. */
  #notOvertaken(entries: Entry[]): Entry[] {
    const { log } = this.#raft;
    const floor = this.#wal.snapshotIndex;
    const left = entries.filter(({ index, term }) => index > floor && log.matches(index, term));
    if (left.length < entries.length) this.#mark('replica: waiting write overtaken');
    return left;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(DISK_FULL_PAUSE_MS, resolve);
    });
  }

  /** False: not appended, try again (or this replica has stopped). */
  async #append(batch: Pick<Ready, 'hardState' | 'entries'>): Promise<boolean> {
    if (this.#stopped) return false;
    try {
      await this.#wal.append(batch);
    } catch (error) {
      if (!isFault(error, 'DISK_FULL')) this.#fatal(error);
      else if (!this.#diskFull)
        this.#log.error('the disk is full; nothing is written until there is space', { why: error.message });
      this.#diskFull = true;
      return false;
    }
    if (this.#diskFull && this.#writes.length === 1) {
      this.#diskFull = false;
      this.#log.info('the disk has space again');
    }
    return true;
  }

  #send(messages: Ready['messages']): void {
    for (const { to, message } of messages) {
      if (message.type !== 'append') this.#peers.send(to, RAFT_CHANNEL, message);
      else if (message.entries.length > 0 || this.#isAwaited(to, message.commitIndex)) {
        this.#notices.delete(to);
        this.#peers.send(to, RAFT_CHANNEL, message);
      } else this.#sendLater(to, message);
    }
  }

  /**
   * Under load the next entries follow within a millisecond and carry the commit index along; a message of its
   * own, and the answer to it, would double the work of all. Any message may be late, so nothing rests on it.
   */
  #sendLater(to: NodeId, message: Message): void {
    this.#notices.set(to, { message, sinceMs: this.#notices.get(to)?.sinceMs ?? this.#clock.monotonicMs() });
    this.#noticeTimer ??= this.#clock.after(NOTICE_DELAY_MS, () => this.#sendNotices());
  }

  #sendNotices(): void {
    this.#noticeTimer = undefined;
    const dueMs = this.#clock.monotonicMs() - NOTICE_DELAY_MS;
    let nextMs = Infinity;
    for (const [to, { message, sinceMs }] of this.#notices) {
      if (sinceMs > dueMs) nextMs = Math.min(nextMs, sinceMs - dueMs);
      else {
        this.#notices.delete(to);
        this.#peers.send(to, RAFT_CHANNEL, message);
      }
    }
    // Not below what the sum of times can show: else the timer fires again at the same moment, for ever.
    if (nextMs === Infinity) return;
    this.#noticeTimer = this.#clock.after(Math.max(nextMs, NOTICE_REST_MS), () => this.#sendNotices());
  }

  #isAwaited(member: NodeId, commitIndex: number): boolean {
    const index = this.#awaited.get(member);
    if (index === undefined || index > commitIndex) return false;
    this.#awaited.delete(member);
    return true;
  }

  #noticeChange(): void {
    const { role, currentTerm: term, leader } = this.#raft;
    const seen = this.#seen;
    if (seen.role === role && seen.term === term && seen.leader === leader) return;
    if (seen.leader !== leader || seen.role !== role) this.#log.info('consensus', { role, term, leader });
    // The leader that was asked is no more: those who wait ask again, under fresh ids.
    if (leader !== seen.leader || term !== seen.term) this.#loseReads([...this.#reads.keys()], 'the leader changed');
    this.#seen = { role, term, leader };
    this.#events.changed();
  }

  #loseReads(ids: readonly number[], why: string): void {
    for (const id of ids) {
      const fault = new Fault('REPLICA_NO_LEADER', `a read could not be confirmed: ${why}`, 'later');
      this.#reads.get(id)?.reject(fault);
      this.#reads.delete(id);
    }
  }

  /** The core forgets rounds whose messages were lost. */
  #expireReads(): void {
    const now = this.#clock.monotonicMs();
    for (const [id, { beganMs }] of this.#reads) {
      if (now - beganMs < READ_INDEX_TIMEOUT_MS) return;
      this.#loseReads([id], `the leader was silent for ${READ_INDEX_TIMEOUT_MS} ms`);
    }
  }

  /** While the disk hangs there are no ticks: no heartbeats from here, and no candidacy. */
  #pauseForDisk(): boolean {
    if (!this.diskHangs || this.#ignoresHang) return false;
    const { role, currentTerm: term } = this.#raft;
    if (role === 'leader') {
      this.#mark('replica: leadership given up over a hung disk');
      this.#log.error('the disk hangs; this replica gives up leadership', { term, limitMs: this.#settings.diskHangMs });
      this.#guard(() => this.#raft.stepDown());
      this.pump();
    }
    return true;
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fatal(error);
    }
  }

  #fatal(error: unknown): void {
    if (this.#stopped) return;
    this.#log.error('this replica stops', { why: messageOf(error) });
    this.stop();
    this.#events.fatal(error);
  }
}

/** With entries in bytes of their own: those of a received frame are valid only during the call. */
function owned(message: Message): Message {
  if (message.type !== 'append' || message.entries.length === 0) return message;
  return { ...message, entries: message.entries.map((entry) => ({ ...entry, data: new Uint8Array(entry.data) })) };
}
