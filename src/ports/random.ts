/** Randomness. Real: the operating system's; simulated: a seeded generator. */
export interface Random {
  /** Uniform random bytes; a fresh array each call. */
  bytes(length: number): Uint8Array;
  /** Uniform integer in [0, bound); bound in [1, 2^32]. */
  below(bound: number): number;
  /** RFC 9562 version 4, lower case. */
  uuid(): string;
}
