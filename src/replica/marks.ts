/** Rare situations of a replica that a search of the simulator has to have met; each is told where it happens. */
export const REPLICA_MARKS = [
  'replica: leadership given up over a hung disk',
  'replica: command version proposed',
  'replica: node kept the cluster at an older command version',
  'replica: proposal of too high a command version refused',
  'replica: lease revoke proposed',
  'replica: pause of the leader not counted against leases',
  'replica: states compared',
  'replica: states differ',
  'replica: states differ without a majority',
  'replica: diverged leader hands over',
  'replica: diverged state refilled',
  'replica: lease read refused after a pause',
  'replica: election timeout adapted',
  'replica: waiting write overtaken',
  'replica: snapshot goes on where it was cut off',
] as const;
export type ReplicaMark = (typeof REPLICA_MARKS)[number];
