/**
 * An executable reference model of Raft: the paper's figure 2, joint configurations (§6) in force from their append
 * on, pre-vote (thesis §9.6), learners, snapshots, leadership transfer and reads, as a set of transitions, each with the
 * conditions under which it may be taken. A transition that may not be taken throws `Refusal`, which says what the
 * model allows. Slow and plain: it shares only the arithmetic of quorums with src/raft, and that has its own reference
 * (../quorum.test.ts).
 * Read next: state.ts, sends.ts (what may be said), invariants.ts, replay.ts (traces of real runs), explore.ts.
 */
import { hasQuorum, isJoint, leaveJoint } from '#src/raft/configuration.ts';
import type { Configuration, NodeId } from '#src/raft/types.ts';
import { copyDisk, durableIndex, isDismissed, isImpaired, mayStand, volatileOf } from './node.ts';
import { allow, Refusal } from './rules.ts';
import type { Rule } from './rules.ts';
import { checkPromise, checkSend } from './sends.ts';
import { agreement, configurationOf, emptyState, keyOf, lastTermOf, sameEntry, termAt } from './state.ts';
import type { Disk, LogEntry, ModelMessage, ModelNode, ModelState, Offer, Write } from './state.ts';

export class Model {
  readonly state: ModelState;
  readonly without: ReadonlySet<Rule>;

  constructor(options: { state?: ModelState; without?: ReadonlySet<Rule> } = {}) {
    this.state = options.state ?? emptyState();
    this.without = options.without ?? new Set();
  }

  node(id: NodeId): ModelNode {
    const node = this.state.nodes.get(id);
    if (!node) throw new Refusal(`there is no ${id}`);
    return node;
  }

  // ── life ────────────────────────────────────────────────────────────────────────────────────

  /** A node appears with what its disk has. */
  start(id: NodeId, disk: Disk): void {
    this.state.nodes.set(id, {
      id,
      repairTo: 0,
      ...volatileOf(disk),
      disk: copyDisk(disk),
      handed: copyDisk(disk),
      writes: [],
      offers: [],
    });
    for (let index = 1; index <= disk.commit; index += 1) this.#commitEntry(disk.log[index - 1], disk.term);
  }

  /**
   * All that is not on the disk is lost; of the writes under way the first `survive` arrived, of the next `torn` entries,
   * and perhaps a snapshot that was being received.
   */
  restart(
    id: NodeId,
    { survive, torn = 0, offer }: { survive: number; torn?: number; offer?: Offer | undefined },
  ): void {
    const node = this.node(id);
    for (const write of node.writes.slice(0, survive)) this.#write(node.disk, write);
    const next = node.writes[survive];
    if (torn > 0 && next) this.#write(node.disk, { ...next, disk: undefined, entries: next.entries.slice(0, torn) });
    if (offer) this.#install(node.disk, offer);
    node.writes = [];
    node.offers = [];
    node.handed = copyDisk(node.disk);
    Object.assign(node, volatileOf(node.disk));
  }

  /** A disk has lost the end of its log, and knows it. */
  damage(id: NodeId, length: number, repairTo: number): void {
    const node = this.node(id);
    allow(
      repairTo >= node.disk.log.length,
      `${node.disk.log.length} entries may have been acknowledged, not only ${repairTo}`,
    );
    for (const log of [node.log, node.disk.log, node.handed.log]) log.length = length;
    node.repairTo = repairTo;
    node.commit = Math.min(node.commit, length);
  }

  // ── messages ────────────────────────────────────────────────────────────────────────────────

