/**
 * The writing side of the log: a queue, one write and one sync at a time for all that waits, and
 * the order in which a snapshot replaces what it covers.
 * Imports: ports, std.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { DiskFile } from '#src/ports/disk.ts';
import type { Entry, HardState, SnapshotMeta } from '#src/raft/types.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import {
  batchBytesOf,
  encodeBatch,
  segmentSeed,
  type EncodedBatch,
  type LogRecord,
  type SnapshotRecord,
} from './format.ts';
import type { LogTerms } from './log-terms.ts';
import { isPartial, partialName, snapshotName, temporarySuffix } from './names.ts';
import type { Found, Place } from './recovery.ts';
import { endRepair } from './repair.ts';
import type { Segments } from './segments.ts';
import {
  readPartialFile,
  readSnapshotFile,
  verifySnapshotFile,
  writeSnapshotFile,
  type Chunks,
  type FileFacts,
} from './snapshot-file.ts';
import type { PartialSnapshot, SnapshotOffer, SnapshotReader, Wal, WalStats } from './wal.ts';

/** One sync takes what waits up to this; a single larger append goes alone. */
const batchBytesMax = 8 * 1024 * 1024;
/** Appends waiting beyond this are refused: the disk is slower than the network, and memory is not the buffer. */
const queueBytesMax = 64 * 1024 * 1024;

/** Long enough that a busy log writes no notes, short against the life of a machine. */
const noteDelayMs = 50;

interface Request {
  hardState: HardState | undefined;
  entries: Entry[];
  snapshot: SnapshotRecord | undefined;
  bytes: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

type State = { is: 'open' } | { is: 'closed' } | { is: 'failed'; cause: unknown };

export interface WriterOptions {
  place: Place;
  segments: Segments;
  found: Found;
  clock: Clock | undefined;
  mutations: ReadonlySet<string> | undefined;
}

export class LogWriter implements Wal {
  readonly #place: Place;
  readonly #segments: Segments;
  readonly #clock: Clock | undefined;
  readonly #acksBeforeSync: boolean;
  #state: State = { is: 'open' };
  #queue: Request[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  /** Maintenance of files, one task after the other, beside the appends. */
  #background: Promise<void> = Promise.resolve();
  #noting: Promise<void> | undefined;
  #noteTimer: Timer | undefined;
  #savingSnapshot = false;

  // What is on the disk.
  #hardState: HardState;
  #snapshot: SnapshotRecord | undefined;
  #durable: LogTerms;
  #epoch: number;
  #chain: number;
  #end: number;
  // What will be when the queue has been written.
  #planned: LogTerms;
  #plannedHardState: HardState;
  #plannedSnapshot: number;

  #syncs = 0;
  #lastSyncMs = 0;
  #syncSinceMs: number | undefined;

  constructor({ place, segments, found, clock, mutations }: WriterOptions) {
    this.#place = place;
    this.#segments = segments;
    this.#clock = clock;
    this.#acksBeforeSync = mutations?.has('ack-before-sync') === true;
    this.#hardState = found.hardState;
    this.#plannedHardState = found.hardState;
    this.#snapshot = found.snapshot;
    this.#plannedSnapshot = found.snapshot?.meta.index ?? 0;
    this.#durable = found.terms;
    this.#planned = found.terms.copy();
    this.#epoch = found.epoch;
    this.#chain = found.chain;
    this.#end = found.end;
  }

  get lastIndex(): number {
    return this.#planned.lastIndex;
  }

  get snapshotIndex(): number {
    return this.#plannedSnapshot;
  }

  get lastSyncMs(): number {
    return this.#lastSyncMs;
  }

  stats(): WalStats {
    return {
      lastSyncMs: this.#lastSyncMs,
      syncSinceMs: this.#syncSinceMs,
      syncs: this.#syncs,
      queuedBytes: this.#queuedBytes,
      segments: this.#segments.count,
      failed: this.#state.is === 'failed',
    };
  }

  async endRepair(): Promise<void> {
    await this.#inBackground(() => endRepair(this.#place));
  }

  async append({ hardState, entries = [] }: { hardState?: HardState; entries?: Entry[] }): Promise<void> {
    this.#checkOpen();
    if (hardState === undefined && entries.length === 0) return;
    const bytes = entries.reduce((sum, entry) => sum + entry.data.length, 0);
    if (this.#queuedBytes + bytes > queueBytesMax && this.#queue.length > 0) {
      const message = `${this.#queuedBytes} bytes wait for the disk, more than ${queueBytesMax}; slow down and try again`;
      throw new Fault('WAL_BUSY', message, 'later');
    }
    this.#plan(hardState, entries);
    await this.#enqueue({ hardState, entries, snapshot: undefined, bytes });
  }

