/**
 * Schedules of CronJobs: five fields, `@hourly` and its like, `@every 1h30m`. What Kubernetes' parser takes, and its
 * words for what it does not (robfig/cron v3, ParseStandard).
 */
import { Fault } from '#src/std/fault.ts';

export type CronSchedule =
  | {
      readonly type: 'fields';
      readonly minutes: ReadonlySet<number>;
      readonly hours: ReadonlySet<number>;
      readonly days: ReadonlySet<number>;
      readonly months: ReadonlySet<number>;
      /** 0 is Sunday. */
      readonly weekdays: ReadonlySet<number>;
      /** Both days and weekdays are restricted: either is enough. */
      readonly anyDay: boolean;
    }
  | { readonly type: 'every'; readonly seconds: number };

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const MONTHS = ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTES: Bounds = { min: 0, max: 59 };
const HOURS: Bounds = { min: 0, max: 23 };
const DAYS: Bounds = { min: 1, max: 31 };
const MONTH_BOUNDS: Bounds = { min: 1, max: 12, names: MONTHS };
const WEEKDAY_BOUNDS: Bounds = { min: 0, max: 6, names: WEEKDAYS };

const DESCRIPTORS: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** Longest schedule that is looked at. */
const SCHEDULE_LENGTH_MAX = 1024;

function refuse(message: string): never {
  throw new Fault('CRON_SYNTAX', message, 'never');
}

/** Fault CRON_SYNTAX with the text that Kubernetes gives. */
export function parseCron(text: string): CronSchedule {
  if (text === '') refuse('empty spec string');
  if (text.length > SCHEDULE_LENGTH_MAX) refuse(`a schedule of ${text.length} characters is too long`);
  if (text.startsWith('@')) return parseDescriptor(text);
  const fields = text.split(/\s+/).filter((field) => field !== '');
  if (fields.length !== 5) refuse(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const [minutes = '', hours = '', days = '', months = '', weekdays = ''] = fields;
  const daysRestricted = !isOpen(days);
  const weekdaysRestricted = !isOpen(weekdays);
  return {
    type: 'fields',
    minutes: parseField(minutes, MINUTES),
    hours: parseField(hours, HOURS),
    days: parseField(days, DAYS),
    months: parseField(months, MONTH_BOUNDS),
    weekdays: parseField(weekdays, WEEKDAY_BOUNDS),
    anyDay: daysRestricted && weekdaysRestricted,
  };
}

function isOpen(field: string): boolean {
  return field.split(',').some((part) => /^[*?](?:\/1)?$/.test(part));
}

function parseDescriptor(text: string): CronSchedule {
  if (Object.hasOwn(DESCRIPTORS, text)) return parseCron(DESCRIPTORS[text] ?? '');
  if (!text.startsWith('@every ')) return refuse(`unrecognized descriptor: ${text}`);
  const seconds = durationSeconds(text.slice('@every '.length));
  if (seconds === undefined) return refuse(`failed to parse duration ${text}: time: invalid duration`);
  // Shorter than a second is rounded up, fractions are dropped.
  return { type: 'every', seconds: Math.max(1, Math.floor(seconds)) };
}

const UNITS: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

function durationSeconds(text: string): number | undefined {
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(amount) * (UNITS[unit ?? ''] ?? 0);
  }
  return Number.isFinite(seconds) ? seconds : undefined;
}

function parseField(field: string, bounds: Bounds): ReadonlySet<number> {
  const values = new Set<number>();
  for (const part of field.split(',').filter((one) => one !== '')) {
    const { from, to, step } = parseRange(part, bounds);
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}

function parseRange(text: string, bounds: Bounds): { from: number; to: number; step: number } {
  const [range = '', stepText, ...tooMany] = text.split('/');
  const ends = range.split('-');
  let from: number;
  let to: number;
  if (ends[0] === '*' || ends[0] === '?') [from, to] = [bounds.min, bounds.max];
  else {
    from = parseValue(ends[0] ?? '', bounds);
    if (ends.length > 2) refuse(`too many hyphens: ${text}`);
    to = ends.length === 2 ? parseValue(ends[1] ?? '', bounds) : from;
  }
  let step = 1;
  if (tooMany.length > 0) refuse(`too many slashes: ${text}`);
  if (stepText !== undefined) {
    step = parseNumber(stepText);
    // `5/10` means from 5 on.
    if (ends.length === 1 && range !== '*' && range !== '?') to = bounds.max;
  }
  if (from < bounds.min) refuse(`beginning of range (${from}) below minimum (${bounds.min}): ${text}`);
  if (to > bounds.max) refuse(`end of range (${to}) above maximum (${bounds.max}): ${text}`);
  if (from > to) refuse(`beginning of range (${from}) beyond end of range (${to}): ${text}`);
  if (step === 0) refuse(`step of range should be a positive number: ${text}`);
  return { from, to, step };
}

function parseValue(text: string, bounds: Bounds): number {
  const named = bounds.names?.indexOf(text.toLowerCase()) ?? -1;
  return named >= 0 && text !== '' ? named : parseNumber(text);
}

function parseNumber(text: string): number {
  if (/^-\d+$/.test(text)) return refuse(`negative number (${text}) not allowed: ${text}`);
  if (!/^\+?\d{1,9}$/.test(text)) {
    return refuse(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}
