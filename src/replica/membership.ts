/** Members of the consensus group, for `cluster` and for status. */
import type { NodeId } from '#src/raft/types.ts';

export interface ReplicaStatus {
  self: NodeId;
  role: 'leader' | 'follower' | 'candidate' | 'preCandidate' | 'learner' | 'stopped';
  term: number;
  leader: NodeId | undefined;
  commitIndex: number;
  appliedIndex: number;
  lastIndex: number;
  revision: number;
  compactedRevision: number;
  voters: NodeId[];
  learners: NodeId[];
  addresses: Record<NodeId, string>;
  /** The disk has lost what this member had acknowledged; it neither votes nor stands until the leader has refilled it. */
  impaired: boolean;
  /** Why the configuration is as it is, and which ids may not come back. */
  reason: string | undefined;
  removed: NodeId[];
  /** Only on the leader: matchIndex by member and ms since it last answered. */
  progress: Record<NodeId, { matchIndex: number; lastContactMs: number }>;
  /** Monotonic ms since a quorum last confirmed this state (leader: contact; follower: heartbeat). */
  confirmedAgoMs: number | undefined;
  /** What an operator must know, in words that begin with a stable name; `diverged`: this node's own state is not to be trusted. */
  alarms: string[];
  diverged: boolean;
  /** Silence after which this node asks for votes at the earliest: as configured, or stretched for slow syncs and long ways. */
  electionMs: number;
  /** The cluster's command version, and those this program can apply. */
  commandVersion: number;
  commands: { min: number; max: number };
}

export interface Membership {
  status(): ReplicaStatus;
  /** Leader only (Fault REPLICA_NOT_LEADER names the leader). One change at a time: REPLICA_CHANGE_IN_FLIGHT. */
  addLearner(id: NodeId, address: string, reason?: string): Promise<void>;
  /** Waits until the learner has caught up and is live, bounded by the deadline. */
  promote(id: NodeId, options: { deadlineMs: number; reason?: string }): Promise<void>;
  demote(id: NodeId, reason?: string): Promise<void>;
  /** Exactly these vote afterwards, in one joint change. */
  setVoters(voters: NodeId[], reason?: string): Promise<void>;
  remove(id: NodeId, reason?: string): Promise<void>;
  setAddress(id: NodeId, address: string): Promise<void>;
  transferLeadership(to?: NodeId): Promise<void>;
  /**
   * Leader only: the cluster's command version, up or down. Up happens by itself; down is for going back to an older
   * program, and keeps it down until the nodes are restarted. Faults: REPLICA_NOT_LEADER, REPLICA_VERSION (who cannot,
   * or what stands in the way), REPLICA_OUTCOME_UNKNOWN.
   */
  changeCommandVersion(to: number): Promise<void>;
  /**
   * Fires with the term once the no-op of that term is applied here as leader, and with undefined when
   * leadership is lost. Returns the unsubscribe function.
   */
  onLeadership(handle: (term: number | undefined) => void): () => void;
}
