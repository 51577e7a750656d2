/**
 * The bytes of the log: pure encoding and decoding, little-endian.
 *
 *   segment   = header sector (512 B), then batches, then zeros or what a recycled file held before
 *   batch     = records written and synced together, starting at a sector border; the last is marked
 *   record    = length u32 | type u8 | last u8 | 0 u16 | epoch u64 | previous u32 | crc u32 | payload | pad to 8
 *
 * `epoch` numbers the batches of the log's whole life. Batch e+1 is begun only when batch e is synced, so a
 * valid record of epoch e+2 proves that batch e+1 had been on the disk: that tells damage from a torn tail.
 * `crc` is seeded with the segment's id and owners, so nothing an earlier life of the file held validates;
 * `previous` is the crc of the record before, so nothing can be missing between two records.
 * A batch never rewrites a sector that holds an acknowledged record.
 */
import type { Entry, HardState, SnapshotMeta } from '#src/raft/types.ts';
import { assert } from '#src/std/assert.ts';
import { crc32c } from '#src/std/crc32c.ts';

export const formatVersion = 1;
export const sectorBytes = 512;
export const recordHeaderBytes = 24;
const entryHeadBytes = 24;
/** Data above this goes to the disk from where it lies; below, copying is cheaper than one more chunk. */
const copyBytesMax = 4096;
const segmentMagic = 0x314c574b; // 'KWL1'
const slotMagic = 0x3154534b; // 'KST1'

const recordTypes = { hardState: 1, entry: 2, snapshot: 3 } as const;
const entryTypes = ['noop', 'command', 'configuration'] as const;

/** What the log says of the newest snapshot file. */
export interface SnapshotRecord {
  meta: SnapshotMeta;
  /** Whether the log had the snapshot's last entry, so that what lies behind it still counts (Raft §7). */
  keepsLog: boolean;
  /** Name of the file in the log's directory. */
  file: string;
  /** Bytes of the snapshot itself, without the framing of the file. */
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** The chained crc of the file's last block. */
  chain: number;
}

export type LogRecord =
  | { type: 'hardState'; hardState: HardState }
  | { type: 'entry'; entry: Entry }
  | { type: 'snapshot'; snapshot: SnapshotRecord };

export interface SegmentHeader {
  version: number;
  segmentId: number;
  clusterId: string;
  nodeId: string;
  /** Index that the next new entry had when the segment was begun. */
  firstIndex: number;
  /** Where the segment before ended: its id (0: there was none), the offset behind its last batch, its last crc. */
  previousId: number;
  previousEnd: number;
  previousChain: number;
}

export function alignTo(position: number, unit: number): number {
  return Math.ceil(position / unit) * unit;
}

/** The start value of every crc in a segment. */
export function segmentSeed(header: Pick<SegmentHeader, 'segmentId' | 'clusterId' | 'nodeId'>): number {
  return crc32c(new TextEncoder().encode(`${header.segmentId} ${header.clusterId} ${header.nodeId}`));
}

/** One sector. Ids are at most 200 bytes of UTF-8 together. */
export function encodeHeader(header: SegmentHeader): Uint8Array {
  const sector = new Uint8Array(sectorBytes);
  const view = new DataView(sector.buffer);
  view.setUint32(0, segmentMagic, true);
  view.setUint32(4, header.version, true);
  const numbers = [header.segmentId, header.firstIndex, header.previousId, header.previousEnd, header.previousChain];
  numbers.forEach((number, i) => putNumber(view, 8 + 8 * i, number));
  const ids = new TextEncoder().encode(JSON.stringify([header.clusterId, header.nodeId]));
  assert(ids.length <= 400, `cluster id and node id take ${ids.length} bytes of the 400 a segment header has`);
  view.setUint16(56, ids.length, true);
  sector.set(ids, 58);
  view.setUint32(sectorBytes - 4, crc32c(sector.subarray(0, sectorBytes - 4)), true);
  return sector;
}

