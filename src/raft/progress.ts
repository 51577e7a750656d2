/** What the leader knows of one member's log, and how it sends to it. */
import { assert } from '#src/std/assert.ts';

/**
 * probe:     the match is not known; one message at a time, until the member answers
 * replicate: the match is known; many messages in flight, next runs ahead
 * snapshot:  what it needs is compacted away; nothing is sent until it has a snapshot
 */
export type Replication =
  | { state: 'probe'; sent: boolean }
  | { state: 'replicate'; inflight: { lastIndex: number; bytes: number }[]; inflightBytes: number }
  | { state: 'snapshot'; pendingIndex: number };

export interface Progress {
  matchIndex: number;
  /** Always above matchIndex. */
  nextIndex: number;
  replication: Replication;
  /**
   * How often sending began anew. A refusal of what was sent before is no news: on a network that changes the order of
   * messages each of them would otherwise have everything sent once more.
   */
  generation: number;
  /** Tick of the last answer; for check-quorum. */
  contactTick: number;
  /** The newest ReadIndex round it has confirmed. */
  readContext: number;
  /** The commit index last sent: a member that has it needs no empty message. */
  sentCommit: number;
}

export function newProgress(nextIndex: number, tick: number): Progress {
  return {
    matchIndex: 0,
    nextIndex,
    replication: { state: 'probe', sent: false },
    generation: 1,
    contactTick: tick,
    readContext: 0,
    sentCommit: 0,
  };
}

export function becomeProbe(progress: Progress): void {
  progress.generation += 1;
  progress.replication = { state: 'probe', sent: false };
  progress.nextIndex = progress.matchIndex + 1;
}

/** An accepted append up to `index`; whether it was news. */
export function accept(progress: Progress, index: number, generation = progress.generation): boolean {
  const isNews = index > progress.matchIndex;
  progress.matchIndex = Math.max(progress.matchIndex, index);
  progress.nextIndex = Math.max(progress.nextIndex, index + 1);
  const { replication } = progress;
  if (replication.state === 'replicate') {
    while ((replication.inflight[0]?.lastIndex ?? Infinity) <= index)
      replication.inflightBytes -= replication.inflight.shift()?.bytes ?? 0;
  } else if (replication.state === 'probe' ? generation === progress.generation : index >= replication.pendingIndex) {
    progress.replication = { state: 'replicate', inflight: [], inflightBytes: 0 };
    progress.nextIndex = progress.matchIndex + 1;
  }
  assert(
    progress.matchIndex < progress.nextIndex,
    `match ${progress.matchIndex} is not below next ${progress.nextIndex}`,
  );
  return isNews;
}

/** The member has lost entries that it had acknowledged, all behind `agreeIndex`. Whether that was news. */
export function forget(progress: Progress, agreeIndex: number): boolean {
  if (progress.replication.state === 'snapshot' || agreeIndex >= progress.matchIndex) return false;
  progress.matchIndex = agreeIndex;
  becomeProbe(progress);
  return true;
}

/** A refused append; false when the refusal is older than what is known since. */
export function reject(progress: Progress, rejectedIndex: number, agreeIndex: number): boolean {
  const { state } = progress.replication;
  // Of a message from before: the transfer decides how it goes on.
  if (state === 'snapshot') return false;
  if (state === 'replicate' ? rejectedIndex <= progress.matchIndex : rejectedIndex !== progress.nextIndex - 1)
    return false;
  becomeProbe(progress);
  progress.nextIndex = Math.max(progress.matchIndex + 1, Math.min(rejectedIndex, agreeIndex + 1));
  return true;
}

export function mayReceive(progress: Progress, limits: { messagesMax: number; bytesMax: number }): boolean {
  const { replication } = progress;
  if (replication.state === 'probe') return !replication.sent;
  if (replication.state === 'snapshot') return false;
  return replication.inflight.length < limits.messagesMax && replication.inflightBytes < limits.bytesMax;
}
