/**
 * A disk in memory that fails the way disks do, from a seed: see ports/disk.ts for what a crash
 * may do. `crash` gives the medium for the next incarnation of the node.
 * Owns: delays, injected faults, revocation. Imports: ports, std.
 * Read next: inode.ts (bytes of a file), disk-names.ts (the tree).
 */
import type { Disk, DiskFile } from '#src/ports/disk.ts';
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import type { NodeClock } from './clock.ts';
import { DiskNames, parentOf } from './disk-names.ts';
import { Inode, type Change } from './inode.ts';
import type { Prng } from './prng.ts';

/** What survives on the platter (and, after a mere process death, in the kernel). */
export interface DiskMedium {
  readonly names: DiskNames;
}

export interface DiskFaults {
  /** Nothing can grow: every write or creation that needs space fails with DISK_FULL. */
  full: boolean;
  /** So many of the next syncs fail with DISK_IO, after which their data is lost without a further word. */
  failSyncs: number;
  failWrites: number;
  /** Added to every sync: the slow or, with Infinity, the hung disk. */
  syncDelayMs: number;
  /** Files may grow by so many bytes more; then as `full`. */
  spaceBytes: number;
  /** After so many beginnings and ends of calls `onCrash` is called, in the middle of it all; 0: never. */
  crashInCalls: number;
}

export interface SimDiskOptions {
  clock: NodeClock;
  prng: Prng;
  /** Of the previous incarnation. Default: an empty disk. */
  medium?: DiskMedium;
  /** Default: 1 TiB. */
  capacityBytes?: number;
  /** Virtual time each kind of call takes. Defaults: 0.02, 0.02, 0.5. */
  readMs?: number;
  writeMs?: number;
  syncMs?: number;
  /** The node is to crash now, at this very call of its disk (`crashInCalls`). */
  onCrash?: () => void;
}

export interface SimDisk extends Disk {
  readonly faults: DiskFaults;
  /** Calls that have ended so far. */
  readonly completions: number;
  /** Damage at rest: invert a bit of a file. */
  flipBit(path: string, offset: number, bit?: number): void;
  /**
   * The node ends here: no call of it, pending or future, ever completes. `power` loses what was
   * not synced, by the seed; `process` (kill -9) keeps what the kernel was given, still not synced.
   */
  crash(kind?: 'power' | 'process'): DiskMedium;
}

const tebibyte = 2 ** 40;

export function createSimDisk(options: SimDiskOptions): SimDisk {
  return new MemoryDisk(options);
}

class MemoryDisk implements SimDisk {
  readonly faults: DiskFaults = {
    full: false,
    failSyncs: 0,
    failWrites: 0,
    syncDelayMs: 0,
    spaceBytes: Number.POSITIVE_INFINITY,
    crashInCalls: 0,
  };
  completions = 0;
  readonly #onCrash: () => void;
  readonly #names: DiskNames;
  readonly #clock: NodeClock;
  readonly #prng: Prng;
  readonly #capacityBytes: number;
  readonly #delays: { read: number; write: number; sync: number };
  #crashed = false;
  #locked = false;

  constructor(options: SimDiskOptions) {
    this.#names = options.medium?.names ?? new DiskNames();
    this.#clock = options.clock;
    this.#prng = options.prng;
    this.#onCrash = options.onCrash ?? (() => undefined);
    this.#capacityBytes = options.capacityBytes ?? tebibyte;
    this.#delays = { read: options.readMs ?? 0.02, write: options.writeMs ?? 0.02, sync: options.syncMs ?? 0.5 };
  }

