/**
 * WATCH: one JSON frame per event, from ready bytes where the form allows. A frame is made once for all
 * watchers of the same form. A reader that does not keep up is cut and resumes by itself.
 */
import type { Kind } from '#src/api/kinds.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { RawObject } from '#src/registry/raw.ts';
import type { RawWatch, RawWatchEvent } from '#src/registry/watch.ts';
import type { Exchange } from './exchange.ts';
import { joined, LIST_CHUNK_BYTES, STALLED_READER_MS } from './list-answer.ts';
import { partialOf, tableFor, type Presenter } from './present.ts';
import { apiErrorOf, statusOf } from './status.ts';

/** Bytes accepted by a connection and not yet taken by its reader; beyond, the watch is cut. */
export const WATCH_BUFFERED_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of frames kept for other watchers of the same event. */
const FRAMES_BYTES_MAX = 16 * 1024 * 1024;

const FRAME_END = utf8('}\n');
const FRAME_START = {
  ADDED: utf8('{"type":"ADDED","object":'),
  MODIFIED: utf8('{"type":"MODIFIED","object":'),
  DELETED: utf8('{"type":"DELETED","object":'),
};

type FrameType = keyof typeof FRAME_START;

/** The newest frames by the bytes they were made from. */
export class FrameCache {
  readonly #frames = new Map<Uint8Array, { type: FrameType; frame: Uint8Array }>();
  #bytes = 0;

  /** An object of one revision has one type for all watchers but those with selectors; those make their own. */
  frameOf(type: FrameType, object: RawObject): Uint8Array {
    const known = this.#frames.get(object.bytes);
    if (known?.type === type) return known.frame;
    const frame = joined([FRAME_START[type], object.bytes, FRAME_END]);
    if (known !== undefined) return frame;
    this.#frames.set(object.bytes, { type, frame });
    this.#bytes += frame.length;
    for (const [oldest, { frame: dropped }] of this.#frames) {
      if (this.#bytes <= FRAMES_BYTES_MAX) break;
      this.#frames.delete(oldest);
      this.#bytes -= dropped.length;
    }
    return frame;
  }
}

export async function sendWatch(
  exchange: Exchange,
  presenter: Presenter,
  watch: RawWatch,
  frames: FrameCache,
): Promise<void> {
  exchange.response.onClose(() => {
    watch.cancel();
  });
  if (!exchange.head(200, { 'content-type': 'application/json' })) {
    watch.cancel();
    return;
  }
  const encode = encoderOf(presenter, frames);
  try {
    await pump(exchange, presenter.clock, watch, encode);
  } catch (error) {
    const frame = { type: 'ERROR', object: statusOf(apiErrorOf(error)) };
    if (!exchange.response.closed) exchange.response.write(utf8(`${JSON.stringify(frame)}\n`));
  } finally {
    watch.cancel();
  }
  if (!exchange.response.closed) exchange.response.end();
}

type Encode = (event: RawWatchEvent) => Uint8Array;

async function pump(exchange: Exchange, clock: Clock, watch: RawWatch, encode: Encode): Promise<void> {
  for (;;) {
    const events = await watch.next();
    if (events === undefined) return;
    let waiting: Uint8Array[] = [];
    let bytes = 0;
    for (const [at, event] of events.entries()) {
      const frame = encode(event);
      waiting.push(frame);
      bytes += frame.length;
      if (bytes < LIST_CHUNK_BYTES && at < events.length - 1) continue;
      if (!(await writeFrames(exchange, clock, joined(waiting)))) return;
      waiting = [];
      bytes = 0;
    }
  }
}

/** False when the watcher is gone or was cut. */
async function writeFrames(exchange: Exchange, clock: Clock, chunk: Uint8Array): Promise<boolean> {
  const { response } = exchange;
  if (response.closed) return false;
  const isTaken = response.write(chunk);
  if (response.bufferedBytes() > WATCH_BUFFERED_BYTES_MAX) {
    response.abort(`the watcher is too slow: more than ${WATCH_BUFFERED_BYTES_MAX} bytes wait for it`);
    return false;
  }
  if (isTaken) return true;
  const stalled: Timer = clock.after(STALLED_READER_MS, () => {
    response.abort(`the watcher took nothing for ${STALLED_READER_MS} ms`);
  });
  try {
    await response.drained();
  } catch {
    // The reader went away; `closed` says so below.
  }
  stalled.cancel();
  return !response.closed;
}

function encoderOf(presenter: Presenter, frames: FrameCache): (event: RawWatchEvent) => Uint8Array {
  const { presentation, kind } = presenter;
  let isFirst = true;
  return (event) => {
    if (event.type === 'BOOKMARK') return frame('BOOKMARK', bookmarkOf(presenter, kind, event));
    if (presentation.form === 'table') {
      const { resourceVersion = '' } = event.object.object().metadata;
      const table = tableFor(presenter, [event.object.object()], {
        withColumns: isFirst,
        listMeta: { resourceVersion },
      });
      isFirst = false;
      return frame(event.type, table);
    }
    if (presentation.form === 'metadata' || presentation.form === 'metadataList') {
      return frame(event.type, partialOf(event.object.object(), presentation.version));
    }
    return frames.frameOf(event.type, event.object);
  };
}

function frame(type: string, object: unknown): Uint8Array {
  return utf8(`${JSON.stringify({ type, object })}\n`);
}

function bookmarkOf(presenter: Presenter, kind: Kind, event: { revision: number; initialEventsEnd: boolean }): unknown {
  const metadata = {
    resourceVersion: String(event.revision),
    ...(event.initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  const { presentation } = presenter;
  if (presentation.form === 'table') {
    // A table's own metadata has no annotations: the mark of WatchList travels in a row.
    const marks = event.initialEventsEnd ? [{ apiVersion: kind.apiVersion, kind: kind.kind, metadata }] : [];
    const { resourceVersion } = metadata;
    return tableFor(presenter, marks, { withColumns: false, listMeta: { resourceVersion } });
  }
  if (presentation.form === 'metadata' || presentation.form === 'metadataList')
    return partialOf({ metadata }, presentation.version);
  return { kind: kind.kind, apiVersion: kind.apiVersion, metadata };
}
