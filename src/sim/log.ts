/**
 * A log in memory: lines that tests read and a failing run prints. Imports: ports.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log, LogFields, LogLevel } from '#src/ports/log.ts';

export interface LogLine {
  atMs: number;
  level: LogLevel;
  subsystem: string;
  message: string;
  fields: LogFields;
}

export interface SimLog extends Log {
  /** Oldest first; shared by all scopes of this log. */
  readonly lines: LogLine[];
}

/** Lines kept; the oldest go first, so that a long run does not fill the memory. */
const linesMax = 10_000;

/** `onLine` is told of every line at once, for checks. */
export function createSimLog(clock: Pick<Clock, 'monotonicMs'>, onLine?: (line: LogLine) => void): SimLog {
  const lines: LogLine[] = [];
  const scoped = (subsystem: string): SimLog => {
    const at =
      (level: LogLevel) =>
      (message: string, fields: LogFields = {}): void => {
        const line = { atMs: clock.monotonicMs(), level, subsystem, message, fields };
        lines.push(line);
        onLine?.(line);
        if (lines.length > linesMax) lines.splice(0, linesMax / 10);
      };
    return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), scope: scoped };
  };
  return scoped('node');
}
