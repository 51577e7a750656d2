/** Values seen through their schema: the fields of one, the difference of two, two merged, some removed. Pure. */
import { ApiError } from '../api-error.ts';
import { deepEqual } from '../metadata.ts';
import { emptySet, insert, isEmptySet, type FieldSet } from './field-set.ts';
import { isAlwaysThere, schemaOfField, schemaOfMember, type Schema } from './schema.ts';

type Json = Record<string, unknown>;
type Part = { element: string; schema: Schema; value: unknown; always: boolean };

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The element of an item, or undefined for one that lacks its keys. */
function itemElement(schema: Schema, item: unknown): string | undefined {
  if (schema.shape === 'set') return `v:${JSON.stringify(item)}`;
  if (schema.shape !== 'list' || !isRecord(item)) return undefined;
  const keys: Json = {};
  for (const key of schema.keys.toSorted()) {
    const value = item[key] ?? schema.defaults[key];
    if (value !== undefined) keys[key] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : `k:${JSON.stringify(keys)}`;
}

/** What a value is made of, by element; undefined for a leaf. */
function partsOf(schema: Schema, value: unknown): Map<string, Part> | undefined {
  const parts = new Map<string, Part>();
  switch (schema.shape) {
    case 'leaf':
      return undefined;
    case 'struct':
      for (const field of schema.type.fields) {
        const inner = isRecord(value) ? value[field.name] : undefined;
        const always = isAlwaysThere(field);
        if (inner === undefined && !always) continue;
        parts.set(`f:${field.name}`, {
          element: `f:${field.name}`,
          schema: schemaOfField(field),
          value: inner,
          always,
        });
      }
      return parts;
    case 'untyped':
      if (value !== undefined && value !== null && !isRecord(value)) return undefined;
      for (const [key, inner] of Object.entries(value ?? {}))
        parts.set(`f:${key}`, { element: `f:${key}`, schema, value: inner, always: false });
      return parts;
    case 'members': {
      const given = isRecord(value) ? value : {};
      for (const key of new Set([...Object.keys(given), ...schema.always])) {
        const always = schema.always.has(key);
        parts.set(`f:${key}`, { element: `f:${key}`, schema: schemaOfMember(schema, key), value: given[key], always });
      }
      return parts;
    }
    case 'map':
      for (const [key, inner] of Object.entries(isRecord(value) ? value : {}))
        parts.set(`f:${key}`, { element: `f:${key}`, schema: schema.element, value: inner, always: false });
      return parts;
    case 'set':
    case 'list': {
      const inner: Schema = schema.shape === 'list' ? schema.element : { shape: 'leaf' };
      for (const item of Array.isArray(value) ? (value as unknown[]) : []) {
        const element = itemElement(schema, item);
        // Of several with the same keys the first is meant; such lists come only from clients that do not apply.
        if (element !== undefined && !parts.has(element))
          parts.set(element, { element, schema: inner, value: item, always: false });
      }
      return parts;
    }
  }
}

const isVacant = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0);

/** All fields that a configuration names. */
export function fieldsOf(value: unknown, schema: Schema): FieldSet {
  const set = emptySet();
  collect(value, schema, [], set);
  return set;
}

function collect(value: unknown, schema: Schema, path: string[], into: FieldSet): void {
  if (value === undefined) return;
  const parts = isVacant(value) ? undefined : partsOf(schema, value);
  if (parts === undefined) {
    insert(into, path);
    return;
  }
  for (const part of parts.values()) {
    const at = [...path, part.element];
    collect(part.value, part.schema, at, into);
    // Items of lists and of maps are things of their own; fields of structs are not.
    if (schema.shape !== 'struct' && schema.shape !== 'members' && schema.shape !== 'untyped') insert(into, at);
  }
}

export interface Comparison {
  added: FieldSet;
  removed: FieldSet;
  modified: FieldSet;
}

export function compare(before: unknown, after: unknown, schema: Schema): Comparison {
  const result: Comparison = { added: emptySet(), removed: emptySet(), modified: emptySet() };
  compareAt({ before, after, schema, path: [], always: true }, result);
  return result;
}

interface Pair {
  before: unknown;
  after: unknown;
  schema: Schema;
  path: string[];
  always: boolean;
}

function compareAt({ before, after, schema, path, always }: Pair, result: Comparison): void {
  if (before === after) return;
  const parts = isVacant(before) && isVacant(after) ? undefined : partsOf(schema, before);
  const others = parts && partsOf(schema, after);
  if (parts === undefined || others === undefined) {
    if (always && isVacant(before) && isVacant(after)) return;
    if (before === undefined) insert(result.added, path);
    else if (after === undefined) insert(result.removed, path);
    else if (!deepEqual(before, after)) insert(result.modified, path);
    return;
  }
  for (const element of new Set([...parts.keys(), ...others.keys()])) {
    const [mine, theirs] = [parts.get(element), others.get(element)];
    const known = mine ?? theirs;
    if (known === undefined) continue;
    compareAt(
      {
        before: mine?.value,
        after: theirs?.value,
        schema: known.schema,
        path: [...path, element],
        always: known.always,
      },
      result,
    );
  }
  if (always) return;
  if (before === undefined) insert(result.added, path);
  else if (after === undefined) insert(result.removed, path);
}

