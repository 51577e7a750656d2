/** The state that a stopped node's directory holds: its snapshot, and the log applied to it. */
import { createStore, SnapshotReader, type Store } from '#src/store/store.ts';
import type { Found } from '#src/wal/recovery.ts';
import { readSnapshotFile } from '#src/wal/snapshot-file.ts';
import { readLog, type OpenDirectory } from './data-directory.ts';

/** `onlyCommitted`: leave out what is not known to be committed. Faults: WAL_CORRUPT. */
export async function storeOf(
  opened: OpenDirectory,
  options: { onlyCommitted: boolean },
): Promise<{ store: Store; found: Found }> {
  const found = await readLog(opened);
  const store = createStore();
  if (found.snapshot !== undefined) {
    const reader = new SnapshotReader();
    const path = `${opened.place.directory}/${found.snapshot.file}`;
    for await (const chunk of readSnapshotFile(opened.disk, path, found.snapshot)) reader.push(chunk);
    store.install(reader);
  }
  const last = options.onlyCommitted ? found.hardState.commitIndex : Infinity;
  for (const entry of found.entries) if (entry.type === 'command' && entry.index <= last) store.apply(entry);
  return { store, found };
}
