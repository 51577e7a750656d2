/**
 * What must hold of a group after every event (reference/raft.md, simulator specification 3). A node is looked at
 * only when something of it has changed, so that an event that changes nothing costs nothing.
 */
import { hasQuorum } from '#src/raft/configuration.ts';
import { createClusterChecker, isDurableOnQuorum } from '#src/raft/invariants.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { Message, NodeId } from '#src/raft/types.ts';
import type { GroupNode, SimGroup } from './group.ts';
import type { Delivery } from './plain-network.ts';
import { brokenRules, Manners } from './rules.ts';

interface Seen {
  raft: Raft;
  role: string;
  term: number;
  commit: number;
  applied: number;
  configuration: number;
}

/** A promise of a follower: its log up to here is durable and equals its leader's. */
interface Promised {
  index: number;
  term: number;
}

export class GroupChecks {
  readonly #group: SimGroup;
  readonly #checker = createClusterChecker();
  readonly #seen = new Map<NodeId, Seen>();
  /** Terms that had a leader. */
  readonly leaders = new Map<number, NodeId>();
  /** State by applied index, by whoever was there first. */
  readonly #hashes = new Map<number, { hash: number; by: NodeId }>();
  /** Term of each committed entry. */
  readonly #committed = new Map<number, number>();
  readonly #promised = new Map<NodeId, Promised[]>();
  /** The vote of a node in a term, and the newest term it has told anyone. */
  readonly #votes = new Map<NodeId, { term: number; candidate: NodeId }>();
  readonly #told = new Map<NodeId, number>();
  readonly #manners: Manners;
  #commitMax = 0;
  /** Looks taken: checks of a node that had changed, of votes and promises. */
  done = 0;
  /** Configurations committed so far. */
  configurations = 0;
  /** Entries that were known to be committed, the highest index. */
  get committed(): number {
    return this.#commitMax;
  }

  constructor(group: SimGroup) {
    this.#group = group;
    this.#manners = new Manners((id) => group.nodes.get(id)?.process?.replica?.raft);
    group.network.observe = (delivery) => this.#observe(delivery);
    group.network.arriving = (delivery) => this.#manners.arriving(delivery);
  }

