/**
 * This node's side of writing: calls are joined into items, one a turn, each under a (session, sequence),
 * sent to the leader in one hop and sent again until this node has applied them (DESIGN §4.4, §4.5).
 *
 *   call → waiting → item: unsent ⇄ sent → accepted → applied here → answered
 *
 * Sending again is safe, since the store answers a repeated sequence with its first outcome.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Random } from '#src/ports/random.ts';
import type { NodeId } from '#src/raft/types.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, isFault } from '#src/std/fault.ts';
import { assembleItem, encodeTransactions, versionNeeded } from '#src/store/codec.ts';
import type { CommandVersion, Outcome, Transaction, TransactionResult } from '#src/store/command.ts';
import type { AppliedItem } from '#src/store/store.ts';
import type { Proposer } from './proposer.ts';
import * as limits from './settings.ts';

/** What goes to the leader, by `replica.propose`: encoded items, or a session to open. */
export type ProposalMessage = {
  items: Uint8Array[];
  open?: string;
  /** The highest command version that an item needs; 1 when absent. */
  version?: CommandVersion;
};

/** How proposals find the leader; given by the replica. */
export interface ProposalRoute {
  leader(): { id: NodeId; term: number } | undefined;
  /** Of the cluster, as applied here. */
  commandVersion(): number;
  /**
   * Hand over to the leader; resolves when they are in its log, which is no promise.
   * REPLICA_NOT_LEADER, REPLICA_OVERLOADED and WIRE_UNREACHABLE are certain refusals, all else is uncertain.
   */
  send(to: NodeId, message: ProposalMessage): Promise<void>;
  /** What the store knows already, after a snapshot was installed. */
  outcomeOf(session: string, sequence: number): Outcome | undefined;
}

type Call = {
  body: Uint8Array;
  version: CommandVersion;
  /** Transactions in the body. */
  count: number;
  deadlineAt: number;
  resolve: (results: TransactionResult[]) => void;
  reject: (fault: Fault) => void;
  settled: boolean;
};

type Item = {
  session: string;
  /** 0: not a batch item but the opening of the session. */
  sequence: number;
  calls: Call[];
  bytes: Uint8Array;
  version: CommandVersion;
  transactions: number;
  progress: { state: 'unsent'; notBefore: number } | { state: 'sent' | 'accepted'; leader: NodeId; term: number };
  /** Times it was handed over and not certainly refused: each may be in a log. */
  uncertainAttempts: number;
};

const CERTAIN_REFUSALS = new Set(['REPLICA_NOT_LEADER', 'REPLICA_OVERLOADED', 'WIRE_UNREACHABLE']);

