/**
 * Turns parsed JSON into an object of a known type. Unknown fields and duplicates are refused, warned of or ignored;
 * wrong types are refused in the words of Go's decoder, which users know from Kubernetes; nulls and empties are
 * dropped, and zeros written, as the JSON tags say; members come out in the order of the type, so equal objects have equal bytes.
 */
import { ApiError } from './api-error.ts';
import { findType, typeOf, type FieldFacts, type TypeFacts } from './facts/facts.ts';
import { canonicalBase64, canonicalQuantity, canonicalTime, isDuration, isInteger, ScalarProblem } from './scalars.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  fieldValidation: FieldValidation;
  /** From parseStrictJson. */
  duplicates?: readonly string[];
  /** Neither drop empties nor write zeros: what a configuration names is what its manager wants. */
  asGiven?: boolean;
}

export interface Decoded {
  /** Plain data of the type; unknown fields dropped, empties dropped as the JSON tags say. */
  object: Record<string, unknown>;
  /** For `Warning: 299 - "…"` headers; only with Warn. */
  warnings: string[];
}

/** Problems named in one refusal, or warnings in one answer. */
export const STRICT_PROBLEMS_MAX = 100;

/** ApiError 400 BadRequest for wrong types, and under Strict for unknown and duplicate fields. */
export function decodeObject(value: unknown, typeName: string, options: DecodeOptions): Decoded {
  const decoder = new Decoder(options.asGiven === true);
  let object: Record<string, unknown>;
  try {
    object = decoder.struct(typeOf(typeName), value);
  } catch (error) {
    if (error instanceof ScalarProblem) throw cannotBeHandled(value, typeName, error.message);
    throw error;
  }
  if (options.fieldValidation === 'Ignore') return { object, warnings: [] };
  const duplicates = (options.duplicates ?? []).map((path) => `duplicate field "${path}"`);
  const problems = [...duplicates, ...decoder.unknown].slice(0, STRICT_PROBLEMS_MAX);
  if (options.fieldValidation === 'Warn') return { object, warnings: problems };
  if (problems.length > 0) throw cannotBeHandled(value, typeName, `strict decoding error: ${problems.join(', ')}`);
  return { object, warnings: [] };
}

/** As decodeObject, for a type of the table or a custom resource. */
export function decodeKind(
  value: unknown,
  of: { typeName: string; custom?: { decode(value: unknown, options: DecodeOptions): Decoded } },
  options: DecodeOptions,
): Decoded {
  return of.custom === undefined ? decodeObject(value, of.typeName, options) : of.custom.decode(value, options);
}

/** `Deployment in version "v1" cannot be handled as a Deployment: …`. */
function cannotBeHandled(value: unknown, typeName: string, problem: string): ApiError {
  const given = typeof value === 'object' && value !== null ? (value as { kind?: unknown; apiVersion?: unknown }) : {};
  const wanted = shortName(typeName);
  if (typeof given.kind !== 'string' || typeof given.apiVersion !== 'string') {
    return new ApiError(
      400,
      'BadRequest',
      `the object provided is unrecognized (must be of type ${wanted}): ${problem}`,
    );
  }
  const version = given.apiVersion.slice(given.apiVersion.indexOf('/') + 1);
  const text = `${given.kind} in version "${version}" cannot be handled as a ${wanted}: ${problem}`;
  return new ApiError(400, 'BadRequest', text);
}

function shortName(typeName: string): string {
  return typeName.slice(typeName.lastIndexOf('.') + 1);
}

class Decoder {
  readonly unknown: string[] = [];
  readonly #asGiven: boolean;
  /** Field names, list positions and map keys (in a list of one) from the root to here. */
  readonly #path: (string | number | [mapKey: string])[] = [];
  /** The struct whose field is being read, for the message. */
  #struct = '';

  constructor(asGiven: boolean) {
    this.#asGiven = asGiven;
  }

  struct(type: TypeFacts, value: unknown): Record<string, unknown> {
    if (!isRecord(value)) throw this.#wrongType(value, goType(type.name));
    const result = { __proto__: null } as unknown as Record<string, unknown>;
    const outer = this.#struct;
    this.#struct = shortName(type.name);
    for (const field of type.fields) {
      const given = value[field.name];
      if (given === undefined || given === null) {
        const zero = zeroOf(field);
        if (zero !== undefined && !this.#asGiven) result[field.name] = zero;
        continue;
      }
      this.#path.push(field.name);
      const decoded = this.#field(field, given);
      if (this.#asGiven || !isOmitted(field, decoded)) result[field.name] = decoded;
      this.#path.pop();
    }
    for (const key of Object.keys(value)) if (!type.byName.has(key)) this.#noteUnknown(key);
    this.#struct = outer;
    return result;
  }

  #field(field: FieldFacts, value: unknown): unknown {
    if (field.shape === 'single') return this.#single(field.type, value);
    if (field.shape === 'list') return this.#list(field.type, value);
    if (!isRecord(value))
      throw this.#wrongType(value, `map[string]${field.shape === 'map' ? '' : '[]'}${goType(field.type)}`);
    const result = { __proto__: null } as unknown as Record<string, unknown>;
    for (const key of Object.keys(value).sort()) {
      this.#path.push([key]);
      const member = value[key];
      result[key] = field.shape === 'map' ? this.#item(field.type, member) : this.#list(field.type, member ?? []);
      this.#path.pop();
    }
    return result;
  }

