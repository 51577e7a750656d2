/** What the next Ready will hold besides the log: messages, confirmed reads, snapshots that are wanted. */
import type { Message, NodeId, Ready } from './types.ts';

export type Outgoing = Pick<Ready, 'messages' | 'messagesAfterPersist' | 'reads' | 'snapshotsFor'>;

export class Outbox {
  #content: Outgoing = empty();

  get isEmpty(): boolean {
    const { messages, messagesAfterPersist, reads, snapshotsFor } = this.#content;
    return messages.length + messagesAfterPersist.length + reads.length + snapshotsFor.length === 0;
  }

  /** May leave before the own disk has synced. */
  send(to: NodeId, message: Message): void {
    this.#content.messages.push({ to, message });
  }

  /** Promises something: leaves when all that it may rest on is durable. */
  sendAfterPersist(to: NodeId, message: Message): void {
    this.#content.messagesAfterPersist.push({ to, message });
  }

  confirmRead(read: Ready['reads'][number]): void {
    this.#content.reads.push(read);
  }

  wantSnapshot(to: NodeId): void {
    this.#content.snapshotsFor.push(to);
  }

  /** Of a deposed leader. Sent in the new term they would make us its leader in the eyes of the receiver. */
  dropSnapshots(): void {
    this.#content.snapshotsFor = [];
  }

  take(): Outgoing {
    const content = this.#content;
    this.#content = empty();
    return content;
  }
}

function empty(): Outgoing {
  return { messages: [], messagesAfterPersist: [], reads: [], snapshotsFor: [] };
}
