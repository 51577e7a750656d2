/** JSON ↔ values. Objects are wrapped, not copied: what an expression does not look at costs nothing. */
import { CelFailure } from './failure.ts';
import { parseDuration, parseTimestamp, textOfDuration, textOfTimestamp } from './time.ts';
import type { CelType, ObjectType } from './types.ts';
import { CelMap, Duration, keyOf, kindOf, Optional, Timestamp, Uint, type CelValue } from './values.ts';

type Json = Record<string, unknown>;

/**
 * A JSON value as CEL sees it. Without a type whole numbers are int and others double; a type says which they are, and
 * which strings are times, durations or bytes. Undefined members are absent.
 */
export function fromJson(value: unknown, type: CelType = 'dyn'): CelValue {
  switch (typeof value) {
    case 'string':
      return typedString(value, type);
    case 'number':
      if (type === 'uint') return new Uint(BigInt(Math.trunc(value)));
      return type !== 'double' && Number.isInteger(value) ? BigInt(value) : value;
    case 'bigint':
    case 'boolean':
      return value;
  }
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    const items = typeof type === 'object' && 'list' in type ? type.list : 'dyn';
    return value.map((item: unknown) => fromJson(item, items));
  }
  if (value instanceof Uint8Array) return value;
  if (typeof type === 'object' && 'fields' in type) return new ObjectMap(value as Json, type);
  return new RecordMap(value as Json, typeof type === 'object' && 'map' in type ? type.map[1] : 'dyn');
}

function typedString(value: string, type: CelType): CelValue {
  if (type === 'google.protobuf.Timestamp') return parseTimestamp(value);
  if (type === 'google.protobuf.Duration') return parseDuration(value);
  if (type === 'bytes') return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  return value;
}

/** A JSON object of any keys. */
class RecordMap extends CelMap {
  readonly #record: Json;
  readonly #items: CelType;
  readonly #made = new Map<string, CelValue>();

  constructor(record: Json, items: CelType) {
    super();
    this.#record = record;
    this.#items = items;
  }

  get size(): number {
    return this.#names().length;
  }

  #names(): string[] {
    return Object.keys(this.#record).filter((name) => this.#record[name] !== undefined);
  }

  keys(): CelValue[] {
    return this.#names();
  }

  override has(key: CelValue): boolean {
    return typeof key === 'string' && Object.hasOwn(this.#record, key) && this.#record[key] !== undefined;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !this.has(key)) return undefined;
    const made = this.#made.get(key) ?? fromJson(this.#record[key], this.#items);
    this.#made.set(key, made);
    return made;
  }
}

/** A JSON object of known fields, by their names in expressions. */
class ObjectMap extends CelMap {
  readonly #record: Json;
  readonly #type: ObjectType;
  readonly #made = new Map<string, CelValue>();

  constructor(record: Json, type: ObjectType) {
    super();
    this.#record = record;
    this.#type = type;
  }

  get size(): number {
    return this.keys().length;
  }

  keys(): CelValue[] {
    return [...this.#type.fields.keys()].filter((name) => this.has(name));
  }

  override has(key: CelValue): boolean {
    const field = typeof key === 'string' ? this.#type.fields.get(key) : undefined;
    return (
      field !== undefined && Object.hasOwn(this.#record, field.property) && this.#value(field.property) !== undefined
    );
  }

  #value(property: string): unknown {
    return this.#record[property];
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !this.has(key)) return undefined;
    const field = this.#type.fields.get(key) as { type: CelType; property: string };
    const made = this.#made.get(key) ?? fromJson(this.#value(field.property), field.type);
    this.#made.set(key, made);
    return made;
  }
}

/** What a value is in JSON. Throws CelFailure for what has no such form (types, library values, odd keys). */
export function toJson(value: CelValue): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Uint) return Number(value.value);
  if (Array.isArray(value)) return value.map((item: CelValue) => toJson(item));
  if (value instanceof Uint8Array) return btoa(Array.from(value, (byte) => String.fromCharCode(byte)).join(''));
  if (value instanceof Duration) return textOfDuration(value);
  if (value instanceof Timestamp) return textOfTimestamp(value);
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value);
  if (!(value instanceof CelMap)) throw new CelFailure(`a ${kindOf(value)} has no JSON form`);
  const record = { __proto__: null } as unknown as Json;
  for (const key of value.keys()) {
    const name = keyOf(key);
    if (name === undefined) throw new CelFailure(`unsupported key type: ${kindOf(key)}`);
    record[name.slice(1)] = toJson(value.get(key) as CelValue);
  }
  return record;
}
