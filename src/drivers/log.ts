/**
 * The operator's log: one line per event on stderr, as text or as JSON. Imports: ports.
 */
import type { Log, LogFields, LogLevel } from '#src/ports/log.ts';

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogSettings {
  /** Lines below this level are dropped. Default `info`. */
  level?: LogLevel;
  /** One JSON object a line (`time`, `level`, `subsystem`, `message`, fields) instead of text. */
  json?: boolean;
  /** Where a finished line, newline included, goes. Default: stderr. */
  write?: (line: string) => void;
}

/**
 * The real Log. Text lines read `12:03:44.120 WARN  raft: sentence key=value`; a line never
 * breaks, whatever the message holds, so that `grep` and `tail` see whole events.
 */
export function createLog(settings: LogSettings = {}, subsystem = 'node'): Log {
  const minimum = ranks[settings.level ?? 'info'];
  const write = settings.write ?? ((line: string) => void process.stderr.write(line));
  const format = settings.json === true ? jsonLine : textLine;
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (ranks[level] >= minimum) write(format({ time: new Date(), level, subsystem, message, fields }));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    scope: (name) => createLog(settings, name),
  };
}

interface Event {
  time: Date;
  level: LogLevel;
  subsystem: string;
  message: string;
  fields: LogFields;
}

function jsonLine({ time, level, subsystem, message, fields }: Event): string {
  // The line's own keys come last: a field named `level` must not change the level.
  return `${JSON.stringify({ ...fields, time: time.toISOString(), level, subsystem, message })}\n`;
}

function textLine({ time, level, subsystem, message, fields }: Event): string {
  const head = `${time.toISOString().slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${subsystem}: ${oneLine(message)}`;
  const tail = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${quoteWhenNeeded(value)}`)
    .join('');
  return `${head}${tail}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

function quoteWhenNeeded(value: LogFields[string]): string {
  return typeof value === 'string' && !/^[\w.:/@+-]+$/.test(value) ? JSON.stringify(value) : String(value);
}
