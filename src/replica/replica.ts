/**
 * One member of the consensus group: binds the core (raft), the durable log (wal), the links (wire) and the
 * state machine (store), and is the home of the doors Proposer, Reader and Membership.
 * Owns: the drive loop, batching, retries, snapshots, retention. Imports: std, ports, raft, wal, wire, store.
 * Never: Kubernetes types, HTTP.
 * Read next: consensus.ts (the drive loop), proposals.ts and intake.ts (writing, both ends), reads.ts,
 * snapshots.ts, members.ts.
 */
import type { Ports } from '#src/ports/ports.ts';
import { bootstrapState, Raft, RAFT_DEFAULTS, RAFT_MUTATIONS } from '#src/raft/raft.ts';
import type { RaftMutation } from '#src/raft/raft.ts';
import type { NodeId } from '#src/raft/types.ts';
import { createStore } from '#src/store/store.ts';
import { SnapshotReader } from '#src/store/store.ts';
import type { CommandRange } from '#src/store/codec.ts';
import type { TransactionResult } from '#src/store/command.ts';
import type { Store, StoreMutation } from '#src/store/store.ts';
import { STORE_MUTATIONS } from '#src/store/store.ts';
import { openWal } from '#src/wal/wal.ts';
import type { Recovered, Wal, WalOptions } from '#src/wal/wal.ts';
import { WAL_MUTATIONS, type WalMutation } from '#src/wal/mutations.ts';
import type { Peers } from '#src/wire/peers.ts';
import { isFault, type Fault } from '#src/std/fault.ts';
import type { Membership } from './membership.ts';
import { OWN_MUTATIONS } from './mutations.ts';
import type { OwnMutation } from './mutations.ts';
import type { Proposer } from './proposer.ts';
import type { Reader } from './reader.ts';
import { ReplicaCore } from './replica-core.ts';
import { DEFAULT_SETTINGS, LEASE_OF_ELECTION } from './settings.ts';
import type { ReplicaSettings } from './settings.ts';

export type { ReplicaSettings } from './settings.ts';
export { DEFAULT_SETTINGS } from './settings.ts';

/** Test-only faults that the simulator must find. */
export type ReplicaMutation = RaftMutation | StoreMutation | OwnMutation | WalMutation;
export type { OwnMutation } from './mutations.ts';

export interface ReplicaConfig {
  /** What differs from DEFAULT_SETTINGS. */
  settings?: Partial<ReplicaSettings>;
  /** Only of a cluster's first node, only used when its log is empty: the group it begins. */
  bootstrap?: { voters: NodeId[]; addresses: Record<NodeId, string> };
  /** Of the log's segments; tests use small ones. */
  walSegmentBytes?: number;
}

export interface ReplicaOptions {
  ports: Pick<Ports, 'clock' | 'random' | 'disk' | 'log'>;
  /** Of the log, inside the disk. */
  directory: string;
  clusterId: string;
  self: NodeId;
  peers: Peers;
  config: ReplicaConfig;
  mutations?: ReadonlySet<ReplicaMutation>;
  /** Tests of mixed releases: the command versions of the release that this replica plays. */
  release?: { commands: CommandRange };
  /** For the simulator's coverage: a rare situation, by its name in the `marks.ts` of raft, wal, store or replica. */
  mark?: ((mark: string) => void) | undefined;
  /** This replica has stopped by itself: its disk failed or an entry could not be applied. The process should end. */
  onFatal: (fault: Fault) => void;
}

export interface Replica extends Proposer, Reader, Membership {
  /** The state machine itself, for checkers: hashes, applied index. */
  readonly store: Store;
  /** The consensus core itself, for checkers that compare nodes. */
  readonly raft: Raft;
  /** `propose` of what store/codec's `encodeTransactions` made; the caller has seen that it decodes. */
  proposeEncoded(body: Uint8Array, count: number, options: { deadlineMs: number }): Promise<TransactionResult[]>;
  /** Begin to tick, vote and answer. */
  start(): void;
  /** Clean end; `transfer`: hand leadership over first, if this node has it. Bounded in time. */
  stop(options: { transfer: boolean }): Promise<void>;
}

