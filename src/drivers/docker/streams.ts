/** The engine's byte streams: multiplexed output (8-byte headers), raw output, and lines of JSON. */
import type { Duplex } from 'node:stream';
import type { OutputStream } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';

const HEADER_BYTES = 8;
const JSON_LINE_BYTES_MAX = 1024 * 1024;

type Handle = (chunk: Uint8Array, stream: 'stdout' | 'stderr') => void | Promise<void>;

/**
 * Frames are `stream (1 = stdout, 2 = stderr), 0, 0, 0, length (32 bits, big-endian), payload`.
 * A payload is handed on as it arrives, so that memory does not grow with a frame's length.
 */
function createFrameParser(): (chunk: Buffer, handle: Handle) => Promise<void> {
  let head = Buffer.alloc(0);
  let left = 0;
  let stream: 'stdout' | 'stderr' = 'stdout';
  return async (chunk, handle) => {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const payload = chunk.subarray(at, at + left);
        at += payload.length;
        left -= payload.length;
        await handle(payload, stream);
        continue;
      }
      const missing = chunk.subarray(at, at + HEADER_BYTES - head.length);
      head = Buffer.concat([head, missing]);
      at += missing.length;
      if (head.length < HEADER_BYTES) return;
      stream = head[0] === 2 ? 'stderr' : 'stdout';
      left = head.readUInt32BE(4);
      head = Buffer.alloc(0);
    }
  };
}

/** An engine's stream as an OutputStream: nothing more is read while a handler is busy. */
export function outputOf(
  source: NodeJS.ReadableStream,
  options: { raw: boolean; limitBytes?: number; onCancel?: () => void },
): OutputStream {
  let cancelled = false;
  const readable = source as Duplex;
  readable.on('error', () => undefined); // Told to whoever pumps.
  const cancel = (): void => {
    if (cancelled) return;
    cancelled = true;
    readable.destroy();
    options.onCancel?.();
  };
  return {
    async pump(handle) {
      const parse = createFrameParser();
      let left = options.limitBytes ?? Infinity;
      const limited: Handle = async (chunk, stream) => {
        if (left <= 0 || cancelled) return;
        const part = chunk.subarray(0, left);
        left -= part.length;
        await handle(part, stream);
      };
      try {
        for await (const chunk of readable as AsyncIterable<Buffer>) {
          if (options.raw) await limited(chunk, 'stdout');
          else await parse(chunk, limited);
          if (left <= 0) break;
        }
      } catch (error) {
        if (cancelled) return;
        throw new Fault('RUNTIME_UNAVAILABLE', 'the engine cut a stream off', 'later', error);
      }
    },
    cancel,
  };
}

/** Objects of a stream with one JSON text a line. */
export async function* jsonLines(source: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > JSON_LINE_BYTES_MAX)
      throw new Fault(
        'RUNTIME_UNAVAILABLE',
        `the engine sent a line of more than ${JSON_LINE_BYTES_MAX} bytes`,
        'later',
      );
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as unknown;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as unknown;
}
