/** What a client's long-lived connection is to those that relay it: SPDY over a socket or inside a WebSocket. */
import type { Clock } from '#src/ports/clock.ts';
import type { HttpUpgrade, HttpWebSocket } from '#src/ports/http.ts';
import { createSpdyConnection, type SpdyConnection, type SpdyStream, type SpdyTransport } from '#src/spdy/spdy.ts';

/** A connection over which nothing goes is ended; Kubernetes' streamingConnectionIdleTimeout. */
export const STREAM_IDLE_MS = 4 * 60 * 60 * 1000;
/** Bytes the client has not taken before no more is sent, and how often that is looked at. */
export const CLIENT_BUFFERED_BYTES_MAX = 1024 * 1024;
const CLIENT_POLL_MS = 10;

/** Calls back once when `touch` was not called for STREAM_IDLE_MS. */
export function idleGuard(clock: Clock, onIdle: () => void): { touch: () => void; stop: () => void } {
  let lastMs = clock.monotonicMs();
  const look = (): void => {
    const leftMs = lastMs + STREAM_IDLE_MS - clock.monotonicMs();
    if (leftMs <= 0) onIdle();
    else timer = clock.after(leftMs, look);
  };
  let timer = clock.after(STREAM_IDLE_MS, look);
  return { touch: () => void (lastMs = clock.monotonicMs()), stop: () => timer.cancel() };
}

/** Resolves when a slow client has taken enough, or is gone. */
export async function clientDrained(clock: Clock, socket: HttpWebSocket, isGone: () => boolean): Promise<void> {
  while (socket.bufferedBytes() > CLIENT_BUFFERED_BYTES_MAX && !isGone()) {
    await new Promise<void>((resolve) => {
      clock.after(CLIENT_POLL_MS, resolve);
    });
  }
}

interface Accepting {
  clock: Clock;
  onStream: (stream: SpdyStream) => void;
}

export interface ServedSpdy {
  connection: SpdyConnection;
  /** Resolves with the reason when it is over. */
  closed: Promise<string>;
}

/** `Upgrade: SPDY/3.1` answered; `protocol` is what the two sides speak in the streams. */
export function acceptSpdy(upgrade: HttpUpgrade, protocol: string, accepting: Accepting): ServedSpdy {
  const raw = upgrade.acceptRaw({
    Connection: 'Upgrade',
    Upgrade: 'SPDY/3.1',
    'X-Stream-Protocol-Version': protocol,
  });
  const served = serve(
    {
      write: (bytes) => raw.write(bytes),
      drained: async () => await raw.drained(),
      pause: () => raw.pause(),
      resume: () => raw.resume(),
      end: () => raw.end(),
    },
    accepting,
  );
  raw.onData(served.receive);
  raw.onEnd(() => served.connection.close('the client went away'));
  raw.onClose(() => served.connection.close('the client went away'));
  return served;
}

/** KEP-4006: the bytes of a SPDY connection in the binary messages of a WebSocket. */
export async function acceptTunnel(upgrade: HttpUpgrade, protocol: string, accepting: Accepting): Promise<ServedSpdy> {
  const socket = await upgrade.acceptWebSocket(protocol);
  let gone = false;
  const served = serve(
    {
      write: (bytes) => {
        if (!gone) socket.send(bytes);
        return gone || socket.bufferedBytes() <= CLIENT_BUFFERED_BYTES_MAX;
      },
      drained: async () => await clientDrained(accepting.clock, socket, () => gone),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      end: () => {
        if (!gone) socket.close(1000, '');
      },
    },
    accepting,
  );
  socket.onMessage(served.receive);
  socket.onClose(() => {
    gone = true;
    served.connection.close('the client went away');
  });
  return served;
}

function serve(
  transport: SpdyTransport,
  { clock, onStream }: Accepting,
): ServedSpdy & { receive: (chunk: Uint8Array) => void } {
  const ended = Promise.withResolvers<string>();
  const idle = idleGuard(clock, () => connection.close('nothing went over the connection for too long'));
  const connection = createSpdyConnection({
    role: 'server',
    transport: {
      ...transport,
      write: (bytes) => {
        idle.touch();
        return transport.write(bytes);
      },
    },
    onStream,
    onClose: (reason) => {
      idle.stop();
      ended.resolve(reason);
    },
  });
  const receive = (chunk: Uint8Array): void => {
    idle.touch();
    connection.receive(chunk);
  };
  return { connection, closed: ended.promise, receive };
}
