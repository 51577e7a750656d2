/**
 * The bytes of a log entry. One version byte, one type byte, then the body; a replica that
 * does not know a version stops, since skipping would make it differ from the others.
 *
 *   batch       │1│1│ (u32 length, item)*       item: session, sequence, transactions
 *   openSession │1│2│ session
 *   compact     │1│3│ revision
 *   setVersion  │2│4│ to
 *   checkpoint  │2│5│ deep
 *
 * A batch has version 2 when an item has operations or conditions of version 2.
 * Items are framed, so that a leader joins items that proposers have encoded, without decoding them.
 */
import { assert, unreachable } from '#src/std/assert.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Command, CommandVersion, Condition, Operation, Transaction } from './command.ts';

/** What this program can apply. */
export const COMMAND_VERSIONS: CommandRange = { min: 1, max: 2 };
const BATCH = 1;
const OPEN_SESSION = 2;
const COMPACT = 3;
const SET_VERSION = 4;
const CHECKPOINT = 5;
/** Bytes of a batch besides its items, and of an item besides its content. */
export const BATCH_HEADER_BYTES = 2;
export const ITEM_HEADER_BYTES = 4;

const CONDITION_CODES = { modRevision: 1, exists: 2, absent: 3, entryTerm: 4, leaseRenewed: 5 } as const;
const OPERATION_CODES = {
  put: 1,
  delete: 2,
  deleteRange: 3,
  addBounded: 4,
  putLeased: 5,
  grantLease: 6,
  keepAlive: 7,
  revokeLease: 8,
} as const;
/** Codes above are of version 2. */
const OPERATION_CODE_MAX_1 = 4;
const CONDITION_CODE_MAX_1 = 4;

/** Command versions that a release can apply, both included. */
export type CommandRange = { min: number; max: number };

export type BatchItem = { session: string; sequence: number; transactions: Transaction[] };

/** The lowest command version that has everything these transactions use. */
export function versionNeeded(transactions: readonly Transaction[]): CommandVersion {
  for (const { conditions, operations } of transactions) {
    for (const { type } of conditions) if (type === 'leaseRenewed') return 2;
    for (const operation of operations) {
      switch (operation.type) {
        case 'put':
          if (operation.lease !== undefined) return 2;
          break;
        case 'grantLease':
        case 'keepAlive':
        case 'revokeLease':
          return 2;
        case 'delete':
        case 'deleteRange':
        case 'addBounded':
          break;
        default:
          return unreachable(operation);
      }
    }
  }
  return 1;
}

/** One batch item, to be joined by `joinItems`. */
export function encodeItem(item: BatchItem): Uint8Array {
  const writer = new ByteWriter(sizeHint(item.transactions));
  writeItem(writer, item);
  return writer.take();
}

/** Transactions one after the other, to be put in an item by `assembleItem`: their size is known before they have a sequence. */
export function encodeTransactions(transactions: readonly Transaction[]): Uint8Array {
  const writer = new ByteWriter(sizeHint(transactions));
  for (const transaction of transactions) writeTransaction(writer, transaction);
  // The writer is given away with its bytes: no copy of what may be large.
  return writer.view();
}

/** Assertion failure unless `bytes` are `count` transactions of version 1 as `encodeTransactions` makes them; decodes nothing. */
export function checkTransactions(bytes: Uint8Array, count: number): void {
  const reader = new ByteReader(bytes);
  for (let left = count; left > 0; left--) {
    for (let conditions = reader.varint(); conditions > 0; conditions--) skipCondition(reader);
    for (let operations = reader.varint(); operations > 0; operations--) skipOperation(reader);
  }
  assert(reader.remaining === 0, `${reader.remaining} bytes follow ${count} transactions`);
}

/** One batch item of what `encodeTransactions` made; `count`: transactions in all of them. */
export function assembleItem(options: {
  session: string;
  sequence: number;
  count: number;
  bodies: readonly Uint8Array[];
}): Uint8Array {
  const writer = new ByteWriter(options.bodies.reduce((sum, body) => sum + body.length, 96));
  writer.string(options.session);
  writer.varint(options.sequence);
  writer.varint(options.count);
  for (const body of options.bodies) writer.raw(body);
  return writer.view();
}

/** The entry data of a batch of encoded items, in this order; `version`: the highest that an item needs. */
export function joinItems(items: readonly Uint8Array[], version: CommandVersion = 1): Uint8Array {
  let length = BATCH_HEADER_BYTES;
  for (const item of items) length += ITEM_HEADER_BYTES + item.length;
  const joined = new ByteWriter(length);
  joined.byte(version);
  joined.byte(BATCH);
  for (const item of items) {
    joined.u32(item.length);
    joined.raw(item);
  }
  return joined.view();
}

