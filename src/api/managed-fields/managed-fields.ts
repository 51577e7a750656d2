/**
 * Who manages which field (KEP-555, KEP-2155): server-side apply, and the bookkeeping of all other writes.
 * Owns: metadata.managedFields. Imports: the table of type facts. Pure: time comes from the caller.
 * Read next: field-set.ts (sets of paths), schema.ts (what is one value), walk.ts (fields, difference, merge).
 */
import { parseStrictJson } from '#src/std/strict-json.ts';
import { ApiError, type StatusCause } from '../api-error.ts';
import { decodeKind } from '../decode.ts';
import type { Kind } from '../kinds.ts';
import { deepEqual } from '../metadata.ts';
import type { KubeObject, ManagedFieldsEntry } from '../object.ts';
import {
  difference,
  emptySet,
  equalSets,
  fromFieldsV1,
  insert,
  intersection,
  isEmptySet,
  pathsOf,
  pathText,
  toFieldsV1,
  union,
  without,
  withNamedParents,
  type FieldSet,
} from './field-set.ts';
import { schemaOfKind, type Schema } from './schema.ts';
import { compare, fieldsOf, merge, removeFields } from './walk.ts';

/** Entries of updates beyond this many are joined into one, oldest first (as Kubernetes does). */
const UPDATE_MANAGERS_MAX = 10;
const ANCIENT_MANAGER = 'ancient-changes';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const BEFORE_FIRST_APPLY = 'before-first-apply';
export const MANAGER_LENGTH_MAX = 128;

export interface Writer {
  manager: string;
  /** '' for the object itself. */
  subresource: string;
  /** RFC 3339, whole seconds. */
  time: string;
}

interface Managed {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string;
  set: FieldSet;
}

type Json = Record<string, unknown>;

/** What the system decides is nobody's field. */
const SYSTEM_FIELDS = setOf(
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata', 'f:name'],
  ['f:metadata', 'f:namespace'],
  ['f:metadata', 'f:creationTimestamp'],
  ['f:metadata', 'f:selfLink'],
  ['f:metadata', 'f:uid'],
  ['f:metadata', 'f:generation'],
  ['f:metadata', 'f:managedFields'],
  ['f:metadata', 'f:resourceVersion'],
  ['f:metadata', 'f:deletionTimestamp'],
  ['f:metadata', 'f:deletionGracePeriodSeconds'],
);
const STATUS = setOf(['f:status']);
const NOT_STATUS = setOf(['f:spec']);

function setOf(...paths: string[][]): FieldSet {
  const set = emptySet();
  for (const path of paths) insert(set, path);
  return set;
}

/** The entries of an object after a write that is not an apply. `live` undefined: a create. */
export function managedAfterUpdate(
  kind: Kind,
  live: KubeObject | undefined,
  object: KubeObject,
  writer: Writer,
): ManagedFieldsEntry[] {
  const schema = schemaOfKind(kind);
  const before = read(live);
  const changes = compare(plain(live), plain(object), schema);
  const changed = strip(union(changes.added, changes.modified), kind, writer);
  const removed = changes.removed;
  const own = {
    manager: writer.manager,
    operation: 'Update',
    apiVersion: kind.apiVersion,
    subresource: writer.subresource,
  };
  const others = before
    .filter((entry) => !isSame(entry, own))
    .map((entry) => ({ ...entry, set: difference(difference(entry.set, changed), removed) }));
  const mine = before.find((entry) => isSame(entry, own));
  const set = difference(union(mine?.set ?? emptySet(), changed), removed);
  const time = mine !== undefined && equalSets(mine.set, set) ? mine.time : writer.time;
  const all = [...others, { ...own, operation: 'Update' as const, time, set }];
  return written(capped(all.filter((entry) => !isEmptySet(entry.set))));
}

/**
 * Server-side apply: the merged object with its entries. The same object (by identity of `live`) when nothing changes.
 * @throws ApiError 409 with a cause for each field that others manage, unless `force`.
 */
