/**
 * The part of the log that is in memory: everything after the last snapshot.
 * Invariants: indexes are consecutive; terms never fall; what is committed is never cut.
 */
import { assert } from '#src/std/assert.ts';
import { decodeConfiguration, EMPTY_CONFIGURATION } from './configuration.ts';
import type { Configuration, Entry, SnapshotMeta } from './types.ts';

export class RaftLog {
  /** The entry before the first one held: of the snapshot, or (0, 0). */
  #offset: number;
  #offsetTerm: number;
  #entries: Entry[];
  /** Configurations in force from their index on, ascending; cut with the log (rollback). */
  #configurations: { index: number; configuration: Configuration }[];
  /** Durable up to here. */
  persistedIndex: number;
  /** Bytes of data held. */
  bytes = 0;

  readonly #keepsCutConfigurations: boolean;

  constructor(
    snapshot: SnapshotMeta | undefined,
    entries: Entry[],
    /** Test-only. */
    options: { keepsCutConfigurations?: boolean } = {},
  ) {
    this.#keepsCutConfigurations = options.keepsCutConfigurations === true;
    this.#offset = snapshot?.index ?? 0;
    this.#offsetTerm = snapshot?.term ?? 0;
    this.#entries = [];
    this.#configurations = [
      snapshot
        ? { index: snapshot.configurationIndex, configuration: snapshot.configuration }
        : { index: 0, configuration: EMPTY_CONFIGURATION },
    ];
    this.append(entries);
    this.persistedIndex = this.lastIndex;
  }

  get firstIndex(): number {
    return this.#offset + 1;
  }

  get lastIndex(): number {
    return this.#offset + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#offsetTerm;
  }

  get configuration(): Configuration {
    return this.#configurations.at(-1)?.configuration ?? EMPTY_CONFIGURATION;
  }

  get configurationIndex(): number {
    return this.#configurations.at(-1)?.index ?? 0;
  }

  /** The configuration in force at an index (for a snapshot there). */
  configurationAt(index: number): { index: number; configuration: Configuration } {
    const found = this.#configurations.findLast((entry) => entry.index <= index);
    assert(found, `no configuration is known at index ${index}`);
    return found;
  }

  /** The configuration in force at an index, and all after it. */
  configurationsSince(index: number): Configuration[] {
    const first = Math.max(
      0,
      this.#configurations.findLastIndex((entry) => entry.index <= index),
    );
    return this.#configurations.slice(first).map(({ configuration }) => configuration);
  }

  /** Undefined when the entry is compacted away or not there yet. */
  termAt(index: number): number | undefined {
    if (index === this.#offset) return this.#offsetTerm;
    return this.#entries[index - this.#offset - 1]?.term;
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - this.#offset - 1];
  }

  /** Entries [from, to], as many as fit into `bytesMax`, at least one. */
  slice(from: number, to: number, bytesMax: number): Entry[] {
    assert(from >= this.firstIndex, `entry ${from} is compacted away; the first is ${this.firstIndex}`);
    const start = from - this.#offset - 1;
    let end = start;
    let size = 0;
    for (const limit = Math.min(to, this.lastIndex) - this.#offset; end < limit; end += 1) {
      size += this.#entries[end]?.data.length ?? 0;
      if (size > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Bytes of the entries after this index. */
  bytesAfter(index: number): number {
    return this.#entries.slice(index - this.#offset).reduce((sum, { data }) => sum + data.length, 0);
  }

  append(entries: Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`);
      assert(entry.term >= this.lastTerm, `entry ${entry.index} has term ${entry.term} after term ${this.lastTerm}`);
      this.#entries.push(entry);
      this.bytes += entry.data.length;
      if (entry.type === 'configuration')
        this.#configurations.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
    }
  }

  /** Cut the log from this index on, configurations with it. */
  truncateFrom(index: number, commitIndex: number): void {
    assert(index > commitIndex, `entry ${index} is committed (up to ${commitIndex}) and would be cut`);
    for (const entry of this.#entries.splice(index - this.#offset - 1)) this.bytes -= entry.data.length;
    this.persistedIndex = Math.min(this.persistedIndex, index - 1);
    if (this.#keepsCutConfigurations) return;
    while (this.#configurations.length > 1 && this.configurationIndex >= index) this.#configurations.pop();
  }

  /** Forget entries up to this index; a snapshot holds them. */
  compact(index: number): void {
    if (index <= this.#offset) return;
    assert(index <= this.lastIndex, `compaction to ${index} is past the end ${this.lastIndex}`);
    const term = this.termAt(index) ?? 0;
    for (const entry of this.#entries.splice(0, index - this.#offset)) this.bytes -= entry.data.length;
    this.#offset = index;
    this.#offsetTerm = term;
    while ((this.#configurations[1]?.index ?? Infinity) <= index) this.#configurations.shift();
  }

  /** Start anew from a snapshot, keeping what follows an entry that matches it. */
  restore(meta: SnapshotMeta): void {
    if (this.matches(meta.index, meta.term)) {
      this.compact(meta.index);
      this.persistedIndex = Math.max(this.persistedIndex, meta.index);
      return;
    }
    this.#offset = meta.index;
    this.#offsetTerm = meta.term;
    this.#entries = [];
    this.bytes = 0;
    this.#configurations = [{ index: meta.configurationIndex, configuration: meta.configuration }];
    this.persistedIndex = meta.index;
  }

  /** Whether a log ending there is at least as up to date (Raft §5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** The last index at or below `index` whose term is at most `term`: where two logs may still agree. */
  lastIndexOfTermAtMost(index: number, term: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > this.#offset && (this.termAt(at) ?? 0) > term) at -= 1;
    return at;
  }
}
