/**
 * The JSONPaths of printer columns and selectable fields: names, positions, wildcards and equality filters
 * (`.status.conditions[?(@.type=="Ready")].status`).
 */
import { isRecord } from './schema.ts';

type Step =
  | { type: 'member'; name: string }
  | { type: 'index'; at: number }
  | { type: 'all' }
  | { type: 'filter'; path: readonly Step[]; value: string | number | boolean; equal: boolean };

export type JsonPath = readonly Step[];

const PATH_LENGTH_MAX = 1024;
const MEMBER = /\.((?:[^.[\]\\]|\\.)+)/y;
const QUOTED = /\[(?:'([^']*)'|"([^"]*)")\]/y;
const INDEX = /\[(-?\d+)\]/y;
const WILDCARD = /\[\*\]|\.\*/y;
const FILTER =
  /\[\?\(\s*@((?:\.[A-Za-z0-9_\-/]+)+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|(true|false|-?\d+(?:\.\d+)?))\s*\)\]/y;

/** undefined when it cannot be read. */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text.length > PATH_LENGTH_MAX) return undefined;
  const inner = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  const path = inner.startsWith('$') ? inner.slice(1) : inner;
  const steps: Step[] = [];
  for (let at = 0; at < path.length;) {
    const read = readStep(path, at);
    if (read === undefined) return undefined;
    steps.push(read.step);
    at = read.end;
  }
  return steps.length === 0 ? undefined : steps;
}

function readStep(path: string, at: number): { step: Step; end: number } | undefined {
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(path);
  };
  const all = match(WILDCARD);
  if (all !== null) return { step: { type: 'all' }, end: at + all[0].length };
  const member = match(MEMBER);
  if (member !== null) {
    const name = (member[1] as string).replaceAll(/\\(.)/g, '$1');
    return { step: { type: 'member', name }, end: at + member[0].length };
  }
  const quoted = match(QUOTED);
  if (quoted !== null) {
    const name = (quoted[1] ?? quoted[2] ?? '').replaceAll(/\\(.)/g, '$1');
    return { step: { type: 'member', name }, end: at + quoted[0].length };
  }
  const index = match(INDEX);
  if (index !== null) return { step: { type: 'index', at: Number(index[1]) }, end: at + index[0].length };
  const filter = match(FILTER);
  if (filter === null) return undefined;
  const inner = parseJsonPath(filter[1] as string);
  if (inner === undefined) return undefined;
  const plain = filter[5];
  const value = plain === undefined ? (filter[3] ?? filter[4] ?? '') : (JSON.parse(plain) as number | boolean);
  return { step: { type: 'filter', path: inner, value, equal: filter[2] === '==' }, end: at + filter[0].length };
}

/** All that it leads to, in order. */
export function findAtPath(root: unknown, path: JsonPath): unknown[] {
  let found: unknown[] = [root];
  for (const step of path) found = found.flatMap((value) => follow(value, step));
  return found;
}

function follow(value: unknown, step: Step): unknown[] {
  if (step.type === 'member') {
    return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
  }
  if (step.type === 'all') return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
  if (!Array.isArray(value)) return [];
  const items = value as unknown[];
  if (step.type === 'index') {
    const item = items.at(step.at);
    return item === undefined ? [] : [item];
  }
  return items.filter((item) => {
    const given = findAtPath(item, step.path);
    return given.some((one) => one === step.value) === step.equal;
  });
}

/** `.spec.replicas` → its members; undefined for a path with anything else in it. */
export function plainPath(text: string): string[] | undefined {
  const path = parseJsonPath(text);
  if (path === undefined || path.some((step) => step.type !== 'member')) return undefined;
  return path.map((step) => (step as { name: string }).name);
}
