/**
 * Reading the log after a start: what of it stands, where writing goes on, and whether what is
 * missing was ever promised. A torn tail (the batch that was being written when the power
 * went) is cut; anything else that does not validate stops the start, since an acknowledged
 * entry may be in it (Alagappan et al., "Protocol-aware recovery", FAST 2018).
 * Imports: ports, std, ./format.ts. Writes nothing.
 */
import type { Disk } from '#src/ports/disk.ts';
import type { Log } from '#src/ports/log.ts';
import type { Entry, HardState } from '#src/raft/types.ts';
import { Fault } from '#src/std/fault.ts';
import {
  decodeHeader,
  decodeRecord,
  decodeSlot,
  findRecord,
  formatVersion,
  sectorBytes,
  segmentSeed,
  type FoundRecord,
  type LogRecord,
  type SegmentHeader,
  type SnapshotRecord,
} from './format.ts';
import { LogTerms } from './log-terms.ts';
import type { WalMark } from './marks.ts';
import { segmentIdOf, segmentName, slotFile } from './names.ts';

export interface FoundSegment {
  id: number;
  /** Highest entry index written to it; 0: none. */
  maxIndex: number;
  bytes: number;
}

export interface Found {
  hardState: HardState;
  snapshot: SnapshotRecord | undefined;
  /** Behind the snapshot, without a gap. */
  entries: Entry[];
  terms: LogTerms;
  /** Oldest first; the last is the one to write on. Empty: a new log. */
  segments: FoundSegment[];
  /** Where the next batch goes. */
  end: number;
  epoch: number;
  chain: number;
  /** The newest batch in the segment to write on: the only one whose sync may have failed. */
  newest: { offset: number; bytes: Uint8Array };
}

/** What records add up to. */
export type Replayed = Pick<Found, 'entries' | 'snapshot' | 'hardState'>;

export interface Place {
  disk: Disk;
  log: Log;
  directory: string;
  clusterId: string;
  nodeId: string;
  mutations?: ReadonlySet<string> | undefined;
  mark?: ((mark: WalMark) => void) | undefined;
}

/** Read the whole log. Faults: WAL_CORRUPT, WAL_FOREIGN, WAL_VERSION, and the disk's. */
export async function recoverLog(place: Place, names: string[]): Promise<Found> {
  const found: Found = {
    hardState: { currentTerm: 0, votedFor: undefined, commitIndex: 0 },
    snapshot: undefined,
    entries: [],
    terms: new LogTerms(),
    segments: [],
    end: 0,
    epoch: 0,
    chain: 0,
    newest: { offset: 0, bytes: new Uint8Array() },
  };
  const synced = await readSlot(place, names);
  for (const segment of await readSegments(place, names)) replaySegment(place, found, segment);
  if (synced.epoch > found.epoch && place.mutations?.has('damage-cut-like-torn-tail') !== true) {
    const last = found.segments.at(-1);
    place.mark?.('wal: damage told from a torn tail by the note');
    throw corrupt(place, {
      segment: last === undefined ? 'segments' : segmentName(last.id),
      offset: found.end,
      index: lastIndexOf(found) + 1,
      why: `batch ${synced.epoch} up to index ${synced.index} was on the disk, the log ends at batch ${found.epoch}`,
    });
  }
  checkContents(place, found);
  return found;
}

interface ReadSegment {
  header: SegmentHeader;
  bytes: Uint8Array;
  /** Where it must end, from the header of the next; undefined for the newest. */
  ends: { offset: number; chain: number } | undefined;
}

/** From the newest back as far as they are linked; what lies before a gap was released, its name came back. */
async function readSegments(place: Place, names: string[]): Promise<ReadSegment[]> {
  const ids = new Set(names.map(segmentIdOf).filter((id) => id !== undefined));
  const segments: ReadSegment[] = [];
  let id = Math.max(0, ...ids);
  let ends: ReadSegment['ends'];
  while (ids.has(id)) {
    const { disk, directory } = place;
    const file = await disk.open(`${directory}/${segmentName(id)}`);
    const bytes = await file.read(0, await file.size());
    await file.close();
    const header = checkHeader(place, id, bytes);
    segments.push({ header, bytes, ends });
    ends = { offset: header.previousEnd, chain: header.previousChain };
    id = header.previousId;
  }
  return segments.toReversed();
}

