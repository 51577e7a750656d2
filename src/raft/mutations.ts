/**
 * Test-only: mistakes that can be planted, one for each trap of the core. A test shows for each that it is found;
 * a checker that finds nothing has proved nothing.
 */
export const RAFT_MUTATIONS = [
  /** A vote leaves before it is on disk. */
  'vote-not-durable',
  /** Entries are acknowledged before they are on disk. */
  'ack-before-sync',
  /** The leader counts its own copy before its sync. */
  'leader-counts-unsynced',
  /** Entries of older terms commit when enough members have them (Raft figure 8). */
  'commit-old-term-by-counting',
  /** Reads are answered before an entry of the term is committed. */
  'read-before-noop',
  /** Reads are answered without asking a quorum. */
  'read-without-quorum',
  /** An answer to another life of this process is taken for one to this. */
  'read-answer-of-old-life',
  /** Changes of members while another is under way, or before an entry of the term is committed. */
  'change-before-commit',
  /** A cut of the log leaves the configuration that was cut. */
  'configuration-not-rolled-back',
  /** In a joint configuration one majority is enough. */
  'joint-single-majority',
  /** A leader that removed itself stays. */
  'removed-leader-stays',
  /** Votes are given while a leader is heard. */
  'vote-under-live-leader',
  /** A pre-candidate raises its term. */
  'pre-vote-raises-term',
  /** Who is no voter by its own log refuses to vote. */
  'learner-refuses-vote',
  /** A vote is given to a shorter log. */
  'vote-for-shorter-log',
  /** A snapshot older than the log is installed. */
  'stale-snapshot-installed',
  /** The end of a write vouches for entries that replaced what was written. */
  'append-aba',
  /** The commit index of a heartbeat is believed as it is. */
  'unclamped-heartbeat-commit',
  /** A late, shorter message cuts the log. */
  'truncate-on-stale-append',
  /** Leadership is handed to a member that lacks entries. */
  'transfer-to-laggard',
  /** What was lost is not sent again. */
  'no-probe-after-loss',
  /** A damaged member votes. */
  'damaged-member-votes',
  /** A damaged member takes for committed what the leader believes it to have. */
  'damaged-member-believes-heartbeat',
  /** A lease does not end. */
  'lease-for-ever',
  /** A lease survives the handing over of leadership. */
  'lease-through-transfer',
  /** Who was restarted, or lost its link to the leader, votes before a lease can have ended. */
  'vote-within-lease',
] as const;

export type RaftMutation = (typeof RAFT_MUTATIONS)[number];
