/**
 * Snapshots of the store: when to take one, giving one to a member that fell behind the log, and
 * installing one from the leader. Order of an installation (reference/raft.md A3.13): all bytes
 * received and checked → durable in the log's directory → the store → the consensus core.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { SnapshotReader } from '#src/store/store.ts';
import type { Store } from '#src/store/store.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { SnapshotOffer, Wal } from '#src/wal/wal.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { LOG_BYTES_MAX, SNAPSHOT_BYTES_MAX, SNAPSHOT_REST_MS } from './settings.ts';
import type { ReplicaMark } from './marks.ts';
import type { ReplicaSettings } from './settings.ts';
import { acknowledgeSnapshot, askFrom, receiveSnapshotFile, sendSnapshotFile } from './snapshot-stream.ts';

export const SNAPSHOT_METHOD = 'replica.snapshot';

/** What snapshots need of the rest of the replica. */
export interface SnapshotHost {
  /** What a snapshot of the store as it is now stands for. */
  metaNow(): SnapshotMeta;
  /** The log up to this index may be dropped from memory; some of it is better kept. */
  compactLog(index: number): void;
  currentTerm(): number;
  /** Whether a snapshot that is offered is worth receiving. */
  wants(from: NodeId, term: number, meta: SnapshotMeta): boolean;
  /** The snapshot is durable: bring store and core to it, in this turn. False when it is no longer wanted. */
  install(meta: SnapshotMeta, reader: SnapshotReader, from: NodeId): boolean;
  fatal(error: unknown): void;
}

export class Snapshots {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #peers: Peers;
  readonly #store: Store;
  readonly #wal: Wal;
  readonly #host: SnapshotHost;
  readonly #settings: ReplicaSettings;
  readonly #mark: (mark: ReplicaMark) => void;
  #entriesSince = 0;
  #bytesSince = 0;
  /** Of the last snapshot taken. */
  #lastBytes = 0;
  #saving = false;
  #stopped = false;
  /** What is being received. */
  #installing: { from: NodeId; meta: SnapshotMeta } | undefined;

  constructor(options: {
    clock: Clock;
    log: Log;
    peers: Peers;
    store: Store;
    wal: Wal;
    host: SnapshotHost;
    settings: ReplicaSettings;
    mark: (mark: ReplicaMark) => void;
  }) {
    this.#mark = options.mark;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#peers = options.peers;
    this.#store = options.store;
    this.#wal = options.wal;
    this.#host = options.host;
    this.#settings = options.settings;
    this.#peers.onStream(SNAPSHOT_METHOD, (from, header, stream) => this.#receive(from, header, stream));
  }

  /** Set while a snapshot is being received. */
  get installing(): { from: NodeId; meta: SnapshotMeta } | undefined {
    return this.#installing;
  }