function checkHeader(place: Place, id: number, bytes: Uint8Array): SegmentHeader {
  const header = decodeHeader(bytes);
  const segment = segmentName(id);
  if (header === undefined) throw corrupt(place, { segment, offset: 0, index: 0, why: 'its header does not validate' });
  if (header.version > formatVersion) {
    const message = `${place.directory}/${segment} has format ${header.version}, this program reads up to ${formatVersion}`;
    throw new Fault('WAL_VERSION', `${message}; start the newer version of the program`, 'never');
  }
  if (header.clusterId !== place.clusterId || header.nodeId !== place.nodeId) {
    throw new Fault(
      'WAL_FOREIGN',
      `${place.directory} belongs to node ${header.nodeId} of cluster ${header.clusterId}, ` +
        `this is node ${place.nodeId} of cluster ${place.clusterId}; give each node a data directory of its own`,
      'never',
    );
  }
  if (header.segmentId !== id) {
    throw corrupt(place, { segment, offset: 0, index: header.firstIndex, why: `it holds segment ${header.segmentId}` });
  }
  return header;
}

/** Read batches until the end; only whole batches count, for the others were never acknowledged. */
function replaySegment(place: Place, found: Found, { header, bytes, ends }: ReadSegment): void {
  const segment = segmentName(header.segmentId);
  const seed = segmentSeed(header);
  const here: FoundSegment = { id: header.segmentId, maxIndex: 0, bytes: bytes.length };
  let position = sectorBytes;
  let chain = header.previousChain;
  for (;;) {
    if (ends !== undefined && position === ends.offset && chain === ends.chain) break;
    const batch = readBatch(bytes, { position, seed, chain });
    if (batch === undefined || (ends !== undefined && batch.end > ends.offset)) {
      const index = lastIndexOf(found) + 1;
      const offset = position;
      if (ends !== undefined) throw corrupt(place, { segment, offset, index, why: 'a later segment follows it' });
      if (position === sectorBytes) throw corrupt(place, { segment, offset, index, why: 'its first batch is damaged' });
      checkTail(place, found, { bytes, seed, position, segment });
      break;
    }
    for (const record of batch.records) {
      const decoded = decodeRecord(record);
      if (decoded === undefined) throw unknownRecord(place, segment, record);
      replayRecord(found, decoded);
      if (decoded.type === 'entry') here.maxIndex = Math.max(here.maxIndex, decoded.entry.index);
    }
    found.epoch = batch.epoch;
    chain = batch.chain;
    // A segment's first batch was synced together with its header.
    const offset = position === sectorBytes ? 0 : position;
    found.newest = { offset, bytes: bytes.subarray(offset, batch.end) };
    position = batch.end;
  }
  found.segments.push(here);
  found.end = position;
  found.chain = chain;
}

interface ReadBatch {
  records: FoundRecord[];
  epoch: number;
  chain: number;
  end: number;
}

export function readBatch(
  bytes: Uint8Array,
  at: { position: number; seed: number; chain: number },
): ReadBatch | undefined {
  const records: FoundRecord[] = [];
  let { position, chain } = at;
  for (;;) {
    const record = findRecord(bytes, position, at.seed);
    if (record === undefined || record.previous !== chain) return undefined;
    if (records.length > 0 && record.epoch !== records[0]?.epoch) return undefined;
    records.push(record);
    chain = record.crc;
    position = record.end;
    if (record.last) return { records, epoch: record.epoch, chain, end: position };
  }
}

/**
 * What stands behind the last whole batch? A record of the batch that was being written, in any
 * shape, is a torn tail. A record of a later batch proves that one to have been acknowledged.
 */
