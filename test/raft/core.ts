/** One core under the microscope: the test plays the disk and all the other members. */
import { Raft, RAFT_DEFAULTS } from '#src/raft/raft.ts';
import { plantedMutations } from './plant.ts';
import type { RaftConfig } from '#src/raft/raft.ts';
import type { Configuration, Entry, HardState, Message, NodeId, Ready, SnapshotMeta } from '#src/raft/types.ts';

export type Sent = { to: NodeId; message: Message };
export type Of<T extends Message['type']> = Message & { type: T };

export interface CoreOptions {
  id?: NodeId;
  voters?: NodeId[];
  learners?: NodeId[];
  term?: number;
  votedFor?: NodeId;
  /** Terms of the entries 1, 2, 3 ... */
  logTerms?: number[];
  commitIndex?: number;
  repairTo?: number;
  config?: Partial<RaftConfig>;
  snapshot?: SnapshotMeta;
  entries?: Entry[];
  /** Draws the election timeout; 0: the shortest. */
  randomBelow?: (bound: number) => number;
}

export class Core {
  readonly raft: Raft;
  /** Not yet synced, for tests that hold the disk back. */
  held: Ready[] = [];
  /** When false, readies stay in `held` until `sync`. */
  syncs = true;
  committed: Entry[] = [];
  reads: Ready['reads'] = [];
  snapshotsFor: NodeId[] = [];

  constructor(options: CoreOptions = {}) {
    const { id = 'n1', voters = ['n1', 'n2', 'n3'], learners = [], logTerms = [] } = options;
    const entries = options.entries ?? logTerms.map((term, i) => entry(i + 1, term));
    const term = options.term ?? Math.max(0, ...entries.map((one) => one.term));
    this.raft = new Raft({
      id,
      config: { ...RAFT_DEFAULTS, mutations: new Set(plantedMutations()), ...options.config },
      randomBelow: options.randomBelow ?? (() => 0),
      recovered: {
        hardState: { currentTerm: term, votedFor: options.votedFor, commitIndex: options.commitIndex ?? 0 },
        snapshot: options.snapshot ?? {
          index: 0,
          term: 0,
          configuration: configurationOf(voters, learners),
          configurationIndex: 0,
        },
        entries,
        repairTo: options.repairTo,
      },
    });
    this.take();
  }

  /** Everything that became ready is done; the messages that left. */
  take(): Sent[] {
    const sent: Sent[] = [];
    for (let ready = this.raft.ready(); ready; ready = this.raft.ready()) {
      sent.push(...ready.messages);
      this.committed.push(...ready.committed);
      this.reads.push(...ready.reads);
      this.snapshotsFor.push(...ready.snapshotsFor);
      this.held.push(ready);
      if (this.syncs) sent.push(...this.#syncAll());
      const last = ready.committed.at(-1);
      if (last) this.raft.applied(last.index);
    }
    return sent;
  }

  /** The oldest `count` readies that were held back become durable. */
  sync(count = Infinity): Sent[] {
    return [...this.#syncAll(count), ...this.take()];
  }

  do(act: (raft: Raft) => void): Sent[] {
    act(this.raft);
    return this.take();
  }

  deliver(from: NodeId, ...messages: Message[]): Sent[] {
    return this.do((raft) => {
      for (const message of messages) raft.receive(from, message);
    });
  }

  tick(count = 1): Sent[] {
    const sent: Sent[] = [];
    for (let i = 0; i < count; i += 1) sent.push(...this.do((raft) => raft.tick()));
    return sent;
  }

  /** Silence until the election timeout: this node asks for pre-votes. */
  timeOut(): Sent[] {
    return this.tick(this.raft.config.electionTimeoutTicks);
  }

  /** Time out, and be granted the pre-votes of these: the requests for real votes. */
  campaign(...granting: NodeId[]): Sent[] {
    this.timeOut();
    const term = this.raft.currentTerm + 1;
    return granting.flatMap((from) => this.deliver(from, { type: 'voteReply', term, preVote: true, granted: true }));
  }

  /** Win an election with the votes of these: what the new leader sends. */
  lead(...granting: NodeId[]): Sent[] {
    this.campaign(...granting);
    return granting.flatMap((from) => this.deliver(from, this.vote(true)));
  }

  propose(...texts: string[]): Sent[] {
    return this.do((raft) => void raft.propose(texts.map((text) => new TextEncoder().encode(text))));
  }

  /** A reply of a member, in the current term. */
  vote(granted: boolean): Message {
    return { type: 'voteReply', term: this.raft.currentTerm, preVote: false, granted };
  }

  accept(index: number): Message {
    return { type: 'appendReply', term: this.raft.currentTerm, rejected: false, index, hintIndex: 0, hintTerm: 0 };
  }

  refuse(index: number, hintIndex: number, hintTerm: number): Message {
    return { type: 'appendReply', term: this.raft.currentTerm, rejected: true, index, hintIndex, hintTerm };
  }

  /** The terms of the whole log. */
  get logTerms(): number[] {
    const { log } = this.raft;
    return Array.from({ length: log.lastIndex }, (_, i) => log.termAt(i + 1) ?? 0);
  }

  #syncAll(count = Infinity): Sent[] {
    return this.held.splice(0, count).flatMap(({ id, hardState, messagesAfterPersist }) => {
      if (hardState) this.raft.persisted(id);
      return messagesAfterPersist;
    });
  }
}

export function core(options?: CoreOptions): Core {
  return new Core(options);
}

/** A leader whose no-op is committed by `n2`. */
export function leader(options?: CoreOptions): Core {
  const one = core(options);
  const granting = (options?.voters ?? ['n1', 'n2', 'n3']).filter((id) => id !== one.raft.id);
  one.lead(...granting);
  for (const id of granting) one.deliver(id, one.accept(one.raft.log.lastIndex));
  return one;
}

export function configurationOf(
  voters: NodeId[],
  learners: NodeId[] = [],
  votersOutgoing: NodeId[] = [],
): Configuration {
  const ids = [...voters, ...votersOutgoing, ...learners];
  return { voters, votersOutgoing, learners, addresses: Object.fromEntries(ids.map((id) => [id, id])) };
}

export function entry(index: number, term: number, text = `${index}`): Entry {
  return { index, term, type: 'command', data: new TextEncoder().encode(text) };
}

export function vote(fields: Partial<Of<'vote'>> = {}): Message {
  return { type: 'vote', term: 1, preVote: false, lastLogIndex: 0, lastLogTerm: 0, transfer: false, ...fields };
}

export function append(fields: Partial<Of<'append'>> = {}): Message {
  return { type: 'append', term: 1, prevIndex: 0, prevTerm: 0, entries: [], commitIndex: 0, ...fields };
}

export function heartbeat(fields: Partial<Of<'heartbeat'>> = {}): Message {
  return { type: 'heartbeat', term: 1, commitIndex: 0, context: 0, ...fields };
}

/** Only the messages of this type, with whom they go to. */
export function only<T extends Message['type']>(sent: Sent[], type: T): (Of<T> & { to: NodeId })[] {
  return sent.flatMap(({ to, message }) => (message.type === type ? [{ ...(message as Of<T>), to }] : []));
}

export function hardStateOf(ready: Ready | undefined): HardState | undefined {
  return ready?.hardState;
}
