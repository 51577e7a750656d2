/**
 * Random histories of a log, with the states a crash may leave. Calls are made in order and take
 * effect in order, so what is recovered must be the state after some number of calls: at least
 * those that were acknowledged, at most those that were made.
 */
import { isDeepStrictEqual } from 'node:util';

import type { Entry, HardState, SnapshotMeta } from '#src/raft/types.ts';
import type { Prng } from '#src/sim/prng.ts';
import type { Recovered, Wal } from '#src/wal/wal.ts';
import { entries, metaAt } from './wal-lab.ts';

export type LogState = Recovered;

type Call =
  | { kind: 'append'; hardState?: HardState; entries: Entry[] }
  | { kind: 'snapshot'; meta: SnapshotMeta; chunks: Uint8Array[] };

export class History {
  readonly #prng: Prng;
  /** states[i] is the state after i calls. */
  readonly #states: LogState[];
  #acknowledged = 0;

  constructor(prng: Prng, start: LogState) {
    this.#prng = prng;
    this.#states = [start];
  }

  /** Make calls until the node dies: this never resolves before `calls` are done. */
  async work(wal: Wal, calls: number): Promise<void> {
    for (let made = 0; made < calls;) {
      const call = this.#nextCall();
      if (call.kind === 'snapshot') {
        const done = this.#made(call);
        await wal.saveSnapshot(call.meta, call.chunks);
        this.#acknowledged = Math.max(this.#acknowledged, done);
        made += 1;
        continue;
      }
      // Up to three appends at once share a sync.
      const together = [call, ...Array.from({ length: this.#prng.below(3) }, () => undefined)];
      const appends: Promise<void>[] = [];
      for (const first of together) {
        const append = first ?? this.#nextAppend();
        const done = this.#made(append);
        const acknowledged = wal.append(append).then(() => {
          this.#acknowledged = Math.max(this.#acknowledged, done);
        });
        appends.push(acknowledged);
      }
      await Promise.all(appends);
      made += together.length;
    }
  }

  /** Why this cannot have been recovered; undefined when it can. */
  complaint(recovered: Recovered): string | undefined {
    const possible = this.#states.slice(this.#acknowledged);
    if (possible.some((state) => isDeepStrictEqual(state, recovered))) return undefined;
    const show = ({ hardState, snapshot, entries: list }: LogState): string =>
      `term ${hardState.currentTerm} commit ${hardState.commitIndex} snapshot ${snapshot?.index} ` +
      `entries ${list.map(({ index, term }) => `${index}/${term}`).join(' ')}`;
    return `recovered ${show(recovered)}\nallowed:\n${possible.map(show).join('\n')}`;
  }

  #made(call: Call): number {
    this.#states.push(after(this.#states.at(-1)!, call));
    return this.#states.length - 1;
  }

  #nextCall(): Call {
    const { hardState, snapshot, entries: list } = this.#states.at(-1)!;
    const chunks = [this.#prng.bytes(this.#prng.below(900)), this.#prng.bytes(this.#prng.below(900))];
    const floor = snapshot?.index ?? 0;
    const covered = list.filter(({ index }) => index <= hardState.commitIndex);
    if (covered.length > 4 && this.#prng.chance(0.5)) {
      const last = covered[this.#prng.below(covered.length)]!;
      return { kind: 'snapshot', meta: metaAt(last.index, last.term), chunks };
    }
    if (this.#prng.chance(0.02)) {
      const index = Math.max(floor, list.at(-1)?.index ?? 0) + 1 + this.#prng.below(3);
      return { kind: 'snapshot', meta: metaAt(index, hardState.currentTerm), chunks };
    }
    return this.#nextAppend();
  }

  #nextAppend(): Call & { kind: 'append' } {
    const { hardState, snapshot, entries: list } = this.#states.at(-1)!;
    const last = list.at(-1)?.index ?? snapshot?.index ?? 0;
    const open = last - hardState.commitIndex;
    const replaces = open > 0 && this.#prng.chance(0.2);
    const term = hardState.currentTerm + (replaces || this.#prng.chance(0.1) ? 1 : 0);
    const from = replaces ? last - this.#prng.below(open) : last + 1;
    const count = 1 + this.#prng.below(4);
    const bytes = this.#prng.chance(0.1) ? 6000 : this.#prng.below(700);
    const to = from + count - 1;
    const commitIndex = Math.max(hardState.commitIndex, to - this.#prng.below(8));
    const next = { currentTerm: term, votedFor: term % 2 === 0 ? undefined : 'n2', commitIndex };
    const withHardState = term !== hardState.currentTerm || this.#prng.chance(0.6);
    return {
      kind: 'append',
      entries: entries(from, to, { term, bytes }),
      ...(withHardState ? { hardState: next } : {}),
    };
  }
}

/** The second implementation: what a call means, without a disk. */
function after({ hardState, snapshot, entries: list }: LogState, call: Call): LogState {
  if (call.kind === 'append') {
    const first = call.entries[0]!.index;
    const kept = list.filter(({ index }) => index < first);
    return { hardState: call.hardState ?? hardState, snapshot, entries: [...kept, ...call.entries] };
  }
  const { index, term } = call.meta;
  const matches = list.some((entry) => entry.index === index && entry.term === term);
  return {
    hardState: { ...hardState, commitIndex: Math.max(hardState.commitIndex, index) },
    snapshot: call.meta,
    entries: matches ? list.filter((entry) => entry.index > index) : [],
  };
}
