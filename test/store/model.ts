/** The store again, as simple as it can be: every state of every revision is kept. For property tests. */
import type { Operation, StoreEvent, Transaction, TransactionResult } from '#src/store/command.ts';

type ModelValue = { text: string; modRevision: number; createRevision: number };
export type ModelEvent = {
  type: StoreEvent['type'];
  key: string;
  revision: number;
  text: string;
  previous: string | undefined;
};

export class Model {
  revision = 0;
  floor = 0;
  states: Map<string, ModelValue>[] = [new Map()];
  events: ModelEvent[] = [];
  counters = new Map<string, number>();
  /** Revisions that end a transaction. */
  ends = new Set<number>();

  get current(): Map<string, ModelValue> {
    return this.states[this.revision]!;
  }

  leases = new Map<string, { renewedAt: number; keys: Set<string> }>();

  execute(transaction: Transaction, term: number, index: number): TransactionResult {
    for (const [at, condition] of transaction.conditions.entries()) {
      const actual = 'key' in condition ? (this.current.get(condition.key)?.modRevision ?? 0) : 0;
      const holds =
        condition.type === 'entryTerm'
          ? condition.term === term
          : condition.type === 'leaseRenewed'
            ? this.leases.get(condition.lease)?.renewedAt === condition.index
            : condition.type === 'modRevision'
              ? actual === condition.revision
              : condition.type === 'exists'
                ? actual > 0
                : actual === 0;
      if (!holds) return { ok: false, failed: { type: 'condition', index: at }, actualRevision: actual };
    }
    const before = { revision: this.revision, events: this.events.length, counters: new Map(this.counters) };
    const leases = new Map([...this.leases].map(([id, one]) => [id, { ...one, keys: new Set(one.keys) }]));
    const revisions: number[] = [];
    const deleted: number[] = [];
    for (const [at, operation] of transaction.operations.entries()) {
      const done = this.#perform(operation, { revisions, deleted, index });
      if (done) continue;
      this.revision = before.revision;
      this.states.length = before.revision + 1;
      this.events.length = before.events;
      this.counters = before.counters;
      this.leases = leases;
      return { ok: false, failed: { type: 'operation', index: at }, actualRevision: 0 };
    }
    this.ends.add(this.revision);
    return { ok: true, revisions, deleted };
  }

  #perform(
    operation: Operation,
    { revisions, deleted, index }: { revisions: number[]; deleted: number[]; index: number },
  ): boolean {
    switch (operation.type) {
      case 'put': {
        if (operation.lease !== undefined && !this.leases.has(operation.lease)) return false;
        const text = `${Buffer.from(operation.head).toString()}${this.revision + 1}${Buffer.from(operation.tail).toString()}`;
        this.#write(operation.key, text);
        if (operation.lease !== undefined) this.leases.get(operation.lease)!.keys.add(operation.key);
        revisions.push(this.revision);
        return true;
      }
      case 'delete':
        if (!this.current.has(operation.key)) return false;
        this.#write(operation.key, undefined);
        revisions.push(this.revision);
        return true;
      case 'deleteRange': {
        const keys = this.keys(operation.from, operation.to).slice(0, operation.limit);
        for (const key of keys) this.#write(key, undefined);
        revisions.push(keys.length === 0 ? 0 : this.revision);
        deleted.push(keys.length);
        return true;
      }
      case 'addBounded': {
        const sum = (this.counters.get(operation.key) ?? 0) + operation.delta;
        if (sum < 0 || sum > operation.max) return false;
        this.counters.set(operation.key, sum);
        revisions.push(0);
        return true;
      }
      case 'grantLease':
        if (this.leases.has(operation.lease)) return false;
        this.leases.set(operation.lease, { renewedAt: index, keys: new Set() });
        revisions.push(0);
        return true;
      case 'keepAlive': {
        const lease = this.leases.get(operation.lease);
        if (lease === undefined) return false;
        lease.renewedAt = index;
        revisions.push(0);
        return true;
      }
      case 'revokeLease': {
        const lease = this.leases.get(operation.lease);
        if (lease === undefined) return false;
        const keys = [...lease.keys].sort();
        for (const key of keys) this.#write(key, undefined);
        this.leases.delete(operation.lease);
        revisions.push(keys.length === 0 ? 0 : this.revision);
        deleted.push(keys.length);
        return true;
      }
    }
  }

  keys(from: string, to: string, revision = this.revision): string[] {
    return [...this.states[revision]!.keys()].filter((key) => key >= from && key < to).sort((a, b) => (a < b ? -1 : 1));
  }

  #write(key: string, text: string | undefined): void {
    for (const { keys } of this.leases.values()) keys.delete(key);
    const old = this.current.get(key);
    const next = new Map(this.current);
    const revision = ++this.revision;
    if (text === undefined) next.delete(key);
    else next.set(key, { text, modRevision: revision, createRevision: old?.createRevision ?? revision });
    this.states[revision] = next;
    this.events.push(
      text === undefined
        ? {
            type: 'delete',
            key,
            revision,
            text: old!.text.replace(String(old!.modRevision), String(revision)),
            previous: old!.text,
          }
        : { type: 'put', key, revision, text, previous: old?.text },
    );
  }
}
