/** One stream of a SPDY connection: what came and was not read, both ends, its window. */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import { DATA_BYTES_MAX, STATUS, type Frame } from './frames.ts';
import type { Headers } from './header-block.ts';

/** Of streams and of connections, until SETTINGS say otherwise (§2.6.8, and 3.1 for connections). */
export const INITIAL_WINDOW_BYTES = 64 * 1024;

const MERGED_BYTES_MAX = 4096;

export interface SpdyStream {
  readonly id: number;
  /** Of its SYN_STREAM, names in lower case. */
  readonly headers: Headers;
  /** The next chunk, undefined after the other side's end. One reader at a time. Faults: SPDY_CLOSED. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when window and transport take it. Faults: SPDY_CLOSED. */
  write(chunk: Uint8Array): Promise<void>;
  /** No more from this side. */
  end(): void;
  /** Give up both directions. */
  reset(reason: string, status?: number): void;
  /** Once: ended from both sides, or broken. */
  onClose(handle: (broken: boolean) => void): void;
}

/** The connection's view of a stream. */
export interface StreamEnd extends SpdyStream {
  receive(payload: Uint8Array): void;
  receiveEnd(): void;
  fail(reason: string): void;
  /** From now on a window binds what is sent; what was sent so far counts. */
  bind(firstWindow: number): void;
  widen(delta: number): void;
}

interface Options {
  id: number;
  headers: Headers;
  send: (frame: Frame) => boolean;
  drained: () => Promise<void>;
  /** So many bytes were read. */
  take: (bytes: number) => void;
  /** How many of these bytes the connection lets go, waiting for at least one. */
  allowance: (bytes: number) => Promise<number>;
  forget: () => void;
}

export function createSpdyStream(options: Options): StreamEnd {
  const { id, send } = options;
  const incoming: Uint8Array[] = [];
  let owedCredit = 0;
  let ended = false;
  let otherEnded = false;
  let failure: Fault | undefined;
  let closed = false;
  let sentBytes = 0;
  let window: number | undefined;
  let reader: { resolve: (chunk: Uint8Array | undefined) => void; reject: (error: Fault) => void } | undefined;
  let waiting: (() => void)[] = [];
  const closers: ((broken: boolean) => void)[] = [];

  function maybeClose(): void {
    if (closed || (failure === undefined && !(ended && otherEnded))) return;
    closed = true;
    options.forget();
    for (const handle of closers.splice(0)) handle(failure !== undefined);
  }

  function wake(): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  function drop(): void {
    const bytes = incoming.reduce((sum, chunk) => sum + chunk.length, 0);
    incoming.length = 0;
    if (bytes > 0) options.take(bytes);
  }

  /** Small pieces are put together: a byte a frame would cost far more than the bytes that are counted. */
  function keep(chunk: Uint8Array): void {
    const last = incoming.at(-1);
    if (last === undefined || last.length + chunk.length > MERGED_BYTES_MAX) {
      incoming.push(chunk);
      return;
    }
    const merged = new Uint8Array(last.length + chunk.length);
    merged.set(last);
    merged.set(chunk, last.length);
    incoming[incoming.length - 1] = merged;
  }

  function fail(reason: string): void {
    if (failure !== undefined || closed) return;
    failure = new Fault('SPDY_CLOSED', reason, 'never');
    drop();
    reader?.reject(failure);
    reader = undefined;
    wake();
    maybeClose();
  }

  function taken(chunk: Uint8Array): Uint8Array {
    owedCredit += chunk.length;
    options.take(chunk.length);
    if (owedCredit >= INITIAL_WINDOW_BYTES / 2 && !otherEnded) {
      send({ type: 'windowUpdate', streamId: id, delta: owedCredit });
      owedCredit = 0;
    }
    return chunk;
  }

  async function write(chunk: Uint8Array): Promise<void> {
    assert(!ended, `SPDY stream ${id} was written to after its end`);
    for (let at = 0; at < chunk.length;) {
      while (window !== undefined && window <= 0 && failure === undefined)
        await new Promise<void>((resolve) => waiting.push(resolve));
      if (failure !== undefined) throw failure;
      const wanted = Math.min(DATA_BYTES_MAX, chunk.length - at, window ?? Infinity);
      const size = await options.allowance(wanted);
      if (failure !== undefined) throw failure;
      if (window !== undefined) window -= size;
      sentBytes += size;
      const took = send({ type: 'data', streamId: id, payload: chunk.subarray(at, at + size), fin: false });
      at += size;
      if (!took) await options.drained();
    }
    if (failure !== undefined) throw failure;
  }

  return {
    id,
    headers: options.headers,
    write,
    fail,
    read() {
      assert(reader === undefined, `SPDY stream ${id} has two readers`);
      const chunk = incoming.shift();
      if (chunk !== undefined) return Promise.resolve(taken(chunk));
      if (failure !== undefined) return Promise.reject(failure);
      if (otherEnded) return Promise.resolve(undefined);
      return new Promise((resolve, reject) => (reader = { resolve, reject }));
    },
    end() {
      if (ended || failure !== undefined) return;
      ended = true;
      send({ type: 'data', streamId: id, payload: new Uint8Array(), fin: true });
      maybeClose();
    },
    reset(reason, status = STATUS.cancel) {
      if (closed) return;
      send({ type: 'rstStream', streamId: id, status });
      fail(reason);
    },
    onClose(handle) {
      if (closed) handle(failure !== undefined);
      else closers.push(handle);
    },
    receive(payload) {
      if (otherEnded || failure !== undefined) {
        options.take(payload.length);
        if (otherEnded) {
          send({ type: 'rstStream', streamId: id, status: STATUS.streamAlreadyClosed });
          fail('the other side sent data after its end');
        }
        return;
      }
      // A view of the transport's buffer: copied, or one chunk would pin all of it.
      const chunk = new Uint8Array(payload);
      if (reader === undefined) keep(chunk);
      else {
        const { resolve } = reader;
        reader = undefined;
        resolve(taken(chunk));
      }
    },
    receiveEnd() {
      if (otherEnded) return;
      otherEnded = true;
      reader?.resolve(undefined);
      reader = undefined;
      maybeClose();
    },
    bind(firstWindow) {
      window ??= firstWindow - sentBytes;
    },
    widen(delta) {
      window = Math.min(0x7fff_ffff, (window ?? INITIAL_WINDOW_BYTES - sentBytes) + delta);
      wake();
    },
  };
}
