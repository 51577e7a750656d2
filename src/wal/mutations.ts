/**
 * Test-only: mistakes of logs that can be planted, each noticed by a test (test/wal/mutations.test.ts). `ack-before-sync`
 * is the core's too: there the answer, here the promise comes early.
 */
export const WAL_MUTATIONS = [
  /** After a failed sync it tries again and believes (Rebello et al., ATC 2020). */
  'retry-failed-sync',
  /** Damage in the middle of the newest segment is cut like a torn tail (Alagappan et al., FAST 2018). */
  'damage-cut-like-torn-tail',
  /** A new segment's name is not made durable before entries in it are acknowledged. */
  'rename-without-directory-sync',
  /** Segments and the older snapshot go before the log names the new one. */
  'release-before-snapshot-durable',
  /** Term and vote are left out of a batch that has entries. */
  'hard-state-not-written',
] as const;

export type WalMutation = (typeof WAL_MUTATIONS)[number];
