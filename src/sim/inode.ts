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
  #current: GrowingBytes;
  #durable: GrowingBytes;
  /** Begun since the last sync that covered them; in the order they were begun. */
  #changes: Change[] = [];

  constructor(durable: GrowingBytes = new GrowingBytes()) {
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
      for (const change of this.#changes) applySectors(survivor, change, () => prng.chance(0.5));
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
  #applyFront(survivor: GrowingBytes, prng: Prng): void {
    if (this.#changes.length === 0) return;
    const last = prng.below(this.#changes.length);
    for (const change of this.#changes.slice(0, last)) applyTo(survivor, change);
    const torn = this.#changes[last];
    if (torn !== undefined) applyTo(survivor, cutFront(torn, prng));
  }
}

/** Bytes of a file, growing by doubling; zeros where nothing was written. */
export class GrowingBytes {
  #bytes: Uint8Array;
  #size: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes;
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  copy(): GrowingBytes {
    return new GrowingBytes(this.#bytes.slice(0, this.#size));
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#size), Math.min(offset + length, this.#size));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.#size) this.resize(offset + bytes.length);
    this.#bytes.set(bytes, offset);
  }

  resize(size: number): void {
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    } else if (size < this.#size) {
      this.#bytes.fill(0, size, this.#size);
    }
    this.#size = size;
  }

  flipBit(offset: number, bit: number): void {
    if (offset < this.#size) this.#bytes[offset] = (this.#bytes[offset] ?? 0) ^ (1 << bit);
  }
}

function applyTo(target: GrowingBytes, change: Change): void {
  if (change.kind === 'write') target.write(change.offset, change.bytes);
  else target.resize(change.size);
}

/** Apply those sectors of a change that `keep` chooses. */
function applySectors(target: GrowingBytes, change: Change, keep: () => boolean): void {
  if (change.kind === 'truncate') {
    if (keep()) applyTo(target, change);
    return;
  }
  const { offset, bytes } = change;
  for (let from = 0; from < bytes.length;) {
    const to = Math.min(bytes.length, from + sectorBytes - ((offset + from) % sectorBytes));
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
