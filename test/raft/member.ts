/**
 * One node of the in-memory cluster: a core, and a disk that is durable only after a sync. Readies wait
 * on the disk in their order, several at a time; a crash loses those that wait and what they would have sent.
 */
import { Raft } from '#src/raft/raft.ts';
import type { RaftMark } from '#src/raft/marks.ts';
import type { RaftConfig } from '#src/raft/raft.ts';
import type { Entry, HardState, Message, NodeId, Ready, SnapshotMeta } from '#src/raft/types.ts';

/** What was applied, by index; a snapshot holds a copy. */
export type State = readonly string[];
export type Outgoing = { to: NodeId; message: Message };
export type Snapshot = { meta: SnapshotMeta; state: State };
/** A snapshot on its way, with the term of the leader that sends it. */
export type Transfer = Snapshot & { from: NodeId; to: NodeId; term: number };

type Write =
  | { kind: 'ready'; ready: Ready }
  | { kind: 'save'; snapshot: Snapshot }
  | { kind: 'install'; transfer: Transfer };

export interface DurableState {
  hardState: HardState | undefined;
  snapshot: Snapshot | undefined;
  entries: Entry[];
  /** Entries up to here were acknowledged and some are lost. */
  repairTo: number;
  /** The log before its last cut: what a disk that loses the newer writes shows again. */
  former: Entry[];
}

/** What a member asks of the cluster around it. */
export interface Surroundings {
  config: RaftConfig;
  /** A core begins, and has not been asked for anything: for those who look on. */
  mark?: ((mark: RaftMark) => void) | undefined;
  started?: ((member: Member, raft: Raft) => void) | undefined;
  /** For leases. */
  nowMs(): number;
  randomBelow(bound: number): number;
  send(from: NodeId, outgoing: Outgoing): void;
  offerSnapshot(transfer: Transfer): void;
  snapshotEnded(transfer: Transfer, ok: boolean): void;
  applied(by: NodeId, entry: Entry): void;
  readDone(by: NodeId, read: { id: number; index: number }): void;
}

export class Member {
  readonly id: NodeId;
  readonly disk: DurableState;
  raft: Raft | undefined;
  /** Waiting for the disk, oldest first. */
  writes: Write[] = [];
  /** Committed, not yet applied. */
  toApply: Entry[] = [];
  state: string[] = [];
  installing = false;
  readonly #around: Surroundings;

  constructor(id: NodeId, around: Surroundings, disk?: Partial<DurableState>) {
    this.id = id;
    this.#around = around;
    this.disk = { hardState: undefined, snapshot: undefined, entries: [], repairTo: 0, former: [], ...disk };
  }

  get up(): boolean {
    return this.raft !== undefined;
  }

  start(): void {
    const { hardState, snapshot, entries, repairTo } = this.disk;
    this.state = [...(snapshot?.state ?? [])];
    this.raft = new Raft({
      id: this.id,
      config: this.#around.config,
      mark: this.#around.mark,
      randomBelow: (bound) => this.#around.randomBelow(bound),
      recovered: { hardState, snapshot: snapshot?.meta, entries: [...entries], repairTo },
    });
    this.#around.started?.(this, this.raft);
    this.pump();
  }

  /** The first `survive` waiting writes reach the disk all the same; nobody is told. */
  crash(survive = 0): void {
    this.raft = undefined;
    for (const write of this.writes.splice(0)) {
      if (survive > 0) this.#toDisk(write);
      survive -= 1;
      if (write.kind === 'install') this.#around.snapshotEnded(write.transfer, false);
    }
    this.toApply = [];
    this.installing = false;
  }

  /** The disk loses its log from this entry on, and finds it out at the next start. The process must be down. */
  damage(from: number): boolean {
    const { entries, snapshot } = this.disk;
    if (this.up || from <= (snapshot?.meta.index ?? 0) || (entries.at(-1)?.index ?? 0) < from) return false;
    this.disk.repairTo = Math.max(this.disk.repairTo, entries.at(-1)?.index ?? 0);
    this.disk.entries = entries.filter(({ index }) => index < from);
    return true;
  }

  /** The disk shows the log as it was before its last cut, and finds out that newer writes are lost. */
  damageToFormer(): boolean {
    const { entries, former, snapshot } = this.disk;
    const after = snapshot?.meta.index ?? 0;
    const shown = former.filter(({ index }) => index > after);
    const fits = former.some(({ index, term }) => index === after && term === snapshot?.meta.term);
    if (this.up || shown.length === 0 || (after > 0 && !fits)) return false;
    this.disk.repairTo = Math.max(this.disk.repairTo, entries.at(-1)?.index ?? 0);
    this.disk.entries = shown;
    return true;
  }

