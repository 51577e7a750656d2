/**
 * The data directory of a node on the machine's file system, behind the Disk port.
 * Owns: the mapping of errno to Faults that name the path and the remedy.
 * Imports: ports, std. Read next: disk-lock.ts (how one process holds the directory).
 */
import { createHash } from 'node:crypto';
import { constants, fdatasyncSync, writevSync } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, statfs, type FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import type { Disk, DiskFile } from '#src/ports/disk.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { holdDirectory } from './disk-lock.ts';

/** Secrets lie in the log and the snapshots: nobody but the owner reads them. */
const fileMode = 0o600;
const directoryMode = 0o700;

/** The real Disk; `unlock` lets another instance of this process take the directory after an orderly stop. */
export interface DataDirectory extends Disk {
  readonly root: string;
  unlock(): Promise<void>;
}

/** A Disk rooted at `root`, which is made when absent on the first use of `makeDirectory` or `lock`. */
export function createDisk(root: string): DataDirectory {
  const base = resolve(root);
  const at = (path: string): string => join(base, checked(path));
  let release: (() => Promise<void>) | undefined;
  return {
    root: base,
    open: (path, options) => openFile(path, at(path), options?.create === true),
    exists: (path) =>
      access(at(path)).then(
        () => true,
        (error: unknown) => (codeOf(error) === 'ENOENT' ? false : rethrow('look for', at(path))(error)),
      ),
    list: (directory) => listDirectory(at(directory)),
    makeDirectory: async (directory) => {
      await mkdir(at(directory), { recursive: true, mode: directoryMode }).catch(rethrow('make', at(directory)));
    },
    rename: (from, to) => rename(at(from), at(to)).catch(rethrow('rename', at(from))),
    remove: (path) => rm(at(path), { force: true }).catch(rethrow('remove', at(path))),
    syncDirectory: (directory) => syncDirectory(at(directory)),
    sha256: () => {
      const hash = createHash('sha256');
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
    },
    freeBytes: async () => {
      const { bavail, bsize } = await statfs(base).catch(rethrow('measure', base));
      return bavail * bsize;
    },
    lock: async () => {
      await mkdir(base, { recursive: true, mode: directoryMode }).catch(rethrow('make', base));
      release = await holdDirectory(base).catch(rethrow('lock', base));
    },
    unlock: async () => {
      await release?.();
      release = undefined;
    },
  };
}

/** Paths come from our own code: one that leaves the directory is our mistake. */
function checked(path: string): string {
  assert(!path.startsWith('/') && !path.split('/').includes('..'), `disk path ${path} leaves the data directory`);
  return path;
}

async function openFile(path: string, full: string, create: boolean): Promise<DiskFile> {
  const flags = constants.O_RDWR | (create ? constants.O_CREAT : 0);
  const handle = await open(full, flags, fileMode).catch(rethrow('open', full));
  const pace = new SyncPace();
  return {
    path,
    size: async () => (await handle.stat().catch(rethrow('measure', full))).size,
    write: (offset, chunks) => {
      pace.wrote(chunks);
      return writeAll(handle, offset, chunks).catch(rethrow('write', full));
    },
    sync: () => syncPaced(handle, pace).catch(rethrow('sync', full)),
    read: (offset, length) => readUpTo(handle, offset, length).catch(rethrow('read', full)),
    truncate: (size) => handle.truncate(size).catch(rethrow('truncate', full)),
    close: () => handle.close().catch(rethrow('close', full)),
  };
}

/** A sync is quick below this. */
const quickSyncMs = 1;
/** After so many quick ones in a row the next is done in place, if there is little to write. */
const quickSyncsNeeded = 64;
const quickSyncBytesMax = 64 * 1024;

/**
 * Where to wait for the disk. The thread pool keeps the event loop free, but waking a thread and being woken
 * cost as much as the sync itself on a disk with a write cache (0.1 ms; more in a virtual machine). So while a
 * file's syncs have all been quick, small ones are waited for in place; the first slow one ends that.
 */
