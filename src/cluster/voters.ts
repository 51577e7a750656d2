/**
 * Who votes: 1 → 3 → 5 as nodes join, an odd number, spread over zones; a voter that is lost is replaced by a standby.
 * The rule is pure; the loop acts on it, on the leader, one change at a time, and tells each decision with its reason:
 * in the log entry of the change, in the record of decisions, and in `status`.
 *
 * A change is made only when a majority of the present voters and a majority of the next ones answer: it can then
 * neither lose what is acknowledged nor stop the cluster half-way (Raft §6).
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Membership, ReplicaStatus } from '#src/replica/membership.ts';
import { messageOf } from '#src/std/fault.ts';

export const VOTERS_WANTED_MAX = 5;
/** A member that has answered within this is alive. */
export const LIVE_MS = 2000;
/** A standby this close behind has caught up. */
const CAUGHT_UP_ENTRIES = 64;
const CHECK_MS = 250;

/** What the rule looks at. */
export interface VoterView {
  leader: string;
  voters: readonly string[];
  standbys: readonly string[];
  commitIndex: number;
  /** Of every member but the leader. */
  progress: Readonly<Record<string, { matchIndex: number; lastContactMs: number }>>;
  /** Zone by member; those without one share the zone ''. */
  zones: Readonly<Record<string, string>>;
  /** Standbys by the operator's wish. */
  held: ReadonlySet<string>;
  /** A voter silent for this long is lost. */
  replaceAfterMs: number;
}

export type VoterDecision =
  | { type: 'change'; voters: string[]; reason: string }
  /** Something is not as it should be, and nothing can be done now. */
  | { type: 'wait'; reason: string }
  | { type: 'none' };

/**
 * How many of so many members should vote. Two members both vote: as one voter the loss of it
 * would lose everything, as two the loss of one only stops writes.
 */
export function votersWanted(members: number): number {
  if (members <= 3) return members;
  return Math.min(VOTERS_WANTED_MAX, members % 2 === 0 ? members - 1 : members);
}

/** What the cluster survives, in words. */
export function survivalOf(voters: number): string {
  const losses = Math.max(0, Math.ceil(voters / 2) - 1);
  if (voters === 1) return '1 voter: its loss loses the cluster; add two nodes';
  if (voters === 2)
    return '2 voters: the loss of either stops writes until it is back, and loses nothing; add a third node';
  return `${voters} voters: survives the loss of ${losses}`;
}

export function decideVoters(view: VoterView): VoterDecision {
  const { leader, voters, standbys, progress } = view;
  const silentMs = (id: string): number => (id === leader ? 0 : (progress[id]?.lastContactMs ?? Infinity));
  const isLive = (id: string): boolean => silentMs(id) <= LIVE_MS;
  const isLost = (id: string): boolean => silentMs(id) >= view.replaceAfterMs;
  const isFit = (id: string): boolean =>
    isLive(id) && !view.held.has(id) && (progress[id]?.matchIndex ?? 0) + CAUGHT_UP_ENTRIES >= view.commitIndex;
  const lost = voters.filter(isLost);
  const kept = voters.filter((id) => !isLost(id));
  const fit = standbys.filter(isFit);

  function propose(next: readonly string[], reason: string): VoterDecision {
    for (const [name, group] of [
      ['present', voters],
      ['next', next],
    ] as const) {
      const live = group.filter(isLive);
      if (live.length * 2 <= group.length)
        return {
          type: 'wait',
          reason: `${reason}, but only ${live.length} of the ${group.length} ${name} voters answer`,
        };
    }
    return { type: 'change', voters: [...next], reason };
  }

  if (lost.length > 0) {
    const heirs = chosen(fit, kept, lost.length, view);
    const seconds = Math.floor(Math.min(...lost.map(silentMs)) / 1000);
    const since = Number.isFinite(seconds) ? ` since ${seconds} s` : '';
    const who = `${listOf(lost)} ${lost.length === 1 ? 'is' : 'are'} lost${since}`;
    if (heirs.length === lost.length) return propose([...kept, ...heirs], `${who}; ${listOf(heirs)} in place`);
    // Three of three answer better than three of five: one more may be lost then.
    if (kept.length === 3 && voters.length > 3 && heirs.length === 0)
      return propose(kept, `${who}; ${listOf(kept)} go on`);
    return { type: 'wait', reason: `${who}; no standby is fit to replace ${lost.length === 1 ? 'it' : 'them'}` };
  }
  const wanted = votersWanted(voters.length + standbys.filter((id) => !view.held.has(id) && !isLost(id)).length);
  if (voters.length < wanted) return grow(view, fit, wanted, propose);
  if (voters.length > wanted) {
    const out = leastNeeded(view, voters.length - wanted, silentMs);
    return propose(
      voters.filter((id) => !out.includes(id)),
      `${wanted} voters are enough for ${voters.length + standbys.length} members; ${listOf(out)} stands by`,
    );
  }
  return spread(view, fit, propose);
}

type Propose = (next: readonly string[], reason: string) => VoterDecision;

