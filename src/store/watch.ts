/**
 * Watches: ordered, unique, whole transactions, resumable, never with a silent gap (reference/raft.md A2).
 * A watch first catches up from the history at its reader's pace; then it is live and events are pushed
 * into its bounded queue. One event object serves all watches.
 */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import type { Key, StoreEvent } from './command.ts';
import type { StoreMark } from './marks.ts';
import type { StoreState } from './state.ts';
import { eventBytes } from './version.ts';
import type { VersionEvent } from './version.ts';
import type { StoreWatch } from './view.ts';
import { WatchIndex } from './watch-index.ts';

/** Events one `next` takes from the history, up to the end of the transaction it stops in. */
const CATCH_UP_EVENTS_MAX = 1024;
/** Of the test-only mutation 'lost-watch-event': one event in this many is not delivered. */
const LOST_EVENT_EVERY = 61;

export type WatchOptions = { from: Key; to: Key; afterRevision: number; queueBytesMax: number };

type Waiter = { resolve: (events: StoreEvent[] | undefined) => void; reject: (fault: Fault) => void };

/** `catchingUp`: reads the history from `cursor`; `live`: is pushed to; `ended`: cancelled, or failed with `fault`. */
type WatchPhase = { phase: 'catchingUp' } | { phase: 'live' } | { phase: 'ended'; fault: Fault | undefined };

export class WatchHub {
  readonly #live = new WatchIndex<Watch>();
  /** Watches with events for a waiting reader, to be woken at the end of the entry. */
  #touched: Watch[] = [];
  readonly #open = new Set<Watch>();
  readonly #loseEvents: boolean;
  /** The mutation bookmark-overtakes-events (etcd #15220). */
  readonly progressOvertakes: boolean;
  readonly mark: (mark: StoreMark) => void;
  #pushes = 0;
  state: StoreState;

  constructor(
    state: StoreState,
    options: { loseEvents: boolean; progressOvertakes: boolean; mark: (mark: StoreMark) => void },
  ) {
    this.state = state;
    this.#loseEvents = options.loseEvents;
    this.progressOvertakes = options.progressOvertakes;
    this.mark = options.mark;
  }

  get size(): number {
    return this.#open.size;
  }

  open(options: WatchOptions): StoreWatch {
    const watch = new Watch(this, options);
    this.#open.add(watch);
    return watch;
  }

