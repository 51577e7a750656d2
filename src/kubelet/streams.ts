/**
 * What other nodes' API servers ask of this node's containers: logs and exec, over bulk streams.
 * Logs are raw bytes. exec speaks the remote command protocol: length frames of a channel byte and
 * a payload (0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 resize, 255 close of a channel).
 */
import type { Clock } from '#src/ports/clock.ts';
import type { ExecSession, Runtime } from '#src/ports/runtime.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { encodeLengthFrame, LengthFrameReader } from '#src/std/length-frames.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { PodWorker, Tracked } from './pod-worker.ts';

const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

interface LogHeader {
  namespace: string;
  pod: string;
  container: string;
  previous?: boolean;
  follow?: boolean;
  timestamps?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  sinceTime?: string;
  limitBytes?: number;
  stream?: 'stdout' | 'stderr';
}

interface ExecHeader {
  namespace: string;
  pod: string;
  container: string;
  attach: boolean;
  command: string[];
  stdin: boolean;
  tty: boolean;
}

export function serveStreams(options: {
  peers: Peers;
  clock: Clock;
  runtime: Runtime;
  workerOf: (namespace: string, name: string) => PodWorker | undefined;
}): void {
  const { peers, clock, runtime } = options;

  function containerOf(header: { namespace: string; pod: string; container: string }): Tracked {
    const worker = options.workerOf(header.namespace, header.pod);
    if (!worker) throw new Fault('KUBELET_NO_POD', `pod "${header.pod}" is not on this node (any more)`, 'never');
    const tracked = worker.containerNamed(header.container);
    if (!tracked)
      throw new Fault(
        'KUBELET_NO_CONTAINER',
        `container ${header.container} is not valid for pod ${header.pod}`,
        'never',
      );
    return tracked;
  }

  async function serveLogs(header: LogHeader, stream: ByteStream): Promise<void> {
    const { current, previous, state } = containerOf(header);
    const wanted = header.previous
      ? state.value === 'backoff' || state.value === 'creating'
        ? (current ?? previous)
        : previous
      : (current ?? previous);
    if (!wanted) {
      const why = header.previous
        ? `previous terminated container "${header.container}" in pod "${header.pod}" not found`
        : `container "${header.container}" in pod "${header.pod}" is waiting to start: ${state.context.reason || 'ContainerCreating'}`;
      throw new Fault('KUBELET_NO_LOG', why, 'never');
    }
    const sinceMs =
      header.sinceTime !== undefined
        ? Date.parse(header.sinceTime)
        : header.sinceSeconds !== undefined
          ? clock.wallMs() - header.sinceSeconds * 1000
          : undefined;
    const source = await runtime.logs(wanted.id, {
      follow: header.follow ?? false,
      timestamps: header.timestamps ?? false,
      ...(header.tailLines === undefined ? {} : { tailLines: header.tailLines }),
      ...(header.limitBytes === undefined ? {} : { limitBytes: header.limitBytes }),
      ...(sinceMs === undefined ? {} : { sinceMs }),
      ...(header.stream === undefined ? {} : { stream: header.stream }),
    });
    stream.onClose(() => source.cancel());
    void pump(stream, () => source.pump((chunk) => stream.write(chunk)));
  }

  async function serveExec(header: ExecHeader, stream: ByteStream): Promise<void> {
    const { current } = containerOf(header);
    if (current?.state !== 'running')
      throw new Fault(
        'KUBELET_NOT_RUNNING',
        `container ${header.container} of pod ${header.pod} is not running`,
        'never',
      );
    const terminal = { tty: header.tty, stdin: header.stdin };
    const session = header.attach
      ? await runtime.attach(current.id, terminal)
      : await runtime.exec(current.id, { ...terminal, command: header.command });
    stream.onClose(() => session.cancel());
    void readInput(stream, session);
    void pump(stream, () => runSession(stream, session, header.attach));
  }

  peers.onStream('kubelet.logs', (_from, header, stream) => serveLogs(header as LogHeader, stream));
  peers.onStream('kubelet.exec', (_from, header, stream) => serveExec(header as ExecHeader, stream));
}

/** What breaks a stream half way is told to its reader, which is gone or will see the end. */
async function pump(stream: ByteStream, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    stream.end();
  } catch (error) {
    stream.cancel(messageOf(error));
  }
}

function frame(channel: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(payload.length + 1);
  message[0] = channel;
  message.set(payload, 1);
  return encodeLengthFrame(message);
}

async function runSession(stream: ByteStream, session: ExecSession, attach: boolean): Promise<void> {
  await session.output.pump((chunk, name) => stream.write(frame(name === 'stdout' ? 1 : 2, chunk)));
  let status: object;
  try {
    // Who attached watched: how the container ended is told by the Pod's status.
    const exitCode = attach ? 0 : (await session.exited).exitCode;
    status =
      exitCode === 0
        ? { metadata: {}, status: 'Success' }
        : {
            metadata: {},
            status: 'Failure',
            message: `command terminated with non-zero exit code: error executing command, exit code ${exitCode}`,
            reason: 'NonZeroExitCode',
            details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
          };
  } catch (error) {
    status = {
      metadata: {},
      status: 'Failure',
      message: `error executing command in container: ${messageOf(error)}`,
      reason: 'InternalError',
      code: 500,
    };
  }
  await stream.write(frame(3, new TextEncoder().encode(JSON.stringify(status))));
}

async function readInput(stream: ByteStream, session: ExecSession): Promise<void> {
  const reader = new LengthFrameReader(MESSAGE_BYTES_MAX);
  try {
    for (let chunk = await stream.read(); chunk; chunk = await stream.read()) {
      for (const message of reader.push(chunk)) {
        const [channel] = message;
        const payload = message.subarray(1);
        if (channel === 0) await session.write(payload);
        else if (channel === 255 && payload[0] === 0) session.closeStdin();
        else if (channel === 4) {
          const size = JSON.parse(new TextDecoder().decode(payload)) as { Width?: number; Height?: number };
          session.resize(size.Width ?? 80, size.Height ?? 24);
        }
      }
    }
    session.closeStdin();
  } catch {
    // The client is gone: `onClose` of the stream has ended the session.
    session.closeStdin();
  }
}
