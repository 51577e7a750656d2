/** The one door of reads. */
import type { StoreView } from '#src/store/view.ts';

export type Freshness =
  /** As new as anything acknowledged before the call (ReadIndex, batched, from followers too). */
  | { type: 'linearizable' }
  /** Applied at least this revision; waits, then REPLICA_FUTURE_REVISION. */
  | { type: 'atLeast'; revision: number }
  /** Whatever this replica has; serves without a quorum. */
  | { type: 'any' };

export interface Reader {
  /**
   * Wait until the local state is as fresh as asked, then read it synchronously in the same turn.
   * Faults: REPLICA_NO_LEADER, REPLICA_FUTURE_REVISION, REPLICA_NOT_READY (installing a snapshot or behind bounds).
   */
  confirm(freshness: Freshness, options: { deadlineMs: number }): Promise<StoreView>;
  /** The local view at once, of unstated age. */
  local(): StoreView;
  /** Monotonic ms since a quorum last confirmed the local state, as far as this node knows; undefined: never yet. */
  ageMs(): number | undefined;
}