export function encodeCommand(command: Command): Uint8Array {
  const writer = new ByteWriter();
  switch (command.type) {
    case 'batch':
      return joinItems(command.items.map(encodeItem), command.version);
    case 'openSession':
      writer.byte(command.version);
      writer.byte(OPEN_SESSION);
      writer.string(command.session);
      return writer.take();
    case 'compact':
      writer.byte(command.version);
      writer.byte(COMPACT);
      writer.varint(command.revision);
      return writer.take();
    case 'setVersion':
      writer.byte(command.version);
      writer.byte(SET_VERSION);
      writer.varint(command.to);
      return writer.take();
    case 'checkpoint':
      writer.byte(command.version);
      writer.byte(CHECKPOINT);
      writer.byte(command.deep ? 1 : 0);
      return writer.take();
    default:
      return unreachable(command);
  }
}

/** Whether the entry changes the cluster's command version. */
export function isSetVersion(data: Uint8Array): boolean {
  return data[0] === 2 && data[1] === SET_VERSION;
}

/** Whether a program of this range can apply the entry. */
export function isKnown(data: Uint8Array, range: CommandRange): boolean {
  return data[0] !== undefined && data[0] >= range.min && data[0] <= range.max;
}

/** Assertion failure on an unknown version or type: this replica must stop, not skip (reference/raft.md A3.21). */
export function decodeCommand(data: Uint8Array, range: CommandRange = COMMAND_VERSIONS): Command {
  const reader = new ByteReader(data);
  const version = reader.byte() as CommandVersion;
  assert(
    version <= range.max,
    `this node is too old for this cluster: a log entry has command version ${version}, this program knows ` +
      `${range.min} to ${range.max}; start a newer program on this node`,
  );
  assert(
    version >= range.min,
    `this node is too new for this log: an entry has command version ${version}, this program knows ` +
      `${range.min} to ${range.max}; start an older program once, until it has saved a snapshot`,
  );
  const type = reader.byte();
  switch (type) {
    case BATCH: {
      const items: BatchItem[] = [];
      while (reader.remaining > 0) {
        const length = reader.u32();
        items.push(decodeItem(reader.raw(length), version));
      }
      return { version, type: 'batch', items };
    }
    case OPEN_SESSION:
      return { version: 1, type: 'openSession', session: reader.string() };
    case COMPACT:
      return { version: 1, type: 'compact', revision: reader.varint() };
    case SET_VERSION:
      return { version: 2, type: 'setVersion', to: reader.varint() };
    case CHECKPOINT:
      return { version: 2, type: 'checkpoint', deep: reader.byte() === 1 };
    default:
      assert(false, `log entry has command type ${type}, unknown to this program; start a newer program on this node`);
  }
}

export function decodeItem(
  bytes: Uint8Array,
  version: CommandVersion = COMMAND_VERSIONS.max as CommandVersion,
): BatchItem {
  const reader = new ByteReader(bytes);
  const session = reader.string();
  const sequence = reader.varint();
  const transactions: Transaction[] = [];
  for (let left = reader.varint(); left > 0; left--) transactions.push(readTransaction(reader, version));
  assert(reader.remaining === 0, `batch item has ${reader.remaining} bytes too many`);
  return { session, sequence, transactions };
}

function writeItem(writer: ByteWriter, item: BatchItem): void {
  writer.string(item.session);
  writer.varint(item.sequence);
  writer.varint(item.transactions.length);
  for (const transaction of item.transactions) writeTransaction(writer, transaction);
}

function writeTransaction(writer: ByteWriter, transaction: Transaction): void {
  writer.varint(transaction.conditions.length);
  for (const condition of transaction.conditions) writeCondition(writer, condition);
  writer.varint(transaction.operations.length);
  for (const operation of transaction.operations) writeOperation(writer, operation);
}

function writeCondition(writer: ByteWriter, condition: Condition): void {
  writer.byte(CONDITION_CODES[condition.type]);
  if (condition.type === 'entryTerm') {
    writer.varint(condition.term);
    return;
  }
  if (condition.type === 'leaseRenewed') {
    writer.string(condition.lease);
    writer.varint(condition.index);
    return;
  }
  writer.string(condition.key);
  if (condition.type === 'modRevision') writer.varint(condition.revision);
}

