/** One end of a flow-controlled stream inside a bulk link. */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import type { BulkMessage } from './frames.ts';
import type { ByteStream } from './streams.ts';

/** What one side may send before the other has read it. */
export const WINDOW_BYTES = 256 * 1024;
const CHUNK_BYTES_MAX = 64 * 1024;
/** Credit goes back in steps, not per chunk. */
const CREDIT_STEP_BYTES = 64 * 1024;

export interface StreamEnd extends ByteStream {
  /** Messages of this stream from the other side. */
  receive(message: BulkMessage): void;
  /** The link has died or the other side gave up. */
  fail(fault: Fault): void;
}

export function createStreamEnd(id: number, send: (message: BulkMessage) => void, forget: () => void): StreamEnd {
  const incoming: Uint8Array[] = [];
  let incomingBytes = 0;
  let owedCredit = 0;
  let window = WINDOW_BYTES;
  let ended = false;
  let otherEnded = false;
  let failure: Fault | undefined;
  let closed = false;
  let reader: { resolve: (chunk: Uint8Array | undefined) => void; reject: (error: Fault) => void } | undefined;
  let writers: { resolve: () => void; reject: (error: Fault) => void }[] = [];
  const closers: (() => void)[] = [];

  function maybeClose(): void {
    if (closed || (!failure && !(ended && otherEnded))) return;
    closed = true;
    forget();
    for (const handle of closers.splice(0)) handle();
  }

  function fail(fault: Fault): void {
    if (failure || closed) return;
    failure = fault;
    reader?.reject(fault);
    reader = undefined;
    for (const writer of writers) writer.reject(fault);
    writers = [];
    maybeClose();
  }

  function wake(): void {
    const waiting = writers;
    writers = [];
    for (const writer of waiting) writer.resolve();
  }

  function take(): Uint8Array | undefined {
    const chunk = incoming.shift();
    if (!chunk) return undefined;
    incomingBytes -= chunk.length;
    owedCredit += chunk.length;
    if (owedCredit >= CREDIT_STEP_BYTES && !otherEnded) {
      send(['w', id, owedCredit]);
      owedCredit = 0;
    }
    return chunk;
  }

  function receive(message: BulkMessage): void {
    if (message[0] === 'd') {
      incomingBytes += message[2].length;
      if (incomingBytes > WINDOW_BYTES) {
        send(['c', id, 'WIRE_CANCELLED', 'the sender ignored the window', 'never']);
        fail(new Fault('WIRE_LOST', 'the other side sent more than the window allows', 'never'));
        return;
      }
      // A view of the frame: copied, or one chunk would pin all of it.
      incoming.push(message[2].slice());
      if (reader) {
        const { resolve } = reader;
        reader = undefined;
        resolve(take());
      }
    } else if (message[0] === 'w') {
      window += message[2];
      wake();
    } else if (message[0] === 'e') {
      otherEnded = true;
      if (incoming.length === 0) reader?.resolve(undefined);
      if (incoming.length === 0) reader = undefined;
      maybeClose();
    } else if (message[0] === 'c') {
      fail(new Fault(message[2], message[3], message[4] === 'later' ? 'later' : 'never'));
    }
  }

  return {
    receive,
    fail,
    async write(chunk) {
      assert(!ended, `stream ${id} was written to after its end`);
      for (let at = 0; at < chunk.length;) {
        if (failure) throw failure;
        if (window === 0) {
          await new Promise<void>((resolve, reject) => writers.push({ resolve, reject }));
          continue;
        }
        const size = Math.min(window, CHUNK_BYTES_MAX, chunk.length - at);
        window -= size;
        send(['d', id, chunk.subarray(at, at + size)]);
        at += size;
      }
      if (failure) throw failure;
    },
    end() {
      if (ended || failure) return;
      ended = true;
      send(['e', id]);
      maybeClose();
    },
    cancel(reason) {
      if (closed || failure) return;
      send(['c', id, 'WIRE_CANCELLED', reason, 'never']);
      fail(new Fault('WIRE_CANCELLED', reason, 'never'));
    },
    read() {
      assert(!reader, `stream ${id} has two readers`);
      const chunk = take();
      if (chunk) return Promise.resolve(chunk);
      if (failure) return Promise.reject(failure);
      if (otherEnded) return Promise.resolve(undefined);
      return new Promise((resolve, reject) => (reader = { resolve, reject }));
    },
    onClose(handle) {
      if (closed) handle();
      else closers.push(handle);
    },
  };
}
