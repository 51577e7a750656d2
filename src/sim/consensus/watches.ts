/**
 * Clients that watch, and the six promises of a watch (reference/raft.md A2): ordered, unique, atomic, reliable,
 * resumable, bookmarkable; through compaction, installed snapshots and the death of the node that served it.
 */
import type { StoreEvent, Transaction } from '#src/store/command.ts';
import type { Replica } from '#src/replica/replica.ts';
import type { StoreWatch } from '#src/store/view.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import type { Client } from './clients.ts';
import type { GroupProcess, SimGroup } from './group.ts';

const queueBytesMax = 64 * 1024;
const resumeMs = 30;
/** A watcher goes elsewhere by itself after so many batches, at most. */
const batchesMax = 60;
/** A watch on which nothing comes for so long is looked for elsewhere. */
const idleMs = 2000;
const bookmarkChance = 0.3;

export interface WatchedEvent {
  key: string;
  revision: number;
  deleted: boolean;
}

/** From one listing to the next compaction: nothing may be missing in between, whichever nodes served it. */
interface Segment {
  fromRevision: number;
  throughRevision: number;
  events: WatchedEvent[];
  /** Revisions of the last event of each delivery. */
  ends: Set<number>;
}

export class WatchClient {
  readonly segments: Segment[] = [];
  readonly name: string;
  readonly #client: Client;
  readonly #range: { from: string; to: string };
  readonly wrong: string[] = [];

  constructor(client: Client, range: { from: string; to: string }) {
    this.#client = client;
    this.name = client.name;
    this.#range = range;
  }

  get throughRevision(): number {
    return this.segments.at(-1)?.throughRevision ?? 0;
  }

  start(): void {
    this.#resume();
  }

  /** Goes up with each attempt; what belongs to an older one is over. */
  #attempt = 0;

