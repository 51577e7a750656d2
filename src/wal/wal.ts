/**
 * The durable log of one node: entries, hard state and snapshots, on the Disk port.
 * Owns: the files in its directory, group commit, and what "acknowledged" means: when the
 * promise of `append` or `saveSnapshot` resolves, a power cut does not lose it.
 * Imports: std, ports, raft's types. Never: consensus, clocks of its own, the network.
 * Read next: format.ts (the bytes), recovery.ts (torn tail or damage), repair.ts and salvage.ts (a damaged log),
 * segments.ts (the files), snapshot-file.ts.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Disk } from '#src/ports/disk.ts';
import type { Log } from '#src/ports/log.ts';
import type { Entry, HardState, SnapshotMeta } from '#src/raft/types.ts';
import { isFault } from '#src/std/fault.ts';
import { isSnapshot } from './names.ts';
import { finishRepair, readRepairNote, repairLog } from './repair.ts';
import { corrupt, recoverLog, type Found, type Place } from './recovery.ts';
import { Segments } from './segments.ts';
import type { WalMark } from './marks.ts';
import type { Chunks } from './snapshot-file.ts';
import { LogWriter } from './writer.ts';

/** Default size of a segment; also of the reserve that is given up on a full disk. */
export const segmentBytesDefault = 16 * 1024 * 1024;

export interface WalOptions {
  disk: Disk;
  log: Log;
  /** Inside the data directory; made when absent. */
  directory: string;
  clusterId: string;
  nodeId: string;
  /** Bytes of a segment, at least 4096. Default: `segmentBytesDefault`. */
  segmentBytes?: number;
  /** For the times in `stats`; without it they stay 0. */
  clock?: Clock;
  /** For the simulator, which must find each: `ack-before-sync` resolves appends before their sync. */
  mutations?: ReadonlySet<string>;
  /** For the simulator's coverage. */
  mark?: ((mark: WalMark) => void) | undefined;
  /**
   * Make a sound log of a damaged one where other nodes can refill it (see repair.ts), instead of refusing to start.
   * `distrustSnapshots`: one was found damaged when it was read.
   */
  repair?: { distrustSnapshots: boolean };
}

export interface Recovered {
  hardState: HardState;
  snapshot: SnapshotMeta | undefined;
  /** Behind the snapshot (or from index 1), without a gap. */
  entries: Entry[];
  /** The log was damaged: entries up to here may have been acknowledged, and are not all here (raft's `repairTo`). */
  repairTo?: number;
}

export interface WalStats {
  /** Duration of the last sync. */
  lastSyncMs: number;
  /** Set while a sync is on its way: the clock's monotonic time at its start. For a watchdog of hung disks. */
  syncSinceMs: number | undefined;
  syncs: number;
  /** Bytes of appends that wait for the sync after the present one. */
  queuedBytes: number;
  segments: number;
  failed: boolean;
}

export interface SnapshotReader {
  meta: SnapshotMeta;
  bytes: number;
  /** Lower-case hex, of all bytes. */
  sha256: string;
  /** Verified blocks of at most 1 MiB. Faults: WAL_CORRUPT. A snapshot replaced meanwhile can be read to its end. */
  read(): AsyncIterable<Uint8Array>;
}

/** What a leader says of the snapshot it sends. */
export interface SnapshotOffer {
  bytes: number;
  /** Lower-case hex, of all bytes. */
  sha256: string;
}

export interface PartialSnapshot {
  bytes: number;
  read(): AsyncIterable<Uint8Array>;
}

