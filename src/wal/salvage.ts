/**
 * What can be believed of a damaged log: the sound part before the damage, and from what lies behind it the newest
 * term and vote and the highest index that may have been acknowledged. Reads only.
 * Imports: ports, std, ./format.ts.
 */
import type { Configuration, Entry, HardState } from '#src/raft/types.ts';
import { Fault, isFault } from '#src/std/fault.ts';
import {
  decodeHeader,
  decodeRecord,
  findRecord,
  sectorBytes,
  segmentSeed,
  type LogRecord,
  type SnapshotRecord,
} from './format.ts';
import { segmentIdOf, segmentName } from './names.ts';
import { readBatch, readSlot, replayRecord, type Place, type Replayed } from './recovery.ts';
import { verifySnapshotFile } from './snapshot-file.ts';

export interface Salvage {
  hardState: HardState;
  /** A verified one; undefined: none was taken, or none is whole. */
  snapshot: SnapshotRecord | undefined;
  /** Behind the snapshot, without a gap. */
  entries: Entry[];
  /** The highest index that this node may have acknowledged. */
  repairTo: number;
  /** The newest configuration seen anywhere, to know whether others can refill this node. */
  configuration: Configuration | undefined;
}

interface Seen {
  /** As replayed up to the damage. */
  log: Replayed;
  /** Newest by batch. */
  hardState: { epoch: number; value: HardState } | undefined;
  /** Of all snapshot records, newest last. */
  snapshots: SnapshotRecord[];
  highestIndex: number;
  configuration: { epoch: number; value: Configuration } | undefined;
  /** Of the last sound batch before the damage. */
  soundEpoch: number;
}

/**
 * Faults: WAL_CORRUPT when term and vote are not certain (the damage may hold the newest), so that the node could vote
 * twice in one term.
 */
export async function salvageLog(
  place: Place,
  names: readonly string[],
  options: { distrustSnapshots: boolean },
): Promise<Salvage> {
  const seen: Seen = {
    log: { entries: [], snapshot: undefined, hardState: { currentTerm: 0, votedFor: undefined, commitIndex: 0 } },
    hardState: undefined,
    snapshots: [],
    highestIndex: 0,
    configuration: undefined,
    soundEpoch: 0,
  };
  const slot = await readSlot(place, [...names]);
  let sound = true;
  for (const id of contiguousIds(names)) sound = (await readSegment(place, seen, id, sound)) && sound;
  const { hardState } = seen;
  if (hardState === undefined || (!sound && hardState.epoch <= seen.soundEpoch) || slot.epoch > newestEpoch(seen)) {
    throw new Fault(
      'WAL_CORRUPT',
      `${place.directory} is damaged where the newest term and vote may stand, so this node cannot know how it voted; ` +
        'remove the node from the cluster, and let it join again under a new name',
      'never',
    );
  }
  const snapshot = options.distrustSnapshots ? undefined : await wholeSnapshot(place, names, seen);
  const first = (snapshot?.meta.index ?? 0) + 1;
  const replayed = seen.log.entries;
  const entries = replayed[0] === undefined || replayed[0].index > first ? [] : replayed;
  const kept = entries.filter(({ index }) => index >= first);
  const last = kept.at(-1)?.index ?? snapshot?.meta.index ?? 0;
  return {
    hardState: { ...hardState.value, commitIndex: Math.min(hardState.value.commitIndex, last) },
    snapshot,
    entries: kept,
    repairTo: Math.max(
      slot.index,
      seen.highestIndex,
      hardState.value.commitIndex,
      ...seen.snapshots.map(({ meta }) => meta.index),
    ),
    configuration: seen.configuration?.value,
  };
}

function newestEpoch({ hardState, soundEpoch }: Seen): number {
  return Math.max(hardState?.epoch ?? 0, soundEpoch);
}

/** From the newest back without a gap, oldest first; a name before a gap is of a released file. */
function contiguousIds(names: readonly string[]): number[] {
  const ids = new Set(names.map(segmentIdOf).filter((id) => id !== undefined));
  const result: number[] = [];
  for (let id = Math.max(0, ...ids); ids.has(id); id -= 1) result.unshift(id);
  return result;
}

/** Replays while all is sound, and only looks afterwards. Whether the segment was sound to its end. */
async function readSegment(place: Place, seen: Seen, id: number, replay: boolean): Promise<boolean> {
  const file = await place.disk.open(`${place.directory}/${segmentName(id)}`);
  const bytes = await file.read(0, await file.size());
  await file.close();
  const header = decodeHeader(bytes);
  const own = header?.clusterId === place.clusterId && header.nodeId === place.nodeId && header.segmentId === id;
  // The seed does not need the header: what is behind a damaged one can still be looked at.
  const seed = segmentSeed({ segmentId: id, clusterId: place.clusterId, nodeId: place.nodeId });
  let position = sectorBytes;
  let sound = replay && own;
  if (sound && header !== undefined) {
    let chain = header.previousChain;
    for (;;) {
      const batch = readBatch(bytes, { position, seed, chain });
      if (batch === undefined) break;
      for (const record of batch.records) {
        const decoded = decodeRecord(record);
        if (decoded === undefined) continue;
        replayRecord(seen.log, decoded);
        note(seen, decoded, batch.epoch);
      }
      seen.soundEpoch = batch.epoch;
      chain = batch.chain;
      position = batch.end;
    }
  }
  for (let offset = position; offset < bytes.length; offset += sectorBytes) {
    // Records of a batch follow each other without sector borders.
    for (let record = findRecord(bytes, offset, seed); record !== undefined;) {
      const decoded = decodeRecord(record);
      if (decoded !== undefined) note(seen, decoded, record.epoch);
      sound = false;
      if (record.last) break;
      record = findRecord(bytes, record.end, seed);
    }
  }
  return sound;
}

function note(seen: Seen, record: LogRecord, epoch: number): void {
  if (record.type === 'hardState') {
    if (epoch >= (seen.hardState?.epoch ?? 0)) seen.hardState = { epoch, value: record.hardState };
  } else if (record.type === 'entry') {
    const { entry } = record;
    seen.highestIndex = Math.max(seen.highestIndex, entry.index);
    if (entry.type === 'configuration' && epoch >= (seen.configuration?.epoch ?? 0)) {
      const value = JSON.parse(new TextDecoder().decode(entry.data)) as Configuration;
      seen.configuration = { epoch, value };
    }
  } else {
    seen.snapshots.push(record.snapshot);
    if (epoch >= (seen.configuration?.epoch ?? 0))
      seen.configuration = { epoch, value: record.snapshot.meta.configuration };
  }
}

/** The newest snapshot whose file is there and whole. */
async function wholeSnapshot(place: Place, names: readonly string[], seen: Seen): Promise<SnapshotRecord | undefined> {
  for (const snapshot of seen.snapshots.toReversed()) {
    if (!names.includes(snapshot.file)) continue;
    try {
      await verifySnapshotFile(place.disk, `${place.directory}/${snapshot.file}`, snapshot);
      return snapshot;
    } catch (error) {
      if (!isFault(error, 'WAL_CORRUPT')) throw error;
    }
  }
  return undefined;
}
