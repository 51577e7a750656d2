/**
 * WATCH: synthetic ADDED of what is there, then events in revision order as this selection sees them,
 * bookmarks, a clean end at the timeout. Pulled, never pushed: a slow reader fills only the store's
 * bounded queue, which then gives up on it.
 */
import type { Kind } from '#src/api/kinds.ts';
import type { Timer } from '#src/ports/clock.ts';
import { isFault } from '#src/std/fault.ts';
import type { StoreEvent } from '#src/store/command.ts';
import type { StoreView, StoreWatch } from '#src/store/view.ts';
import type { WatchOptions } from './client.ts';
import { viewOf, type RegistryCore } from './core.ts';
import { rawOf, type NamedObject, type RawObject } from './raw.ts';
import { freshnessOf, selectedRange, selectionOf, type Selection } from './read.ts';
import { checkWatchOptions } from './list-options.ts';
import { expired, tooOldRevision } from './refusals.ts';

export type RawWatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: RawObject }
  | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean };

export interface RawWatch {
  /** The next events, at least one; undefined when over (timeout, cancel). @throws ApiError 410 Expired. */
  next(): Promise<RawWatchEvent[] | undefined>;
  cancel(): void;
}

/** Kubernetes sends a bookmark about once a minute. */
export const BOOKMARK_INTERVAL_MS = 60_000;
/** A last bookmark comes this long before the timeout, so that the next watch starts where this one ended. */
export const LAST_BOOKMARK_MS = 2_000;
/** A reader that lets this much wait is cut; it resumes from its last revision. */
export const WATCH_QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** Initial objects are given in lots, so that selecting among many does not hold the loop. */
const INITIAL_LOT_OBJECTS = 128;
/** Events decoded for a selection per turn. */
const SELECT_LOT_EVENTS = 256;

interface WatchStart {
  /** Objects to give as ADDED first. */
  initial: RawObject[];
  /** The revision of those, or the one to go on after. */
  revision: number;
  endsWithBookmark: boolean;
}

export async function openWatch(core: RegistryCore, kind: Kind, options: WatchOptions): Promise<RawWatch> {
  checkWatchOptions(options);
  const selection = selectionOf(kind, options);
  const given = options.resourceVersion ?? '';
  const freshness = freshnessOf(given);
  const view = await viewOf(core, freshness);
  const range = selectedRange(kind, options.namespace, selection);
  // Without a revision, at 0 and for WatchList the current objects come first.
  const fromNow = freshness.type === 'atLeast' && options.sendInitialEvents !== true;
  const start: WatchStart = fromNow
    ? { initial: [], revision: freshness.revision, endsWithBookmark: false }
    : initialOf(view, kind, range, options);
  const watch = watchStore(view, range, start.revision);
  return new PulledWatch({ core, kind, selection, start, watch, options });
}

function initialOf(
  view: StoreView,
  kind: Kind,
  range: { from: string; to: string },
  options: WatchOptions,
): WatchStart {
  if (options.sendInitialEvents === false) return { initial: [], revision: view.revision, endsWithBookmark: false };
  const found = view.range({ ...range, limit: 0 });
  return {
    initial: found.items.map((item) => rawOf(kind, item.value)),
    revision: found.revision,
    endsWithBookmark: options.sendInitialEvents === true && options.allowBookmarks === true,
  };
}

function watchStore(view: StoreView, range: { from: string; to: string }, afterRevision: number): StoreWatch {
  try {
    return view.watch({ ...range, afterRevision, queueBytesMax: WATCH_QUEUE_BYTES_MAX });
  } catch (error) {
    if (isFault(error, 'STORE_COMPACTED')) throw tooOldRevision(afterRevision, view.compactedRevision);
    throw error;
  }
}

/** How an event looks through a selection: entering is ADDED, leaving is DELETED with the new state. */
export function selectEvent(
  core: RegistryCore,
  kind: Kind,
  selection: Selection,
  event: StoreEvent,
): RawWatchEvent | undefined {
  if (event.type === 'delete') {
    const object = rawOf(kind, event.value);
    return selection.everything || selection.matches(core.decoded.peek(kind, event.value))
      ? { type: 'DELETED', object }
      : undefined;
  }
  const object = rawOf(kind, event.value);
  if (selection.everything) return { type: event.previous === undefined ? 'ADDED' : 'MODIFIED', object };
  const matches = selection.matches(core.decoded.peek(kind, event.value));
  const matched = event.previous !== undefined && selection.matches(core.decoded.peek(kind, event.previous));
  if (matches) return { type: matched ? 'MODIFIED' : 'ADDED', object };
  if (!matched || event.previous === undefined) return undefined;
  // The client must drop what it had: it gets the object as it last matched, at the revision of the change.
  const last: NamedObject = rawOf(kind, event.previous).object();
  last.metadata.resourceVersion = String(event.revision);
  return { type: 'DELETED', object: detached(last, object) };
}

const encoder = new TextEncoder();

function detached(object: NamedObject, at: RawObject): RawObject {
  const json = JSON.stringify(object);
  return {
    bytes: encoder.encode(json),
    revision: at.revision,
    value: at.value,
    object: () => JSON.parse(json) as NamedObject,
  };
}

type Ending = { type: 'over' } | { type: 'failed'; error: unknown };

/**
 * One reader's watch. States: giving initial objects → following the store → ended. At most one
 * read of the store is under way; its events wait in `ready` when a bookmark answered first.
 */
