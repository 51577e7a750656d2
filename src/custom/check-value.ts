/**
 * Values against their schema, in the words of Kubernetes (kube-openapi's validator, field errors of apimachinery).
 * What an update leaves as it was is not held against it (KEP-4008, ratcheting).
 */
import { deepEqual } from '#src/api/metadata.ts';
import { Causes } from '#src/api/validation/causes.ts';
import { formatProblem } from './string-formats.ts';
import {
  additionalOf,
  childPath,
  isEmbedded,
  isRecord,
  itemKey,
  memberOf,
  OBJECT_FIELDS,
  type Json,
  type JsonSchema,
} from './schema.ts';
import type { Patterns } from './patterns.ts';

interface Here {
  causes: Causes;
  patterns: Patterns;
  path: string;
  /** The root: its apiVersion, kind and metadata are looked at elsewhere. */
  isRoot: boolean;
}

/** `old` undefined: there was nothing. `path` for a part, '' for a whole object. */
export function checkValue(
  at: { causes: Causes; patterns: Patterns; path?: string },
  schema: JsonSchema,
  value: unknown,
  old: unknown,
): void {
  checkAt({ ...at, path: at.path ?? '', isRoot: at.path === undefined }, schema, value, old);
}

/** Names of JSON types as OpenAPI has them. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function fitsType(schema: JsonSchema, value: unknown): boolean {
  const type = typeOf(value);
  if (schema['x-kubernetes-int-or-string'] === true) return type === 'integer' || type === 'string';
  if (schema.type === undefined || schema.type === '') return true;
  return schema.type === type || (schema.type === 'number' && type === 'integer');
}

function checkAt(here: Here, schema: JsonSchema, value: unknown, old: unknown): void {
  if (old !== undefined && deepEqual(value, old)) return;
  if (value === null && schema.nullable === true) return;
  const { causes, path } = here;
  if (!fitsType(schema, value)) {
    const wanted = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '');
    const given = typeOf(value);
    causes.typeInvalid(path, given, `${path} in body must be of type ${wanted}: ${JSON.stringify(given)}`);
    return;
  }
  checkPlain(here, schema, value);
  if (Array.isArray(value)) checkItems(here, schema, value, old);
  else if (isRecord(value)) checkMembers(here, schema, value, old);
  checkCombinations(here, schema, value);
}

function checkPlain({ causes, path, patterns }: Here, schema: JsonSchema, value: unknown): void {
  const wrong = (text: string): void => causes.invalid(path, value, `${path} in body ${text}`);
  if (schema.enum !== undefined && !schema.enum.some((known) => deepEqual(known, value))) {
    causes.notSupportedValues(path, value, schema.enum);
  }
  if (typeof value === 'number') checkNumber(schema, value, wrong);
  if (typeof value !== 'string') return;
  const length = Array.from(value).length;
  if (schema.maxLength !== undefined && length > schema.maxLength) causes.tooLong(path, schema.maxLength);
  if (schema.minLength !== undefined && length < schema.minLength) {
    wrong(`should be at least ${schema.minLength} chars long`);
  }
  if (schema.pattern !== undefined && !patterns.matches(schema.pattern, value)) {
    wrong(`should match '${schema.pattern}'`);
  }
  const problem = formatProblem(schema.format, value);
  if (problem) wrong(`must be of type ${schema.format}: ${JSON.stringify(value)}`);
}

function checkNumber(schema: JsonSchema, value: number, wrong: (text: string) => void): void {
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    wrong(`should be greater than ${schema.exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`);
  }
  if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    wrong(`should be less than ${schema.exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`);
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) wrong(`should be a multiple of ${multipleOf}`);
  const bits = schema.format === 'int32' ? 31 : schema.format === 'int64' ? 63 : undefined;
  if (bits !== undefined && (value < -(2 ** bits) || value >= 2 ** bits)) {
    wrong(`must be of type ${schema.format}: ${JSON.stringify(value)}`);
  }
}

function checkItems(here: Here, schema: JsonSchema, value: readonly unknown[], old: unknown): void {
  const { causes, path } = here;
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    causes.tooMany(path, value.length, schema.maxItems);
  }
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    causes.invalid(path, value, `${path} in body should have at least ${schema.minItems} items`);
  }
  checkDistinct(here, schema, value);
  const { items } = schema;
  if (items === undefined) return;
  const before = correlateItems(schema, old);
  value.forEach((item, i) => {
    checkAt({ ...here, path: childPath(path, i), isRoot: false }, items, item, before(item));
  });
}

/** The old item that an item of a map-like list was; other lists have none. */
export function correlateItems(schema: JsonSchema, old: unknown): (item: unknown) => unknown {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return () => undefined;
  const byKey = new Map(old.map((item: unknown) => [itemKey(schema, item), item]));
  return (item) => byKey.get(itemKey(schema, item));
}

