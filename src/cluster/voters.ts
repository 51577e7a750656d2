/**
 * Who votes: 1 → 3 → 5 as nodes join, an odd number, the rest standbys. Decided by the leader,
 * one change at a time. The rule is pure; the loop acts on it.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Membership, ReplicaStatus } from '#src/replica/membership.ts';
import { messageOf } from '#src/std/fault.ts';

const VOTERS_WANTED_MAX = 5;
/** A member that has not answered for this long is not promoted. */
const LIVE_MS = 2000;
const CHECK_MS = 250;
const PROMOTE_DEADLINE_MS = 10_000;

/**
 * How many of so many members should vote. Two members both vote: as one voter the loss of it
 * would lose everything, as two the loss of one only stops writes.
 */
export function votersWanted(members: number): number {
  if (members <= 3) return members;
  return Math.min(VOTERS_WANTED_MAX, members % 2 === 0 ? members - 1 : members);
}

/** The next learner to promote; undefined when all is as it should be or none is fit. */
export function nextPromotion(status: ReplicaStatus): string | undefined {
  const members = status.voters.length + status.learners.length;
  if (status.role !== 'leader' || status.voters.length >= votersWanted(members)) return undefined;
  const fit = status.learners.filter((id) => {
    const progress = status.progress[id];
    return progress !== undefined && progress.lastContactMs <= LIVE_MS && progress.matchIndex > 0;
  });
  return fit.toSorted((a, b) => (status.progress[b]?.matchIndex ?? 0) - (status.progress[a]?.matchIndex ?? 0))[0];
}

export interface VoterManager {
  start(): void;
  stop(): void;
}

/** Runs on every node; acts only where the replica leads. */
export function createVoterManager(options: { membership: Membership; clock: Clock; log: Log }): VoterManager {
  const { membership, clock } = options;
  const log = options.log.scope('voters');
  let timer: Timer | undefined;
  let stopped = true;

  async function check(): Promise<void> {
    const id = nextPromotion(membership.status());
    if (id !== undefined) {
      try {
        await membership.promote(id, { deadlineMs: PROMOTE_DEADLINE_MS });
        log.info('promoted to voter: it has caught up and answers', { node: id });
      } catch (error) {
        log.info('not promoted yet', { node: id, why: messageOf(error) });
      }
    }
    if (!stopped) timer = clock.after(CHECK_MS, () => void check());
  }

  return {
    start() {
      stopped = false;
      timer = clock.after(CHECK_MS, () => void check());
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
