/**
 * Snapshots of the store: when to take one, giving one to a member that fell behind the log, and
 * installing one from the leader. Order of an installation (reference/raft.md A3.13): all bytes
 * received and checked → durable in the log's directory → the store → the consensus core.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { SnapshotReader } from '#src/store/store.ts';
import type { Store } from '#src/store/store.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { ReplicaSettings } from './settings.ts';
import { acknowledgeSnapshot, receiveSnapshot, sendSnapshot } from './snapshot-stream.ts';

export const SNAPSHOT_METHOD = 'replica.snapshot';

/** Where snapshots are kept; of the write-ahead log. */
export interface SnapshotShelf {
  /** Durable when it resolves. `trailingIndex`: entries above it are kept in the log. */
  save(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>, trailingIndex: number): Promise<void>;
  /** The newest saved; undefined when there is none. */
  newest(): { meta: SnapshotMeta; chunks: () => AsyncIterable<Uint8Array> } | undefined;
}

/** What snapshots need of the rest of the replica. */
export interface SnapshotHost {
  /** What a snapshot of the store as it is now stands for. */
  metaNow(): SnapshotMeta;
  /** The log up to this index may be dropped from memory. */
  compactLog(index: number): void;
  appliedIndex(): number;
  /** The snapshot is durable: bring store and core to it, in this turn. False when it is no longer wanted. */
  install(meta: SnapshotMeta, reader: SnapshotReader, from: NodeId): boolean;
  fatal(error: unknown): void;
}

export class Snapshots {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #peers: Peers;
  readonly #store: Store;
  readonly #shelf: SnapshotShelf;
  readonly #host: SnapshotHost;
  readonly #settings: ReplicaSettings;
  #entriesSince = 0;
  #bytesSince = 0;
  #saving = false;
  #stopped = false;
  /** What is being received. */
  #installing: { from: NodeId; meta: SnapshotMeta } | undefined;

  constructor(options: {
    clock: Clock;
    log: Log;
    peers: Peers;
    store: Store;
    shelf: SnapshotShelf;
    host: SnapshotHost;
    settings: ReplicaSettings;
  }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#peers = options.peers;
    this.#store = options.store;
    this.#shelf = options.shelf;
    this.#host = options.host;
    this.#settings = options.settings;
    this.#peers.onStream(SNAPSHOT_METHOD, (from, header, stream) => this.#receive(from, header, stream));
  }

  /** Set while a snapshot is being received. */
  get installing(): { from: NodeId; meta: SnapshotMeta } | undefined {
    return this.#installing;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Entries were applied; take a snapshot when the log has grown over its bounds. */
  applied(entries: number, bytes: number): void {
    this.#entriesSince += entries;
    this.#bytesSince += bytes;
    const { snapshotEntries, snapshotBytes } = this.#settings;
    if (this.#entriesSince < snapshotEntries && this.#bytesSince < snapshotBytes) return;
    if (!this.#saving && this.#installing === undefined && !this.#stopped) void this.take();
  }

  /** Take one now; resolves when the log has been compacted behind it. */
  async take(): Promise<void> {
    this.#saving = true;
    this.#entriesSince = 0;
    this.#bytesSince = 0;
    const meta = this.#host.metaNow();
    const capture = this.#store.snapshot();
    const trailing = Math.max(0, meta.index - this.#settings.trailingEntries);
    try {
      await this.#shelf.save(meta, this.#paced(capture.chunks()), trailing);
      if (!this.#stopped) this.#host.compactLog(trailing);
      this.#log.info('snapshot saved', { index: meta.index, revision: capture.revision });
    } catch (error) {
      // A full disk is not the end: the log goes on in its reserve, and a snapshot is tried again.
      if (isFault(error, 'DISK_FULL')) this.#log.error('snapshot not saved', { why: error.message });
      else if (!this.#stopped) this.#host.fatal(error);
    } finally {
      capture.release();
      this.#saving = false;
    }
  }

  /** Give the newest snapshot to a member. True when it has it durably. */
  async send(to: NodeId): Promise<SnapshotMeta | undefined> {
    try {
      if (this.#shelf.newest() === undefined) await this.take();
      const newest = this.#shelf.newest();
      if (newest === undefined) return undefined;
      const stream = await this.#peers.openStream(to, SNAPSHOT_METHOD, { meta: newest.meta });
      try {
        await sendSnapshot(stream, newest.chunks());
      } catch (error) {
        stream.cancel(messageOf(error));
        throw error;
      }
      this.#log.info('snapshot sent', { to, index: newest.meta.index });
      return newest.meta;
    } catch (error) {
      // The core asks again; the member may just be away.
      this.#log.warn('snapshot not sent', { to, why: messageOf(error) });
      return undefined;
    }
  }

  /** One chunk a turn, so that encoding a large state delays nothing else. */
  async *#paced(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for (const chunk of chunks) {
      yield chunk;
      await new Promise<void>((resolve) => {
        this.#clock.soon(resolve);
      });
    }
  }

  async #receive(from: NodeId, header: unknown, stream: ByteStream): Promise<void> {
    const { meta } = header as { meta: SnapshotMeta };
    const refusal = this.#refuse(meta);
    if (refusal !== undefined) throw refusal;
    this.#installing = { from, meta };
    const reader = new SnapshotReader();
    try {
      await this.#shelf.save(meta, fed(reader, receiveSnapshot(stream)), meta.index);
      if (this.#stopped) return;
      if (this.#host.install(meta, reader, from)) {
        this.#entriesSince = 0;
        this.#bytesSince = 0;
        this.#log.info('snapshot installed', { from, index: meta.index });
      }
      await acknowledgeSnapshot(stream);
    } catch (error) {
      stream.cancel(messageOf(error));
      this.#log.warn('snapshot not installed', { from, index: meta.index, why: messageOf(error) });
      throw error;
    } finally {
      this.#installing = undefined;
    }
  }

  #refuse(meta: SnapshotMeta): Fault | undefined {
    if (this.#stopped) return new Fault('REPLICA_STOPPED', 'this replica stopped', 'later');
    if (this.#installing !== undefined || this.#saving) {
      return new Fault('REPLICA_SNAPSHOT_REFUSED', 'another snapshot is being saved here; try again later', 'later');
    }
    const applied = this.#host.appliedIndex();
    if (meta.index > applied) return undefined;
    // An old snapshot, delayed on the way (etcd #18055): we are past it.
    return new Fault(
      'REPLICA_SNAPSHOT_REFUSED',
      `snapshot at index ${meta.index}, this replica has applied ${applied}`,
      'later',
    );
  }
}

/** Decode the chunks on their way to the disk. */
async function* fed(reader: SnapshotReader, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    reader.push(chunk);
    yield chunk;
  }
}
