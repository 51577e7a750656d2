/** Kubernetes quantities: `100m`, `1.5Gi`, `1e3`. Exact, on bigint, in billionths. */
import { Fault } from '#src/std/fault.ts';

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** In billionths of a unit; a finer text is rounded up (away from zero) to that. */
  readonly nano: bigint;
  /** How it was written, and is written again. */
  readonly format: QuantityFormat;
}

/** The pattern of the refusal. */
export const QUANTITY_PATTERN = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$';

const NANO = 1_000_000_000n;
const QUANTITY = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,9})?$/;
/** Larger is capped, as Kubernetes does. */
const NANO_MAX = (2n ** 63n - 1n) * NANO;
/** Beyond this every exponent is zero or the cap; computing it would only cost time. */
const EXPONENT_MAX = 40;
const DIGITS_MAX = 100;

const DECIMAL_EXPONENTS: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY_SHIFTS: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

/** Fault QUANTITY_SYNTAX. */
export function parseQuantity(value: string | number): Quantity {
  const text = String(value);
  const match = QUANTITY.exec(text);
  if (match === null || text.length > DIGITS_MAX) {
    const shown = JSON.stringify(text.slice(0, DIGITS_MAX));
    throw new Fault(
      'QUANTITY_SYNTAX',
      `the quantity ${shown} must match the regular expression '${QUANTITY_PATTERN}'`,
      'never',
    );
  }
  const [, sign, whole = '', fraction = '', bareFraction, suffix = ''] = match;
  const decimals = bareFraction ?? fraction;
  const digits = BigInt(`${whole}${decimals}` || '0');
  const shift = BINARY_SHIFTS[suffix];
  const exponent = shift === undefined ? exponentOf(suffix) : 0;
  const scaled = shift === undefined ? digits : digits << BigInt(shift);
  const magnitude = scaleToNano(scaled, exponent - decimals.length);
  const capped = magnitude > NANO_MAX ? NANO_MAX : magnitude;
  const format = shift !== undefined ? 'BinarySI' : /^[eE][+-]?\d/.test(suffix) ? 'DecimalExponent' : 'DecimalSI';
  return { nano: sign === '-' ? -capped : capped, format };
}

function exponentOf(suffix: string): number {
  return DECIMAL_EXPONENTS[suffix] ?? Number(suffix.slice(1));
}

/** digits * 10^exponent in billionths, rounded up. */
function scaleToNano(digits: bigint, exponent: number): bigint {
  if (digits === 0n) return 0n;
  const power = exponent + 9;
  if (power >= 0) return power > EXPONENT_MAX ? NANO_MAX + 1n : digits * 10n ** BigInt(power);
  if (-power > DIGITS_MAX + EXPONENT_MAX) return 1n;
  return divideUp(digits, 10n ** BigInt(-power));
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

export function isQuantity(text: string): boolean {
  return text.length <= DIGITS_MAX && QUANTITY.test(text);
}

/** Negative, zero or positive. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** Keeps the format of `a`, or of `b` when `a` is zero. */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}

/**
 * Canonical text: the largest suffix that leaves no fraction. BinarySI below 1024 or with a fraction is written
 * decimally, as Kubernetes does (`0.5Gi` is `512Mi`, `1.5` stays `1500m`).
 */
export function formatQuantity(quantity: Quantity): string {
  const { nano, format } = quantity;
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const magnitude = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && magnitude % NANO === 0n && magnitude >= 1024n * NANO) {
    return sign + formatBinary(magnitude / NANO);
  }
  let mantissa = magnitude;
  let exponent = -9;
  while (exponent < 18 && mantissa % 1000n === 0n) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (format === 'DecimalExponent') return `${sign}${mantissa}${exponent === 0 ? '' : `e${exponent}`}`;
  const suffix = Object.keys(DECIMAL_EXPONENTS).find((key) => DECIMAL_EXPONENTS[key] === exponent) ?? '';
  return `${sign}${mantissa}${suffix}`;
}

function formatBinary(units: bigint): string {
  let mantissa = units;
  let suffix = '';
  for (const next of Object.keys(BINARY_SHIFTS)) {
    if (mantissa % 1024n !== 0n) break;
    mantissa /= 1024n;
    suffix = next;
  }
  return `${mantissa}${suffix}`;
}

/** Whole units, rounded up (bytes of memory). Exact up to 2^53. */
export function quantityValue(quantity: Quantity): number {
  return Number(roundUp(quantity.nano, NANO));
}

/** Thousandths, rounded up (CPU). Exact up to 2^53. */
export function quantityMilliValue(quantity: Quantity): number {
  return Number(roundUp(quantity.nano, 1_000_000n));
}

function roundUp(nano: bigint, unit: bigint): bigint {
  return nano < 0n ? -divideUp(-nano, unit) : divideUp(nano, unit);
}
