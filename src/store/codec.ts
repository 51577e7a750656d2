/**
 * The bytes of a log entry. One version byte, one type byte, then the body; a replica that
 * does not know a version stops, since skipping would make it differ from the others.
 *
 *   batch       │1│1│ (u32 length, item)*       item: session, sequence, transactions
 *   openSession │1│2│ session
 *   compact     │1│3│ revision
 *
 * Items are framed, so that a leader joins items that proposers have encoded, without decoding them.
 */
import { assert } from '#src/std/assert.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Command, Condition, Operation, Transaction } from './command.ts';

export const COMMAND_VERSION = 1;
const BATCH = 1;
const OPEN_SESSION = 2;
const COMPACT = 3;
/** Bytes of a batch besides its items, and of an item besides its content. */
export const BATCH_HEADER_BYTES = 2;
export const ITEM_HEADER_BYTES = 4;

const CONDITION_CODES = { modRevision: 1, exists: 2, absent: 3, entryTerm: 4 } as const;
const OPERATION_CODES = { put: 1, delete: 2, deleteRange: 3, addBounded: 4 } as const;

export type BatchItem = { session: string; sequence: number; transactions: Transaction[] };

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

/** Assertion failure unless `bytes` are `count` transactions as `encodeTransactions` makes them; decodes nothing. */
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

/** The entry data of a batch of encoded items, in this order. */
export function joinItems(items: readonly Uint8Array[]): Uint8Array {
  let length = BATCH_HEADER_BYTES;
  for (const item of items) length += ITEM_HEADER_BYTES + item.length;
  const joined = new ByteWriter(length);
  joined.byte(COMMAND_VERSION);
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
      return joinItems(command.items.map(encodeItem));
    case 'openSession':
      writer.byte(COMMAND_VERSION);
      writer.byte(OPEN_SESSION);
      writer.string(command.session);
      return writer.take();
    case 'compact':
      writer.byte(COMMAND_VERSION);
      writer.byte(COMPACT);
      writer.varint(command.revision);
      return writer.take();
  }
}

/** Assertion failure on an unknown version or type: this replica must stop, not skip (reference/raft.md A3.21). */
export function decodeCommand(data: Uint8Array): Command {
  const reader = new ByteReader(data);
  const version = reader.byte();
  assert(
    version === COMMAND_VERSION,
    `log entry has command version ${version}, this program knows ${COMMAND_VERSION}; start a newer program on this node`,
  );
  const type = reader.byte();
  switch (type) {
    case BATCH: {
      const items: BatchItem[] = [];
      while (reader.remaining > 0) {
        const length = reader.u32();
        items.push(decodeItem(reader.raw(length)));
      }
      return { version: 1, type: 'batch', items };
    }
    case OPEN_SESSION:
      return { version: 1, type: 'openSession', session: reader.string() };
    case COMPACT:
      return { version: 1, type: 'compact', revision: reader.varint() };
    default:
      assert(false, `log entry has command type ${type}, unknown to this program; start a newer program on this node`);
  }
}

export function decodeItem(bytes: Uint8Array): BatchItem {
  const reader = new ByteReader(bytes);
  const session = reader.string();
  const sequence = reader.varint();
  const transactions: Transaction[] = [];
  for (let left = reader.varint(); left > 0; left--) transactions.push(readTransaction(reader));
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
  writer.string(condition.key);
  if (condition.type === 'modRevision') writer.varint(condition.revision);
}

function writeOperation(writer: ByteWriter, operation: Operation): void {
  writer.byte(OPERATION_CODES[operation.type]);
  switch (operation.type) {
    case 'put':
      writer.string(operation.key);
      writer.bytes(operation.head);
      writer.bytes(operation.tail);
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
  }
}

function readTransaction(reader: ByteReader): Transaction {
  const conditions: Condition[] = [];
  for (let left = reader.varint(); left > 0; left--) conditions.push(readCondition(reader));
  const operations: Operation[] = [];
  for (let left = reader.varint(); left > 0; left--) operations.push(readOperation(reader));
  return { conditions, operations };
}

function readCondition(reader: ByteReader): Condition {
  const code = reader.byte();
  switch (code) {
    case CONDITION_CODES.modRevision:
      return { type: 'modRevision', key: reader.string(), revision: reader.varint() };
    case CONDITION_CODES.exists:
      return { type: 'exists', key: reader.string() };
    case CONDITION_CODES.absent:
      return { type: 'absent', key: reader.string() };
    case CONDITION_CODES.entryTerm:
      return { type: 'entryTerm', term: reader.varint() };
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

function readOperation(reader: ByteReader): Operation {
  const code = reader.byte();
  switch (code) {
    case OPERATION_CODES.put:
      return { type: 'put', key: reader.string(), head: reader.bytes(), tail: reader.bytes() };
    case OPERATION_CODES.delete:
      return { type: 'delete', key: reader.string() };
    case OPERATION_CODES.deleteRange:
      return { type: 'deleteRange', from: reader.string(), to: reader.string(), limit: reader.varint() };
    case OPERATION_CODES.addBounded:
      return { type: 'addBounded', key: reader.string(), delta: reader.signed(), max: reader.varint() };
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