function checkDistinct({ causes, path }: Here, schema: JsonSchema, value: readonly unknown[]): void {
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== 'set' && listType !== 'map') return;
  const seen = new Set<string>();
  value.forEach((item, i) => {
    const key = listType === 'set' ? JSON.stringify(item) : itemKey(schema, item);
    if (key === undefined) return;
    if (seen.has(key)) causes.duplicate(childPath(path, i), JSON.parse(key));
    seen.add(key);
  });
}

function checkMembers(here: Here, schema: JsonSchema, value: Json, old: unknown): void {
  const { causes, path } = here;
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) causes.required(childPath(path, name));
  }
  const count = Object.keys(value).length;
  if (schema.maxProperties !== undefined && count > schema.maxProperties) {
    causes.tooMany(path, count, schema.maxProperties);
  }
  if (schema.minProperties !== undefined && count < schema.minProperties) {
    causes.invalid(path, value, `${path} in body should have at least ${schema.minProperties} properties`);
  }
  if (isEmbedded(schema)) checkEmbedded(here, value);
  for (const [key, member] of Object.entries(value)) {
    if (here.isRoot && OBJECT_FIELDS.has(key) && key !== 'metadata') continue;
    const property = memberOf(schema, key);
    if (property === undefined) {
      const unnamed = schema.additionalProperties === false && additionalOf(schema) === undefined;
      if (unnamed) causes.forbidden(childPath(path, key), 'additional properties are not allowed');
      continue;
    }
    const before = isRecord(old) ? old[key] : undefined;
    checkAt({ ...here, path: childPath(path, key), isRoot: false }, property, member, before);
  }
}

function checkEmbedded({ causes, path }: Here, value: Json): void {
  for (const field of ['apiVersion', 'kind']) {
    const given = value[field];
    if (given === undefined || given === '') causes.required(childPath(path, field), 'must not be empty');
    else if (typeof given !== 'string') causes.invalid(childPath(path, field), given, 'must be a string');
  }
  if (value['metadata'] !== undefined && !isRecord(value['metadata'])) {
    causes.invalid(childPath(path, 'metadata'), value['metadata'], 'must be an object');
  }
}

/** A value against a part of a schema that only judges. */
function fits(here: Here, schema: JsonSchema, value: unknown): boolean {
  const causes = new Causes();
  checkAt({ ...here, causes }, schema, value, undefined);
  return causes.list.length === 0;
}

function checkCombinations(here: Here, schema: JsonSchema, value: unknown): void {
  const { causes, path } = here;
  const wrong = (text: string): void => causes.invalid(path, value, `${JSON.stringify(path)} must ${text}`);
  if (schema.allOf !== undefined) {
    const failing = schema.allOf.filter((part) => !fits(here, part, value));
    for (const part of failing) checkAt(here, part, value, undefined);
    if (failing.length > 0) wrong('validate all the schemas (allOf)');
  }
  if (schema.anyOf !== undefined && !schema.anyOf.some((part) => fits(here, part, value))) {
    wrong('validate at least one schema (anyOf)');
  }
  if (schema.oneOf !== undefined) {
    const count = schema.oneOf.filter((part) => fits(here, part, value)).length;
    const found = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`;
    if (count !== 1) wrong(`validate one and only one schema (oneOf). ${found}`);
  }
  if (schema.not !== undefined && fits(here, schema.not, value)) wrong('not validate the schema (not)');
}
