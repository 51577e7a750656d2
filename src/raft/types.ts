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
};

export type SnapshotMeta = {
  /** The last entry the snapshot replaces. */
  index: number;
  term: number;
  configuration: Configuration;
  /** Index of the entry that made `configuration`. */
  configurationIndex: number;
};
