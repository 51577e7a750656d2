/** What a transcript shows: messages, readies, nodes and configurations in short form. */
import { decodeConfiguration } from '#src/raft/configuration.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { Configuration, Entry, Message, Ready } from '#src/raft/types.ts';
import type { Outgoing, Transfer } from '../member.ts';

export function formatConfiguration({ voters, votersOutgoing, learners }: Configuration): string {
  const outgoing = votersOutgoing.length > 0 ? ` and ${list(votersOutgoing)}` : '';
  return `voters ${list(voters)}${outgoing}${learners.length > 0 ? ` learners ${list(learners)}` : ''}`;
}

/** index/term and what it holds. */
export function formatEntry(entry: Entry): string {
  const id = `${entry.index}/${entry.term}`;
  if (entry.type === 'noop') return `${id} noop`;
  if (entry.type === 'configuration') return `${id} (${formatConfiguration(decodeConfiguration(entry.data))})`;
  return `${id} '${new TextDecoder().decode(entry.data)}'`;
}

export function formatMessage(message: Message): string {
  return `${body(message)} in term ${message.term}`;
}

function body(message: Message): string {
  switch (message.type) {
    case 'vote': {
      const kind = message.transfer ? 'transferVote' : message.preVote ? 'preVote' : 'vote';
      return `${kind}? last ${message.lastLogIndex}/${message.lastLogTerm}`;
    }
    case 'voteReply':
      return `${message.preVote ? 'preVote' : 'vote'} ${message.granted ? 'yes' : 'no'}`;
    case 'append': {
      const entries = message.entries.map((entry) => formatEntry(entry));
      return `append after ${message.prevIndex}/${message.prevTerm} [${entries.join(', ')}] commit ${message.commitIndex}`;
    }
    case 'appendReply':
      if (!message.rejected) return `has ${message.index}`;
      return `refuses after ${message.index}, may agree at ${message.hintIndex}/${message.hintTerm}`;
    case 'heartbeat':
      return `heartbeat commit ${message.commitIndex}${message.context > 0 ? ` round ${message.context}` : ''}`;
    case 'heartbeatReply':
      return `heard${message.context > 0 ? ` round ${message.context}` : ''}`;
    case 'timeoutNow':
      return 'timeoutNow';
    case 'readIndex':
      return `readIndex? #${message.id}`;
    case 'readIndexReply':
      return `readIndex #${message.id} is ${message.index}`;
  }
}

export function formatTransfer({ meta, term }: Transfer): string {
  return `snapshot ${meta.index}/${meta.term} (${formatConfiguration(meta.configuration)}) in term ${term}`;
}

export function formatReady(id: string, ready: Ready): string[] {
  const { soft, hardState, entries, messages, messagesAfterPersist, committed, reads, snapshotsFor } = ready;
  const lines: string[] = [];
  if (soft) {
    const of = soft.role === 'leader' ? '' : `, leader ${soft.leader ?? 'unknown'}`;
    lines.push(`${soft.role} in term ${soft.term}${of}`);
  }
  if (hardState) {
    const { currentTerm, votedFor, commitIndex } = hardState;
    const log = entries.length > 0 ? `; ${entries.map((entry) => formatEntry(entry)).join(', ')}` : '';
    lines.push(`to disk #${ready.id}: term ${currentTerm} vote ${votedFor ?? 'none'} commit ${commitIndex}${log}`);
  }
  const send = ({ to, message }: Outgoing): string => `${id}->${to} ${formatMessage(message)}`;
  for (const outgoing of messages) lines.push(`send ${send(outgoing)}`);
  for (const outgoing of messagesAfterPersist) lines.push(`send after disk ${send(outgoing)}`);
  for (const to of snapshotsFor) lines.push(`wants a snapshot for ${to}`);
  for (const read of reads) lines.push(`read #${read.id} at ${read.index}`);
  if (committed.length > 0) lines.push(`apply ${committed.map((entry) => formatEntry(entry)).join(', ')}`);
  return lines.map((line) => `${id}: ${line}`);
}

export function formatNode(raft: Raft): string[] {
  const { id, role, currentTerm, votedFor, leader, commitIndex, appliedIndex, log, configuration } = raft;
  const of = role === 'leader' ? '' : ` leader ${leader ?? 'unknown'}`;
  const lines = [
    `${id}: ${role} term ${currentTerm} vote ${votedFor ?? 'none'}${of}, log ${log.firstIndex}..${log.lastIndex} (term ${log.lastTerm}) on disk to ${log.persistedIndex}, commit ${commitIndex} applied ${appliedIndex}, ${formatConfiguration(configuration)}@${log.configurationIndex}`,
  ];
  for (const [to, { matchIndex, nextIndex, replication }] of raft.progress) {
    const { state } = replication;
    const how =
      state === 'probe'
        ? `probe${replication.sent ? ' (asked)' : ''}`
        : state === 'snapshot'
          ? `snapshot up to ${replication.pendingIndex}`
          : `replicate${replication.inflight.length > 0 ? `, in flight to ${replication.inflight.map(({ lastIndex }) => lastIndex).join(' ')}` : ''}`;
    lines.push(`${id}:   ${to} match ${matchIndex} next ${nextIndex} ${how}`);
  }
  return lines;
}

function list(ids: string[]): string {
  return ids.length > 0 ? ids.join(' ') : 'none';
}
