/**
 * The data that crosses the borders of the consensus core: what is stored and what is sent.
 * Plain objects of numbers, strings, booleans and bytes, so that msgpack carries them as they are.
 * Indexes and terms are integers below 2^53; index 0 and term 0 mean "before the first entry".
 */
export type NodeId = string;

export type Entry = {
  index: number;
  term: number;
  /** `configuration` entries hold an encoded Configuration and take effect on append (Ongaro thesis §4.1). */
  type: 'noop' | 'command' | 'configuration';
  data: Uint8Array;
};

/** Durable before any reply that depends on it leaves (Raft §5.2, figure 2). */
export type HardState = {
  currentTerm: number;
  votedFor: NodeId | undefined;
  /** Highest index known committed; a hint after restart, and the line between torn tail and corruption. */
  commitIndex: number;
};

/** Joint consensus (Raft §6): while `votersOutgoing` is not empty both majorities are needed. */
export type Configuration = {
  voters: NodeId[];
  votersOutgoing: NodeId[];
  learners: NodeId[];
  /** Peer addresses (host:port) by id, of every member. */
  addresses: Record<NodeId, string>;
  /** Why it was made, for people. */
  reason?: string;
  /** Ids that left and may not come back, oldest first: a copy of their disk would vote twice (A3.12). */
  removed?: NodeId[];
};

export type SnapshotMeta = {
  /** The last entry the snapshot replaces. */
  index: number;
  term: number;
  configuration: Configuration;
  /** Index of the entry that made `configuration`. */
  configurationIndex: number;
};

/** What nodes send each other. Every message names the sender's term. */
export type Message =
  | { type: 'vote'; term: number; preVote: boolean; lastLogIndex: number; lastLogTerm: number; transfer: boolean }
  | { type: 'voteReply'; term: number; preVote: boolean; granted: boolean }
  | {
      type: 'append';
      term: number;
      prevIndex: number;
      prevTerm: number;
      entries: Entry[];
      commitIndex: number;
      /** How often the leader had begun anew with this member; the answer gives it back. */
      generation?: number;
    }
  | {
      type: 'appendReply';
      term: number;
      rejected: boolean;
      /** Accepted: the follower's log equals the leader's up to here, durably. Rejected: the prevIndex that did not fit. */
      index: number;
      /** Rejected: where the logs may still agree (the follower's last index of at most that term). */
      hintIndex: number;
      hintTerm: number;
      /** Of the append that is answered; without one the answer is about the log as it is. */
      generation?: number;
      /** Rejected by a member that has lost what it had acknowledged: what the leader knew of its log holds no more. */
      impaired?: boolean;
    }
  /** `context` is the newest ReadIndex round; an answer confirms all rounds up to it. */
  | { type: 'heartbeat'; term: number; commitIndex: number; context: number }
  | { type: 'heartbeatReply'; term: number; context: number }
  | { type: 'timeoutNow'; term: number }
  | { type: 'readIndex'; term: number; id: number }
  | { type: 'readIndexReply'; term: number; id: number; index: number };

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

export type ConfigurationChange = (
  | { type: 'addLearner'; id: NodeId; address: string }
  | { type: 'promote'; id: NodeId }
  | { type: 'demote'; id: NodeId }
  | { type: 'remove'; id: NodeId }
  | { type: 'setAddress'; id: NodeId; address: string }
  /** Exactly these vote afterwards; voters not named stand by. All at once, through one joint configuration (Raft §6). */
  | { type: 'setVoters'; voters: NodeId[] }
) & {
  /** Kept in the log with the change; at most REASON_LENGTH_MAX characters. */
  reason?: string;
};

/** What the caller has to do now. Readies are persisted in the order they were given. */
export type Ready = {
  /** For `persisted`; ascending. */
  id: number;
  /** Present when term, vote or entries have to be durable; carries the commit index along. */
  hardState: HardState | undefined;
  /** To append; an index that exists already means: cut the log there first. */
  entries: Entry[];
  /** May leave at once, before the own disk has synced. */
  messages: { to: NodeId; message: Message }[];
  /** May leave only when this ready and all before it are durable. */
  messagesAfterPersist: { to: NodeId; message: Message }[];
  /** To apply, in order; call `applied` afterwards. */
  committed: Entry[];
  /** ReadIndex requests that are confirmed: serve them once `index` is applied. */
  reads: { id: number; index: number }[];
  /** Members whose next entries are compacted away: send them a snapshot, then `snapshotSent`. */
  snapshotsFor: NodeId[];
  /** Present when it changed. */
  soft: { role: Role; leader: NodeId | undefined; term: number } | undefined;
};
