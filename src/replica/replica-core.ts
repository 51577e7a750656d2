/** The parts of a replica joined together: who tells whom what. The parts do not know each other. */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Ports } from '#src/ports/ports.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { ConfigurationChange, Entry, NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { encodeCommand, isSetVersion } from '#src/store/codec.ts';
import type { Transaction, TransactionResult } from '#src/store/command.ts';
import type { AppliedItem, SnapshotReader, Store } from '#src/store/store.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Wal } from '#src/wal/wal.ts';
import type { Peers } from '#src/wire/peers.ts';
import { Applier } from './applier.ts';
import { CHECK_CHANNEL, Checks } from './checks.ts';
import type { CheckMessage } from './checks.ts';
import { Consensus } from './consensus.ts';
import { Intake } from './intake.ts';
import { LeaseClock } from './lease-clock.ts';
import type { ReplicaMark } from './marks.ts';
import { Members } from './members.ts';
import type { ReplicaStatus } from './membership.ts';
import { Proposals } from './proposals.ts';
import type { ProposalMessage } from './proposals.ts';
import type { Freshness } from './reader.ts';
import { Refill } from './refill.ts';
import { Reads } from './reads.ts';
import type { Replica, ReplicaMutation } from './replica.ts';
import { addSample, compactionTarget } from './retention.ts';
import type { RetentionSample } from './retention.ts';
import {
  FORWARD_TIMEOUT_MS,
  LEASE_REVOKE_DEADLINE_MS,
  RELEASE_ASK_TIMEOUT_MS,
  SAMPLE_INTERVAL_MS,
  SNAPSHOT_RETRY_MS,
  SNAPSHOT_RETRY_MS_MAX,
} from './settings.ts';
import type { ReplicaSettings } from './settings.ts';
import { Snapshots } from './snapshots.ts';
import { statusOf } from './status.ts';
import { Versions } from './versions.ts';
import type { Release } from './versions.ts';

const PROPOSE_METHOD = 'replica.propose';
const RELEASE_METHOD = 'replica.release';
/** Deadlines and retries are looked at this often. */
const HOUSEKEEPING_MS = 20;
/** A disk that hangs must not hold up the end of the process; what is not durable was not promised. */
const CLOSE_TIMEOUT_MS = 2000;

export type ReplicaParts = {
  ports: Pick<Ports, 'clock' | 'random' | 'disk' | 'log'>;
  self: NodeId;
  /** Of the log, inside the disk. */
  directory: string;
  peers: Peers;
  settings: ReplicaSettings;
  wal: Wal;
  raft: Raft;
  store: Store;
  /** The log was damaged; what up to here may have been acknowledged is refilled by the leader. */
  repairTo: number | undefined;
  mutations: ReadonlySet<ReplicaMutation>;
  mark: (mark: ReplicaMark) => void;
  onFatal: (fault: Fault) => void;
};

export class ReplicaCore implements Replica {
  readonly store: Store;
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #peers: Peers;
  readonly #settings: ReplicaSettings;
  readonly #raft: Raft;
  readonly #wal: Wal;
  readonly #onFatal: (fault: Fault) => void;
  readonly #consensus: Consensus;
  readonly #applier: Applier;
  readonly #proposals: Proposals;
  readonly #intake: Intake;
  readonly #reads: Reads;
  readonly #snapshots: Snapshots;
  readonly #members: Members;
  readonly #versions: Versions;
  readonly #leases: LeaseClock;
  readonly #checks: Checks;
  readonly #refill: Refill;
  readonly #mark: (mark: ReplicaMark) => void;
  /** What this leader knows of others' states. */
  #alarm: string | undefined;
  /** A snapshot is to be taken for a reason other than the log's size. */
  #snapshotOwed = false;
  /** When a quorum last confirmed the local state, monotonic ms. */
  #confirmedAt: number | undefined;
  #stage: 'created' | 'running' | 'stopped' = 'created';
  #repairTo: number | undefined;
  #samples: RetentionSample[] = [];
  #sampleAt = 0;
  #compactAt = 0;
  #housekeepingAt = 0;
  /** The addresses told to the wire last. */
  #addresses: Record<NodeId, string> = {};
  /** Failures in a row to give a member a snapshot. */
  readonly #snapshotFailures = new Map<NodeId, number>();

