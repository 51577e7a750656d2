/**
 * Comparing the states of the replicas: the leader puts a checkpoint into the log, every replica tells it the hash of
 * its state at that entry, and a state that a majority of the voters does not share is diverged. `deep` checkpoints hash
 * all bytes, in slices, since the running hash cannot see what a broken memory changes later.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { NodeId } from '#src/raft/types.ts';
import { encodeCommand } from '#src/store/codec.ts';
import { DeepHash } from '#src/store/hash.ts';
import type { Checkpoint, Store } from '#src/store/store.ts';
import type { ReplicaMark } from './marks.ts';
import { CHECK_REPORT_REST_MS, CHECK_ROUND_MS, CHECK_ROUNDS_MAX } from './settings.ts';
import type { ReplicaSettings } from './settings.ts';

export const CHECK_CHANNEL = 'replica.check';

/** `report`: to the leader. `diverged`: to a member whose state at the index is not the majority's. */
export type CheckMessage =
  | { type: 'report'; index: number; term: number; hash: string }
  | { type: 'diverged'; index: number; term: number; hash: string; expected: string };

export interface ChecksRoute {
  leader(): { id: NodeId; term: number } | undefined;
  voters(): NodeId[];
  members(): NodeId[];
  propose(data: Uint8Array): boolean;
  send(to: NodeId, message: CheckMessage): void;
  /** This replica's state is not what a majority has. */
  diverged(index: number, why: string): void;
  /** Another member's is, or nobody can say whose is right; undefined: all agree again. */
  alarm(message: string | undefined): void;
}

type Round = { term: number; sinceMs: number; reports: Map<NodeId, string>; told: boolean };

export class Checks {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: Store;
  readonly #settings: ReplicaSettings;
  readonly #route: ChecksRoute;
  readonly #mark: (mark: ReplicaMark) => void;
  #term: number | undefined;
  #checkedAt = 0;
  #checkedIndex = 0;
  #deepAt = 0;
  #hashing = false;
  #stopped = false;
  /** Counts states: a hash begun before a refill says nothing of what is now. */
  #generation = 0;
  /** What this replica has reported lately, to answer to. */
  #mine = new Map<number, { term: number; hash: string }>();
  #rounds = new Map<number, Round>();

  constructor(options: {
    self: NodeId;
    clock: Clock;
    log: Log;
    store: Store;
    settings: ReplicaSettings;
    route: ChecksRoute;
    mark: (mark: ReplicaMark) => void;
  }) {
    this.#self = options.self;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#store = options.store;
    this.#settings = options.settings;
    this.#route = options.route;
    this.#mark = options.mark;
    this.#store.onCheckpoint((checkpoint) => this.#reached(checkpoint));
  }

  office(term: number | undefined): void {
    this.#term = term;
    this.#rounds.clear();
    const now = this.#clock.monotonicMs();
    this.#checkedAt = now;
    this.#deepAt = now;
  }

  /** The state is another: reports about the one before are void. */
  replaced(): void {
    this.#generation++;
    this.#mine.clear();
  }

  stop(): void {
    this.#stopped = true;
  }

