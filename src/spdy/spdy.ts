/**
 * SPDY/3.1, as much of it as Kubernetes' clients speak: one connection, its streams, flow control both ways.
 * Owns: frames, header compression, windows, what a malformed frame does (it ends the connection).
 * Imports: std. Never: sockets, HTTP, clocks; a connection is given its transport and told what came.
 * The clients of Kubernetes (spdystream) neither send WINDOW_UPDATE nor keep to windows. So a window binds us only
 * once the other side has shown that it has windows; and what comes beyond ours stops the transport, not the stream.
 * Read next: frames.ts (the bytes), header-block.ts and inflate.ts (compression).
 */
import { messageOf } from '#src/std/fault.ts';
import { encodeFrame, FrameReader, SETTING_INITIAL_WINDOW_SIZE, STATUS, type Frame } from './frames.ts';
import { HeaderReader, HeaderWriter, malformed, type Headers } from './header-block.ts';
import { createSpdyStream, INITIAL_WINDOW_BYTES, type SpdyStream, type StreamEnd } from './stream.ts';

export type { Headers } from './header-block.ts';
export type { SpdyStream } from './stream.ts';

/** Streams open at once; a port-forward needs two for each connection through it. */
export const STREAMS_MAX = 512;
/** Bytes that came and were not read yet, of all streams; beyond it the transport is paused. */
export const UNREAD_BYTES_MAX = 1024 * 1024;
const WINDOW_BYTES_MAX = 0x7fff_ffff;

/** What carries the connection: a socket, or a WebSocket that tunnels one. */
export interface SpdyTransport {
  /** False when it is full: await `drained`. */
  write(bytes: Uint8Array): boolean;
  drained(): Promise<void>;
  pause(): void;
  resume(): void;
  end(): void;
}

export interface SpdyOptions {
  transport: SpdyTransport;
  role: 'server' | 'client';
  /** A stream the other side opened; it is replied to at once. Throwing refuses it. */
  onStream: (stream: SpdyStream) => void;
  /** Once, when the connection is over. */
  onClose: (reason: string) => void;
}

export interface SpdyConnection {
  /** Bytes from the transport. */
  receive(chunk: Uint8Array): void;
  open(headers: Headers): SpdyStream;
  /** Say goodbye and end the transport; what streams still wait for fails. */
  close(reason: string): void;
}

