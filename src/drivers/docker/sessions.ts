/** Streams into containers: logs, exec, attach, and TCP into a Pod's namespace. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Exec } from 'dockerode';
import type { ExecSession, LogOptions, OutputStream, Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { findProgram } from '../dataplane/commands.ts';
import { writeTo } from '../pipes.ts';
import { dialTcp } from '../dial.ts';
import { call, engineFault, opened, type Engine } from './engine.ts';
import { outputOf } from './streams.ts';

const TAIL_LINES_MAX = 1_000_000;
/** The engine tells an exec's end on the stream a moment before it tells its exit code. */
const EXIT_LOOK_MS = 20;
const EXIT_LOOKS_MAX = 250;
const KILLED = 137;

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** dockerode returns short logs as one buffer; this is the same request as a stream. */
function openStream(engine: Engine, path: string, options: Record<string, unknown>): Promise<NodeJS.ReadableStream> {
  const modem = engine.streams.modem as {
    dial(request: object, done: (error: Error | null, stream: NodeJS.ReadableStream) => void): void;
  };
  return new Promise((resolve, reject) =>
    modem.dial(
      { path: `${path}?`, method: 'GET', isStream: true, statusCodes: { 200: true }, options },
      (error, stream) => (error ? reject(error) : resolve(stream)),
    ),
  );
}

export async function openLogs(
  engine: Engine,
  id: string,
  options: LogOptions & { tty: boolean },
): Promise<OutputStream> {
  const query = {
    stdout: options.stream !== 'stderr',
    stderr: options.stream !== 'stdout',
    follow: options.follow,
    timestamps: options.timestamps,
    tail: options.tailLines === undefined ? 'all' : Math.min(options.tailLines, TAIL_LINES_MAX),
    ...(options.sinceMs === undefined ? {} : { since: (options.sinceMs / 1000).toFixed(3) }),
  };
  const stream = await opened(
    engine,
    `logs of ${id.slice(0, 12)}`,
    openStream(engine, `/containers/${id}/logs`, query),
  );
  return outputOf(stream, {
    raw: options.tty,
    ...(options.limitBytes === undefined ? {} : { limitBytes: options.limitBytes }),
  });
}

/**
 * End the process of an exec. Closing the stream leaves it running (moby#9098), and before it
 * has started its pid is 0, which to kill(2) means our own process group.
 */
async function killExec(engine: Engine, exec: Exec, containerId: string): Promise<void> {
  const { Running, Pid } = await exec.inspect();
  if (!Running || !(Pid > 1)) return;
  try {
    process.kill(Pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return; // It has ended.
    // Not root: let the engine, which is, run kill inside; there the process has another number.
    const inner = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1];
    if (inner === undefined || Number(inner) <= 1) return;
    const kill = await engine.calls.getContainer(containerId).exec({ Cmd: ['kill', '-9', inner], User: '0' });
    await kill.start({ Detach: true });
  }
}

export async function startExec(
  engine: Engine,
  id: string,
  options: { command: string[]; tty: boolean; stdin: boolean },
): Promise<ExecSession> {
  const what = `exec in ${id.slice(0, 12)}`;
  const { tty, stdin } = options;
  const exec = await call(
    engine,
    what,
    engine.calls.getContainer(id).exec({
      Cmd: options.command,
      AttachStdin: stdin,
      AttachStdout: true,
      AttachStderr: true,
      Tty: tty,
    }),
  );
  // Hijacked in any case: a socket of its own with back-pressure.
  const begun = engine.streams.getExec(exec.id).start({ hijack: true, stdin, Tty: tty });
  const socket: Duplex = await opened(engine, what, begun);
  const ended = Promise.withResolvers<void>();
  socket.once('close', ended.resolve);
  socket.once('end', ended.resolve);
  socket.on('error', ended.resolve);

  let cancelled = false;
  const kill = (): void => {
    cancelled = true;
    killExec(engine, exec, id).catch(() => undefined); // The container or the engine went first.
  };
  const output = outputOf(socket, { raw: tty, onCancel: kill });
  async function exitCode(): Promise<{ exitCode: number }> {
    await ended.promise;
    for (let looks = 0; looks < EXIT_LOOKS_MAX; looks += 1) {
      const { ExitCode, Running } = await call(engine, what, exec.inspect());
      if (!Running && ExitCode !== null) return { exitCode: ExitCode };
      if (cancelled) return { exitCode: KILLED };
      await pause(EXIT_LOOK_MS);
    }
    throw new Fault('RUNTIME_UNAVAILABLE', `${what}: the engine does not tell the exit code`, 'later');
  }
  const exited = exitCode();
  exited.catch(() => undefined); // Reported to whoever awaits it.
  return {
    output,
    write: (chunk) => writeTo(socket, chunk),
    closeStdin: () => void socket.end(),
    resize: (columns, rows) => {
      exec.resize({ w: columns, h: rows }).catch(() => undefined); // Ended: nothing to resize.
    },
    cancel: () => output.cancel(),
    exited,
  };
}

