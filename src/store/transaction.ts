/** Judging and executing one transaction: all of it or nothing. */
import { unreachable } from '#src/std/assert.ts';
import type { Condition, Key, LeaseId, Operation, Transaction, TransactionResult } from './command.ts';
import { mixNumber, mixString } from './hash.ts';
import type { StoreState } from './state.ts';

/** One deleteRange deletes no more than this, whatever its limit says; its result tells the number, the caller goes on. */
export const DELETE_RANGE_KEYS_MAX = 10_000;

/** `entry`: the one that carries the transaction. The events are at the end of the state's history. */
export function execute(state: StoreState, transaction: Transaction, entry: EntryPlace): TransactionResult {
  const { conditions, operations } = transaction;
  for (let index = 0; index < conditions.length; index++) {
    const condition = conditions[index]!;
    if (holds(state, condition, entry)) continue;
    const actualRevision = 'key' in condition ? revisionOf(state, condition.key) : 0;
    return { ok: false, failed: { type: 'condition', index }, actualRevision };
  }
  const run = new Run(state, entry.index);
  for (let index = 0; index < operations.length; index++) {
    if (run.perform(operations[index]!)) continue;
    run.undo();
    return { ok: false, failed: { type: 'operation', index }, actualRevision: 0 };
  }
  run.finish();
  return { ok: true, revisions: run.revisions, deleted: run.deleted };
}

function holds(state: StoreState, condition: Condition, entry: EntryPlace): boolean {
  switch (condition.type) {
    case 'modRevision':
      return revisionOf(state, condition.key) === condition.revision;
    case 'exists':
      return revisionOf(state, condition.key) !== 0;
    case 'absent':
      return revisionOf(state, condition.key) === 0;
    case 'entryTerm':
      return condition.term === entry.term;
    case 'leaseRenewed':
      return state.leases.get(condition.lease)?.renewedAt === condition.index;
    default:
      return unreachable(condition);
  }
}

/** modRevision of the live value, 0 when absent. */
function revisionOf(state: StoreState, key: Key): number {
  const latest = state.index.get(key)?.latest;
  return latest === undefined || latest.deleted ? 0 : latest.modRevision;
}

export type EntryPlace = { readonly index: number; readonly term: number };

/** What a transaction did to the leases: how to take it back, and what goes into the hash. */
type LeaseChange = { undo: () => void; text: string; number: number };

class Run {
  readonly revisions: number[] = [];
  readonly deleted: number[] = [];
  readonly #state: StoreState;
  readonly #entryIndex: number;
  readonly #firstRevision: number;
  /** Counters as they were, oldest first; undefined until one changes. */
  #counters: { key: Key; before: number | undefined }[] | undefined;
  #leaseChanges: LeaseChange[] | undefined;

  constructor(state: StoreState, entryIndex: number) {
    this.#state = state;
    this.#entryIndex = entryIndex;
    this.#firstRevision = state.revision + 1;
  }

  /** False when the operation cannot happen. */
  perform(operation: Operation): boolean {
    switch (operation.type) {
      case 'put':
        if (!this.#attach(operation.key, operation.lease)) return false;
        this.revisions.push(this.#state.put(operation.key, operation.head, operation.tail).revision);
        return true;
      case 'delete':
        if (revisionOf(this.#state, operation.key) === 0) return false;
        this.revisions.push(this.#delete(operation.key));
        return true;
      case 'deleteRange':
        this.#deleteRange(operation);
        return true;
      case 'addBounded':
        return this.#addBounded(operation);
      case 'grantLease':
        return this.#grant(operation);
      case 'keepAlive':
        return this.#keepAlive(operation.lease);
      case 'revokeLease':
        return this.#revoke(operation.lease);
      default:
        return unreachable(operation);
    }
  }

  finish(): void {
    const state = this.#state;
    state.seal(this.#firstRevision);
    for (const { key } of this.#counters ?? []) {
      state.hash = mixNumber(mixString(state.hash, key), state.counters.get(key) ?? 0);
    }
    for (const { text, number } of this.#leaseChanges ?? []) {
      state.hash = mixNumber(mixString(state.hash, text), number);
    }
  }

  undo(): void {
    while (this.#state.revision >= this.#firstRevision) this.#state.undo();
    for (const { undo } of (this.#leaseChanges ?? []).reverse()) undo();
    for (const { key, before } of (this.#counters ?? []).reverse()) {
      if (before === undefined) this.#state.counters.delete(key);
      else this.#state.counters.set(key, before);
    }
  }

  #deleteRange(operation: { from: Key; to: Key; limit: number }): void {
    const limit = Math.min(operation.limit, DELETE_RANGE_KEYS_MAX);
    const keys: Key[] = [];
    if (limit > 0) {
      this.#state.index.scan(operation.from, operation.to, (record) => {
        if (!record.latest.deleted) keys.push(record.key);
        return keys.length < limit;
      });
    }
    let revision = 0;
    for (const key of keys) revision = this.#delete(key);
    this.revisions.push(revision);
    this.deleted.push(keys.length);
  }

  #delete(key: Key): number {
    this.#attach(key, undefined);
    return this.#state.delete(key).revision;
  }

  /** False when the lease is not there or has no room. */
  #attach(key: Key, lease: LeaseId | undefined): boolean {
    const { leases } = this.#state;
    if (leases.size === 0) return lease === undefined;
    const before = leases.of(key);
    if (before === lease) return true;
    if (lease !== undefined && !leases.mayAttach(lease)) return false;
    leases.attach(key, lease);
    this.#leaseChanged({ undo: () => leases.attach(key, before), text: `${key} ${lease ?? ''}`, number: 0 });
    return true;
  }

  #grant({ lease, ttlMs }: { lease: LeaseId; ttlMs: number }): boolean {
    const { leases } = this.#state;
    if (!leases.grant(lease, ttlMs, this.#entryIndex)) return false;
    this.#leaseChanged({ undo: () => leases.remove(lease), text: lease, number: ttlMs });
    this.revisions.push(0);
    return true;
  }

  #keepAlive(id: LeaseId): boolean {
    const lease = this.#state.leases.get(id);
    if (lease === undefined) return false;
    const before = lease.renewedAt;
    lease.renewedAt = this.#entryIndex;
    this.#leaseChanged({ undo: () => (lease.renewedAt = before), text: id, number: this.#entryIndex });
    this.revisions.push(0);
    return true;
  }

  #revoke(id: LeaseId): boolean {
    const { leases } = this.#state;
    const lease = leases.get(id);
    if (lease === undefined) return false;
    let revision = 0;
    const keys = [...lease.keys].sort();
    for (const key of keys) revision = this.#delete(key);
    leases.remove(id);
    this.#leaseChanged({ undo: () => leases.restore(id, lease), text: id, number: -1 });
    this.revisions.push(revision);
    this.deleted.push(keys.length);
    return true;
  }

  #leaseChanged(change: LeaseChange): void {
    (this.#leaseChanges ??= []).push(change);
  }

  #addBounded({ key, delta, max }: { key: Key; delta: number; max: number }): boolean {
    const before = this.#state.counters.get(key);
    const sum = (before ?? 0) + delta;
    if (sum < 0 || sum > max) return false;
    (this.#counters ??= []).push({ key, before });
    // A counter at 0 is the same as none, so that counters of deleted things take no memory.
    if (sum === 0) this.#state.counters.delete(key);
    else this.#state.counters.set(key, sum);
    this.revisions.push(0);
    return true;
  }
}
