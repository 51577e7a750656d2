/** How the leader brings the members' logs to its own: appends, probes and heartbeats (Raft §5.3). */
import { membersOf } from './configuration.ts';
import type { RaftLog } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { RaftMark } from './marks.ts';
import type { RaftMutation } from './mutations.ts';
import { becomeProbe, forget, mayReceive, newProgress, reject, type Progress } from './progress.ts';
import type { Message, NodeId } from './types.ts';

export interface ReplicationLimits {
  /** Bytes of entry data in one append; one entry may exceed it. */
  appendBytesMax: number;
  inflightMessagesMax: number;
  inflightBytesMax: number;
}

/** What messages say of the leader, as it is now. */
export interface Office {
  readonly id: NodeId;
  readonly currentTerm: number;
  readonly commitIndex: number;
}

export class Replication {
  /** By member, the leader itself left out. Empty when this node does not lead. */
  readonly progress = new Map<NodeId, Progress>();
  readonly #log: RaftLog;
  readonly #limits: ReplicationLimits;
  readonly #outbox: Outbox;
  readonly #office: Office;
  readonly #mark: (mark: RaftMark) => void;
  readonly #mutations: ReadonlySet<RaftMutation> | undefined;

  constructor(options: {
    log: RaftLog;
    limits: ReplicationLimits;
    outbox: Outbox;
    office: Office;
    mark: (mark: RaftMark) => void;
    mutations?: ReadonlySet<RaftMutation> | undefined;
  }) {
    this.#mark = options.mark;
    this.#mutations = options.mutations;
    this.#log = options.log;
    this.#limits = options.limits;
    this.#outbox = options.outbox;
    this.#office = options.office;
  }

  /** Follow the configuration: who came is probed, who went is forgotten. */
  syncMembers(tick: number): void {
    const members = new Set(membersOf(this.#log.configuration));
    for (const id of members) {
      if (id !== this.#office.id && !this.progress.has(id))
        this.progress.set(id, newProgress(this.#log.lastIndex + 1, tick));
    }
    for (const id of this.progress.keys()) if (!members.has(id)) this.progress.delete(id);
  }

  sendToAll(): void {
    for (const [to, progress] of this.progress) this.send(to, progress);
  }

  /** `context`: the newest ReadIndex round. */
  sendHeartbeats(context: number): void {
    const { currentTerm: term, commitIndex } = this.#office;
    for (const [to, { matchIndex }] of this.progress) {
      // Never more than what the member is known to have: it could take an older entry for committed.
      const known = this.#mutations?.has('unclamped-heartbeat-commit')
        ? commitIndex
        : Math.min(commitIndex, matchIndex);
      this.#outbox.send(to, { type: 'heartbeat', term, commitIndex: known, context });
    }
  }

  /** All that the member lacks and may receive now; the commit index when it is news to it. */
  send(to: NodeId, progress: Progress): void {
    const log = this.#log;
    const { inflightMessagesMax: messagesMax, inflightBytesMax: bytesMax, appendBytesMax } = this.#limits;
    while (mayReceive(progress, { messagesMax, bytesMax })) {
      const { nextIndex, replication } = progress;
      const prevTerm = log.termAt(nextIndex - 1);
      if (prevTerm === undefined || nextIndex < log.firstIndex) {
        progress.replication = { state: 'snapshot', pendingIndex: log.firstIndex - 1 };
        this.#mark('raft: snapshot wanted by a member');
        this.#outbox.wantSnapshot(to);
        return;
      }
      const entries = nextIndex <= log.lastIndex ? log.slice(nextIndex, log.lastIndex, appendBytesMax) : [];
      const isNews = entries.length > 0 || progress.sentCommit < this.#office.commitIndex;
      if (!isNews && replication.state !== 'probe') return;
      progress.sentCommit = this.#office.commitIndex;
      this.#sendAppend(to, { prevIndex: nextIndex - 1, prevTerm, entries, generation: progress.generation });
      if (replication.state === 'probe') {
        replication.sent = true;
      } else if (replication.state === 'replicate' && entries.length > 0) {
        const bytes = entries.reduce((sum, entry) => sum + entry.data.length, 0);
        replication.inflight.push({ lastIndex: nextIndex - 1 + entries.length, bytes });
        replication.inflightBytes += bytes;
        progress.nextIndex += entries.length;
      }
      if (entries.length === 0) return;
    }
    if (progress.replication.state === 'replicate' && progress.nextIndex <= log.lastIndex)
      this.#mark('raft: append paused by a full window');
  }

  /** The member has refused an append: begin again where the logs may agree. */
  refused(from: NodeId, progress: Progress, message: Message & { type: 'appendReply' }): void {
    // Sent before sending began anew: what follows it has been sent again already.
    const { generation = progress.generation } = message;
    if (generation !== progress.generation && message.impaired !== true) return;
    // Skip whole terms that the two logs cannot share (Raft §5.3, last paragraphs).
    const agree = this.#log.lastIndexOfTermAtMost(message.hintIndex, message.hintTerm);
    if (message.impaired === true && forget(progress, agree))
      this.#mark('raft: leader forgot what a damaged member had');
    if (reject(progress, message.index, agree)) {
      this.#mark('raft: append refused, and probed further back');
      this.send(from, progress);
    } else if (message.impaired === true) this.send(from, progress);
  }

  /** A lost message or answer must not pause a member for ever: whoever hears us is sent to again. */
  heard(from: NodeId, progress: Progress): void {
    if (this.#mutations?.has('no-probe-after-loss')) return;
    if (progress.replication.state === 'probe') progress.replication.sent = false;
    else if (progress.replication.state === 'replicate') this.#askForMatch(from, progress);
    if (progress.matchIndex < this.#log.lastIndex) this.send(from, progress);
  }

  snapshotSent(progress: Progress, ok: boolean): void {
    if (progress.replication.state !== 'snapshot') return;
    const { pendingIndex } = progress.replication;
    if (ok) {
      becomeProbe(progress);
      progress.nextIndex = Math.max(progress.nextIndex, pendingIndex + 1);
    } else {
      this.#mark('raft: snapshot transfer failed');
      // Not at once: to a member that is down that would be a busy loop.
      progress.replication = { state: 'probe', sent: true };
    }
  }

  /**
   * An empty append after all that was sent: accepted, it acknowledges everything in flight; refused, it
   * tells where to begin again. Without it a loss shows only when there is something more to send.
   */
  #askForMatch(to: NodeId, progress: Progress): void {
    const prevIndex = progress.nextIndex - 1;
    if (progress.matchIndex === prevIndex) return;
    const prevTerm = this.#log.termAt(prevIndex);
    if (prevTerm === undefined) becomeProbe(progress);
    else {
      this.#mark('raft: probe after a loss');
      this.#sendAppend(to, { prevIndex, prevTerm, entries: [], generation: progress.generation });
    }
  }

  #sendAppend(
    to: NodeId,
    what: Pick<Message & { type: 'append' }, 'prevIndex' | 'prevTerm' | 'entries' | 'generation'>,
  ): void {
    const { currentTerm: term, commitIndex } = this.#office;
    this.#outbox.send(to, { type: 'append', term, ...what, commitIndex });
  }
}