function checkTail(
  place: Place,
  found: Found,
  at: { bytes: Uint8Array; seed: number; position: number; segment: string },
): void {
  let torn = false;
  for (let offset = at.position; offset < at.bytes.length; offset += sectorBytes) {
    const record = findRecord(at.bytes, offset, at.seed);
    if (record === undefined) continue;
    torn = torn || record.epoch === found.epoch + 1;
    if (record.epoch > found.epoch + 1 && place.mutations?.has('damage-cut-like-torn-tail') !== true) {
      place.mark?.('wal: damage told from a torn tail by a later batch');
      const why = `the batch here does not validate, but batch ${record.epoch} behind it at offset ${offset} does`;
      throw corrupt(place, { segment: at.segment, offset: at.position, index: lastIndexOf(found) + 1, why });
    }
  }
  if (torn || at.bytes.subarray(at.position, at.position + 4).some((byte) => byte !== 0)) {
    place.mark?.('wal: torn tail cut');
    place.log.info('cut a batch that was not wholly written when the node stopped', {
      segment: at.segment,
      offset: at.position,
      index: lastIndexOf(found) + 1,
    });
  }
}

/**
 * Segments before the snapshot are released, so the oldest that are left may begin with snapshots
 * and entries that do not meet. Only what the newest snapshot leaves must be without a gap.
 */
export function replayRecord(found: Replayed, record: LogRecord): void {
  const { entries } = found;
  if (record.type === 'hardState') found.hardState = record.hardState;
  if (record.type === 'snapshot') {
    const { keepsLog, meta } = record.snapshot;
    const replaced = keepsLog ? meta.index + 1 - (entries[0]?.index ?? 0) : entries.length;
    entries.splice(0, Math.max(0, replaced));
    found.snapshot = record.snapshot;
  }
  if (record.type === 'entry') {
    const { index } = record.entry;
    const kept = index - (entries[0]?.index ?? index);
    entries.length = kept < 0 || kept > entries.length ? 0 : kept;
    entries.push(record.entry);
  }
}

function lastIndexOf({ entries, snapshot }: Found): number {
  return entries.at(-1)?.index ?? snapshot?.meta.index ?? 0;
}

/** What must hold of any log that we wrote. */
function checkContents(place: Place, found: Found): void {
  const { hardState, snapshot, entries, end, segments } = found;
  const wanted = (snapshot?.meta.index ?? 0) + 1;
  const first = entries[0]?.index ?? wanted;
  if (first !== wanted) {
    const why = `the entries begin at index ${first}; what was before it is missing`;
    throw corrupt(place, { segment: segmentName(segments[0]?.id ?? 0), offset: 0, index: wanted, why });
  }
  const last = lastIndexOf(found);
  if (hardState.commitIndex > last) {
    const why = `index ${hardState.commitIndex} was committed, the log ends at ${last}`;
    throw corrupt(place, { segment: segmentName(segments.at(-1)?.id ?? 0), offset: end, index: last + 1, why });
  }
  if (snapshot !== undefined) found.terms.snapshot(snapshot.meta);
  for (const entry of entries) found.terms.append(entry);
}

/** Both sectors are written in turn, so one of them is whole. */
export async function readSlot(place: Place, names: string[]): Promise<{ epoch: number; index: number }> {
  const none = { epoch: 0, index: 0 };
  if (!names.includes(slotFile)) return none;
  const file = await place.disk.open(`${place.directory}/${slotFile}`);
  const bytes = await file.read(0, 2 * sectorBytes);
  await file.close();
  const seed = slotSeed(place);
  const slots = [0, sectorBytes].map((at) => decodeSlot(bytes.subarray(at, at + sectorBytes), seed) ?? none);
  return slots.reduce((best, slot) => (slot.epoch > best.epoch ? slot : best), none);
}

export function slotSeed({ clusterId, nodeId }: Pick<Place, 'clusterId' | 'nodeId'>): number {
  return segmentSeed({ segmentId: 0, clusterId, nodeId });
}

export function corrupt(
  place: Pick<Place, 'directory'>,
  at: { segment: string; offset: number; index: number; why: string },
): Fault {
  return new Fault(
    'WAL_CORRUPT',
    `${place.directory}/${at.segment} is damaged at offset ${at.offset}, index ${at.index}: ${at.why}. Entries that this ` +
      `node acknowledged may be lost, so it must not vote or lead; remove its data directory and let it join again`,
    'never',
  );
}

function unknownRecord(place: Place, segment: string, record: FoundRecord): Fault {
  const message = `${place.directory}/${segment} holds a record of type ${record.typeCode} at epoch ${record.epoch}, unknown here`;
  return new Fault('WAL_VERSION', `${message}; start the newer version of the program`, 'never');
}
