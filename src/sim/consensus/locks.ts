/**
 * A lock under TTL leases: who takes it holds it until the lease runs out, is given back, or was not kept alive. Judged:
 * nobody gets it, and no lease is gone, before the holder's time is over by the one clock that all share.
 */
import type { Client } from './clients.ts';
import type { SimGroup } from './group.ts';
import { textOf } from './clients.ts';

const lockKey = 'lock/one';
/** Of the time to live, for a leader whose clock runs too fast (faults.ts: up to a tenth). */
const trusted = 0.85;
const ttlsMs = [1000, 1500, 3000] as const;

/** One successful taking of the lock. */
interface Claim {
  by: string;
  lease: string;
  ttlMs: number;
  /** Revision of the key. */
  revision: number;
  takenMs: number;
  /** When the newest renewal that was acknowledged had been asked for. */
  renewedMs: number;
  /** Given back, or asked to be with an answer that never came: nothing is claimed any more. */
  released: boolean;
}

export class Locks {
  readonly #group: SimGroup;
  readonly #claims: Claim[] = [];
  readonly counts = { taken: 0, renewed: 0, lost: 0 };
  #running = true;
  #leases = 0;

  constructor(group: SimGroup) {
    this.#group = group;
  }

  start(client: Client): void {
    this.#take(client);
  }

  stop(): void {
    this.#running = false;
  }

  #take(client: Client): void {
    if (!this.#running) return;
    const { world } = this.#group;
    this.#leases += 1;
    const lease = `${client.name}-${this.#leases}`;
    const ttlMs = ttlsMs[client.prng.below(ttlsMs.length)] as number;
    const renewedMs = world.nowMs();
    const put = { type: 'put', key: lockKey, lease, ...textOf(lease) } as const;
    const operations = [{ type: 'grantLease', lease, ttlMs } as const, put];
    client.propose({ conditions: [{ type: 'absent', key: lockKey }], operations }, (got) => {
      if (got.type !== 'ok' || !got.value.ok) return client.later(() => this.#take(client));
      const [, revision = 0] = got.value.revisions;
      const claim = { by: client.name, lease, ttlMs, revision, takenMs: world.nowMs(), renewedMs, released: false };
      this.#claims.push(claim);
      this.counts.taken += 1;
      client.later(() => this.#hold(client, claim));
    });
  }

  #hold(client: Client, claim: Claim): void {
    if (!this.#running) return;
    const dice = client.prng.below(10);
    if (dice === 0) {
      // Forgets it, as a process that died would.
      this.#group.world.after(claim.ttlMs, () => this.#take(client));
      return;
    }
    if (dice <= 2) {
      claim.released = true;
      const operations = [{ type: 'revokeLease', lease: claim.lease } as const];
      client.propose({ conditions: [], operations }, () => client.later(() => this.#take(client)));
      return;
    }
    const askedMs = this.#group.world.nowMs();
    client.propose({ conditions: [], operations: [{ type: 'keepAlive', lease: claim.lease }] }, (got) => {
      const gone = got.type === 'ok' && !got.value.ok;
      if (gone) {
        this.counts.lost += 1;
        this.#expectOver(claim, 'its lease was gone');
        return client.later(() => this.#take(client));
      }
      if (got.type === 'ok') {
        this.counts.renewed += 1;
        claim.renewedMs = askedMs;
      }
      client.later(() => this.#hold(client, claim));
    });
  }

  /** In the order of the store: each claim begins after the one before it is over. */
  judge(): void {
    const claims = this.#claims.toSorted((a, b) => a.revision - b.revision);
    for (const [at, claim] of claims.entries()) {
      const next = claims[at + 1];
      if (next !== undefined) this.#expectOver(claim, `${next.by} had the lock`, next.takenMs);
    }
  }

  #expectOver({ by, lease, ttlMs, renewedMs, released }: Claim, what: string, nowMs = this.#group.world.nowMs()): void {
    const lastedMs = nowMs - renewedMs;
    if (released || lastedMs >= ttlMs * trusted) return;
    this.#group.report({
      kind: 'lease',
      message: `${by} held the lock under ${lease} for ${ttlMs} ms, and ${what} ${lastedMs.toFixed(1)} ms after its last renewal`,
    });
  }
}
