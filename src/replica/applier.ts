/** Applies committed entries to the store in order, in slices, so that a long run of them delays no heartbeat. */
import type { Clock } from '#src/ports/clock.ts';
import type { Entry } from '#src/raft/types.ts';
import { assert } from '#src/std/assert.ts';
import type { AppliedItem, Store } from '#src/store/store.ts';
import { APPLY_SLICE_MS } from './settings.ts';

/** The clock is read once in this many entries; in virtual time, where it stands still in a turn, this is no bound. */
const ENTRIES_PER_LOOK = 8;
/** A slice ends here whatever the clock says. */
const SLICE_ENTRIES_MAX = 512;

export interface ApplierEvents {
  /** After every slice: outcomes in order and the entries they came from. */
  applied(slice: { items: AppliedItem[]; entries: readonly Entry[] }): void;
  /** The store could not apply: a mistake of ours or an unknown version. This replica must stop. */
  failed(error: unknown): void;
}

export class Applier {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #events: ApplierEvents;
  #queue: Entry[] = [];
  #at = 0;
  #appliedIndex: number;
  #running = false;
  #paused = false;
  #stopped = false;

  constructor(options: { clock: Clock; store: Store; appliedIndex: number; events: ApplierEvents }) {
    this.#clock = options.clock;
    this.#store = options.store;
    this.#appliedIndex = options.appliedIndex;
    this.#events = options.events;
  }

  /** The last entry applied, those that are not commands included. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Entries that wait. */
  get waiting(): number {
    return this.#queue.length - this.#at;
  }

  /** Committed entries, following those given before. The first slice runs at once. */
  enqueue(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // What an installed snapshot covers already may still come from before.
      if (entry.index > this.#appliedIndex) this.#queue.push(entry);
    }
    if (!this.#running && !this.#paused) this.#slice();
  }

  /** The store was replaced by a snapshot up to this index. */
  skipTo(index: number): void {
    this.#queue = this.#queue.slice(this.#at).filter((entry) => entry.index > index);
    this.#at = 0;
    this.#appliedIndex = index;
  }

  /** Apply nothing until `resume`; entries wait. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (!this.#running) this.#slice();
  }

  stop(): void {
    this.#stopped = true;
  }

  #slice(): void {
    this.#running = false;
    if (this.#stopped || this.#paused || this.#at >= this.#queue.length) return;
    const started = this.#clock.monotonicMs();
    const items: AppliedItem[] = [];
    const first = this.#at;
    try {
      while (this.#at < this.#queue.length && this.#at - first < SLICE_ENTRIES_MAX) {
        this.#apply(this.#queue[this.#at]!, items);
        this.#at++;
        if ((this.#at - first) % ENTRIES_PER_LOOK === 0 && this.#clock.monotonicMs() - started >= APPLY_SLICE_MS) break;
      }
    } catch (error) {
      this.#stopped = true;
      this.#events.failed(error);
      return;
    }
    const entries = this.#queue.slice(first, this.#at);
    if (this.#at === this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    } else {
      this.#running = true;
      this.#clock.soon(() => this.#slice());
    }
    this.#events.applied({ items, entries });
  }

  #apply(entry: Entry, items: AppliedItem[]): void {
    assert(
      entry.index === this.#appliedIndex + 1,
      `entry ${entry.index} is committed, ${this.#appliedIndex} was applied`,
    );
    if (entry.type === 'command') {
      for (const item of this.#store.apply(entry)) items.push(item);
    }
    this.#appliedIndex = entry.index;
  }
}
