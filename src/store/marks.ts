/** Rare situations of the store that a search of the simulator has to have met; each is told where it happens. */
export const STORE_MARKS = [
  'store: repeated sequence answered',
  'store: sequence below the window',
  'store: transaction undone',
  'store: fence refused an old term',
  'store: watch too slow for its queue',
  'store: watch overtaken by compaction',
  'store: watch carried over an install',
  'store: compacted while a snapshot was read',
  'store: lease revoked with its keys',
  'store: keep-alive of a lease that is gone',
  'store: command version raised',
  'store: command version lowered',
] as const;
export type StoreMark = (typeof STORE_MARKS)[number];
