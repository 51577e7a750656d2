/** Operators and conversions of the language itself. */
import { CelFailure, noSuchOverload } from '../failure.ts';
import type { Definitions } from '../library.ts';
import {
  duration,
  parseDuration,
  parseTimestamp,
  SECOND,
  textOfDuration,
  textOfTimestamp,
  timestamp,
} from '../time.ts';
import {
  compare,
  type Duration,
  INT_MAX,
  INT_MIN,
  kindOf,
  sizeOf,
  type Timestamp,
  TypeValue,
  Uint,
  UINT_MAX,
  type CelValue,
} from '../values.ts';

type Args = readonly CelValue[];
const OVERFLOW = 'return error for overflow';

export function checkInt(value: bigint): bigint {
  if (value > INT_MAX || value < INT_MIN) throw new CelFailure(OVERFLOW);
  return value;
}

function checkUint(value: bigint): Uint {
  if (value > UINT_MAX || value < 0n) throw new CelFailure(OVERFLOW);
  return new Uint(value);
}

const ints = (op: (a: bigint, b: bigint) => bigint) => (args: Args) =>
  checkInt(op(args[0] as bigint, args[1] as bigint));
const uints = (op: (a: bigint, b: bigint) => bigint) => (args: Args) =>
  checkUint(op((args[0] as Uint).value, (args[1] as Uint).value));
const doubles = (op: (a: number, b: number) => number) => (args: Args) => op(args[0] as number, args[1] as number);
const nanos = (value: CelValue | undefined): bigint => (value as Duration | Timestamp).nanos;

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new CelFailure('division by zero');
  return a / b;
}

function remainder(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new CelFailure('modulus by zero');
  return a % b;
}

const ARITHMETIC: Definitions = {
  '_+_(int, int): int': ints((a, b) => a + b),
  '_+_(uint, uint): uint': uints((a, b) => a + b),
  '_+_(double, double): double': doubles((a, b) => a + b),
  '_+_(string, string): string': ([a, b], context) => {
    context.charge(Math.ceil(0.1 * (sizeOf(a as string) + sizeOf(b as string))));
    return (a as string) + (b as string);
  },
  '_+_(bytes, bytes): bytes': ([a, b], context) => {
    context.charge(Math.ceil(0.1 * (sizeOf(a as Uint8Array) + sizeOf(b as Uint8Array))));
    return Uint8Array.from([...(a as Uint8Array), ...(b as Uint8Array)]);
  },
  '_+_(list<A>, list<A>): list<A>': ([a, b], context) => {
    context.charge(Math.ceil(0.1 * ((a as Args).length + (b as Args).length)));
    return [...(a as Args), ...(b as Args)];
  },
  '_+_(duration, duration): duration': (args) => duration(nanos(args[0]) + nanos(args[1])),
  '_+_(timestamp, duration): timestamp': (args) => timestamp(nanos(args[0]) + nanos(args[1])),
  '_+_(duration, timestamp): timestamp': (args) => timestamp(nanos(args[0]) + nanos(args[1])),
  '_-_(int, int): int': ints((a, b) => a - b),
  '_-_(uint, uint): uint': uints((a, b) => a - b),
  '_-_(double, double): double': doubles((a, b) => a - b),
  '_-_(duration, duration): duration': (args) => duration(nanos(args[0]) - nanos(args[1])),
  '_-_(timestamp, timestamp): duration': (args) => duration(nanos(args[0]) - nanos(args[1])),
  '_-_(timestamp, duration): timestamp': (args) => timestamp(nanos(args[0]) - nanos(args[1])),
  '_*_(int, int): int': ints((a, b) => a * b),
  '_*_(uint, uint): uint': uints((a, b) => a * b),
  '_*_(double, double): double': doubles((a, b) => a * b),
  '_/_(int, int): int': ints(divide),
  '_/_(uint, uint): uint': uints(divide),
  '_/_(double, double): double': doubles((a, b) => a / b),
  '_%_(int, int): int': ints(remainder),
  '_%_(uint, uint): uint': uints(remainder),
  '-_(int): int': ([a]) => checkInt(-(a as bigint)),
  '-_(double): double': ([a]) => -(a as number),
  '!_(bool): bool': ([a]) => a !== true,
};

const ORDERED = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'];
const NUMBERS = ['int', 'uint', 'double'];

function ordering(): Definitions {
  const definitions: Definitions = {};
  const tests: Record<string, (order: number) => boolean> = {
    '_<_': (order) => order < 0,
    '_<=_': (order) => order <= 0,
    '_>_': (order) => order > 0,
    '_>=_': (order) => order >= 0,
  };
  const pairs = [
    ...ORDERED.map((type) => [type, type]),
    ...NUMBERS.flatMap((a) => NUMBERS.filter((b) => b !== a).map((b) => [a, b])),
  ];
  for (const [name, test] of Object.entries(tests)) {
    for (const [a, b] of pairs) {
      definitions[`${name}(${a}, ${b}): bool`] = ([x, y], context) => {
        const order = compare(x as CelValue, y as CelValue);
        if (order === undefined) throw noSuchOverload(name);
        context.charge(Math.ceil(0.1 * Math.min(sizeOf(x as CelValue), sizeOf(y as CelValue))) - 1);
        return test(order);
      };
    }
  }
  return definitions;
}