/** Undefined when these bytes are no segment header or a damaged one. */
export function decodeHeader(sector: Uint8Array): SegmentHeader | undefined {
  if (sector.length < sectorBytes) return undefined;
  const view = viewOf(sector);
  const crc = crc32c(sector.subarray(0, sectorBytes - 4));
  if (view.getUint32(0, true) !== segmentMagic || view.getUint32(sectorBytes - 4, true) !== crc) return undefined;
  const [segmentId, firstIndex, previousId, previousEnd, previousChain] = [8, 16, 24, 32, 40].map((at) =>
    getNumber(view, at),
  );
  const text = new TextDecoder().decode(sector.subarray(58, 58 + view.getUint16(56, true)));
  const [clusterId, nodeId] = JSON.parse(text) as [string, string];
  return {
    version: view.getUint32(4, true),
    segmentId: segmentId ?? 0,
    clusterId,
    nodeId,
    firstIndex: firstIndex ?? 0,
    previousId: previousId ?? 0,
    previousEnd: previousEnd ?? 0,
    previousChain: previousChain ?? 0,
  };
}

export interface EncodedBatch {
  chunks: Uint8Array[];
  /** Whole sectors. */
  bytes: number;
  /** Crc of the last record. */
  chain: number;
}

/** An upper bound, for deciding whether a batch fits before it is encoded. */
export function batchBytesOf(records: LogRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += alignTo(recordHeaderBytes + payloadBytesOf(record), 8);
  return alignTo(bytes, sectorBytes);
}

/** Encode records that are synced together; the chunks hold the entries' own data where it is large. */
export function encodeBatch(records: LogRecord[], at: { seed: number; epoch: number; previous: number }): EncodedBatch {
  assert(records.length > 0, 'a batch holds at least one record');
  const small = new Uint8Array(records.reduce((sum, record) => sum + smallBytesOf(record), sectorBytes));
  const view = new DataView(small.buffer);
  const chunks: Uint8Array[] = [];
  let chain = at.previous;
  let from = 0; // of `small`: what is not yet in a chunk
  let to = 0;
  let bytes = 0;
  records.forEach((record, i) => {
    const start = to;
    const { head, data } = payloadOf(record);
    const large = data.length > copyBytesMax;
    const length = head.length + data.length;
    view.setUint32(start, length, true);
    view.setUint8(start + 4, recordTypes[record.type]);
    view.setUint8(start + 5, i === records.length - 1 ? 1 : 0);
    putNumber(view, start + 8, at.epoch);
    view.setUint32(start + 16, chain, true);
    small.set(head, start + recordHeaderBytes);
    to = start + recordHeaderBytes + head.length;
    let crc = crc32c(small.subarray(start, start + 20), at.seed);
    crc = crc32c(small.subarray(start + recordHeaderBytes, to), crc);
    chain = crc32c(data, crc);
    view.setUint32(start + 20, chain, true);
    if (large) {
      chunks.push(small.subarray(from, to), data);
      from = to;
    } else {
      small.set(data, to);
      to += data.length;
    }
    const padding = alignTo(length, 8) - length;
    to += padding;
    bytes += recordHeaderBytes + length + padding;
  });
  to += alignTo(bytes, sectorBytes) - bytes;
  chunks.push(small.subarray(from, to));
  return { chunks, bytes: alignTo(bytes, sectorBytes), chain };
}

export interface FoundRecord {
  typeCode: number;
  last: boolean;
  epoch: number;
  previous: number;
  crc: number;
  payload: Uint8Array;
  /** Offset behind it: of the next record, or of the next batch when it is the last. */
  end: number;
}

/** The record that starts at `offset`, when there is a whole and undamaged one of this segment. */
export function findRecord(segment: Uint8Array, offset: number, seed: number): FoundRecord | undefined {
  if (offset + recordHeaderBytes > segment.length) return undefined;
  const view = viewOf(segment);
  const length = view.getUint32(offset, true);
  const typeCode = view.getUint8(offset + 4);
  const last = view.getUint8(offset + 5);
  const payloadAt = offset + recordHeaderBytes;
  if (typeCode === 0 || last > 1 || view.getUint16(offset + 6, true) !== 0) return undefined;
  if (payloadAt + length > segment.length) return undefined;
  const payload = segment.subarray(payloadAt, payloadAt + length);
  const crc = crc32c(payload, crc32c(segment.subarray(offset, offset + 20), seed));
  if (crc !== view.getUint32(offset + 20, true)) return undefined;
  const end = alignTo(payloadAt + length, last === 1 ? sectorBytes : 8);
  const epoch = getNumber(view, offset + 8);
  return { typeCode, last: last === 1, epoch, previous: view.getUint32(offset + 16, true), crc, payload, end };
}

