// The shim of one container of the process runtime: starts the command, writes its output as
// CRI log lines, and its fate to files. It is detached from the node, so a node that is killed
// with -9 loses neither the process (no pipe to break) nor its exit code.
//
//   spec.json   what to run                        (written by the node)
//   state.json  {pid, started, bootId, startedAtMs} (when it runs)
//   exit.json   {exitCode, signal, finishedAtMs, reason?, message?}
//   attach.sock who attaches, when there is a stdin or a terminal: frames of a type byte, a length (32 bits,
//               big-endian) and a payload; to us 0 stdin, 255 its end; from us 1 stdout, 2 stderr
//   log         2026-11-23T09:00:00.000000000Z stdout F text
//
// Plain JavaScript, few imports: there is one of these per container.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';

const LOG_BYTES_MAX = 10 * 1024 * 1024;
const LINE_BYTES_MAX = 16 * 1024;
const ATTACHED_MAX = 16;
const FLUSH_MS = 2000;
const ATTACH_FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** Whoever takes nothing for so long is cut off: until then the container waits for them. */
const ATTACH_STALL_MS = 30_000;

const directory = process.argv[2];
const spec = JSON.parse(readFileSync(`${directory}/spec.json`, 'utf8'));
const logFile = `${directory}/log`;
let log = openSync(logFile, 'a');
let logBytes = statSync(logFile).size;

function writeWhole(name, value) {
  writeFileSync(`${directory}/${name}.new`, JSON.stringify(value));
  renameSync(`${directory}/${name}.new`, `${directory}/${name}`);
}

function writeLine(stream, tag, bytes) {
  const line = Buffer.concat([
    Buffer.from(`${new Date().toISOString().slice(0, -1)}000000Z ${stream} ${tag} `),
    bytes,
    Buffer.from('\n'),
  ]);
  try {
    if (logBytes + line.length > LOG_BYTES_MAX) {
      closeSync(log);
      renameSync(logFile, `${logFile}.1`);
      log = openSync(logFile, 'a');
      logBytes = 0;
    }
    logBytes += writeSync(log, line);
  } catch {
    // A full disk costs log lines, not the container.
  }
}

function collect(stream, name) {
  let rest = Buffer.alloc(0);
  stream.on('data', (chunk) => {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      writeLine(name, 'F', data.subarray(0, end));
      data = data.subarray(end + 1);
    }
    while (data.length > LINE_BYTES_MAX) {
      writeLine(name, 'P', data.subarray(0, LINE_BYTES_MAX));
      data = data.subarray(LINE_BYTES_MAX);
    }
    rest = Buffer.from(data);
  });
  stream.on('end', () => {
    if (rest.length > 0) writeLine(name, 'F', rest);
  });
  return new Promise((resolve) => stream.on('close', resolve));
}

/** Open connections of those that attach; the container's output waits for the slowest. */
const attached = new Set();

function pass(source, type) {
  source.on('data', (chunk) => {
    for (const socket of attached) {
      const head = Buffer.alloc(5);
      head[0] = type;
      head.writeUInt32BE(chunk.length, 1);
      socket.cork();
      socket.write(head);
      const took = socket.write(chunk);
      socket.uncork();
      if (took) continue;
      source.pause();
      const stalled = setTimeout(() => socket.destroy(), ATTACH_STALL_MS);
      const go = () => {
        clearTimeout(stalled);
        socket.off('drain', go);
        socket.off('close', go);
        if ([...attached].every((other) => !other.writableNeedDrain)) source.resume();
      };
      socket.on('drain', go);
      socket.on('close', go);
    }
  });
}

function serveAttached(socket) {
  if (attached.size >= ATTACHED_MAX) return socket.destroy();
  attached.add(socket);
  let rest = Buffer.alloc(0);
  const endInput = () => {
    if (spec.stdin && spec.stdinOnce) child.stdin.end();
  };
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    attached.delete(socket);
    endInput();
  });
  socket.on('data', (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length >= 5) {
      const length = rest.readUInt32BE(1);
      if (length > ATTACH_FRAME_BYTES_MAX) return socket.destroy();
      if (rest.length < 5 + length) return;
      const type = rest[0];
      const payload = rest.subarray(5, 5 + length);
      rest = rest.subarray(5 + length);
      if (type === 255) endInput();
      if (type !== 0 || !spec.stdin || child.stdin.writableEnded || child.stdin.write(payload)) continue;
      socket.pause();
      child.stdin.once('drain', () => socket.resume());
    }
  });
}

/** Its path is short because the directory is the current one: a socket's holds 107 bytes. */
async function listen() {
  const { createServer } = await import('node:net');
  process.chdir(directory);
  const before = process.umask(0o177);
  const server = createServer(serveAttached);
  server.on('error', (error) => appendFileSync('shim.err', `${error.stack}\n`));
  server.listen('attach.sock');
  process.umask(before);
}

function startTimeOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function end(exit) {
  writeWhole('exit.json', { finishedAtMs: Date.now(), ...exit });
  if (attached.size === 0) process.exit(0);
  // Who is attached gets the last words, if they take them soon.
  setTimeout(() => process.exit(0), FLUSH_MS);
  for (const socket of attached) {
    socket.on('close', () => attached.size === 0 && process.exit(0));
    socket.end(() => socket.destroy());
  }
}

// Signals are for the container; the shim lives until it has written the end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

if (spec.stdin || spec.tty) await listen();
const inside = spec.netnsPath
  ? ['nsenter', [`--net=${spec.netnsPath}`, '--', ...spec.argv]]
  : [spec.argv[0], spec.argv.slice(1)];
const child = spawn(inside[0], inside[1], {
  cwd: spec.cwd,
  env: spec.tty ? { TERM: 'xterm', SHELL: '/bin/sh', ...spec.env } : spec.env,
  detached: true,
  // script(1), which makes the terminal, ends with its input.
  stdio: [spec.stdin || spec.tty ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  ...(spec.uid === undefined ? {} : { uid: spec.uid }),
  ...(spec.gid === undefined ? {} : { gid: spec.gid }),
});
child.on('error', (error) => {
  const what =
    error.code === 'ENOENT'
      ? `exec: "${spec.argv[0]}": executable file not found (the process runtime runs the host's files)`
      : error.message;
  end({ exitCode: error.code === 'EACCES' ? 126 : 128, reason: 'StartError', message: what });
});
child.on('spawn', () => {
  try {
    writeWhole('state.json', {
      pid: child.pid,
      started: startTimeOf(child.pid),
      shimPid: process.pid,
      shimStarted: startTimeOf(process.pid),
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      startedAtMs: Date.now(),
    });
  } catch (error) {
    appendFileSync(`${directory}/shim.err`, `${error.stack}\n`); // It ended already; 'exit' follows.
  }
});
child.stdin?.on('error', () => undefined); // The program does not read its input.
if (spec.stdin || spec.tty) {
  pass(child.stdout, 1);
  pass(child.stderr, 2);
}
const outputs = Promise.all([collect(child.stdout, 'stdout'), collect(child.stderr, 'stderr')]);
child.on('exit', (code, signal) => {
  const number = signal ? constants.signals[signal] : undefined;
  const exit = { exitCode: code ?? 128 + (number ?? 0), ...(number ? { signal: number } : {}) };
  // Children of the container may hold its output open: do not wait for them for ever.
  const patience = new Promise((resolve) => setTimeout(resolve, 500));
  void Promise.race([outputs, patience]).then(() => end(exit));
});
