/** Reading the store: a synchronous view of one replica's applied state. */
import type { Key, StoreEvent, Value } from './command.ts';

export interface RangeResult {
  items: { key: Key; value: Value }[];
  /** Whether keys remain after the last item. */
  more: boolean;
  /** Keys in the whole range at that revision, `items` included. */
  count: number;
  /** The revision the range was read at. */
  revision: number;
}

export interface StoreWatch {
  /** The next events in revision order, at least one; undefined when cancelled. */
  next(): Promise<StoreEvent[] | undefined>;
  /** Every event at or below this revision has been given to `next`. */
  progress(): number;
  cancel(): void;
}

/**
 * Faults: STORE_COMPACTED (revision below the floor; carries nothing newer), STORE_FUTURE_REVISION,
 * STORE_WATCH_OVERFLOW (a reader too slow for its bounded queue; `next` rejects).
 */
export interface StoreView {
  /** The newest applied revision. */
  readonly revision: number;
  /** Reads and watches below it fail with STORE_COMPACTED. */
  readonly compactedRevision: number;
  get(key: Key): Value | undefined;
  /** Keys in [from, to) in code-unit order. `atRevision` reads history. limit 0: all. */
  range(options: { from: Key; to: Key; limit: number; atRevision?: number }): RangeResult;
  /** The value at a revision (history within the retained window). */
  getAt(key: Key, revision: number): Value | undefined;
  counter(key: Key): number;
  /** Events with revision > afterRevision for keys in [from, to). */
  watch(options: { from: Key; to: Key; afterRevision: number; queueBytesMax: number }): StoreWatch;
}