  constructor(parts: ReplicaParts) {
    const { ports, peers, settings, raft, store, mutations, mark } = parts;
    const { clock } = ports;
    this.store = store;
    this.#self = parts.self;
    this.#clock = clock;
    this.#log = ports.log.scope('replica');
    this.#peers = peers;
    this.#mark = mark;
    this.#settings = settings;
    this.#raft = raft;
    this.#wal = parts.wal;
    this.#onFatal = parts.onFatal;
    this.#repairTo = parts.repairTo;
    this.#consensus = new Consensus({
      clock,
      log: this.#log,
      raft,
      wal: parts.wal,
      peers,
      settings,
      events: {
        committed: (entries) => this.#applier.enqueue(entries),
        snapshotWanted: (to) => void this.#sendSnapshot(to),
        changed: () => this.#changed(),
        ticked: () => this.#ticked(),
        busy: () => this.#proposals.busy || this.#reads.busy,
        refusesAppends: () => this.#snapshots.installing !== undefined,
        fatal: (error) => this.#fatal(error),
      },
      ignoresHang: mutations.has('disk-hang-ignored'),
      mark,
    });
    this.#applier = new Applier({
      clock,
      store,
      appliedIndex: raft.appliedIndex,
      events: { applied: (slice) => this.#applied(slice), failed: (error) => this.#fatal(error) },
    });
    this.#proposals = new Proposals({
      clock,
      random: ports.random,
      route: {
        leader: () => this.#leader(),
        commandVersion: () => store.commandVersion,
        send: (to, message) => this.#sendProposals(to, message),
        outcomeOf: (session, sequence) => store.outcomeOf(session, sequence),
      },
    });
    this.#intake = new Intake({
      clock,
      route: {
        propose: (data) => this.#propose(data),
        notLeader: () => this.#notLeader(),
        awaits: (member, index) => this.#consensus.awaits(member, index),
      },
    });
    this.#reads = new Reads({
      clock,
      route: {
        readIndex: () => this.#consensus.readIndex(),
        view: () => store,
        appliedIndex: () => this.#applier.appliedIndex,
        notReady: () => this.#notReady(),
        ageMs: () => this.ageMs(),
      },
      guesses: mutations.has('stale-read'),
    });
    this.#snapshots = new Snapshots({
      clock,
      log: this.#log,
      peers,
      store,
      wal: parts.wal,
      settings,
      mark: this.#mark,
      host: {
        metaNow: () => this.#metaNow(),
        compactLog: (index) => this.#compactLog(index),
        currentTerm: () => raft.currentTerm,
        wants: (from, term, meta) => this.#consensus.drive((core) => core.offersSnapshot(from, term, meta)),
        install: (meta, reader, from) => this.#install(meta, reader, from),
        fatal: (error) => this.#fatal(error),
      },
    });
    this.#members = new Members({
      clock,
      route: {
        status: () => this.status(),
        office: () => ({ leads: raft.role === 'leader', term: raft.currentTerm }),
        // Also while the end of a change is not committed: the next one would be refused.
        changing: () => raft.configuration.votersOutgoing.length > 0 || raft.log.configurationIndex > raft.commitIndex,
        change: (change) => this.#change(change),
        transfer: (to) => this.#transfer(to),
        notLeader: () => this.#notLeader(),
      },
      ignoresTerm: mutations.has('result-by-index-only'),
    });
    this.#versions = this.#makeVersions();
    this.#leases = this.#makeLeases(mutations);
    this.#checks = this.#makeChecks();
    this.#refill = this.#makeRefill(parts);
    this.#members.onLeadership((term) => {
      this.#versions.office(term);
      this.#leases.office(term);
      this.#checks.office(term);
      this.#alarm = undefined;
    });
    // Checked by the wire to come from a member of this cluster.
    peers.onRequest(RELEASE_METHOD, () => Promise.resolve(this.#versions.release()));
    peers.onMessage(CHECK_CHANNEL, (from, message) => this.#checks.receive(from, message as CheckMessage));
    peers.onRequest(PROPOSE_METHOD, async (from, payload) => {
      if (this.#stage !== 'running') throw this.#notLeader();
      // Checked by the wire to come from a member of this cluster and release.
      const message = payload as ProposalMessage;
      // Copied: a received frame's bytes may be gone by the end of the turn. (A Buffer's `slice` would not copy.)
      await this.#intake.accept(from, { ...message, items: message.items.map((item) => new Uint8Array(item)) });
      return null;
    });
  }

  start(): void {
    if (this.#stage !== 'created') return;
    this.#stage = 'running';
    this.#tellAddresses();
    this.#consensus.start();
  }

  async stop({ transfer }: { transfer: boolean }): Promise<void> {
    if (this.#stage === 'stopped') return;
    if (transfer && this.#stage === 'running' && this.#raft.role === 'leader') {
      // Without a successor, or when it fails, the others elect one after their timeout.
      await this.#members.transferLeadership().catch((error: unknown) => {
        this.#log.info('leadership was not handed over', { why: messageOf(error) });
      });
    }
    this.#halt(new Fault('REPLICA_STOPPED', `the replica of ${this.#self} stopped`, 'elsewhere'));
    const closed = this.#wal.close().catch((error: unknown) => {
      this.#log.warn('the log did not close', { why: messageOf(error) });
    });
    await Promise.race([closed, new Promise<void>((resolve) => void this.#clock.after(CLOSE_TIMEOUT_MS, resolve))]);
  }

  get raft(): Raft {
    return this.#raft;
  }

  propose(transactions: Transaction[], options: { deadlineMs: number }): Promise<TransactionResult[]> {
    return this.#proposals.propose(transactions, options);
  }

  proposeEncoded(body: Uint8Array, count: number, options: { deadlineMs: number }): Promise<TransactionResult[]> {
    return this.#proposals.proposeEncoded(body, count, options);
  }

  confirm(freshness: Freshness, options: { deadlineMs: number }): Promise<StoreView> {
    return this.#reads.confirm(freshness, options);
  }

  local(): StoreView {
    return this.store;
  }

  ageMs(): number | undefined {
    this.#noteConfirmed();
    return this.#confirmedAt === undefined ? undefined : this.#clock.monotonicMs() - this.#confirmedAt;
  }

  status(): ReplicaStatus {
    return statusOf({
      raft: this.#raft,
      store: this.store,
      appliedIndex: this.#applier.appliedIndex,
      tickMs: this.#settings.tickMs,
      stopped: this.#stage !== 'running',
      ownAlarm: this.#refill.reason,
      alarm: this.#alarm,
    });
  }

  addLearner(id: NodeId, address: string, reason?: string): Promise<void> {
    return this.#members.addLearner(id, address, reason);
  }

  promote(id: NodeId, options: { deadlineMs: number; reason?: string }): Promise<void> {
    return this.#members.promote(id, options);
  }

  demote(id: NodeId, reason?: string): Promise<void> {
    return this.#members.demote(id, reason);
  }

  setVoters(voters: NodeId[], reason?: string): Promise<void> {
    return this.#members.setVoters(voters, reason);
  }

  remove(id: NodeId, reason?: string): Promise<void> {
    return this.#members.remove(id, reason);
  }

  setAddress(id: NodeId, address: string): Promise<void> {
    return this.#members.setAddress(id, address);
  }

  transferLeadership(to?: NodeId): Promise<void> {
    return this.#members.transferLeadership(to);
  }

  changeCommandVersion(to: number): Promise<void> {
    return this.#versions.change(to);
  }

  onLeadership(handle: (term: number | undefined) => void): () => void {
    return this.#members.onLeadership(handle);
  }

  // ── what the parts ask of each other ────────────────────────────────────────────────────────

  #leader(): { id: NodeId; term: number } | undefined {
    const { leader, currentTerm } = this.#raft;
    return leader === undefined ? undefined : { id: leader, term: currentTerm };
  }

  async #sendProposals(to: NodeId, message: ProposalMessage): Promise<void> {
    if (to === this.#self) await this.#intake.accept(to, message);
    else await this.#peers.request(to, PROPOSE_METHOD, message, { timeoutMs: FORWARD_TIMEOUT_MS });
  }

  #makeVersions(): Versions {
    const ask = async (id: NodeId): Promise<Release> => {
      if (id === this.#self) return this.#versions.release();
      return (await this.#peers.request(id, RELEASE_METHOD, null, { timeoutMs: RELEASE_ASK_TIMEOUT_MS })) as Release;
    };
    return new Versions({
      clock: this.#clock,
      log: this.#log,
      store: this.store,
      mark: this.#mark,
      route: {
        members: () => this.#memberIds(),
        ask,
        propose: (data) => this.#propose(data),
        appliedIndex: () => this.#applier.appliedIndex,
        notLeader: () => this.#notLeader(),
        snapshotSoon: () => {
          this.#snapshotOwed = true;
        },
      },
    });
  }

  #makeLeases(mutations: ReadonlySet<ReplicaMutation>): LeaseClock {
    return new LeaseClock({
      clock: this.#clock,
      store: this.store,
      mark: this.#mark,
      unfenced: mutations.has('old-leader-revoke'),
      route: { revoke: (transactions) => this.propose(transactions, { deadlineMs: LEASE_REVOKE_DEADLINE_MS }) },
    });
  }

  #makeChecks(): Checks {
    return new Checks({
      self: this.#self,
      clock: this.#clock,
      log: this.#log,
      store: this.store,
      settings: this.#settings,
      mark: this.#mark,
      route: {
        leader: () => this.#leader(),
        voters: () => this.#raft.configuration.voters,
        members: () => this.#memberIds(),
        propose: (data) => this.#propose(data) !== undefined,
        send: (to, message) => this.#peers.send(to, CHECK_CHANNEL, message),
        diverged: (index, why) => this.#refill.begin(index, why),
        alarm: (message) => {
          this.#alarm = message;
        },
      },
    });
  }

  #makeRefill({ ports, directory }: ReplicaParts): Refill {
    return new Refill({
      self: this.#self,
      clock: this.#clock,
      disk: ports.disk,
      log: this.#log,
      directory,
      peers: this.#peers,
      store: this.store,
      mark: this.#mark,
      host: {
        leader: () => this.#raft.leader,
        appliedIndex: () => this.#applier.appliedIndex,
        handedIndex: () => this.#raft.handedIndex,
        handOver: () => this.#members.transferLeadership(),
        pause: () => this.#applier.pause(),
        resume: () => this.#applier.resume(),
        install: (reader, index) => this.#replaceState(reader, index),
      },
    });
  }

  #memberIds(): NodeId[] {
    const { voters, votersOutgoing, learners } = this.#raft.configuration;
    return [...new Set([...voters, ...votersOutgoing, ...learners])];
  }

  /** Not by consensus: the log stays, only what was made of it is another. */
  #replaceState(reader: SnapshotReader, index: number): void {
    this.#installState(reader, index);
    this.#consensus.drive((raft) => raft.applied(index));
    this.#proposals.installed();
    this.#reads.applied();
    // The snapshot on disk may have been made of the diverged state.
    this.#snapshotOwed = true;
  }

  #installState(reader: SnapshotReader, index: number): void {
    this.store.install(reader);
    this.#applier.skipTo(index);
    this.#versions.installed();
    this.#checks.replaced();
    // Samples of revisions that this store did not write itself say nothing of its bytes.
    this.#samples = [];
  }

  #propose(data: Uint8Array): { index: number; term: number } | undefined {
    if (data[0]! > this.#allowedVersion(data)) {
      this.#mark('replica: proposal of too high a command version refused');
      return undefined;
    }
    const proposal = this.#consensus.drive((raft) => raft.propose([data]));
    return proposal.accepted ? { index: proposal.firstIndex, term: proposal.term } : undefined;
  }

  /** The one command above the cluster's version is the one that raises it. */
  #allowedVersion(data: Uint8Array): number {
    return isSetVersion(data) ? data[0]! : this.#versions.allowed();
  }

  #change(change: ConfigurationChange): { index: number; term: number } {
    const proposal = this.#consensus.drive((raft) => raft.proposeConfiguration(change));
    if (proposal.accepted) return { index: proposal.firstIndex, term: proposal.term };
    if (proposal.reason === 'notLeader') throw this.#notLeader();
    const whom = change.type === 'setVoters' ? change.voters.join(', ') : change.id;
    const message = `cannot ${change.type} ${whom} now (${proposal.reason}); try again when it is done`;
    throw new Fault('REPLICA_CHANGE_IN_FLIGHT', message, 'later');
  }

  #transfer(to: NodeId): void {
    if (this.#consensus.drive((raft) => raft.transferLeadership(to))) return;
    throw new Fault('REPLICA_NO_SUCCESSOR', `${to} is no voter beside the leader; it cannot take over`, 'never');
  }

  #notLeader(): Fault {
    const { leader, currentTerm, role } = this.#raft;
    const who = leader === undefined || leader === this.#self ? 'no other leader is known' : `the leader is ${leader}`;
    return new Fault('REPLICA_NOT_LEADER', `${this.#self} is ${role} in term ${currentTerm}; ${who}`, 'elsewhere');
  }

  #notReady(): string | undefined {
    const installing = this.#snapshots.installing;
    if (installing !== undefined) {
      return `${this.#self} is installing a snapshot at index ${installing.meta.index} from ${installing.from}; ask another node`;
    }
    return this.#refill.reason === undefined ? undefined : `${this.#refill.reason}; ask another node`;
  }

  #metaNow(): SnapshotMeta {
    const index = this.#applier.appliedIndex;
    const { log } = this.#raft;
    const { configuration, index: configurationIndex } = log.configurationAt(index);
    return { index, term: log.termAt(index) ?? 0, configuration, configurationIndex };
  }

  /** Keep what a follower that is a little slow may still need, within both bounds. */
  #compactLog(index: number): void {
    const { trailingEntries, trailingBytes } = this.#settings;
    const { log } = this.#raft;
    let keepFrom = index;
    let bytes = 0;
    while (index - keepFrom < trailingEntries && keepFrom >= log.firstIndex) {
      bytes += log.entryAt(keepFrom)?.data.length ?? 0;
      if (bytes > trailingBytes) break;
      keepFrom--;
    }
    this.#consensus.drive((raft) => raft.compact(keepFrom));
  }

  #applied({ items, entries }: { items: AppliedItem[]; entries: readonly Entry[] }): void {
    const index = this.#applier.appliedIndex;
    this.#consensus.drive((raft) => raft.applied(index));
    this.#intake.applied(index);
    if (items.length > 0) this.#proposals.applied(items);
    this.#reads.applied();
    this.#versions.applied();
    this.#members.applied(entries, index);
    if (entries.some(({ type }) => type === 'configuration')) this.#tellAddresses();
    this.#snapshots.applied(
      entries.length,
      entries.reduce((sum, { data }) => sum + data.length, 0),
    );
  }

  #changed(): void {
    if (this.#raft.role !== 'leader') this.#intake.reset();
    this.#members.changed();
    this.#proposals.leaderChanged();
    this.#reads.leaderChanged();
  }

  #ticked(): void {
    const now = this.#clock.monotonicMs();
    if (now < this.#housekeepingAt) return;
    this.#housekeepingAt = now + HOUSEKEEPING_MS;
    this.#noteConfirmed();
    this.#proposals.tick();
    this.#reads.tick();
    this.#noticeRepair();
    this.#versions.tick();
    this.#leases.tick();
    this.#checks.tick();
    if (this.#snapshotOwed && !this.#snapshots.busy && this.#refill.reason === undefined) {
      this.#snapshotOwed = false;
      void this.#snapshots.take();
    }
    if (now >= this.#sampleAt) {
      this.#sampleAt = now + SAMPLE_INTERVAL_MS;
      const { revision, writtenBytes } = this.store;
      addSample(this.#samples, { revision, atMs: now, writtenBytes });
    }
    if (this.#raft.role === 'leader' && now >= this.#compactAt) {
      this.#compactAt = now + this.#settings.compactionIntervalMs;
      this.#compactHistory(now);
    }
  }

  /** Refilled, and on the disk: the note of the damage goes. */
  #noticeRepair(): void {
    const repairTo = this.#repairTo;
    if (repairTo === undefined || this.#raft.impaired || this.#raft.log.persistedIndex < repairTo) return;
    this.#repairTo = undefined;
    this.#log.info('the damaged log has been refilled by the leader; this node votes again', { repairTo });
    this.#wal.endRepair().catch((error: unknown) => this.#fatal(error));
  }

  /** Without a leader the core does not know any more when it was; so it is noted while it does. */
  #noteConfirmed(): void {
    const { role, leader, silentTicks } = this.#raft;
    const follows = role !== 'leader' && leader !== undefined;
    const confirmedAgoMs = follows ? silentTicks * this.#settings.tickMs : this.status().confirmedAgoMs;
    if (confirmedAgoMs === undefined) return;
    this.#confirmedAt = Math.max(this.#confirmedAt ?? -Infinity, this.#clock.monotonicMs() - confirmedAgoMs);
  }

  /** A duty of the leader: the floor is replicated, so that all nodes give the same answers. */
  #compactHistory(nowMs: number): void {
    const { writtenBytes, compactedRevision } = this.store;
    const { retainMs, retainBytes } = this.#settings;
    const samples = this.#samples;
    const revision = compactionTarget({ samples, nowMs, writtenBytes, compactedRevision, retainMs, retainBytes });
    if (revision !== undefined) this.#propose(encodeCommand({ version: 1, type: 'compact', revision }));
  }

  async #sendSnapshot(to: NodeId): Promise<void> {
    const ok = await this.#snapshots.send(to);
    // A member whose disk is full refuses each time at once; the core asks again as soon as it hears of the failure.
    const failures = ok ? 0 : (this.#snapshotFailures.get(to) ?? 0) + 1;
    if (ok) this.#snapshotFailures.delete(to);
    else this.#snapshotFailures.set(to, failures);
    if (failures > 1) {
      const pauseMs = Math.min(SNAPSHOT_RETRY_MS_MAX, SNAPSHOT_RETRY_MS * 2 ** (failures - 2));
      await new Promise<void>((resolve) => void this.#clock.after(pauseMs, resolve));
    }
    if (this.#stage === 'running') this.#consensus.drive((raft) => raft.snapshotSent(to, ok));
  }

  /** The snapshot is durable; store, applier and core change in one turn. */
  #install(meta: SnapshotMeta, reader: SnapshotReader, from: NodeId): boolean {
    const wanted = meta.index > this.#raft.commitIndex;
    if (wanted) {
      this.#installState(reader, meta.index);
    }
    this.#consensus.drive((raft) => raft.snapshotInstalled(from, meta));
    if (wanted) {
      this.#tellAddresses();
      this.#proposals.installed();
      this.#reads.applied();
    }
    return wanted;
  }

  #tellAddresses(): void {
    const { addresses } = this.#raft.configuration;
    for (const [id, address] of Object.entries(addresses)) {
      if (id !== this.#self && this.#addresses[id] !== address) this.#peers.setAddress(id, address);
    }
    // Who was removed is told so when it comes again.
    for (const id of Object.keys(this.#addresses))
      if (addresses[id] === undefined) this.#peers.setAddress(id, undefined);
    this.#addresses = { ...addresses };
  }

  #fatal(error: unknown): void {
    if (this.#stage === 'stopped') return;
    const message = `the replica of ${this.#self} stops: ${messageOf(error)}`;
    const fault = new Fault('REPLICA_FAILED', message, 'elsewhere', error);
    this.#halt(fault);
    this.#onFatal(fault);
  }

  #halt(fault: Fault): void {
    this.#stage = 'stopped';
    this.#consensus.stop();
    this.#applier.stop();
    this.#snapshots.stop();
    this.#members.stop();
    this.#checks.stop();
    this.#refill.stop();
    this.#proposals.stop(fault);
    this.#reads.stop(fault);
  }
}