function writeOperation(writer: ByteWriter, operation: Operation): void {
  const leased = operation.type === 'put' && operation.lease !== undefined;
  writer.byte(leased ? OPERATION_CODES.putLeased : OPERATION_CODES[operation.type]);
  switch (operation.type) {
    case 'put':
      writer.string(operation.key);
      writer.bytes(operation.head);
      writer.bytes(operation.tail);
      if (operation.lease !== undefined) writer.string(operation.lease);
      return;
    case 'delete':
      writer.string(operation.key);
      return;
    case 'deleteRange':
      writer.string(operation.from);
      writer.string(operation.to);
      writer.varint(operation.limit);
      return;
    case 'addBounded':
      writer.string(operation.key);
      writer.signed(operation.delta);
      writer.varint(operation.max);
      return;
    case 'grantLease':
      writer.string(operation.lease);
      writer.varint(operation.ttlMs);
      return;
    case 'keepAlive':
    case 'revokeLease':
      writer.string(operation.lease);
      return;
    default:
      unreachable(operation);
  }
}

function readTransaction(reader: ByteReader, version: CommandVersion): Transaction {
  const conditions: Condition[] = [];
  for (let left = reader.varint(); left > 0; left--) conditions.push(readCondition(reader, version));
  const operations: Operation[] = [];
  for (let left = reader.varint(); left > 0; left--) operations.push(readOperation(reader, version));
  return { conditions, operations };
}

function readCondition(reader: ByteReader, version: CommandVersion): Condition {
  const code = reader.byte();
  assert(version > 1 || code <= CONDITION_CODE_MAX_1, `condition type ${code} in a log entry of version ${version}`);
  switch (code) {
    case CONDITION_CODES.modRevision:
      return { type: 'modRevision', key: reader.string(), revision: reader.varint() };
    case CONDITION_CODES.exists:
      return { type: 'exists', key: reader.string() };
    case CONDITION_CODES.absent:
      return { type: 'absent', key: reader.string() };
    case CONDITION_CODES.entryTerm:
      return { type: 'entryTerm', term: reader.varint() };
    case CONDITION_CODES.leaseRenewed:
      return { type: 'leaseRenewed', lease: reader.string(), index: reader.varint() };
    default:
      assert(false, `log entry has condition type ${code}, unknown to this program`);
  }
}

function skipCondition(reader: ByteReader): void {
  const code = reader.byte();
  const known = code >= CONDITION_CODES.modRevision && code <= CONDITION_CODES.entryTerm;
  assert(known, `condition type ${code} is unknown to this program`);
  if (code !== CONDITION_CODES.entryTerm) reader.skip(reader.varint());
  if (code === CONDITION_CODES.entryTerm || code === CONDITION_CODES.modRevision) reader.varint();
}

function skipOperation(reader: ByteReader): void {
  const code = reader.byte();
  const known = code >= OPERATION_CODES.put && code <= OPERATION_CODES.addBounded;
  assert(known, `operation type ${code} is unknown to this program`);
  reader.skip(reader.varint());
  if (code === OPERATION_CODES.put) reader.skip(reader.varint());
  if (code === OPERATION_CODES.put || code === OPERATION_CODES.deleteRange) reader.skip(reader.varint());
  if (code === OPERATION_CODES.deleteRange) reader.varint();
  if (code === OPERATION_CODES.addBounded) {
    reader.signed();
    reader.varint();
  }
}

function readOperation(reader: ByteReader, version: CommandVersion): Operation {
  const code = reader.byte();
  assert(version > 1 || code <= OPERATION_CODE_MAX_1, `operation type ${code} in a log entry of version ${version}`);
  switch (code) {
    case OPERATION_CODES.put:
      return { type: 'put', key: reader.string(), head: reader.bytes(), tail: reader.bytes() };
    case OPERATION_CODES.delete:
      return { type: 'delete', key: reader.string() };
    case OPERATION_CODES.deleteRange:
      return { type: 'deleteRange', from: reader.string(), to: reader.string(), limit: reader.varint() };
    case OPERATION_CODES.addBounded:
      return { type: 'addBounded', key: reader.string(), delta: reader.signed(), max: reader.varint() };
    case OPERATION_CODES.putLeased: {
      const [key, head, tail] = [reader.string(), reader.bytes(), reader.bytes()];
      return { type: 'put', key, head, tail, lease: reader.string() };
    }
    case OPERATION_CODES.grantLease:
      return { type: 'grantLease', lease: reader.string(), ttlMs: reader.varint() };
    case OPERATION_CODES.keepAlive:
      return { type: 'keepAlive', lease: reader.string() };
    case OPERATION_CODES.revokeLease:
      return { type: 'revokeLease', lease: reader.string() };
    default:
      assert(false, `log entry has operation type ${code}, unknown to this program`);
  }
}

/** Room for the item in one allocation, roughly; the writer grows when it is not enough. */
function sizeHint(transactions: readonly Transaction[]): number {
  let bytes = 64;
  for (const { conditions, operations } of transactions) {
    bytes += 8 + conditions.length * 80;
    for (const operation of operations) {
      bytes += 96 + (operation.type === 'put' ? operation.head.length + operation.tail.length : 0);
    }
  }
  return bytes;
}
