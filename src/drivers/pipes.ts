/** Writing to a Node stream at the pace of whoever reads it. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Resolves when the stream takes more. One that is ended or gone takes everything, as /dev/null does. */
export async function writeTo(target: Writable, chunk: Uint8Array): Promise<void> {
  if (target.destroyed || target.writableEnded) return;
  if (target.write(chunk)) return;
  const waiting = new AbortController();
  const options = { signal: waiting.signal };
  try {
    await Promise.race([once(target, 'drain', options), once(target, 'close', options)]);
  } catch {
    // It broke: its owner is told by the output's end.
  } finally {
    waiting.abort();
  }
}
