/**
 * The abstract state of a whole cluster of Raft: what each node knows, what its disk has, what is on its way to
 * the disk, all messages that were ever sent, and what only an observer of everything can know (the history).
 * Logs are kept whole: that a node compacted its log, or got it by a snapshot, changes nothing of what it holds.
 */
import type { Configuration, NodeId, Role } from '#src/raft/types.ts';

/** Who wrote it and where says which entry it is; `content` tells whether that is true. */
export interface LogEntry {
  index: number;
  term: number;
  type: 'noop' | 'command' | 'configuration';
  content: string;
  configuration: Configuration | undefined;
}

/** Index 1 is at [0]. */
export type Log = LogEntry[];

export type ModelMessage = { from: NodeId; to: NodeId; term: number } & (
  | { type: 'vote'; preVote: boolean; transfer: boolean; lastIndex: number; lastTerm: number }
  | { type: 'voteReply'; preVote: boolean; granted: boolean }
  | { type: 'append'; prevIndex: number; prevTerm: number; entries: LogEntry[]; commit: number }
  | { type: 'appendReply'; rejected: boolean; index: number }
  | { type: 'heartbeat'; commit: number }
  | { type: 'heartbeatReply' }
  | { type: 'timeoutNow' }
  | { type: 'readIndex'; id: number }
  | { type: 'readIndexReply'; id: number; index: number }
  /** A snapshot that is offered. */
  | { type: 'snapshot'; index: number; lastTerm: number }
);

/** What survives a crash. */
export interface Disk {
  term: number;
  vote: NodeId | undefined;
  commit: number;
  log: Log;
}

/** On its way to the disk, with what may be said only afterwards. */
export interface Write {
  id: number;
  disk: { term: number; vote: NodeId | undefined; commit: number } | undefined;
  entries: LogEntry[];
  then: ModelMessage[];
}

export interface Offer {
  index: number;
  lastTerm: number;
}

export interface ModelNode {
  readonly id: NodeId;
  /** What it had acknowledged up to here is not all on its disk any more: until that is refilled it does not vote. */
  repairTo: number;
  term: number;
  vote: NodeId | undefined;
  role: Role;
  log: Log;
  commit: number;
  applied: number;
  disk: Disk;
  /** Oldest first. */
  writes: Write[];
  /** Snapshots that it agreed to receive and has not installed; they may come to the disk at any time, or never. */
  offers: Offer[];
  /** Disk after all writes: what has been handed over. */
  handed: Disk;
  /** Granted in this term, by others. */
  votes: Set<NodeId>;
  /** Granted for the next term, by others. */
  preVotes: Set<NodeId>;
  /** As leader: what the members have said they have. */
  match: Map<NodeId, number>;
  /** The message that is being handled: what happens now may rest on it. */
  heard: ModelMessage | undefined;
  /** Of the terms before, since the start: the vote, and how far the log agreed with the leader's. */
  past: Map<number, { vote: NodeId | undefined; agreed: number }>;
}

/** A committed entry, with the term of the leader that committed it. */
export interface Committed {
  entry: LogEntry;
  inTerm: number;
}

/** What no node knows. */
export interface History {
  /** Who led each term, and its log. */
  leaders: Map<number, { id: NodeId; log: Log }>;
  /** By index - 1. */
  committed: Committed[];
  /** The newest commitment by counting, and the configuration that counted. */
  lastCount: { index: number; configuration: Configuration } | undefined;
  /** Reads under way: what was committed when they were asked. By "node id". */
  reads: Map<string, number>;
}

export interface ModelState {
  nodes: Map<NodeId, ModelNode>;
  /** Every message ever sent, by its key: the network may deliver any of them, at any time, any number of times. */
  sent: Set<string>;
  history: History;
}

export const NOBODY: Configuration = { voters: [], votersOutgoing: [], learners: [], addresses: {} };

export function emptyState(): ModelState {
  return {
    nodes: new Map(),
    sent: new Set(),
    history: { leaders: new Map(), committed: [], lastCount: undefined, reads: new Map() },
  };
}

export function termAt(log: Log, index: number): number | undefined {
  return index === 0 ? 0 : log[index - 1]?.term;
}

export function lastTermOf(log: Log): number {
  return log.at(-1)?.term ?? 0;
}

/** In force from its append on: the last one in the log. */
export function configurationOf(log: Log): Configuration {
  return log.findLast(({ configuration }) => configuration !== undefined)?.configuration ?? NOBODY;
}

/** How far two logs are the same. */
export function agreement(a: Log, b: Log): number {
  // Entry by entry from the end: equal entries have equal logs before them only if Log Matching holds, so not assumed.
  let index = 0;
  while (index < a.length && index < b.length && sameEntry(a[index], b[index])) index += 1;
  return index;
}

export function sameEntry(a: LogEntry | undefined, b: LogEntry | undefined): boolean {
  return a === b || (a?.index === b?.index && a?.term === b?.term && a?.content === b?.content);
}

export function keyOf(message: ModelMessage): string {
  const { from, to, term, type } = message;
  return `${from}>${to} ${type} t${term} ${detail(message)}`;
}

function detail(message: ModelMessage): string {
  switch (message.type) {
    case 'vote':
      return `${message.preVote ? 'pre' : 'real'}${message.transfer ? ' transfer' : ''} last ${message.lastIndex}/${message.lastTerm}`;
    case 'voteReply':
      return `${message.preVote ? 'pre' : 'real'} ${message.granted ? 'yes' : 'no'}`;
    case 'append': {
      const entries = message.entries.map(({ index, term, content }) => `${index}/${term}${content}`).join(' ');
      return `after ${message.prevIndex}/${message.prevTerm} [${entries}] commit ${message.commit}`;
    }
    case 'appendReply':
      return `${message.rejected ? 'refused' : 'has'} ${message.index}`;
    case 'heartbeat':
      return `commit ${message.commit}`;
    case 'readIndex':
      return `#${message.id}`;
    case 'readIndexReply':
      return `#${message.id} is ${message.index}`;
    case 'snapshot':
      return `${message.index}/${message.lastTerm}`;
    case 'heartbeatReply':
    case 'timeoutNow':
      return '';
  }
}
