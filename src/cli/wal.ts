/** `kontiki wal dump|verify`: what a stopped node's log holds, and whether it is sound. Both read only. */
import type { Entry } from '#src/raft/types.ts';
import { decodeConfiguration } from '#src/raft/configuration.ts';
import { isFault } from '#src/std/fault.ts';
import { decodeCommand } from '#src/store/codec.ts';
import type { Operation, Transaction } from '#src/store/command.ts';
import type { Found } from '#src/wal/recovery.ts';
import { segmentName } from '#src/wal/names.ts';
import { verifySnapshotFile } from '#src/wal/snapshot-file.ts';
import { openDirectory, readLog, type OpenDirectory } from './data-directory.ts';
import { tableOf } from './table.ts';
import { integerFlag, readFlags, UsageError } from './usage.ts';

const SHOWN_DEFAULT = 100;

export async function walCommand(args: string[]): Promise<number> {
  const [action, ...rest] = args;
  if (action === 'dump') return await dump(rest);
  if (action === 'verify') return await verify(rest);
  throw new UsageError(`wal ${action ?? ''}: dump or verify is needed`);
}

async function dump(args: string[]): Promise<number> {
  const flags = readFlags(args, { from: { type: 'string' }, limit: { type: 'string' }, json: { type: 'boolean' } }, 1);
  const from = integerFlag(flags, 'from', 0, { min: 0, max: Number.MAX_SAFE_INTEGER });
  const limit = integerFlag(flags, 'limit', SHOWN_DEFAULT, { min: 1, max: Number.MAX_SAFE_INTEGER });
  const opened = await openDirectory(flags.positionals[0] ?? '');
  try {
    const { entries, snapshot } = await readLog(opened);
    const shown = entries.filter(({ index }) => index >= from).slice(0, limit);
    if (flags.values['json']) {
      for (const entry of shown) console.log(JSON.stringify(describe(entry)));
      return 0;
    }
    if (snapshot !== undefined) console.log(`snapshot up to index ${snapshot.meta.index}, term ${snapshot.meta.term}`);
    for (const entry of shown) {
      const { index, term, type, bytes, what } = describe(entry);
      console.log(`${index}  term ${term}  ${type}  ${bytes} bytes`);
      for (const line of what) console.log(`    ${line}`);
    }
    const left = entries.filter(({ index }) => index > (shown.at(-1)?.index ?? Infinity)).length;
    if (left > 0) console.log(`${left} more; go on with --from ${(shown.at(-1)?.index ?? 0) + 1}`);
    return 0;
  } finally {
    await opened.disk.unlock();
  }
}

interface Described {
  index: number;
  term: number;
  type: string;
  bytes: number;
  what: string[];
}

function describe({ index, term, type, data }: Entry): Described {
  return { index, term, type, bytes: data.length, what: contents(type, data) };
}

function contents(type: Entry['type'], data: Uint8Array): string[] {
  if (type === 'noop') return [];
  if (type === 'configuration') {
    const { voters, votersOutgoing, learners, reason } = decodeConfiguration(data);
    return [
      `voters ${voters.join(', ')}${votersOutgoing.length > 0 ? `, together with ${votersOutgoing.join(', ')}` : ''}`,
      ...(learners.length > 0 ? [`standbys ${learners.join(', ')}`] : []),
      ...(reason === undefined ? [] : [`because: ${reason}`]),
    ];
  }
  try {
    const command = decodeCommand(data);
    switch (command.type) {
      case 'batch':
        return command.items.flatMap((item) => [
          `session ${item.session}, sequence ${item.sequence}`,
          ...item.transactions.map((transaction) => `  ${transactionText(transaction)}`),
        ]);
      case 'openSession':
        return [`opens session ${command.session}`];
      case 'compact':
        return [`history up to revision ${command.revision} is compacted`];
      case 'setVersion':
        return [`the cluster's command version is ${command.to}`];
      case 'checkpoint':
        return [command.deep ? 'replicas compare all their bytes here' : 'replicas compare their states here'];
    }
  } catch (error) {
    return [`cannot be decoded by this program: ${error instanceof Error ? error.message : String(error)}`];
  }
}

function transactionText({ conditions, operations }: Transaction): string {
  const when = conditions.map((condition) => {
    const { type, ...rest } = condition;
    return `${type}(${Object.values(rest).join(', ')})`;
  });
  return `${when.length > 0 ? `if ${when.join(' and ')}: ` : ''}${operations.map(operationText).join('; ') || 'nothing'}`;
}

function operationText(operation: Operation): string {
  switch (operation.type) {
    case 'put':
      return `put ${operation.key} (${operation.head.length + operation.tail.length} bytes)`;
    case 'deleteRange':
      return `delete from ${operation.from} to ${operation.to}, at most ${operation.limit}`;
    default: {
      const { type, ...rest } = operation;
      return `${type} ${Object.values(rest).join(' ')}`;
    }
  }
}

/** Exit code 0: sound; 1: damaged, and the message says where. */
async function verify(args: string[]): Promise<number> {
  const flags = readFlags(args, { json: { type: 'boolean' } }, 1);
  const opened = await openDirectory(flags.positionals[0] ?? '');
  try {
    const found = await readLog(opened);
    await checkSnapshot(opened, found);
    tell(found);
    return 0;
  } catch (error) {
    if (!isFault(error, 'WAL_CORRUPT')) throw error;
    console.error(`damaged: ${error.message}`);
    return 1;
  } finally {
    await opened.disk.unlock();
  }
}

async function checkSnapshot({ disk, place }: OpenDirectory, { snapshot }: Found): Promise<void> {
  if (snapshot !== undefined) await verifySnapshotFile(disk, `${place.directory}/${snapshot.file}`, snapshot);
}

function tell({ hardState, snapshot, entries, segments, end, epoch }: Found): void {
  const { currentTerm, votedFor, commitIndex } = hardState;
  console.log(
    tableOf([
      ['SEGMENT', 'BYTES', 'UP TO INDEX'],
      ...segments.map(({ id, bytes, maxIndex }) => [segmentName(id), String(bytes), String(maxIndex)]),
    ]),
  );
  console.log(`\nterm ${currentTerm}, voted for ${votedFor ?? 'nobody'}, committed at least up to ${commitIndex}`);
  if (snapshot !== undefined)
    console.log(`snapshot up to index ${snapshot.meta.index}: ${snapshot.bytes} bytes, SHA-256 ${snapshot.sha256}`);
  const [first, last] = [entries[0]?.index, entries.at(-1)?.index];
  console.log(first === undefined ? 'no entries behind it' : `entries ${first} to ${last}`);
  console.log(`sound: ${epoch} batches, the last ends at offset ${end}`);
}
