/** The names of the files in the log's directory. */

export const slotFile = 'synced';
export const reserveFile = 'reserve';
export const temporarySuffix = '.tmp';

const digits = 16;

/** Sorted by name is sorted by id. */
export function segmentName(id: number): string {
  return `segment-${String(id).padStart(digits, '0')}`;
}

export function segmentIdOf(name: string): number | undefined {
  const id = /^segment-(\d{16})$/.exec(name)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** A pre-written file without meaning, waiting to become a segment. */
export function spareName(id: number): string {
  return `spare-${String(id).padStart(digits, '0')}`;
}

export function isSpare(name: string): boolean {
  return name.startsWith('spare-');
}

export function snapshotName(meta: { index: number; term: number }): string {
  return `snapshot-${String(meta.index).padStart(digits, '0')}-${meta.term}`;
}

export function isSnapshot(name: string): boolean {
  return name.startsWith('snapshot-') && !name.endsWith(temporarySuffix);
}

/** What came so far of a snapshot that a leader offered, under the hash of the whole. */
export function partialName(sha256: string): string {
  return `partial-${sha256.slice(0, 32)}`;
}

export function isPartial(name: string): boolean {
  return name.startsWith('partial-');
}
