/**
 * A damaged log becomes a sound one that lacks entries, with a durable note of how far it may have acknowledged: until
 * the leader has refilled it up to there, this node neither votes nor stands (raft's `impaired`).
 * The damaged files are kept aside in `<directory>/damaged`, one generation. Every step can be repeated after a crash:
 *
 *   new log in <directory>/repaired → note {stage: 'built'} → old files to damaged/ → new files up → {stage: 'refilling'}
 */
import type { Disk } from '#src/ports/disk.ts';
import { crc32c } from '#src/std/crc32c.ts';
import { Fault } from '#src/std/fault.ts';
import type { Place } from './recovery.ts';
import { salvageLog, type Salvage } from './salvage.ts';
import { readSnapshotFile } from './snapshot-file.ts';
import type { Wal } from './wal.ts';

const NOTE = 'repair.json';
const ASIDE = 'damaged';
const FRESH = 'repaired';
const NOTE_BYTES_MAX = 64 * 1024;

export interface RepairNote {
  stage: 'built' | 'refilling';
  repairTo: number;
  why: string;
  /** Which repair of this log it is; names the mark that the damaged files are all aside. */
  generation: number;
}

/** The note of a repair under way; undefined when there is none. */
export async function readRepairNote({
  disk,
  directory,
}: Pick<Place, 'disk' | 'directory'>): Promise<RepairNote | undefined> {
  const path = `${directory}/${NOTE}`;
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path);
  try {
    return parseNote(path, await file.read(0, NOTE_BYTES_MAX));
  } finally {
    await file.close();
  }
}

function parseNote(path: string, bytes: Uint8Array): RepairNote {
  const [text = '', checksum] = new TextDecoder().decode(bytes).split('\n');
  // A digit that is another would still be JSON, and this node would vote before it has what it had acknowledged.
  if (checksum === checksumOf(text)) return JSON.parse(text) as RepairNote;
  throw new Fault(
    'WAL_CORRUPT',
    `${path} is damaged, and nobody knows how far this node had acknowledged; remove the node from the cluster, and let it join again under a new name`,
    'never',
  );
}

function checksumOf(text: string): string {
  return crc32c(new TextEncoder().encode(text)).toString(16).padStart(8, '0');
}

/** The leader has refilled this node: it is whole again. The damaged files go too. */
export async function endRepair({ disk, directory }: Pick<Place, 'disk' | 'directory'>): Promise<void> {
  await disk.remove(`${directory}/${NOTE}`);
  await disk.syncDirectory(directory);
  await removeAll(disk, `${directory}/${ASIDE}`);
  await disk.syncDirectory(`${directory}/${ASIDE}`);
}

/**
 * Faults: WAL_CORRUPT when nobody could refill this node, or its vote is not certain; the directory is unchanged then.
 */
export async function repairLog(
  place: Place,
  options: { why: string; distrustSnapshots: boolean; makeLog: (directory: string) => Promise<Wal> },
): Promise<void> {
  const { disk, directory } = place;
  const salvage = await salvageLog(place, await disk.list(directory), options);
  // Where not even the members can be read, others may exist; the damaged files are kept in any case.
  const others = salvage.configuration?.voters.filter((id) => id !== place.nodeId);
  if (others?.length === 0) {
    throw new Fault(
      'WAL_CORRUPT',
      `${options.why}. No other node votes in this cluster, so nobody can refill it; restore a snapshot ('kontiki snapshot restore')`,
      'never',
    );
  }
  const earlier = await readRepairNote(place);
  await removeAll(disk, `${directory}/${FRESH}`);
  await disk.makeDirectory(`${directory}/${FRESH}`);
  await disk.syncDirectory(directory);
  await fill(place, salvage, await options.makeLog(`${directory}/${FRESH}`));
  const repairTo = Math.max(salvage.repairTo, earlier?.repairTo ?? 0);
  // One generation is kept; a second damage during the refilling takes its place.
  await removeAll(disk, `${directory}/${ASIDE}`);
  await disk.syncDirectory(directory);
  await writeNote(place, { stage: 'built', repairTo, why: options.why, generation: (earlier?.generation ?? 0) + 1 });
  await finishRepair(place);
}

/** Also after a crash in the middle. Nothing happens without a repair that was built. */
export async function finishRepair(place: Place): Promise<void> {
  const { disk, directory } = place;
  const note = await readRepairNote(place);
  if (note?.stage !== 'built') return;
  const fresh = await disk.list(`${directory}/${FRESH}`);
  const isMoving = (name: string): boolean => name !== NOTE && name !== ASIDE && name !== FRESH;
  // Once the first new file is up, the old ones are all aside; names may be equal.
  const mark = `${directory}/${ASIDE}/complete-${note.generation}`;
  const moved = await disk.exists(mark);
  if (moved) place.mark?.('wal: repair finished after a crash');
  if (!moved) {
    await disk.makeDirectory(`${directory}/${ASIDE}`);
    for (const name of await disk.list(directory))
      if (isMoving(name)) await disk.rename(`${directory}/${name}`, `${directory}/${ASIDE}/${name}`);
    await writeWhole(disk, mark, new Uint8Array([1]));
    await disk.syncDirectory(`${directory}/${ASIDE}`);
    await disk.syncDirectory(directory);
  }
  for (const name of fresh) await disk.rename(`${directory}/${FRESH}/${name}`, `${directory}/${name}`);
  await disk.syncDirectory(directory);
  await writeNote(place, { ...note, stage: 'refilling' });
  place.mark?.('wal: damaged log salvaged');
  place.log.error('the log was damaged; this node does not vote until the leader has refilled it', {
    repairTo: note.repairTo,
    why: note.why,
    kept: `${directory}/${ASIDE}`,
  });
}

async function fill({ disk, directory }: Place, { hardState, snapshot, entries }: Salvage, log: Wal): Promise<void> {
  if (snapshot !== undefined)
    await log.saveSnapshot(snapshot.meta, readSnapshotFile(disk, `${directory}/${snapshot.file}`, snapshot));
  await log.append({ hardState, entries });
  await log.close();
}

async function writeNote({ disk, directory }: Place, note: RepairNote): Promise<void> {
  const path = `${directory}/${NOTE}`;
  const text = JSON.stringify(note);
  await writeWhole(disk, `${path}.new`, new TextEncoder().encode(`${text}\n${checksumOf(text)}\n`));
  await disk.rename(`${path}.new`, path);
  await disk.syncDirectory(directory);
}

async function writeWhole(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await disk.remove(path);
  const file = await disk.open(path, { create: true });
  try {
    await file.write(0, [bytes]);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function removeAll(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
}
