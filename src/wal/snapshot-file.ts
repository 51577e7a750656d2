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

/** Write and sync the file. Faults: the disk's, and whatever the source of the chunks throws. */
export async function writeSnapshotFile(
  disk: Disk,
  path: string,
  chunks: Chunks,
  write: (file: DiskFile, offset: number, chunks: Uint8Array[]) => Promise<void>,
): Promise<FileFacts> {
  // A file of an attempt that failed may be longer than this one will be.
  await disk.remove(path);
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
      const header = await file.read(offset, headerBytes);
      const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
      const length = header.length === headerBytes ? view.getUint32(0, true) : 0;
      const plausible = length > 0 && length <= blockBytesMax && bytes + length <= facts.bytes;
      const block = plausible ? await file.read(offset + headerBytes, length) : header;
      chain = crc32c(block, chain);
      if (!plausible || block.length !== length || chain !== view.getUint32(4, true)) throw damaged(path, offset);
      offset += headerBytes + length;
      bytes += length;
      yield block;
    }
    if (chain !== facts.chain) throw damaged(path, offset);
  } finally {
    await file.close();
  }
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