  open(path: string, options: { create?: boolean } = {}): Promise<DiskFile> {
    return this.#call(this.#delays.write, () => {
      const found = this.#names.file(checked(path));
      if (found !== undefined) return this.#handle(path, found);
      if (options.create !== true || !this.#names.hasDirectory(parentOf(path))) throw notFound('open', path);
      this.#needSpace(0, path);
      const inode = new Inode();
      this.#names.change({ kind: 'link', path, inode });
      return this.#handle(path, inode);
    });
  }

  exists(path: string): Promise<boolean> {
    const look = (): boolean => this.#names.file(path) !== undefined || this.#names.hasDirectory(path);
    return this.#call(this.#delays.read, look);
  }

  list(directory: string): Promise<string[]> {
    return this.#call(this.#delays.read, () => this.#names.list(checked(directory)));
  }

  makeDirectory(directory: string): Promise<void> {
    return this.#call(this.#delays.write, () => {
      const parts = checked(directory).split('/');
      for (let depth = 1; depth <= parts.length; depth += 1) {
        const path = parts.slice(0, depth).join('/');
        if (!this.#names.hasDirectory(path)) this.#names.change({ kind: 'directory', path });
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call(this.#delays.write, () => {
      const inode = this.#names.file(checked(from));
      if (inode === undefined || !this.#names.hasDirectory(parentOf(checked(to)))) throw notFound('rename', from);
      if (from !== to) this.#names.change({ kind: 'rename', from, to, inode });
    });
  }

  remove(path: string): Promise<void> {
    return this.#call(this.#delays.write, () => {
      if (this.#names.file(checked(path)) !== undefined) this.#names.change({ kind: 'unlink', path });
    });
  }

  syncDirectory(directory: string): Promise<void> {
    if (this.#crashed) return never();
    const covered = this.#names.syncable(checked(directory));
    return this.#call(this.#delays.sync + this.faults.syncDelayMs, () => {
      if (!this.#names.hasDirectory(directory)) throw notFound('sync', directory);
      if (this.#takeFault('failSyncs')) throw ioFault('sync', directory);
      this.#names.finishSync(covered);
    });
  }

  freeBytes(): Promise<number> {
    return this.#call(this.#delays.read, () =>
      this.faults.full ? 0 : Math.min(this.faults.spaceBytes, this.#capacityBytes - this.#usedBytes()),
    );
  }

  lock(): Promise<void> {
    return this.#call(this.#delays.write, () => {
      if (this.#locked) throw new Fault('DISK_LOCKED', 'the data directory is held by process 1, this one', 'never');
      this.#locked = true;
    });
  }

  flipBit(path: string, offset: number, bit = 0): void {
    const inode = this.#names.file(path);
    assert(inode !== undefined, `no file ${path} to damage`);
    inode.flipBit(offset, bit);
  }

  crash(kind: 'power' | 'process' = 'power'): DiskMedium {
    assert(!this.#crashed, 'this disk has crashed before');
    this.#crashed = true;
    if (kind === 'power') return { names: this.#names.afterPowerCut(this.#prng) };
    for (const inode of this.#names.inodes()) inode.afterProcessDeath(this.#prng);
    return { names: this.#names };
  }

  #handle(path: string, inode: Inode): DiskFile {
    let closed = false;
    const open = (): void => assert(!closed, `file ${path} is used after close`);
    return {
      path,
      size: () => this.#call(this.#delays.read, () => inode.size),
      read: (offset, length) => (open(), this.#call(this.#delays.read, () => inode.read(offset, length))),
      write: (offset, chunks) => (open(), this.#write(path, inode, { offset, chunks })),
      truncate: (size) => (open(), this.#begin(path, inode, { kind: 'truncate', size, done: false })),
      sync: () => (open(), this.#sync(path, inode)),
      close: () => this.#call(0, () => void (closed = true)),
    };
  }

  #write(path: string, inode: Inode, { offset, chunks }: { offset: number; chunks: Uint8Array[] }): Promise<void> {
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return this.#begin(path, inode, { kind: 'write', offset, bytes, done: false });
  }

  /** A change counts as begun when it is asked for: a crash while it is in flight may keep parts of it. */
  #begin(path: string, inode: Inode, change: Change): Promise<void> {
    if (this.#crashed) return never();
    const endsAt = change.kind === 'write' ? change.offset + change.bytes.length : change.size;
    const grows = Math.max(0, endsAt - inode.size);
    const refused = this.#takeFault('failWrites');
    const fits = grows === 0 || this.#fits(grows);
    if (!refused && fits) inode.begin(change);
    if (fits) this.faults.spaceBytes -= grows;
    return this.#call(this.#delays.write, () => {
      if (refused) throw ioFault('write', path);
      if (!fits) throw full('write', path);
      inode.finish(change);
    });
  }

  #sync(path: string, inode: Inode): Promise<void> {
    if (this.#crashed) return never();
    const covered = inode.syncable();
    return this.#call(this.#delays.sync + this.faults.syncDelayMs, () => {
      if (this.#takeFault('failSyncs')) {
        inode.failSync(covered, this.#prng);
        throw ioFault('sync', path);
      }
      inode.finishSync(covered);
    });
  }

  #call<T>(delayMs: number, effect: () => T): Promise<T> {
    this.#mayCrash();
    if (this.#crashed || delayMs === Number.POSITIVE_INFINITY) return never();
    return new Promise((resolve, reject) => {
      this.#clock.outside(delayMs, () => {
        if (this.#crashed) return;
        this.completions += 1;
        try {
          const value = effect();
          // Done, and nobody will ever be told.
          this.#mayCrash();
          if (!this.#crashed) resolve(value);
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  #mayCrash(): void {
    if (this.faults.crashInCalls <= 0) return;
    this.faults.crashInCalls -= 1;
    if (this.faults.crashInCalls === 0) this.#onCrash();
  }

  #takeFault(kind: 'failSyncs' | 'failWrites'): boolean {
    if (this.faults[kind] <= 0) return false;
    this.faults[kind] -= 1;
    return true;
  }

  #needSpace(bytes: number, path: string): void {
    if (!this.#fits(bytes)) throw full('create', path);
  }

  #fits(bytes: number): boolean {
    if (this.faults.full || bytes > this.faults.spaceBytes) return false;
    return this.#capacityBytes === tebibyte || this.#usedBytes() + bytes <= this.#capacityBytes;
  }

  #usedBytes(): number {
    let sum = 0;
    for (const inode of this.#names.inodes()) sum += inode.size;
    return sum;
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function checked(path: string): string {
  assert(!path.startsWith('/') && !path.split('/').includes('..'), `disk path ${path} leaves the data directory`);
  return path;
}

function notFound(verb: string, path: string): Fault {
  return new Fault('DISK_NOT_FOUND', `could not ${verb} ${path}: there is no such file or directory`, 'never');
}

function ioFault(verb: string, path: string): Fault {
  return new Fault('DISK_IO', `could not ${verb} ${path}: input/output error; check the disk`, 'never');
}

function full(verb: string, path: string): Fault {
  return new Fault('DISK_FULL', `could not ${verb} ${path}: the disk is full; free space there`, 'later');
}
