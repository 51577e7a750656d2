/**
 * The values of CEL. int is bigint, double is number, string is string, bytes is Uint8Array, list is an array and null
 * is null; the others are the classes below. Read next: json.ts (JSON to values and back).
 */
import { CelFailure } from './failure.ts';

export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Duration
  | Timestamp
  | TypeValue
  | Optional
  | CelMap
  | Opaque
  | readonly CelValue[];

export const INT_MAX = 2n ** 63n - 1n;
export const INT_MIN = -(2n ** 63n);
export const UINT_MAX = 2n ** 64n - 1n;

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** In nanoseconds, within 64 bits. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** Nanoseconds since 1970 UTC; years 1 to 9999. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class TypeValue {
  readonly typeName: string;
  constructor(typeName: string) {
    this.typeName = typeName;
  }
}

export class Optional {
  /** undefined: none. */
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
}
export const NONE = new Optional(undefined);

/** Values that only library functions look into: quantities, URLs, addresses, an authorizer. */
export abstract class Opaque {
  abstract readonly typeName: string;
  abstract equals(other: Opaque): boolean;
}

/** A map or an object; what it holds may be made on demand. */
export abstract class CelMap {
  /** The name of the message type it was built as. */
  readonly typeName: string = 'map';
  abstract readonly size: number;
  abstract get(key: CelValue): CelValue | undefined;
  abstract keys(): CelValue[];
  has(key: CelValue): boolean {
    return this.get(key) !== undefined;
  }
}

/** Numbers that are equal are one key; undefined for what can be no key. */
export function keyOf(key: CelValue): string | undefined {
  if (typeof key === 'string') return `s${key}`;
  if (typeof key === 'bigint') return `n${key}`;
  if (typeof key === 'boolean') return `b${key}`;
  if (key instanceof Uint) return `n${key.value}`;
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `d${key}`;
  return undefined;
}

/** Entries in the order written. */
export class EntryMap extends CelMap {
  readonly #entries = new Map<string, { key: CelValue; value: CelValue }>();
  override readonly typeName: string;

  constructor(entries: Iterable<readonly [CelValue, CelValue]>, typeName = 'map') {
    super();
    this.typeName = typeName;
    for (const [key, value] of entries) {
      const name = typeof key === 'number' ? undefined : keyOf(key);
      if (name === undefined) throw new CelFailure(`unsupported key type: ${kindOf(key)}`);
      if (this.#entries.has(name)) throw new CelFailure(`failed with repeated key: ${shortText(key)}`);
      this.#entries.set(name, { key, value });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: CelValue): CelValue | undefined {
    const name = keyOf(key);
    return name === undefined ? undefined : this.#entries.get(name)?.value;
  }

  keys(): CelValue[] {
    return [...this.#entries.values()].map((entry) => entry.key);
  }
}

/** Values made when first asked for: `variables` of an admission policy. */
export class LazyMap extends CelMap {
  readonly #names: readonly string[];
  readonly #resolve: (name: string) => CelValue;
  readonly #made = new Map<string, CelValue>();

  /** `resolve` may throw a CelFailure (see failure.ts), which then is the outcome of the expression. */
  constructor(names: readonly string[], resolve: (name: string) => CelValue) {
    super();
    this.#names = names;
    this.#resolve = resolve;
  }

  get size(): number {
    return this.#names.length;
  }

  keys(): CelValue[] {
    return [...this.#names];
  }

  override has(key: CelValue): boolean {
    return typeof key === 'string' && this.#names.includes(key);
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !this.#names.includes(key)) return undefined;
    const made = this.#made.get(key);
    if (made !== undefined) return made;
    const value = this.#resolve(key);
    this.#made.set(key, value);
    return value;
  }
}

/** The name of its type as `type()` and overloads know it. */
export function kindOf(value: CelValue): string {
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
  }
  if (value === null) return 'null_type';
  if (Array.isArray(value)) return 'list';
  if (value instanceof CelMap) return 'map';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Optional) return 'optional_type';
  if (value instanceof TypeValue) return 'type';
  return (value as Opaque).typeName;
}

function isNumeric(value: CelValue): value is bigint | number | Uint {
  return typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint;
}

const plain = (value: bigint | number | Uint): bigint | number => (value instanceof Uint ? value.value : value);

/** Of different types: unequal, except that numbers compare by what they count. */
export function equals(a: CelValue, b: CelValue): boolean {
  // JavaScript compares a bigint with a double exactly.
  // oxlint-disable-next-line eqeqeq
  if (isNumeric(a)) return isNumeric(b) && plain(a) == plain(b);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item: CelValue, i) => equals(item, b[i] as CelValue));
  }
  if (a instanceof CelMap) {
    if (!(b instanceof CelMap) || a.size !== b.size) return false;
    return a.keys().every((key) => {
      const other = b.get(key);
      return other !== undefined && equals(a.get(key) as CelValue, other);
    });
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.typeName === b.typeName;
  if (a instanceof Optional) {
    if (!(b instanceof Optional) || a.value === undefined || b.value === undefined) {
      return b instanceof Optional && a.value === b.value;
    }
    return equals(a.value, b.value);
  }
  return a instanceof Opaque && b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return (a[i] as number) - (b[i] as number);
  return a.length - b.length;
}

/** By code points, which is not the order of UTF-16 units. */
export function compareStrings(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    if (a[i] === b[i]) continue;
    return (a.codePointAt(i) as number) - (b.codePointAt(i) as number);
  }
  return a.length - b.length;
}

/** Below, at or above zero; NaN where neither is less; undefined where the two have no order. */
export function compare(a: CelValue, b: CelValue): number | undefined {
  if (isNumeric(a)) {
    if (!isNumeric(b)) return undefined;
    const [x, y] = [plain(a), plain(b)];
    // oxlint-disable-next-line eqeqeq
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : Number.NaN;
  }
  if (typeof a === 'string') return typeof b === 'string' ? compareStrings(a, b) : undefined;
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : undefined;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? compareBytes(a, b) : undefined;
  if ((a instanceof Duration && b instanceof Duration) || (a instanceof Timestamp && b instanceof Timestamp)) {
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  }
  return undefined;
}

/** Characters, bytes, items or entries; 1 for what has no size. What costs are counted by. */
export function sizeOf(value: CelValue): number {
  if (typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return value instanceof CelMap ? value.size : 1;
}

/** For messages. */
export function shortText(value: CelValue): string {
  if (typeof value === 'string') return value.length > 64 ? `${value.slice(0, 64)}…` : value;
  if (value instanceof Uint) return String(value.value);
  return typeof value === 'object' ? kindOf(value) : String(value);
}
