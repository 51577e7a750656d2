/** What a connection is after it has left HTTP: a WebSocket, or a raw stream of bytes. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { HttpWebSocket, RawStream } from '#src/ports/http.ts';

/** After our end of a raw stream, until the socket is cut. */
const RAW_END_GRACE_MS = 10_000;

export function webSocketOf(socket: WebSocket): HttpWebSocket {
  socket.on('error', () => socket.terminate());
  return {
    send: (message, options) => socket.send(message, { binary: !options?.text }),
    bufferedBytes: () => socket.bufferedAmount,
    onMessage: (handle) => socket.on('message', (data: Buffer, isBinary) => handle(data, !isBinary)),
    onClose: (handle) => socket.on('close', (code, reason) => handle(code, reason.toString())),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code, reason) => socket.close(code, reason),
  };
}

export function rawStreamOf(socket: Socket): RawStream {
  // One listener for all who wait: the streams of a connection may be many.
  const waiting: (() => void)[] = [];
  const wake = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  socket.on('error', () => socket.destroy());
  socket.on('drain', wake);
  socket.on('close', wake);
  return {
    write: (chunk) => (socket.destroyed || socket.writableEnded ? true : socket.write(chunk)),
    drained: () =>
      socket.destroyed || !socket.writableNeedDrain
        ? Promise.resolve()
        : new Promise((resolve) => waiting.push(resolve)),
    onData: (handle) => socket.on('data', handle),
    onEnd: (handle) => socket.on('end', handle),
    onClose: (handle) => socket.on('close', handle),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => {
      socket.end();
      // The other side has its time to read what is left, and no more.
      const timer = setTimeout(() => socket.destroy(), RAW_END_GRACE_MS);
      socket.once('close', () => clearTimeout(timer));
    },
  };
}