function intOfDouble(value: number): bigint {
  if (!Number.isFinite(value) || value >= 2 ** 63 || value <= -(2 ** 63)) {
    throw new CelFailure('integer overflow');
  }
  return BigInt(Math.trunc(value));
}

function uintOfDouble(value: number): Uint {
  if (!Number.isFinite(value) || value >= 2 ** 64 || value < 0) throw new CelFailure('unsigned integer overflow');
  return new Uint(BigInt(Math.trunc(value)));
}

const DIGITS_MAX = 24;

function parseInteger(text: string, pattern: RegExp, type: string): bigint {
  if (text.length > DIGITS_MAX || !pattern.test(text)) {
    throw new CelFailure(`type conversion error from 'string' to '${type}': ${JSON.stringify(text.slice(0, 64))}`);
  }
  return BigInt(text.replace(/^\+/, ''));
}

function parseDouble(text: string): number {
  const special = /^([+-]?)(?:inf|infinity)$/i.exec(text);
  if (special !== null) return special[1] === '-' ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) {
    throw new CelFailure(`type conversion error from 'string' to 'double': ${JSON.stringify(text.slice(0, 64))}`);
  }
  return value;
}

/** As Go's strconv.FormatFloat(value, 'g', -1, 64). */
export function textOfDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa = '', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CelFailure('invalid UTF-8 in bytes, cannot convert to string');
  }
}

const CONVERSIONS: Definitions = {
  'int(int): int': ([a]) => a as bigint,
  'int(uint): int': ([a]) => {
    const { value } = a as Uint;
    if (value > INT_MAX) throw new CelFailure('integer overflow');
    return value;
  },
  'int(double): int': ([a]) => intOfDouble(a as number),
  'int(string): int': ([a]) => {
    const value = parseInteger(a as string, /^[+-]?\d+$/, 'int');
    if (value > INT_MAX || value < INT_MIN) throw new CelFailure(`type conversion error from 'string' to 'int'`);
    return value;
  },
  'int(timestamp): int': ([a]) => {
    const value = nanos(a);
    return (value - (((value % SECOND) + SECOND) % SECOND)) / SECOND;
  },
  'int(duration): int': ([a]) => nanos(a),
  'uint(uint): uint': ([a]) => a as Uint,
  'uint(int): uint': ([a]) => {
    if ((a as bigint) < 0n) throw new CelFailure('unsigned integer overflow');
    return new Uint(a as bigint);
  },
  'uint(double): uint': ([a]) => uintOfDouble(a as number),
  'uint(string): uint': ([a]) => {
    const value = parseInteger(a as string, /^\d+$/, 'uint');
    if (value > UINT_MAX) throw new CelFailure(`type conversion error from 'string' to 'uint'`);
    return new Uint(value);
  },
  'double(double): double': ([a]) => a as number,
  'double(int): double': ([a]) => Number(a as bigint),
  'double(uint): double': ([a]) => Number((a as Uint).value),
  'double(string): double': ([a]) => parseDouble(a as string),
  'string(string): string': ([a]) => a as string,
  'string(int): string': ([a]) => String(a as bigint),
  'string(uint): string': ([a]) => String((a as Uint).value),
  'string(double): string': ([a]) => textOfDouble(a as number),
  'string(bool): string': ([a]) => String(a as boolean),
  'string(bytes): string': ([a], context) => {
    context.charge(Math.ceil(0.1 * (a as Uint8Array).length));
    return utf8(a as Uint8Array);
  },
  'string(timestamp): string': ([a]) => textOfTimestamp(a as Timestamp),
  'string(duration): string': ([a]) => textOfDuration(a as Duration),
  'bytes(bytes): bytes': ([a]) => a as Uint8Array,
  'bytes(string): bytes': ([a], context) => {
    context.charge(Math.ceil(0.1 * (a as string).length));
    return new TextEncoder().encode(a as string);
  },
  'bool(bool): bool': ([a]) => a as boolean,
  'bool(string): bool': ([a]) => {
    if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(a as string)) return true;
    if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(a as string)) return false;
    throw new CelFailure(`type conversion error from 'string' to 'bool'`);
  },
  'timestamp(timestamp): timestamp': ([a]) => a as Timestamp,
  'timestamp(string): timestamp': ([a]) => parseTimestamp(a as string),
  'timestamp(int): timestamp': ([a]) => timestamp((a as bigint) * SECOND),
  'duration(duration): duration': ([a]) => a as Duration,
  'duration(string): duration': ([a]) => parseDuration(a as string),
  'duration(int): duration': ([a]) => duration(a as bigint),
  'dyn(A): dyn': ([a]) => a as CelValue,
  'type(A): type': ([a]) => new TypeValue(kindOf(a as CelValue)),
};

export const standard: Definitions = { ...ARITHMETIC, ...ordering(), ...CONVERSIONS };
