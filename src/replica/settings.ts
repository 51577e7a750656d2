/** The named limits of a replica, and the settings an operator may change. */

/** Milliseconds unless the name says otherwise. */
export interface ReplicaSettings {
  tickMs: number;
  heartbeatMs: number;
  /**
   * How linearizable reads are confirmed: a round of heartbeats for each turn's reads, or the leader's lease, which rests
   * on clocks that run at about the same speed (LEASE_OF_ELECTION). The same on all members.
   */
  reads: 'index' | 'lease';
  /** An election starts after a random time in [n, 2n) without a leader. */
  electionMs: number;
  /** A disk write that takes longer costs the leadership (hashicorp/raft #503); a 300 ms spike must not. */
  diskHangMs: number;
  /** History is kept this long … */
  retainMs: number;
  /** … or this many bytes of events, whichever is less. */
  retainBytes: number;
  compactionIntervalMs: number;
  /**
   * A snapshot is taken when the log since the last one has more entries, or more bytes than this and than the
   * last snapshot: a big state is not written again for a few changes.
   */
  snapshotEntries: number;
  snapshotBytes: number;
  /** A snapshot goes to a member at this pace, so that writes keep the disk and the network. */
  snapshotBytesPerSecond: number;
  /** Entries and bytes kept in memory behind a snapshot for followers that are a little slow. */
  trailingEntries: number;
  trailingBytes: number;
  /** The states of the replicas are compared after this … */
  checkMs: number;
  /** … or after this many entries, whichever is first; not when nothing was applied. */
  checkEntries: number;
  /** All bytes are compared after this, instead of the running hash. */
  deepCheckMs: number;
  /** Of one message with entries; a single entry above it travels alone. */
  appendBytesMax: number;
}

export const DEFAULT_SETTINGS: ReplicaSettings = {
  tickMs: 10,
  heartbeatMs: 50,
  electionMs: 250,
  reads: 'index',
  diskHangMs: 2000,
  retainMs: 5 * 60_000,
  retainBytes: 64 * 1024 * 1024,
  compactionIntervalMs: 10_000,
  snapshotEntries: 100_000,
  snapshotBytes: 64 * 1024 * 1024,
  snapshotBytesPerSecond: 64 * 1024 * 1024,
  trailingEntries: 5_000,
  trailingBytes: 16 * 1024 * 1024,
  checkMs: 60_000,
  checkEntries: 100_000,
  deepCheckMs: 30 * 60_000,
  appendBytesMax: 1024 * 1024,
};

/** A lease lasts this part of the shortest election timeout: a quarter of it for clocks that drift. */
export const LEASE_OF_ELECTION = 0.75;

/** One entry, except that a single transaction above it travels alone. */
export const ENTRY_BYTES_MAX = 1024 * 1024;
/** One `propose` call; above it REPLICA_TOO_LARGE. Objects are at most 1.5 MiB (DESIGN §7). */
export const PROPOSAL_BYTES_MAX = 2 * 1024 * 1024;
/** Transactions in one item; bounds the results that one sequence stores. */
export const ITEM_TRANSACTIONS_MAX = 1024;
/** Calls and bytes that wait on this node, in flight ones included; above: REPLICA_OVERLOADED. */
export const QUEUE_CALLS_MAX = 20_000;
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** Items in flight; far below the session's window of 1024 sequences, and few, so that waiting calls are joined. */
export const IN_FLIGHT_ITEMS_MAX = 64;
/** Newest minus oldest sequence in flight; an item stuck in retries must not fall out of the session's window. */
export const IN_FLIGHT_SPAN_MAX = 512;
/** Transactions in flight; far below the results a session remembers (SESSION_RESULTS_MAX). */
export const IN_FLIGHT_TRANSACTIONS_MAX = 8192;
/** Entries proposed here as leader and not yet applied, in bytes; above: forwarded proposals get REPLICA_OVERLOADED. */
export const UNAPPLIED_BYTES_MAX = 32 * 1024 * 1024;
/** A forwarded proposal is acknowledged at once, so silence for this long means a lost link. */
export const FORWARD_TIMEOUT_MS = 1000;
/** After a refusal or a loss, try again after this. */
export const RETRY_PAUSE_MS = 20;
/** Asking the leader for a read index. */
export const READ_INDEX_TIMEOUT_MS = 1000;
/** Rounds of read index under way from this node; readers beyond wait for the next. */
export const READ_ROUNDS_MAX = 4;
/** Readers waiting on this node. */
export const READERS_MAX = 20_000;
/** Applying yields to other work after this. */
export const APPLY_SLICE_MS = 8;
/** Retention samples, one a second, cover the longest retention. */
export const SAMPLE_INTERVAL_MS = 1000;
export const SAMPLES_MAX = 3600;
/** The log never grows beyond this without a snapshot, however big the state. */
export const LOG_BYTES_MAX = 512 * 1024 * 1024;
/** Rest between two chunks (1 MiB, about 10 ms of work) of a snapshot being taken; it may last seconds, a write may not. */
export const SNAPSHOT_REST_MS = 15;
/** The leader asks members for their release, while the cluster's command version is below its own. */
export const RELEASE_POLL_MS = 2000;
export const RELEASE_ASK_TIMEOUT_MS = 1000;
/** The leader looks for expired leases; LEASE_TTL_MS_MIN is a few of these. */
export const LEASE_LOOK_MS = 200;
/** Leases revoked in one proposal; the next look takes more. */
export const LEASE_REVOKES_MAX = 256;
export const LEASE_REVOKE_DEADLINE_MS = 2000;
/** Reports of a comparison of states that are late are not waited for. */
export const CHECK_ROUND_MS = 10_000;
/** Comparisons under way, and reports remembered. */
export const CHECK_ROUNDS_MAX = 8;
/** Rest between two chunks of a deep hash. */
export const CHECK_REPORT_REST_MS = 15;
/** A diverged member asks for the leader's state again after this. */
export const REFILL_RETRY_MS = 200;
/** From the leader's first byte until its own log has what the state holds. */
export const REFILL_TIMEOUT_MS = 60_000;
/** Bytes of one snapshot received; a second one at the same time is refused. */
export const SNAPSHOT_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** After the second failure in a row to give a member a snapshot, doubled with each further one up to the maximum. */
export const SNAPSHOT_RETRY_MS = 50;
export const SNAPSHOT_RETRY_MS_MAX = 2000;