  afterEvent(): void {
    let changed = false;
    for (const node of this.#group.nodes.values()) {
      const replica = node.process?.replica;
      if (replica === undefined) continue;
      const { raft, store } = replica;
      const seen = this.#seen.get(node.id);
      if (
        seen !== undefined &&
        seen.raft === raft &&
        seen.commit === raft.commitIndex &&
        seen.applied === store.appliedIndex &&
        seen.term === raft.currentTerm &&
        seen.role === raft.role &&
        seen.configuration === raft.log.configurationIndex
      )
        continue;
      changed = true;
      this.done += 1;
      this.#changed(node, raft, seen);
      if (seen?.applied !== store.appliedIndex || seen.raft !== raft) this.#checkHash(node.id, store);
      this.#seen.set(node.id, {
        raft,
        role: raft.role,
        term: raft.currentTerm,
        commit: raft.commitIndex,
        applied: store.appliedIndex,
        configuration: raft.log.configurationIndex,
      });
    }
    if (!changed) return;
    const rafts: Raft[] = [];
    for (const node of this.#group.running()) rafts.push(node.process.replica.raft);
    for (const message of this.#checker.check(rafts)) this.#group.report({ kind: 'consensus', message });
  }

  /** What a process finds on its disk must be all that the node has promised. */
  recovered(node: GroupNode, raft: Raft): void {
    this.done += 1;
    const { log } = raft;
    const { id } = node;
    const told = this.#told.get(id) ?? 0;
    if (raft.currentTerm < told)
      this.#report(`${id} told others of term ${told} and came back in term ${raft.currentTerm}`);
    const vote = this.#votes.get(id);
    if (vote !== undefined && raft.currentTerm === vote.term && raft.votedFor !== vote.candidate)
      this.#report(`${id} voted for ${vote.candidate} in term ${vote.term} and came back with ${raft.votedFor}`);
    for (const { index, term } of (this.#promised.get(id) ?? []).toReversed()) {
      if (this.#committed.get(index) !== term) continue;
      if (index >= log.firstIndex && log.termAt(index) !== term)
        this.#report(
          `${id} had acknowledged entry ${index} of term ${term}, which is committed, and came back with ${log.firstIndex}..${log.lastIndex}`,
        );
      return;
    }
  }

  #changed(node: GroupNode, raft: Raft, seen: Seen | undefined): void {
    if (raft.role === 'leader' && !this.leaders.has(raft.currentTerm)) {
      this.leaders.set(raft.currentTerm, raft.id);
      this.#group.trace.text(`leader ${raft.id} ${raft.currentTerm}`);
    }
    if (seen !== undefined && seen.raft === raft && raft.commitIndex < seen.commit)
      this.#report(`the commit index of ${node.id} went from ${seen.commit} back to ${raft.commitIndex}`);
    if (raft.commitIndex > this.#commitMax) this.#committedMore(raft);
    for (const message of brokenRules(raft, seen?.raft === raft ? seen : undefined)) this.#report(message);
  }

  /** CommittedIsDurable: whoever says first that an entry is committed is right only if a quorum has it on disk. */
  #committedMore(raft: Raft): void {
    const { log, commitIndex } = raft;
    const from = Math.max(this.#commitMax + 1, log.firstIndex);
    this.#commitMax = commitIndex;
    for (let index = from; index <= commitIndex; index += 1) {
      const entry = log.entryAt(index);
      if (entry === undefined) continue;
      this.#committed.set(index, entry.term);
      if (entry.type === 'configuration') this.configurations += 1;
    }
    const term = log.termAt(commitIndex);
    // The first entry of all is written by every founder for itself, committed as it is.
    if (term === undefined || from > commitIndex || commitIndex === 1) return;
    const rafts: Raft[] = [];
    for (const node of this.#group.nodes.values()) if (node.raft !== undefined) rafts.push(node.raft);
    if (isDurableOnQuorum(rafts, raft, commitIndex, term)) return;
    // What was committed under the configuration before the newest one may not have its quorum yet.
    const { configuration } = log.configurationAt(commitIndex);
    const has = (id: NodeId): boolean => {
      const other = rafts.find((one) => one.id === id);
      return (
        other !== undefined &&
        other.log.persistedIndex >= commitIndex &&
        (other.log.termAt(commitIndex) ?? term) === term
      );
    };
    if (hasQuorum(configuration, has)) return;
    this.#report(
      `${raft.id} says that entry ${commitIndex} of term ${term} is committed, and no quorum has it on disk`,
    );
  }

  #checkHash(id: NodeId, store: { appliedIndex: number; stateHash(): number }): void {
    const { appliedIndex } = store;
    const hash = store.stateHash();
    const known = this.#hashes.get(appliedIndex);
    if (known === undefined) {
      this.#group.trace.number(hash);
      this.#hashes.set(appliedIndex, { hash, by: id });
    } else if (known.hash !== hash) {
      const message = `the states of ${known.by} and ${id} differ at applied index ${appliedIndex}`;
      this.#group.report({ kind: 'diverged', message });
    }
  }

  /** Votes and acknowledgements as they leave a node: from then on others rely on them. */
  #observe({ from, to, channel, message }: Delivery): void {
    if (channel !== 'raft') return;
    const told = message as Message;
    const wrong = this.#manners.leaving({ from, to, channel, message });
    if (wrong !== undefined) this.#report(wrong);
    if (told.type === 'appendReply' && !told.rejected) {
      this.done += 1;
      this.#promise(from, told.index);
    }
    const votes = told.type === 'vote' ? !told.preVote : told.type === 'voteReply' && !told.preVote && told.granted;
    if (votes) this.#vote(from, told.term, told.type === 'vote' ? from : to);
    // Answers to heartbeats promise nothing for later and need not wait for the disk.
    if (told.type === 'appendReply' && told.term > (this.#told.get(from) ?? 0)) this.#told.set(from, told.term);
  }

  #promise(id: NodeId, index: number): void {
    const raft = this.#group.nodes.get(id)?.process?.replica?.raft;
    const term = raft?.log.termAt(index);
    if (term === undefined) return;
    const promised = this.#promised.get(id) ?? [];
    while (promised.length > 0 && promised.at(-1)!.index >= index) promised.pop();
    promised.push({ index, term });
    if (promised.length > promisedMax) promised.splice(0, promisedMax / 2);
    this.#promised.set(id, promised);
  }

  #vote(id: NodeId, term: number, candidate: NodeId): void {
    this.done += 1;
    const known = this.#votes.get(id);
    if (known?.term === term && known.candidate !== candidate)
      this.#report(`${id} voted twice in term ${term}: for ${known.candidate} and for ${candidate}`);
    if (known === undefined || known.term < term) this.#votes.set(id, { term, candidate });
  }

  #report(message: string): void {
    this.#group.report({ kind: 'consensus', message });
  }
}

/** Promises remembered of each node; the newest that is committed is enough. */
const promisedMax = 200;