  #list(type: string, value: unknown): unknown[] {
    if (!Array.isArray(value)) throw this.#wrongType(value, `[]${goType(type)}`);
    return value.map((item: unknown, index) => {
      this.#path.push(index);
      const decoded = this.#item(type, item);
      this.#path.pop();
      return decoded;
    });
  }

  /** In lists and maps a null is the zero value. */
  #item(type: string, value: unknown): unknown {
    if (value !== null && value !== undefined) return this.#single(type, value);
    if (findType(type) !== undefined) return this.#single(type, {});
    if (type === 'string' || type === 'bytes') return '';
    if (type === 'boolean') return false;
    if (type === 'Quantity') return '0';
    return type === 'RawExtension' ? null : 0;
  }

  #single(type: string, value: unknown): unknown {
    switch (type) {
      case 'string':
        if (typeof value !== 'string') throw this.#wrongType(value, 'string');
        return value;
      case 'boolean':
        if (typeof value !== 'boolean') throw this.#wrongType(value, 'bool');
        return value;
      case 'int32':
      case 'int64':
        return this.#integer(value, type === 'int32' ? 32 : 64);
      case 'double':
        if (typeof value !== 'number') throw this.#wrongType(value, 'float64');
        return value;
      case 'bytes':
        if (typeof value !== 'string') throw this.#wrongType(value, '[]uint8');
        return canonicalBase64(value);
      case 'Time':
      case 'MicroTime':
        if (typeof value !== 'string')
          throw new ScalarProblem(`json: cannot unmarshal ${jsonType(value)} into Go value of type string`);
        return canonicalTime(value, type === 'Time' ? 0 : 6);
      case 'Quantity':
        if (typeof value !== 'string' && typeof value !== 'number') throw this.#wrongType(value, 'string');
        return canonicalQuantity(value);
      case 'IntOrString':
        if (typeof value === 'string') return value;
        if (typeof value === 'number' && isInteger(value, 32)) return value;
        throw new ScalarProblem(`json: cannot unmarshal ${jsonType(value)} into Go value of type int32`);
      case 'Duration':
        if (typeof value !== 'string' || !isDuration(value))
          throw new ScalarProblem(`time: invalid duration ${JSON.stringify(value)}`);
        return value;
      case 'RawExtension':
      case 'FieldsV1':
        return value;
      default:
        return this.struct(typeOf(type), value);
    }
  }

  #integer(value: unknown, bits: 32 | 64): number {
    if (typeof value === 'number' && isInteger(value, bits)) return value;
    const given = typeof value === 'number' ? `number ${value}` : jsonType(value);
    throw this.#wrongTypeNamed(given, `int${bits}`);
  }

  #wrongType(value: unknown, wanted: string): ScalarProblem {
    return this.#wrongTypeNamed(jsonType(value), wanted);
  }

  #wrongTypeNamed(given: string, wanted: string): ScalarProblem {
    if (this.#path.length === 0)
      return new ScalarProblem(`json: cannot unmarshal ${given} into Go value of type ${wanted}`);
    const fields = this.#path.filter((step) => typeof step === 'string').join('.');
    return new ScalarProblem(
      `json: cannot unmarshal ${given} into Go struct field ${this.#struct}.${fields} of type ${wanted}`,
    );
  }

  #noteUnknown(key: string): void {
    if (this.unknown.length >= STRICT_PROBLEMS_MAX) return;
    let path = '';
    for (const step of [...this.#path, key]) {
      if (typeof step === 'number') path += `[${step}]`;
      else path += (path === '' ? '' : '.') + (typeof step === 'string' ? step : step[0]);
    }
    this.unknown.push(`unknown field "${path}"`);
  }
}

/** Whether Go would leave it out: `omitempty` and empty. Structs are never empty in that sense. */
export function isOmitted(field: FieldFacts, value: unknown): boolean {
  if (!field.omitEmpty || field.pointer) return false;
  if (value === '' || value === false || value === 0) return field.type !== 'IntOrString';
  if (Array.isArray(value)) return value.length === 0;
  return field.shape !== 'single' && Object.keys(value as object).length === 0;
}

/**
 * What Go writes for a plain field that is absent and has no `omitempty`, so that readers may rely on the interfaces of
 * objects.ts. Lists and maps are empty where Go writes null, which also makes them equal to what protobuf can say of them;
 * structs stay absent, since some of them are pointers.
 */
function zeroOf(field: FieldFacts): unknown {
  if (!field.required || field.omitEmpty) return undefined;
  if (field.shape === 'list') return [];
  if (field.shape !== 'single') return { __proto__: null };
  if (field.type === 'string') return '';
  if (field.type === 'boolean') return false;
  return field.type === 'int32' || field.type === 'int64' || field.type === 'IntOrString' ? 0 : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value;
}

/** How Go prints the type: `int32`, `v1.Container`. */
function goType(type: string): string {
  const go: Record<string, string> = {
    boolean: 'bool',
    bytes: '[]uint8',
    double: 'float64',
    Quantity: 'resource.Quantity',
    RawExtension: 'runtime.RawExtension',
    Time: 'v1.Time',
    MicroTime: 'v1.MicroTime',
    IntOrString: 'intstr.IntOrString',
  };
  return go[type] ?? type.split('.').slice(-2).join('.');
}
