/**
 * The drive loop: ticks, messages and finished writes go into the core; what it makes ready goes to the
 * disk, the wire and the applier. One round a turn, so that everything of a turn shares a frame and a sync.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Entry, HardState, NodeId } from '#src/raft/types.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ConsensusCore, CoreMessage, CoreReady } from './core.ts';
import type { ReplicaSettings } from './settings.ts';

export const RAFT_CHANNEL = 'raft';

/** Where entries become durable; of the write-ahead log. Appends complete in the order they were asked for. */
export interface EntryLog {
  append(batch: { hardState: HardState | undefined; entries: Entry[] }): Promise<void>;
}

export interface ConsensusEvents {
  committed(entries: Entry[]): void;
  snapshotWanted(to: NodeId): void;
  /** Role, term or leader is another than before. */
  changed(): void;
  ticked(): void;
  fatal(error: unknown): void;
}

type ReadRound = { resolve: (index: number) => void; reject: (fault: Fault) => void };

export class Consensus {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #core: ConsensusCore;
  readonly #entryLog: EntryLog;
  readonly #peers: Peers;
  readonly #settings: ReplicaSettings;
  readonly #events: ConsensusEvents;
  #timer: Timer | undefined;
  #pumping = false;
  #stopped = false;
  /** When each write under way began, monotonic ms, oldest first. */
  #writes: number[] = [];
  #lastWrite: Promise<boolean> = Promise.resolve(true);
  /** Read rounds under way here as leader, by their fresh id. */
  #reads = new Map<number, ReadRound>();
  #readId = 0;
  /** The round that begins at the end of this turn, shared by all who ask in it. */
  #nextRound: Promise<number> | undefined;
  #seen = { role: '', term: 0, leader: undefined as NodeId | undefined };

  constructor(options: {
    clock: Clock;
    log: Log;
    core: ConsensusCore;
    entryLog: EntryLog;
    peers: Peers;
    settings: ReplicaSettings;
    events: ConsensusEvents;
  }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#core = options.core;
    this.#entryLog = options.entryLog;
    this.#peers = options.peers;
    this.#settings = options.settings;
    this.#events = options.events;
    this.#peers.onMessage(RAFT_CHANNEL, (from, message) => {
      if (this.#stopped) return;
      this.#guard(() => this.#core.receive(from, message));
      this.pump();
    });
    this.#peers.onDisconnect((name) => {
      if (this.#stopped) return;
      this.#guard(() => this.#core.unreachable(name));
      this.pump();
    });
  }

  /** The disk has not answered for longer than the limit (reference/raft.md A3.19). */
  get diskHangs(): boolean {
    const oldest = this.#writes[0];
    return oldest !== undefined && this.#clock.monotonicMs() - oldest > this.#settings.diskHangMs;
  }

  start(): void {
    const { tickMs } = this.#settings;
    const tick = (): void => {
      this.#timer = this.#clock.after(tickMs, tick);
      if (this.#pauseForDisk()) return;
      this.#guard(() => this.#core.tick());
      this.#events.ticked();
      this.pump();
    };
    this.#timer = this.#clock.after(tickMs, tick);
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#loseReads([...this.#reads.keys()]);
  }

  /** Change the core and carry out what follows. */
  drive<T>(act: (core: ConsensusCore) => T): T {
    try {
      return act(this.#core);
    } finally {
      this.pump();
    }
  }

  /** A linearizable read index, as leader; REPLICA_NOT_LEADER otherwise. */
  readIndex(): Promise<number> {
    this.#nextRound ??= new Promise((resolve, reject) => {
      this.#clock.endOfTurn(() => {
        this.#nextRound = undefined;
        const id = ++this.#readId;
        this.#reads.set(id, { resolve, reject });
        if (this.#stopped || !this.#core.readIndex(id)) this.#loseReads([id]);
        this.pump();
      });
    });
    return this.#nextRound;
  }

  /** Look for work at the end of this turn. */
  pump(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    this.#clock.endOfTurn(() => {
      this.#pumping = false;
      if (!this.#stopped) this.#guard(() => this.#round());
    });
  }

  #round(): void {
    for (let ready = this.#core.ready(); ready !== undefined && !this.#stopped; ready = this.#core.ready()) {
      // Followers write while we do: those messages do not wait for our disk.
      this.#send(ready.messages);
      this.#persist(ready);
      for (const { id, index } of ready.reads) {
        this.#reads.get(id)?.resolve(index);
        this.#reads.delete(id);
      }
      this.#loseReads(ready.readsLost);
      for (const to of ready.snapshotsTo) this.#events.snapshotWanted(to);
      this.#noticeChange();
      if (ready.committed.length > 0) this.#events.committed(ready.committed);
    }
    this.#noticeChange();
  }

  #persist({ hardState, entries, messagesAfterPersist }: CoreReady): void {
    if (hardState !== undefined || entries.length > 0) {
      this.#writes.push(this.#clock.monotonicMs());
      this.#lastWrite = this.#write({ hardState, entries });
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
  async #write(batch: { hardState: HardState | undefined; entries: Entry[] }): Promise<boolean> {
    const last = batch.entries.at(-1);
    try {
      await this.#entryLog.append(batch);
    } catch (error) {
      this.#fatal(error);
      return false;
    }
    this.#writes.shift();
    if (this.#stopped) return false;
    if (last !== undefined) this.#guard(() => this.#core.persisted({ index: last.index, term: last.term }));
    this.pump();
    return true;
  }

  #send(messages: readonly CoreMessage[]): void {
    for (const { to, message } of messages) this.#peers.send(to, RAFT_CHANNEL, message);
  }

  #noticeChange(): void {
    const { role, term, leader } = this.#core.status();
    const seen = this.#seen;
    if (seen.role === role && seen.term === term && seen.leader === leader) return;
    if (seen.leader !== leader || seen.role !== role) this.#log.info('consensus', { role, term, leader });
    // A round of another term or role must never be answered (reference/raft.md A3.5).
    if (role !== 'leader' || term !== seen.term) this.#loseReads([...this.#reads.keys()]);
    this.#seen = { role, term, leader };
    this.#events.changed();
  }

  #loseReads(ids: readonly number[]): void {
    for (const id of ids) {
      this.#reads
        .get(id)
        ?.reject(new Fault('REPLICA_NOT_LEADER', 'this replica does not lead, or no longer', 'elsewhere'));
      this.#reads.delete(id);
    }
  }

  /** While the disk hangs there are no ticks: no heartbeats from here, and no candidacy. */
  #pauseForDisk(): boolean {
    if (!this.diskHangs) return false;
    const { role, term } = this.#core.status();
    if (role === 'leader') {
      this.#log.error('the disk hangs; this replica gives up leadership', { term, limitMs: this.#settings.diskHangMs });
      this.#guard(() => this.#core.stepDown());
      this.pump();
    }
    this.#events.ticked();
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
