/**
 * Rules of Raft that one node can break for itself, long before harm is done to the whole: who may vote, who may
 * change members, who may be handed leadership. Each sentence says what was done that must not be.
 */
import { isJoint, isVoter } from '#src/raft/configuration.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { Message, NodeId } from '#src/raft/types.ts';
import type { Delivery } from './plain-network.ts';

/** What was seen of a node after the event before. */
export interface Before {
  role: string;
  term: number;
  configuration: number;
}

/** Of one node after an event in which something changed. */
export function brokenRules(raft: Raft, before: Before | undefined): string[] {
  const { log, id, role, currentTerm, commitIndex, configuration } = raft;
  const found: string[] = [];
  const { configurationIndex } = log;
  if (configurationIndex > log.lastIndex)
    found.push(`${id} goes by the configuration of entry ${configurationIndex}, and its log ends at ${log.lastIndex}`);
  else if (configurationIndex >= log.firstIndex && log.entryAt(configurationIndex)?.type !== 'configuration')
    found.push(`${id} goes by the configuration of entry ${configurationIndex}, which is none`);
  if (role === 'preCandidate' && before !== undefined && before.role !== 'preCandidate' && currentTerm > before.term)
    found.push(`${id} raised its term from ${before.term} to ${currentTerm} only to ask whether it could win`);
  if (role !== 'leader') return found;
  if (!isJoint(configuration) && !isVoter(configuration, id) && configurationIndex <= commitIndex)
    found.push(
      `${id} leads term ${currentTerm}, although the configuration of entry ${configurationIndex} without it is committed`,
    );
  const changed = before?.role === 'leader' && before.term === currentTerm && configurationIndex > before.configuration;
  // The step out of a joint configuration follows the commit that allows it, in one event.
  if (changed && isJoint(configuration)) {
    if (before.configuration > commitIndex)
      found.push(
        `${id} changed the members by entry ${configurationIndex} while entry ${before.configuration} was not committed`,
      );
    if ((log.termAt(commitIndex) ?? 0) < currentTerm)
      found.push(
        `${id} changed the members by entry ${configurationIndex} before an entry of its term ${currentTerm} was committed`,
      );
  }
  return found;
}

/** A replica counts the ticks that have passed when a message comes, after this looks: so many may be uncounted. */
const UNCOUNTED_TICKS_MAX = 6;

function surelyHears(raft: Raft): boolean {
  return raft.hearsLeader && raft.silentTicks + UNCOUNTED_TICKS_MAX < raft.electionTicks;
}

/** Votes are refused while a leader is heard; leadership is handed only to who has every entry. */
export class Manners {
  readonly #raftOf: (id: NodeId) => Raft | undefined;
  /** Of requests for a vote that came: whether the asked node heard a leader every time. */
  readonly #heard = new Map<string, boolean>();

  constructor(raftOf: (id: NodeId) => Raft | undefined) {
    this.#raftOf = raftOf;
  }

  /** A message reaches a node. */
  arriving({ from, to, message }: Delivery): void {
    const told = message as Message;
    if (told.type !== 'vote' || told.transfer) return;
    const key = keyOf(to, from, told);
    const raft = this.#raftOf(to);
    if (this.#heard.size > heardMax) this.#heard.clear();
    if (raft !== undefined) this.#heard.set(key, surelyHears(raft) && this.#heard.get(key) !== false);
  }

  /** A message leaves a node. Returns what is wrong with it. */
  leaving({ from, to, message }: Delivery): string | undefined {
    const told = message as Message;
    // A process that stood still counts the time when the message comes, and may then find that it hears nobody. After a
    // pre-vote it can still be asked; a vote has made it forget.
    const stillHears = !(told.type === 'voteReply' && told.preVote) || this.#raftOf(from)?.hearsLeader === true;
    if (told.type === 'voteReply' && told.granted && stillHears && this.#heard.get(keyOf(from, to, told)) === true)
      return `${from} gave ${to} its ${told.preVote ? 'pre-' : ''}vote for term ${told.term} while it heard a leader`;
    if (told.type !== 'timeoutNow') return undefined;
    const [leader, heir] = [this.#raftOf(from), this.#raftOf(to)];
    if (leader === undefined || heir === undefined || leader.currentTerm < heir.currentTerm) return undefined;
    const { lastIndex } = leader.log;
    if (heir.log.lastIndex < lastIndex || (heir.log.termAt(lastIndex) ?? told.term) !== leader.log.termAt(lastIndex))
      return `${from} handed leadership to ${to}, which has entries up to ${heir.log.lastIndex} of ${lastIndex}`;
    return undefined;
  }
}

/** Requests remembered at one time. */
const heardMax = 2000;

function keyOf(voter: NodeId, candidate: NodeId, { term, preVote }: { term: number; preVote: boolean }): string {
  return `${voter} ${candidate} ${term} ${preVote}`;
}
