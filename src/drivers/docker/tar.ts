/** Archives in the ustar format (POSIX.1-2017, pax), as far as images need them. All times are 0. */
import { createReadStream, statSync } from 'node:fs';

const BLOCK = 512;

export type TarEntry =
  | { path: string; type: 'file'; content: Uint8Array; mode?: number }
  /** Read from this host while the archive is written. */
  | { path: string; type: 'copy'; source: string; mode?: number }
  | { path: string; type: 'link'; target: string }
  | { path: string; type: 'directory'; mode?: number };

const TYPE_FLAGS = { file: '0', copy: '0', link: '2', directory: '5' };

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const path = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  // A path of up to 255 bytes is cut at a slash into prefix and name.
  const cut = path.length <= 100 ? -1 : path.indexOf('/', path.length - 101);
  const mode = entry.type === 'link' ? 0o777 : (entry.mode ?? 0o755);
  block.write(path.slice(cut + 1), 0, 100);
  block.write(`${mode.toString(8).padStart(7, '0')}\0${'0'.repeat(7)}\0${'0'.repeat(7)}\0`, 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0`, 124);
  block.write(`        ${TYPE_FLAGS[entry.type]}`, 148);
  if (entry.type === 'link') block.write(entry.target, 157, 100);
  block.write('ustar\u000000', 257);
  if (cut > 0) block.write(path.slice(0, cut), 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

export async function* tarStream(entries: TarEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    if (entry.type === 'copy') {
      const { size } = statSync(entry.source);
      yield header(entry, size);
      for await (const chunk of createReadStream(entry.source, { end: size - 1, highWaterMark: 1024 * 1024 }))
        yield chunk as Buffer;
      yield padding(size);
    } else {
      yield tarEntry(entry);
    }
  }
  yield Buffer.alloc(2 * BLOCK);
}

function tarEntry(entry: Exclude<TarEntry, { type: 'copy' }>): Buffer {
  if (entry.type !== 'file') return header(entry, 0);
  return Buffer.concat([header(entry, entry.content.length), entry.content, padding(entry.content.length)]);
}

/** A whole archive in memory. */
export function tarBytes(entries: Exclude<TarEntry, { type: 'copy' }>[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(2 * BLOCK)]);
}
