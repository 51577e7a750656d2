/** LIST: ready bytes joined by commas, in chunks, yielding between them. */
import type { Clock } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { RawObject } from '#src/registry/raw.ts';
import type { RawList } from '#src/registry/read.ts';
import type { Exchange } from './exchange.ts';
import { partialOf, tableFor, type Presenter } from './present.ts';

/** Bytes given to the connection before the loop may do other things. */
export const LIST_CHUNK_BYTES = 256 * 1024;
/** A reader that takes nothing for so long is cut. */
export const STALLED_READER_MS = 30_000;

const COMMA = utf8(',');

export interface ListMeta {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

function metaOf(list: RawList): ListMeta {
  return {
    resourceVersion: String(list.revision),
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
}

export async function sendList(exchange: Exchange, presenter: Presenter, list: RawList): Promise<void> {
  const { presentation, kind, clock } = presenter;
  if (presentation.form === 'table') {
    const { rows: _none, ...head } = tableFor(presenter, [], { listMeta: metaOf(list) });
    const start = `${JSON.stringify(head).slice(0, -1)},"rows":[`;
    await sendJoined({ exchange, clock }, utf8(start), rowsOf(presenter, list.items), utf8(']}\n'));
    return;
  }
  const asMetadata = presentation.form === 'metadataList' ? presentation.version : undefined;
  const head =
    asMetadata === undefined
      ? { kind: kind.listKind, apiVersion: kind.apiVersion }
      : { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${asMetadata}` };
  const pieces = asMetadata === undefined ? list.items.map((item) => item.bytes) : lazily(list.items, asMetadata);
  const start = `${JSON.stringify({ ...head, metadata: metaOf(list) }).slice(0, -1)},"items":[`;
  await sendJoined({ exchange, clock }, utf8(start), pieces, utf8(']}\n'));
}

function* lazily(items: RawObject[], version: 'v1' | 'v1beta1'): Generator<Uint8Array> {
  for (const item of items) yield utf8(JSON.stringify(partialOf(item.object(), version)));
}

/** Rows are made as they are sent, so that a long table holds the loop no longer than a chunk. */
function* rowsOf(presenter: Presenter, items: RawObject[]): Generator<Uint8Array> {
  for (const item of items) {
    const { rows } = tableFor(presenter, [item.object()], {});
    for (const row of rows) yield utf8(JSON.stringify(row));
  }
}

/** Gathers pieces into chunks; a list below one chunk is one write with its length. */
async function sendJoined(
  to: { exchange: Exchange; clock: Clock },
  start: Uint8Array,
  pieces: Iterable<Uint8Array>,
  end: Uint8Array,
): Promise<void> {
  const { exchange, clock } = to;
  let waiting: Uint8Array[] = [start];
  let bytes = start.length;
  let started = false;
  let isFirst = true;
  for (const piece of pieces) {
    if (!isFirst) waiting.push(COMMA);
    isFirst = false;
    waiting.push(piece);
    bytes += piece.length + 1;
    if (bytes < LIST_CHUNK_BYTES) continue;
    if (!started && !exchange.head(200, { 'content-type': 'application/json' }, { compress: true })) return;
    started = true;
    if (!(await writeAndYield(exchange, clock, joined(waiting)))) return;
    waiting = [];
    bytes = 0;
  }
  waiting.push(end);
  if (started) exchange.response.end(joined(waiting));
  else exchange.sendBytes(200, 'application/json', joined(waiting));
}

export function joined(pieces: Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** False when the reader is gone or was cut for taking nothing. */
export async function writeAndYield(exchange: Exchange, clock: Clock, chunk: Uint8Array): Promise<boolean> {
  const { response } = exchange;
  if (response.closed) return false;
  if (response.write(chunk)) {
    await new Promise<void>((resolve) => clock.soon(resolve));
    return !response.closed;
  }
  const timer = clock.after(STALLED_READER_MS, () => {
    response.abort(`the reader took nothing for ${STALLED_READER_MS} ms`);
  });
  try {
    await response.drained();
  } catch {
    // The reader went away: `closed` says so below.
  }
  timer.cancel();
  return !response.closed;
}
