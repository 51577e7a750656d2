/**
 * The replicated key-value state machine: transactions, revisions, history, watches, compaction.
 * Owns: key index, version history, counters, session outcomes, watch queues; the log's format.
 * Imports: std. Never: Kubernetes types, HTTP, clocks, randomness.
 * Read next: command.ts (what can happen), view.ts (what can be read), state.ts (what is kept), transaction.ts,
 * leases.ts, watch.ts, snapshot.ts.
 */
import { assert, unreachable } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import { COMMAND_VERSIONS, decodeCommand, isKnown } from './codec.ts';
import type { BatchItem, CommandRange } from './codec.ts';
import type { Command, Key, LeaseId, Operation, Outcome, Transaction, TransactionResult, Value } from './command.ts';
import { DeepHash, mixNumber, mixString } from './hash.ts';
import type { Lease } from './leases.ts';
import type { StoreMark } from './marks.ts';
import { UNKNOWN } from './sessions.ts';
import { captureSnapshot, SnapshotReader } from './snapshot.ts';
import type { StoreSnapshot } from './snapshot.ts';
import { emptyState } from './state.ts';
import type { StoreState } from './state.ts';
import { execute } from './transaction.ts';
import { eventBytes, versionAt } from './version.ts';
import type { RangeResult, StoreView, StoreWatch } from './view.ts';
import { compacted, WatchHub } from './watch.ts';

export type { StoreSnapshot } from './snapshot.ts';
export { SnapshotReader } from './snapshot.ts';

/** Test-only faults, one switch each, that the simulator must find (reference/raft.md, simulator specification 8). */
export type StoreMutation = (typeof STORE_MUTATIONS)[number];
export const STORE_MUTATIONS = [
  'no-dedup',
  'lost-watch-event',
  'bookmark-overtakes-events',
  'compaction-drops-live-key',
  'revision-reset-after-install',
  'non-deterministic-apply',
  'apply-skips-unknown-version',
] as const;

/** Compacted events freed by each entry, so that compaction never blocks a turn. */
const PRUNE_EVENTS_PER_ENTRY = 2048;

/** What became of a batch item, for the proposer that waits for it. */
export type AppliedItem = { session: string; sequence: number; outcome: Outcome };

/** What this replica has noted at a `checkpoint` entry. */
export type Checkpoint = { index: number; term: number; hash: number; deep: boolean };

export interface Store extends StoreView {
  /** What all members of the cluster can apply; nothing above it is proposed. */
  readonly commandVersion: number;
  /** What this program can apply. */
  readonly commands: CommandRange;
  /** The leases there are, for the leader's clock. Read only. */
  readonly leases: Iterable<[LeaseId, Readonly<Lease>]> & { readonly size: number };
  /** Called while a checkpoint is applied: the state is exactly that of its index. */
  onCheckpoint(handle: (checkpoint: Checkpoint) => void): void;
  /** Test only: change a byte of a stored value, as a broken memory would. */
  corrupt(key: Key): void;
  /** Of the newest entry applied. */
  readonly appliedIndex: number;
  /** Bytes of events the history holds now, roughly. */
  readonly historyBytes: number;
  /** Bytes of events written since this store was made, roughly; only grows. For retention samples. */
  readonly writtenBytes: number;
  /** Open watches. */
  readonly watches: number;
  /**
   * Apply the command of a committed entry; indexes must ascend. One item per batch item, in order; for the
   * opening of a session one of sequence 0. An entry this program cannot read is an assertion failure: stop, do not skip.
   */
  apply(entry: { index: number; term: number; data: Uint8Array }): AppliedItem[];
  /** What became of a sequence, `unknown` below the window or without the session; undefined: not applied yet. */
  outcomeOf(session: string, sequence: number): Outcome | undefined;
  /** Capture the whole state; applying may go on while it is read. */
  snapshot(): StoreSnapshot;
  /** Replace everything by what a snapshot holds. Watches read on from its history or fail with STORE_COMPACTED. */
  restore(chunks: Iterable<Uint8Array>): void;
  /**
   * The state for a new life of the cluster, from a backup or after a forced recovery: the revision is far ahead and
   * everything before it compacted, so that no revision is used twice; sessions are gone (DESIGN §4.1, §4.6).
   */
  snapshotAfterJump(): StoreSnapshot;
  /** The same in steps: feed a SnapshotReader, then install it. */
  install(reader: SnapshotReader): void;
  /** Equal on replicas with equal applied index; mixed in as entries are applied, so asking costs nothing. */
  stateHash(): number;
  /** Hash of the snapshot bytes: everything there is. Costs as much as a snapshot; for checkers. */
  deepHash(): string;
}

export interface StoreOptions {
  mutations?: ReadonlySet<StoreMutation>;
  /** Command versions of the release that this program plays; tests of mixed releases narrow it. */
  commands?: CommandRange;
  /** For the simulator's coverage. */
  mark?: ((mark: StoreMark) => void) | undefined;
}

/** Further than a cluster can get between a backup and its loss; below 2^53 for millions of restores. */
export const REVISION_JUMP = 1_000_000_000;

