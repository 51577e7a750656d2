/**
 * Keys in code-unit order: a list of sorted chunks, each counting its live keys, so that a count over
 * a range costs one step a chunk. A Map beside it answers single keys.
 */
import { assert } from '#src/std/assert.ts';
import type { Key } from './command.ts';
import type { KeyRecord } from './version.ts';

/** A chunk is split in two above this; 100,000 keys make about 300 chunks. */
const CHUNK_KEYS_MAX = 512;

type Chunk = { records: KeyRecord[]; live: number };

export class KeyIndex {
  readonly #byKey = new Map<Key, KeyRecord>();
  readonly #chunks: Chunk[] = [{ records: [], live: 0 }];

  /** Keys held, those with only a tombstone included. */
  get size(): number {
    return this.#byKey.size;
  }

  get(key: Key): KeyRecord | undefined {
    return this.#byKey.get(key);
  }

  /** Add a key that is not there yet. It counts as live unless its latest version is a tombstone. */
  insert(record: KeyRecord): void {
    assert(!this.#byKey.has(record.key), `key ${record.key} is in the index already`);
    this.#byKey.set(record.key, record);
    const at = this.#chunkOf(record.key);
    const chunk = this.#chunks[at]!;
    chunk.records.splice(lowerBound(chunk.records, record.key), 0, record);
    if (!record.latest.deleted) chunk.live++;
    if (chunk.records.length > CHUNK_KEYS_MAX) this.#split(at);
  }

  remove(key: Key): void {
    const record = this.#byKey.get(key);
    assert(record !== undefined, `key ${key} is not in the index`);
    this.#byKey.delete(key);
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    chunk.records.splice(lowerBound(chunk.records, key), 1);
    if (!record.latest.deleted) chunk.live--;
    if (chunk.records.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
  }

  /** The key became live (+1) or a tombstone (-1) by a change of its `latest`. */
  adjustLive(key: Key, by: 1 | -1): void {
    this.#chunks[this.#chunkOf(key)]!.live += by;
  }

  /** Live keys in [from, to). */
  countLive(from: Key, to: Key): number {
    let count = 0;
    for (let at = this.#chunkOf(from); at < this.#chunks.length; at++) {
      const { records, live } = this.#chunks[at]!;
      if (records.length === 0) continue;
      const first = records[0]!.key;
      if (first >= to) break;
      if (first >= from && records.at(-1)!.key < to) {
        count += live;
        continue;
      }
      const end = lowerBound(records, to);
      for (let place = lowerBound(records, from); place < end; place++) {
        if (!records[place]!.latest.deleted) count++;
      }
    }
    return count;
  }

  /** Visit keys in [from, to) in order, tombstones included, until `visit` returns false. It must not change the index. */
  scan(from: Key, to: Key | undefined, visit: (record: KeyRecord) => boolean): void {
    for (let at = this.#chunkOf(from); at < this.#chunks.length; at++) {
      const { records } = this.#chunks[at]!;
      for (let place = lowerBound(records, from); place < records.length; place++) {
        const record = records[place]!;
        if (to !== undefined && record.key >= to) return;
        if (!visit(record)) return;
      }
    }
  }

  /** The last chunk whose first key is at or below `key`; the first chunk when there is none. */
  #chunkOf(key: Key): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#chunks[middle]!.records[0]!.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #split(at: number): void {
    const chunk = this.#chunks[at]!;
    // Keys often come in order (restore, generated names): then leave the full chunk nearly full.
    const ascending = at === this.#chunks.length - 1;
    const upper = chunk.records.splice(ascending ? Math.floor(CHUNK_KEYS_MAX * 0.8) : CHUNK_KEYS_MAX >>> 1);
    let live = 0;
    for (const record of upper) if (!record.latest.deleted) live++;
    chunk.live -= live;
    this.#chunks.splice(at + 1, 0, { records: upper, live });
  }
}

/** The place of the first record at or above `key`. */
function lowerBound(records: readonly KeyRecord[], key: Key): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
