/** Rare situations that a search of the simulator has to have met; each is told where it happens. */
export const RAFT_MARKS = [
  'raft: vote refused under a live leader',
  'raft: entries cut by another leader',
  'raft: no vote of a damaged member',
  'raft: leader stepped down without a quorum',
] as const;
export type RaftMark = (typeof RAFT_MARKS)[number];