/**
 * Recover what the disk holds; `start` makes it take part. Faults: those of openWal (WAL_CORRUPT, WAL_FOREIGN …).
 */
export async function createReplica(options: ReplicaOptions): Promise<Replica> {
  const { ports, self, config } = options;
  const settings = { ...DEFAULT_SETTINGS, ...config.settings };
  const mutations = options.mutations ?? new Set();
  const walOptions: WalOptions = {
    disk: ports.disk,
    log: ports.log,
    directory: options.directory,
    clusterId: options.clusterId,
    nodeId: self,
    clock: ports.clock,
    mutations,
    mark: options.mark,
    ...(config.walSegmentBytes === undefined ? {} : { segmentBytes: config.walSegmentBytes }),
  };
  const store = createStore({
    mutations: storeMutations(mutations),
    mark: options.mark,
    ...(options.release === undefined ? {} : { commands: options.release.commands }),
  });
  const opened = await openAndRestore(walOptions, store);
  const { wal } = opened;
  const recovered = await bootstrapped(wal, opened.recovered, config);
  const ticks = (ms: number): number => Math.max(1, Math.round(ms / settings.tickMs));
  const raft = new Raft({
    id: self,
    config: {
      ...RAFT_DEFAULTS,
      electionTimeoutTicks: ticks(settings.electionMs),
      heartbeatTicks: ticks(settings.heartbeatMs),
      appendBytesMax: settings.appendBytesMax,
      readMode: settings.reads,
      leaseMs: settings.electionMs * LEASE_OF_ELECTION,
      mutations: raftMutations(mutations),
    },
    randomBelow: (bound) => ports.random.below(bound),
    recovered,
    mark: options.mark,
  });
  return new ReplicaCore({
    ports,
    self,
    directory: options.directory,
    peers: options.peers,
    settings,
    wal,
    raft,
    store,
    repairTo: recovered.repairTo,
    mutations,
    mark: options.mark ?? (() => undefined),
    onFatal: options.onFatal,
  });
}

/** The first start of the first node writes the group's configuration as its first entry. */
async function bootstrapped(wal: Wal, recovered: Recovered, config: ReplicaConfig): Promise<Recovered> {
  const fresh = wal.lastIndex === 0 && recovered.hardState.currentTerm === 0;
  if (config.bootstrap === undefined || !fresh) return recovered;
  const { voters, addresses } = config.bootstrap;
  const begin = bootstrapState({ voters, votersOutgoing: [], learners: [], addresses });
  await wal.append(begin);
  return { ...begin, snapshot: undefined };
}

/** Damage that other members can make good is no reason to stay away (reference/raft.md A3.18). */
async function openAndRestore(options: WalOptions, store: Store): Promise<{ wal: Wal; recovered: Recovered }> {
  const opened = await openWal({ ...options, repair: { distrustSnapshots: false } });
  try {
    await restoreStore(opened.wal, store, opened.recovered);
    return opened;
  } catch (error) {
    if (!isFault(error, 'WAL_CORRUPT')) throw error;
  }
  await opened.wal.close();
  return await openWal({ ...options, repair: { distrustSnapshots: true } });
}

async function restoreStore(wal: Wal, store: Store, recovered: Recovered): Promise<void> {
  if (recovered.snapshot === undefined) return;
  const saved = await wal.openSnapshot();
  if (saved === undefined) return;
  const reader = new SnapshotReader({ commands: store.commands });
  for await (const chunk of saved.read()) reader.push(chunk);
  store.install(reader);
}

/** All that can be planted. */
export const REPLICA_MUTATIONS: readonly ReplicaMutation[] = [
  ...RAFT_MUTATIONS,
  ...STORE_MUTATIONS,
  ...OWN_MUTATIONS,
  ...WAL_MUTATIONS,
];

function storeMutations(mutations: ReadonlySet<ReplicaMutation>): ReadonlySet<StoreMutation> {
  return new Set(STORE_MUTATIONS.filter((one) => mutations.has(one)));
}

function raftMutations(mutations: ReadonlySet<ReplicaMutation>): ReadonlySet<RaftMutation> {
  return new Set(RAFT_MUTATIONS.filter((one) => mutations.has(one)));
}
