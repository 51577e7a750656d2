/**
 * What one simulated file holds: what every reader sees, what a power cut leaves for sure, and
 * the changes in between, any of which may or may not have reached the platter.
 * Imports: std, ./prng.ts.
 */
import type { Prng } from './prng.ts';

/** Disks promise to write one sector wholly or not at all. */
export const sectorBytes = 512;

export type Change = WriteChange | TruncateChange;
type WriteChange = { kind: 'write'; offset: number; bytes: Uint8Array; done: boolean };
type TruncateChange = { kind: 'truncate'; size: number; done: boolean };

export class Inode {
  #current: PagedBytes;
  #durable: PagedBytes;
  /** Begun since the last sync that covered them; in the order they were begun. */
  #changes: Change[] = [];

  constructor(durable: PagedBytes = new PagedBytes()) {
    this.#durable = durable;
    this.#current = durable.copy();
  }

  get size(): number {
    return this.#current.size;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#current.read(offset, length);
  }

  /** The change is in flight: a crash may keep parts of it, no reader sees it yet. */
  begin(change: Change): Change {
    this.#changes.push(change);
    return change;
  }

  finish(change: Change): void {
    change.done = true;
    applyTo(this.#current, change);
  }

  /** The changes a sync that begins now will make durable. */
  syncable(): Set<Change> {
    return new Set(this.#changes.filter((change) => change.done));
  }

  finishSync(covered: Set<Change>): void {
    for (const change of this.#changes) if (covered.has(change)) applyTo(this.#durable, change);
    this.#changes = this.#changes.filter((change) => !covered.has(change));
  }

  /**
   * The kernel gave up on these pages and marked them clean (Rebello et al., ATC 2020): readers go
   * on seeing them, some sectors are on the platter, and no later sync writes the rest.
   */
  failSync(covered: Set<Change>, prng: Prng): void {
    for (const change of this.#changes)
      if (covered.has(change)) applySectors(this.#durable, change, () => prng.chance(0.5));
    this.#changes = this.#changes.filter((change) => !covered.has(change));
  }

  /** A process died; the kernel lives and holds what it was given, of a write in flight some front part. */
  afterProcessDeath(prng: Prng): void {
    for (const change of this.#changes.filter((one) => !one.done)) {
      const kept = cutFront(change, prng);
      this.#changes[this.#changes.indexOf(change)] = kept;
      this.finish(kept);
    }
  }

  /** What is read after a power cut. */
  afterPowerCut(prng: Prng): Inode {
    const survivor = this.#durable.copy();
    const fates = ['lose', 'keep', 'front', 'scatter'] as const;
    const fate = fates[prng.below(fates.length)] ?? 'lose';
    if (fate === 'keep') for (const change of this.#changes) applyTo(survivor, change);
    if (fate === 'front') this.#applyFront(survivor, prng);
    if (fate === 'scatter') {
      // Some disks tear at their 512-byte sectors, some at blocks of 4 KiB.
      const unitBytes = prng.chance(0.5) ? sectorBytes : pageBytes;
      for (const change of this.#changes) applySectors(survivor, change, () => prng.chance(0.5), unitBytes);
      // The size is metadata of its own: it may arrive without the bytes, which then read as zeros.
      if (prng.chance(0.3)) survivor.resize(Math.max(survivor.size, this.#current.size));
    }
    return new Inode(survivor);
  }

  /** Damage at rest: invert one bit, for readers and on the platter. */
  flipBit(offset: number, bit: number): void {
    this.#current.flipBit(offset, bit);
    this.#durable.flipBit(offset, bit);
  }

  /** The disk kept its order but stopped in the middle of one write. */
  #applyFront(survivor: PagedBytes, prng: Prng): void {
    if (this.#changes.length === 0) return;
    const last = prng.below(this.#changes.length);
    for (const change of this.#changes.slice(0, last)) applyTo(survivor, change);
    const torn = this.#changes[last];
    if (torn !== undefined) applyTo(survivor, cutFront(torn, prng));
  }
}

const pageBytes = 4096;

/** Bytes of a file in pages; a page that holds nothing but zeros takes no memory, as pre-written logs are. */
export class PagedBytes {
  readonly #pages: Map<number, Uint8Array>;
  #size: number;

  constructor(pages = new Map<number, Uint8Array>(), size = 0) {
    this.#pages = pages;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  copy(): PagedBytes {
    return new PagedBytes(new Map(Array.from(this.#pages, ([at, page]) => [at, page.slice()])), this.#size);
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - offset)));
    forPages(offset, bytes.length, ({ page, from, at, count }) => {
      const held = this.#pages.get(page);
      if (held !== undefined) bytes.set(held.subarray(from, from + count), at);
    });
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#size = Math.max(this.#size, offset + bytes.length);
    forPages(offset, bytes.length, ({ page, from, at, count }) => {
      const part = bytes.subarray(at, at + count);
      let held = this.#pages.get(page);
      if (held === undefined && isZero(part)) return;
      if (held === undefined) this.#pages.set(page, (held = new Uint8Array(pageBytes)));
      held.set(part, from);
    });
  }

  resize(size: number): void {
    for (const [page, held] of this.#pages) {
      const kept = size - page * pageBytes;
      if (kept <= 0) this.#pages.delete(page);
      else if (kept < pageBytes) held.fill(0, kept);
    }
    this.#size = size;
  }

  flipBit(offset: number, bit: number): void {
    if (offset >= this.#size) return;
    const [byte] = this.read(offset, 1);
    this.write(offset, new Uint8Array([(byte ?? 0) ^ (1 << bit)]));
  }
}

/** A loop, for logs are pre-written with many zeros. */
function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i += 1) if (bytes[i] !== 0) return false;
  return true;
}

/** The parts of a range, page by page: `from` in the page, `at` in the range. */
function forPages(
  offset: number,
  length: number,
  visit: (part: { page: number; from: number; at: number; count: number }) => void,
): void {
  for (let at = 0; at < length;) {
    const page = Math.floor((offset + at) / pageBytes);
    const from = offset + at - page * pageBytes;
    const count = Math.min(pageBytes - from, length - at);
    visit({ page, from, at, count });
    at += count;
  }
}

function applyTo(target: PagedBytes, change: Change): void {
  if (change.kind === 'write') target.write(change.offset, change.bytes);
  else target.resize(change.size);
}

/** Apply those sectors of a change that `keep` chooses. */
function applySectors(target: PagedBytes, change: Change, keep: () => boolean, unitBytes = sectorBytes): void {
  if (change.kind === 'truncate') {
    if (keep()) applyTo(target, change);
    return;
  }
  const { offset, bytes } = change;
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + unitBytes - ((offset + from) % unitBytes));
    if (keep()) target.write(offset + from, bytes.subarray(from, to));
    from = to;
  }
}

/** The change up to a sector border within it. */
function cutFront(change: Change, prng: Prng): Change {
  if (change.kind === 'truncate') return change;
  const border = Math.ceil((change.offset + prng.below(change.bytes.length + 1)) / sectorBytes) * sectorBytes;
  const length = Math.min(change.bytes.length, Math.max(0, border - sectorBytes - change.offset));
  return { ...change, bytes: change.bytes.subarray(0, prng.chance(0.1) ? change.bytes.length : length) };
}
