/** All rare situations that a search is to have met: the lists of the folders that tell of them. */
import { RAFT_MARKS } from '#src/raft/marks.ts';

export const knownMarks: readonly string[] = [...RAFT_MARKS];

/** Those that were not met. */
export function marksMissed(met: Iterable<string>): string[] {
  const seen = new Set(met);
  return knownMarks.filter((mark) => !seen.has(mark));
}
