/**
 * What the replica needs of the consensus core, in its own words; `raft-core.ts` puts the real one behind it.
 * Pure and synchronous: inputs in, `ready` out.
 */
import type { Configuration, Entry, HardState, NodeId, SnapshotMeta } from '#src/raft/types.ts';

export type CoreRole = 'leader' | 'follower' | 'candidate' | 'preCandidate' | 'learner';

/** Opaque to the replica: bytes and plain values that the wire carries. */
export type CoreMessage = { to: NodeId; message: unknown };

export type CoreReady = {
  hardState: HardState | undefined;
  entries: Entry[];
  /** May leave before the disk has anything of this `ready`. */
  messages: CoreMessage[];
  /** Leave after `hardState` and `entries` are durable. */
  messagesAfterPersist: CoreMessage[];
  committed: Entry[];
  /** Read rounds that are confirmed: what was committed when they began. */
  reads: { id: number; index: number }[];
  /** Read rounds that will not be answered: the term ended. */
  readsLost: number[];
  /** Members that need a snapshot. */
  snapshotsTo: NodeId[];
};

export type CoreStatus = {
  role: CoreRole;
  term: number;
  leader: NodeId | undefined;
  commitIndex: number;
  lastIndex: number;
  configuration: Configuration;
  progress: Record<NodeId, { matchIndex: number; lastContactTicks: number }>;
};

export interface ConsensusCore {
  tick(): void;
  receive(from: NodeId, message: unknown): void;
  /** Everything up to this entry, as it is now, is on the disk (reference/raft.md A3.15: index and term). */
  persisted(last: { index: number; term: number }): void;
  /** Entries up to this one were applied here. */
  applied(index: number): void;
  /** Where the entry went, or undefined when this is not the leader, or it refuses (transfer under way). */
  propose(data: Uint8Array): { index: number; term: number } | undefined;
  /** Begin a round under this fresh id; false when this is not the leader. */
  readIndex(id: number): boolean;
  /** A member has a snapshot up to this index (undefined: it could not be given one). */
  snapshotSent(to: NodeId, index: number | undefined): void;
  /** A snapshot was made durable here. False when it is older than what is committed. */
  installSnapshot(meta: SnapshotMeta, from: NodeId): boolean;
  /** Entries up to this index may be forgotten. */
  compact(index: number): void;
  /** The configuration and term that a snapshot at this index must carry. */
  metaAt(index: number): SnapshotMeta;
  /** Throws REPLICA_NOT_LEADER or REPLICA_CHANGE_IN_FLIGHT. Returns the entry's index. */
  changeMembers(change: MemberChange): { index: number; term: number };
  transferLeadership(to: NodeId): void;
  /** Give up leadership now, without a successor. */
  stepDown(): void;
  /** A link to this member closed: a hint. */
  unreachable(id: NodeId): void;
  ready(): CoreReady | undefined;
  status(): CoreStatus;
}

export type MemberChange =
  | { type: 'addLearner'; id: NodeId; address: string }
  | { type: 'promote'; id: NodeId }
  | { type: 'remove'; id: NodeId }
  | { type: 'setAddress'; id: NodeId; address: string };
