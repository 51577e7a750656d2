/** Timestamps and durations as text: RFC 3339 and Go's `1h30m`. Proleptic Gregorian, UTC or a fixed offset. */
import { CelFailure } from './failure.ts';
import { Duration, INT_MAX, INT_MIN, Timestamp } from './values.ts';

export const SECOND = 1_000_000_000n;
const TIMESTAMP_MIN = -62_135_596_800n * SECOND;
const TIMESTAMP_MAX = 253_402_300_799n * SECOND + 999_999_999n;
const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
};
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
const DIGITS_MAX = 40;

export function duration(nanos: bigint): Duration {
  if (nanos > INT_MAX || nanos < INT_MIN) throw new CelFailure('range error converting to duration: overflow');
  return new Duration(nanos);
}

export function timestamp(nanos: bigint): Timestamp {
  if (nanos > TIMESTAMP_MAX || nanos < TIMESTAMP_MIN) throw new CelFailure('timestamp overflow');
  return new Timestamp(nanos);
}

/** undefined when it is none. */
export function readDuration(text: string): bigint | undefined {
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const rest = text.slice(sign.length);
  if (rest === '0') return 0n;
  if (rest === '' || rest.length > 8 * DIGITS_MAX) return undefined;
  let total = 0n;
  for (let at = 0; at < rest.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const match = PART.exec(rest);
    if (match === null) return undefined;
    const [whole = '', fraction = ''] = (match[1] as string).split('.');
    if (whole.length + fraction.length > DIGITS_MAX) return undefined;
    const unit = UNITS[match[2] as string] as bigint;
    total += BigInt(whole || '0') * unit + (BigInt(fraction || '0') * unit) / 10n ** BigInt(fraction.length);
  }
  const nanos = sign === '-' ? -total : total;
  return nanos > INT_MAX || nanos < INT_MIN ? undefined : nanos;
}

export function parseDuration(text: string): Duration {
  const nanos = readDuration(text);
  if (nanos === undefined) throw new CelFailure(`time: invalid duration ${JSON.stringify(text)}`);
  return new Duration(nanos);
}

/** Whole and broken seconds: `5400s`, `0.5s`. */
export function textOfDuration(value: Duration): string {
  const magnitude = value.nanos < 0n ? -value.nanos : value.nanos;
  return `${value.nanos < 0n ? '-' : ''}${magnitude / SECOND}${fractionText(magnitude % SECOND)}s`;
}

function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** undefined when it is none. */
export function readTimestamp(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const days = daysFromCivil(year, month, day);
  const date = civilFromDays(days);
  if (date.month !== month || date.day !== day || hour > 23 || minute > 59 || second > 59) return undefined;
  const zone = match[8] as string;
  const offset = /^z$/i.test(zone) ? 0 : offsetSeconds(zone);
  if (offset === undefined) return undefined;
  const seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
  const nanos = BigInt(seconds) * SECOND + BigInt((match[7] ?? '').padEnd(9, '0'));
  return nanos > TIMESTAMP_MAX || nanos < TIMESTAMP_MIN ? undefined : nanos;
}

export function parseTimestamp(text: string): Timestamp {
  const nanos = readTimestamp(text);
  if (nanos === undefined) {
    throw new CelFailure(`parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse`);
  }
  return new Timestamp(nanos);
}

export function textOfTimestamp(value: Timestamp): string {
  const parts = civilTime(value, 0);
  const two = (number: number): string => String(number).padStart(2, '0');
  const date = `${String(parts.year).padStart(4, '0')}-${two(parts.month)}-${two(parts.day)}`;
  const fraction = fractionText(BigInt(parts.nanos));
  return `${date}T${two(parts.hours)}:${two(parts.minutes)}:${two(parts.seconds)}${fraction}Z`;
}

export interface CivilTime {
  year: number;
  /** From 1. */
  month: number;
  /** From 1. */
  day: number;
  /** From 0. */
  dayOfYear: number;
  /** Sunday is 0. */
  dayOfWeek: number;
  hours: number;
  minutes: number;
  seconds: number;
  nanos: number;
}

export function civilTime(value: Timestamp, offset: number): CivilTime {
  const nanos = value.nanos + BigInt(offset) * SECOND;
  const fraction = ((nanos % SECOND) + SECOND) % SECOND;
  const seconds = Number((nanos - fraction) / SECOND);
  const days = Math.floor(seconds / 86_400);
  const ofDay = seconds - days * 86_400;
  const date = civilFromDays(days);
  return {
    ...date,
    dayOfYear: days - daysFromCivil(date.year, 1, 1),
    dayOfWeek: (((days + 4) % 7) + 7) % 7,
    hours: Math.floor(ofDay / 3600),
    minutes: Math.floor(ofDay / 60) % 60,
    seconds: ofDay % 60,
    nanos: Number(fraction),
  };
}

/**
 * Seconds east of UTC of `UTC`, `+02:00` or `-8:30`. Zones with names of places need a table of their rules, which
 * pure code here has no access to.
 */
export function zoneOffset(zone: string): number {
  if (zone === '' || zone === 'UTC' || zone === 'Z') return 0;
  const offset = offsetSeconds(zone);
  if (offset === undefined) throw new CelFailure(`unknown time zone ${zone}`);
  return offset;
}

function offsetSeconds(zone: string): number | undefined {
  const match = /^([+-]?)(\d{1,2}):(\d\d)$/.exec(zone);
  if (match === null || Number(match[2]) > 23 || Number(match[3]) > 59) return undefined;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60;
  return match[1] === '-' ? -seconds : seconds;
}

/** Howard Hinnant's algorithms (chrono-compatible low-level date algorithms): days since 1970-01-01. */
function daysFromCivil(givenYear: number, month: number, day: number): number {
  const year = month <= 2 ? givenYear - 1 : givenYear;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
