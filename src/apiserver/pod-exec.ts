/**
 * exec and attach: a WebSocket of the client joined to a stream of the Pod's kubelet. The server only
 * relays: the kubelet speaks the channel protocol itself. A message is one byte of channel (0 stdin,
 * 1 stdout, 2 stderr, 3 the final Status as JSON, 4 resize as JSON, v5 only: 255 and the number of a channel
 * that is closed) and its payload; on the stream each message is a length frame (std/length-frames.ts).
 */
import type { Pod } from '#src/api/objects.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpWebSocket } from '#src/ports/http.ts';
import { badRequest } from '#src/registry/refusals.ts';
import { messageOf } from '#src/std/fault.ts';
import { encodeLengthFrame, LengthFrameReader } from '#src/std/length-frames.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { chosenContainer } from './pod-logs.ts';
import { booleanOf } from './query.ts';
import { clientDrained, idleGuard } from './stream-socket.ts';

/** Newest first. v5 can close stdin (KEP-4006); the oldest tells the outcome as plain text. */
export const WEBSOCKET_EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io'];
/** Longest message relayed in either direction. */
export const EXEC_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes from the client that the kubelet has not taken; beyond it the client is read no more for a while. */
const PENDING_BYTES_MAX = 1024 * 1024;

/** The header of a `kubelet.exec` stream; `attach` joins the container's own process. */
export interface ExecRequest {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  attach: boolean;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** The outcome as each protocol tells it: a Status, before v4 the text of a failure. */
export function statusFor(protocol: string, status: Uint8Array): Uint8Array {
  if (/^v[45]\./.test(protocol)) return status;
  const { status: outcome, message } = JSON.parse(new TextDecoder().decode(status)) as {
    status?: string;
    message?: string;
  };
  return new TextEncoder().encode(outcome === 'Success' ? '' : (message ?? 'unknown error'));
}

/** From the handshake to the end of either side. Never rejects. */
export async function relayWebSocketExec(
  socket: HttpWebSocket,
  stream: ByteStream,
  at: { protocol: string; clock: Clock },
): Promise<void> {
  const closed = { value: false };
  const idle = idleGuard(at.clock, () => {
    stream.cancel('nothing went over the connection for too long');
    socket.close(1000, 'idle for too long');
  });
  relayIn(socket, stream, { closed, touch: idle.touch });
  await relayOut(socket, stream, { ...at, closed, touch: idle.touch });
  idle.stop();
}

/** @throws ApiError 400. */
export function execRequestOf(query: URLSearchParams, pod: Pod, attach: boolean): ExecRequest {
  const name = pod.metadata.name ?? '';
  const container = chosenContainer(query, pod);
  const command = query.getAll('command');
  if (!attach && command.length === 0) throw badRequest('you must specify at least one command for the container');
  const { phase } = (pod.status ?? {}) as { phase?: string };
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw badRequest(`cannot exec into a container in a completed pod; current phase is ${phase}`);
  }
  const flag = (option: string): boolean => booleanOf(query, option) ?? false;
  const streams = { stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr'), tty: flag('tty') };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw badRequest('must specify at least one of stdin, stdout or stderr');
  // A terminal has one output; Kubernetes refuses stderr beside it only from old clients.
  if (streams.tty) streams.stderr = false;
  return {
    namespace: pod.metadata.namespace ?? '',
    pod: name,
    uid: pod.metadata.uid ?? '',
    container,
    attach,
    command,
    ...streams,
  };
}

interface Relay {
  closed: { value: boolean };
  touch: () => void;
}

function relayIn(socket: HttpWebSocket, stream: ByteStream, { closed, touch }: Relay): void {
  let pendingBytes = 0;
  let paused = false;
  let last: Promise<void> = Promise.resolve();
  socket.onMessage((message) => {
    touch();
    if (message.length > EXEC_MESSAGE_BYTES_MAX) {
      stream.cancel(`a message of ${message.length} bytes; at most ${EXEC_MESSAGE_BYTES_MAX}`);
      socket.close(1009, 'the message is too large');
      return;
    }
    pendingBytes += message.length;
    if (!paused && pendingBytes > PENDING_BYTES_MAX) {
      paused = true;
      socket.pause();
    }
    const frame = encodeLengthFrame(message);
    last = last
      .then(async () => await stream.write(frame))
      .then(
        () => {
          pendingBytes -= message.length;
          if (!paused || pendingBytes > PENDING_BYTES_MAX / 2) return;
          paused = false;
          socket.resume();
        },
        () => {
          // The stream has died: relayOut sees it and closes the socket, which must be read for that.
          if (paused) socket.resume();
        },
      );
  });
  socket.onClose(() => {
    closed.value = true;
    stream.cancel('the client went away');
  });
}

async function relayOut(
  socket: HttpWebSocket,
  stream: ByteStream,
  at: Relay & { protocol: string; clock: Clock },
): Promise<void> {
  const reader = new LengthFrameReader(EXEC_MESSAGE_BYTES_MAX);
  try {
    for (;;) {
      const chunk = await stream.read();
      if (chunk === undefined || at.closed.value) break;
      at.touch();
      for (const message of reader.push(chunk)) socket.send(message[0] === 3 ? outcome(message, at.protocol) : message);
      await clientDrained(at.clock, socket, () => at.closed.value);
    }
    if (!at.closed.value) socket.close(1000, '');
  } catch (error) {
    stream.cancel(messageOf(error));
    if (!at.closed.value) socket.close(1011, closeReason(error));
  }
}

function outcome(message: Uint8Array, protocol: string): Uint8Array {
  return new Uint8Array([3, ...statusFor(protocol, message.subarray(1))]);
}

/** RFC 6455 §5.5: a close frame holds at most 123 bytes of reason. */
function closeReason(error: unknown): string {
  return messageOf(error)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 120);
}
