/**
 * The terms of the log as runs, a few numbers for any length: what the writer needs to know of
 * entries it no longer holds. Invariant: runs rise in index and in term.
 */
import type { Entry, SnapshotMeta } from '#src/raft/types.ts';

export class LogTerms {
  #runs: { index: number; term: number }[] = [];
  lastIndex = 0;

  copy(): LogTerms {
    const copied = new LogTerms();
    copied.#runs = this.#runs.slice();
    copied.lastIndex = this.lastIndex;
    return copied;
  }

  /** An entry at or below the last index replaces it and everything behind it. */
  append({ index, term }: Pick<Entry, 'index' | 'term'>): void {
    while (this.#runs.length > 0 && (this.#runs.at(-1)?.index ?? 0) >= index) this.#runs.pop();
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ index, term });
    this.lastIndex = index;
  }

  termAt(index: number): number | undefined {
    if (index > this.lastIndex) return undefined;
    return this.#runs.findLast((run) => run.index <= index)?.term;
  }

  /**
   * A snapshot replaces the log up to its index. What lies behind is kept only when the log has
   * the same entry there; otherwise it belongs to another history (Raft §7). Returns whether it was kept.
   */
  snapshot({ index, term }: Pick<SnapshotMeta, 'index' | 'term'>): boolean {
    const kept = this.termAt(index) === term;
    if (kept) {
      this.#runs = [{ index, term }, ...this.#runs.filter((run) => run.index > index)];
    } else {
      this.#runs = [{ index, term }];
      this.lastIndex = index;
    }
    return kept;
  }
}
