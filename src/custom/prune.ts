/** Drops what the schema does not name, and fills in what it defaults. Both change the value in place. */
import { deepCopy } from '#src/api/metadata.ts';
import {
  additionalOf,
  childPath,
  isEmbedded,
  isRecord,
  keepsUnknown,
  memberOf,
  OBJECT_FIELDS,
  type JsonSchema,
} from './schema.ts';

/** Paths remembered of what was dropped. */
const UNKNOWN_MAX = 100;

/** The paths of what was dropped, for fieldValidation. */
export function prune(value: unknown, schema: JsonSchema): string[] {
  const unknown: string[] = [];
  pruneAt(value, schema, { path: '', isObject: true, kept: false }, unknown);
  return unknown;
}

interface Here {
  path: string;
  /** The root or an embedded resource: apiVersion, kind and metadata belong to it. */
  isObject: boolean;
  /** Unknown fields stay, as a parent says. */
  kept: boolean;
}

function pruneAt(value: unknown, schema: JsonSchema, here: Here, unknown: string[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    value.forEach((item: unknown, i) => {
      pruneAt(item, items, { ...here, path: childPath(here.path, i), isObject: isEmbedded(items) }, unknown);
    });
    return;
  }
  if (!isRecord(value)) return;
  const kept = keepsUnknown(schema) || additionalOf(schema) === true;
  for (const key of Object.keys(value)) {
    if (here.isObject && OBJECT_FIELDS.has(key)) continue;
    const member = memberOf(schema, key);
    const path = childPath(here.path, key);
    if (member !== undefined) pruneAt(value[key], member, { path, isObject: isEmbedded(member), kept: false }, unknown);
    else if (!kept) {
      if (unknown.length < UNKNOWN_MAX) unknown.push(path);
      delete value[key];
    }
  }
}

export function hasDefaults(schema: JsonSchema): boolean {
  if (schema.default !== undefined) return true;
  const rest = additionalOf(schema);
  const parts = [...Object.values(schema.properties ?? {}), schema.items, rest === true ? undefined : rest];
  return parts.some((part) => part !== undefined && hasDefaults(part));
}

/** A null where none is allowed counts as absent when there is a default. */
export function fillDefaults(value: unknown, schema: JsonSchema): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return;
    for (const [i, item] of (value as unknown[]).entries()) {
      if (item === null && items.nullable !== true && items.default !== undefined) value[i] = deepCopy(items.default);
      fillDefaults(value[i], items);
    }
    return;
  }
  if (!isRecord(value)) return;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default === undefined) continue;
    if (value[key] === undefined || (value[key] === null && property.nullable !== true)) {
      value[key] = deepCopy(property.default);
    }
  }
  for (const [key, member] of Object.entries(value)) {
    const property = memberOf(schema, key);
    if (property === undefined) continue;
    if (member === null && property.nullable !== true && property.default !== undefined) {
      value[key] = deepCopy(property.default);
    }
    fillDefaults(value[key], property);
  }
}
