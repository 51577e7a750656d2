/**
 * Exactly once: the outcomes of each session's recent sequences, part of the replicated state
 * (Raft §8; DESIGN §4.5). Everything is decided by the order of the log, so all replicas agree.
 */
import { assert } from '#src/std/assert.ts';
import type { Outcome } from './command.ts';

/** Sequences remembered a session; a proposer keeps fewer than this in flight. */
export const SESSION_WINDOW_SEQUENCES = 1024;
/** Transaction results remembered a session, whatever the number of sequences. */
export const SESSION_RESULTS_MAX = 16_384;
/** Sessions remembered; above it the one used longest ago is forgotten. One proposer process opens one or a few. */
export const SESSIONS_MAX = 512;

export type Session = {
  /** Sequences below are answered `unknown`. */
  low: number;
  /** Transaction results held in `outcomes`. */
  results: number;
  /** The log index of the last use, for forgetting. */
  usedAt: number;
  outcomes: Map<number, Outcome>;
};

export const UNKNOWN: Outcome = { type: 'unknown' };

export class Sessions {
  readonly #sessions = new Map<string, Session>();

  get size(): number {
    return this.#sessions.size;
  }

  /** Opening again what is open changes nothing: a retried openSession must not forget outcomes. */
  open(session: string, index: number): void {
    const known = this.#sessions.get(session);
    if (known !== undefined) {
      known.usedAt = index;
      return;
    }
    if (this.#sessions.size >= SESSIONS_MAX) this.#forgetOldest();
    this.#sessions.set(session, { low: 1, results: 0, usedAt: index, outcomes: new Map() });
  }

  /** What to answer without executing, or undefined: execute and `record`. */
  judge(session: string, sequence: number): Outcome | undefined {
    const known = this.#sessions.get(session);
    if (known === undefined || sequence < known.low) return UNKNOWN;
    return known.outcomes.get(sequence);
  }

  record(options: { session: string; sequence: number; outcome: Outcome; index: number }): void {
    const session = this.#sessions.get(options.session);
    assert(session !== undefined, `session ${options.session} is not open`);
    session.usedAt = options.index;
    session.outcomes.set(options.sequence, options.outcome);
    session.results += resultsOf(options.outcome);
    slide(session, Math.max(session.low, options.sequence - SESSION_WINDOW_SEQUENCES + 1));
    // Never give up the newest: its proposer is waiting for it.
    while (session.results > SESSION_RESULTS_MAX && session.outcomes.size > 1) slide(session, session.low + 1);
  }

  /** In the order of opening. The outcomes are copied, so that the caller may encode them later. */
  capture(): { id: string; session: Session }[] {
    const captured: { id: string; session: Session }[] = [];
    for (const [id, session] of this.#sessions) {
      captured.push({ id, session: { ...session, outcomes: new Map(session.outcomes) } });
    }
    return captured;
  }

  /** From a snapshot. */
  adopt(id: string, session: Session): void {
    this.#sessions.set(id, session);
  }

  #forgetOldest(): void {
    let oldest: string | undefined;
    let usedAt = Infinity;
    for (const [id, session] of this.#sessions) {
      if (session.usedAt >= usedAt) continue;
      oldest = id;
      usedAt = session.usedAt;
    }
    if (oldest !== undefined) this.#sessions.delete(oldest);
  }
}

export function resultsOf(outcome: Outcome): number {
  return outcome.type === 'done' ? outcome.results.length : 0;
}

/** Raise the window to begin at `low`; a far jump walks the outcomes held, not the numbers skipped. */
function slide(session: Session, low: number): void {
  if (low - session.low > session.outcomes.size) {
    for (const [sequence, outcome] of session.outcomes) {
      if (sequence < low) drop(session, sequence, outcome);
    }
  } else {
    for (let sequence = session.low; sequence < low; sequence++) {
      const outcome = session.outcomes.get(sequence);
      if (outcome !== undefined) drop(session, sequence, outcome);
    }
  }
  session.low = low;
}

function drop(session: Session, sequence: number, outcome: Outcome): void {
  session.outcomes.delete(sequence);
  session.results -= resultsOf(outcome);
}