export function applyConfiguration(
  kind: Kind,
  live: KubeObject | undefined,
  config: KubeObject,
  writer: Writer & { force: boolean },
): KubeObject {
  const schema = schemaOfKind(kind);
  const own = {
    manager: writer.manager,
    operation: 'Apply',
    apiVersion: kind.apiVersion,
    subresource: writer.subresource,
  };
  const before = read(live);
  if (live !== undefined && before.length === 0) before.push(...beforeFirstApply(kind, live, schema, writer));
  const last = before.find((entry) => isSame(entry, own));
  const applied: Managed = {
    ...own,
    operation: 'Apply',
    time: writer.time,
    set: strip(fieldsOf(plain(config), schema), kind, writer),
  };
  const others = before.filter((entry) => !isSame(entry, own));
  const merged = merge(plain(live), plain(config), schema);
  const pruned = prune({ merged, last: last?.set, managers: [...others, applied], schema }) as Json;
  const changes = compare(plain(live), pruned, schema);
  const changed = union(changes.added, changes.modified);
  const allowed = writer.manager === 'kubectl' ? lastAppliedFields(kind, live, schema) : emptySet();
  const conflicts = others
    .map((entry) => ({ entry, fields: difference(intersection(entry.set, changed), allowed) }))
    .filter(({ fields }) => !isEmptySet(fields));
  if (conflicts.length > 0 && !writer.force) throw conflictOf(conflicts);
  const entries = [
    ...others.map((entry) => ({ ...entry, set: difference(difference(entry.set, changed), changes.removed) })),
    last !== undefined && equalSets(last.set, applied.set) ? { ...applied, time: last.time } : applied,
  ].filter((entry) => !isEmptySet(entry.set));
  const managedFields = written(entries);
  const result = pruned as unknown as KubeObject;
  if (live !== undefined && deepEqual(plain(live), pruned) && deepEqual(live.metadata?.managedFields, managedFields))
    return live;
  result.metadata = { ...result.metadata, managedFields };
  return result;
}

/** Without managedFields, which are no field themselves. */
function plain(object: KubeObject | undefined): Json | undefined {
  if (object === undefined) return undefined;
  const { managedFields: _ignored, ...metadata } = object.metadata ?? {};
  return { ...(object as unknown as Json), metadata };
}

function read(object: KubeObject | undefined): Managed[] {
  const entries: Managed[] = [];
  for (const entry of object?.metadata?.managedFields ?? []) {
    const set = fromFieldsV1(entry.fieldsV1 ?? {});
    if (set === undefined || (entry.operation !== 'Apply' && entry.operation !== 'Update')) continue;
    entries.push({
      manager: entry.manager ?? '',
      operation: entry.operation,
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time ?? '',
      set,
    });
  }
  return entries;
}

/** Applies first, then by time and name, as Kubernetes orders them. */
function written(entries: readonly Managed[]): ManagedFieldsEntry[] {
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return entries
    .toSorted(
      (a, b) =>
        order(a.operation, b.operation) ||
        order(a.time, b.time) ||
        order(a.manager, b.manager) ||
        order(a.apiVersion, b.apiVersion) ||
        order(a.subresource, b.subresource),
    )
    .map(({ manager, operation, apiVersion, subresource, time, set }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === '' ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: toFieldsV1(set),
      ...(subresource === '' ? {} : { subresource }),
    }));
}

function isSame(
  entry: Managed,
  own: { manager: string; operation: string; apiVersion: string; subresource: string },
): boolean {
  // An apply is the same manager's at any version; updates are told apart by it.
  return (
    entry.manager === own.manager &&
    entry.operation === own.operation &&
    entry.subresource === own.subresource &&
    (entry.operation === 'Apply' || entry.apiVersion === own.apiVersion)
  );
}

/** What this writer cannot own: the system's fields, and the half of the object that its endpoint does not write. */
function strip(set: FieldSet, kind: Kind, { subresource }: Writer): FieldSet {
  const own = without(set, SYSTEM_FIELDS);
  if (subresource === 'status') return without(own, NOT_STATUS);
  return subresource === '' && kind.hasStatus ? without(own, STATUS) : own;
}