/** Undefined for a type this version does not know. The entry's data stays a view of `payload`. */
export function decodeRecord({ typeCode, payload }: FoundRecord): LogRecord | undefined {
  const view = viewOf(payload);
  if (typeCode === recordTypes.entry) {
    const type = entryTypes[view.getUint8(16)];
    if (type === undefined) return undefined;
    const data = payload.subarray(entryHeadBytes);
    return { type: 'entry', entry: { index: getNumber(view, 0), term: getNumber(view, 8), type, data } };
  }
  if (typeCode === recordTypes.hardState) {
    const voted = view.getUint8(16) === 1;
    const votedFor = voted ? new TextDecoder().decode(payload.subarray(17)) : undefined;
    return {
      type: 'hardState',
      hardState: { currentTerm: getNumber(view, 0), commitIndex: getNumber(view, 8), votedFor },
    };
  }
  if (typeCode === recordTypes.snapshot) {
    return { type: 'snapshot', snapshot: JSON.parse(new TextDecoder().decode(payload)) as SnapshotRecord };
  }
  return undefined;
}

/** A note beside the log: batches up to this epoch have been synced. */
export function encodeSlot(slot: { epoch: number; index: number }, seed: number): Uint8Array {
  const sector = new Uint8Array(sectorBytes);
  const view = new DataView(sector.buffer);
  view.setUint32(0, slotMagic, true);
  putNumber(view, 8, slot.epoch);
  putNumber(view, 16, slot.index);
  view.setUint32(24, crc32c(sector.subarray(0, 24), seed), true);
  return sector;
}

export function decodeSlot(sector: Uint8Array, seed: number): { epoch: number; index: number } | undefined {
  if (sector.length < 28) return undefined;
  const view = viewOf(sector);
  const fits =
    view.getUint32(0, true) === slotMagic && view.getUint32(24, true) === crc32c(sector.subarray(0, 24), seed);
  return fits ? { epoch: getNumber(view, 8), index: getNumber(view, 16) } : undefined;
}

const noData = new Uint8Array(0);

function payloadOf(record: LogRecord): { head: Uint8Array; data: Uint8Array } {
  if (record.type === 'entry') {
    const head = new Uint8Array(entryHeadBytes);
    const view = new DataView(head.buffer);
    putNumber(view, 0, record.entry.index);
    putNumber(view, 8, record.entry.term);
    view.setUint8(16, entryTypes.indexOf(record.entry.type));
    return { head, data: record.entry.data };
  }
  if (record.type === 'hardState') return { head: encodeHardState(record.hardState), data: noData };
  return { head: new TextEncoder().encode(JSON.stringify(record.snapshot)), data: noData };
}

function encodeHardState(hardState: HardState): Uint8Array {
  const name = new TextEncoder().encode(hardState.votedFor ?? '');
  const head = new Uint8Array(17 + name.length);
  const view = new DataView(head.buffer);
  putNumber(view, 0, hardState.currentTerm);
  putNumber(view, 8, hardState.commitIndex);
  view.setUint8(16, hardState.votedFor === undefined ? 0 : 1);
  head.set(name, 17);
  return head;
}

function payloadBytesOf(record: LogRecord): number {
  if (record.type === 'entry') return entryHeadBytes + record.entry.data.length;
  if (record.type === 'hardState') return 17 + 3 * (record.hardState.votedFor?.length ?? 0);
  return 3 * JSON.stringify(record.snapshot).length;
}

function smallBytesOf(record: LogRecord): number {
  const large = record.type === 'entry' && record.entry.data.length > copyBytesMax;
  return alignTo(recordHeaderBytes + (large ? entryHeadBytes : payloadBytesOf(record)), 8) + 8;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Integers below 2^53 as eight bytes; DataView's 64-bit calls would make a BigInt each. */
function putNumber(view: DataView, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `${value} is no index, term, offset or id`);
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function getNumber(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
