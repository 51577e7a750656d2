/** One duplex byte stream inside a bulk link, with credit-based flow control (window 256 KiB). */
export interface ByteStream {
  /** Resolves when the window takes it; rejects with WIRE_LOST when the stream has died. */
  write(chunk: Uint8Array): Promise<void>;
  /** No more from this side. */
  end(): void;
  /** Give up both directions; the other side's reads reject with WIRE_CANCELLED and this reason. */
  cancel(reason: string): void;
  /** The next chunk, or undefined after the other side's end. One reader at a time. */
  read(): Promise<Uint8Array | undefined>;
  /** Called once when the stream is over in both directions or has died. */
  onClose(handle: () => void): void;
}