export function createSpdyConnection(options: SpdyOptions): SpdyConnection {
  const { transport } = options;
  const frames = new FrameReader();
  const headerReader = new HeaderReader();
  const headerWriter = new HeaderWriter();
  const streams = new Map<number, StreamEnd>();
  let lastPeerId = 0;
  let nextId = options.role === 'client' ? 1 : 2;
  let closed: string | undefined;
  let unreadBytes = 0;
  let paused = false;
  let owedCredit = 0;
  /** The window of the connection and the first one of streams; undefined: the other side has shown none. */
  let window: number | undefined;
  let firstWindow = INITIAL_WINDOW_BYTES;
  let sentBytes = 0;
  let waiting: (() => void)[] = [];

  const send = (frame: Frame): boolean => (closed === undefined ? transport.write(encodeFrame(frame)) : true);

  function wake(): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  /** From the first sign of windows on they bind, those bytes counted that went before. */
  function bind(): void {
    if (window !== undefined) return;
    window = INITIAL_WINDOW_BYTES - sentBytes;
    for (const stream of streams.values()) stream.bind(firstWindow);
  }

  function makeStream(id: number, headers: Headers): StreamEnd {
    const stream = createSpdyStream({
      id,
      headers,
      send,
      drained: () => transport.drained(),
      take(bytes) {
        unreadBytes -= bytes;
        owedCredit += bytes;
        if (owedCredit >= INITIAL_WINDOW_BYTES / 2) {
          send({ type: 'windowUpdate', streamId: 0, delta: owedCredit });
          owedCredit = 0;
        }
        if (paused && unreadBytes <= UNREAD_BYTES_MAX / 2) {
          paused = false;
          transport.resume();
        }
      },
      async allowance(bytes) {
        while (window !== undefined && window <= 0 && closed === undefined)
          await new Promise<void>((resolve) => waiting.push(resolve));
        const allowed = window === undefined ? bytes : Math.min(bytes, Math.max(0, window));
        sentBytes += allowed;
        if (window !== undefined) window -= allowed;
        return allowed;
      },
      forget: () => void streams.delete(id),
    });
    if (window !== undefined) stream.bind(firstWindow);
    streams.set(id, stream);
    return stream;
  }

  function end(reason: string, status: number): void {
    if (closed !== undefined) return;
    send({ type: 'goAway', lastStreamId: lastPeerId, status });
    closed = reason;
    for (const stream of [...streams.values()]) stream.fail(reason);
    streams.clear();
    wake();
    transport.end();
    options.onClose(reason);
  }

  function opened(frame: Extract<Frame, { type: 'synStream' }>): void {
    // Read in any case: the compression has a memory.
    const headers = headerReader.read(frame.headers);
    const { streamId } = frame;
    if (streamId % 2 !== (options.role === 'server' ? 1 : 0))
      throw malformed(`stream ${streamId} is not theirs to open`);
    if (streamId <= lastPeerId) throw malformed(`stream ${streamId} comes after stream ${lastPeerId}`);
    lastPeerId = streamId;
    if (streams.size >= STREAMS_MAX) {
      send({ type: 'rstStream', streamId, status: STATUS.refusedStream });
      return;
    }
    const stream = makeStream(streamId, headers);
    send({ type: 'synReply', streamId, fin: false, headers: headerWriter.write(new Map()) });
    try {
      options.onStream(stream);
    } catch (error) {
      stream.reset(messageOf(error), STATUS.refusedStream);
      return;
    }
    if (frame.fin) stream.receiveEnd();
  }

  function received(frame: Extract<Frame, { type: 'data' }>): void {
    const stream = streams.get(frame.streamId);
    if (stream === undefined) {
      // Closed a moment ago: what is still on its way is dropped. Never opened: told.
      const known = frame.streamId <= lastPeerId || frame.streamId < nextId;
      if (!known) send({ type: 'rstStream', streamId: frame.streamId, status: STATUS.invalidStream });
      return;
    }
    if (frame.payload.length > 0) {
      unreadBytes += frame.payload.length;
      stream.receive(frame.payload);
      if (!paused && unreadBytes > UNREAD_BYTES_MAX) {
        paused = true;
        transport.pause();
      }
    }
    if (frame.fin) stream.receiveEnd();
  }

  function handle(frame: Frame): void {
    switch (frame.type) {
      case 'data':
        received(frame);
        break;
      case 'synStream':
        opened(frame);
        break;
      case 'synReply':
      case 'headers':
        headerReader.read(frame.headers);
        if (frame.fin) streams.get(frame.streamId)?.receiveEnd();
        break;
      case 'rstStream':
        streams.get(frame.streamId)?.fail(`the other side reset the stream (status ${frame.status})`);
        break;
      case 'ping':
        // Ours have the parity of our streams, and we send none.
        if (frame.id % 2 === (options.role === 'server' ? 1 : 0)) send(frame);
        break;
      case 'goAway':
        break; // No new streams of ours; those that are open go on.
      case 'settings':
        settle(frame.values.get(SETTING_INITIAL_WINDOW_SIZE));
        break;
      case 'windowUpdate':
        bind();
        if (frame.streamId === 0) {
          window = (window ?? 0) + frame.delta;
          if (window > WINDOW_BYTES_MAX) throw malformed('a window of more than 2^31 - 1 bytes');
          wake();
        } else streams.get(frame.streamId)?.widen(frame.delta);
        break;
    }
  }

  function settle(size: number | undefined): void {
    if (size === undefined) return;
    if (size > WINDOW_BYTES_MAX) throw malformed(`a first window of ${size} bytes`);
    const difference = size - firstWindow;
    if (window === undefined) {
      firstWindow = size;
      bind();
      return;
    }
    firstWindow = size;
    for (const stream of streams.values()) stream.widen(difference);
  }

  return {
    receive(chunk) {
      if (closed !== undefined) return;
      try {
        for (const frame of frames.push(chunk)) {
          handle(frame);
          if (closed !== undefined) return;
        }
      } catch (error) {
        end(messageOf(error), STATUS.protocolError);
      }
    },
    open(headers) {
      const id = nextId;
      nextId += 2;
      const stream = makeStream(id, headers);
      send({ type: 'synStream', streamId: id, fin: false, headers: headerWriter.write(headers) });
      return stream;
    },
    close: (reason) => end(reason, 0),
  };
}
