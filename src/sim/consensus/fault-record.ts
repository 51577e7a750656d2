/** A fault as it was decided: enough to do it again at the same moment, or to leave it out. */
import type { NodeId } from '#src/raft/types.ts';

export const faultKinds = [
  // A node.
  'kill',
  'power',
  'power-all',
  'crash-in-call',
  'pause',
  // The network.
  'isolate',
  'one-way',
  'cut-pair',
  'split',
  'bridge',
  'flapping',
  'swizzle',
  'filter',
  'broken-link',
  'no-streams',
  // A clock.
  'freeze',
  /** Cut off, and its clock stands still: nobody tells it that it leads no more; its clients still reach it. */
  'freeze-alone',
  'drift',
  'wall-jump',
  // A disk.
  'slow-disk',
  'hung-disk',
  /** Slow, and then without power: what was promised too early is gone. */
  'late-power',
  /** A power cut, and a bit of what is on the disk is another afterwards. */
  'bit-flip',
  'broken-sync',
  'failed-write',
  'full-disk',
  'little-space',
  // The cluster.
  'transfer',
  'join',
  'promote',
  'remove',
  'remove-while-down',
  'set-address',
  /** Several voters at once, by a joint change. */
  'set-voters',
  /** The command version, as an operator sets it before going back to an older program, and later again. */
  'set-version',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface FaultRecord {
  /** Virtual time since the faults began. */
  atMs: number;
  kind: FaultKind;
  /** The victims; the first is the one that the kind speaks of. */
  nodes: NodeId[];
  lastsMs: number;
  /** What the kind makes of it: calls, bytes, ppm, ms, a message type's place in its list. */
  amount: number;
}
