/** All rare situations that a search is to have met: the lists of the folders that tell of them. */
import { RAFT_MARKS } from '#src/raft/marks.ts';
import { REPLICA_MARKS } from '#src/replica/marks.ts';
import { STORE_MARKS } from '#src/store/marks.ts';
import { WAL_MARKS } from '#src/wal/marks.ts';

export const knownMarks: readonly string[] = [...RAFT_MARKS, ...STORE_MARKS, ...REPLICA_MARKS, ...WAL_MARKS];

/** Those that were not met. */
export function marksMissed(met: Iterable<string>): string[] {
  const seen = new Set(met);
  return knownMarks.filter((mark) => !seen.has(mark));
}
