/**
 * Strategic merge patch: a merge patch that knows by which key the items of a list are told apart, from the table.
 * Directives: `$patch: merge|replace|delete`, `$retainKeys`, `$deleteFromPrimitiveList/F`, `$setElementOrder/F`.
 * Source: Kubernetes' strategic-merge-patch.md, behaviour of apimachinery/pkg/util/strategicpatch 1.36.
 */
import { ApiError } from '../api-error.ts';
import { findType, type FieldFacts, type TypeFacts } from '../facts/facts.ts';
import { deepCopy } from '../metadata.ts';

type Json = Record<string, unknown>;

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_FROM = '$deleteFromPrimitiveList/';
const SET_ORDER = '$setElementOrder/';

/**
 * A new value; inputs stay unchanged. ApiError 400 for directives that make no sense. Values of a wrong type pass
 * through: decoding the result refuses them with their path.
 */
export function applyStrategicMerge(target: unknown, patch: unknown, typeName: string): unknown {
  if (!isRecord(patch)) throw malformed('the patch must be an object');
  return mergeRecord(isRecord(target) ? target : emptyRecord(), patch, findType(typeName));
}

function mergeRecord(target: Json, patch: Json, type: TypeFacts | undefined): Json {
  if (patch[PATCH] === 'replace') return cleanRecord(patch);
  if (patch[PATCH] === 'delete') return emptyRecord();
  checkDirective(patch);
  const retained = retainedKeys(patch);
  const result = emptyRecord();
  for (const key of Object.keys(target)) {
    if (patch[key] === null || (retained !== undefined && !retained.has(key))) continue;
    result[key] = deepCopy(target[key]);
  }
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(DELETE_FROM)) continue;
    const field = key.slice(DELETE_FROM.length);
    if (Array.isArray(result[field])) result[field] = withoutValues(result[field], patch[key], key);
  }
  for (const key of Object.keys(patch)) {
    const change = patch[key];
    if (change === null || change === undefined || isDirective(key)) continue;
    result[key] = mergeField({ current: result[key], change, patch, key, field: type?.byName.get(key) });
  }
  orderOnly(result, target, patch, type);
  return result;
}

interface FieldMerge {
  current: unknown;
  change: unknown;
  /** The record that the change stands in; holds the order directive. */
  patch: Json;
  key: string;
  field: FieldFacts | undefined;
}

function mergeField({ current, change, patch, key, field }: FieldMerge): unknown {
  if (isRecord(change)) {
    if (!isRecord(current) || field?.patchStrategy === 'replace') return clean(change);
    return mergeRecord(current, change, field?.shape === 'single' ? findType(field.type) : undefined);
  }
  if (Array.isArray(change) && field !== undefined && mergesItems(field)) {
    const server = Array.isArray(current) ? (current as unknown[]) : [];
    const merged = mergeList(server, change, field);
    return ordered(merged, server, { order: patch[SET_ORDER + key], change, field });
  }
  return clean(change);
}

function mergesItems(field: FieldFacts): boolean {
  return field.patchStrategy?.split(',').includes('merge') === true;
}

function mergeList(current: unknown[], change: unknown[], field: FieldFacts): unknown[] {
  const mergeKey = field.mergeKey;
  if (mergeKey === undefined || !change.every(isRecord) || !current.every(isRecord)) return union(current, change);
  let result: Json[] = current;
  let items: Json[] = change;
  const replacement = items.findIndex((item) => item[PATCH] === 'replace');
  if (replacement >= 0) {
    // The marker empties the list; the other items of the patch are the new one.
    return items.filter((item) => item[PATCH] === undefined).map(cleanRecord);
  }
  const deletions = items.filter((item) => item[PATCH] === 'delete');
  items = items.filter((item) => item[PATCH] !== 'delete');
  const deleted = new Set(deletions.map((deletion) => identityOf(keyOf(deletion, mergeKey))));
  if (deleted.size > 0) result = result.filter((item) => !deleted.has(identityOf(item[mergeKey])));
  const type = findType(field.type);
  const merged = [...result];
  const places = new Map(merged.map((item, index) => [identityOf(item[mergeKey]), index]));
  for (const item of items) {
    checkDirective(item);
    const identity = identityOf(keyOf(item, mergeKey));
    const index = places.get(identity);
    const known = index === undefined ? undefined : merged[index];
    if (index === undefined || known === undefined) {
      places.set(identity, merged.length);
      merged.push(cleanRecord(item));
    } else merged[index] = mergeRecord(known, item, type);
  }
  return merged;
}

