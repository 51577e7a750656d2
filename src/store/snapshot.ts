/**
 * The whole state as bytes, and back. Framed records in this order:
 *
 *   (u32 length, type, body)*    header · base* · event* · counter* · session* · lease* · end
 *
 * `base` is the newest value of a key below the floor, in key order; `event` is a write at or above the
 * floor, tombstones included, in revision order. The stream is cut into chunks anywhere.
 * The format's version is the cluster's command version, so that what a release can apply it can also install:
 * version 2 has the command version in its header, and leases.
 */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { COMMAND_VERSIONS } from './codec.ts';
import type { CommandRange } from './codec.ts';
import type { Key, Outcome, TransactionResult } from './command.ts';
import type { Session } from './sessions.ts';
import { resultsOf, UNKNOWN } from './sessions.ts';
import type { Slabs } from './slabs.ts';
import { StoreState } from './state.ts';
import { eventBytes, Version, versionAt } from './version.ts';
import type { VersionEvent } from './version.ts';

/** Chunks are at most this long. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 1024 * 1024;
/** Keys looked at in one go between two looks at the index, which may have changed meanwhile. */
const SCAN_KEYS = 256;
const FRAME_BYTES = 4;

const HEADER = 1;
const BASE = 2;
const EVENT = 3;
const COUNTER = 4;
const SESSION = 5;
const END = 6;
const LEASE = 7;

export interface StoreSnapshot {
  readonly revision: number;
  readonly appliedIndex: number;
  /** The encoding in chunks of at most 1 MiB; once. Applies may happen between chunks. Releases at the end. */
  chunks(): Generator<Uint8Array, void, void>;
  /** Give up early: until then, or the last chunk, compaction frees no memory. Idempotent. */
  release(): void;
}

/** Capture by pinning: versions are immutable, so holding back pruning keeps all that the snapshot needs. */
export function captureSnapshot(state: StoreState, options: { jumpBy?: number } = {}): StoreSnapshot {
  const { jumpBy } = options;
  const capture = {
    state,
    revision: state.revision + (jumpBy ?? 0),
    // After a jump everything counts as compacted, and nobody who waits for an outcome is left.
    floor: jumpBy === undefined ? state.compactedRevision : state.revision + jumpBy,
    appliedIndex: state.appliedIndex,
    hash: state.hash,
    counters: [...state.counters],
    sessions: jumpBy === undefined ? state.sessions.capture() : [],
    leases: state.leases.capture(),
    commandVersion: state.commandVersion,
  };
  let pinned = true;
  state.pins++;
  const release = (): void => {
    if (pinned) state.pins--;
    pinned = false;
  };
  function* chunks(): Generator<Uint8Array, void, void> {
    assert(pinned, `the snapshot at revision ${capture.revision} was released or read already`);
    try {
      yield* cut(records(capture));
    } finally {
      release();
    }
  }
  return { revision: capture.revision, appliedIndex: capture.appliedIndex, chunks, release };
}

type Capture = {
  state: StoreState;
  revision: number;
  floor: number;
  appliedIndex: number;
  hash: number;
  counters: [Key, number][];
  sessions: { id: string; session: Session }[];
  leases: ReturnType<StoreState['leases']['capture']>;
  commandVersion: number;
};

/** One writer, refilled record by record; each yield says that a record was added to it. */
function* records(capture: Capture): Generator<ByteWriter, void, void> {
  const { state, revision, floor } = capture;
  const record = new ByteWriter();
  let count = 0;
  const begin = (type: number): ByteWriter => {
    count++;
    record.byte(type);
    return record;
  };
  const header = begin(HEADER);
  header.byte(capture.commandVersion);
  header.varint(revision);
  header.varint(floor);
  const historyFirst = floor > 0 && state.history.at(floor) !== undefined ? floor : floor + 1;
  header.varint(historyFirst);
  header.varint(capture.appliedIndex);
  header.u32(capture.hash >>> 0);
  yield record;
  for (const { key, version } of baseVersions(state, floor)) {
    begin(BASE).string(key);
    writeVersion(record, version);
    yield record;
  }
  for (let at = historyFirst; at <= revision; at++) {
    const event = state.history.at(at);
    assert(event !== undefined, `the event of revision ${at} is not in the history`);
    writeEvent(begin(EVENT), event);
    yield record;
  }
  for (const [key, value] of capture.counters) {
    begin(COUNTER).string(key);
    record.varint(value);
    yield record;
  }
  for (const { id, session } of capture.sessions) {
    writeSession(begin(SESSION), id, session);
    yield record;
  }
  for (const lease of capture.leases) {
    writeLease(begin(LEASE), lease);
    yield record;
  }
  begin(END).varint(count);
  yield record;
}