/** The oldest updates of many managers become one, so that an object cannot grow for ever. */
function capped(entries: Managed[]): Managed[] {
  const updates = entries.filter((entry) => entry.operation === 'Update' && entry.subresource === '');
  if (updates.length <= UPDATE_MANAGERS_MAX) return entries;
  const oldest = updates
    .toSorted((a, b) => (a.time < b.time ? -1 : 1))
    .slice(0, updates.length - UPDATE_MANAGERS_MAX + 1);
  const newest = oldest.at(-1);
  if (newest === undefined) return entries;
  const joined = oldest.reduce((set, entry) => union(set, entry.set), emptySet());
  return [...entries.filter((entry) => !oldest.includes(entry)), { ...newest, manager: ANCIENT_MANAGER, set: joined }];
}

/**
 * What client-side apply has set and nobody changed since: kubectl may take it over, so that a user goes from one
 * kind of apply to the other without conflicts (KEP-2155).
 */
function lastAppliedFields(kind: Kind, live: KubeObject | undefined, schema: Schema): FieldSet {
  const text = live?.metadata?.annotations?.[LAST_APPLIED];
  if (text === undefined) return emptySet();
  let applied: Json;
  try {
    applied = decodeKind(parseStrictJson(text).value, kind, {
      fieldValidation: 'Ignore',
      asGiven: true,
    }).object;
  } catch {
    return emptySet(); // An annotation that anybody may write; it only grants, so nothing is granted.
  }
  const { added, removed, modified } = compare(applied, plain(live), schema);
  return difference(fieldsOf(applied, schema), union(added, union(removed, modified)));
}

/** The fields of an object that was written before anyone kept books. */
function beforeFirstApply(kind: Kind, live: KubeObject, schema: Schema, writer: Writer): Managed[] {
  const set = without(fieldsOf(plain(live), schema), SYSTEM_FIELDS);
  if (isEmptySet(set)) return [];
  return [
    {
      manager: BEFORE_FIRST_APPLY,
      operation: 'Update',
      apiVersion: kind.apiVersion,
      subresource: '',
      time: writer.time,
      set,
    },
  ];
}

/** Remove what this manager applied the last time, not this time, and no other applier wants. */
function prune(at: {
  merged: unknown;
  last: FieldSet | undefined;
  managers: readonly Managed[];
  schema: Schema;
}): unknown {
  const { merged, last, managers, schema } = at;
  if (last === undefined || isEmptySet(last)) return merged;
  const mergedSet = withNamedParents(fieldsOf(merged, schema));
  const wanted = managers
    .filter(({ operation }) => operation === 'Apply')
    .reduce((set, entry) => union(set, entry.set), emptySet());
  const kept = union(withNamedParents(fieldsOf(removeFields(merged, last, schema), schema)), withNamedParents(wanted));
  const pruned = removeFields(merged, difference(mergedSet, kept), schema);
  // Only what was this manager's own goes; an item that others hold something of stays.
  const prunedSet = withNamedParents(fieldsOf(pruned, schema));
  return removeFields(merged, intersection(difference(mergedSet, prunedSet), withNamedParents(last)), schema);
}

function conflictOf(conflicts: { entry: Managed; fields: FieldSet }[]): ApiError {
  const causes: StatusCause[] = conflicts.flatMap(({ entry, fields }) =>
    pathsOf(fields).map((path) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${managerText(entry)}`,
      field: pathText(path),
    })),
  );
  return new ApiError(409, 'Conflict', conflictText(conflicts, causes), { details: { causes } });
}

function managerText({ manager, operation, apiVersion, subresource }: Managed): string {
  const quoted = JSON.stringify(manager);
  if (operation === 'Apply') return quoted;
  const where = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${quoted}${where} using ${apiVersion}`;
}

function conflictText(conflicts: { entry: Managed; fields: FieldSet }[], causes: StatusCause[]): string {
  if (causes.length === 1) {
    const [cause] = causes;
    return `Apply failed with 1 conflict: ${cause?.message ?? ''}: ${cause?.field ?? ''}`;
  }
  const groups = conflicts.map(({ entry, fields }) => {
    const paths = pathsOf(fields).map((path) => `- ${pathText(path)}`);
    return `conflicts with ${managerText(entry)}:\n${paths.join('\n')}`;
  });
  return `Apply failed with ${causes.length} conflicts: ${groups.join('\n')}`;
}