export class Proposals implements Proposer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #route: ProposalRoute;
  #waiting: Call[] = [];
  #calls = 0;
  #bytes = 0;
  #session: { id: string; open: boolean } | undefined;
  /** Goes on over sessions, so that a sequence names an item in flight whatever its session. */
  #nextSequence = 1;
  /** By sequence, ascending by insertion. */
  #inFlight = new Map<number, Item>();
  #inFlightTransactions = 0;
  #flushing = false;
  #stopped: Fault | undefined;

  constructor(options: { clock: Clock; random: Random; route: ProposalRoute }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#route = options.route;
  }

  propose(transactions: Transaction[], options: { deadlineMs: number }): Promise<TransactionResult[]> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const version = versionNeeded(transactions);
    return this.proposeEncoded(encodeTransactions(transactions), transactions.length, { ...options, version });
  }

  /**
   * The same for what `encodeTransactions` made, `count` of them; whoever calls has seen that it decodes, with nothing
   * in it above `version` (1 by default).
   */
  proposeEncoded(
    body: Uint8Array,
    count: number,
    options: { deadlineMs: number; version?: CommandVersion },
  ): Promise<TransactionResult[]> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    const { version = 1 } = options;
    const refusal = this.#refuse(count) ?? this.#refuseVersion(version);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (body.length > limits.PROPOSAL_BYTES_MAX) {
      const message = `a proposal of ${body.length} bytes is above the limit of ${limits.PROPOSAL_BYTES_MAX}; split it`;
      return Promise.reject(new Fault('REPLICA_TOO_LARGE', message, 'never'));
    }
    this.#calls++;
    this.#bytes += body.length;
    const deadlineAt = this.#clock.monotonicMs() + options.deadlineMs;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, version, count, deadlineAt, resolve, reject, settled: false });
      this.#flushLater();
    });
  }

  /** Whether calls wait, or retries are due. */
  get busy(): boolean {
    return this.#calls > 0 || this.#inFlight.size > 0;
  }

  /** Outcomes of an entry that was applied here. */
  applied(items: readonly AppliedItem[]): void {
    for (const { session, sequence, outcome } of items) {
      const item = this.#inFlight.get(sequence);
      if (item !== undefined && item.session === session) this.#settle(item, outcome);
    }
  }

  /** A snapshot was installed: what it covers is not applied entry by entry. */
  installed(): void {
    for (const item of this.#inFlight.values()) {
      if (item.sequence === 0) {
        // No sequence is that high: unknown can only mean that there is no such session.
        const open = this.#route.outcomeOf(item.session, Number.MAX_SAFE_INTEGER)?.type !== 'unknown';
        if (open) this.#settle(item, { type: 'done', results: [] });
        continue;
      }
      const outcome = this.#route.outcomeOf(item.session, item.sequence);
      if (outcome !== undefined) this.#settle(item, outcome);
    }
  }

  /** Who leads has changed: what was with the old leader is sent to the new one. */
  leaderChanged(): void {
    const leader = this.#route.leader();
    for (const item of this.#inFlight.values()) {
      if (item.progress.state === 'unsent') item.progress.notBefore = 0;
      else if (leader === undefined || item.progress.term !== leader.term || item.progress.leader !== leader.id) {
        item.progress = { state: 'unsent', notBefore: 0 };
      }
    }
    this.#flushLater();
  }

  /** Look at deadlines and due retries; every few ms. */
  tick(): void {
    const now = this.#clock.monotonicMs();
    for (const call of this.#waiting) if (call.deadlineAt <= now) this.#expire(call, false);
    this.#waiting = this.#waiting.filter(({ settled }) => !settled);
    let due = false;
    for (const item of this.#inFlight.values()) {
      for (const call of item.calls)
        if (call.deadlineAt <= now && !call.settled) this.#expire(call, item.uncertainAttempts > 0);
      if (item.sequence !== 0 && item.calls.every(({ settled }) => settled)) this.#remove(item);
      else if (item.uncertainAttempts === 0 && item.calls.some(({ settled }) => settled)) this.#leaveOut(item);
      else if (item.progress.state === 'unsent' && item.progress.notBefore <= now) due = true;
    }
    if (due || this.#waiting.length > 0) this.#flushLater();
  }

  /** Nothing more is proposed; what may be in a log is unknown. */
  stop(fault: Fault): void {
    this.#stopped = fault;
    for (const call of this.#waiting) this.#fail(call, fault);
    this.#waiting = [];
    for (const item of this.#inFlight.values()) {
      for (const call of item.calls)
        if (!call.settled) this.#fail(call, item.uncertainAttempts > 0 ? unknown('this replica stopped') : fault);
      this.#remove(item);
    }
  }

  #refuseVersion(version: CommandVersion): Fault | undefined {
    const cluster = this.#route.commandVersion();
    if (version <= cluster) return undefined;
    const message =
      `a proposal needs command version ${version}, the cluster is at ${cluster}: ` +
      'not all of its members run a program that knows it';
    return new Fault('REPLICA_VERSION', message, 'later');
  }

  #refuse(count: number): Fault | undefined {
    if (count > limits.ITEM_TRANSACTIONS_MAX) {
      const message = `${count} transactions in one proposal, the limit is ${limits.ITEM_TRANSACTIONS_MAX}; split it`;
      return new Fault('REPLICA_TOO_LARGE', message, 'never');
    }
    if (this.#calls < limits.QUEUE_CALLS_MAX && this.#bytes < limits.QUEUE_BYTES_MAX) return undefined;
    const message = `${this.#calls} proposals of ${this.#bytes} bytes wait on this node already; try again later`;
    return new Fault('REPLICA_OVERLOADED', message, 'later');
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.endOfTurn(() => {
      this.#flushing = false;
      if (this.#stopped === undefined) this.#flush();
    });
  }

  #flush(): void {
    if (this.#session === undefined && this.#waiting.length > 0) this.#openSession();
    if (this.#session?.open === true) this.#makeItems();
    const leader = this.#route.leader();
    if (leader === undefined) return;
    const now = this.#clock.monotonicMs();
    const due: Item[] = [];
    for (const item of this.#inFlight.values()) {
      if (item.progress.state !== 'unsent' || item.progress.notBefore > now) continue;
      item.progress = { state: 'sent', leader: leader.id, term: leader.term };
      item.uncertainAttempts++;
      due.push(item);
    }
    for (const group of grouped(due)) void this.#send(leader.id, group);
  }

  #openSession(): void {
    const id = this.#random.uuid();
    this.#session = { id, open: false };
    this.#inFlight.set(0, {
      session: id,
      sequence: 0,
      calls: [],
      bytes: new Uint8Array(0),
      version: 1,
      transactions: 0,
      progress: { state: 'unsent', notBefore: 0 },
      uncertainAttempts: 0,
    });
  }

  /** Join waiting calls, as far as the bounds on what is in flight allow. */
  #makeItems(): void {
    const session = this.#session!;
    let taken = 0;
    while (taken < this.#waiting.length && this.#roomInFlight()) {
      const calls: Call[] = [];
      let bytes = 0;
      let count = 0;
      let version: CommandVersion = 1;
      for (; taken < this.#waiting.length; taken++) {
        const call = this.#waiting[taken]!;
        const full =
          bytes + call.body.length > limits.ENTRY_BYTES_MAX || count + call.count > limits.ITEM_TRANSACTIONS_MAX;
        if (calls.length > 0 && full) break;
        calls.push(call);
        if (call.version > version) version = call.version;
        bytes += call.body.length;
        count += call.count;
      }
      const sequence = this.#nextSequence++;
      this.#inFlightTransactions += count;
      this.#inFlight.set(sequence, {
        session: session.id,
        sequence,
        calls,
        bytes: assembleItem({ session: session.id, sequence, count, bodies: calls.map(({ body }) => body) }),
        version,
        transactions: count,
        progress: { state: 'unsent', notBefore: 0 },
        uncertainAttempts: 0,
      });
    }
    if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  #roomInFlight(): boolean {
    const oldest: number | undefined = this.#inFlight.keys().next().value;
    return (
      this.#inFlight.size < limits.IN_FLIGHT_ITEMS_MAX &&
      this.#inFlightTransactions < limits.IN_FLIGHT_TRANSACTIONS_MAX &&
      (oldest === undefined || this.#nextSequence - oldest < limits.IN_FLIGHT_SPAN_MAX)
    );
  }

  async #send(leader: NodeId, items: Item[]): Promise<void> {
    const open = items.find(({ sequence }) => sequence === 0);
    const message: ProposalMessage = { items: items.filter((item) => item !== open).map(({ bytes }) => bytes) };
    if (open !== undefined) message.open = open.session;
    if (items.some(({ version }) => version > 1)) message.version = 2;
    const attempt = items.map((item) => item.progress);
    try {
      await this.#route.send(leader, message);
      for (const [at, item] of items.entries()) {
        // A leader change may have begun another attempt meanwhile; that one is judged by its own reply.
        if (item.progress === attempt[at] && item.progress.state === 'sent') item.progress.state = 'accepted';
      }
    } catch (error) {
      // Uncertain or refused, the remedy is the same: send again. Only the answer at the deadline differs.
      const certain = isFault(error) && CERTAIN_REFUSALS.has(error.code);
      const notBefore = this.#clock.monotonicMs() + limits.RETRY_PAUSE_MS;
      for (const [at, item] of items.entries()) {
        if (certain) item.uncertainAttempts--;
        if (item.progress === attempt[at]) item.progress = { state: 'unsent', notBefore };
      }
    }
  }

  #settle(item: Item, outcome: Outcome): void {
    this.#remove(item);
    if (item.sequence === 0) {
      if (this.#session?.id === item.session) this.#session.open = true;
      this.#flushLater();
      return;
    }
    if (outcome.type === 'done') {
      let from = 0;
      for (const call of item.calls) {
        const results = outcome.results.slice(from, from + call.count);
        from += call.count;
        if (call.settled) continue;
        this.#close(call);
        call.resolve(results);
      }
      assert(from === outcome.results.length, `${outcome.results.length} results for ${from} transactions`);
    } else {
      this.#sessionLost(item);
    }
    if (this.#waiting.length > 0) this.#flushLater();
  }

  /** The store has forgotten the session: begin another. What was tried only once was certainly not executed. */
  #sessionLost(item: Item): void {
    if (this.#session?.id === item.session) this.#session = undefined;
    const open = item.calls.filter(({ settled }) => !settled);
    if (item.uncertainAttempts <= 1) {
      this.#waiting = [...open, ...this.#waiting];
      this.#flushLater();
      return;
    }
    for (const call of open) this.#fail(call, unknown('the store has forgotten the session'));
  }

  #expire(call: Call, uncertain: boolean): void {
    if (uncertain) {
      this.#fail(call, unknown('it was not applied here before the deadline'));
      return;
    }
    const leader = this.#route.leader();
    const who = leader === undefined ? 'no leader is known' : `the leader ${leader.id} did not take it`;
    this.#fail(call, new Fault('REPLICA_NO_LEADER', `not proposed before the deadline: ${who}; try again`, 'later'));
  }

  #fail(call: Call, fault: Fault): void {
    this.#close(call);
    call.reject(fault);
  }

  #close(call: Call): void {
    call.settled = true;
    this.#calls--;
    this.#bytes -= call.body.length;
  }

  /** Whoever was told that nothing was proposed must not be in what is sent after all. The item is in no log yet. */
  #leaveOut(item: Item): void {
    item.calls = item.calls.filter(({ settled }) => !settled);
    const count = item.calls.reduce((sum, call) => sum + call.count, 0);
    this.#inFlightTransactions -= item.transactions - count;
    item.transactions = count;
    item.version = item.calls.some(({ version }) => version > 1) ? 2 : 1;
    const { session, sequence, calls } = item;
    item.bytes = assembleItem({ session, sequence, count, bodies: calls.map(({ body }) => body) });
  }

  #remove(item: Item): void {
    if (this.#inFlight.get(item.sequence) !== item) return;
    this.#inFlight.delete(item.sequence);
    this.#inFlightTransactions -= item.transactions;
  }
}

function unknown(why: string): Fault {
  return new Fault(
    'REPLICA_OUTCOME_UNKNOWN',
    `the write may or may not happen: ${why}; read before writing again`,
    'later',
  );
}

/** In messages of about one entry, at least one item each. */
function grouped(items: readonly Item[]): Item[][] {
  const groups: Item[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    if (bytes + item.bytes.length > limits.ENTRY_BYTES_MAX) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(item);
    bytes += item.bytes.length;
  }
  return groups;
}
