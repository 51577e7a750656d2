/**
 * Records what cores of src/raft do, from outside: every input and every Ready, with what changed by it, as events of
 * the model. All public methods are wrapped; nothing in src/raft knows of it.
 */
import { Raft } from '#src/raft/raft.ts';
import type { Configuration, Entry, Message, NodeId, Ready, Role, SnapshotMeta } from '#src/raft/types.ts';
import { decodeConfiguration } from '#src/raft/configuration.ts';
import type { Member } from '../member.ts';
import type { LogEntry, ModelMessage } from './state.ts';

/** What can be seen of a node after a step. */
export interface Observed {
  term: number;
  vote: NodeId | undefined;
  role: Role;
  commit: number;
  applied: number;
  lastIndex: number;
  lastTerm: number;
  persisted: number;
  configuration: Configuration;
}

export type TraceEvent = { node: NodeId; after?: Observed } & (
  | {
      kind: 'start';
      term: number;
      vote: NodeId | undefined;
      commit: number;
      firstIndex: number;
      log: LogEntry[];
      repairTo: number;
    }
  | { kind: 'receive'; message: ModelMessage }
  | { kind: 'becomeFollower'; term: number }
  | { kind: 'becomePreCandidate' | 'becomeCandidate' | 'becomeLeader' | 'acceptEntries' }
  | { kind: 'grantVote'; candidate: NodeId }
  | { kind: 'appendEntry'; entry: LogEntry }
  | { kind: 'advanceCommit' | 'learnCommit'; index: number }
  | { kind: 'applyConfiguration'; configuration: Configuration }
  | {
      kind: 'ready';
      id: number;
      disk: { term: number; vote: NodeId | undefined; commit: number } | undefined;
      entries: LogEntry[];
      messages: ModelMessage[];
      afterwards: ModelMessage[];
    }
  | { kind: 'apply'; from: number; to: number }
  | { kind: 'persisted'; id: number }
  | { kind: 'offerSnapshot' }
  | { kind: 'installSnapshot'; index: number; lastTerm: number }
  | { kind: 'compact'; index: number }
  | { kind: 'askRead'; read: number }
  | { kind: 'finishRead'; read: number; index: number }
  /** An input that changed nothing the model knows of. */
  | { kind: 'nothing' }
);

type Shadow = Observed & { terms: Map<number, number>; configurationIndex: number };

type Method = (...args: unknown[]) => unknown;

/** The public methods of the core. */
const methods: readonly [string, Method][] = Object.entries(Object.getOwnPropertyDescriptors(Raft.prototype)).flatMap(
  ([name, { value }]) => (name !== 'constructor' && typeof value === 'function' ? [[name, value as Method]] : []),
);

export class Recorder {
  readonly events: TraceEvent[] = [];
  readonly #shadows = new Map<Raft, Shadow>();
  #depth = 0;

  /** For Surroundings. */
  readonly started = (member: Member, raft: Raft): void => this.attach(raft, member.disk.repairTo);

  /** Wrap one core, before it was asked for anything. */
  attach(raft: Raft, repairTo = raft.impaired ? Infinity : 0): void {
    for (const [name, method] of methods) {
      Object.defineProperty(raft, name, {
        writable: true,
        value: (...args: unknown[]): unknown => this.#step(raft, name, args, () => method.apply(raft, args)),
      });
    }
    this.#start(raft, repairTo);
  }

  /** Wrap every core of this process from its first input on, until the returned function is called. */
  attachAll(): () => void {
    const { prototype } = Raft;
    const attach = (raft: Raft): void => this.attach(raft);
    for (const [name] of methods) {
      Object.defineProperty(prototype, name, {
        configurable: true,
        writable: true,
        value(this: Raft, ...args: unknown[]): unknown {
          attach(this);
          // Its own from now on.
          return (this as unknown as Record<string, Method>)[name]?.(...args);
        },
      });
    }
    return () => {
      for (const [name, value] of methods)
        Object.defineProperty(prototype, name, { configurable: true, writable: true, value });
    };
  }

