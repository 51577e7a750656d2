/** Rare situations that a search of the simulator has to have met; each is told where it happens. */
export const RAFT_MARKS = [
  // elections
  'raft: vote refused under a live leader',
  'raft: vote refused to a shorter log',
  'raft: no vote of a damaged member',
  'raft: no vote while a lease may be held',
  'raft: vote of a member that is no voter by its own log',
  'raft: stood though no voter by its newest configuration',
  'raft: election lost',
  'raft: elected in a joint configuration',
  'raft: leader of an older term refused',
  'raft: leader stepped down without a quorum',
  // members
  'raft: several voters changed at once',
  'raft: change refused while another is under way',
  'raft: change refused before an entry of the term is committed',
  'raft: configuration rolled back with the log',
  'raft: leader removed itself',
  // log
  'raft: entries cut by another leader',
  'raft: late append cut nothing',
  'raft: write overtaken by a cut',
  'raft: entry of an older term committed through a newer one',
  'raft: commit withheld from an entry of an older term',
  'raft: committed before the own disk had it',
  // flow
  'raft: append paused by a full window',
  'raft: probe after a loss',
  'raft: append refused, and probed further back',
  'raft: proposal refused above the uncommitted bytes',
  // snapshots
  'raft: snapshot wanted by a member',
  'raft: snapshot transfer failed',
  'raft: snapshot offered but superseded',
  'raft: log replaced by an installed snapshot',
  // reads
  'raft: read waited for an entry of the term',
  'raft: read answered under a lease',
  'raft: read dropped with the leadership',
  'raft: answer to a read of an earlier life ignored',
  // transfer
  'raft: transfer waited for the heir',
  'raft: transfer timed out',
  // damaged disks
  'raft: damaged member refilled',
  'raft: leader forgot what a damaged member had',
] as const;
export type RaftMark = (typeof RAFT_MARKS)[number];
