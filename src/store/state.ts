/** What one replica holds, and the primitive writes on it. Swapped as a whole when a snapshot is installed. */
import { assert } from '#src/std/assert.ts';
import type { Key } from './command.ts';
import { HASH_START, mixBytes, mixNumber, mixString } from './hash.ts';
import { History } from './history.ts';
import { KeyIndex } from './key-index.ts';
import { Leases } from './leases.ts';
import { Sessions } from './sessions.ts';
import { Slabs } from './slabs.ts';
import { eventBytes, putVersion, tombstone } from './version.ts';
import type { VersionEvent } from './version.ts';

export class StoreState {
  readonly index = new KeyIndex();
  readonly counters = new Map<Key, number>();
  readonly sessions = new Sessions();
  readonly leases = new Leases();
  /** No command above it is proposed: what all members of the cluster know. */
  commandVersion = 1;
  readonly slabs = new Slabs();
  readonly history: History;
  /** The newest revision given out. */
  revision: number;
  /** The floor: what is older was compacted. The event at the floor itself is kept (tombstone rule, raft.md A3.23). */
  compactedRevision: number;
  appliedIndex = 0;
  /** Bytes of retained events, those waiting to be pruned included. */
  historyBytes = 0;
  /** Mixed from every effect of every entry; equal on replicas with an equal applied index. */
  hash = HASH_START;
  /** Snapshots being read: while there are any, nothing is pruned. */
  pins = 0;

  constructor(options: { revision: number; compactedRevision: number; historyFirst: number }) {
    this.revision = options.revision;
    this.compactedRevision = options.compactedRevision;
    this.history = new History(options.historyFirst);
  }

  put(key: Key, head: Uint8Array, tail: Uint8Array): VersionEvent {
    const revision = ++this.revision;
    const record = this.index.get(key);
    const older = record?.latest;
    const previous = older === undefined || older.deleted ? undefined : older;
    const createRevision = previous === undefined ? revision : previous.createRevision;
    const value = putVersion(head, tail, { revision, createRevision, older, slabs: this.slabs });
    if (record === undefined) {
      this.index.insert({ key, latest: value });
    } else {
      record.latest = value;
      if (previous === undefined) this.index.adjustLive(key, 1);
    }
    return this.#append({ type: 'put', key, revision, value, previous });
  }

  /** The key must be live. */
  delete(key: Key): VersionEvent {
    const record = this.index.get(key);
    assert(record !== undefined && !record.latest.deleted, `key ${key} is not there to delete`);
    const previous = record.latest;
    const revision = ++this.revision;
    const value = tombstone(previous, { revision, slabs: this.slabs });
    record.latest = value;
    this.index.adjustLive(key, -1);
    return this.#append({ type: 'delete', key, revision, value, previous });
  }

  /** Take back the newest event, in the middle of a transaction that cannot happen. */
  undo(): void {
    const event = this.history.pop();
    this.historyBytes -= eventBytes(event);
    this.revision--;
    const record = this.index.get(event.key);
    assert(
      record !== undefined && record.latest === event.value,
      `revision ${event.revision} is not the newest of its key`,
    );
    const { older } = event.value;
    if (event.type === 'delete') {
      record.latest = event.previous as typeof record.latest;
      this.index.adjustLive(event.key, 1);
    } else if (older === undefined) {
      this.index.remove(event.key);
    } else {
      record.latest = older;
      if (older.deleted) this.index.adjustLive(event.key, -1);
    }
  }

  /** Mix what a finished transaction wrote into the hash, from this revision on. */
  seal(firstRevision: number): void {
    for (let revision = firstRevision; revision <= this.revision; revision++) {
      const event = this.history.at(revision)!;
      event.value.endsTransaction = revision === this.revision;
      this.hash = mixBytes(mixString(mixNumber(this.hash, revision), event.key), event.value.bytes);
      if (event.type === 'delete') this.hash = mixNumber(this.hash, 1);
    }
  }

  /** Make `revision` the floor; memory is freed by `prune`. A floor never goes back nor past the newest revision. */
  compact(revision: number): void {
    const floor = Math.min(revision, this.revision);
    if (floor <= this.compactedRevision) return;
    this.compactedRevision = floor;
    this.hash = mixNumber(this.hash, floor);
  }

  /** Drop at most `limit` events below the floor. What is visible does not change, so replicas may differ in it. */
  prune(limit: number, { dropLive }: { dropLive: boolean } = { dropLive: false }): void {
    for (let left = limit; left > 0 && this.pins === 0 && this.history.first < this.compactedRevision; left--) {
      const event = this.history.shift();
      this.historyBytes -= eventBytes(event);
      event.value.older = undefined;
      if ((event.type === 'delete' || dropLive) && this.index.get(event.key)?.latest === event.value)
        this.index.remove(event.key);
    }
  }

  #append(event: VersionEvent): VersionEvent {
    this.history.push(event);
    this.historyBytes += eventBytes(event);
    return event;
  }
}

export function emptyState(): StoreState {
  return new StoreState({ revision: 0, compactedRevision: 0, historyFirst: 1 });
}
