/** What a core is made with, and what it answers to a proposal. */
import { encodeConfiguration } from './configuration.ts';
import type { RaftMark } from './marks.ts';
import type { RaftMutation } from './mutations.ts';
import type { Configuration, Entry, HardState, NodeId, SnapshotMeta } from './types.ts';

export interface RaftConfig {
  /** Ticks of silence before an election; each wait is drawn from [n, 2n). */
  electionTimeoutTicks: number;
  heartbeatTicks: number;
  /** Bytes of entry data in one append; one entry may exceed it. */
  appendBytesMax: number;
  inflightMessagesMax: number;
  inflightBytesMax: number;
  /** Proposals are refused above this many bytes not yet committed. */
  uncommittedBytesMax: number;
  /**
   * How reads are confirmed: by a round of heartbeats, or under the leader's lease (thesis §6.4.1), which rests on
   * clocks that run at about the same speed. All members must agree: with 'lease' a restarted one refuses votes
   * for an election timeout, since it does not know whom it had heard of. The caller tells the time (`passTime`).
   */
  readMode?: 'index' | 'lease';
  /** Of a lease, from the sending of the heartbeat that a quorum confirmed; below the shortest election timeout. */
  leaseMs?: number;
  mutations?: ReadonlySet<RaftMutation>;
}

/** A slow disk or network may lengthen the election timeout up to this many times the configured one. */
export const ELECTION_STRETCH_MAX = 4;

export const RAFT_DEFAULTS: RaftConfig = {
  electionTimeoutTicks: 10,
  heartbeatTicks: 1,
  appendBytesMax: 1024 * 1024,
  inflightMessagesMax: 256,
  inflightBytesMax: 32 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
};

export interface RaftOptions {
  id: NodeId;
  config: RaftConfig;
  /** Uniform integer in [0, bound); for election timeouts. */
  randomBelow: (bound: number) => number;
  recovered: {
    hardState: HardState | undefined;
    snapshot: SnapshotMeta | undefined;
    entries: Entry[];
    /** Entries up to here may have been acknowledged by this member, and its disk has lost some (see `impaired`). */
    repairTo?: number | undefined;
  };
  /** For the simulator's coverage. */
  mark?: ((mark: RaftMark) => void) | undefined;
}

export type Proposal =
  | { accepted: true; firstIndex: number; term: number }
  | {
      accepted: false;
      reason: 'notLeader' | 'transferring' | 'overloaded' | 'changeInFlight' | 'termNotCommitted';
      leader: NodeId | undefined;
    };

/** What a cluster's first node writes before its first start: one committed entry with the configuration. */
export function bootstrapState(configuration: Configuration): { hardState: HardState; entries: Entry[] } {
  return {
    hardState: { currentTerm: 1, votedFor: undefined, commitIndex: 1 },
    entries: [{ index: 1, term: 1, type: 'configuration', data: encodeConfiguration(configuration) }],
  };
}