class PulledWatch implements RawWatch {
  readonly #core: RegistryCore;
  readonly #kind: Kind;
  readonly #selection: Selection;
  readonly #start: WatchStart;
  readonly #watch: StoreWatch;
  readonly #bookmarks: boolean;
  readonly #timers: { bookmark: Timer | undefined; timeout: Timer | undefined };
  readonly #deadlineMs: number;
  #lastBookmarkArmed = false;
  #given = 0;
  #endBookmarkDue: boolean;
  #reading = false;
  #ready: StoreEvent[] = [];
  /**
   * The progress when a bookmark became due. Sampled in the timer's own turn: later, events may have been
   * taken from the store and not yet be in `ready`, and a bookmark past them would lose them.
   */
  #bookmarkDue: number | undefined;
  /** Every event at or below was given to the reader or is none of its business. */
  #processed: number;
  #ending: Ending | undefined;
  #wake: (() => void) | undefined;

  constructor(from: {
    core: RegistryCore;
    kind: Kind;
    selection: Selection;
    start: WatchStart;
    watch: StoreWatch;
    options: WatchOptions;
  }) {
    this.#core = from.core;
    this.#kind = from.kind;
    this.#selection = from.selection;
    this.#start = from.start;
    this.#watch = from.watch;
    this.#bookmarks = from.options.allowBookmarks === true;
    this.#endBookmarkDue = from.start.endsWithBookmark;
    this.#processed = from.start.revision;
    const seconds = from.options.timeoutSeconds;
    this.#deadlineMs =
      seconds === undefined ? Number.POSITIVE_INFINITY : from.core.clock.monotonicMs() + seconds * 1000;
    this.#timers = {
      bookmark: undefined,
      timeout:
        seconds === undefined ? undefined : from.core.clock.after(seconds * 1000, () => this.#end({ type: 'over' })),
    };
    this.#armBookmark();
  }

  async next(): Promise<RawWatchEvent[] | undefined> {
    for (;;) {
      const cut = this.#ending !== undefined && this.#given < this.#start.initial.length;
      if (cut) return undefined;
      if (this.#given < this.#start.initial.length) {
        const lot = await this.#initialLot();
        if (lot.length > 0) return lot;
        continue;
      }
      if (this.#endBookmarkDue) {
        this.#endBookmarkDue = false;
        return [{ type: 'BOOKMARK', revision: this.#start.revision, initialEventsEnd: true }];
      }
      if (this.#ready.length > 0) {
        const events = this.#selectReady();
        if (events.length > 0) return events;
        await new Promise<void>((resolve) => this.#core.clock.soon(resolve));
        continue;
      }
      if (this.#ending !== undefined) return this.#finish(this.#ending);
      if (this.#bookmarkDue !== undefined) {
        const revision = Math.max(this.#bookmarkDue, this.#processed);
        this.#bookmarkDue = undefined;
        this.#armBookmark();
        return [{ type: 'BOOKMARK', revision, initialEventsEnd: false }];
      }
      await this.#wait();
    }
  }

  cancel(): void {
    this.#end({ type: 'over' });
  }

  async #initialLot(): Promise<RawWatchEvent[]> {
    const lot = this.#start.initial.slice(this.#given, this.#given + INITIAL_LOT_OBJECTS);
    if (this.#given > 0) await new Promise<void>((resolve) => this.#core.clock.soon(resolve));
    this.#given += lot.length;
    return lot
      .filter((object) => this.#selection.everything || this.#selection.matches(object.object()))
      .map((object) => ({ type: 'ADDED', object }));
  }

  #selectReady(): RawWatchEvent[] {
    const lot = this.#ready.splice(0, SELECT_LOT_EVENTS);
    this.#processed = Math.max(this.#processed, lot.at(-1)?.revision ?? 0);
    const seen = lot.map((event) => selectEvent(this.#core, this.#kind, this.#selection, event));
    return seen.filter((event) => event !== undefined);
  }

  #wait(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#read();
    return woken;
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#watch.next().then(
      (events) => {
        this.#reading = false;
        if (events === undefined) this.#end({ type: 'over' });
        else this.#ready.push(...events);
        this.#notify();
      },
      (error: unknown) => {
        this.#reading = false;
        this.#end({ type: 'failed', error });
      },
    );
  }

  #armBookmark(): void {
    if (!this.#bookmarks || this.#lastBookmarkArmed) return;
    const leftMs = this.#deadlineMs - this.#core.clock.monotonicMs() - LAST_BOOKMARK_MS;
    this.#lastBookmarkArmed = leftMs <= BOOKMARK_INTERVAL_MS;
    if (leftMs <= 0) return;
    this.#timers.bookmark = this.#core.clock.after(Math.min(leftMs, BOOKMARK_INTERVAL_MS), () => {
      this.#bookmarkDue = this.#watch.progress();
      this.#notify();
    });
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#timers.bookmark?.cancel();
    this.#timers.timeout?.cancel();
    this.#watch.cancel();
    this.#notify();
  }

  #finish(ending: Ending): undefined {
    if (ending.type === 'over') return undefined;
    const { error } = ending;
    if (isFault(error, 'STORE_COMPACTED'))
      throw tooOldRevision(this.#watch.progress(), this.#core.reader.local().compactedRevision);
    if (isFault(error, 'STORE_WATCH_OVERFLOW'))
      throw expired('the watch was too slow: more events waited than its queue holds; list and watch again');
    throw error;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