/** To the wanted number at once, or to the largest odd number that can be had; two of two also. */
function grow(view: VoterView, fit: readonly string[], wanted: number, propose: Propose): VoterDecision {
  const { voters } = view;
  const heirs = chosen(fit, voters, wanted - voters.length, view);
  let next = [...voters, ...heirs];
  if (next.length % 2 === 0 && next.length !== wanted) next = next.slice(0, -1);
  if (next.length <= voters.length) return { type: 'none' };
  return propose(next, `${listOf(next.slice(voters.length))} caught up; ${next.length} voters`);
}

/** A standby in a zone without a voter takes the place of one of two in the same zone. */
function spread(view: VoterView, fit: readonly string[], propose: Propose): VoterDecision {
  const { voters, leader } = view;
  const zoneOf = (id: string): string => view.zones[id] ?? '';
  const used = new Set(voters.map(zoneOf));
  const heir = fit.find((id) => zoneOf(id) !== '' && !used.has(zoneOf(id)));
  if (heir === undefined) return { type: 'none' };
  const crowded = voters.find(
    (id) => id !== leader && voters.some((other) => other !== id && zoneOf(other) === zoneOf(id)),
  );
  if (crowded === undefined) return { type: 'none' };
  return propose(
    [...voters.filter((id) => id !== crowded), heir],
    `${heir} votes instead of ${crowded}: its zone '${zoneOf(heir)}' had no voter`,
  );
}

/** Of these standbys so many: new zones first, then the longest log. */
function chosen(fit: readonly string[], beside: readonly string[], count: number, view: VoterView): string[] {
  const zoneOf = (id: string): string => view.zones[id] ?? '';
  const zones = new Map<string, number>();
  for (const id of beside) zones.set(zoneOf(id), (zones.get(zoneOf(id)) ?? 0) + 1);
  const result: string[] = [];
  const rest = [...fit];
  while (result.length < count && rest.length > 0) {
    rest.sort(
      (a, b) =>
        (zones.get(zoneOf(a)) ?? 0) - (zones.get(zoneOf(b)) ?? 0) ||
        (view.progress[b]?.matchIndex ?? 0) - (view.progress[a]?.matchIndex ?? 0),
    );
    const next = rest.shift() ?? '';
    result.push(next);
    zones.set(zoneOf(next), (zones.get(zoneOf(next)) ?? 0) + 1);
  }
  return result;
}

/** The most silent first, then those that share their zone; never the leader. */
function leastNeeded(view: VoterView, count: number, silentMs: (id: string) => number): string[] {
  const crowd = (id: string): number => view.voters.filter((other) => view.zones[other] === view.zones[id]).length;
  return view.voters
    .filter((id) => id !== view.leader)
    .toSorted((a, b) => Number(silentMs(b) > LIVE_MS) - Number(silentMs(a) > LIVE_MS) || crowd(b) - crowd(a))
    .slice(0, count);
}

function listOf(ids: readonly string[]): string {
  return ids.length <= 1 ? (ids[0] ?? '') : `${ids.slice(0, -1).join(', ')} and ${ids.at(-1)}`;
}

/** What the cluster's records say of its members. */
export interface MemberFacts {
  zones: Record<string, string>;
  held: Set<string>;
}

export interface VoterManager {
  start(): void;
  stop(): void;
  /** Why nothing is done although something should be; undefined when all is well or this node does not lead. */
  waiting(): string | undefined;
}

/** Runs on every node; acts only where the replica leads. */
export function createVoterManager(options: {
  membership: Membership;
  clock: Clock;
  log: Log;
  /** From the local state: the members it speaks of are in the configuration anyway. */
  facts: () => MemberFacts;
  /** Keep a decision that was carried out, for people. */
  note: (reason: string) => Promise<void>;
  replaceAfterMs: number;
}): VoterManager {
  const { membership, clock } = options;
  const log = options.log.scope('voters');
  let timer: Timer | undefined;
  let stopped = true;
  let waiting: string | undefined;

  function viewOf(status: ReplicaStatus): VoterView {
    return {
      leader: status.self,
      voters: status.voters,
      standbys: status.learners,
      commitIndex: status.commitIndex,
      progress: status.progress,
      ...options.facts(),
      replaceAfterMs: options.replaceAfterMs,
    };
  }

  async function check(): Promise<void> {
    const status = membership.status();
    const decision: VoterDecision = status.role === 'leader' ? decideVoters(viewOf(status)) : { type: 'none' };
    const wait = decision.type === 'wait' ? decision.reason : undefined;
    // The reason carries a time that goes on; the same state is told once.
    if (wait?.replace(/\d+ s/, '') !== waiting?.replace(/\d+ s/, '') && wait !== undefined) log.warn(wait);
    waiting = wait;
    if (decision.type === 'change') {
      try {
        await membership.setVoters(decision.voters, decision.reason);
        log.info('voters changed', { voters: decision.voters.join(','), why: decision.reason });
        await options.note(decision.reason);
      } catch (error) {
        log.info('voters not changed', { why: messageOf(error) });
      }
    }
    if (!stopped) timer = clock.after(CHECK_MS, () => void check());
  }

  return {
    start() {
      stopped = false;
      timer = clock.after(CHECK_MS, () => void check());
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
    waiting: () => waiting,
  };
}
