/** RFC 6902 with JSON pointers (RFC 6901), refused in the words of the library that Kubernetes uses. */
import { JSON_DEPTH_MAX } from '#src/std/strict-json.ts';
import { ApiError } from '../api-error.ts';
import { deepCopy, deepEqual } from '../metadata.ts';

/** As in Kubernetes: a longer patch is refused before it is looked at. */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;

/** Characters that the copy operations of one patch may add: copying the root into itself doubles it each time. */
export const JSON_PATCH_COPY_MAX = 3 * 1024 * 1024;

interface Document {
  root: unknown;
  copied: number;
}

type Container = Record<string, unknown> | unknown[];

/**
 * A new value; inputs stay unchanged. ApiError 400 when the patch itself is malformed, 413 when it is too long,
 * 422 Invalid when it does not fit the target (a missing path, a failed test).
 */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw malformed('a JSON patch must be a list of operations');
  if (patch.length > JSON_PATCH_OPERATIONS_MAX) {
    const text = `The allowed maximum operations in a JSON patch is ${JSON_PATCH_OPERATIONS_MAX}, got ${patch.length}`;
    throw new ApiError(413, 'RequestEntityTooLarge', text);
  }
  const document: Document = { root: deepCopy(target), copied: 0 };
  try {
    for (const operation of patch) applyOperation(document, operation);
    checkDepth(document.root, 0);
  } catch (error) {
    // Copying an object into itself nests it deeper each time, until the stack ends.
    if (error instanceof RangeError) throw tooDeep();
    throw error;
  }
  return document.root;
}

function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > JSON_DEPTH_MAX) throw tooDeep();
  for (const member of Object.values(value)) checkDepth(member, depth + 1);
}

function tooDeep(): ApiError {
  return malformed(`the result is nested deeper than ${JSON_DEPTH_MAX} levels`);
}

function applyOperation(document: Document, operation: unknown): void {
  if (typeof operation !== 'object' || operation === null) throw malformed('an operation must be an object');
  const { op, path, from, value } = operation as Record<string, unknown>;
  const hasValue = Object.hasOwn(operation, 'value');
  if (typeof path !== 'string') throw malformed('an operation needs a path');
  switch (op) {
    case 'add':
    case 'replace':
    case 'test': {
      if (!hasValue && op !== 'test') throw malformed(`${op} operation needs a value`);
      if (op === 'test') return test(document, path, value ?? null);
      return op === 'add' ? add(document, path, deepCopy(value)) : replace(document, path, deepCopy(value));
    }
    case 'remove':
      remove(document, path, 'remove');
      return;
    case 'move':
    case 'copy': {
      if (typeof from !== 'string') throw malformed(`${op} operation needs a from path`);
      if (op === 'move' && path.startsWith(`${from}/`)) throw refused(`cannot move ${from} into its own part ${path}`);
      const moved = op === 'move' ? remove(document, from, 'move') : copyOf(document, from);
      return add(document, path, moved);
    }
    default:
      throw malformed(`Unexpected kind: ${typeof op === 'string' ? op : JSON.stringify(op)}`);
  }
}

function copyOf(document: Document, from: string): unknown {
  const value = get(document, from, 'copy');
  document.copied += JSON.stringify(value)?.length ?? 0;
  if (document.copied > JSON_PATCH_COPY_MAX) {
    const text = `Unable to complete the copy, the accumulated size increase of copy is ${document.copied}, exceeding the limit ${JSON_PATCH_COPY_MAX}.`;
    throw new ApiError(413, 'RequestEntityTooLarge', text);
  }
  return deepCopy(value);
}

function tokens(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw refused(`path ${JSON.stringify(path)} must start with '/'`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The container that the last token of a path names a member of. */
function parentOf(document: Document, path: string, op: string): { parent: Container; last: string } {
  const steps = tokens(path);
  const last = steps.pop() ?? '';
  let at: unknown = document.root;
  for (const step of steps) at = member(at, step);
  if (typeof at !== 'object' || at === null)
    throw doc(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}`);
  return { parent: at as Container, last };
}

function member(container: unknown, key: string): unknown {
  if (Array.isArray(container)) return /^(0|[1-9]\d*)$/.test(key) ? (container[Number(key)] as unknown) : undefined;
  if (typeof container !== 'object' || container === null || !Object.hasOwn(container, key)) return undefined;
  return (container as Record<string, unknown>)[key];
}

function get(document: Document, path: string, op: string): unknown {
  if (path === '') return document.root;
  const { parent, last } = parentOf(document, path, op);
  const value = member(parent, last);
  if (value === undefined) throw missing(op, path);
  return value;
}

function add(document: Document, path: string, value: unknown): void {
  if (path === '') {
    document.root = value;
    return;
  }
  const { parent, last } = parentOf(document, path, 'add');
  if (!Array.isArray(parent)) {
    setMember(parent, last, value);
    return;
  }
  const index = last === '-' ? parent.length : listIndex(last, parent.length, 'add', path);
  parent.splice(index, 0, value);
}

function replace(document: Document, path: string, value: unknown): void {
  if (path === '') {
    document.root = value;
    return;
  }
  const { parent, last } = parentOf(document, path, 'replace');
  if (member(parent, last) === undefined) throw doc(`replace operation does not apply: doc is missing key: ${path}`);
  if (Array.isArray(parent)) parent[Number(last)] = value;
  else setMember(parent, last, value);
}

function remove(document: Document, path: string, op: string): unknown {
  if (path === '') throw refused(`${op} operation does not apply: the whole document cannot be removed`);
  const { parent, last } = parentOf(document, path, op);
  const value = member(parent, last);
  if (value === undefined) throw missing(op, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return value;
}

function test(document: Document, path: string, expected: unknown): void {
  let value: unknown = document.root;
  for (const step of tokens(path)) value = member(value, step);
  if (!deepEqual(value ?? null, expected)) throw doc(`testing value ${path} failed: test failed`);
}

function listIndex(token: string, length: number, op: string, path: string): number {
  const index = /^(0|[1-9]\d*)$/.test(token) ? Number(token) : -1;
  if (index < 0 || index > length) {
    throw doc(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: invalid index referenced`);
  }
  return index;
}

function setMember(parent: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function missing(op: string, path: string): ApiError {
  return doc(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`);
}

/** Does not fit the object: 422, in Kubernetes without causes. */
function doc(text: string): ApiError {
  return new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${text}`);
}

function refused(text: string): ApiError {
  return doc(text);
}

function malformed(text: string): ApiError {
  return new ApiError(400, 'BadRequest', `error decoding patch: ${text}`);
}