function* baseVersions(state: StoreState, floor: number): Generator<{ key: Key; version: Version }, void, void> {
  let from: Key = '';
  for (;;) {
    const found: { key: Key; version: Version }[] = [];
    let last: Key | undefined;
    let seen = 0;
    state.index.scan(from, undefined, ({ key, latest }) => {
      last = key;
      const version = versionAt(latest, floor - 1);
      if (version !== undefined && !version.deleted) found.push({ key, version });
      return ++seen < SCAN_KEYS;
    });
    yield* found;
    if (last === undefined || seen < SCAN_KEYS) return;
    from = `${last}\0`;
  }
}

/** Frame the records and cut the stream. */
function* cut(source: Generator<ByteWriter, void, void>): Generator<Uint8Array, void, void> {
  const pending = new ByteWriter(SNAPSHOT_CHUNK_BYTES_MAX / 4);
  for (const record of source) {
    pending.u32(record.length);
    pending.raw(record.take());
    while (pending.length >= SNAPSHOT_CHUNK_BYTES_MAX) {
      const all = pending.take();
      yield all.subarray(0, SNAPSHOT_CHUNK_BYTES_MAX);
      pending.raw(all.subarray(SNAPSHOT_CHUNK_BYTES_MAX));
    }
  }
  if (pending.length > 0) yield pending.take();
}

/** Builds a state from chunks cut anywhere. A broken stream is an assertion failure: whoever stores or sends it checks sums. */
export class SnapshotReader {
  #pending: Uint8Array = new Uint8Array(0);
  #state: StoreState | undefined;
  #records = 0;
  #ended = false;
  readonly #commands: CommandRange;

  constructor(options: { commands?: CommandRange } = {}) {
    this.#commands = options.commands ?? COMMAND_VERSIONS;
  }

  push(chunk: Uint8Array): void {
    const bytes = this.#pending.length === 0 ? chunk : joined(this.#pending, chunk);
    let at = 0;
    while (bytes.length - at >= FRAME_BYTES) {
      const length = new ByteReader(bytes, at, at + FRAME_BYTES).u32();
      const end = at + FRAME_BYTES + length;
      if (end > bytes.length) break;
      this.#record(new ByteReader(bytes, at + FRAME_BYTES, end));
      at = end;
    }
    this.#pending = new Uint8Array(bytes.subarray(at));
  }

