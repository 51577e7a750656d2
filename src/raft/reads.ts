/**
 * ReadIndex at the leader (Ongaro thesis §6.4): a read is answered with the commit index of its arrival, once a
 * quorum has confirmed after it that this is still the leader. All reads of a turn share one round of heartbeats.
 */
import type { NodeId } from './types.ts';

/** Requests that wait at the leader; those beyond are dropped, and asked again. */
const PENDING_READS_MAX = 10_000;

export type ReadRequest = { from: NodeId; id: number };
type Round = { context: number; index: number; requests: ReadRequest[] };

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

  /** A new office, or none: who waits asks again. */
  reset(): void {
    this.context = 0;
    this.#early = [];
    this.#next = [];
    this.#rounds = [];
    this.#pending = 0;
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

  /** Begin a round for the reads of this turn; false when there are none. */
  begin(commitIndex: number): boolean {
    if (this.#next.length === 0) return false;
    this.context += 1;
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