class SyncPace {
  #quickInARow = 0;
  #unsynced = 0;

  get inPlace(): boolean {
    return this.#quickInARow >= quickSyncsNeeded && this.#unsynced <= quickSyncBytesMax;
  }

  wrote(chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.#unsynced += chunk.length;
  }

  synced(ms: number): void {
    this.#unsynced = 0;
    this.#quickInARow = ms < quickSyncMs ? this.#quickInARow + 1 : 0;
  }
}

async function syncPaced(handle: FileHandle, pace: SyncPace): Promise<void> {
  const began = performance.now();
  if (pace.inPlace) fdatasyncSync(handle.fd);
  else await handle.datasync();
  pace.synced(performance.now() - began);
}

/**
 * Up to this a write is made in place: it ends in the page cache in tens of microseconds, less than the way
 * to the thread pool and back. The sync, which waits for the disk, always goes through the pool.
 */
const inPlaceBytesMax = 128 * 1024;

/** The kernel may take fewer bytes than asked (a signal, a nearly full disk): go on where it stopped. */
async function writeAll(handle: FileHandle, offset: number, chunks: Uint8Array[]): Promise<void> {
  let position = offset;
  let rest = chunks.filter((chunk) => chunk.length > 0);
  const inPlace = rest.reduce((sum, chunk) => sum + chunk.length, 0) <= inPlaceBytesMax;
  while (rest.length > 0) {
    const bytesWritten = inPlace
      ? writevSync(handle.fd, rest, position)
      : (await handle.writev(rest, position)).bytesWritten;
    if (bytesWritten === 0) throw new Error('the file took no bytes');
    position += bytesWritten;
    rest = after(rest, bytesWritten);
  }
}

function after(chunks: Uint8Array[], written: number): Uint8Array[] {
  let left = written;
  let first = 0;
  while (first < chunks.length && left >= (chunks[first]?.length ?? 0)) {
    left -= chunks[first]?.length ?? 0;
    first += 1;
  }
  const rest = chunks.slice(first);
  if (left > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(left);
  return rest;
}

async function readUpTo(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === length ? bytes : bytes.slice(0, filled);
}

async function listDirectory(full: string): Promise<string[]> {
  try {
    return (await readdir(full)).toSorted();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    return rethrow('list', full)(error);
  }
}

async function syncDirectory(full: string): Promise<void> {
  const handle = await open(full, constants.O_RDONLY | constants.O_DIRECTORY).catch(rethrow('open', full));
  try {
    await handle.sync().catch(rethrow('sync', full));
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** For `.catch`: throw the Fault for an errno, saying what was tried, what happened and what helps. */
function rethrow(verb: string, full: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof Fault) throw error;
    const tried = `could not ${verb} ${full}`;
    switch (codeOf(error)) {
      case 'ENOSPC':
      case 'EDQUOT':
        throw new Fault('DISK_FULL', `${tried}: the disk or quota is full; free space there`, 'later', error);
      case 'EACCES':
      case 'EPERM':
      case 'EROFS': {
        const remedy = `give user ${process.getuid?.() ?? ''} write access or choose another data directory`;
        throw new Fault('DISK_PERMISSION', `${tried}: ${messageOf(error)}; ${remedy}`, 'never', error);
      }
      case 'ENOENT':
      case 'ENOTDIR':
        throw new Fault('DISK_NOT_FOUND', `${tried}: there is no such file or directory`, 'never', error);
      case 'EMFILE':
      case 'ENFILE':
        throw new Fault('DISK_IO', `${tried}: too many open files; raise the limit (ulimit -n)`, 'later', error);
      default:
        throw new Fault(
          'DISK_IO',
          `${tried}: ${messageOf(error)}; check the disk and the kernel's log`,
          'never',
          error,
        );
    }
  };
}