/** `live` with what `config` says. @throws ApiError 422 for items that cannot be told apart. */
export function merge(live: unknown, config: unknown, schema: Schema): unknown {
  return mergeAt(live, config, schema, '');
}

function mergeAt(live: unknown, config: unknown, schema: Schema, at: string): unknown {
  if (config === undefined) return live;
  if (live === undefined || live === null || schema.shape === 'leaf') {
    requireDistinct(config, schema, at);
    if (schema.shape === 'leaf' || live === undefined || live === null) return config;
  }
  switch (schema.shape) {
    case 'struct':
    case 'members':
    case 'untyped':
    case 'map': {
      if (!isRecord(config) || !isRecord(live)) return config;
      const result = { __proto__: null } as unknown as Json;
      for (const key of new Set([...Object.keys(live), ...Object.keys(config)])) {
        const inner = schemaOfMember(schema, key);
        result[key] = mergeAt(live[key], config[key], inner, `${at}.${key}`);
      }
      return result;
    }
    case 'set':
    case 'list':
      if (!Array.isArray(config) || !Array.isArray(live)) return config;
      requireDistinct(config, schema, at);
      return mergeItems(live, config, schema, at);
  }
}

/** In the order of the configuration; items only of the live list stay before the next common one. */
function mergeItems(live: unknown[], config: unknown[], schema: Schema, at: string): unknown[] {
  const inner: Schema = schema.shape === 'list' ? schema.element : { shape: 'leaf' };
  const wanted = new Map<string, unknown>();
  for (const item of config) wanted.set(itemElement(schema, item) ?? '', item);
  const current = new Map<string, unknown>();
  for (const item of live) {
    const element = itemElement(schema, item) ?? '';
    if (!current.has(element)) current.set(element, item);
  }
  const result: unknown[] = [];
  const lives = [...current.keys()];
  let at0 = 0;
  for (const [element, item] of wanted) {
    if (current.has(element)) {
      // What stands before this item in the live list and is wanted nowhere keeps its place.
      const place = lives.indexOf(element);
      for (; at0 < place; at0 += 1) {
        const own = lives[at0] ?? '';
        if (!wanted.has(own)) result.push(current.get(own));
      }
      at0 = Math.max(at0, place + 1);
    }
    result.push(mergeAt(current.get(element), item, inner, `${at}[${element.slice(2)}]`));
  }
  for (; at0 < lives.length; at0 += 1) {
    const own = lives[at0] ?? '';
    if (!wanted.has(own)) result.push(current.get(own));
  }
  return result;
}

/** Also below what is new. */
function requireDistinct(value: unknown, schema: Schema, at: string): void {
  if (schema.shape === 'list' || schema.shape === 'set') {
    const seen = new Set<string>();
    for (const [index, item] of (Array.isArray(value) ? (value as unknown[]) : []).entries()) {
      const element = itemElement(schema, item);
      if (element === undefined)
        throw unclear(`${at}: element ${index}: associative list with keys has an element that omits key field`);
      if (seen.has(element)) throw unclear(`${at}: duplicate entries for key [${element.slice(2)}]`);
      seen.add(element);
    }
  }
  if (schema.shape === 'leaf' || isVacant(value)) return;
  for (const part of partsOf(schema, value)?.values() ?? [])
    requireDistinct(part.value, part.schema, `${at}.${part.element.slice(2)}`);
}

function unclear(message: string): ApiError {
  return new ApiError(500, 'InternalError', `failed to create typed patch object: ${message}`);
}

/** Without the fields and items that are members of `cut`; null where nothing is left of something. */
export function removeFields(value: unknown, cut: FieldSet, schema: Schema): unknown {
  if (isEmptySet(cut) || schema.shape === 'leaf' || value === undefined || value === null) return value;
  switch (schema.shape) {
    case 'struct':
    case 'members':
    case 'untyped':
    case 'map': {
      if (!isRecord(value)) return value;
      const result = { __proto__: null } as unknown as Json;
      for (const [key, inner] of Object.entries(value)) {
        const below = cut.children.get(`f:${key}`);
        if (below?.member === true) continue;
        const its = schemaOfMember(schema, key);
        const rest = below === undefined ? inner : removeFields(inner, below, its);
        if (rest !== undefined) result[key] = rest;
      }
      return Object.keys(result).length === 0 && Object.keys(value).length > 0 ? null : result;
    }
    case 'set':
    case 'list': {
      if (!Array.isArray(value)) return value;
      const its: Schema = schema.shape === 'list' ? schema.element : { shape: 'leaf' };
      const rest: unknown[] = [];
      for (const item of value as unknown[]) {
        const element = itemElement(schema, item);
        const below = element === undefined ? undefined : cut.children.get(element);
        if (below?.member === true) continue;
        rest.push(below === undefined ? item : (removeFields(item, below, its) ?? {}));
      }
      return rest.length === 0 && value.length > 0 ? null : rest;
    }
  }
}