  /** A message arrives; what a node may do next can rest on it. */
  receive(message: ModelMessage): void {
    const node = this.node(message.to);
    const { leaders, committed } = this.state.history;
    if (message.type === 'snapshot') {
      const leader = leaders.get(message.term)?.id;
      allow(
        leader === message.from,
        `a snapshot of term ${message.term} comes from its leader ${leader}, not from ${message.from}`,
      );
      const entry = committed[message.index - 1]?.entry;
      allow(
        entry?.term === message.lastTerm,
        `a snapshot ends with a committed entry; at ${message.index} that is of term ${entry?.term}, not ${message.lastTerm}`,
      );
    } else allow(this.state.sent.has(keyOf(message)), `nobody sent '${keyOf(message)}'`);
    node.heard = message;
    this.#note(node, message);
  }

  #note(node: ModelNode, heard: ModelMessage): void {
    if (heard.type === 'voteReply' && heard.granted) {
      if (!heard.preVote && heard.term === node.term) node.votes.add(heard.from);
      if (heard.preVote && heard.term === node.term + 1) node.preVotes.add(heard.from);
    }
    if (heard.type === 'appendReply' && !heard.rejected && heard.term === node.term && node.role === 'leader')
      node.match.set(heard.from, Math.max(heard.index, node.match.get(heard.from) ?? 0));
  }

  // ── terms and elections (Raft §5.1, §5.2, §5.4.1) ───────────────────────────────────────────

  becomeFollower(id: NodeId, term: number): void {
    const node = this.node(id);
    const { heard } = node;
    allow(term >= node.term, `terms do not go back from ${node.term}`);
    if (term > node.term) {
      allow(heard?.term === term, `a higher term is learned from a message; this one had ${heard?.term}`);
      const isPreVote =
        (heard?.type === 'vote' && heard.preVote) || (heard?.type === 'voteReply' && heard.preVote && heard.granted);
      allow(!isPreVote, 'a pre-vote, or a granted one, is about a term that nobody has entered');
      this.#leaveTerm(node);
      node.term = term;
      node.vote = undefined;
      node.preVotes.clear();
      node.votes.clear();
    }
    // Giving up in the own term is always safe.
    node.role = 'follower';
  }

  becomePreCandidate(id: NodeId): void {
    const node = this.node(id);
    allow(node.role !== 'leader', 'a leader does not stand');
    allow(!isImpaired(node), 'a damaged member does not stand');
    allow(mayStand(node), `only a voter stands, or one that was until an entry not known committed`);
    node.role = 'preCandidate';
  }

  becomeCandidate(id: NodeId): void {
    const node = this.node(id);
    const { heard } = node;
    allow(node.role !== 'leader', 'a leader does not stand');
    allow(!isImpaired(node), 'a damaged member does not stand');
    allow(mayStand(node), `only a voter stands, or one that was until an entry not known committed`);
    if (!this.without.has('pre-vote') && !(heard?.type === 'timeoutNow' && heard.term === node.term)) {
      const agreed = [...node.preVotes, id];
      allow(
        node.role === 'preCandidate' && hasQuorum(this.#configuration(node), (one) => agreed.includes(one)),
        `a candidacy for term ${node.term + 1} needs a quorum of pre-votes; there are ${agreed.join(' ')}`,
      );
    }
    this.#leaveTerm(node);
    node.role = 'candidate';
    node.term += 1;
    node.vote = id;
    node.votes.clear();
    node.preVotes.clear();
  }

  becomeLeader(id: NodeId): void {
    const node = this.node(id);
    allow(node.role === 'candidate', `only a candidate becomes leader, not a ${node.role}`);
    const ownVote = (node.disk.term === node.term && node.disk.vote === id) || this.without.has('durable-vote');
    const votes = ownVote ? [...node.votes, id] : [...node.votes];
    allow(
      hasQuorum(this.#configuration(node), (one) => votes.includes(one)),
      `a leader needs the votes of a quorum, its own on its disk; there are ${votes.join(' ')} in term ${node.term}`,
    );
    node.role = 'leader';
    node.match.clear();
    // A second leader of this term would be a violation, not a refusal: invariants.ts looks at the history.
    if (!this.state.history.leaders.has(node.term))
      this.state.history.leaders.set(node.term, { id, log: [...node.log] });
  }

  grantVote(id: NodeId, candidate: NodeId): void {
    const node = this.node(id);
    const { heard } = node;
    allow(!isImpaired(node), 'a damaged member does not vote');
    allow(
      heard?.type === 'vote' && !heard.preVote && heard.from === candidate && heard.term === node.term,
      `a vote in term ${node.term} is given to who asks for it in that term`,
    );
    allow(
      node.vote === undefined || node.vote === candidate || this.without.has('one-vote'),
      `${id} has voted for ${node.vote} in term ${node.term} already`,
    );
    const upToDate =
      heard?.type === 'vote' &&
      (heard.lastTerm > lastTermOf(node.log) ||
        (heard.lastTerm === lastTermOf(node.log) && heard.lastIndex >= node.log.length));
    allow(
      upToDate || this.without.has('vote-up-to-date'),
      `the candidate's log is older than ${node.log.length}/${lastTermOf(node.log)}`,
    );
    node.vote = candidate;
  }

  // ── logs (Raft §5.3, §6) ────────────────────────────────────────────────────────────────────

  /** A leader writes an entry of its term. */
  appendEntry(id: NodeId, entry: LogEntry): void {
    const node = this.node(id);
    allow(node.role === 'leader', `only a leader writes entries, not a ${node.role}`);
    allow(entry.term === node.term, `a leader writes entries of its own term ${node.term}`);
    allow(entry.index === node.log.length + 1, `the next entry is ${node.log.length + 1}`);
    if (entry.type === 'configuration') this.#checkChange(node, entry.configuration);
    node.log.push(entry);
    if (this.#leads(node)) this.state.history.leaders.get(node.term)?.log.push(entry);
  }

  /** A follower takes what the message holds: cut at the first conflict and nowhere else. */
  acceptEntries(id: NodeId): void {
    const node = this.node(id);
    const { heard } = node;
    if (heard?.type !== 'append') throw new Refusal(`a log changes by an append; this was ${heard?.type}`);
    allow(heard.term === node.term, `an append of term ${heard.term} is not taken in term ${node.term}`);
    allow(node.role === 'follower', `a ${node.role} takes no entries of another`);
    allow(
      heard.prevIndex <= node.commit || termAt(node.log, heard.prevIndex) === heard.prevTerm,
      `the entry before, ${heard.prevIndex}/${heard.prevTerm}, is not here; there is term ${termAt(node.log, heard.prevIndex)}`,
    );
    for (const entry of heard.entries) {
      if (entry.index <= node.commit) continue;
      const own = node.log[entry.index - 1];
      if (own && own.term !== entry.term) node.log.length = entry.index - 1;
      if (entry.index === node.log.length + 1) node.log.push(entry);
    }
  }

  /** Raft §5.3 and §5.4.2: an entry of the own term that a quorum has on its disks, and all before it. */
  advanceCommit(id: NodeId, to: number): void {
    const node = this.node(id);
    allow(node.role === 'leader', `only a leader commits by counting, not a ${node.role}`);
    allow(to <= node.log.length, `the log ends at ${node.log.length}`);
    allow(
      termAt(node.log, to) === node.term || this.without.has('commit-own-term'),
      `entry ${to} is of term ${termAt(node.log, to)}; only entries of the own term ${node.term} are committed by counting`,
    );
    const own = this.without.has('durable-answer') ? node.log.length : durableIndex(node);
    const configuration = this.#configuration(node);
    const has = (one: NodeId): boolean => (one === id ? own : (node.match.get(one) ?? 0)) >= to;
    allow(
      hasQuorum(configuration, has),
      `entry ${to} needs a quorum; ${id} has ${own} on its disk, the others said ${JSON.stringify([...node.match])}`,
    );
    for (let index = node.commit + 1; index <= to; index += 1) this.#commitEntry(node.log[index - 1], node.term);
    node.commit = to;
    this.state.history.lastCount = { index: to, configuration };
  }

  /** A follower is told what is committed. */
  learnCommit(id: NodeId, to: number): void {
    const node = this.node(id);
    const { heard } = node;
    allow(to <= node.log.length, `the log ends at ${node.log.length}`);
    allow(heard?.term === node.term, `only the leader of term ${node.term} says what is committed`);
    if (heard?.type === 'append') {
      const known = Math.max(heard.prevIndex + heard.entries.length, node.commit);
      allow(
        to <= Math.min(heard.commit, known),
        `the append says ${heard.commit}, and vouches for the log up to ${known}`,
      );
    } else if (heard?.type === 'heartbeat') allow(to <= heard.commit, `the heartbeat says ${heard.commit}`);
    else if (heard?.type === 'snapshot')
      allow(
        to <= heard.index && termAt(node.log, heard.index) === heard.lastTerm,
        `the snapshot ends at ${heard.index}/${heard.lastTerm}`,
      );
    else throw new Refusal(`a ${heard?.type} says nothing of what is committed`);
    const truth = this.state.history.committed[to - 1]?.entry;
    allow(
      sameEntry(truth, node.log[to - 1]),
      `entry ${to} is committed as term ${truth?.term}, here it is of term ${termAt(node.log, to)}`,
    );
    node.commit = to;
  }

  apply(id: NodeId, from: number, to: number): void {
    const node = this.node(id);
    allow(from === node.applied + 1, `the next to apply is ${node.applied + 1}`);
    allow(to <= node.commit, `only ${node.commit} are committed`);
    allow(to <= durableIndex(node), `only ${durableIndex(node)} are on the own disk`);
    node.applied = to;
  }

  // ── disks ───────────────────────────────────────────────────────────────────────────────────

  /**
   * The node hands over what has to be durable, sends what may be sent at once, and keeps what may be said only
   * afterwards. What is handed over must make the disk equal to what the node believes.
   */
  ready(id: NodeId, ready: Write, messages: ModelMessage[]): void {
    const node = this.node(id);
    allow(node.role !== 'leader' || !isDismissed(node), 'a leader whose own removal is committed steps down');
    this.#write(node.handed, ready);
    const { handed } = node;
    allow(
      handed.term === node.term && handed.vote === node.vote,
      `the disk would have term ${handed.term} and vote ${handed.vote}, the node has term ${node.term} and vote ${node.vote}`,
    );
    const same = agreement(handed.log, node.log);
    allow(
      same === node.log.length && same === handed.log.length,
      `the disk would have ${handed.log.length} entries, the node has ${node.log.length}, and they agree up to ${same}`,
    );
    for (const message of [...messages, ...ready.then]) checkPromise(this.state, node, message);
    for (const message of messages) this.#send(node, message);
    node.writes.push(ready);
    this.#release(node, 0);
  }

  /** The writes up to this ready are durable, in their order; what waited for them is said. */
  persisted(id: NodeId, readyId: number): void {
    this.#release(this.node(id), readyId);
  }

  offerSnapshot(id: NodeId): void {
    const node = this.node(id);
    if (node.heard?.type !== 'snapshot') throw new Refusal('no snapshot was offered');
    allow(
      node.heard.index > node.commit,
      `${node.commit} are committed already; a snapshot up to ${node.heard.index} is too old`,
    );
    node.offers.push({ index: node.heard.index, lastTerm: node.heard.lastTerm });
  }

  /** A snapshot is on the disk and in force. */
  installSnapshot(id: NodeId, index: number, lastTerm: number): void {
    const node = this.node(id);
    const offer = node.offers.find((one) => one.index === index && one.lastTerm === lastTerm);
    if (!offer) throw new Refusal(`no snapshot up to ${index}/${lastTerm} was offered`);
    node.offers = node.offers.filter((one) => one.index > index);
    this.#install(node.disk, offer);
    if (index <= node.commit) return;
    this.#install(node.handed, offer);
    this.#install(node, offer);
    node.applied = index;
  }

  compact(id: NodeId, index: number): void {
    const node = this.node(id);
    allow(index <= node.applied, `only ${node.applied} are applied`);
  }

  // ── reads (thesis §6.4) ─────────────────────────────────────────────────────────────────────

  askRead(id: NodeId, read: number): void {
    this.state.history.reads.set(`${id} ${read}`, this.state.history.committed.length);
  }

  finishRead(id: NodeId, read: number, index: number): void {
    const floor = this.state.history.reads.get(`${id} ${read}`);
    if (floor === undefined) throw new Refusal(`${id} never asked read ${read}`);
    allow(index >= floor, `read ${read} must see ${floor}, which was committed when it was asked`);
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────

  #configuration(node: ModelNode): Configuration {
    const configuration = configurationOf(node.log);
    return this.without.has('joint-majorities') ? leaveJoint(configuration) : configuration;
  }

  /** What was promised in a term may still be said after it. */
  #leaveTerm(node: ModelNode): void {
    const leader = this.state.history.leaders.get(node.term);
    node.past.set(node.term, { vote: node.vote, agreed: leader ? agreement(node.log, leader.log) : 0 });
  }

  #leads(node: ModelNode): boolean {
    return this.state.history.leaders.get(node.term)?.id === node.id;
  }

  #checkChange(node: ModelNode, next: Configuration | undefined): void {
    const current = configurationOf(node.log);
    const index = node.log.findLast(({ configuration }) => configuration !== undefined)?.index ?? 0;
    if (!next) throw new Refusal('a configuration entry holds none');
    allow(index <= node.commit, `the configuration of entry ${index} is not committed yet (${node.commit} is)`);
    allow(
      termAt(node.log, node.commit) === node.term || this.without.has('change-after-own-commit'),
      `no entry of term ${node.term} is committed yet`,
    );
    if (isJoint(current))
      allow(same(next.voters, current.voters) && !isJoint(next), 'a joint configuration is only left');
    else if (!same(next.voters, current.voters))
      allow(
        same(next.votersOutgoing, current.voters),
        `voters change through a joint configuration with ${current.voters.join(' ')}`,
      );
  }

  #commitEntry(entry: LogEntry | undefined, inTerm: number): void {
    if (!entry) return;
    const { committed } = this.state.history;
    // What contradicts it is found by the invariants, in the nodes' own logs.
    if (committed.length === entry.index - 1) committed.push({ entry, inTerm });
  }

  #send(node: ModelNode, message: ModelMessage): void {
    checkSend(node, message, this.without);
    this.state.sent.add(keyOf(message));
  }

  #release(node: ModelNode, readyId: number): void {
    for (let [write] = node.writes; write; [write] = node.writes) {
      if (write.disk && write.id > readyId) return;
      node.writes.shift();
      this.#write(node.disk, write);
      for (const message of write.then) this.#send(node, message);
    }
  }

  #write(disk: Disk, write: Write): void {
    if (write.disk) Object.assign(disk, write.disk);
    const first = write.entries[0]?.index;
    if (first === undefined) return;
    allow(first <= disk.log.length + 1, `entry ${first} does not follow ${disk.log.length} on the disk`);
    disk.log.length = first - 1;
    disk.log.push(...write.entries);
  }

  /** What follows an entry that matches the snapshot's last one is kept (Raft §7). */
  #install(holder: { log: LogEntry[]; commit: number }, { index, lastTerm }: Offer): void {
    holder.commit = Math.max(holder.commit, index);
    if (termAt(holder.log, index) === lastTerm) return;
    holder.log = this.state.history.committed.slice(0, index).map(({ entry }) => entry);
  }
}

function same(a: NodeId[], b: NodeId[]): boolean {
  return [...a].sort().join() === [...b].sort().join();
}
