/** TCP connections into Pods, as the Runtime port hands them out. */
import { connect } from 'node:net';
import type { Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { writeTo } from './pipes.ts';

const DIAL_TIMEOUT_MS = 5000;

/** In the words of connect(2), as Kubernetes' clients know them. */
function dialFailure(error: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'connect: connection timed out',
  };
  return known[error.code ?? ''] ?? error.message;
}

/** Faults: RUNTIME_DIAL. */
export function dialTcp(host: string, port: number): ReturnType<Runtime['dial']> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: DIAL_TIMEOUT_MS, allowHalfOpen: true });
    socket.once('timeout', () => socket.destroy(new Error('i/o timeout')));
    socket.once('error', (error) =>
      reject(new Fault('RUNTIME_DIAL', `dial tcp ${host}:${port}: ${dialFailure(error)}`, 'later', error)),
    );
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.on('error', () => socket.destroy());
      resolve({
        output: {
          async pump(handle) {
            // Its end is not ours: a server may say all it has and still listen.
            for await (const chunk of socket.iterator({ destroyOnReturn: false }))
              await handle(chunk as Buffer, 'stdout');
          },
          cancel: () => void socket.destroy(),
        },
        write: (chunk) => writeTo(socket, chunk),
        end: () => void socket.end(),
      });
    });
  });
}
