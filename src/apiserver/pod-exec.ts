/**
 * exec and attach: a WebSocket of the client joined to a stream of the Pod's kubelet. The server only
 * relays: the kubelet speaks the channel protocol itself. A message is one byte of channel (0 stdin,
 * 1 stdout, 2 stderr, 3 the final Status as JSON, 4 resize as JSON, v5 only: 255 and the number of a channel
 * that is closed) and its payload; on the stream each message is a length frame (std/length-frames.ts).
 */
import type { Kind } from '#src/api/kinds.ts';
import type { Pod } from '#src/api/objects.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpUpgrade, HttpWebSocket } from '#src/ports/http.ts';
import { badRequest } from '#src/registry/refusals.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import { messageOf } from '#src/std/fault.ts';
import { encodeLengthFrame, LengthFrameReader } from '#src/std/length-frames.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { openKubeletStream } from './kubelet-stream.ts';
import { chosenContainer } from './pod-logs.ts';
import { booleanOf } from './query.ts';
import type { ResourceRoute } from './route.ts';

/** Newest first. v5 can close stdin (KEP-4006). */
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
/** Longest message relayed in either direction. */
export const EXEC_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes from the client that the kubelet has not taken; the port cannot pause a client, so it is cut beyond. */
export const EXEC_PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes the client has not taken before the kubelet's stream is read on, and how often that is looked at. */
const CLIENT_BUFFERED_BYTES_MAX = 1024 * 1024;
const CLIENT_POLL_MS = 10;

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

interface ExecContext {
  verbs: Verbs;
  kind: Kind;
  route: ResourceRoute;
  query: URLSearchParams;
  streams: Peers;
  clock: Clock;
}

/** Everything that can be refused is refused before the handshake, where the client can still read a Status. */
export async function relayExec(upgrade: HttpUpgrade, at: ExecContext): Promise<void> {
  const { verbs, kind, route, streams } = at;
  const name = route.name ?? '';
  const subresource = route.subresource ?? '';
  verbs.require(kind, 'create', { namespace: route.namespace, name, subresource });
  const pod = (await verbs.get(kind, { namespace: route.namespace, name })).object() as Pod;
  const request = execRequestOf(at.query, pod, subresource === 'attach');
  // Last: after a refused WebSocket kubectl tries SPDY and shows what that one was refused for.
  const protocol = chosenProtocol(upgrade.request.headers['sec-websocket-protocol']);
  const stream = await openKubeletStream(streams, pod, { method: 'kubelet.exec', header: request });
  const socket = await upgrade.acceptWebSocket(protocol);
  const closed = { value: false };
  relayIn(socket, stream, closed);
  await relayOut(socket, stream, { clock: at.clock, closed });
}

/** @throws ApiError 400 when the client speaks none of ours. */
export function chosenProtocol(offered: string | undefined): string {
  const known = (offered ?? '').split(',').map((protocol) => protocol.trim());
  const found = PROTOCOLS.find((protocol) => known.includes(protocol));
  if (found !== undefined) return found;
  throw badRequest(
    `unable to upgrade: none of the offered protocols [${known.join(' ')}] is served; use one of ${PROTOCOLS.join(', ')}`,
  );
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

function relayIn(socket: HttpWebSocket, stream: ByteStream, closed: { value: boolean }): void {
  let pendingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const giveUp = (reason: string): void => {
    stream.cancel(reason);
  };
  socket.onMessage((message) => {
    pendingBytes += message.length;
    if (message.length > EXEC_MESSAGE_BYTES_MAX || pendingBytes > EXEC_PENDING_BYTES_MAX) {
      giveUp(`the client sends faster than the container reads: more than ${EXEC_PENDING_BYTES_MAX} bytes wait`);
      socket.close(1009, 'too much input waits for the container');
      return;
    }
    const frame = encodeLengthFrame(message);
    last = last
      .then(async () => await stream.write(frame))
      .then(
        () => {
          pendingBytes -= message.length;
        },
        () => undefined, // the stream has died: relayOut sees it and closes the socket
      );
  });
  socket.onClose(() => {
    closed.value = true;
    giveUp('the client went away');
  });
}

async function relayOut(
  socket: HttpWebSocket,
  stream: ByteStream,
  at: { clock: Clock; closed: { value: boolean } },
): Promise<void> {
  const reader = new LengthFrameReader(EXEC_MESSAGE_BYTES_MAX);
  try {
    for (;;) {
      const chunk = await stream.read();
      if (chunk === undefined || at.closed.value) break;
      for (const message of reader.push(chunk)) socket.send(message);
      while (socket.bufferedBytes() > CLIENT_BUFFERED_BYTES_MAX && !at.closed.value) {
        await new Promise<void>((resolve) => {
          at.clock.after(CLIENT_POLL_MS, resolve);
        });
      }
    }
    if (!at.closed.value) socket.close(1000, '');
  } catch (error) {
    stream.cancel(messageOf(error));
    if (!at.closed.value) socket.close(1011, closeReason(error));
  }
}

/** RFC 6455 §5.5: a close frame holds at most 123 bytes of reason. */
function closeReason(error: unknown): string {
  return messageOf(error)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 120);
}
