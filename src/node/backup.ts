/**
 * A backup of the whole state as one file, to be restored with `kontiki snapshot restore`:
 *
 *   one line of JSON (BackupHeader) · the store's snapshot · SHA-256 of all before, 64 hex digits and a line end
 *
 * It holds all Secrets, and the key to the trust roots: it is as secret as a data directory.
 */
import type { Keys } from '#src/cluster/identity.ts';
import { Fault } from '#src/std/fault.ts';
import { createSha256, toHex } from '#src/std/sha256.ts';
import type { Store } from '#src/store/store.ts';

export interface BackupHeader {
  format: 'kontiki-snapshot';
  version: 1;
  clusterId: string;
  node: string;
  takenAtMs: number;
  term: number;
  index: number;
  revision: number;
  voters: string[];
  clusterKey: string;
}

const TRAILER_BYTES = 65;
const HEADER_BYTES_MAX = 64 * 1024;

/** The file in chunks of at most 1 MiB. */
export async function* backupChunks(
  store: Store,
  facts: Omit<BackupHeader, 'format' | 'version' | 'clusterKey' | 'index' | 'revision'> & {
    keys: Pick<Keys, 'clusterKey'>;
  },
  rest: () => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  const { keys, ...known } = facts;
  const capture = store.snapshot();
  const header: BackupHeader = {
    format: 'kontiki-snapshot',
    version: 1,
    ...known,
    index: capture.appliedIndex,
    revision: capture.revision,
    clusterKey: keys.clusterKey,
  };
  const hash = createSha256();
  try {
    const line = new TextEncoder().encode(`${JSON.stringify(header)}\n`);
    hash.update(line);
    yield line;
    for (const chunk of capture.chunks()) {
      hash.update(chunk);
      yield chunk;
      await rest();
    }
  } finally {
    capture.release();
  }
  yield new TextEncoder().encode(`${toHex(hash.digest())}\n`);
}

export interface OpenBackup {
  header: BackupHeader;
  /** Of the store's snapshot; read once. */
  body: () => AsyncIterable<Uint8Array>;
}

/** Where a backup is read from: a file of the operator's, not of the data directory. */
export interface BackupSource {
  size: number;
  read: (offset: number, length: number) => Promise<Uint8Array>;
}

const READ_BYTES = 1024 * 1024;

/** Reads it all once. Faults: BACKUP_BROKEN says what is wrong with the file. */
export async function openBackup(source: BackupSource): Promise<OpenBackup> {
  const head = await source.read(0, Math.min(HEADER_BYTES_MAX, source.size));
  const lineEnd = head.indexOf(10);
  const header = lineEnd < 0 ? undefined : parse(head.subarray(0, lineEnd));
  if (header === undefined) throw broken('it does not begin like a snapshot of Kontiki');
  if (header.version !== 1)
    throw broken(`it has version ${String(header.version)}, this program reads version 1; use a newer program`);
  const end = source.size - TRAILER_BYTES;
  if (end <= lineEnd) throw broken(`it ends after ${source.size} bytes, in the middle of its header`);
  const hash = createSha256();
  for (let at = 0; at < end; at += READ_BYTES) hash.update(await source.read(at, Math.min(READ_BYTES, end - at)));
  const wanted = new TextDecoder().decode(await source.read(end, TRAILER_BYTES)).trim();
  if (!/^[0-9a-f]{64}$/.test(wanted))
    throw broken(`it is cut off: its ${source.size} bytes do not end with a checksum`);
  if (wanted !== toHex(hash.digest())) throw broken('its bytes do not fit its checksum');
  return {
    header,
    async *body() {
      for (let at = lineEnd + 1; at < end; at += READ_BYTES)
        yield await source.read(at, Math.min(READ_BYTES, end - at));
    },
  };
}

function parse(line: Uint8Array): BackupHeader | undefined {
  try {
    const header = JSON.parse(new TextDecoder().decode(line)) as BackupHeader;
    return header.format === 'kontiki-snapshot' ? header : undefined;
  } catch {
    return undefined; // Something else altogether.
  }
}

function broken(why: string): Fault {
  return new Fault('BACKUP_BROKEN', `this file cannot be used: ${why}`, 'never');
}
