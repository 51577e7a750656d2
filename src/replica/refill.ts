/**
 * A replica whose state has diverged throws it away and takes the leader's. Its log is sound: only what was made of it
 * is not, so consensus goes on meanwhile and no entry is lost.
 *
 *   sound → aside (a copy of log and snapshot is kept for the curious) → asking (applying stands still, reads are
 *   refused) → installed, as soon as the own log has what the leader's state holds → sound
 *
 * A diverged leader hands over first.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Disk } from '#src/ports/disk.ts';
import type { Log } from '#src/ports/log.ts';
import type { NodeId } from '#src/raft/types.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { SnapshotReader } from '#src/store/store.ts';
import type { Store } from '#src/store/store.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { ReplicaMark } from './marks.ts';
import { REFILL_RETRY_MS, REFILL_TIMEOUT_MS } from './settings.ts';
import { acknowledgeSnapshot, receiveSnapshot, sendSnapshot } from './snapshot-stream.ts';

export const REFILL_METHOD = 'replica.refill';
const COPY_BYTES = 1024 * 1024;

export interface RefillHost {
  leader(): NodeId | undefined;
  appliedIndex(): number;
  /** Committed entries up to here were given to the applier. */
  handedIndex(): number;
  handOver(): Promise<void>;
  /** Stand still; from now on reads are refused. */
  pause(): void;
  resume(): void;
  /** Replace the state; it is that after `index`. In this turn. */
  install(reader: SnapshotReader, index: number): void;
}

export class Refill {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #directory: string;
  readonly #peers: Peers;
  readonly #store: Store;
  readonly #host: RefillHost;
  readonly #mark: (mark: ReplicaMark) => void;
  #reason: string | undefined;
  #sending = false;
  #stopped = false;

  constructor(options: {
    self: NodeId;
    clock: Clock;
    disk: Disk;
    log: Log;
    directory: string;
    peers: Peers;
    store: Store;
    host: RefillHost;
    mark: (mark: ReplicaMark) => void;
  }) {
    this.#self = options.self;
    this.#clock = options.clock;
    this.#disk = options.disk;
    this.#log = options.log;
    this.#directory = options.directory;
    this.#peers = options.peers;
    this.#store = options.store;
    this.#host = options.host;
    this.#mark = options.mark;
    this.#peers.onStream(REFILL_METHOD, (_from, header, stream) => this.#give(header, stream));
  }

  /** Why this replica's state is not to be trusted. */
  get reason(): string | undefined {
    return this.#reason;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Idempotent while one is under way. */
  begin(index: number, why: string): void {
    if (this.#reason !== undefined || this.#stopped) return;
    this.#reason = `STATE_DIVERGED: the state of ${this.#self} has ${why}; it is being replaced by the leader's`;
    this.#log.error(this.#reason);
    this.#host.pause();
    void this.#run(index);
  }

  async #run(index: number): Promise<void> {
    await this.#keepAside(index);
    while (!this.#stopped) {
      try {
        const leader = this.#host.leader();
        if (leader === this.#self) {
          this.#mark('replica: diverged leader hands over');
          await this.#host.handOver();
        } else if (leader !== undefined) {
          await this.#take(leader);
          break;
        }
      } catch (error) {
        this.#log.warn('the diverged state is not replaced yet', { why: messageOf(error) });
      }
      await this.#rest(REFILL_RETRY_MS);
    }
    if (this.#stopped) return;
    this.#mark('replica: diverged state refilled');
    this.#log.info('the diverged state was replaced', { index: this.#host.appliedIndex() });
    this.#reason = undefined;
    this.#host.resume();
  }

  async #take(leader: NodeId): Promise<void> {
    const stood = this.#host.appliedIndex();
    const header: RefillHeader = { atLeast: stood };
    const stream = await this.#peers.openStream(leader, REFILL_METHOD, header);
    const reader = new SnapshotReader({ commands: this.#store.commands });
    let index: number;
    try {
      for await (const chunk of receiveSnapshot(stream)) {
        if (this.#stopped) return;
        reader.push(chunk);
      }
      await acknowledgeSnapshot(stream);
      // Behind the last command of the leader's state there were no more up to where this replica stood.
      index = Math.max(stood, reader.finish().appliedIndex);
    } catch (error) {
      stream.cancel(messageOf(error));
      throw error;
    }
    const deadlineAt = this.#clock.monotonicMs() + REFILL_TIMEOUT_MS;
    while (this.#host.handedIndex() < index) {
      if (this.#stopped) return;
      if (this.#clock.monotonicMs() >= deadlineAt) {
        throw new Fault(
          'REPLICA_REFILL',
          `this log did not come to index ${index} in ${REFILL_TIMEOUT_MS} ms`,
          'later',
        );
      }
      await this.#rest(REFILL_RETRY_MS / 10);
    }
    // A snapshot of consensus may have been installed meanwhile; it came from a leader too.
    if (this.#host.appliedIndex() === stood) this.#host.install(reader, index);
  }

  /** The leader's side. One at a time; never from a state that is in doubt itself. */
  async #give(header: unknown, stream: ByteStream): Promise<void> {
    const { atLeast } = header as RefillHeader;
    const applied = this.#host.appliedIndex();
    const refusal =
      this.#host.leader() !== this.#self
        ? `${this.#self} does not lead`
        : this.#reason !== undefined || this.#sending
          ? `${this.#self} is replacing its own state or giving it to another`
          : applied < atLeast
            ? `${this.#self} has applied ${applied}, ${atLeast} is asked for`
            : undefined;
    if (refusal !== undefined || this.#stopped) {
      throw new Fault('REPLICA_REFILL', `no state is given: ${refusal ?? 'stopped'}; ask again`, 'later');
    }
    this.#sending = true;
    const capture = this.#store.snapshot();
    try {
      await sendSnapshot(stream, capture.chunks());
    } catch (error) {
      stream.cancel(messageOf(error));
      throw error;
    } finally {
      capture.release();
      this.#sending = false;
    }
  }

  /** For whoever looks for the cause; one copy, and none when the disk has no room for it. */
  async #keepAside(index: number): Promise<void> {
    const aside = `${this.#directory}.diverged`;
    try {
      if ((await this.#disk.list(aside)).length > 0) return;
      await this.#disk.makeDirectory(aside);
      for (const name of await this.#disk.list(this.#directory)) {
        await this.#copy(`${this.#directory}/${name}`, `${aside}/${name}`);
      }
      await this.#disk.syncDirectory(aside);
      this.#log.info('log and snapshot were kept aside', { directory: aside, index });
    } catch (error) {
      // The copy is for people; the cluster needs this replica sound.
      this.#log.warn('log and snapshot could not be kept aside', { directory: aside, why: messageOf(error) });
    }
  }

  async #copy(from: string, to: string): Promise<void> {
    const source = await this.#disk.open(from);
    const target = await this.#disk.open(to, { create: true });
    try {
      const size = await source.size();
      for (let at = 0; at < size && !this.#stopped; at += COPY_BYTES) {
        await target.write(at, [await source.read(at, Math.min(COPY_BYTES, size - at))]);
      }
      await target.sync();
    } finally {
      await source.close();
      await target.close();
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}

/** The state given must have at least these entries. */
type RefillHeader = { atLeast: number };
