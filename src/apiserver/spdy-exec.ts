/**
 * exec and attach over SPDY/3.1: a stream each for error, stdin, stdout, stderr and resize, named by their header
 * `streamType`, put onto the channels that the kubelet speaks (pod-exec.ts) and back.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { SpdyStream } from '#src/spdy/spdy.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { encodeLengthFrame, LengthFrameReader } from '#src/std/length-frames.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { EXEC_MESSAGE_BYTES_MAX, statusFor, type ExecRequest } from './pod-exec.ts';
import type { ServedSpdy } from './stream-socket.ts';

/** Newest first. On SPDY v5 is v4: a stream can be closed without a message for it. */
export const SPDY_EXEC_PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;
const WITHOUT_RESIZE = ['v2.channel.k8s.io', 'channel.k8s.io'];
/** All streams are opened by then; Kubernetes' streamCreationTimeout. */
const STREAMS_WITHIN_MS = 30_000;
/** After the last byte, until a client that does not hang up is cut off. */
const CLOSE_GRACE_MS = 5_000;
const RESIZE_BYTES_MAX = 4096;

type StreamType = 'error' | 'stdin' | 'stdout' | 'stderr' | 'resize';

/** Collects the streams that a request of these options has. */
export class ExecStreams {
  readonly #wanted: Set<StreamType>;
  readonly #streams = new Map<StreamType, SpdyStream>();
  readonly #complete = Promise.withResolvers<void>();

  constructor(request: ExecRequest, protocol: string) {
    const wanted: StreamType[] = ['error'];
    for (const type of ['stdin', 'stdout', 'stderr'] as const) if (request[type]) wanted.push(type);
    if (request.tty && !WITHOUT_RESIZE.includes(protocol)) wanted.push('resize');
    this.#wanted = new Set(wanted);
    this.#complete.promise.catch(() => undefined); // Told to whoever waits for it.
  }

  /** @throws Fault to refuse it. */
  add(stream: SpdyStream): void {
    const type = (stream.headers.get('streamtype') ?? '') as StreamType;
    if (!this.#wanted.has(type) || this.#streams.has(type))
      throw new Fault('EXEC_STREAM', `invalid stream type ${JSON.stringify(type.slice(0, 100))}`, 'never');
    this.#streams.set(type, stream);
    if (this.#streams.size === this.#wanted.size) this.#complete.resolve();
  }

  /** Faults: EXEC_STREAM when the client does not open them in time. */
  async complete(clock: Clock, closed: Promise<string>): Promise<void> {
    const late = new Fault('EXEC_STREAM', 'timed out waiting for client to create streams', 'never');
    const timer = clock.after(STREAMS_WITHIN_MS, () => this.#complete.reject(late));
    void closed.then((reason) => this.#complete.reject(new Fault('EXEC_STREAM', reason, 'never')));
    try {
      await this.#complete.promise;
    } finally {
      timer.cancel();
    }
  }

  get(type: StreamType): SpdyStream | undefined {
    return this.#streams.get(type);
  }
}

/** From the first stream to the end of the connection. Never rejects. */
export async function relaySpdyExec(
  served: ServedSpdy,
  stream: ByteStream,
  at: { streams: ExecStreams; protocol: string; clock: Clock },
): Promise<void> {
  const { streams, clock } = at;
  void served.closed.then((reason) => stream.cancel(reason));
  try {
    await streams.complete(clock, served.closed);
    const write = messageWriter(stream);
    void relayStdin(streams.get('stdin'), write);
    void relayResizes(streams.get('resize'), write);
    await relayOutput(streams, stream, at.protocol);
  } catch (error) {
    stream.cancel(messageOf(error));
    // What broke half way is told where the client looks for the outcome.
    await streams
      .get('error')
      ?.write(statusFor(at.protocol, failure(messageOf(error))))
      .catch(() => undefined); // It hung up: nobody to tell.
  }
  for (const type of ['stdout', 'stderr', 'error', 'stdin', 'resize'] as const) streams.get(type)?.end();
  const timer = clock.after(CLOSE_GRACE_MS, () => served.connection.close('all has been sent'));
  await served.closed;
  timer.cancel();
}

/** Whole messages one after another: a stream's window may split a write. */
function messageWriter(stream: ByteStream): (channel: number, payload: Uint8Array) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (channel, payload) => {
    const message = new Uint8Array(payload.length + 1);
    message[0] = channel;
    message.set(payload, 1);
    last = last.then(async () => await stream.write(encodeLengthFrame(message)));
    last.catch(() => undefined); // Told to whoever waits for this write.
    return last;
  };
}

type Write = ReturnType<typeof messageWriter>;

async function relayStdin(stdin: SpdyStream | undefined, write: Write): Promise<void> {
  if (stdin === undefined) return;
  try {
    for (let chunk = await stdin.read(); chunk !== undefined; chunk = await stdin.read()) await write(0, chunk);
    await write(255, new Uint8Array([0]));
  } catch {
    // One of the two sides is gone; the relay of the output ends with it.
  }
}

/** A JSON text a line, as Go's encoder writes them. */
async function relayResizes(resize: SpdyStream | undefined, write: Write): Promise<void> {
  if (resize === undefined) return;
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (let chunk = await resize.read(); chunk !== undefined; chunk = await resize.read()) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > RESIZE_BYTES_MAX) return; // No size is that long: no more of them are read.
      for (const line of lines) if (line.trim() !== '') await write(4, new TextEncoder().encode(line));
    }
  } catch {
    // As above.
  }
}

async function relayOutput(streams: ExecStreams, stream: ByteStream, protocol: string): Promise<void> {
  const reader = new LengthFrameReader(EXEC_MESSAGE_BYTES_MAX);
  const targets: Record<number, SpdyStream | undefined> = {
    1: streams.get('stdout'),
    2: streams.get('stderr'),
    3: streams.get('error'),
  };
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    for (const message of reader.push(chunk)) {
      const [channel = 0] = message;
      const payload = channel === 3 ? statusFor(protocol, message.subarray(1)) : message.subarray(1);
      if (payload.length > 0) await targets[channel]?.write(payload);
    }
  }
}

function failure(message: string): Uint8Array {
  const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 };
  return new TextEncoder().encode(JSON.stringify(status));
}
