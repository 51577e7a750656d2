/**
 * port-forward: each connection through it is a pair of SPDY streams, `error` and `data`, with the same `requestID`,
 * and a stream of bytes to the kubelet of the Pod. SPDY comes on a socket of its own (kubectl until 1.30) or inside a
 * WebSocket. Clients without SPDY use channels of a WebSocket instead: two a port, data then error.
 */
import type { Pod } from '#src/api/objects.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpWebSocket } from '#src/ports/http.ts';
import { badRequest } from '#src/registry/refusals.ts';
import type { SpdyStream } from '#src/spdy/spdy.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { openKubeletStream } from './kubelet-stream.ts';
import { clientDrained, idleGuard } from './stream-socket.ts';

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
export const PORT_FORWARD_TUNNEL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`;
export const PORT_FORWARD_CHANNELS = ['v4.channel.k8s.io', PORT_FORWARD_PROTOCOL];
/** The second stream of a pair has come by then. */
const PAIR_WITHIN_MS = 30_000;
const PAIRS_WAITING_MAX = 256;
/** Ports of one WebSocket with channels. */
const CHANNEL_PORTS_MAX = 64;
const CHANNEL_PENDING_BYTES_MAX = 1024 * 1024;

export interface ForwardTarget {
  streams: Peers;
  clock: Clock;
  pod: Pod;
}

export async function dialPod(
  { streams, pod }: Pick<ForwardTarget, 'streams' | 'pod'>,
  port: number,
): Promise<ByteStream> {
  const { namespace = '', name = '', uid = '' } = pod.metadata;
  return await openKubeletStream(streams, pod, {
    method: 'kubelet.dial',
    header: { namespace, pod: name, uid, port },
  });
}

/** In the words that people search for. */
function forwardFailure({ pod }: ForwardTarget, port: number, error: unknown): Uint8Array {
  const { name = '', uid = '' } = pod.metadata;
  return new TextEncoder().encode(`error forwarding port ${port} to pod ${name}, uid ${uid}: ${messageOf(error)}`);
}

/** Pairs the streams of one SPDY connection and forwards each pair. */
export class PortForwarder {
  readonly #target: ForwardTarget;
  readonly #waiting = new Map<string, SpdyStream>();

  constructor(target: ForwardTarget) {
    this.#target = target;
  }

  /** @throws Fault to refuse the stream. */
  add(stream: SpdyStream): void {
    const type = stream.headers.get('streamtype') ?? '';
    if (type !== 'error' && type !== 'data')
      throw new Fault('FORWARD_STREAM', `invalid stream type ${JSON.stringify(type.slice(0, 100))}`, 'never');
    const port = Number(stream.headers.get('port'));
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new Fault('FORWARD_STREAM', '"port" header is required', 'never');
    // Old clients number no requests: their data stream follows its error stream.
    const id = stream.headers.get('requestid') ?? `stream ${type === 'error' ? stream.id : stream.id - 2}`;
    const other = this.#waiting.get(id);
    if (other === undefined) {
      this.#wait(id, stream);
      return;
    }
    if (other.headers.get('streamtype') === type)
      throw new Fault('FORWARD_STREAM', `a second ${type} stream of request ${id.slice(0, 100)}`, 'never');
    this.#waiting.delete(id);
    void forward(this.#target, port, type === 'data' ? { data: stream, error: other } : { data: other, error: stream });
  }

  #wait(id: string, stream: SpdyStream): void {
    if (this.#waiting.size >= PAIRS_WAITING_MAX)
      throw new Fault('FORWARD_STREAM', `${PAIRS_WAITING_MAX} streams wait for their second`, 'later');
    this.#waiting.set(id, stream);
    const timer = this.#target.clock.after(PAIR_WITHIN_MS, () => {
      if (this.#waiting.get(id) === stream) stream.reset('timed out waiting for the streams of the request');
    });
    stream.onClose(() => {
      timer.cancel();
      if (this.#waiting.get(id) === stream) this.#waiting.delete(id);
    });
  }
}

async function forward(
  target: ForwardTarget,
  port: number,
  { data, error }: { data: SpdyStream; error: SpdyStream },
): Promise<void> {
  const tell = async (why: unknown): Promise<void> => {
    await error.write(forwardFailure(target, port, why)).catch(() => undefined); // It hung up: nobody to tell.
  };
  let stream: ByteStream;
  try {
    stream = await dialPod(target, port);
  } catch (why) {
    await tell(why);
    error.end();
    data.reset('the port could not be reached');
    return;
  }
  data.onClose((broken) => {
    // Ended from both sides is no reason: what the client said last is still on its way.
    if (broken) stream.cancel('the client closed the connection');
  });
  void copyIn(data, stream);
  try {
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) await data.write(chunk);
    data.end();
  } catch (why) {
    await tell(why);
    data.reset('the connection broke');
  }
  // Its end tells the client that no failure comes any more; some wait for it before they close theirs.
  error.end();
}

async function copyIn(data: SpdyStream, stream: ByteStream): Promise<void> {
  try {
    for (let chunk = await data.read(); chunk !== undefined; chunk = await data.read()) await stream.write(chunk);
    stream.end();
  } catch (error) {
    stream.cancel(messageOf(error));
  }
}

/** `?ports=80,443&ports=8080`. @throws ApiError 400. */
export function channelPorts(query: URLSearchParams): number[] {
  const texts = query.getAll('ports').flatMap((list) => list.split(','));
  if (texts.length === 0) throw badRequest('query parameter "ports" is required');
  if (texts.length > CHANNEL_PORTS_MAX) throw badRequest(`at most ${CHANNEL_PORTS_MAX} ports`);
  return texts.map((text) => {
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
      throw badRequest(`unable to parse ${JSON.stringify(text)} as a port: must be between 1 and 65535`);
    return port;
  });
}

/** Channel 2i is the data of port i, 2i + 1 its error; each begins with the port in two bytes, little-endian. */
export async function forwardChannels(socket: HttpWebSocket, target: ForwardTarget, ports: number[]): Promise<void> {
  const { clock } = target;
  const closed = Promise.withResolvers<void>();
  let gone = false;
  const end = (code: number, reason: string): void => {
    if (!gone) socket.close(code, reason);
  };
  const idle = idleGuard(clock, () => end(1000, 'idle for too long'));
  const send = async (channel: number, bytes: Uint8Array): Promise<void> => {
    if (gone) return;
    idle.touch();
    const message = new Uint8Array(bytes.length + 1);
    message[0] = channel;
    message.set(bytes, 1);
    socket.send(message);
    await clientDrained(clock, socket, () => gone);
  };
  const inputs = ports.map((port, i) => startChannel(target, { port, channel: 2 * i, send }));
  let pendingBytes = 0;
  socket.onMessage((message) => {
    idle.touch();
    const [channel = 0] = message;
    const input = channel % 2 === 0 ? inputs[channel / 2] : undefined;
    if (input === undefined) return end(1002, `there is no channel ${channel} to write to`);
    pendingBytes += message.length;
    if (pendingBytes > CHANNEL_PENDING_BYTES_MAX) socket.pause();
    void input.write(message.slice(1)).then(() => {
      pendingBytes -= message.length;
      if (pendingBytes <= CHANNEL_PENDING_BYTES_MAX / 2) socket.resume();
    });
  });
  socket.onClose(() => {
    gone = true;
    for (const input of inputs) input.cancel();
    closed.resolve();
  });
  void Promise.all(inputs.map(async (input) => await input.over)).then(() => end(1000, ''));
  await closed.promise;
  idle.stop();
}

interface ChannelInput {
  /** Never rejects. */
  write: (bytes: Uint8Array) => Promise<void>;
  cancel: () => void;
  over: Promise<void>;
}

function startChannel(
  target: ForwardTarget,
  {
    port,
    channel,
    send,
  }: { port: number; channel: number; send: (channel: number, bytes: Uint8Array) => Promise<void> },
): ChannelInput {
  const dialled = dialPod(target, port);
  let last: Promise<void> = dialled.then(() => undefined);
  last.catch(() => undefined); // Told on the error channel.
  async function run(): Promise<void> {
    const announced = new Uint8Array([port & 0xff, port >> 8]);
    await send(channel, announced);
    await send(channel + 1, announced);
    try {
      const stream = await dialled;
      for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read())
        await send(channel, chunk);
    } catch (error) {
      await send(channel + 1, forwardFailure(target, port, error));
    }
  }
  return {
    write: async (bytes) => {
      last = last.then(async () => await (await dialled).write(bytes));
      await last.catch(() => undefined); // The reading side tells what broke.
    },
    cancel: () => void dialled.then((stream) => stream.cancel('the client went away')).catch(() => undefined), // Never opened.
    over: run(),
  };
}