export interface Wal {
  /**
   * Durable when resolved. Entries are contiguous, begin at most one behind the last and above the
   * snapshot; one at or below the last index replaces it and all behind it. Either all of a call
   * is recovered or nothing of it. Calls made in one turn or during a sync share the next sync.
   * Faults: DISK_FULL (nothing of it or of what was queued behind it is kept; the log goes on when
   * there is space), WAL_BUSY (too much is queued), WAL_FAILED (the disk refused a write or sync:
   * what it holds is unknown until read again, so the process must end), WAL_CLOSED.
   */
  append(batch: { hardState?: HardState; entries?: Entry[] }): Promise<void>;
  /**
   * Take a snapshot into the log: file, sync, rename, sync of the directory, verification, record
   * with hard state, and only then release of the older snapshot and of segments below (trap 13).
   * A snapshot at or below the present one is ignored. Where the log has another entry or none at
   * `meta.index`, the log is emptied (a snapshot from a leader). Faults as `append`.
   *
   * With an `offer` it comes from a leader: what came before a failure is kept for `partialSnapshot`, with whose bytes the
   * chunks of the next attempt begin. WAL_SNAPSHOT_MISMATCH when the whole has another length or hash.
   */
  saveSnapshot(meta: SnapshotMeta, chunks: Chunks, offer?: SnapshotOffer): Promise<void>;
  /** The verified beginning of a snapshot whose receipt was cut off, also by a crash; 0 bytes: nothing is left of it. */
  partialSnapshot(offer: SnapshotOffer): Promise<PartialSnapshot>;
  openSnapshot(): Promise<SnapshotReader | undefined>;
  /** Release segments all of whose entries lie at or below both `index` and the snapshot. */
  compact(index: number): Promise<void>;
  /** Index of the last entry appended, durable or not; the snapshot's when there is none behind it. */
  readonly lastIndex: number;
  /** Of the newest snapshot, also while its record is on its way to the disk; 0: none. Entries at or below it are not taken any more. */
  readonly snapshotIndex: number;
  readonly lastSyncMs: number;
  stats(): WalStats;
  /** What was lost to damage has been refilled by the leader. */
  endRepair(): Promise<void>;
  /** Finish what was queued and close the files. */
  close(): Promise<void>;
}

/**
 * Open the log, or make a new one. Faults: WAL_CORRUPT (the message names segment, offset, index
 * and the remedy), WAL_FOREIGN (another node's or cluster's directory), WAL_VERSION, the disk's.
 */
export async function openWal(options: WalOptions): Promise<{ wal: Wal; recovered: Recovered }> {
  const { disk, directory, clusterId, nodeId, repair } = options;
  const place: Place = {
    disk,
    directory,
    clusterId,
    nodeId,
    log: options.log.scope('wal'),
    mutations: options.mutations,
    mark: options.mark,
  };
  await finishRepair(place);
  const note = await readRepairNote(place);
  if (repair?.distrustSnapshots) await repaired(place, options, 'the newest snapshot is damaged');
  let opened: { wal: Wal; recovered: Recovered };
  try {
    opened = await openSound(place, options);
  } catch (error) {
    if (repair === undefined || !isFault(error, 'WAL_CORRUPT')) throw error;
    await repaired(place, options, error.message);
    opened = await openSound(place, options);
  }
  const repairTo = (await readRepairNote(place))?.repairTo ?? note?.repairTo;
  return repairTo === undefined ? opened : { ...opened, recovered: { ...opened.recovered, repairTo } };
}

async function repaired(place: Place, options: WalOptions, why: string): Promise<void> {
  const { repair: _no, ...plain } = options;
  await repairLog(place, {
    why,
    distrustSnapshots: options.repair?.distrustSnapshots === true,
    makeLog: async (directory) => (await openSound({ ...place, directory }, { ...plain, directory })).wal,
  });
}

async function openSound(place: Place, options: WalOptions): Promise<{ wal: Wal; recovered: Recovered }> {
  const { disk, directory } = place;
  await disk.makeDirectory(directory);
  await disk.syncDirectory(directory.includes('/') ? directory.slice(0, directory.lastIndexOf('/')) : '');
  const names = await disk.list(directory);
  const found = await recoverLog(place, names);
  await checkSnapshots(place, found, names);
  const segmentBytes = Math.max(4096, options.segmentBytes ?? segmentBytesDefault);
  const segments = new Segments(place, { segmentBytes, found, names });
  await segments.start(names);
  const writer = new LogWriter({ place, segments, found, clock: options.clock, mutations: options.mutations });
  if (found.segments.length === 0) await writer.append({ hardState: found.hardState });
  writer.maintain();
  writer.noteStart();
  const { hardState, entries, snapshot } = found;
  return { wal: writer, recovered: { hardState, entries, snapshot: snapshot?.meta } };
}

/** The file that the log names must be there; others are left from a save that did not finish. */
async function checkSnapshots(place: Place, found: Found, names: string[]): Promise<void> {
  const wanted = found.snapshot;
  if (wanted !== undefined && !names.includes(wanted.file)) {
    throw corrupt(place, { segment: wanted.file, offset: 0, index: wanted.meta.index, why: 'the file is missing' });
  }
  for (const name of names) {
    if (!isSnapshot(name) || name === wanted?.file) continue;
    place.mark?.('wal: snapshot file left by a save that did not finish');
    await place.disk.remove(`${place.directory}/${name}`);
  }
}