  /** One is being saved or received. */
  get busy(): boolean {
    return this.#saving || this.#installing !== undefined;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Entries were applied; take a snapshot when the log has grown over its bounds. */
  applied(entries: number, bytes: number): void {
    this.#entriesSince += entries;
    this.#bytesSince += bytes;
    const { snapshotEntries, snapshotBytes } = this.#settings;
    const bytesBound = Math.min(Math.max(snapshotBytes, this.#lastBytes), LOG_BYTES_MAX);
    if (this.#entriesSince < snapshotEntries && this.#bytesSince < bytesBound) return;
    if (!this.#saving && this.#installing === undefined && !this.#stopped) void this.take();
  }

  /** Take one now; resolves when the log has been compacted behind it. */
  async take(): Promise<void> {
    this.#saving = true;
    this.#entriesSince = 0;
    this.#bytesSince = 0;
    const meta = this.#host.metaNow();
    const capture = this.#store.snapshot();
    try {
      await this.#wal.saveSnapshot(meta, this.#paced(capture.chunks()));
      await this.#wal.compact(meta.index);
      if (!this.#stopped) this.#host.compactLog(meta.index);
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
  async send(to: NodeId): Promise<boolean> {
    // Before the first await: deposed meanwhile, this node must not offer it in another leader's term.
    const term = this.#host.currentTerm();
    try {
      const newest = await this.#wal.openSnapshot();
      assert(newest !== undefined, 'the log was compacted, but there is no snapshot');
      const { meta, bytes, sha256 } = newest;
      const header: SnapshotHeader = { term, meta, bytes, sha256 };
      const stream = await this.#peers.openStream(to, SNAPSHOT_METHOD, header);
      try {
        const pace = { clock: this.#clock, bytesPerSecond: this.#settings.snapshotBytesPerSecond };
        const { from } = await sendSnapshotFile(stream, newest, pace);
        this.#log.info('snapshot sent', { to, index: meta.index, bytes, from });
      } catch (error) {
        stream.cancel(messageOf(error));
        throw error;
      }
      return true;
    } catch (error) {
      // The core asks again; the member may just be away.
      this.#log.warn('snapshot not sent', { to, why: messageOf(error) });
      return false;
    }
  }

  /** Chunk by chunk with a rest between, so that encoding a large state delays nothing else. */
  async *#paced(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    let bytes = 0;
    for (const chunk of chunks) {
      bytes += chunk.length;
      yield chunk;
      await new Promise<void>((resolve) => {
        this.#clock.after(SNAPSHOT_REST_MS, resolve);
      });
    }
    this.#lastBytes = bytes;
  }

  async #receive(from: NodeId, header: unknown, stream: ByteStream): Promise<void> {
    const { meta, bytes, sha256 } = header as SnapshotHeader;
    const refusal = this.#refuse(from, header as SnapshotHeader);
    if (refusal !== undefined) throw refusal;
    this.#installing = { from, meta };
    const reader = new SnapshotReader({ commands: this.#store.commands });
    try {
      const offer = { bytes, sha256 };
      const partial = await this.#wal.partialSnapshot(offer);
      await askFrom(stream, partial.bytes);
      if (partial.bytes > 0) {
        this.#mark('replica: snapshot goes on where it was cut off');
        this.#log.info('a snapshot goes on where it was cut off', {
          from,
          index: meta.index,
          at: partial.bytes,
          bytes,
        });
      }
      const rest = receiveSnapshotFile(stream, { bytes, offset: partial.bytes });
      await this.#wal.saveSnapshot(meta, fed(reader, joined(partial.read(), rest)), offer);
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

  #refuse(from: NodeId, { term, meta, bytes }: SnapshotHeader): Fault | undefined {
    if (this.#stopped) return new Fault('REPLICA_STOPPED', 'this replica stopped', 'later');
    if (this.#installing !== undefined || this.#saving) {
      return new Fault('REPLICA_SNAPSHOT_REFUSED', 'another snapshot is being saved here; try again later', 'later');
    }
    if (bytes > SNAPSHOT_BYTES_MAX)
      return new Fault(
        'REPLICA_SNAPSHOT_REFUSED',
        `a snapshot of ${bytes} bytes; ${SNAPSHOT_BYTES_MAX} are the limit`,
        'never',
      );
    if (this.#host.wants(from, term, meta)) return undefined;
    // Delayed on the way, or of an old leader (etcd #18055): we are past it.
    const message = `snapshot at index ${meta.index} of term ${term} is not wanted here any more`;
    return new Fault('REPLICA_SNAPSHOT_REFUSED', message, 'later');
  }
}

/** What the stream begins with. */
type SnapshotHeader = { term: number; meta: SnapshotMeta } & SnapshotOffer;

async function* joined(...parts: AsyncIterable<Uint8Array>[]): AsyncGenerator<Uint8Array, void, void> {
  for (const part of parts) yield* part;
}

/** Decode the chunks on their way to the disk. */
async function* fed(reader: SnapshotReader, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    reader.push(chunk);
    yield chunk;
  }
}
