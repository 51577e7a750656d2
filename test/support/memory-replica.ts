/** A cluster of one without consensus: every proposal is applied at once, every read is confirmed. */
import type { Proposer } from '#src/replica/proposer.ts';
import type { Reader } from '#src/replica/reader.ts';
import { Fault } from '#src/std/fault.ts';
import { encodeCommand } from '#src/store/codec.ts';
import type { Command, Transaction, TransactionResult } from '#src/store/command.ts';
import { createStore, type Store } from '#src/store/store.ts';

export interface MemoryReplica {
  store: Store;
  proposer: Proposer;
  reader: Reader;
  /** The term of the entries from now on. */
  setTerm(term: number): void;
  /** How long ago a quorum confirmed the state; undefined: never. */
  setAge(ms: number | undefined): void;
  compact(revision: number): void;
  /** What one proposal holds; the real limit is in bytes. */
  limits: { transactionsMax: number };
  /** How often linearizable reads were asked for, and proposals made. */
  counts: { confirmed: number; proposed: number };
  /** Called once before the next proposal is applied: somebody is faster. */
  interfere(act: () => Promise<unknown>): void;
  /** The local state stays behind from now on, until a read is confirmed or a proposal applied. */
  lag(): void;
  /** Apply transactions as another node would. */
  apply(transactions: Transaction[]): TransactionResult[];
}

const SESSION = 'test';

export function memoryReplica(): MemoryReplica {
  const store = createStore();
  let term = 1;
  let index = 0;
  let sequence = 0;
  const log: Parameters<Store['apply']>[0][] = [];
  let stale: Store | undefined;
  let interference: (() => Promise<unknown>) | undefined;
  const limits = { transactionsMax: Number.POSITIVE_INFINITY };
  const counts = { confirmed: 0, proposed: 0 };
  const run = (command: Command): ReturnType<Store['apply']> => {
    index += 1;
    const entry = { index, term, data: encodeCommand(command) };
    log.push(entry);
    return store.apply(entry);
  };
  run({ version: 1, type: 'openSession', session: SESSION });
  const apply = (transactions: Transaction[]): TransactionResult[] => {
    sequence += 1;
    const [item] = run({ version: 1, type: 'batch', items: [{ session: SESSION, sequence, transactions }] });
    if (item?.outcome.type !== 'done') throw new Error('the store did not execute a proposal of the test');
    return item.outcome.results;
  };
  const proposer: Proposer = {
    propose: async (transactions) => {
      if (transactions.length > limits.transactionsMax) {
        throw new Fault('REPLICA_TOO_LARGE', `more than ${limits.transactionsMax} transactions`, 'never');
      }
      counts.proposed += 1;
      const act = interference;
      interference = undefined;
      await act?.();
      stale = undefined;
      return apply(transactions);
    },
  };
  let ageMs: number | undefined = 0;
  const reader: Reader = {
    ageMs: () => ageMs,
    local: () => stale ?? store,
    confirm: async (freshness) => {
      if (freshness.type === 'linearizable') counts.confirmed += 1;
      if (freshness.type === 'atLeast' && freshness.revision > store.revision) {
        throw new Fault(
          'REPLICA_FUTURE_REVISION',
          `revision ${freshness.revision} is ahead of ${store.revision}`,
          'later',
        );
      }
      if (freshness.type === 'any') return stale ?? store;
      stale = undefined;
      return store;
    },
  };
  return {
    store,
    proposer,
    reader,
    counts,
    limits,
    apply,
    lag: () => {
      stale = createStore();
      for (const entry of log) stale.apply(entry);
    },
    setAge: (ms) => {
      ageMs = ms;
    },
    setTerm: (next) => {
      term = next;
    },
    compact: (revision) => {
      run({ version: 1, type: 'compact', revision });
    },
    interfere: (act) => {
      interference = act;
    },
  };
}
