/**
 * Files under one data directory. Paths are relative to it, '/'-separated, without '..'.
 * What a crash may do: anything written and not yet covered by a completed `sync` may be
 * lost, torn at 512-byte sectors, or kept out of order; a name made by open/rename/remove
 * is durable only after `syncDirectory` of its parent.
 * Faults: DISK_FULL, DISK_IO (fatal for the file: never retry on the same handle), DISK_NOT_FOUND,
 * DISK_PERMISSION, DISK_LOCKED.
 */
export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Positional write of the concatenated chunks. The bytes must not be changed until it resolves. */
  write(offset: number, chunks: Uint8Array[]): Promise<void>;
  /** fdatasync: all completed writes are durable when it resolves. */
  sync(): Promise<void>;
  /** Up to `length` bytes; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface RunningHash {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

export interface Disk {
  /** `create` makes the file when absent (parents must exist). Faults: DISK_NOT_FOUND. */
  open(path: string, options?: { create?: boolean }): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  /** Names (not paths) in a directory, sorted; [] when it does not exist. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Remove a file; nothing happens when absent. */
  remove(path: string): Promise<void>;
  syncDirectory(directory: string): Promise<void>;
  /** A running SHA-256 for what goes to files, where the machine has one that is quicker than std/sha256's. */
  sha256?(): RunningHash;
  /** Bytes still free on the file system. */
  freeBytes(): Promise<number>;
  /** Hold the data directory for this process alone until it ends. Faults: DISK_LOCKED names the holder's pid. */
  lock(): Promise<void>;
}
