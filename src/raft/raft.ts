/**
 * The consensus core: Raft (Ongaro and Ousterhout 2014) with pre-vote, check-quorum, pipelining,
 * ReadIndex, learners, joint consensus and leadership transfer. Inputs in, a `Ready` out; no
 * socket, file, clock or randomness of its own.
 * Owns: term, vote, log, roles, what each member has. Imports: std.
 * Never: what an entry's data means, how messages travel, when a disk has synced (it is told).
 * Read next: types.ts and options.ts (what crosses the border), log.ts, replication.ts and progress.ts (what members
 * are sent), reads.ts, writes.ts, configuration.ts, invariants.ts (what must hold), docs/life-of-a-failover.md.
 */
import { assert } from '#src/std/assert.ts';
import {
  changedVoters,
  decodeConfiguration,
  encodeConfiguration,
  hasQuorum,
  isJoint,
  isLost,
  isVoter,
  leaveJoint,
  membersOf,
  nextConfiguration,
  quorumIndex,
} from './configuration.ts';
import { checkState } from './invariants.ts';
import { RaftLog } from './log.ts';
import { ELECTION_STRETCH_MAX, type Proposal, type RaftConfig, type RaftOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import type { RaftMark } from './marks.ts';
import type { RaftMutation } from './mutations.ts';
import { accept, becomeProbe, type Progress } from './progress.ts';
import { ReadRounds, type ReadRequest } from './reads.ts';
import { Replication } from './replication.ts';
import type { Configuration, ConfigurationChange, Entry, Message, NodeId, Ready, Role, SnapshotMeta } from './types.ts';
import { Writes } from './writes.ts';

/** Read ids of one incarnation, and how many incarnations are told apart: together below 2^53. */
const READ_IDS = 2 ** 32;
const READ_BASES = 2 ** 20;

export { bootstrapState, ELECTION_STRETCH_MAX, RAFT_DEFAULTS } from './options.ts';
export type { Proposal, RaftConfig, RaftOptions } from './options.ts';
export type { RaftMutation } from './mutations.ts';
export { RAFT_MUTATIONS } from './mutations.ts';

export class Raft {
  readonly id: NodeId;
  readonly config: RaftConfig;
  readonly log: RaftLog;
  role: Role = 'follower';
  currentTerm: number;
  votedFor: NodeId | undefined;
  leader: NodeId | undefined;
  commitIndex: number;
  /** Handed out in a Ready. */
  handedIndex: number;
  appliedIndex: number;
  /** Only of the leader; by member, itself left out. */
  get progress(): ReadonlyMap<NodeId, Progress> {
    return this.#replication.progress;
  }

  readonly #randomBelow: (bound: number) => number;
  readonly #mark: (mark: RaftMark) => void;
  #tick = 0;
  #electionElapsed = 0;
  #electionTimeout = 0;
  #heartbeatElapsed = 0;
  /** Answers of this election, by voter. */
  #votes = new Map<NodeId, boolean>();
  #campaignTransfer = false;
  /** Index of this term's no-op. */
  #termStartIndex = 0;
  #transferee: NodeId | undefined;
  #transferElapsed = 0;
  #uncommittedBytes = 0;
  /** Of this member; see setElectionTimeout. */
  #electionTicks: number;
  readonly #repairTo: number;
  /**
   * In lease mode: before this tick it votes for nobody, itself included, whatever it thinks of its leader (a closed
   * link is a hint for elections, but the leader may still count on what this member had confirmed).
   */
  #promisedTick = 0;
  #nowMs = 0;
  /** A transfer was tried in this term: its message may still come, and its candidate breaks a lease. */
  #leaseGivenUp = false;

  readonly #reads = new ReadRounds();
  /** Ids of the caller begin anew with the process; an answer to the process before must not fit (A3.5). */
  readonly #readBase: number;
  readonly #replication: Replication;

  // What the next Ready will hold.
  #readyId = 0;
  readonly #outbox = new Outbox();
  #unstable: Entry[] = [];
  #hardStateDirty = false;
  #appendDue = false;
  #heartbeatDue = false;
  #told: Ready['soft'];
  readonly #writes = new Writes();

  constructor(options: RaftOptions) {
    const { hardState, snapshot, entries, repairTo } = options.recovered;
    this.id = options.id;
    this.config = options.config;
    this.#electionTicks = options.config.electionTimeoutTicks;
    this.#repairTo = repairTo ?? 0;
    // Of whom it had heard before the restart it does not know.
    if (options.config.readMode === 'lease' && hardState !== undefined && !this.#has('vote-within-lease'))
      this.#promisedTick = this.#electionTicks;
    this.#randomBelow = options.randomBelow;
    this.#mark = options.mark ?? (() => undefined);
    this.#readBase = options.randomBelow(READ_BASES) * READ_IDS;
    this.log = new RaftLog(snapshot, entries, { keepsCutConfigurations: this.#has('configuration-not-rolled-back') });
    this.#replication = new Replication({
      log: this.log,
      limits: this.config,
      outbox: this.#outbox,
      office: this,
      mark: this.#mark,
      mutations: options.config.mutations,
    });
    this.currentTerm = Math.max(hardState?.currentTerm ?? 0, this.log.lastTerm);
    this.votedFor = hardState?.currentTerm === this.currentTerm ? hardState.votedFor : undefined;
    this.appliedIndex = snapshot?.index ?? 0;
    this.handedIndex = this.appliedIndex;
    // A disk that has lost entries may hold what they had replaced: the leader says anew what is committed.
    const storedCommit = this.#repairTo > this.appliedIndex ? 0 : (hardState?.commitIndex ?? 0);
    this.commitIndex = Math.min(this.log.lastIndex, Math.max(this.appliedIndex, storedCommit));
    this.#resetElection();
    checkState(this);
  }

  #has(mutation: RaftMutation): boolean {
    return this.config.mutations?.has(mutation) === true;
  }

  /** Of the configuration in force; of a joint one both majorities. */
  #quorum(holds: (id: NodeId) => boolean): boolean {
    if (this.#has('joint-single-majority')) return hasQuorum({ ...this.configuration, votersOutgoing: [] }, holds);
    return hasQuorum(this.configuration, holds);
  }

  get configuration(): Configuration {
    return this.log.configuration;
  }

  /** Whether a leader of this term is known to be alive: votes are refused meanwhile (thesis §6.4.1 and §4.2.3). */
  get hearsLeader(): boolean {
    return this.leader !== undefined && (this.role === 'leader' || this.#electionElapsed < this.#electionTicks);
  }

  /**
   * What this member had acknowledged up to `repairTo` is not all on its disk any more (reference/raft.md A3.18).
   * Until the leader has refilled it, it neither votes nor stands: every election then needs a majority of the
   * others, and that has met each majority which ever committed an entry in somebody else than this member.
   * What it writes meanwhile is durable and counts as any other's. Its stored term and vote have to be whole
   * (they are kept twice): only they keep it from voting again, once refilled, in a term in which it has voted.
   */
  get impaired(): boolean {
    return this.commitIndex < this.#repairTo;
  }

  /** Ticks since the last contact of the leader, or of a quorum when this is the leader. */
  get silentTicks(): number {
    return this.role === 'leader' ? 0 : this.#electionElapsed;
  }

  contactTicks(id: NodeId): number {
    return this.#tick - (this.progress.get(id)?.contactTick ?? this.#tick);
  }

  // ── inputs ──────────────────────────────────────────────────────────────────────────────────

  /** Some ticks of time; as many calls with one each would do. */
  tick(count = 1): void {
    for (let i = 0; i < count; i += 1) this.#tickOnce();
    checkState(this);
  }

  /** Ticks until a tick has something to do; a caller may let that many pass in one. At least 1. */
  ticksUntilDue(): number {
    const due =
      this.role === 'leader'
        ? this.config.heartbeatTicks - this.#heartbeatElapsed
        : this.#electionTimeout - this.#electionElapsed;
    return Math.max(1, due);
  }

  /**
   * Monotonic milliseconds, never ahead of the true time; told before ticks, reads and messages by whoever uses
   * leases. A lease begins with the heartbeat that was sent, so a time that is told late only shortens it.
   */
  passTime(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
  }

  /**
   * How long silence must last before an election, in ticks, for members that see slow disks or links; between the
   * configured timeout and ELECTION_STRETCH_MAX times it. Leases rest on the configured one, the shortest.
   */
  setElectionTimeout(ticks: number): void {
    const { electionTimeoutTicks: base } = this.config;
    this.#electionTicks = Math.min(Math.max(base, Math.round(ticks)), base * ELECTION_STRETCH_MAX);
  }

  get electionTicks(): number {
    return this.#electionTicks;
  }

  #tickOnce(): void {
    this.#tick += 1;
    if (this.role === 'leader') this.#tickLeader();
    else {
      this.#electionElapsed += 1;
      if (this.#electionElapsed >= this.#electionTimeout) {
        this.#resetElection();
        // Also where nobody stands: who still believes in a silent leader refuses its vote (A3.11).
        this.leader = undefined;
        if (this.#mayCampaign() && this.#tick >= this.#promisedTick) this.#campaign('pre');
      }
    }
  }

  receive(from: NodeId, message: Message): void {
    if (!this.#admitTerm(from, message)) return;
    switch (message.type) {
      case 'vote':
        this.#onVote(from, message);
        break;
      case 'voteReply':
        this.#onVoteReply(from, message);
        break;
      case 'append':
        this.#onAppend(from, message);
        break;
      case 'appendReply':
        this.#onAppendReply(from, message);
        break;
      case 'heartbeat':
        this.#followLeader(from);
        // What the leader knows of our log may be what the disk has lost: then only an append that fits vouches for it.
        if (!this.impaired || this.#has('damaged-member-believes-heartbeat'))
          this.#commitTo(Math.min(message.commitIndex, this.log.lastIndex));
        this.#outbox.send(from, { type: 'heartbeatReply', term: this.currentTerm, context: message.context });
        // The leader may believe that we have everything, and then nothing would be sent.
        if (this.impaired) this.#refuseFrom(from, this.log.lastIndex);
        break;
      case 'heartbeatReply':
        this.#onHeartbeatReply(from, message.context);
        break;
      case 'timeoutNow':
        // The leader asks for it: no pre-vote, and the live leader is no reason to refuse.
        if (this.#mayCampaign() && this.role !== 'leader') this.#campaign('transfer');
        break;
      case 'readIndex':
        if (this.role === 'leader') this.#takeRead(from, message.id);
        break;
      case 'readIndexReply':
        if (this.#has('read-answer-of-old-life'))
          this.#outbox.confirmRead({ id: message.id % READ_IDS, index: message.index });
        else if (message.id >= this.#readBase && message.id < this.#readBase + READ_IDS)
          this.#outbox.confirmRead({ id: message.id - this.#readBase, index: message.index });
        else this.#mark('raft: answer to a read of an earlier life ignored');
        break;
    }
    checkState(this);
  }

  /** Entries of the leader's term, in order. */
  propose(data: Uint8Array[]): Proposal {
    if (this.role !== 'leader') return { accepted: false, reason: 'notLeader', leader: this.leader };
    if (this.#transferee !== undefined) return { accepted: false, reason: 'transferring', leader: this.id };
    let bytes = 0;
    for (const item of data) bytes += item.length;
    if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > this.config.uncommittedBytesMax) {
      this.#mark('raft: proposal refused above the uncommitted bytes');
      return { accepted: false, reason: 'overloaded', leader: this.id };
    }
    const firstIndex = this.log.lastIndex + 1;
    this.#append(
      data.map((item, i) => ({ index: firstIndex + i, term: this.currentTerm, type: 'command', data: item })),
    );
    return { accepted: true, firstIndex, term: this.currentTerm };
  }

  /** One change at a time, and only after an entry of this term is committed (Ongaro 2015, the single-server bug). Faults: RAFT_BAD_CHANGE. */
  proposeConfiguration(change: ConfigurationChange): Proposal {
    if (this.role !== 'leader') return { accepted: false, reason: 'notLeader', leader: this.leader };
    if (this.#transferee !== undefined) return { accepted: false, reason: 'transferring', leader: this.id };
    const careless = this.#has('change-before-commit') && !isJoint(this.configuration);
    if (this.commitIndex < this.#termStartIndex && !careless) {
      this.#mark('raft: change refused before an entry of the term is committed');
      return { accepted: false, reason: 'termNotCommitted', leader: this.id };
    }
    if ((!careless && this.log.configurationIndex > this.commitIndex) || isJoint(this.configuration)) {
      this.#mark('raft: change refused while another is under way');
      return { accepted: false, reason: 'changeInFlight', leader: this.id };
    }
    const next = nextConfiguration(this.configuration, change);
    if (changedVoters(next) > 1) this.#mark('raft: several voters changed at once');
    return this.#appendConfiguration(next);
  }

  /** Ask for a ReadIndex; false: no leader is known, ask again later. Use a fresh id, below 2^32, for every attempt. */
  readIndex(id: number): boolean {
    if (this.role === 'leader') this.#takeRead(this.id, id);
    else if (this.leader === undefined) return false;
    else this.#outbox.send(this.leader, { type: 'readIndex', term: this.currentTerm, id: this.#readBase + id });
    return true;
  }

  /** Hand leadership to an up-to-date voter; proposals are refused until it is done or has timed out. */
  transferLeadership(to: NodeId): boolean {
    if (this.role !== 'leader' || to === this.id || !this.configuration.voters.includes(to) || !this.progress.has(to))
      return false;
    this.#transferee = to;
    this.#transferElapsed = 0;
    // Before the message leaves: the heir may be elected while we still think that nobody can be (A3.6).
    if (!this.#has('lease-through-transfer')) this.#leaseGivenUp = true;
    this.#finishTransfer(to);
    return true;
  }

  /** This ready, and all before it, are durable. */
  persisted(readyId: number): void {
    const ownVoteTerm = this.#writes.end(readyId, this.log, { anyTerm: this.#has('append-aba') });
    // Our own vote counts once it is on disk, like any other (Raft §5.2).
    if (ownVoteTerm === this.currentTerm && this.role === 'candidate') {
      this.#votes.set(this.id, true);
      this.#countVotes();
    }
    if (this.role === 'leader') this.#advanceCommit();
    checkState(this);
  }

  applied(index: number): void {
    assert(
      index >= this.appliedIndex && index <= this.handedIndex,
      `applied ${index} is outside (${this.appliedIndex}, ${this.handedIndex}]`,
    );
    this.appliedIndex = index;
  }

  /** Everything up to `index` is in a durable snapshot. */
  compact(index: number): void {
    assert(index <= this.appliedIndex, `compaction to ${index} is past the applied ${this.appliedIndex}`);
    this.log.compact(index);
  }

  /** Whether a snapshot offered by `from` is worth receiving; its term is judged as that of a message. */
  offersSnapshot(from: NodeId, term: number, meta: SnapshotMeta): boolean {
    if (!this.#admitTerm(from, { type: 'append', term, prevIndex: 0, prevTerm: 0, entries: [], commitIndex: 0 }))
      return false;
    this.#followLeader(from);
    // It may be older than what we have by now (etcd #18055); what our log holds we only learn to be committed.
    if (this.log.matches(meta.index, meta.term)) this.#commitTo(meta.index);
    if (meta.index > this.commitIndex || this.#has('stale-snapshot-installed')) return true;
    this.#mark('raft: snapshot offered but superseded');
    this.#reply(from, { rejected: false, index: this.commitIndex });
    return false;
  }

  /** A received snapshot is durable and restored. */
  snapshotInstalled(from: NodeId, meta: SnapshotMeta): void {
    if (meta.index > this.commitIndex || this.#has('stale-snapshot-installed')) {
      const fits = this.log.matches(meta.index, meta.term);
      if (!fits && this.log.lastIndex > meta.index) this.#mark('raft: log replaced by an installed snapshot');
      this.log.restore(meta);
      if (!fits) this.#writes.cutFrom(meta.index + 1, this.log);
      this.#unstable = this.#unstable.filter(
        (entry) => this.log.matches(entry.index, entry.term) && entry.index > meta.index,
      );
      if (this.impaired && meta.index >= this.#repairTo) this.#mark('raft: damaged member refilled');
      this.commitIndex = meta.index;
      this.handedIndex = meta.index;
      this.appliedIndex = meta.index;
    }
    this.#reply(from, { rejected: false, index: this.commitIndex });
    checkState(this);
  }

  /** The transfer to `to` has ended; after a failure it is tried again when the member is heard of. */
  snapshotSent(to: NodeId, ok: boolean): void {
    const progress = this.progress.get(to);
    if (progress) this.#replication.snapshotSent(progress, ok);
    this.#appendDue = true;
  }

  /** The link to `id` is down: what was in flight is probably lost. */
  unreachable(id: NodeId): void {
    const progress = this.progress.get(id);
    if (progress?.replication.state === 'replicate') becomeProbe(progress);
    if (id === this.leader && this.role === 'follower') {
      // A hint only: shorten the wait, let pre-vote decide.
      const ticks = this.#electionTicks;
      this.#electionElapsed = Math.max(this.#electionElapsed, ticks);
      this.#electionTimeout = Math.min(this.#electionTimeout, ticks + 1 + this.#randomBelow(Math.max(1, ticks >> 1)));
    }
  }

  /** Give up leadership, for example because the disk hangs. */
  stepDown(): void {
    if (this.role === 'leader') this.#becomeFollower(this.currentTerm, undefined);
  }

  /** What has to be done now; undefined when nothing has. */
  ready(): Ready | undefined {
    if (this.role === 'leader') this.#sendAppends();
    const committedTo = Math.min(this.commitIndex, this.log.persistedIndex);
    const committed =
      committedTo > this.handedIndex
        ? this.log.slice(this.handedIndex + 1, committedTo, this.config.appendBytesMax)
        : [];
    const soft = { role: this.role, leader: this.leader, term: this.currentTerm };
    const softChanged =
      soft.role !== this.#told?.role || soft.leader !== this.#told.leader || soft.term !== this.#told.term;
    const durable = this.#hardStateDirty || this.#unstable.length > 0;
    const nothing = !durable && this.#outbox.isEmpty && committed.length === 0;
    if (nothing && !softChanged) return undefined;

    this.#readyId += 1;
    const last = this.#unstable.at(-1);
    if (durable) {
      const ownVoteTerm = this.votedFor === this.id ? this.currentTerm : 0;
      this.#writes.begin({ readyId: this.#readyId, last: last && { index: last.index, term: last.term }, ownVoteTerm });
    }
    const ready: Ready = {
      id: this.#readyId,
      hardState: durable
        ? { currentTerm: this.currentTerm, votedFor: this.votedFor, commitIndex: this.commitIndex }
        : undefined,
      entries: this.#unstable,
      committed,
      ...this.#outbox.take(),
      soft: softChanged ? soft : undefined,
    };
    this.#told = soft;
    this.handedIndex += committed.length;
    this.#hardStateDirty = false;
    this.#unstable = [];
    return ready;
  }

  // ── terms and roles ─────────────────────────────────────────────────────────────────────────

  /** Raft §5.1: a higher term makes a follower, a lower one is refused. False: the message is done with. */
  #admitTerm(from: NodeId, message: Message): boolean {
    if (message.term > this.currentTerm) {
      if (message.type === 'vote' && !message.transfer && this.hearsLeader && !this.#has('vote-under-live-leader')) {
        this.#mark('raft: vote refused under a live leader');
        return false;
      }
      // A pre-vote asks about a term that nobody has entered.
      if (message.type === 'vote' && message.preVote) return true;
      if (message.type === 'voteReply' && message.preVote && message.granted) return true;
      const isLeaderMessage = message.type === 'append' || message.type === 'heartbeat';
      this.#becomeFollower(message.term, isLeaderMessage ? from : undefined);
      return true;
    }
    if (message.term === this.currentTerm) return true;
    if (message.type === 'append' || message.type === 'heartbeat') {
      this.#mark('raft: leader of an older term refused');
      // A leader of an old term learns of the newer one from this answer, and a member that pre-vote
      // keeps from raising others' terms does not stay cut off.
      this.#outbox.sendAfterPersist(from, {
        type: 'appendReply',
        term: this.currentTerm,
        rejected: true,
        index: 0,
        hintIndex: 0,
        hintTerm: 0,
      });
    } else if (message.type === 'vote') {
      this.#outbox.sendAfterPersist(from, {
        type: 'voteReply',
        term: this.currentTerm,
        preVote: message.preVote,
        granted: false,
      });
    }
    return false;
  }

  #resetElection(): void {
    this.#electionElapsed = 0;
    this.#electionTimeout = this.#electionTicks + this.#randomBelow(this.#electionTicks);
  }

  #becomeFollower(term: number, leader: NodeId | undefined): void {
    assert(term >= this.currentTerm, `term ${term} is below the current ${this.currentTerm}`);
    if (term > this.currentTerm) {
      this.currentTerm = term;
      this.votedFor = undefined;
      this.#hardStateDirty = true;
    }
    this.role = 'follower';
    this.leader = leader;
    this.#replication.progress.clear();
    this.#outbox.dropSnapshots();
    this.#votes.clear();
    this.#transferee = undefined;
    if (this.#reads.areWaiting) this.#mark('raft: read dropped with the leadership');
    this.#reads.reset();
    this.#resetElection();
  }

  #followLeader(from: NodeId): void {
    assert(this.role !== 'leader', `two leaders, ${this.id} and ${from}, in term ${this.currentTerm}`);
    if (this.role !== 'follower') this.#becomeFollower(this.currentTerm, from);
    this.leader = from;
    this.#electionElapsed = 0;
    if (this.config.readMode === 'lease' && !this.#has('vote-within-lease'))
      this.#promisedTick = this.#tick + this.config.electionTimeoutTicks;
  }

  // ── elections ───────────────────────────────────────────────────────────────────────────────

  /**
   * A voter; also one that is a voter no more by an entry not known committed: it may be the only one that
   * has this entry, and then nobody else can be elected (Ongaro thesis §4.2.2).
   */
  #mayCampaign(): boolean {
    if (this.impaired && !this.#has('damaged-member-votes')) return false;
    return this.log.configurationsSince(this.commitIndex).some((one) => isVoter(one, this.id));
  }

  #campaign(kind: 'pre' | 'real' | 'transfer'): void {
    this.leader = undefined;
    this.#votes.clear();
    this.#campaignTransfer = kind === 'transfer';
    if (kind === 'pre') {
      this.role = 'preCandidate';
      if (this.#has('pre-vote-raises-term')) {
        this.currentTerm += 1;
        this.votedFor = undefined;
        this.#hardStateDirty = true;
      }
      this.#votes.set(this.id, true);
    } else {
      this.role = 'candidate';
      this.currentTerm += 1;
      this.votedFor = this.id;
      this.#hardStateDirty = true;
      this.#resetElection();
      // Our own vote counts when it is on disk (see `persisted`).
    }
    if (!isVoter(this.configuration, this.id)) this.#mark('raft: stood though no voter by its newest configuration');
    const preVote = kind === 'pre';
    for (const to of membersOf(this.configuration)) {
      if (to === this.id || !isVoter(this.configuration, to)) continue;
      this.#outbox.sendAfterPersist(to, {
        type: 'vote',
        term: preVote ? this.currentTerm + 1 : this.currentTerm,
        preVote,
        lastLogIndex: this.log.lastIndex,
        lastLogTerm: this.log.lastTerm,
        transfer: this.#campaignTransfer,
      });
    }
    this.#countVotes();
  }

  #onVote(from: NodeId, message: Message & { type: 'vote' }): void {
    const fits = this.#has('vote-for-shorter-log') || this.log.isUpToDate(message.lastLogIndex, message.lastLogTerm);
    if (!fits) this.#mark('raft: vote refused to a shorter log');
    const upToDate = fits && this.#mayVote(message);
    if (message.preVote) {
      const granted = upToDate && message.term > this.currentTerm && !this.hearsLeader;
      this.#outbox.sendAfterPersist(from, {
        type: 'voteReply',
        term: granted ? message.term : this.currentTerm,
        preVote: true,
        granted,
      });
      return;
    }
    // Learners that do not know of their promotion yet vote too: the asker counts by its own configuration.
    const free = this.votedFor === from || (this.votedFor === undefined && this.leader === undefined);
    const granted = free && upToDate;
    if (granted) {
      if (!isVoter(this.configuration, this.id)) this.#mark('raft: vote of a member that is no voter by its own log');
      if (this.votedFor !== from) this.#hardStateDirty = true;
      this.votedFor = from;
      this.#resetElection();
    }
    const reply: Message = { type: 'voteReply', term: this.currentTerm, preVote: false, granted };
    if (this.#has('vote-not-durable')) this.#outbox.send(from, reply);
    else this.#outbox.sendAfterPersist(from, reply);
  }

  #mayVote({ transfer }: Message & { type: 'vote' }): boolean {
    if (this.#has('damaged-member-votes')) return true;
    if (this.#has('learner-refuses-vote') && !isVoter(this.configuration, this.id)) return false;
    if (this.impaired) this.#mark('raft: no vote of a damaged member');
    // A leader that hands over has given up its lease.
    const isFree = this.#tick >= this.#promisedTick || transfer;
    if (!isFree) this.#mark('raft: no vote while a lease may be held');
    return !this.impaired && isFree;
  }

  #onVoteReply(from: NodeId, message: Message & { type: 'voteReply' }): void {
    if (message.preVote ? this.role !== 'preCandidate' : this.role !== 'candidate') return;
    // An answer to an older pre-vote round speaks of another term.
    if (message.preVote && message.granted && message.term !== this.currentTerm + 1) return;
    this.#votes.set(from, message.granted);
    this.#countVotes();
  }

  #countVotes(): void {
    if (this.#quorum((id) => this.#votes.get(id) === true)) {
      if (this.role === 'preCandidate') this.#campaign('real');
      else if (this.role === 'candidate') this.#becomeLeader();
    } else if (isLost(this.configuration, (id) => this.#votes.get(id) === false)) {
      this.#mark('raft: election lost');
      this.#becomeFollower(this.currentTerm, undefined);
    }
  }

  #becomeLeader(): void {
    if (isJoint(this.configuration)) this.#mark('raft: elected in a joint configuration');
    this.role = 'leader';
    this.leader = this.id;
    this.#heartbeatElapsed = 0;
    this.#uncommittedBytes = this.log.bytesAfter(this.commitIndex);
    this.#reads.reset();
    this.#leaseGivenUp = false;
    this.#replication.progress.clear();
    this.#replication.syncMembers(this.#tick);
    this.#termStartIndex = this.log.lastIndex + 1;
    // Entries of older terms commit only through one of our own (Raft §5.4.2), and reads wait for it (§8).
    this.#append([{ index: this.#termStartIndex, term: this.currentTerm, type: 'noop', data: new Uint8Array() }]);
    this.#heartbeatDue = true;
  }

  #tickLeader(): void {
    this.#heartbeatElapsed += 1;
    if (this.#heartbeatElapsed >= this.config.heartbeatTicks) {
      this.#heartbeatElapsed = 0;
      this.#heartbeatDue = true;
    }
    const limit = 2 * this.#electionTicks;
    const alive = (id: NodeId): boolean => id === this.id || this.contactTicks(id) <= limit;
    if (!this.#quorum(alive)) {
      this.#mark('raft: leader stepped down without a quorum');
      this.#becomeFollower(this.currentTerm, undefined);
      return;
    }
    if (this.#transferee !== undefined) {
      this.#transferElapsed += 1;
      if (this.#transferElapsed >= this.#electionTicks) {
        this.#mark('raft: transfer timed out');
        this.#transferee = undefined;
        this.#goOnWithChange();
      }
    }
  }

  #finishTransfer(to: NodeId): void {
    if (this.progress.get(to)?.matchIndex === this.log.lastIndex || this.#has('transfer-to-laggard'))
      this.#outbox.send(to, { type: 'timeoutNow', term: this.currentTerm });
    else this.#mark('raft: transfer waited for the heir');
  }

  // ── replication ─────────────────────────────────────────────────────────────────────────────

  #append(entries: Entry[]): void {
    this.log.append(entries);
    for (const entry of entries) {
      this.#unstable.push(entry);
      this.#uncommittedBytes += entry.data.length;
      if (entry.type === 'configuration') this.#replication.syncMembers(this.#tick);
    }
    this.#appendDue = true;
    if (this.#has('ack-before-sync')) {
      this.log.persistedIndex = this.log.lastIndex;
      this.#advanceCommit();
    }
  }

  #appendConfiguration(configuration: Configuration): Proposal {
    const index = this.log.lastIndex + 1;
    this.#append([{ index, term: this.currentTerm, type: 'configuration', data: encodeConfiguration(configuration) }]);
    return { accepted: true, firstIndex: index, term: this.currentTerm };
  }

  #sendAppends(): void {
    if (this.#holdsLease()) {
      const requests = this.#reads.takeNext();
      if (requests.length > 0) this.#mark('raft: read answered under a lease');
      this.#answerReads(this.commitIndex, requests);
    }
    if (this.#reads.begin(this.commitIndex, this.#nowMs)) {
      this.#heartbeatDue = true;
      this.#confirmReads();
    } else if (this.#heartbeatDue && this.config.readMode === 'lease') this.#reads.beginLeaseRound(this.#nowMs);
    if (this.#appendDue) this.#replication.sendToAll();
    if (this.#heartbeatDue) this.#replication.sendHeartbeats(this.#reads.context);
    this.#appendDue = false;
    this.#heartbeatDue = false;
  }

  #reply(
    to: NodeId,
    answer: { rejected: boolean; index: number; hintIndex?: number; hintTerm?: number; generation?: number },
  ): void {
    const reply: Message = { type: 'appendReply', term: this.currentTerm, hintIndex: 0, hintTerm: 0, ...answer };
    if (answer.rejected && this.impaired) reply.impaired = true;
    if (this.#has('ack-before-sync')) this.#outbox.send(to, reply);
    else this.#outbox.sendAfterPersist(to, reply);
  }

  /** The logs may agree up to here; the leader sends from there on. */
  #refuseFrom(from: NodeId, hintIndex: number): void {
    const hintTerm = this.log.termAt(hintIndex) ?? 0;
    this.#reply(from, { rejected: true, index: hintIndex + 1, hintIndex, hintTerm });
  }

  #onAppend(from: NodeId, message: Message & { type: 'append' }): void {
    this.#followLeader(from);
    const { prevIndex, prevTerm } = message;
    const generation = message.generation === undefined ? {} : { generation: message.generation };
    // Late or repeated: what is committed here equals the leader's log. What goes beyond it is taken.
    const entries = message.entries.filter(({ index }) => index > this.commitIndex);
    if (prevIndex >= this.commitIndex && !this.log.matches(prevIndex, prevTerm)) {
      const hintIndex = this.log.lastIndexOfTermAtMost(Math.min(prevIndex, this.log.lastIndex), prevTerm);
      const hintTerm = this.log.termAt(hintIndex) ?? 0;
      this.#reply(from, { rejected: true, index: prevIndex, hintIndex, hintTerm, ...generation });
      return;
    }
    // Raft §5.3: cut only at an entry that really conflicts; a shorter, older message cuts nothing.
    const firstNew = this.#has('truncate-on-stale-append')
      ? Math.min(0, entries.length - 1)
      : entries.findIndex((entry) => !this.log.matches(entry.index, entry.term));
    if (firstNew >= 0) {
      const fresh = entries.slice(firstNew);
      const at = fresh[0]?.index ?? 0;
      if (at <= this.log.lastIndex) {
        this.#mark('raft: entries cut by another leader');
        if (this.log.configurationIndex >= at) this.#mark('raft: configuration rolled back with the log');
        this.log.truncateFrom(at, this.commitIndex);
        if (!this.#has('append-aba') && this.#writes.cutFrom(at, this.log))
          this.#mark('raft: write overtaken by a cut');
        this.#unstable = this.#unstable.filter((entry) => entry.index < at);
      }
      this.log.append(fresh);
      this.#unstable.push(...fresh);
      if (this.#has('ack-before-sync')) this.log.persistedIndex = this.log.lastIndex;
    }
    const lastNew = Math.max(this.commitIndex, prevIndex + message.entries.length);
    if (firstNew < 0 && message.entries.length > 0 && lastNew < this.log.lastIndex)
      this.#mark('raft: late append cut nothing');
    this.#commitTo(Math.min(message.commitIndex, lastNew));
    this.#reply(from, { rejected: false, index: lastNew, ...generation });
  }

  #onAppendReply(from: NodeId, message: Message & { type: 'appendReply' }): void {
    const progress = this.progress.get(from);
    if (this.role !== 'leader' || !progress) return;
    progress.contactTick = this.#tick;
    if (message.rejected) {
      this.#replication.refused(from, progress, message);
      return;
    }
    assert(
      message.index <= this.log.lastIndex,
      `${from} claims entry ${message.index}, the leader's last is ${this.log.lastIndex}`,
    );
    const wasProbing = progress.replication.state !== 'replicate';
    if (accept(progress, message.index, message.generation)) this.#advanceCommit();
    if (this.role !== 'leader') return;
    if (progress.nextIndex <= this.log.lastIndex || wasProbing) this.#replication.send(from, progress);
    if (this.#transferee === from) this.#finishTransfer(from);
  }

  #onHeartbeatReply(from: NodeId, context: number): void {
    const progress = this.progress.get(from);
    if (this.role !== 'leader' || !progress) return;
    progress.contactTick = this.#tick;
    progress.readContext = Math.max(progress.readContext, context);
    this.#replication.heard(from, progress);
    this.#confirmReads();
  }

  /** Leader: commit what a quorum has durably. */
  #advanceCommit(): void {
    const counted = this.#has('joint-single-majority')
      ? { ...this.configuration, votersOutgoing: [] }
      : this.configuration;
    const index = quorumIndex(counted, (id) =>
      id === this.id
        ? this.#has('leader-counts-unsynced')
          ? this.log.lastIndex
          : this.log.persistedIndex
        : (this.progress.get(id)?.matchIndex ?? 0),
    );
    // Count replicas only for entries of our own term: an older entry on a majority can still be
    // overwritten (Raft §5.4.2, figure 8).
    const ownTerm = this.log.termAt(index) === this.currentTerm || this.#has('commit-old-term-by-counting');
    if (index <= this.commitIndex) return;
    if (!ownTerm) {
      this.#mark('raft: commit withheld from an entry of an older term');
      return;
    }
    if (this.log.termAt(this.commitIndex + 1) !== this.currentTerm)
      this.#mark('raft: entry of an older term committed through a newer one');
    if (index > this.log.persistedIndex) this.#mark('raft: committed before the own disk had it');
    this.#commitTo(index);
  }

  #commitTo(index: number): void {
    if (index <= this.commitIndex) return;
    assert(index <= this.log.lastIndex, `commit ${index} is past the log end ${this.log.lastIndex}`);
    const before = this.commitIndex;
    const wasImpaired = this.impaired;
    this.commitIndex = index;
    if (wasImpaired && !this.impaired) this.#mark('raft: damaged member refilled');
    if (this.role !== 'leader') return;
    for (let at = before + 1; at <= index; at += 1) this.#uncommittedBytes -= this.log.entryAt(at)?.data.length ?? 0;
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes);
    this.#appendDue = true;
    if (this.commitIndex >= this.#termStartIndex) this.#reads.termCommitted();
    this.#goOnWithChange();
  }

  /** The end of a joint change, or of this leader's office, once the configuration is committed. */
  #goOnWithChange(): void {
    if (this.log.configurationIndex > this.commitIndex) return;
    // An heir that was told to campaign would lack the entry; the next leader appends it, or this one when nobody came.
    if (this.#transferee !== undefined && !this.#has('transfer-to-laggard')) return;
    if (isJoint(this.configuration)) this.#appendConfiguration(leaveJoint(this.configuration));
    else if (!isVoter(this.configuration, this.id) && !this.#has('removed-leader-stays')) this.#leaveOffice();
  }

  /** A leader that removed itself: the members learn of the commit, then someone else leads. */
  #leaveOffice(): void {
    this.#mark('raft: leader removed itself');
    this.#replication.sendToAll();
    const heir = this.configuration.voters.find((id) => this.progress.get(id)?.matchIndex === this.log.lastIndex);
    if (heir !== undefined) this.#outbox.send(heir, { type: 'timeoutNow', term: this.currentTerm });
    this.#becomeFollower(this.currentTerm, undefined);
  }

  // ── reads (thesis §6.4) ─────────────────────────────────────────────────────────────────────

  #takeRead(from: NodeId, id: number): void {
    const termCommitted = this.commitIndex >= this.#termStartIndex || this.#has('read-before-noop');
    if (!termCommitted) this.#mark('raft: read waited for an entry of the term');
    this.#reads.take({ from, id }, { termCommitted });
  }

  #confirmReads(): void {
    const hasConfirmed = (id: NodeId, context: number): boolean =>
      id === this.id || (this.progress.get(id)?.readContext ?? 0) >= context;
    const byQuorum = (context: number): boolean =>
      this.#has('read-without-quorum') || this.#quorum((id) => hasConfirmed(id, context));
    if (this.config.readMode === 'lease') this.#reads.renewLease(byQuorum);
    for (const { index, requests } of this.#reads.confirmed(byQuorum)) this.#answerReads(index, requests);
  }

  #answerReads(index: number, requests: readonly ReadRequest[]): void {
    const term = this.currentTerm;
    for (const { from, id } of requests) {
      if (from === this.id) this.#outbox.confirmRead({ id, index });
      else this.#outbox.send(from, { type: 'readIndexReply', term, id, index });
    }
  }

  /** Reads that came before an entry of this term was committed wait for it under a lease too (A3.4). */
  #holdsLease(): boolean {
    const { readMode, leaseMs = 0 } = this.config;
    return (
      readMode === 'lease' &&
      !this.#leaseGivenUp &&
      this.#reads.holdsLease(this.#nowMs, this.#has('lease-for-ever') ? Infinity : leaseMs)
    );
  }
}

/** For status and tests: the configuration an entry holds. */
export function configurationOf(entry: Entry): Configuration {
  assert(entry.type === 'configuration', `entry ${entry.index} holds no configuration`);
  return decodeConfiguration(entry.data);
}
