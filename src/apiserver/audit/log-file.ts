/**
 * The log back end: lines gathered in memory, bounded, and appended to a file that is rotated by size. A disk that
 * is slow or full costs records, which are counted, and never a request.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Disk, DiskFile } from '#src/ports/disk.ts';
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import type { AuditSink } from './audit.ts';

/** Lines waiting for the disk; beyond it they are dropped. */
export const AUDIT_BUFFER_BYTES_MAX = 16 * 1024 * 1024;
/** Lines of so much time are one write. */
export const AUDIT_FLUSH_MS = 200;
const CURRENT = 'audit.log';
const ROTATED = /^audit-(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3})\.log$/;
const DAY_MS = 86_400_000;
const MEGABYTE = 1024 * 1024;

export interface AuditLogSettings {
  /** Under the data directory. */
  directory: string;
  /** A file is closed and a new one begun at this size (--audit-log-maxsize; default 100). */
  maxSizeMb: number;
  /** Closed files kept (--audit-log-maxbackup); 0: all that are young enough. */
  maxBackups: number;
  /** Closed files are kept for so long (--audit-log-maxage); 0: for ever. */
  maxAgeDays: number;
}

export const AUDIT_LOG_DEFAULTS: AuditLogSettings = {
  directory: 'audit',
  maxSizeMb: 100,
  maxBackups: 10,
  maxAgeDays: 30,
};

export interface AuditLog extends AuditSink {
  /** Write what waits and close. */
  close(): Promise<void>;
}

export function createAuditLog(setup: {
  disk: Disk;
  clock: Clock;
  log: Log;
  settings?: Partial<AuditLogSettings>;
}): AuditLog {
  const { disk, clock } = setup;
  const settings = { ...AUDIT_LOG_DEFAULTS, ...setup.settings };
  const log = setup.log.scope('audit');
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let flushing: Promise<void> | undefined;
  let armed = false;
  let closed = false;
  let current: { file: DiskFile; size: number } | undefined;

  const path = (name: string): string => `${settings.directory}/${name}`;

  const open = async (): Promise<{ file: DiskFile; size: number }> => {
    await disk.makeDirectory(settings.directory);
    const file = await disk.open(path(CURRENT), { create: true });
    return { file, size: await file.size() };
  };

  const rotate = async (): Promise<void> => {
    await current?.file.close();
    current = undefined;
    const stamp = new Date(clock.wallMs()).toISOString().replaceAll(':', '-').replace('Z', '');
    await disk.rename(path(CURRENT), path(`audit-${stamp}.log`));
    await removeOld();
  };

  const removeOld = async (): Promise<void> => {
    const closedFiles = (await disk.list(settings.directory)).filter((name) => ROTATED.test(name)).toSorted();
    const surplus = settings.maxBackups === 0 ? 0 : Math.max(0, closedFiles.length - settings.maxBackups);
    const oldestMs = settings.maxAgeDays === 0 ? 0 : clock.wallMs() - settings.maxAgeDays * DAY_MS;
    const old = closedFiles.filter((name, at) => at < surplus || closedAtMs(name) < oldestMs);
    for (const name of old) await disk.remove(path(name));
  };

  const append = async (): Promise<void> => {
    const lines = waiting;
    const bytes = waitingBytes;
    waiting = [];
    waitingBytes = 0;
    current ??= await open();
    if (current.size > 0 && current.size + bytes > settings.maxSizeMb * MEGABYTE) {
      await rotate();
      current = await open();
    }
    await current.file.write(current.size, lines);
    current.size += bytes;
  };

  const flush = async (): Promise<void> => {
    try {
      while (waiting.length > 0) await append();
    } catch (error) {
      // The handle is of no use after a failed write; the next flush opens anew.
      log.warn('audit records were lost', { error: messageOf(error) });
      const broken = current;
      current = undefined;
      await broken?.file.close().catch((why: unknown) => log.debug('closing failed too', { error: messageOf(why) }));
    }
  };

  const arm = (): void => {
    if (armed || closed) return;
    armed = true;
    clock.after(AUDIT_FLUSH_MS, () => {
      flushing = flush().finally(() => {
        armed = false;
        if (waiting.length > 0) arm();
      });
    });
  };

  return {
    write(line) {
      if (closed || waitingBytes + line.length > AUDIT_BUFFER_BYTES_MAX) return false;
      waiting.push(line);
      waitingBytes += line.length;
      arm();
      return true;
    },
    async close() {
      closed = true;
      await flushing;
      await flush();
      await current?.file.close();
      current = undefined;
    },
  };
}

function closedAtMs(name: string): number {
  const [date = '', time = ''] = (ROTATED.exec(name)?.[1] ?? '').split('T');
  return Date.parse(`${date}T${time.replaceAll('-', ':')}Z`);
}
