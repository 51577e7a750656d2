/** Messages on a byte stream: each preceded by its length in four bytes, big-endian. */
import { Fault } from './fault.ts';

const LENGTH_BYTES = 4;

export function encodeLengthFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, LENGTH_BYTES);
  return frame;
}

/** Chunks in, whole messages out. */
export class LengthFrameReader {
  readonly #messageBytesMax: number;
  #waiting: Uint8Array = new Uint8Array();

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** The messages this chunk completes. Faults: FRAME_TOO_LARGE; the stream cannot be read on after it. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = new Uint8Array(this.#waiting.length + chunk.length);
    bytes.set(this.#waiting);
    bytes.set(chunk, this.#waiting.length);
    const view = new DataView(bytes.buffer);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = view.getUint32(at);
      if (length > this.#messageBytesMax) {
        throw new Fault(
          'FRAME_TOO_LARGE',
          `a message announces ${length} bytes; at most ${this.#messageBytesMax} are taken`,
          'never',
        );
      }
      if (bytes.length - at - LENGTH_BYTES < length) break;
      messages.push(bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
      at += LENGTH_BYTES + length;
    }
    this.#waiting = bytes.slice(at);
    return messages;
  }
}
