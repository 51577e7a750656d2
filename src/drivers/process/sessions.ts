/** exec and attach of the process runtime: pipes, a terminal where one is asked for, the shim's socket. */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { ExecSession, OutputStream } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { findProgram } from '../dataplane/commands.ts';
import { writeTo } from '../pipes.ts';
import { openLog } from './logs.ts';

/** As of SIGKILL. */
const KILLED = 137;
const HEAD_BYTES = 5;
/** Frames of the shim's socket. */
const STDIN = 0;
const STDERR = 2;
const CLOSE = 255;

/**
 * The command on a pseudo-terminal of its own. script(1) makes one where Node cannot; without it (util-linux) the
 * command gets pipes, and its two outputs as one, which is what most programs need of a terminal.
 */
export function terminalCommand(command: string[]): string[] {
  const script = findProgram('script');
  const quoted = command.map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(' ');
  return script === undefined
    ? ['/bin/sh', '-c', 'exec "$@" 2>&1', 'sh', ...command]
    : [script, '--quiet', '--return', '--command', `exec ${quoted}`, '/dev/null'];
}

/** The size of the terminal that script(1) made for this child. */
function resizeTerminal(scriptPid: number, size: { columns: number; rows: number }): void {
  const stty = findProgram('stty');
  if (stty === undefined || scriptPid <= 1) return;
  try {
    const [child = ''] = readFileSync(`/proc/${scriptPid}/task/${scriptPid}/children`, 'utf8').trim().split(' ');
    const terminal = readdirSync(`/proc/${child}/fd`)
      .map((fd) => readlinkSync(`/proc/${child}/fd/${fd}`))
      .find((target) => target.startsWith('/dev/pts/'));
    if (terminal === undefined) return;
    spawn(stty, ['-F', terminal, 'cols', String(size.columns), 'rows', String(size.rows)], { stdio: 'ignore' }).on(
      'error',
      () => undefined, // The terminal keeps its size.
    );
  } catch {
    // It has ended, or not begun: there is no terminal.
  }
}

export function startExec(options: {
  command: string[];
  tty: boolean;
  stdin: boolean;
  env: Record<string, string>;
  cwd: string;
  netnsPath: string | undefined;
}): ExecSession {
  const { tty, netnsPath } = options;
  const command = tty ? terminalCommand(options.command) : options.command;
  const nsenter = findProgram('nsenter') ?? 'nsenter';
  const [program = '', ...args] = netnsPath ? [nsenter, `--net=${netnsPath}`, '--', ...command] : command;
  const child = spawn(program, args, {
    env: tty ? { TERM: 'xterm', SHELL: '/bin/sh', ...options.env } : options.env,
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // The program does not read its input.
  // To script(1) the end of its input is the end of the terminal.
  if (!options.stdin && !tty) child.stdin.end();
  const exited = new Promise<{ exitCode: number }>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Fault('RUNTIME_START_FAILED', `exec: "${options.command[0]}": ${error.message}`, 'never', error)),
    );
    child.once('close', (code) => resolve({ exitCode: code ?? KILLED }));
  });
  exited.catch(() => undefined); // Reported to whoever awaits it.
  const output: OutputStream = {
    async pump(handle) {
      const copy = async (stream: AsyncIterable<Buffer>, name: 'stdout' | 'stderr'): Promise<void> => {
        for await (const chunk of stream) await handle(chunk, name);
      };
      await Promise.all([copy(child.stdout, 'stdout'), copy(child.stderr, tty ? 'stdout' : 'stderr')]);
    },
    cancel: () => void child.kill('SIGKILL'),
  };
  return {
    output,
    write: (chunk) => writeTo(child.stdin, chunk),
    closeStdin: () => void child.stdin.end(),
    resize: (columns, rows) => {
      if (tty) resizeTerminal(child.pid ?? 0, { columns, rows });
    },
    cancel: () => void child.kill('SIGKILL'),
    exited,
  };
}

/**
 * A container that was given an input or a terminal has a socket at its shim, which carries both ways as they come.
 * The others are followed by their log, line by line, from now on.
 */
export async function attachTo(at: {
  directory: string;
  hasShimSocket: boolean;
  stdin: boolean;
  /** undefined while it runs. */
  exitCodeOf: () => number | undefined;
}): Promise<ExecSession> {
  const exitedOf = async (): Promise<{ exitCode: number }> => ({ exitCode: at.exitCodeOf() ?? KILLED });
  if (!at.hasShimSocket) {
    const output = openLog(
      `${at.directory}/log`,
      { follow: true, timestamps: false, tailLines: 0 },
      () => at.exitCodeOf() !== undefined,
    );
    const nothing = (): undefined => undefined;
    return {
      output,
      write: () => Promise.resolve(),
      closeStdin: nothing,
      resize: nothing,
      cancel: () => output.cancel(),
      exited: exitedOf(),
    };
  }
  const socket = await connectTo(at.directory);
  const frame = (type: number, payload: Uint8Array): Promise<void> => {
    const head = Buffer.alloc(HEAD_BYTES);
    head[0] = type;
    head.writeUInt32BE(payload.length, 1);
    return writeTo(socket, Buffer.concat([head, payload]));
  };
  const quietly = (written: Promise<void>): void => void written.catch(() => undefined); // Its end tells.
  return {
    output: {
      pump: async (handle) => await readFrames(socket, handle),
      cancel: () => void socket.destroy(),
    },
    write: (chunk) => (at.stdin ? frame(STDIN, chunk) : Promise.resolve()),
    closeStdin: () => {
      if (at.stdin) quietly(frame(CLOSE, new Uint8Array()));
    },
    resize: (columns, rows) => {
      const state = JSON.parse(readFileSync(`${at.directory}/state.json`, 'utf8')) as { pid: number };
      resizeTerminal(state.pid, { columns, rows });
    },
    cancel: () => void socket.destroy(),
    exited: exitedOf(),
  };
}

/** Through the directory's own descriptor: the path of a socket holds 107 bytes, and data directories lie deep. */
function connectTo(directory: string): Promise<Socket> {
  const opened = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return new Promise((resolve, reject) => {
    const socket = connect(`/proc/self/fd/${opened}/attach.sock`);
    socket.once('error', (error) => {
      closeSync(opened);
      reject(new Fault('RUNTIME_UNAVAILABLE', `the shim of the container does not answer: ${error.message}`, 'later'));
    });
    socket.once('connect', () => {
      closeSync(opened);
      socket.removeAllListeners('error');
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

async function readFrames(
  socket: Socket,
  handle: (chunk: Uint8Array, stream: 'stdout' | 'stderr') => void | Promise<void>,
): Promise<void> {
  let head = Buffer.alloc(0);
  let left = 0;
  let stream: 'stdout' | 'stderr' = 'stdout';
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length;) {
        if (left > 0) {
          const payload = chunk.subarray(at, at + left);
          at += payload.length;
          left -= payload.length;
          await handle(payload, stream);
          continue;
        }
        const missing = chunk.subarray(at, at + HEAD_BYTES - head.length);
        head = Buffer.concat([head, missing]);
        at += missing.length;
        if (head.length < HEAD_BYTES) break;
        stream = head[0] === STDERR ? 'stderr' : 'stdout';
        left = head.readUInt32BE(1);
        head = Buffer.alloc(0);
      }
    }
  } finally {
    socket.destroy();
  }
}
