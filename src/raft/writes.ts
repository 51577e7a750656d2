/** The readies that are on their way to the disk, and what becomes durable when they arrive. */
import type { RaftLog } from './log.ts';

type Write = {
  readyId: number;
  /** Its last entry. */
  last: { index: number; term: number } | undefined;
  /** The term in which it carries our vote for ourselves; 0: it does not. */
  ownVoteTerm: number;
};

export class Writes {
  /** In the order they were given, which is the order of the disk. */
  #underWay: Write[] = [];

  begin(write: Write): void {
    this.#underWay.push(write);
  }

  /** This ready, and all before it, are durable: mark it in the log. The newest term of an own vote among them. */
  end(readyId: number, log: RaftLog, { anyTerm = false }: { anyTerm?: boolean } = {}): number {
    let ownVoteTerm = 0;
    while ((this.#underWay[0]?.readyId ?? Infinity) <= readyId) {
      const done = this.#underWay.shift();
      if (!done) break;
      // The same index may hold another entry by now (append ABA): term and index must both fit.
      if (done.last && (anyTerm || log.matches(done.last.index, done.last.term)))
        log.persistedIndex = Math.max(log.persistedIndex, Math.min(done.last.index, log.lastIndex));
      ownVoteTerm = Math.max(ownVoteTerm, done.ownVoteTerm);
    }
    return ownVoteTerm;
  }

  /**
   * The log was cut here: what is under way vouches only for what is before it, even if the same entry comes back
   * (A3.15). Whether a write was concerned.
   */
  cutFrom(index: number, log: RaftLog): boolean {
    const last = { index: index - 1, term: log.termAt(index - 1) ?? 0 };
    const overtaken = this.#underWay.filter((write) => write.last && write.last.index >= index);
    for (const write of overtaken) write.last = last;
    return overtaken.length > 0;
  }
}