  #start(raft: Raft, repairTo: number): void {
    const { log, id } = raft;
    const entries = Array.from({ length: log.lastIndex - log.firstIndex + 1 }, (_, i) =>
      log.entryAt(log.firstIndex + i),
    );
    this.events.push({
      node: id,
      kind: 'start',
      term: raft.currentTerm,
      vote: raft.votedFor,
      commit: raft.commitIndex,
      firstIndex: log.firstIndex,
      repairTo,
      log: entries.flatMap((entry) => (entry ? modelEntry(entry) : [])),
      after: observe(raft),
    });
    this.#shadows.set(raft, shadowOf(raft));
  }

  #step(raft: Raft, name: string, args: unknown[], run: () => unknown): unknown {
    if (this.#depth > 0) return run();
    if (name === 'tick' && typeof args[0] === 'number' && args[0] > 1) {
      // As many calls with one tick each, so that every step is seen.
      for (let i = 0; i < args[0]; i += 1) raft.tick();
      return undefined;
    }
    const before = this.#shadows.get(raft) ?? shadowOf(raft);
    const at = this.events.length;
    this.#input(raft.id, name, args);
    this.#depth += 1;
    let result: unknown;
    try {
      result = run();
    } finally {
      this.#depth -= 1;
      this.#changes(raft, before, name, args);
    }
    this.#outcome(raft, name, args, result);
    // Asking for a Ready that there is not is no step.
    if (this.events.length === at && still.has(name)) return result;
    if (this.events.length === at) this.events.push({ node: raft.id, kind: 'nothing' });
    const last = this.events.at(-1);
    if (last) last.after = observe(raft);
    this.#shadows.set(raft, shadowOf(raft));
    return result;
  }

  #input(node: NodeId, name: string, args: unknown[]): void {
    if (name === 'receive') {
      const message = modelMessage(args[0] as NodeId, node, args[1] as Message);
      if (message) this.events.push({ node, kind: 'receive', message });
    } else if (name === 'offersSnapshot') {
      const meta = args[2] as SnapshotMeta;
      const message: ModelMessage = {
        type: 'snapshot',
        from: args[0] as NodeId,
        to: node,
        term: args[1] as number,
        index: meta.index,
        lastTerm: meta.term,
      };
      this.events.push({ node, kind: 'receive', message });
    } else if (name === 'persisted') this.events.push({ node, kind: 'persisted', id: args[0] as number });
    else if (name === 'readIndex') this.events.push({ node, kind: 'askRead', read: args[0] as number });
  }

  /** What the call changed, in the order of the rules that allow it. */
  #changes(raft: Raft, before: Shadow, name: string, args: unknown[]): void {
    const node = raft.id;
    const { events } = this;
    let { term, role } = before;
    const heardTerm = termHeard(name, args);
    if (heardTerm > term && raft.currentTerm >= heardTerm) {
      term = heardTerm;
      role = 'follower';
      events.push({ node, kind: 'becomeFollower', term });
    } else if (
      raft.currentTerm === term &&
      raft.role === 'follower' &&
      (role === 'candidate' || role === 'preCandidate')
    ) {
      role = 'follower';
      events.push({ node, kind: 'becomeFollower', term });
    }
    const timeoutNow = name === 'receive' && (args[1] as Message).type === 'timeoutNow';
    const stands = raft.currentTerm > term;
    if ((stands && role !== 'preCandidate' && !timeoutNow) || (raft.role === 'preCandidate' && role !== 'preCandidate'))
      events.push({ node, kind: 'becomePreCandidate' });
    if (stands) {
      events.push({ node, kind: 'becomeCandidate' });
      role = 'candidate';
      term = raft.currentTerm;
    }
    if (
      raft.votedFor !== undefined &&
      raft.votedFor !== node &&
      (raft.votedFor !== before.vote || term !== before.term)
    )
      events.push({ node, kind: 'grantVote', candidate: raft.votedFor });
    if (raft.role === 'leader' && role !== 'leader') {
      events.push({ node, kind: 'becomeLeader' });
      role = 'leader';
    }
    this.#logChanges(raft, before, role, name);
    if (role === 'leader' && raft.role !== 'leader') events.push({ node, kind: 'becomeFollower', term });
  }

  #logChanges(raft: Raft, before: Shadow, role: Role, name: string): void {
    if (name === 'snapshotInstalled') return;
    const node = raft.id;
    const { log, commitIndex: commit } = raft;
    const fresh: Entry[] = [];
    let changed = log.lastIndex !== before.lastIndex;
    for (let index = before.commit + 1; index <= log.lastIndex; index += 1) {
      if (log.termAt(index) === before.terms.get(index)) continue;
      changed = true;
      const entry = log.entryAt(index);
      if (entry) fresh.push(entry);
    }
    const committed = (): void => {
      if (commit > before.commit)
        this.events.push({ node, kind: role === 'leader' ? 'advanceCommit' : 'learnCommit', index: commit });
    };
    const append = (entry: Entry): void =>
      void this.events.push({ node, kind: 'appendEntry', entry: modelEntry(entry) });
    if (role === 'leader') {
      // A joint configuration is left because it was committed; other entries are there before.
      const isLast = (entry: Entry): boolean => entry.type === 'configuration' && name !== 'proposeConfiguration';
      for (const entry of fresh) if (!isLast(entry)) append(entry);
      committed();
      for (const entry of fresh) if (isLast(entry)) append(entry);
    } else {
      if (changed) this.events.push({ node, kind: 'acceptEntries' });
      committed();
    }
    if (log.configurationIndex !== before.configurationIndex)
      this.events.push({ node, kind: 'applyConfiguration', configuration: raft.configuration });
  }

  #outcome(raft: Raft, name: string, args: unknown[], result: unknown): void {
    const node = raft.id;
    if (name === 'ready' && result !== undefined) this.#ready(raft, result as Ready);
    else if (name === 'offersSnapshot' && result === true) this.events.push({ node, kind: 'offerSnapshot' });
    else if (name === 'compact') this.events.push({ node, kind: 'compact', index: args[0] as number });
    else if (name === 'snapshotInstalled') {
      const { index, term } = args[1] as SnapshotMeta;
      this.events.push({ node, kind: 'installSnapshot', index, lastTerm: term });
    }
  }

  #ready(raft: Raft, ready: Ready): void {
    const node = raft.id;
    const { hardState, entries, messages, messagesAfterPersist, committed, reads } = ready;
    const out = (list: Ready['messages']): ModelMessage[] =>
      list.flatMap(({ to, message }) => modelMessage(node, to, message) ?? []);
    this.events.push({
      node,
      kind: 'ready',
      id: ready.id,
      disk: hardState && { term: hardState.currentTerm, vote: hardState.votedFor, commit: hardState.commitIndex },
      entries: entries.map((entry) => modelEntry(entry)),
      messages: out(messages),
      afterwards: out(messagesAfterPersist),
    });
    const [first, last] = [committed[0], committed.at(-1)];
    if (first && last) this.events.push({ node, kind: 'apply', from: first.index, to: last.index });
    for (const { id, index } of reads) this.events.push({ node, kind: 'finishRead', read: id, index });
  }
}

