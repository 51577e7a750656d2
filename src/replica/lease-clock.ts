/**
 * Time of the store's leases (reference/raft.md A3.22): only the leader watches it, on its monotonic clock, from when it
 * saw the last renewal applied; taking office gives every lease its full time again. What expires is revoked by a
 * proposal, fenced by this leader's term and by the renewal it saw: an old leader's revoke changes nothing, and a
 * keep-alive that was faster wins.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { LeaseId, Transaction } from '#src/store/command.ts';
import type { Store } from '#src/store/store.ts';
import type { ReplicaMark } from './marks.ts';
import { LEASE_LOOK_MS, LEASE_REVOKES_MAX } from './settings.ts';

export interface LeaseClockRoute {
  /** Fire and forget; what is not done is seen at the next look. */
  revoke(transactions: Transaction[]): Promise<unknown>;
}

type Watched = { renewedAt: number; expiresAt: number; ttlMs: number };

export class LeaseClock {
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #route: LeaseClockRoute;
  readonly #mark: (mark: ReplicaMark) => void;
  /** The mutation old-leader-revoke. */
  readonly #unfenced: boolean;
  #term: number | undefined;
  #watched = new Map<LeaseId, Watched>();
  #lookedAt = 0;
  #revoking = false;

  constructor(options: {
    clock: Clock;
    store: Store;
    route: LeaseClockRoute;
    mark: (mark: ReplicaMark) => void;
    unfenced: boolean;
  }) {
    this.#clock = options.clock;
    this.#store = options.store;
    this.#route = options.route;
    this.#mark = options.mark;
    this.#unfenced = options.unfenced;
  }

  office(term: number | undefined): void {
    this.#term = term;
    this.#watched.clear();
    this.#lookedAt = this.#clock.monotonicMs();
  }

  tick(): void {
    const now = this.#clock.monotonicMs();
    const elapsed = now - this.#lookedAt;
    if (this.#term === undefined || elapsed < LEASE_LOOK_MS) return;
    this.#lookedAt = now;
    const { leases } = this.#store;
    if (leases.size === 0 && this.#watched.size === 0) return;
    // While this process stood still, keep-alives waited outside; that time is nobody's fault.
    const pause = elapsed > 2 * LEASE_LOOK_MS ? elapsed - LEASE_LOOK_MS : 0;
    if (pause > 0) this.#mark('replica: pause of the leader not counted against leases');
    const expired: Transaction[] = [];
    const watched = new Map<LeaseId, Watched>();
    for (const [id, { ttlMs, renewedAt }] of leases) {
      const before = this.#watched.get(id);
      const isSame = before !== undefined && before.renewedAt === renewedAt;
      const expiresAt = isSame ? before.expiresAt + pause : now + ttlMs;
      watched.set(id, { renewedAt, ttlMs, expiresAt });
      if (expiresAt <= now && expired.length < LEASE_REVOKES_MAX)
        expired.push(this.#revokeOf(id, renewedAt, this.#term));
    }
    this.#watched = watched;
    if (expired.length > 0) void this.#revoke(expired);
  }

  #revokeOf(lease: LeaseId, index: number, term: number): Transaction {
    const operations: Transaction['operations'] = [{ type: 'revokeLease', lease }];
    if (this.#unfenced) return { conditions: [], operations };
    return {
      conditions: [
        { type: 'entryTerm', term },
        { type: 'leaseRenewed', lease, index },
      ],
      operations,
    };
  }

  async #revoke(transactions: Transaction[]): Promise<void> {
    if (this.#revoking) return;
    this.#revoking = true;
    this.#mark('replica: lease revoke proposed');
    try {
      await this.#route.revoke(transactions);
    } catch {
      // No leader, or too busy: the next look proposes again what is still expired.
    } finally {
      this.#revoking = false;
    }
  }
}
