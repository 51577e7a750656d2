/** The one door of writes. Only voters and standbys hold one (DESIGN §4.3). */
import type { Transaction, TransactionResult } from '#src/store/command.ts';

export interface Proposer {
  /**
   * Replicate independent transactions as one batch item and wait until this node has applied it.
   * Retries under one (session, sequence) across leader changes until the deadline.
   * Faults: REPLICA_OVERLOADED (queue full; not proposed), REPLICA_NO_LEADER (deadline passed and it was
   * certainly not proposed), REPLICA_OUTCOME_UNKNOWN (it may or may not happen), REPLICA_TOO_LARGE.
   */
  propose(transactions: Transaction[], options: { deadlineMs: number }): Promise<TransactionResult[]>;
}