  tick(): void {
    if (this.#term === undefined) return;
    const now = this.#clock.monotonicMs();
    for (const [index, round] of this.#rounds) if (now - round.sinceMs >= CHECK_ROUND_MS) this.#close(index, round);
    const { checkMs, checkEntries, deepCheckMs } = this.#settings;
    const news = this.#store.appliedIndex - this.#checkedIndex;
    if (news <= 0 || (now - this.#checkedAt < checkMs && news < checkEntries)) return;
    if (this.#store.commandVersion < 2 || this.#route.members().length < 2) return;
    const deep = now - this.#deepAt >= deepCheckMs;
    this.#checkedAt = now;
    this.#checkedIndex = this.#store.appliedIndex;
    if (deep) this.#deepAt = now;
    this.#route.propose(encodeCommand({ version: 2, type: 'checkpoint', deep }));
  }

  receive(from: NodeId, message: CheckMessage): void {
    if (this.#stopped) return;
    if (message.type === 'report') {
      this.#reported(from, message);
      return;
    }
    // Only the leader judges, only of what this state has reported itself.
    const mine = this.#mine.get(message.index);
    if (this.#route.leader()?.id !== from || mine?.term !== message.term || mine.hash !== message.hash) return;
    this.#route.diverged(
      message.index,
      `hash ${message.hash} at index ${message.index}, a majority has ${message.expected}`,
    );
  }

  #reached({ index, term, hash, deep }: Checkpoint): void {
    this.#checkedIndex = index;
    const running = hash.toString(16).padStart(8, '0');
    if (deep) void this.#reportDeep(index, term, running);
    else this.#report(index, term, running);
  }

  /** One at a time; what is not reported is not judged. */
  async #reportDeep(index: number, term: number, running: string): Promise<void> {
    if (this.#hashing) return;
    this.#hashing = true;
    const generation = this.#generation;
    const capture = this.#store.snapshot();
    try {
      const deep = new DeepHash();
      for (const chunk of capture.chunks()) {
        deep.update(chunk);
        await new Promise<void>((resolve) => void this.#clock.after(CHECK_REPORT_REST_MS, resolve));
        if (this.#stopped || generation !== this.#generation) return;
      }
      this.#report(index, term, `${running}-${deep.digest()}`);
    } finally {
      capture.release();
      this.#hashing = false;
    }
  }

  #report(index: number, term: number, hash: string): void {
    this.#mine.set(index, { term, hash });
    for (const old of this.#mine.keys()) if (this.#mine.size > CHECK_ROUNDS_MAX) this.#mine.delete(old);
    const leader = this.#route.leader();
    if (leader === undefined) return;
    const message = { type: 'report', index, term, hash } as const;
    if (leader.id === this.#self) this.#reported(this.#self, message);
    else this.#route.send(leader.id, message);
  }

  #reported(from: NodeId, { index, term, hash }: CheckMessage & { type: 'report' }): void {
    if (this.#term === undefined || !this.#route.members().includes(from)) return;
    let round = this.#rounds.get(index);
    if (round === undefined) {
      round = { term, sinceMs: this.#clock.monotonicMs(), reports: new Map(), told: false };
      this.#rounds.set(index, round);
      for (const old of this.#rounds.keys()) if (this.#rounds.size > CHECK_ROUNDS_MAX) this.#rounds.delete(old);
    }
    if (round.term !== term) return;
    round.reports.set(from, hash);
    this.#judge(index, round);
  }

  #judge(index: number, round: Round): void {
    const { reports } = round;
    const expected = this.#majority(reports);
    const all = this.#route.members().every((id) => reports.has(id));
    if (expected === undefined) {
      if (all) this.#close(index, round);
      return;
    }
    const odd = [...reports].filter(([, hash]) => hash !== expected);
    if (odd.length > 0) this.#differ(index, round, expected, odd);
    if (all) {
      this.#mark('replica: states compared');
      if (odd.length === 0) this.#route.alarm(undefined);
      this.#rounds.delete(index);
    }
  }

  #differ(index: number, round: Round, expected: string, odd: [NodeId, string][]): void {
    this.#mark('replica: states differ');
    const who = odd.map(([id]) => id).join(', ');
    const message = `STATE_DIVERGED: the state of ${who} at index ${index} is not what a majority has (${expected})`;
    if (!round.told) this.#log.error(message, { odd: odd.map((one) => one.join(' ')).join(', '), expected });
    round.told = true;
    this.#route.alarm(message);
    for (const [id, hash] of odd) {
      if (id === this.#self) this.#route.diverged(index, `hash ${hash} at index ${index}, a majority has ${expected}`);
      else this.#route.send(id, { type: 'diverged', index, term: round.term, hash, expected });
    }
  }

  /** No more reports are awaited. Without a majority nobody can say who is right: an alarm, and nothing is thrown away. */
  #close(index: number, { reports }: Round): void {
    this.#rounds.delete(index);
    const hashes = new Set(reports.values());
    if (hashes.size < 2 || this.#majority(reports) !== undefined) return;
    this.#mark('replica: states differ without a majority');
    const message = `STATE_DIVERGED: states differ at index ${index} and no majority agrees; nothing is thrown away`;
    this.#log.error(message, { reports: [...reports].map((one) => one.join(' ')).join(', ') });
    this.#route.alarm(message);
  }

  /** The hash that more than half of all voters have. */
  #majority(reports: ReadonlyMap<NodeId, string>): string | undefined {
    const voters = this.#route.voters();
    const counts = new Map<string, number>();
    for (const id of voters) {
      const hash = reports.get(id);
      if (hash !== undefined) counts.set(hash, (counts.get(hash) ?? 0) + 1);
    }
    for (const [hash, count] of counts) if (count * 2 > voters.length) return hash;
    return undefined;
  }
}
