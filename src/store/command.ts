/**
 * What can happen to the store: the format of the replicated log, so few forms and versioned.
 * Values are opaque bytes with one hole: the store writes the decimal revision of the write
 * between `head` and `tail` when it applies a put, since only then is it known.
 */
export type Key = string;
/** Chosen by whoever grants it, unique among the leases there are; 1 to LEASE_ID_LENGTH_MAX characters. */
export type LeaseId = string;

export type Condition =
  | { type: 'modRevision'; key: Key; revision: number }
  | { type: 'exists'; key: Key }
  | { type: 'absent'; key: Key }
  /** The fence: the term of the entry that carries this transaction. */
  | { type: 'entryTerm'; term: number }
  /** Version 2. The lease is there and was last granted or kept alive by the entry of this index: nobody was faster. */
  | { type: 'leaseRenewed'; lease: LeaseId; index: number };

export type Operation =
  /** `lease` (version 2): the key is deleted with that lease, which must be there. Without one a put ends an older attachment. */
  | { type: 'put'; key: Key; head: Uint8Array; tail: Uint8Array; lease?: LeaseId }
  /** Watchers get the last value with the revision of the deletion in its hole. */
  | { type: 'delete'; key: Key }
  /** Delete at most `limit` keys in [from, to), in key order. */
  | { type: 'deleteRange'; from: Key; to: Key; limit: number }
  /** counter += delta; the transaction fails when the sum would leave [0, max]. Counters have no history. */
  | { type: 'addBounded'; key: Key; delta: number; max: number }
  /** Version 2. Fails when the lease is there already, or a bound of leases.ts is reached. */
  | { type: 'grantLease'; lease: LeaseId; ttlMs: number }
  /** Version 2. Fails ("not found") when there is no such lease. */
  | { type: 'keepAlive'; lease: LeaseId }
  /** Version 2. Deletes the attached keys, in key order. Fails when there is no such lease. */
  | { type: 'revokeLease'; lease: LeaseId };

/** Atomic: all conditions hold and all operations happen, or nothing does. Every put or deleted key costs one revision. */
export type Transaction = { conditions: Condition[]; operations: Operation[] };

export type TransactionResult =
  | {
      ok: true;
      /** Revision of each operation that wrote, in order (deleteRange and revokeLease: of the last deleted key, none: 0; others: 0). */
      revisions: number[];
      /** Of deleteRange and revokeLease operations, in order. */
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
  /** Version 2 when a transaction uses what version 1 has not (`versionNeeded`). */
  | {
      version: CommandVersion;
      type: 'batch';
      items: { session: string; sequence: number; transactions: Transaction[] }[];
    }
  | { version: 1; type: 'openSession'; session: string }
  | { version: 1; type: 'compact'; revision: number }
  /** The cluster's command version becomes `to`: up, or down when no state of a higher version is left. */
  | { version: 2; type: 'setVersion'; to: number }
  /** Replicas note the hash of their state here, to be compared; `deep`: of all bytes, not only the running one. */
  | { version: 2; type: 'checkpoint'; deep: boolean };

/** Every release knows a range of them; a cluster uses one that all its members know (`Store.commandVersion`). */
export type CommandVersion = 1 | 2;

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
