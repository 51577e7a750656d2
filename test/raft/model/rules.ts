/** How the model says no, and the rules that can be taken away from it. */
export class Refusal extends Error {}

/** Taking one away must break an invariant (explore.test.ts), but for the first. */
export type Rule =
  /** A real candidacy needs a quorum of pre-votes, or the leader's word. Not needed for safety. */
  | 'pre-vote'
  /** Raft §5.4.2: only entries of the own term are committed by counting. */
  | 'commit-own-term'
  /** Raft §5.4.1: no vote for an older log. */
  | 'vote-up-to-date'
  /** Raft §5.2: one vote in a term. */
  | 'one-vote'
  /** Votes and answers wait for the disk. */
  | 'durable-vote'
  | 'durable-answer'
  /** Raft §6: both majorities while joint. */
  | 'joint-majorities'
  /** Ongaro 2015: no change before an entry of the term is committed. */
  | 'change-after-own-commit';

export function allow(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Refusal(otherwise);
}
