/** Reading CRI log files: tail, since, timestamps, follow. Shared by drivers that write them. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';
import type { LogOptions, OutputStream } from '#src/ports/runtime.ts';

const CHUNK_BYTES = 64 * 1024;
/** inotify may miss a rotation; look at least this often while following. */
const POLL_MS = 250;
const TAIL_LINES_MAX = 1_000_000;

interface Line {
  atMs: number;
  time: string;
  stream: 'stdout' | 'stderr';
  partial: boolean;
  text: Buffer;
}

function parseLine(line: Buffer): Line | undefined {
  const first = line.indexOf(32);
  const second = line.indexOf(32, first + 1);
  const third = line.indexOf(32, second + 1);
  if (first < 0 || second < 0 || third < 0) return undefined;
  const time = line.toString('latin1', 0, first);
  return {
    time,
    atMs: Date.parse(time),
    stream: line.toString('latin1', first + 1, second) === 'stderr' ? 'stderr' : 'stdout',
    partial: line[second + 1] === 80,
    text: line.subarray(third + 1),
  };
}

/** Whole lines of a file from an offset on; the offset after the last of them. */
function* linesFrom(path: string, offset: number): Generator<{ line: Line; end: number }> {
  const file = openSync(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    let at = offset;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (
      let size = readSync(file, buffer, 0, CHUNK_BYTES, at);
      size > 0;
      size = readSync(file, buffer, 0, CHUNK_BYTES, at)
    ) {
      let data = Buffer.concat([rest, buffer.subarray(0, size)]);
      let consumed = at - rest.length;
      at += size;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        const line = parseLine(data.subarray(0, end));
        consumed += end + 1;
        data = data.subarray(end + 1);
        if (line) yield { line, end: consumed };
      }
      rest = Buffer.from(data);
    }
  } finally {
    closeSync(file);
  }
}

/** Where the last `count` lines begin. */
function tailOffset(path: string, count: number): number {
  if (count === 0) return statSync(path).size;
  const file = openSync(path, 'r');
  try {
    let at = fstatSync(file).size;
    let seen = 0;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    while (at > 0) {
      const size = Math.min(CHUNK_BYTES, at);
      readSync(file, buffer, 0, size, at - size);
      for (let i = size - 1; i >= 0; i -= 1) {
        if (buffer[i] !== 10) continue;
        seen += 1;
        if (seen > count) return at - size + i + 1;
      }
      at -= size;
    }
    return 0;
  } finally {
    closeSync(file);
  }
}

/** `isOver` tells that the container has ended: following stops after its last line. */
export function openLog(path: string, options: LogOptions, isOver: () => boolean): OutputStream {
  let cancelled = false;
  let wake: (() => void) | undefined;

  function format(line: Line): Buffer {
    const newline = line.partial ? [] : [Buffer.from('\n')];
    const time = options.timestamps ? [Buffer.from(`${line.time} `)] : [];
    return Buffer.concat([...time, line.text, ...newline]);
  }

  async function untilChange(): Promise<void> {
    const watcher = existsSync(path) ? watch(path, () => wake?.()) : undefined;
    const timer = setTimeout(() => wake?.(), POLL_MS);
    await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(timer);
    watcher?.close();
  }

  return {
    async pump(handle) {
      let left = options.limitBytes ?? Infinity;
      let offset = 0;
      let inode = 0;
      if (existsSync(path)) {
        inode = statSync(path).ino;
        if (options.tailLines !== undefined) offset = tailOffset(path, Math.min(options.tailLines, TAIL_LINES_MAX));
      }
      for (;;) {
        const over = isOver();
        if (existsSync(path)) {
          const now = statSync(path);
          // Rotated or cut: begin at the start of the new file.
          if (now.ino !== inode || now.size < offset) offset = 0;
          inode = now.ino;
          for (const { line, end } of linesFrom(path, offset)) {
            if (cancelled) return;
            offset = end;
            if (options.stream !== undefined && line.stream !== options.stream) continue;
            if (options.sinceMs !== undefined && line.atMs < options.sinceMs) continue;
            const text = format(line).subarray(0, left);
            left -= text.length;
            await handle(text, line.stream);
            if (left <= 0) return;
          }
        }
        if (!options.follow || over || cancelled) return;
        await untilChange();
      }
    },
    cancel() {
      cancelled = true;
      wake?.();
    },
  };
}
