/** Judging and executing one transaction: all of it or nothing. */
import { unreachable } from '#src/std/assert.ts';
import type { Condition, Key, Operation, Transaction, TransactionResult } from './command.ts';
import { mixNumber, mixString } from './hash.ts';
import type { StoreState } from './state.ts';

/** One deleteRange deletes no more than this, whatever its limit says; its result tells the number, the caller goes on. */
export const DELETE_RANGE_KEYS_MAX = 10_000;

/** `term`: of the entry that carries the transaction. The events are at the end of the state's history. */
export function execute(state: StoreState, transaction: Transaction, term: number): TransactionResult {
  const { conditions, operations } = transaction;
  for (let index = 0; index < conditions.length; index++) {
    const condition = conditions[index]!;
    if (holds(state, condition, term)) continue;
    const actualRevision = condition.type === 'entryTerm' ? 0 : revisionOf(state, condition.key);
    return { ok: false, failed: { type: 'condition', index }, actualRevision };
  }
  const run = new Run(state);
  for (let index = 0; index < operations.length; index++) {
    if (run.perform(operations[index]!)) continue;
    run.undo();
    return { ok: false, failed: { type: 'operation', index }, actualRevision: 0 };
  }
  run.finish();
  return { ok: true, revisions: run.revisions, deleted: run.deleted };
}

function holds(state: StoreState, condition: Condition, term: number): boolean {
  switch (condition.type) {
    case 'modRevision':
      return revisionOf(state, condition.key) === condition.revision;
    case 'exists':
      return revisionOf(state, condition.key) !== 0;
    case 'absent':
      return revisionOf(state, condition.key) === 0;
    case 'entryTerm':
      return condition.term === term;
    default:
      return unreachable(condition);
  }
}

/** modRevision of the live value, 0 when absent. */
function revisionOf(state: StoreState, key: Key): number {
  const latest = state.index.get(key)?.latest;
  return latest === undefined || latest.deleted ? 0 : latest.modRevision;
}

class Run {
  readonly revisions: number[] = [];
  readonly deleted: number[] = [];
  readonly #state: StoreState;
  readonly #firstRevision: number;
  /** Counters as they were, oldest first; undefined until one changes. */
  #counters: { key: Key; before: number | undefined }[] | undefined;

  constructor(state: StoreState) {
    this.#state = state;
    this.#firstRevision = state.revision + 1;
  }

  /** False when the operation cannot happen. */
  perform(operation: Operation): boolean {
    switch (operation.type) {
      case 'put':
        this.revisions.push(this.#state.put(operation.key, operation.head, operation.tail).revision);
        return true;
      case 'delete':
        if (revisionOf(this.#state, operation.key) === 0) return false;
        this.revisions.push(this.#state.delete(operation.key).revision);
        return true;
      case 'deleteRange':
        this.#deleteRange(operation);
        return true;
      case 'addBounded':
        return this.#addBounded(operation);
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
  }

  undo(): void {
    while (this.#state.revision >= this.#firstRevision) this.#state.undo();
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
    for (const key of keys) revision = this.#state.delete(key).revision;
    this.revisions.push(revision);
    this.deleted.push(keys.length);
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
