/** `'%s is %d'.format([…])` of the strings extension. */
import { CelFailure } from './failure.ts';
import { textOfDouble } from './functions/standard.ts';
import { textOfDuration, textOfTimestamp } from './time.ts';
import { CelMap, compareStrings, Duration, kindOf, Timestamp, TypeValue, Uint, type CelValue } from './values.ts';

const VERB = /%(?:\.(\d{1,3}))?([a-zA-Z%])|%/g;
const DEFAULT_PRECISION = 6;

export function formatText(pattern: string, args: readonly CelValue[]): string {
  let next = 0;
  return pattern.replaceAll(VERB, (whole: string, precision: string | undefined, verb: string | undefined) => {
    if (verb === '%') return '%';
    if (verb === undefined) throw new CelFailure(`could not parse formatting clause: ${whole}`);
    if (next >= args.length) throw new CelFailure(`index ${next} out of range`);
    const digits = precision === undefined ? undefined : Number(precision);
    return clause(verb, args[next++] as CelValue, digits);
  });
}

function clause(verb: string, value: CelValue, digits: number | undefined): string {
  switch (verb) {
    case 's':
      return textOf(value);
    case 'd':
      if (value instanceof Uint) return String(value.value);
      if (typeof value === 'bigint') return String(value);
      if (typeof value === 'number' && !Number.isFinite(value)) return special(value);
      break;
    case 'f':
      return fixed(value, digits ?? DEFAULT_PRECISION);
    case 'e':
      return exponent(value, digits ?? DEFAULT_PRECISION);
    case 'b':
      if (typeof value === 'boolean') return value ? '1' : '0';
      if (typeof value === 'bigint') return value.toString(2);
      if (value instanceof Uint) return value.value.toString(2);
      break;
    case 'o':
      if (typeof value === 'bigint') return value.toString(8);
      if (value instanceof Uint) return value.value.toString(8);
      break;
    case 'x':
    case 'X': {
      const text = hexadecimal(value);
      if (text !== undefined) return verb === 'X' ? text.toUpperCase() : text;
      break;
    }
    default:
      throw new CelFailure(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
  throw new CelFailure(`error during formatting: ${verb} clause cannot be given a ${kindOf(value)}`);
}

function hexadecimal(value: CelValue): string | undefined {
  if (typeof value === 'bigint') return value.toString(16);
  if (value instanceof Uint) return value.value.toString(16);
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function special(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

function numberOf(value: CelValue): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  throw new CelFailure(`error during formatting: a number is wanted, not a ${kindOf(value)}`);
}

function fixed(value: CelValue, digits: number): string {
  const number = numberOf(value);
  if (!Number.isFinite(number)) return special(number);
  return number.toFixed(Math.min(digits, 100));
}

function exponent(value: CelValue, digits: number): string {
  const number = numberOf(value);
  if (!Number.isFinite(number)) return special(number);
  const [mantissa = '', power = '+0'] = number.toExponential(Math.min(digits, 100)).split('e');
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, '0')}`;
}

function textOf(value: CelValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? textOfDouble(value) : special(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Duration) return textOfDuration(value);
  if (value instanceof Timestamp) return textOfTimestamp(value);
  if (value instanceof TypeValue) return value.typeName;
  if (Array.isArray(value)) return `[${value.map((item: CelValue) => textOf(item)).join(', ')}]`;
  if (value instanceof CelMap) {
    const entries = value.keys().map((key) => [textOf(key), textOf(value.get(key) as CelValue)] as const);
    const sorted = entries.toSorted((a, b) => compareStrings(a[0], b[0]));
    return `{${sorted.map(([key, item]) => `${key}: ${item}`).join(', ')}}`;
  }
  throw new CelFailure(`error during formatting: no text for a ${kindOf(value)}`);
}
