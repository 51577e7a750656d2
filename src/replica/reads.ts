/**
 * This node's side of reading: those who wait are joined, a turn's worth to one read index round
 * (Raft §8; Ongaro thesis §6.4), and answered when this node has applied that far.
 * A reader is never put into a round that began before it asked (reference/raft.md A3.5).
 */
import type { Clock } from '#src/ports/clock.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Freshness, Reader } from './reader.ts';
import * as limits from './settings.ts';

/** Given by the replica. */
export interface ReadRoute {
  /** Asks the leader, wherever it is, and resolves with an index committed when the call began. */
  readIndex(): Promise<number>;
  view(): StoreView;
  appliedIndex(): number;
  /** Why this replica cannot serve now, or undefined. */
  notReady(): string | undefined;
  ageMs(): number | undefined;
}

type Waiting = {
  deadlineAt: number;
  resolve: (view: StoreView) => void;
  reject: (fault: Fault) => void;
  settled: boolean;
};

export class Reads implements Reader {
  readonly #clock: Clock;
  readonly #route: ReadRoute;
  /** For the next round. */
  #unasked: Waiting[] = [];
  #asking: Waiting[] = [];
  /** Confirmed, waiting for the apply. */
  #byIndex: { index: number; readers: Waiting[] }[] = [];
  #byRevision: { revision: number; reader: Waiting }[] = [];
  #count = 0;
  #rounds = 0;
  #scheduled = false;
  #retryAt = 0;
  #lastTrouble = 'no round was begun';
  #stopped: Fault | undefined;

  /** The mutation stale-read. */
  readonly #guesses: boolean;

  constructor(options: { clock: Clock; route: ReadRoute; guesses?: boolean }) {
    this.#clock = options.clock;
    this.#guesses = options.guesses === true;
    this.#route = options.route;
  }

  local(): StoreView {
    return this.#route.view();
  }

  ageMs(): number | undefined {
    return this.#route.ageMs();
  }

