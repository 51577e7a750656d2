/** What must hold of the whole cluster after every step; throws the sentence that does not. */
import { hasQuorum } from '#src/raft/configuration.ts';
import { createClusterChecker } from '#src/raft/invariants.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { Entry, Message, NodeId } from '#src/raft/types.ts';
import type { DurableState, Member } from './member.ts';

export class Checks {
  /** By index: what some node applied there. */
  readonly truth = new Map<number, string>();
  /** The highest index that some node knew committed. */
  committedIndex = 0;
  readonly #cluster = createClusterChecker();
  /** By "voter term": the candidate. */
  readonly #votes = new Map<string, NodeId>();
  readonly #commitOf = new Map<Raft, number>();

  applied(by: NodeId, entry: Entry): void {
    const text = `${entry.term} ${new TextDecoder().decode(entry.data)}`;
    const known = this.truth.get(entry.index) ?? text;
    if (known !== text) throw new Error(`${by} applies '${text}' at ${entry.index}, another applied '${known}'`);
    this.truth.set(entry.index, text);
  }

  sent(from: NodeId, to: NodeId, message: Message): void {
    if (message.type !== 'voteReply' || message.preVote || !message.granted) return;
    const key = `${from} ${message.term}`;
    const known = this.#votes.get(key) ?? to;
    if (known !== to) throw new Error(`${from} voted for ${known} and for ${to} in term ${message.term}`);
    this.#votes.set(key, to);
  }

  check(members: Iterable<Member>): void {
    const all = [...members];
    const nodes = all.flatMap(({ raft }) => raft ?? []);
    const found = this.#cluster.check(nodes);
    if (found.length > 0) throw new Error(found.join('; '));
    for (const raft of nodes) {
      if (raft.role === 'leader') this.#checkDurable(raft, all);
      this.committedIndex = Math.max(this.committedIndex, raft.commitIndex);
      for (const other of nodes) if (raft.id < other.id) checkLogMatching(raft, other);
    }
  }

  /** CommittedIsDurable: what a leader calls committed is on the disks of a quorum. */
  #checkDurable(leader: Raft, members: Member[]): void {
    const index = leader.commitIndex;
    if ((this.#commitOf.get(leader) ?? 0) >= index) return;
    this.#commitOf.set(leader, index);
    const term = leader.log.termAt(index);
    // What was committed in terms before is on a quorum of the members of that time.
    if (term !== leader.currentTerm) return;
    const disks = new Map(members.map(({ id, disk }) => [id, disk]));
    if (!hasQuorum(leader.configuration, (id) => holds(disks.get(id), index, term)))
      throw new Error(`${leader.id} commits entry ${index} of term ${term}, which is not on the disks of a quorum`);
  }
}

function holds(disk: DurableState | undefined, index: number, term: number): boolean {
  if (!disk) return false;
  // An acknowledgement from before the damage may still come; who is impaired elects nobody without the entry.
  if (disk.repairTo >= index) return true;
  return (disk.snapshot?.meta.index ?? 0) >= index || disk.entries.some((e) => e.index === index && e.term === term);
}

/** Log Matching (Raft §5.3): equal term at an index means equal logs up to there. */
function checkLogMatching(a: Raft, b: Raft): void {
  const first = Math.max(a.log.firstIndex, b.log.firstIndex);
  let differs = 0;
  for (let index = first; index <= Math.min(a.log.lastIndex, b.log.lastIndex); index += 1) {
    const [one, two] = [a.log.entryAt(index), b.log.entryAt(index)];
    if (one?.term !== two?.term) differs = index;
    else if (differs > 0)
      throw new Error(`Log Matching: ${a.id} and ${b.id} agree at ${index}, but not at ${differs} before it`);
  }
}
