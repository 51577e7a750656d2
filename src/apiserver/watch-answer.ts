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
import { joined, STALLED_READER_MS } from './list-answer.ts';
import { partialOf, tableFor, type Presenter } from './present.ts';
import { apiErrorOf, statusOf } from './status.ts';

/** Bytes accepted by a connection and not yet taken by its reader; beyond, the watch is cut. */
export const WATCH_BUFFERED_BYTES_MAX = 16 * 1024 * 1024;
/** Frames kept for other watchers of the same event. */
const FRAMES_MAX = 512;

const FRAME_END = utf8('}\n');
const FRAME_START = {
  ADDED: utf8('{"type":"ADDED","object":'),
  MODIFIED: utf8('{"type":"MODIFIED","object":'),
  DELETED: utf8('{"type":"DELETED","object":'),
};

/** The newest frames by the bytes they were made from. */
export class FrameCache {
  readonly #frames = new Map<Uint8Array, Partial<Record<keyof typeof FRAME_START, Uint8Array>>>();

  frameOf(type: keyof typeof FRAME_START, object: RawObject): Uint8Array {
    let frames = this.#frames.get(object.bytes);
    if (frames === undefined) {
      frames = {};
      this.#frames.set(object.bytes, frames);
      if (this.#frames.size > FRAMES_MAX) {
        for (const oldest of this.#frames.keys()) {
          this.#frames.delete(oldest);
          break;
        }
      }
    }
    frames[type] ??= joined([FRAME_START[type], object.bytes, FRAME_END]);
    return frames[type];
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

async function pump(
  exchange: Exchange,
  clock: Clock,
  watch: RawWatch,
  encode: (event: RawWatchEvent) => Uint8Array,
): Promise<void> {
  const { response } = exchange;
  for (;;) {
    const events = await watch.next();
    if (events === undefined || response.closed) return;
    const isTaken = response.write(joined(events.map(encode)));
    if (response.bufferedBytes() > WATCH_BUFFERED_BYTES_MAX) {
      response.abort(`the watcher is too slow: more than ${WATCH_BUFFERED_BYTES_MAX} bytes wait for it`);
      return;
    }
    if (isTaken) continue;
    const stalled: Timer = clock.after(STALLED_READER_MS, () => {
      response.abort(`the watcher took nothing for ${STALLED_READER_MS} ms`);
    });
    try {
      await response.drained();
    } catch {
      // The reader went away; the check of `closed` above ends the loop.
    }
    stalled.cancel();
    if (response.closed) return;
  }
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
  if (presentation.form === 'table')
    return tableFor(presenter, [], { withColumns: false, listMeta: { resourceVersion: metadata.resourceVersion } });
  if (presentation.form === 'metadata' || presentation.form === 'metadataList')
    return partialOf({ metadata }, presentation.version);
  return { kind: kind.kind, apiVersion: kind.apiVersion, metadata };
}
