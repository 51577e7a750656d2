/**
 * Memory for values: many small ones share one buffer. A buffer of its own costs about 300 bytes beside the
 * value and its own visit of the garbage collector. A shared one lives as long as any value in it, so it is
 * small: what one long-lived value can hold back is at most one slab.
 */

/** Of a shared buffer. */
const SLAB_BYTES = 32 * 1024;
/** Longer values get a buffer of their own. */
const SHARED_BYTES_MAX = 2 * 1024;

export class Slabs {
  #slab = new Uint8Array(0);
  #used = 0;

  /** Zeroed bytes, nobody else's. */
  take(length: number): Uint8Array {
    if (length > SHARED_BYTES_MAX) return new Uint8Array(length);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += length;
    return this.#slab.subarray(from, this.#used);
  }
}