export async function attachTo(
  engine: Engine,
  id: string,
  options: { tty: boolean; stdin: boolean },
): Promise<ExecSession> {
  const container = engine.streams.getContainer(id);
  const wanted = { stream: true, stdin: options.stdin, stdout: true, stderr: true, hijack: true };
  const socket = (await opened(engine, `attach to ${id.slice(0, 12)}`, container.attach(wanted))) as Duplex;
  const exited = container.wait().then(
    ({ StatusCode }: { StatusCode: number }) => ({ exitCode: StatusCode }),
    (error: unknown) => Promise.reject(engineFault(engine, error, `attach to ${id.slice(0, 12)}`)),
  );
  exited.catch(() => undefined); // Reported to whoever awaits it.
  const output = outputOf(socket, { raw: options.tty });
  return {
    output,
    write: (chunk) => writeTo(socket, chunk),
    closeStdin: () => void socket.end(),
    resize: (columns, rows) => {
      container.resize({ w: columns, h: rows }).catch(() => undefined); // Ended: nothing to resize.
    },
    cancel: () => output.cancel(),
    exited,
  };
}

/** In the namespace: connects to the first address that answers, says so with one byte, and copies. */
const RELAY = `const [port,...hosts]=process.argv.slice(1);const next=(why)=>{const host=hosts.shift();
if(!host){process.stderr.write(why);process.exit(1)}
const s=require('net').connect({port:+port,host,allowHalfOpen:true});const failed=(e)=>next(e.message);s.once('error',failed);
s.once('connect',()=>{s.off('error',failed);s.on('error',()=>process.exit(1));process.stdout.write('+');
process.stdin.pipe(s);s.pipe(process.stdout)})};next('')`;

/**
 * TCP inside a network namespace, needs root: its loopback first, where port-forward looks for a
 * server, then the Pod's own address. Never from outside, where that address may be somebody else's.
 */
function dialInside(netnsPath: string, hosts: string[], port: number): ReturnType<Runtime['dial']> {
  const nsenter = findProgram('nsenter') ?? 'nsenter';
  const child = spawn(nsenter, [`--net=${netnsPath}`, '--', process.execPath, '-e', RELAY, String(port), ...hosts], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // It ended; the output tells.
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8').slice(0, 1000)));
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new Fault('RUNTIME_DIAL', `dial tcp port ${port} in the Pod: ${why}`, 'later'));
    child.once('error', (error) => fail(error.message));
    child.once('close', () => fail(said || 'the connection could not be made'));
    child.stdout.once('readable', () => {
      if (child.stdout.read(1) === null) return; // Ended without a byte: 'close' tells why.
      resolve({
        output: {
          async pump(handle) {
            for await (const chunk of child.stdout) await handle(chunk as Buffer, 'stdout');
          },
          cancel: () => void child.kill('SIGKILL'),
        },
        write: (chunk) => writeTo(child.stdin, chunk),
        end: () => void child.stdin.end(),
      });
    });
  });
}

export function dialSandbox(
  target: { ip: string | undefined; netnsPath: string | undefined },
  port: number,
): ReturnType<Runtime['dial']> {
  const { ip, netnsPath } = target;
  if (netnsPath === undefined) return dialTcp(ip ?? '127.0.0.1', port);
  return dialInside(netnsPath, ['127.0.0.1', ...(ip === undefined ? [] : [ip])], port);
}
