/**
 * `kubelet.dial`: a TCP connection into a Pod of this node, for port-forward and the proxy of the API server. The
 * stream is the connection: its bytes, its half closes. What cannot be dialled is refused before the stream opens.
 */
import type { DialedConnection, Runtime } from '#src/ports/runtime.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { PodWorker } from './pod-worker.ts';

interface DialHeader {
  namespace: string;
  pod: string;
  uid: string;
  port: number;
}

/** Connections of all Pods at once. */
const CONNECTIONS_MAX = 4096;

export function serveDials(options: {
  peers: Peers;
  runtime: Runtime;
  workerOf: (namespace: string, name: string) => Pick<PodWorker, 'uid' | 'sandboxId'> | undefined;
}): void {
  let open = 0;

  async function dial(header: DialHeader, stream: ByteStream): Promise<void> {
    const worker = options.workerOf(header.namespace, header.pod);
    const isOther = worker !== undefined && header.uid !== '' && worker.uid !== header.uid;
    if (worker?.sandboxId === undefined || isOther)
      throw new Fault('KUBELET_NO_POD', `pod "${header.pod}" is not running on this node`, 'never');
    if (!Number.isInteger(header.port) || header.port < 1 || header.port > 65_535)
      throw new Fault('KUBELET_PORT', `port ${header.port} is not between 1 and 65535`, 'never');
    if (open >= CONNECTIONS_MAX)
      throw new Fault('KUBELET_BUSY', `${CONNECTIONS_MAX} connections into pods are open on this node`, 'later');
    open += 1;
    try {
      const connection = await options.runtime.dial(worker.sandboxId, header.port);
      const done = { heard: false };
      stream.onClose(() => {
        open -= 1;
        // Ended from both sides, the connection ends by itself: what was said last is still being written.
        if (!done.heard) connection.output.cancel();
      });
      void copyIn(stream, connection);
      void copyOut(stream, connection, done);
    } catch (error) {
      open -= 1;
      throw error;
    }
  }

  options.peers.onStream('kubelet.dial', (_from, header, stream) => dial(header as DialHeader, stream));
}

async function copyIn(stream: ByteStream, connection: DialedConnection): Promise<void> {
  try {
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read())
      await connection.write(chunk);
    connection.end();
  } catch {
    connection.output.cancel(); // The other side of the stream is gone.
  }
}

async function copyOut(stream: ByteStream, connection: DialedConnection, done: { heard: boolean }): Promise<void> {
  try {
    await connection.output.pump(async (chunk) => await stream.write(chunk));
    done.heard = true;
    stream.end();
  } catch (error) {
    stream.cancel(messageOf(error));
  }
}
