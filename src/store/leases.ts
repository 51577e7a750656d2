/**
 * Leases: keys that go when nobody keeps their lease alive (reference/raft.md A3.22). The store knows no time: it keeps
 * the index of the entry that renewed a lease last; the leader watches its own clock and proposes the revoke, fenced
 * by its term and by that index. Everything here is decided by the order of the log.
 */
import { assert } from '#src/std/assert.ts';
import type { Key, LeaseId } from './command.ts';

/** Leases in the store; a grant above fails. */
export const LEASES_MAX = 10_000;
/** Keys attached to one lease; a put above fails. Bounds what one revoke deletes. */
export const LEASE_KEYS_MAX = 10_000;
export const LEASE_ID_LENGTH_MAX = 128;
/** A leader looks at leases a few times a second, so less than this cannot be promised. */
export const LEASE_TTL_MS_MIN = 1000;
export const LEASE_TTL_MS_MAX = 7 * 24 * 3600 * 1000;

export type Lease = {
  readonly ttlMs: number;
  /** Index of the entry that granted it or kept it alive last. */
  renewedAt: number;
  readonly keys: Set<Key>;
};

export class Leases {
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #byKey = new Map<Key, LeaseId>();

  get size(): number {
    return this.#leases.size;
  }

  get(id: LeaseId): Lease | undefined {
    return this.#leases.get(id);
  }

  /** The lease a key is attached to. */
  of(key: Key): LeaseId | undefined {
    return this.#byKey.get(key);
  }

  [Symbol.iterator](): IterableIterator<[LeaseId, Lease]> {
    return this.#leases.entries();
  }

  /** False when it cannot be: there already, or out of bounds. */
  grant(id: LeaseId, ttlMs: number, index: number): boolean {
    const fits = id.length > 0 && id.length <= LEASE_ID_LENGTH_MAX;
    if (!fits || ttlMs < LEASE_TTL_MS_MIN || ttlMs > LEASE_TTL_MS_MAX) return false;
    if (this.#leases.has(id) || this.#leases.size >= LEASES_MAX) return false;
    this.#leases.set(id, { ttlMs, renewedAt: index, keys: new Set() });
    return true;
  }

  /** Take a lease without keys away, or back when a revoke is undone. */
  remove(id: LeaseId): void {
    const lease = this.#leases.get(id);
    assert(lease !== undefined && lease.keys.size === 0, `lease ${id} is not there or has keys`);
    this.#leases.delete(id);
  }

  restore(id: LeaseId, lease: Lease): void {
    this.#leases.set(id, lease);
    for (const key of lease.keys) this.#byKey.set(key, id);
  }

  /** Attach a key to a lease, or to none. The lease is there and has room (`mayAttach`). */
  attach(key: Key, id: LeaseId | undefined): void {
    const before = this.#byKey.get(key);
    if (before === id) return;
    if (before !== undefined) this.#leases.get(before)!.keys.delete(key);
    if (id === undefined) {
      this.#byKey.delete(key);
      return;
    }
    this.#leases.get(id)!.keys.add(key);
    this.#byKey.set(key, id);
  }

  mayAttach(id: LeaseId): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && lease.keys.size < LEASE_KEYS_MAX;
  }

  /** A copy in the order of ids, keys in order: the same on all replicas whatever way they came here. */
  capture(): { id: LeaseId; ttlMs: number; renewedAt: number; keys: Key[] }[] {
    const captured = [...this.#leases].map(([id, { ttlMs, renewedAt, keys }]) => {
      return { id, ttlMs, renewedAt, keys: [...keys].sort() };
    });
    return captured.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