  /** Give an event of a finished transaction to the live watches. */
  publish(event: VersionEvent): void {
    this.#live.match(event.key, (watch) => {
      if (this.#loseEvents && ++this.#pushes % LOST_EVENT_EVERY === 0) return;
      if (watch.push(event)) this.#touched.push(watch);
    });
  }

  /** Wake the readers; after the last event of an entry, so that nobody sees half of it. */
  flush(): void {
    if (this.#touched.length === 0) return;
    const touched = this.#touched;
    this.#touched = [];
    for (const watch of touched) watch.wake();
  }

  /** A snapshot was installed: every live watch reads on from the new history, or fails when that begins too late. */
  replaceState(state: StoreState): void {
    const oldRevision = this.state.revision;
    this.state = state;
    if (this.#open.size > 0) this.mark('store: watch carried over an install');
    for (const watch of this.#open) watch.rebase(oldRevision);
  }

  goLive(watch: Watch): void {
    this.#live.add(watch);
  }

  leave(watch: Watch, phase: 'live' | 'catchingUp'): void {
    if (phase === 'live') this.#live.remove(watch);
  }

  close(watch: Watch): void {
    this.#open.delete(watch);
  }
}

class Watch implements StoreWatch {
  readonly from: Key;
  readonly to: Key;
  readonly #hub: WatchHub;
  readonly #queueBytesMax: number;
  #phase: WatchPhase = { phase: 'catchingUp' };
  /** While catching up: events at or below were read from the history. */
  #cursor: number;
  #queue: VersionEvent[] = [];
  #queueBytes = 0;
  #waiter: Waiter | undefined;

  constructor(hub: WatchHub, options: WatchOptions) {
    this.#hub = hub;
    this.from = options.from;
    this.to = options.to;
    this.#cursor = options.afterRevision;
    this.#queueBytesMax = options.queueBytesMax;
  }

  next(): Promise<StoreEvent[] | undefined> {
    assert(this.#waiter === undefined, 'a watch has one reader, and it waits already');
    if (this.#phase.phase === 'catchingUp' && this.#queue.length === 0) this.#catchUp();
    if (this.#phase.phase === 'ended') {
      const { fault } = this.#phase;
      return fault === undefined ? Promise.resolve(undefined) : Promise.reject(fault);
    }
    if (this.#queue.length > 0) return Promise.resolve(this.#take());
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  progress(): number {
    const first = this.#queue[0];
    if (first !== undefined && !this.#hub.progressOvertakes) return first.revision - 1;
    return this.#phase.phase === 'live' ? this.#hub.state.revision : this.#cursor;
  }

  cancel(): void {
    this.#end(undefined);
  }

  /** Queue a live event; true when the reader is to be woken for it. A waiting reader cannot be too slow. */
  push(event: VersionEvent): boolean {
    const bytes = eventBytes(event);
    if (this.#waiter === undefined && this.#queueBytes + bytes > this.#queueBytesMax) {
      this.#overflow();
      return false;
    }
    this.#queue.push(event);
    this.#queueBytes += bytes;
    return this.#waiter !== undefined && this.#queue.length === 1;
  }

  wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined || this.#queue.length === 0) return;
    this.#waiter = undefined;
    waiter.resolve(this.#take());
  }

  rebase(oldRevision: number): void {
    if (this.#phase.phase === 'live') {
      this.#hub.leave(this, 'live');
      this.#phase = { phase: 'catchingUp' };
      this.#cursor = oldRevision;
    }
    if (this.#waiter === undefined) return;
    this.#catchUp();
    this.wake();
  }

  #take(): StoreEvent[] {
    const events = this.#queue;
    this.#queue = [];
    this.#queueBytes = 0;
    const last = events.at(-1)!.revision;
    if (last > this.#cursor) this.#cursor = last;
    return events;
  }

  /** Read from the history until there is something to deliver or all was read; then go live. */
  #catchUp(): void {
    const { state } = this.#hub;
    if (this.#cursor + 1 < state.history.first) {
      this.#hub.mark('store: watch overtaken by compaction');
      this.#end(compacted('watch', this.#cursor, state.compactedRevision));
      return;
    }
    while (this.#cursor < state.revision) {
      const event = state.history.at(this.#cursor + 1)!;
      this.#cursor = event.revision;
      if (event.key >= this.from && event.key < this.to) {
        this.#queue.push(event);
        this.#queueBytes += eventBytes(event);
      }
      if (this.#queue.length < CATCH_UP_EVENTS_MAX && this.#queueBytes < this.#queueBytesMax) continue;
      if (event.value.endsTransaction) return;
    }
    this.#phase = { phase: 'live' };
    this.#hub.goLive(this);
  }

  #overflow(): void {
    this.#hub.mark('store: watch too slow for its queue');
    const message =
      `the reader of the watch on [${this.from}, ${this.to}) is too slow: more than ${this.#queueBytesMax} bytes of ` +
      `events wait for it after revision ${this.progress()}; watch again from there`;
    this.#end(new Fault('STORE_WATCH_OVERFLOW', message, 'later'));
  }

  #end(fault: Fault | undefined): void {
    if (this.#phase.phase === 'ended') return;
    this.#cursor = this.progress();
    this.#hub.leave(this, this.#phase.phase);
    this.#hub.close(this);
    this.#phase = { phase: 'ended', fault };
    this.#queue = [];
    this.#queueBytes = 0;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (fault === undefined) waiter?.resolve(undefined);
    else waiter?.reject(fault);
  }
}

/** STORE_COMPACTED, worded for a `read` or a `watch`. */
export function compacted(what: 'read' | 'watch', revision: number, floor: number): Fault {
  return new Fault(
    'STORE_COMPACTED',
    `${what} at revision ${revision}, but history begins at ${floor}; list again`,
    'never',
  );
}