  async partialSnapshot({ sha256, bytes }: SnapshotOffer): Promise<PartialSnapshot> {
    const read = (bytesMax: number): AsyncGenerator<Uint8Array> =>
      readPartialFile(this.#place.disk, this.#path(partialName(sha256)), bytesMax);
    let held = 0;
    for await (const block of read(bytes)) held += block.length;
    return { bytes: held, read: () => read(held) };
  }

  async saveSnapshot(meta: SnapshotMeta, chunks: Chunks, offer?: SnapshotOffer): Promise<void> {
    this.#checkOpen();
    if (meta.index <= (this.#snapshot?.meta.index ?? 0)) {
      this.#place.log.info('ignored a snapshot that is not newer than ours', { index: meta.index });
      for await (const chunk of chunks) void chunk; // whoever also reads along gets the whole of it
      return;
    }
    if (this.#savingSnapshot) throw new Fault('WAL_BUSY', 'another snapshot is being saved; try again', 'later');
    this.#savingSnapshot = true;
    try {
      const previous = this.#snapshot?.file;
      const file = snapshotName(meta);
      const facts = await this.#writeSnapshot(file, chunks, offer);
      if (this.#place.mutations?.has('release-before-snapshot-durable')) {
        if (previous !== undefined) await this.#place.disk.remove(this.#path(previous));
        await this.#inBackground(() => this.#segments.release(meta.index));
      }
      await this.#recordSnapshot({ meta, file, ...facts });
      if (previous !== undefined) await this.#place.disk.remove(this.#path(previous));
      await this.compact(meta.index);
    } finally {
      this.#savingSnapshot = false;
    }
  }

  async openSnapshot(): Promise<SnapshotReader | undefined> {
    const record = this.#snapshot;
    if (record === undefined) return undefined;
    const { meta, bytes, sha256 } = record;
    const read = (): AsyncIterable<Uint8Array> => readSnapshotFile(this.#place.disk, this.#path(record.file), record);
    return { meta, bytes, sha256, read };
  }

  compact(index: number): Promise<void> {
    this.#checkOpen();
    return this.#inBackground(() => this.#segments.release(Math.min(index, this.#snapshot?.meta.index ?? 0)));
  }

  async close(): Promise<void> {
    if (this.#state.is === 'closed') return;
    const failed = this.#state.is === 'failed';
    this.#state = { is: 'closed' };
    await this.#running;
    await this.#background;
    this.#noteTimer?.cancel();
    await this.#noting;
    if (!failed) await this.#note();
    await this.#segments.close({ sync: !failed });
  }

  /** Make ready in the background what rolling and a full disk will need. */
  maintain(): void {
    const work = async (): Promise<void> => {
      await this.#segments.fillReserve();
      await this.#segments.prepareSpare();
    };
    void this.#inBackground(work).catch(() => undefined); // noted by #fail
  }

  /** What a start found has been synced once more, which a note tells later starts; the next append may be long in coming. */
  noteStart(): void {
    if (this.#clock !== undefined) this.#noteWhenIdle();
  }

  /** Check what may be appended, and note what the log will be. Breaking these rules would lose entries silently. */
  #plan(hardState: HardState | undefined, entries: Entry[]): void {
    let last = this.#planned.lastIndex;
    const [first] = entries;
    if (first !== undefined) {
      const floor = this.#plannedSnapshot;
      assert(first.index <= last + 1, `append at index ${first.index} leaves a gap behind ${last}`);
      assert(first.index > floor, `append at index ${first.index} is not above the snapshot at ${floor}`);
      entries.forEach((entry, i) => {
        assert(entry.index === first.index + i, `entry ${entry.index} stands where ${first.index + i} is due`);
      });
      last = first.index + entries.length - 1;
    }
    if (hardState !== undefined) {
      const { currentTerm } = this.#plannedHardState;
      assert(hardState.currentTerm >= currentTerm, `term ${hardState.currentTerm} is below ${currentTerm}`);
      assert(hardState.commitIndex <= last, `commit index ${hardState.commitIndex} is past the log end ${last}`);
      this.#plannedHardState = hardState;
    }
    for (const entry of entries) this.#planned.append(entry);
  }

  #enqueue(input: Omit<Request, 'resolve' | 'reject'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...input, resolve, reject });
      this.#queuedBytes += input.bytes;
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // Begin behind the callers of this turn, so that they share the first sync.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#commitNext();
    this.#running = undefined;
    if (this.#state.is === 'open') this.#noteWhenIdle();
  }

  async #commitNext(): Promise<void> {
    const requests = this.#take();
    try {
      await this.#commit(requests);
    } catch (error) {
      const rest = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#planned = this.#durable.copy();
      this.#plannedHardState = this.#hardState;
      this.#plannedSnapshot = this.#snapshot?.meta.index ?? 0;
      if (!isFault(error, 'DISK_FULL')) this.#fail(error);
      else this.#place.mark?.('wal: append refused by a full disk');
      const reason = this.#state.is === 'failed' ? failedFault(this.#state.cause) : error;
      for (const request of [...requests, ...rest]) request.reject(reason);
      return;
    }
    for (const request of requests) request.resolve();
  }

  #take(): Request[] {
    let count = 0;
    let bytes = 0;
    for (const request of this.#queue) {
      if (count > 0 && bytes + request.bytes > batchBytesMax) break;
      bytes += request.bytes;
      count += 1;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #commit(requests: Request[]): Promise<void> {
    const { records, hardState, snapshot } = this.#recordsOf(requests);
    const epoch = this.#epoch + 1;
    const room = this.#segments.roomFor(requests.some((request) => request.snapshot !== undefined));
    if (this.#end + batchBytesOf(records) <= room) {
      const seed = segmentSeed({ segmentId: this.#segments.active.id, ...this.#place });
      const batch = encodeBatch(records, { seed, epoch, previous: this.#chain });
      await this.#segments.file.write(this.#end, batch.chunks);
      if (this.#acksBeforeSync) for (const request of requests) request.resolve();
      await this.#timed(() => this.#sync());
      this.#end += batch.bytes;
      this.#chain = batch.chain;
    } else {
      await this.#timed(() => this.#roll(records, epoch));
    }
    this.#epoch = epoch;
    this.#hardState = hardState;
    this.#snapshot = snapshot;
    for (const record of records) {
      if (record.type === 'entry') this.#durable.append(record.entry);
      if (record.type === 'snapshot') this.#durable.snapshot(record.snapshot.meta);
      if (record.type === 'entry') this.#segments.noteEntry(record.entry.index);
    }
  }

  async #sync(): Promise<void> {
    try {
      await this.#segments.file.sync();
    } catch (error) {
      if (this.#place.mutations?.has('retry-failed-sync') !== true) throw error;
      await this.#segments.file.sync();
    }
  }

  /** A new segment repeats hard state and snapshot, so that older ones matter for their entries only. */
  async #roll(records: LogRecord[], epoch: number): Promise<void> {
    const repeated: LogRecord[] = [{ type: 'hardState', hardState: this.#hardState }];
    if (this.#snapshot !== undefined) {
      repeated.push({ type: 'snapshot', snapshot: { ...this.#snapshot, keepsLog: true } });
    }
    let batch: EncodedBatch | undefined;
    const next = { firstIndex: this.#durable.lastIndex + 1, previousEnd: this.#end, previousChain: this.#chain };
    await this.#segments.roll(next, (header) => {
      batch = encodeBatch([...repeated, ...records], { seed: segmentSeed(header), epoch, previous: this.#chain });
      return batch.chunks;
    });
    assert(batch !== undefined, 'a new segment begins with a batch');
    this.#end = this.#segments.firstBatchOffset + batch.bytes;
    this.#chain = batch.chain;
    this.maintain();
  }

  #recordsOf(requests: Request[]): {
    records: LogRecord[];
    hardState: HardState;
    snapshot: SnapshotRecord | undefined;
  } {
    const records: LogRecord[] = [];
    let hardState = this.#hardState;
    let snapshot = this.#snapshot;
    for (const request of requests) {
      for (const entry of request.entries) records.push({ type: 'entry', entry });
      if (request.hardState !== undefined) hardState = request.hardState;
      if (request.snapshot !== undefined) {
        snapshot = request.snapshot;
        records.push({ type: 'snapshot', snapshot });
      }
    }
    // Consensus may not know yet of a snapshot that is being installed; the log does.
    const committed = snapshot?.meta.index ?? 0;
    if (hardState.commitIndex < committed) hardState = { ...hardState, commitIndex: committed };
    // One hard state a batch is enough: the batch counts as a whole or not at all.
    const forgets = this.#place.mutations?.has('hard-state-not-written') === true && records.length > 0;
    if (!forgets && (hardState !== this.#hardState || records.length === 0))
      records.push({ type: 'hardState', hardState });
    return { records, hardState, snapshot };
  }

  async #writeSnapshot(file: string, chunks: Chunks, offer: SnapshotOffer | undefined): Promise<FileFacts> {
    const { disk, directory } = this.#place;
    const name = offer === undefined ? file + temporarySuffix : partialName(offer.sha256);
    const temporary = this.#path(name);
    // Of another snapshot, which nobody will offer again once this one is there.
    for (const other of await disk.list(directory))
      if (isPartial(other) && other !== name) await disk.remove(this.#path(other));
    let isKept = offer !== undefined;
    try {
      const write = (target: DiskFile, offset: number, bytes: Uint8Array[]): Promise<void> =>
        this.#withReserve(() => target.write(offset, bytes));
      const facts = await writeSnapshotFile(disk, temporary, chunks, write, { over: offer !== undefined });
      isKept = false;
      if (offer !== undefined && (facts.bytes !== offer.bytes || facts.sha256 !== offer.sha256))
        throw mismatch(offer, facts);
      await verifySnapshotFile(disk, temporary, facts);
      await disk.rename(temporary, this.#path(file));
      await disk.syncDirectory(directory);
      return facts;
    } catch (error) {
      // What came so far saves the way again, unless the disk needs the room or what came is wrong.
      if (!isKept || isFault(error, 'DISK_FULL')) await disk.remove(temporary);
      throw error;
    }
  }

  async #recordSnapshot(input: Omit<SnapshotRecord, 'keepsLog'>): Promise<void> {
    await this.#withReserve(async () => {
      this.#checkOpen();
      const held = this.#planned.lastIndex;
      const keepsLog = this.#planned.snapshot(input.meta);
      if (!keepsLog && held > 0) this.#place.mark?.('wal: log emptied by a snapshot from a leader');
      this.#plannedSnapshot = input.meta.index;
      const commitIndex = Math.max(this.#plannedHardState.commitIndex, input.meta.index);
      this.#plannedHardState = { ...this.#plannedHardState, commitIndex };
      await this.#enqueue({ hardState: undefined, entries: [], snapshot: { ...input, keepsLog }, bytes: 0 });
    });
  }

  async #withReserve(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isFault(error, 'DISK_FULL')) throw error;
      const freed = await this.#segments.freeReserve();
      if (freed) this.#place.mark?.('wal: reserve given up for a snapshot');
      if (freed) this.#place.log.warn('the disk is full; the reserve was given up to save a snapshot');
      // Also when nothing was left to give up: what shared the batch, and did not fit, has been refused.
      await work();
    }
  }

  #inBackground(work: () => Promise<void>): Promise<void> {
    const done = this.#background.then(async () => {
      try {
        if (this.#state.is !== 'failed') await work();
      } catch (error) {
        this.#fail(error);
        throw error;
      }
    });
    this.#background = done.catch(() => undefined); // the next task is told by #state
    return done;
  }

  /** Under load the next batch proves that this one was synced; when none follows for a while, a note does. */
  #noteWhenIdle(): void {
    if (this.#clock === undefined) {
      this.#noting ??= this.#note();
      return;
    }
    this.#noteTimer ??= this.#clock.after(noteDelayMs, () => {
      this.#noteTimer = undefined;
      if (this.#state.is === 'open' && this.#running === undefined) this.#noting ??= this.#note();
    });
  }

  async #note(): Promise<void> {
    try {
      await this.#segments.note({ epoch: this.#epoch, index: this.#durable.lastIndex });
    } catch (error) {
      // It only sharpens what a later start can tell; the log itself is whole.
      this.#place.log.warn('could not note the end of the log', { reason: messageOf(error) });
    } finally {
      this.#noting = undefined;
    }
  }

  async #timed(work: () => Promise<void>): Promise<void> {
    const startedMs = this.#clock?.monotonicMs() ?? 0;
    this.#syncSinceMs = this.#clock === undefined ? undefined : startedMs;
    await work();
    this.#syncSinceMs = undefined;
    this.#lastSyncMs = (this.#clock?.monotonicMs() ?? 0) - startedMs;
    this.#syncs += 1;
  }

  /** A failed sync may have lost pages that the kernel calls clean now; trying again would lie (Rebello, ATC 2020). */
  #fail(cause: unknown): void {
    if (this.#state.is === 'failed') return;
    this.#state = { is: 'failed', cause };
    this.#place.mark?.('wal: log ended by a failed write or sync');
    this.#place.log.error('the log cannot be written any more', { reason: messageOf(cause) });
  }

  #checkOpen(): void {
    if (this.#state.is === 'failed') throw failedFault(this.#state.cause);
    if (this.#state.is === 'closed') throw new Fault('WAL_CLOSED', 'the log was closed', 'elsewhere');
  }

  #path(name: string): string {
    return `${this.#place.directory}/${name}`;
  }
}

function failedFault(cause: unknown): Fault {
  const message = `the log cannot be written any more: ${messageOf(cause)}; restart this node, which reads the disk again`;
  return new Fault('WAL_FAILED', message, 'elsewhere', cause);
}

function mismatch(offer: SnapshotOffer, { bytes, sha256 }: FileFacts): Fault {
  const message = `the snapshot was offered as ${offer.bytes} bytes with SHA-256 ${offer.sha256}, and ${bytes} bytes with ${sha256} came; it is asked for anew`;
  return new Fault('WAL_SNAPSHOT_MISMATCH', message, 'later');
}
