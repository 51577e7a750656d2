/** Test-only faults of the replica, one switch each (reference/raft.md, simulator specification 8). */
export const OWN_MUTATIONS = [
  /** A linearizable read is answered without asking the leader. */
  'stale-read',
  /** A change is taken for done when its index is applied, whatever the term (A3.20). */
  'result-by-index-only',
  /** A lease is revoked without the fence of the term (A3.22). */
  'old-leader-revoke',
  /** A leader whose disk hangs goes on (A3.19). */
  'disk-hang-ignored',
] as const;
export type OwnMutation = (typeof OWN_MUTATIONS)[number];