/** Equal for equal keys; a Map by it keeps long lists from costing their square. */
function identityOf(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

function keyOf(item: Json, mergeKey: string): unknown {
  const value = item[mergeKey];
  if (value === undefined || value === null) {
    throw malformed(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
  }
  return value;
}

/** Lists of plain values merge as sets, in order of first appearance. */
function union(current: unknown[], change: unknown[]): unknown[] {
  return [...new Map([...current, ...change.map(clean)].map((item) => [identityOf(item), item])).values()];
}

function withoutValues(list: unknown[], values: unknown, directive: string): unknown[] {
  if (!Array.isArray(values)) throw malformed(`${directive} must be a list`);
  const removed = new Set(values.map(identityOf));
  return list.filter((item) => !removed.has(identityOf(item)));
}

/** `$setElementOrder/F` without F in the patch: only the order changes. */
function orderOnly(result: Json, target: Json, patch: Json, type: TypeFacts | undefined): void {
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(SET_ORDER)) continue;
    const key = directive.slice(SET_ORDER.length);
    const field = type?.byName.get(key);
    const list = result[key];
    if (key in patch || field === undefined || !mergesItems(field) || !Array.isArray(list)) continue;
    const server = Array.isArray(target[key]) ? (target[key] as unknown[]) : [];
    result[key] = ordered(list, server, { order: patch[directive], change: [], field });
  }
}

/**
 * Items that the directive names stand in its order; items that only the server has keep their place before the
 * first named item they preceded there.
 */
function ordered(
  merged: unknown[],
  server: unknown[],
  { order, change, field }: { order: unknown; change: unknown[]; field: FieldFacts },
): unknown[] {
  if (order === undefined) return merged;
  if (!Array.isArray(order)) throw malformed(`${SET_ORDER}${field.name} must be a list`);
  const identity = (item: unknown): string => {
    const value = field.mergeKey !== undefined && isRecord(item) ? item[field.mergeKey] : item;
    return identityOf(value);
  };
  const wanted = order.map(identity);
  checkOrder(change, wanted, identity, field.name);
  const rank = new Map(wanted.map((id, index) => [id, index]));
  const serverRank = new Map(server.map((item, index) => [identity(item), index]));
  const named = merged.filter((item) => rank.has(identity(item)));
  named.sort((a, b) => (rank.get(identity(a)) ?? 0) - (rank.get(identity(b)) ?? 0));
  const serverOnly = merged.filter((item) => !rank.has(identity(item)));
  const result: unknown[] = [];
  let next = 0;
  for (const item of named) {
    const place = serverRank.get(identity(item));
    while (place !== undefined && next < serverOnly.length) {
      if ((serverRank.get(identity(serverOnly[next])) ?? Infinity) >= place) break;
      result.push(serverOnly[next++]);
    }
    result.push(item);
  }
  return [...result, ...serverOnly.slice(next)];
}

/** What the patch sets must be named by the order, and in that order. */
function checkOrder(change: unknown[], wanted: string[], identity: (item: unknown) => string, name: string): void {
  let at = 0;
  for (const item of change) {
    if (isRecord(item) && item[PATCH] !== undefined) continue;
    const index = wanted.indexOf(identity(item), at);
    if (index < 0) throw malformed(`the order in the patch list ${name} does not match its ${SET_ORDER}${name} list`);
    at = index + 1;
  }
}

function retainedKeys(patch: Json): ReadonlySet<string> | undefined {
  const list = patch[RETAIN_KEYS];
  if (list === undefined) return undefined;
  if (!Array.isArray(list)) throw malformed(`${RETAIN_KEYS} must be a list`);
  const retained = new Set(list.filter((key) => typeof key === 'string'));
  for (const key of Object.keys(patch)) {
    if (!isDirective(key) && patch[key] !== null && !retained.has(key)) {
      throw malformed(`${RETAIN_KEYS} does not name ${key}, which the patch sets`);
    }
  }
  return retained;
}

function checkDirective(patch: Json): void {
  const directive = patch[PATCH];
  if (directive !== undefined && directive !== 'merge') {
    throw malformed(`unknown patch type: ${JSON.stringify(directive)} in map: ${JSON.stringify(patch)}`);
  }
}

function isDirective(key: string): boolean {
  return key === PATCH || key === RETAIN_KEYS || key.startsWith(DELETE_FROM) || key.startsWith(SET_ORDER);
}

/** New values lose their directives and nulls: there was nothing to direct or remove. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !isRecord(item) || !isMarker(item)).map(clean);
  }
  return isRecord(value) ? cleanRecord(value) : value;
}

function isMarker(item: Json): boolean {
  return item[PATCH] === 'delete' || (item[PATCH] === 'replace' && Object.keys(item).length === 1);
}

function cleanRecord(value: Json): Json {
  const result = emptyRecord();
  for (const key of Object.keys(value)) {
    if (!isDirective(key) && value[key] !== null && value[key] !== undefined) result[key] = clean(value[key]);
  }
  return result;
}

function emptyRecord(): Json {
  return { __proto__: null } as unknown as Json;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(text: string): ApiError {
  return new ApiError(400, 'BadRequest', `invalid strategic merge patch: ${text}`);
}