export function createStore(options: StoreOptions = {}): Store {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  #state: StoreState = emptyState();
  readonly #hub: WatchHub;
  readonly #mutations: ReadonlySet<StoreMutation>;
  readonly #dedup: boolean;
  readonly #sways: boolean;
  readonly #pruning: { dropLive: boolean };
  readonly #mark: (mark: StoreMark) => void;
  readonly commands: CommandRange;
  #noteCheckpoint: (checkpoint: Checkpoint) => void = () => undefined;
  #writtenBytes = 0;
  /** Of the mutation non-deterministic-apply: something that only this node knows. */
  #localReads = 0;

  constructor({ mutations = new Set(), commands = COMMAND_VERSIONS, mark = () => undefined }: StoreOptions) {
    this.#mutations = mutations;
    this.#dedup = !mutations.has('no-dedup');
    this.#sways = mutations.has('non-deterministic-apply');
    this.#pruning = { dropLive: mutations.has('compaction-drops-live-key') };
    this.#mark = mark;
    this.commands = commands;
    this.#hub = new WatchHub(this.#state, {
      loseEvents: mutations.has('lost-watch-event'),
      progressOvertakes: mutations.has('bookmark-overtakes-events'),
      mark,
    });
  }

  get commandVersion(): number {
    return this.#state.commandVersion;
  }

  get leases(): Iterable<[LeaseId, Readonly<Lease>]> & { readonly size: number } {
    return this.#state.leases;
  }

  onCheckpoint(handle: (checkpoint: Checkpoint) => void): void {
    this.#noteCheckpoint = handle;
  }

  corrupt(key: Key): void {
    const latest = this.#state.index.get(key)?.latest;
    assert(latest !== undefined && latest.bytes.length > 0, `there is no value of ${key} to corrupt`);
    latest.bytes[0] = latest.bytes[0]! ^ 1;
  }

  get revision(): number {
    return this.#state.revision;
  }

  get compactedRevision(): number {
    return this.#state.compactedRevision;
  }

  get appliedIndex(): number {
    return this.#state.appliedIndex;
  }

  get historyBytes(): number {
    return this.#state.historyBytes;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get watches(): number {
    return this.#hub.size;
  }

  apply(entry: { index: number; term: number; data: Uint8Array }): AppliedItem[] {
    const state = this.#state;
    assert(entry.index > state.appliedIndex, `entry ${entry.index} comes after ${state.appliedIndex} was applied`);
    if (this.#mutations.has('apply-skips-unknown-version') && !isKnown(entry.data, this.commands)) {
      state.appliedIndex = entry.index;
      return [];
    }
    const command = decodeCommand(entry.data, this.commands);
    // Leaders see to it. The state of a lower version has no place for what such an entry does.
    assert(
      command.version <= state.commandVersion || command.type === 'setVersion',
      `entry ${entry.index} has command version ${command.version}, the cluster is at ${state.commandVersion}`,
    );
    state.appliedIndex = entry.index;
    const applied = this.#perform(command, entry);
    state.hash = mixNumber(state.hash, entry.index);
    state.prune(PRUNE_EVENTS_PER_ENTRY, this.#pruning);
    this.#hub.flush();
    if (command.type === 'checkpoint') {
      this.#noteCheckpoint({ index: entry.index, term: entry.term, hash: this.stateHash(), deep: command.deep });
    }
    return applied;
  }

  #perform(command: Command, entry: { index: number; term: number }): AppliedItem[] {
    const state = this.#state;
    const applied: AppliedItem[] = [];
    switch (command.type) {
      case 'batch':
        for (const item of command.items) {
          const outcome = this.#applyItem(item, entry);
          applied.push({ session: item.session, sequence: item.sequence, outcome });
        }
        break;
      case 'openSession':
        state.sessions.open(command.session, entry.index);
        applied.push({ session: command.session, sequence: 0, outcome: { type: 'done', results: [] } });
        state.hash = mixString(state.hash, command.session);
        break;
      case 'compact':
        if (state.pins > 0) this.#mark('store: compacted while a snapshot was read');
        state.compact(command.revision);
        break;
      case 'setVersion':
        this.#setVersion(command.to);
        break;
      case 'checkpoint':
        break;
      default:
        unreachable(command);
    }
    return applied;
  }

  /** Down only when nothing of a higher version is left: then the state is one of the lower version as it stands. */
  #setVersion(to: number): void {
    const state = this.#state;
    const { min, max } = this.commands;
    assert(
      to >= min && to <= max,
      `this node is too ${to > max ? 'old' : 'new'} for this cluster: its command version becomes ${to}, this program knows ${min} to ${max}`,
    );
    if (to === state.commandVersion || (to < 2 && state.leases.size > 0)) return;
    this.#mark(to > state.commandVersion ? 'store: command version raised' : 'store: command version lowered');
    state.commandVersion = to;
    state.hash = mixNumber(state.hash, to);
  }

  get(key: Key): Value | undefined {
    this.#localReads++;
    const latest = this.#state.index.get(key)?.latest;
    return latest === undefined || latest.deleted ? undefined : latest;
  }

  getAt(key: Key, revision: number): Value | undefined {
    this.#checkRevision('read', revision);
    const record = this.#state.index.get(key);
    const version = record === undefined ? undefined : versionAt(record.latest, revision);
    return version === undefined || version.deleted ? undefined : version;
  }

  range(options: { from: Key; to: Key; limit: number; atRevision?: number }): RangeResult {
    const { from, to, limit, atRevision } = options;
    if (atRevision !== undefined) this.#checkRevision('read', atRevision);
    const revision = atRevision ?? this.#state.revision;
    const { index } = this.#state;
    const past = revision !== this.#state.revision;
    const items: { key: Key; value: Value }[] = [];
    let pastCount = 0;
    index.scan(from, to, (record) => {
      const version = past ? versionAt(record.latest, revision) : record.latest;
      if (version === undefined || version.deleted) return true;
      pastCount++;
      if (limit === 0 || items.length < limit) items.push({ key: record.key, value: version });
      // A past count has to look at every key; the present one is kept by the index.
      return past || limit === 0 || items.length < limit;
    });
    const count = past ? pastCount : limit === 0 ? items.length : index.countLive(from, to);
    return { items, more: items.length < count, count, revision };
  }

  counter(key: Key): number {
    return this.#state.counters.get(key) ?? 0;
  }

  watch(options: { from: Key; to: Key; afterRevision: number; queueBytesMax: number }): StoreWatch {
    this.#checkRevision('watch', options.afterRevision);
    return this.#hub.open(options);
  }

  outcomeOf(session: string, sequence: number): Outcome | undefined {
    return this.#state.sessions.judge(session, sequence);
  }

  snapshot(): StoreSnapshot {
    return captureSnapshot(this.#state);
  }

  snapshotAfterJump(): StoreSnapshot {
    return captureSnapshot(this.#state, { jumpBy: REVISION_JUMP });
  }

  restore(chunks: Iterable<Uint8Array>): void {
    const reader = new SnapshotReader({ commands: this.commands });
    for (const chunk of chunks) reader.push(chunk);
    this.install(reader);
  }

  install(reader: SnapshotReader): void {
    this.#state = reader.finish();
    // The trap: a number given out already is given out again.
    const resets =
      this.#mutations.has('revision-reset-after-install') && this.#state.history.next > this.#state.history.first;
    if (resets) this.#state.undo();
    this.#hub.replaceState(this.#state);
  }

  stateHash(): number {
    return this.#state.hash >>> 0;
  }

  deepHash(): string {
    const hash = new DeepHash();
    for (const chunk of this.snapshot().chunks()) hash.update(chunk);
    return hash.digest();
  }

  #applyItem(item: BatchItem, entry: { index: number; term: number }): Outcome {
    const state = this.#state;
    const known = state.sessions.judge(item.session, item.sequence);
    if (known === UNKNOWN) this.#mark('store: sequence below the window');
    else if (known !== undefined) this.#mark('store: repeated sequence answered');
    if (known === UNKNOWN || (known !== undefined && this.#dedup)) return known;
    const results = this.#swayed(item.transactions).map((transaction) => {
      const before = state.revision;
      const result = execute(state, transaction, entry);
      this.#markResult(transaction, result);
      for (let revision = before + 1; revision <= state.revision; revision++) {
        const event = state.history.at(revision)!;
        this.#writtenBytes += eventBytes(event);
        this.#hub.publish(event);
      }
      return result;
    });
    const outcome: Outcome = { type: 'done', results };
    state.sessions.record({ session: item.session, sequence: item.sequence, outcome, index: entry.index });
    return outcome;
  }

  /** The mutation non-deterministic-apply: what is written depends on how often this node was read. */
  #swayed(transactions: Transaction[]): Transaction[] {
    if (!this.#sways || this.#localReads % 2 === 0) return transactions;
    const longer = (operation: Operation): Operation =>
      operation.type === 'put' ? { ...operation, tail: Uint8Array.of(...operation.tail, 0x20) } : operation;
    return transactions.map((one) => ({ ...one, operations: one.operations.map(longer) }));
  }

  #markResult({ conditions, operations }: Transaction, result: TransactionResult): void {
    if (result.ok) {
      if (operations[0]?.type === 'revokeLease') this.#mark('store: lease revoked with its keys');
    } else if (result.failed.type === 'operation') {
      if (operations[result.failed.index]?.type === 'keepAlive')
        this.#mark('store: keep-alive of a lease that is gone');
      if (result.failed.index > 0) this.#mark('store: transaction undone');
    } else if (conditions[result.failed.index]?.type === 'entryTerm') this.#mark('store: fence refused an old term');
  }

  #checkRevision(what: 'read' | 'watch', revision: number): void {
    const { compactedRevision, revision: newest } = this.#state;
    if (revision < compactedRevision) throw compacted(what, revision, compactedRevision);
    if (revision > newest) {
      throw new Fault(
        'STORE_FUTURE_REVISION',
        `${what} at revision ${revision}, the newest applied is ${newest}`,
        'later',
      );
    }
  }
}
