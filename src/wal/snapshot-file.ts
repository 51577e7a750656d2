/**
 * Snapshot files: blocks of `length u32 | crc u32 | bytes`, the crc chained from block to block,
 * so that a reader gets verified bytes only and cannot miss a block unnoticed. The record in the
 * log holds the length, the last crc and the SHA-256 of the whole.
 * Imports: ports, std.
 */
import type { Disk, DiskFile } from '#src/ports/disk.ts';
import { crc32c } from '#src/std/crc32c.ts';
import { Fault } from '#src/std/fault.ts';
import { createSha256, toHex } from '#src/std/sha256.ts';
import type { SnapshotRecord } from './format.ts';

const headerBytes = 8;
/** Hashing a block of this takes about 5 ms, and the event loop turns between blocks. */
const blockBytesMax = 1024 * 1024;

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
export type FileFacts = Pick<SnapshotRecord, 'bytes' | 'sha256' | 'chain'>;

/**
 * Write and sync the file. `over` an earlier attempt's, the chunks begin with what readPartialFile gave of it: written once
 * more, since nobody knows what of it the disk has. Faults: the disk's, and whatever the source of the chunks throws.
 */
export async function writeSnapshotFile(
  disk: Disk,
  path: string,
  chunks: Chunks,
  write: (file: DiskFile, offset: number, chunks: Uint8Array[]) => Promise<void>,
  { over = false }: { over?: boolean } = {},
): Promise<FileFacts> {
  // A file of an attempt that failed may be longer than this one will be.
  if (!over) await disk.remove(path);
  const file = await disk.open(path, { create: true });
  try {
    const hash = disk.sha256?.() ?? createSha256();
    let [offset, bytes, chain] = [0, 0, 0];
    for await (const chunk of chunks) {
      for (let from = 0; from < chunk.length; from += blockBytesMax) {
        const block = chunk.subarray(from, from + blockBytesMax);
        hash.update(block);
        chain = crc32c(block, chain);
        await write(file, offset, [blockHeader(block.length, chain), block]);
        offset += headerBytes + block.length;
        bytes += block.length;
      }
    }
    if (over) await file.truncate(offset);
    await file.sync();
    return { bytes, chain, sha256: toHex(hash.digest()) };
  } finally {
    await file.close();
  }
}

/** The verified bytes, block by block. Faults: WAL_CORRUPT at the first block that does not fit. */
export async function* readSnapshotFile(disk: Disk, path: string, facts: FileFacts): AsyncGenerator<Uint8Array> {
  const file = await disk.open(path);
  try {
    let [offset, bytes, chain] = [0, 0, 0];
    while (bytes < facts.bytes) {
      const block = await readBlock(file, { offset, chain, bytesLeft: facts.bytes - bytes });
      if (block === undefined) throw damaged(path, offset);
      chain = block.chain;
      offset += headerBytes + block.bytes.length;
      bytes += block.bytes.length;
      yield block.bytes;
    }
    if (chain !== facts.chain) throw damaged(path, offset);
  } finally {
    await file.close();
  }
}

/** The blocks of an attempt that was cut off, up to the first that does not fit or would lead beyond `bytesMax`. */
export async function* readPartialFile(disk: Disk, path: string, bytesMax: number): AsyncGenerator<Uint8Array> {
  if (!(await disk.exists(path))) return;
  const file = await disk.open(path);
  try {
    let [offset, bytes, chain] = [0, 0, 0];
    while (bytes < bytesMax) {
      const block = await readBlock(file, { offset, chain, bytesLeft: bytesMax - bytes });
      if (block === undefined) return;
      chain = block.chain;
      offset += headerBytes + block.bytes.length;
      bytes += block.bytes.length;
      yield block.bytes;
    }
  } finally {
    await file.close();
  }
}

/** undefined: no whole block that fits stands there. */
async function readBlock(
  file: DiskFile,
  { offset, chain, bytesLeft }: { offset: number; chain: number; bytesLeft: number },
): Promise<{ bytes: Uint8Array; chain: number } | undefined> {
  const header = await file.read(offset, headerBytes);
  if (header.length < headerBytes) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const length = view.getUint32(0, true);
  if (length === 0 || length > blockBytesMax || length > bytesLeft) return undefined;
  const bytes = await file.read(offset + headerBytes, length);
  const next = crc32c(bytes, chain);
  return bytes.length === length && next === view.getUint32(4, true) ? { bytes, chain: next } : undefined;
}

/** Read it all once, as a later start will. */
export async function verifySnapshotFile(disk: Disk, path: string, facts: FileFacts): Promise<void> {
  const hash = disk.sha256?.() ?? createSha256();
  for await (const block of readSnapshotFile(disk, path, facts)) hash.update(block);
  if (toHex(hash.digest()) !== facts.sha256) throw damaged(path, 0);
}

function blockHeader(length: number, chain: number): Uint8Array {
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, length, true);
  view.setUint32(4, chain, true);
  return header;
}

function damaged(path: string, offset: number): Fault {
  return new Fault(
    'WAL_CORRUPT',
    `snapshot ${path} is damaged at offset ${offset}; this node must not vote or lead; ` +
      `remove its data directory and let it join again`,
    'never',
  );
}
