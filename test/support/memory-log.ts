/** A log that keeps its lines, for tests that read or ignore them. */
import type { Log, LogFields, LogLevel } from '#src/ports/log.ts';

export interface MemoryLog extends Log {
  lines: { level: LogLevel; message: string; fields: LogFields | undefined }[];
}

export function memoryLog(): MemoryLog {
  const lines: MemoryLog['lines'] = [];
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  const log: MemoryLog = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    scope: () => log,
  };
  return log;
}
