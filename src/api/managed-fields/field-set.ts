/**
 * Sets of field paths, as FieldsV1 writes them: a tree whose edges are path elements.
 *   f:NAME   a field of a struct, or a key of a map      k:{…}   an item of a list, by its keys
 *   v:VALUE  an item of a set                            i:N     an item of a list, by position
 * A node is in the set when `member` is true; in JSON that is `{}` of a leaf, or '.' beside children.
 */
export interface FieldSet {
  member: boolean;
  children: Map<string, FieldSet>;
}

/** A client may send a tree of its own making; deeper ones are refused. */
export const FIELD_DEPTH_MAX = 64;

export function emptySet(): FieldSet {
  return { member: false, children: new Map() };
}

export function isEmptySet(set: FieldSet): boolean {
  return !set.member && [...set.children.values()].every(isEmptySet);
}

export function insert(set: FieldSet, path: readonly string[]): void {
  let at = set;
  for (const element of path) {
    let child = at.children.get(element);
    if (child === undefined) {
      child = emptySet();
      at.children.set(element, child);
    }
    at = child;
  }
  at.member = true;
}

/** In one of both. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const other = children.get(element);
    children.set(element, other === undefined ? child : union(other, child));
  }
  return { member: a.member || b.member, children };
}

/** In both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { member: a.member && b.member, children: new Map() };
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other === undefined) continue;
    const both = intersection(child, other);
    if (!isEmptySet(both)) result.children.set(element, both);
  }
  return result;
}

/** In `a` and not in `b`; what lies below a member of `b` stays unless it is in `b` itself. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { member: a.member && !b.member, children: new Map() };
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    const rest = other === undefined ? child : difference(child, other);
    if (!isEmptySet(rest)) result.children.set(element, rest);
  }
  return result;
}

/** Without everything at and below the members of `cut`. */
export function without(set: FieldSet, cut: FieldSet): FieldSet {
  if (cut.member) return emptySet();
  const result: FieldSet = { member: set.member, children: new Map() };
  for (const [element, child] of set.children) {
    const other = cut.children.get(element);
    const rest = other === undefined ? child : without(child, other);
    if (!isEmptySet(rest)) result.children.set(element, rest);
  }
  return result;
}

/** With every field that has members below it as a member too: a struct is there when something in it is. */
export function withNamedParents(set: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const inner = withNamedParents(child);
    const hasMembers = inner.member || inner.children.size > 0;
    children.set(element, {
      member: inner.member || (element.startsWith('f:') && hasMembers),
      children: inner.children,
    });
  }
  return { member: set.member, children };
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  return isEmptySet(difference(a, b)) && isEmptySet(difference(b, a));
}

/** Members as paths, in the order of their elements. */
export function pathsOf(set: FieldSet): string[][] {
  const paths: string[][] = [];
  const walk = (node: FieldSet, path: string[]): void => {
    if (node.member) paths.push(path);
    for (const element of [...node.children.keys()].sort(byElement)) {
      const child = node.children.get(element);
      if (child !== undefined) walk(child, [...path, element]);
    }
  };
  walk(set, []);
  return paths;
}

type FieldsV1 = Record<string, unknown>;

export function toFieldsV1(set: FieldSet): FieldsV1 {
  const result: FieldsV1 = {};
  if (set.member && set.children.size > 0) result['.'] = {};
  for (const element of [...set.children.keys()].sort(byElement)) {
    const child = set.children.get(element);
    if (child !== undefined && !isEmptySet(child)) result[element] = toFieldsV1(child);
  }
  return result;
}

/** Undefined when it is not a field set. */
export function fromFieldsV1(value: unknown, depth = 0): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > FIELD_DEPTH_MAX) return undefined;
  const set = emptySet();
  const elements = Object.keys(value);
  for (const element of elements) {
    if (element === '.') {
      set.member = true;
      continue;
    }
    if (!/^[fkvi]:/.test(element)) return undefined;
    const child = fromFieldsV1((value as FieldsV1)[element], depth + 1);
    if (child === undefined) return undefined;
    if (child.children.size === 0) child.member = true;
    set.children.set(element, child);
  }
  return set;
}

/** Fields first, then keyed items, values and positions; each in code-unit order. */
function byElement(a: string, b: string): number {
  const rank = 'fkvi';
  return rank.indexOf(a[0] ?? '') - rank.indexOf(b[0] ?? '') || (a < b ? -1 : a > b ? 1 : 0);
}

/** As people read it: `.spec.containers[name="web"].image`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const text = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${text}`;
    case 'v':
      return `[=${text}]`;
    case 'k': {
      const keys = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    }
    default:
      return `[${text}]`;
  }
}
