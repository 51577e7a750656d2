/** Rare situations of the log that a search of the simulator has to have met; each is told where it happens. */
export const WAL_MARKS = [
  'wal: torn tail cut',
  'wal: damage told from a torn tail by the note',
  'wal: damage told from a torn tail by a later batch',
  'wal: damaged log salvaged',
  'wal: repair finished after a crash',
  'wal: segment used again',
  'wal: reserve given up for a snapshot',
  'wal: append refused by a full disk',
  'wal: log ended by a failed write or sync',
  'wal: log emptied by a snapshot from a leader',
  'wal: snapshot file left by a save that did not finish',
] as const;
export type WalMark = (typeof WAL_MARKS)[number];