/** The term that a message brings; a pre-vote and a granted one speak of a term that nobody has entered. */
function termHeard(name: string, args: unknown[]): number {
  if (name === 'offersSnapshot') return args[1] as number;
  if (name !== 'receive') return 0;
  const message = args[1] as Message;
  const preVote =
    (message.type === 'vote' && message.preVote) ||
    (message.type === 'voteReply' && message.preVote && message.granted);
  return preVote ? 0 : message.term;
}

/** Without an effect of their own. */
const still = new Set(['ready', 'passTime', 'ticksUntilDue', 'contactTicks', 'applied', 'setElectionTimeout']);

/** Ids of reads carry a number of the process above this (src/raft/raft.ts). */
const READ_IDS = 2 ** 32;

function modelMessage(from: NodeId, to: NodeId, message: Message): ModelMessage | undefined {
  const base = { from, to, term: message.term };
  switch (message.type) {
    case 'vote': {
      const { type, preVote, transfer, lastLogIndex: lastIndex, lastLogTerm: lastTerm } = message;
      return { ...base, type, preVote, transfer, lastIndex, lastTerm };
    }
    case 'voteReply':
      return { ...base, type: message.type, preVote: message.preVote, granted: message.granted };
    case 'append': {
      const { type, prevIndex, prevTerm, commitIndex: commit } = message;
      return { ...base, type, prevIndex, prevTerm, commit, entries: message.entries.map((entry) => modelEntry(entry)) };
    }
    case 'appendReply':
      return { ...base, type: message.type, rejected: message.rejected, index: message.index };
    case 'heartbeat':
      return { ...base, type: message.type, commit: message.commitIndex };
    case 'heartbeatReply':
    case 'timeoutNow':
      return { ...base, type: message.type };
    case 'readIndex':
      return { ...base, type: message.type, id: message.id % READ_IDS };
    case 'readIndexReply':
      return { ...base, type: message.type, id: message.id % READ_IDS, index: message.index };
    default:
      return undefined; // of a kind that the model does not know
  }
}

export function modelEntry({ index, term, type, data }: Entry): LogEntry {
  const configuration = type === 'configuration' ? decodeConfiguration(data) : undefined;
  return { index, term, type, content: fingerprint(data), configuration };
}

/** FNV-1a. */
function fingerprint(data: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${data.length}:${(hash >>> 0).toString(36)}`;
}

function observe(raft: Raft): Observed {
  const { log } = raft;
  return {
    term: raft.currentTerm,
    vote: raft.votedFor,
    role: raft.role,
    commit: raft.commitIndex,
    applied: raft.handedIndex,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    persisted: log.persistedIndex,
    configuration: raft.configuration,
  };
}

function shadowOf(raft: Raft): Shadow {
  const { log } = raft;
  const terms = new Map<number, number>();
  for (let index = raft.commitIndex + 1; index <= log.lastIndex; index += 1) terms.set(index, log.termAt(index) ?? 0);
  return { ...observe(raft), terms, configurationIndex: log.configurationIndex };
}