  #resume(): void {
    const { group } = this.#client.world;
    const attempt = (this.#attempt += 1);
    const process = this.#client.process();
    if (process === undefined) {
      group.world.after(resumeMs, () => attempt === this.#attempt && this.#resume());
      return;
    }
    process.clock.run(() => {
      if (attempt === this.#attempt) this.#open(process, attempt);
    });
    // Nobody tells a client that its node died.
    const sinceMs = group.world.nowMs();
    let seen = this.throughRevision;
    const look = (): void => {
      if (attempt !== this.#attempt) return;
      // Nor that it was removed, and hears of nothing any more.
      const idle = seen === this.throughRevision && group.world.nowMs() - sinceMs > idleMs;
      seen = this.throughRevision;
      if (process.dead || idle) {
        this.#client.leave();
        this.#resume();
      } else group.world.after(resumeMs * 3, look);
    };
    group.world.after(resumeMs * 3, look);
  }

  #open(process: GroupProcess & { replica: Replica }, attempt: number): void {
    const view = process.replica.local();
    let segment = this.segments.at(-1);
    if (segment === undefined) {
      segment = { fromRevision: view.revision, throughRevision: view.revision, events: [], ends: new Set() };
      this.segments.push(segment);
    }
    let watch: StoreWatch;
    try {
      watch = view.watch({ ...this.#range, afterRevision: segment.throughRevision, queueBytesMax });
    } catch (error) {
      this.#failed(error);
      return;
    }
    void this.#follow(watch, segment, attempt);
  }

  async #follow(watch: StoreWatch, segment: Segment, attempt: number): Promise<void> {
    const most = 1 + this.#client.prng.below(batchesMax);
    try {
      for (let batch = 0; batch < most; batch += 1) {
        const events = await watch.next();
        if (events === undefined || attempt !== this.#attempt) break;
        this.#take(events, segment);
        segment.ends.add(segment.throughRevision);
        if (this.#client.prng.chance(bookmarkChance))
          segment.throughRevision = Math.max(segment.throughRevision, watch.progress());
      }
      watch.cancel();
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#client.leave();
    this.#resume();
  }

  #take(events: readonly StoreEvent[], segment: Segment): void {
    this.#client.world.counts.events += events.length;
    for (const { key, revision, type } of events) {
      // A bookmark is a promise: nothing at or below it comes after it.
      if (revision <= segment.throughRevision)
        this.wrong.push(`${this.name} was past revision ${segment.throughRevision} and got ${revision} of ${key}`);
      segment.events.push({ key, revision, deleted: type === 'delete' });
      segment.throughRevision = Math.max(segment.throughRevision, revision);
    }
  }

  #failed(error: unknown): void {
    const { group } = this.#client.world;
    const attempt = (this.#attempt += 1);
    this.#client.leave();
    if (isFault(error, 'STORE_COMPACTED')) this.#relist();
    else if (!isFault(error)) group.report({ kind: 'watch', message: `${this.name}: ${messageOf(error)}` });
    group.world.after(resumeMs, () => attempt === this.#attempt && this.#resume());
  }

  /** What it has missed is gone: it lists anew, and is promised what comes after that. */
  #relist(): void {
    const replica = this.#client.process()?.replica;
    if (replica === undefined) return;
    const { revision } = replica.local();
    if (revision <= this.throughRevision) return;
    this.segments.push({ fromRevision: revision, throughRevision: revision, events: [], ends: new Set() });
  }
}

/** What happened in truth: read from the history of whoever has applied the most. */
export class Truth {
  readonly #group: SimGroup;
  /** By revision. */
  readonly #events = new Map<number, WatchedEvent>();
  /** First and last revision of acknowledged transactions with more than one write. */
  readonly #whole = new Map<number, number>();
  readonly contradictions: string[] = [];
  #revision = 0;

  constructor(group: SimGroup) {
    this.#group = group;
  }

  start(): void {
    this.#look();
  }

  #look(): void {
    this.collect();
    this.#group.world.after(collectEveryMs, () => this.#look());
  }

  /** Nodes may be behind, never ahead of what is true. */
  collect(): void {
    for (const node of this.#group.running()) {
      const { store } = node.process.replica;
      if (store.revision <= this.#revision) continue;
      const from = Math.max(this.#revision, store.compactedRevision);
      const to = store.revision;
      this.#revision = to;
      let watch: StoreWatch;
      try {
        watch = store.watch({ from: '', to: '\uffff', afterRevision: from, queueBytesMax: Number.MAX_SAFE_INTEGER });
      } catch {
        // Compacted in between: what is not known is not judged.
        continue;
      }
      void this.#take(watch, to);
    }
  }

  async #take(watch: StoreWatch, to: number): Promise<void> {
    while (watch.progress() < to) {
      const events = await watch.next();
      if (events === undefined) break;
      for (const { key, revision, type } of events)
        this.#events.set(revision, { key, revision, deleted: type === 'delete' });
    }
    watch.cancel();
  }

  /** A transaction was acknowledged: it has happened, whole, and at these revisions. */
  acknowledge(revisions: readonly number[], transaction: Transaction): void {
    const written = revisions.filter((revision) => revision > 0);
    const first = written[0];
    const last = written.at(-1);
    if (first === undefined || last === undefined) return;
    if (last > first) this.#whole.set(first, last);
    for (const [i, operation] of transaction.operations.entries()) {
      if (operation.type !== 'put' && operation.type !== 'delete') continue;
      const revision = revisions[i];
      if (revision === undefined) continue;
      this.#acknowledged.push({ key: operation.key, revision, deleted: operation.type === 'delete' });
    }
  }

  readonly #acknowledged: WatchedEvent[] = [];

  judge(watcher: WatchClient): string[] {
    const wrong = [...watcher.wrong];
    this.#checkAcknowledged();
    const sorted = [...this.#events.values()].sort((a, b) => a.revision - b.revision);
    for (const { fromRevision, throughRevision, events, ends } of watcher.segments) {
      const got = new Map<number, WatchedEvent>();
      let last = fromRevision;
      for (const event of events) {
        if (event.revision <= last)
          wrong.push(`${watcher.name} got revision ${event.revision} of ${event.key} after revision ${last}`);
        last = Math.max(last, event.revision);
        got.set(event.revision, event);
        const is = this.#events.get(event.revision);
        if (is !== undefined && (is.key !== event.key || is.deleted !== event.deleted))
          wrong.push(`${watcher.name} got ${JSON.stringify(event)}; in truth it was ${JSON.stringify(is)}`);
      }
      for (const { key, revision } of sorted) {
        if (revision <= fromRevision || revision > throughRevision || got.has(revision) || !key.startsWith('d/'))
          continue;
        wrong.push(
          `${watcher.name} watched from ${fromRevision} through ${throughRevision} and never got ${revision} of ${key}`,
        );
      }
      for (const end of ends)
        if (this.#isInside(end))
          wrong.push(`${watcher.name} got a delivery that ended in the middle of a transaction, at ${end}`);
    }
    return wrong;
  }

  #isInside(end: number): boolean {
    // Transactions have few writes.
    for (let first = end; first > end - writesMax && first > 0; first -= 1)
      if ((this.#whole.get(first) ?? 0) > end) return true;
    return false;
  }

  #checkAcknowledged(): void {
    for (const { key, revision, deleted } of this.#acknowledged.splice(0)) {
      const is = this.#events.get(revision);
      if (is !== undefined && (is.key !== key || is.deleted !== deleted))
        this.contradictions.push(`a write of ${key} was acknowledged at revision ${revision}; that was of ${is.key}`);
    }
  }
}

const collectEveryMs = 50;
const writesMax = 8;