  confirm(freshness: Freshness, options: { deadlineMs: number }): Promise<StoreView> {
    const refusal = this.#refuse();
    if (refusal !== undefined) return Promise.reject(refusal);
    const view = this.#route.view();
    if (freshness.type === 'any') {
      if (this.#route.appliedIndex() > 0) return Promise.resolve(view);
      return Promise.reject(
        new Fault('REPLICA_NOT_READY', 'this node has no state yet; ask another node', 'elsewhere'),
      );
    }
    if (this.#guesses && freshness.type === 'linearizable') return Promise.resolve(view);
    if (freshness.type === 'atLeast' && view.revision >= freshness.revision) return Promise.resolve(view);
    const deadlineAt = this.#clock.monotonicMs() + options.deadlineMs;
    this.#count++;
    return new Promise((resolve, reject) => {
      const reader: Waiting = { deadlineAt, resolve, reject, settled: false };
      if (freshness.type === 'atLeast') {
        this.#byRevision.push({ revision: freshness.revision, reader });
      } else {
        this.#unasked.push(reader);
        this.#roundLater();
      }
    });
  }

  get busy(): boolean {
    return this.#count > 0;
  }

  /** After entries were applied or a snapshot installed. */
  applied(): void {
    if (this.#count === 0) return;
    const appliedIndex = this.#route.appliedIndex();
    const view = this.#route.view();
    if (this.#byIndex.some(({ index }) => index <= appliedIndex)) {
      const ready = this.#byIndex.filter(({ index }) => index <= appliedIndex);
      this.#byIndex = this.#byIndex.filter(({ index }) => index > appliedIndex);
      for (const { readers } of ready) for (const reader of readers) this.#answer(reader, view);
    }
    if (this.#byRevision.some(({ revision }) => revision <= view.revision)) {
      const ready = this.#byRevision.filter(({ revision }) => revision <= view.revision);
      this.#byRevision = this.#byRevision.filter(({ revision }) => revision > view.revision);
      for (const { reader } of ready) this.#answer(reader, view);
    }
  }

  leaderChanged(): void {
    this.#retryAt = 0;
    if (this.#unasked.length > 0) this.#roundLater();
  }

  tick(): void {
    if (this.#count === 0) return;
    const now = this.#clock.monotonicMs();
    for (const reader of this.#unasked) this.#expire(reader, now);
    for (const reader of this.#asking) this.#expire(reader, now);
    for (const { readers } of this.#byIndex) for (const reader of readers) this.#expire(reader, now);
    for (const { revision, reader } of this.#byRevision) {
      const newest = this.#route.view().revision;
      this.#expire(
        reader,
        now,
        new Fault('REPLICA_FUTURE_REVISION', `revision ${revision} was asked for, this node has ${newest}`, 'later'),
      );
    }
    this.#unasked = this.#unasked.filter(({ settled }) => !settled);
    this.#asking = this.#asking.filter(({ settled }) => !settled);
    this.#byIndex = this.#byIndex.filter(({ readers }) => readers.some(({ settled }) => !settled));
    this.#byRevision = this.#byRevision.filter(({ reader }) => !reader.settled);
    if (this.#unasked.length > 0 && now >= this.#retryAt) this.#roundLater();
  }

  stop(fault: Fault): void {
    this.#stopped = fault;
    const readers = [
      ...this.#unasked,
      ...this.#asking,
      ...this.#byIndex.flatMap((one) => one.readers),
      ...this.#byRevision.map((one) => one.reader),
    ];
    for (const reader of readers) this.#fail(reader, fault);
    [this.#unasked, this.#asking, this.#byIndex, this.#byRevision] = [[], [], [], []];
  }

  #refuse(): Fault | undefined {
    if (this.#stopped !== undefined) return this.#stopped;
    const notReady = this.#route.notReady();
    if (notReady !== undefined) return new Fault('REPLICA_NOT_READY', notReady, 'elsewhere');
    if (this.#count < limits.READERS_MAX) return undefined;
    return new Fault('REPLICA_OVERLOADED', `${this.#count} reads wait on this node already; try again later`, 'later');
  }

  #roundLater(): void {
    if (this.#scheduled || this.#rounds >= limits.READ_ROUNDS_MAX) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(() => {
      this.#scheduled = false;
      if (this.#stopped === undefined && this.#unasked.length > 0) void this.#round();
    });
  }

  async #round(): Promise<void> {
    const readers = this.#unasked;
    this.#unasked = [];
    this.#asking = [...this.#asking, ...readers];
    this.#rounds++;
    let index: number | undefined;
    try {
      index = await this.#route.readIndex();
    } catch (error) {
      // Whatever went wrong, the readers may ask again until their deadline; the last reason is told then.
      this.#lastTrouble = messageOf(error);
    }
    this.#rounds--;
    const inRound = new Set(readers);
    this.#asking = this.#asking.filter((reader) => !inRound.has(reader));
    const left = readers.filter(({ settled }) => !settled);
    if (index === undefined) {
      this.#unasked = [...left, ...this.#unasked];
      this.#retryAt = this.#clock.monotonicMs() + limits.RETRY_PAUSE_MS;
    } else if (left.length > 0) {
      this.#byIndex.push({ index, readers: left });
      this.applied();
      if (this.#unasked.length > 0) this.#roundLater();
    }
  }

  #answer(reader: Waiting, view: StoreView): void {
    if (reader.settled) return;
    reader.settled = true;
    this.#count--;
    reader.resolve(view);
  }

  #expire(reader: Waiting, now: number, fault?: Fault): void {
    if (reader.settled || reader.deadlineAt > now) return;
    const message = `the read was not confirmed by a leader before the deadline (${this.#lastTrouble}); try again`;
    this.#fail(reader, fault ?? new Fault('REPLICA_NO_LEADER', message, 'later'));
  }

  #fail(reader: Waiting, fault: Fault): void {
    if (reader.settled) return;
    reader.settled = true;
    this.#count--;
    reader.reject(fault);
  }
}
