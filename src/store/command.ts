/**
 * What can happen to the store: the format of the replicated log, so few forms and versioned.
 * Values are opaque bytes with one hole: the store writes the decimal revision of the write
 * between `head` and `tail` when it applies a put, since only then is it known.
 */
export type Key = string;

export type Condition =
  | { type: 'modRevision'; key: Key; revision: number }
  | { type: 'exists'; key: Key }
  | { type: 'absent'; key: Key }
  /** The fence: the term of the entry that carries this transaction. */
  | { type: 'entryTerm'; term: number };

export type Operation =
  | { type: 'put'; key: Key; head: Uint8Array; tail: Uint8Array }
  /** Watchers get the last value with the revision of the deletion in its hole. */
  | { type: 'delete'; key: Key }
  /** Delete at most `limit` keys in [from, to), in key order. */
  | { type: 'deleteRange'; from: Key; to: Key; limit: number }
  /** counter += delta; the transaction fails when the sum would leave [0, max]. Counters have no history. */
  | { type: 'addBounded'; key: Key; delta: number; max: number };

/** Atomic: all conditions hold and all operations happen, or nothing does. Every put or deleted key costs one revision. */
export type Transaction = { conditions: Condition[]; operations: Operation[] };

export type TransactionResult =
  | {
      ok: true;
      /** Revision of each operation that wrote, in order (deleteRange: of the last deleted key; none: 0; addBounded: 0). */
      revisions: number[];
      /** Of deleteRange operations, in order. */
      deleted: number[];
    }
  | {
      ok: false;
      /** The first condition that failed, or the operation that could not happen (delete of an absent key, bound). */
      failed: { type: 'condition'; index: number } | { type: 'operation'; index: number };
      /** modRevision of the key concerned as judged; 0 when absent. */
      actualRevision: number;
    };

/**
 * One log entry. Independent transactions, each with its own result. Retries come under the
 * same (session, sequence) and get the first outcome (Raft §8).
 */
export type Command =
  | { version: 1; type: 'batch'; items: { session: string; sequence: number; transactions: Transaction[] }[] }
  | { version: 1; type: 'openSession'; session: string }
  | { version: 1; type: 'compact'; revision: number };

/** Per batch item: what became of it. `unknown`: the sequence is below the window or the session is not known; not executed. */
export type Outcome = { type: 'done'; results: TransactionResult[] } | { type: 'unknown' };

/** A stored value as ready bytes. `revisionAt`/`revisionLength` locate the digits inside `bytes`. */
export type Value = {
  bytes: Uint8Array;
  revisionAt: number;
  revisionLength: number;
  modRevision: number;
  createRevision: number;
};

export type StoreEvent =
  | { type: 'put'; key: Key; revision: number; value: Value; previous: Value | undefined }
  /** `value` is the last value with the deletion's revision in its hole. */
  | { type: 'delete'; key: Key; revision: number; value: Value; previous: Value };