  /** Change the core and take what became ready. */
  drive(act: (raft: Raft) => void): void {
    if (!this.raft) return;
    this.raft.passTime(this.#around.nowMs());
    act(this.raft);
    this.pump();
  }

  receive(from: NodeId, message: Message): void {
    // As the replica does: what comes while a snapshot is installed would not fit to the log on disk.
    if (message.type === 'append' && this.installing) return;
    this.drive((raft) => raft.receive(from, structuredClone(message)));
  }

  /** A snapshot arrives; the end of it is told later. */
  receiveSnapshot(transfer: Transfer): void {
    const wanted =
      this.raft !== undefined &&
      !this.installing &&
      this.raft.offersSnapshot(transfer.from, transfer.term, structuredClone(transfer.meta));
    if (wanted) {
      this.installing = true;
      this.writes.push({ kind: 'install', transfer });
    } else this.#around.snapshotEnded(transfer, false);
    this.pump();
  }

  /** The oldest waiting write becomes durable. False when none waits. */
  sync(): boolean {
    const write = this.writes.shift();
    if (!write || !this.raft) return false;
    this.#toDisk(write);
    if (write.kind === 'ready') {
      if (write.ready.hardState) this.raft.persisted(write.ready.id);
      // The note goes when what it speaks of is on the disk again.
      if (!this.raft.impaired && this.raft.log.persistedIndex >= this.disk.repairTo) this.disk.repairTo = 0;
      for (const outgoing of write.ready.messagesAfterPersist) this.#around.send(this.id, outgoing);
    } else if (write.kind === 'install') {
      this.#install(write.transfer);
    }
    this.pump();
    return true;
  }

  /** Apply up to `count` entries. False when none waits. */
  apply(count = Infinity): boolean {
    const entries = this.toApply.splice(0, count);
    for (const entry of entries) {
      this.state[entry.index] = new TextDecoder().decode(entry.data);
      this.#around.applied(this.id, entry);
    }
    const last = entries.at(-1);
    if (!last) return false;
    this.drive((raft) => raft.applied(last.index));
    return true;
  }

  /** Save what is applied and forget the log before it, but for `trailing` entries. */
  takeSnapshot(trailing: number): void {
    const { raft } = this;
    if (!raft || this.installing || raft.appliedIndex <= (this.disk.snapshot?.meta.index ?? 0)) return;
    if (this.writes.some(({ kind }) => kind === 'save')) return;
    const index = raft.appliedIndex;
    const { configuration, index: configurationIndex } = raft.log.configurationAt(index);
    const meta = { index, term: raft.log.termAt(index) ?? 0, configuration, configurationIndex };
    // The order of reference/raft.md A3.13: first the snapshot is durable, then the log is cut.
    while (this.writes.length > 0) this.sync();
    this.#toDisk({ kind: 'save', snapshot: { meta, state: this.state.slice(0, index + 1) } });
    raft.compact(Math.max(0, index - trailing));
  }

  pump(): void {
    for (let ready = this.raft?.ready(); ready; ready = this.raft?.ready()) {
      for (const outgoing of ready.messages) this.#around.send(this.id, outgoing);
      if (ready.hardState || ready.messagesAfterPersist.length > 0) this.writes.push({ kind: 'ready', ready });
      this.toApply.push(...ready.committed);
      for (const read of ready.reads) this.#around.readDone(this.id, read);
      for (const to of ready.snapshotsFor) {
        const { snapshot } = this.disk;
        if (!snapshot) throw new Error(`${this.id} needs a snapshot for ${to} and has none`);
        this.#around.offerSnapshot({ ...snapshot, from: this.id, to, term: this.raft?.currentTerm ?? 0 });
      }
    }
  }

  #install(transfer: Transfer): void {
    const { raft } = this;
    const { meta, state, from } = transfer;
    this.installing = false;
    if (!raft) return;
    if (meta.index > raft.commitIndex) {
      this.state = [...state];
      this.toApply = [];
    }
    raft.snapshotInstalled(from, structuredClone(meta));
    this.#around.snapshotEnded(transfer, true);
  }

  #toDisk(write: Write): void {
    const { disk } = this;
    if (write.kind === 'ready') {
      const { hardState, entries } = write.ready;
      if (hardState) disk.hardState = hardState;
      const first = entries[0]?.index;
      if (first !== undefined && (disk.entries.at(-1)?.index ?? 0) >= first) disk.former = disk.entries.slice();
      if (first !== undefined) disk.entries = disk.entries.filter(({ index }) => index < first);
      disk.entries.push(...entries);
      return;
    }
    const { meta, state } = write.kind === 'save' ? write.snapshot : write.transfer;
    if (meta.index <= (disk.snapshot?.meta.index ?? 0)) return;
    const fits = disk.entries.some(({ index, term }) => index === meta.index && term === meta.term);
    disk.entries = fits ? disk.entries.filter(({ index }) => index > meta.index) : [];
    disk.snapshot = { meta, state };
  }
}
