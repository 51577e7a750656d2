/**
 * Reads of the leader. ReadIndex (Ongaro thesis §6.4): a read is answered with the commit index of its arrival, once a
 * quorum has confirmed after it that this is still the leader. All reads of a turn share one round of heartbeats.
 * With a lease (§6.4.1) a round that a quorum has confirmed also vouches for the reads of the time after it was sent.
 */
import type { NodeId } from './types.ts';

/** Requests that wait at the leader; those beyond are dropped, and asked again. */
const PENDING_READS_MAX = 10_000;

export type ReadRequest = { from: NodeId; id: number };
type Round = { context: number; index: number; requests: ReadRequest[] };

/** Rounds of heartbeats whose answers may still come; older ones give no lease any more. */
const LEASE_ROUNDS_MAX = 64;

export class ReadRounds {
  /** The newest round; 0: none in this term. */
  context = 0;
  /** Until an entry of the term is committed: before it the leader does not know what is (Raft §8). */
  #early: ReadRequest[] = [];
  /** Of this turn. */
  #next: ReadRequest[] = [];
  /** That wait for a quorum, oldest first. */
  #rounds: Round[] = [];
  /** Requests in all three. */
  #pending = 0;
  /** When each round of this term was sent, by the caller's clock, oldest first. */
  #sent: { context: number; atMs: number }[] = [];
  /** A quorum had heard of this leader in answer to what was sent then. */
  #confirmedAtMs = -Infinity;

  get areWaiting(): boolean {
    return this.#pending > 0;
  }

  /** A new office, or none: who waits asks again. */
  reset(): void {
    this.context = 0;
    this.#early = [];
    this.#next = [];
    this.#rounds = [];
    this.#pending = 0;
    this.#sent = [];
    this.#confirmedAtMs = -Infinity;
  }

  take(request: ReadRequest, options: { termCommitted: boolean }): void {
    if (this.#pending >= PENDING_READS_MAX) return;
    this.#pending += 1;
    (options.termCommitted ? this.#next : this.#early).push(request);
  }

  termCommitted(): void {
    this.#next.push(...this.#early);
    this.#early = [];
  }

  /** A round of heartbeats without reads, for the lease. */
  beginLeaseRound(nowMs: number): void {
    this.context += 1;
    this.#noteSent(nowMs);
  }

  #noteSent(nowMs: number): void {
    this.#sent.push({ context: this.context, atMs: nowMs });
    if (this.#sent.length > LEASE_ROUNDS_MAX) this.#sent.shift();
  }

  /** Which of the rounds sent a quorum has confirmed. */
  renewLease(hasConfirmed: (context: number) => boolean): void {
    const newest = this.#sent.findLastIndex(({ context }) => hasConfirmed(context));
    if (newest < 0) return;
    this.#confirmedAtMs = Math.max(this.#confirmedAtMs, this.#sent[newest]?.atMs ?? -Infinity);
    this.#sent.splice(0, newest + 1);
  }

  /** Whether nobody else can lead before this time is over. */
  holdsLease(nowMs: number, leaseMs: number): boolean {
    return nowMs - this.#confirmedAtMs < leaseMs;
  }

  /** The reads of this turn, to be answered under the lease. */
  takeNext(): ReadRequest[] {
    const requests = this.#next;
    this.#next = [];
    this.#pending -= requests.length;
    return requests;
  }

  /** Begin a round for the reads of this turn; false when there are none. */
  begin(commitIndex: number, nowMs: number): boolean {
    if (this.#next.length === 0) return false;
    this.context += 1;
    this.#noteSent(nowMs);
    this.#rounds.push({ context: this.context, index: commitIndex, requests: this.#next });
    this.#next = [];
    return true;
  }

  /** The oldest rounds that a quorum has confirmed, with all before them. */
  confirmed(hasConfirmed: (context: number) => boolean): Round[] {
    const count = this.#rounds.findIndex(({ context }) => !hasConfirmed(context));
    const done = this.#rounds.splice(0, count < 0 ? this.#rounds.length : count);
    for (const { requests } of done) this.#pending -= requests.length;
    return done;
  }
}