  finish(): StoreState {
    assert(this.#ended && this.#state !== undefined, `snapshot ends early, after ${this.#records} records`);
    assert(this.#pending.length === 0, `snapshot has ${this.#pending.length} bytes after its end`);
    return this.#state;
  }

  #record(reader: ByteReader): void {
    assert(!this.#ended, 'snapshot has a record after its end');
    const type = reader.byte();
    this.#records++;
    if (type === HEADER) {
      this.#header(reader);
      return;
    }
    const state = this.#state;
    assert(state !== undefined, 'snapshot does not begin with its header');
    switch (type) {
      case BASE: {
        const key = reader.string();
        state.index.insert({
          key,
          latest: readVersion(reader, { deleted: false, older: undefined, slabs: state.slabs }),
        });
        return;
      }
      case EVENT:
        readEvent(reader, state);
        return;
      case COUNTER:
        state.counters.set(reader.string(), reader.varint());
        return;
      case SESSION:
        readSession(reader, state);
        return;
      case LEASE:
        readLease(reader, state);
        return;
      case END: {
        const count = reader.varint();
        assert(count === this.#records, `snapshot has ${this.#records} records, ${count} were written`);
        const { next } = state.history;
        assert(next === state.revision + 1, `snapshot at revision ${state.revision} has events up to ${next - 1}`);
        this.#ended = true;
        return;
      }
      default:
        assert(false, `snapshot has record type ${type}, unknown to this program`);
    }
  }

  #header(reader: ByteReader): void {
    assert(this.#state === undefined, 'snapshot has two headers');
    const version = reader.byte();
    checkVersion(version, this.#commands);
    const revision = reader.varint();
    const compactedRevision = reader.varint();
    this.#state = new StoreState({ revision, compactedRevision, historyFirst: reader.varint() });
    this.#state.appliedIndex = reader.varint();
    this.#state.hash = reader.u32() | 0;
    this.#state.commandVersion = version;
  }
}

/** SNAPSHOT_VERSION: the cluster is ahead of this program, or has left what it can read behind. */
function checkVersion(version: number, { min, max }: CommandRange): void {
  if (version >= min && version <= max) return;
  const which = version > max ? 'too old' : 'too new';
  throw new Fault(
    'SNAPSHOT_VERSION',
    `this node is ${which} for this cluster: the snapshot has version ${version}, this program knows ${min} to ${max}; ` +
      `start a${which === 'too old' ? ' newer' : 'n older'} program on this node`,
    'never',
  );
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a, 0);
  both.set(b, a.length);
  return both;
}

function writeVersion(writer: ByteWriter, version: Version): void {
  writer.varint(version.createRevision);
  writer.varint(version.modRevision);
  writer.varint(version.revisionAt);
  writer.varint(version.revisionLength);
  writer.bytes(version.bytes);
}

function readVersion(
  reader: ByteReader,
  { deleted, older, slabs }: { deleted: boolean; older: Version | undefined; slabs: Slabs },
): Version {
  const createRevision = reader.varint();
  const modRevision = reader.varint();
  const revisionAt = reader.varint();
  const revisionLength = reader.varint();
  // A copy: the value must not keep the chunk alive. (A Buffer's `slice` would not copy.)
  const stored = reader.bytes();
  const bytes = slabs.take(stored.length);
  bytes.set(stored);
  return new Version({ bytes, revisionAt, revisionLength, modRevision, createRevision, deleted, older });
}

function writeEvent(writer: ByteWriter, event: VersionEvent): void {
  writer.byte(event.type === 'delete' ? 1 : 0);
  writer.byte(event.value.endsTransaction ? 1 : 0);
  writer.string(event.key);
  writeVersion(writer, event.value);
}

function readEvent(reader: ByteReader, state: StoreState): void {
  const deleted = reader.byte() === 1;
  const endsTransaction = reader.byte() === 1;
  const key = reader.string();
  const record = state.index.get(key);
  const older = record?.latest;
  const value = readVersion(reader, { deleted, older, slabs: state.slabs });
  value.endsTransaction = endsTransaction;
  const previous = older === undefined || older.deleted ? undefined : older;
  if (record === undefined) {
    state.index.insert({ key, latest: value });
  } else {
    record.latest = value;
    if (older?.deleted === true && !deleted) state.index.adjustLive(key, 1);
    if (older?.deleted === false && deleted) state.index.adjustLive(key, -1);
  }
  const revision = value.modRevision;
  // The value deleted at the floor lies below it and is gone; watches begin above the floor, so nobody is shown this event.
  const event: VersionEvent = deleted
    ? { type: 'delete', key, revision, value, previous: previous ?? value }
    : { type: 'put', key, revision, value, previous };
  state.history.push(event);
  state.historyBytes += eventBytes(event);
}

function writeSession(writer: ByteWriter, id: string, session: Session): void {
  writer.string(id);
  writer.varint(session.low);
  writer.varint(session.usedAt);
  writer.varint(session.outcomes.size);
  for (const [sequence, outcome] of session.outcomes) {
    writer.varint(sequence);
    writeOutcome(writer, outcome);
  }
}

function readSession(reader: ByteReader, state: StoreState): void {
  const id = reader.string();
  const session: Session = { low: reader.varint(), results: 0, usedAt: reader.varint(), outcomes: new Map() };
  for (let left = reader.varint(); left > 0; left--) {
    const sequence = reader.varint();
    const outcome = readOutcome(reader);
    session.outcomes.set(sequence, outcome);
    session.results += resultsOf(outcome);
  }
  state.sessions.adopt(id, session);
}

function writeLease(writer: ByteWriter, lease: Capture['leases'][number]): void {
  writer.string(lease.id);
  writer.varint(lease.ttlMs);
  writer.varint(lease.renewedAt);
  writer.varint(lease.keys.length);
  for (const key of lease.keys) writer.string(key);
}

function readLease(reader: ByteReader, state: StoreState): void {
  const id = reader.string();
  const lease = { ttlMs: reader.varint(), renewedAt: reader.varint(), keys: new Set<Key>() };
  for (let left = reader.varint(); left > 0; left--) lease.keys.add(reader.string());
  state.leases.restore(id, lease);
}

function writeOutcome(writer: ByteWriter, outcome: Outcome): void {
  writer.byte(outcome.type === 'done' ? 1 : 0);
  if (outcome.type !== 'done') return;
  writer.varint(outcome.results.length);
  for (const result of outcome.results) {
    writer.byte(result.ok ? 1 : 0);
    if (result.ok) {
      writeNumbers(writer, result.revisions);
      writeNumbers(writer, result.deleted);
    } else {
      writer.byte(result.failed.type === 'condition' ? 1 : 0);
      writer.varint(result.failed.index);
      writer.varint(result.actualRevision);
    }
  }
}

function readOutcome(reader: ByteReader): Outcome {
  if (reader.byte() === 0) return UNKNOWN;
  const results: TransactionResult[] = [];
  for (let left = reader.varint(); left > 0; left--) results.push(readResult(reader));
  return { type: 'done', results };
}

function readResult(reader: ByteReader): TransactionResult {
  if (reader.byte() === 1) return { ok: true, revisions: readNumbers(reader), deleted: readNumbers(reader) };
  const type = reader.byte() === 1 ? 'condition' : 'operation';
  return { ok: false, failed: { type, index: reader.varint() }, actualRevision: reader.varint() };
}

function writeNumbers(writer: ByteWriter, numbers: readonly number[]): void {
  writer.varint(numbers.length);
  for (const number of numbers) writer.varint(number);
}

function readNumbers(reader: ByteReader): number[] {
  const numbers: number[] = [];
  for (let left = reader.varint(); left > 0; left--) numbers.push(reader.varint());
  return numbers;
}
