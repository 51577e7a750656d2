/** Expr → closures. Every node charges what it costs; failures carry the place of the node that failed first. */
import type { Expr } from './ast.ts';
import { comprehension } from './comprehensions.ts';
import { CelFailure, noSuchOverload } from './failure.ts';
import { TYPE_NAMES, withLocal, type Eval, type Scope } from './frame.ts';
import { callFunction } from './library.ts';
import { qualifiedName } from './parser.ts';
import {
  CelMap,
  EntryMap,
  equals,
  keyOf,
  kindOf,
  NONE,
  Optional,
  shortText,
  sizeOf,
  TypeValue,
  type CelValue,
} from './values.ts';

export function build(expr: Expr, scope: Scope): Eval {
  const run = buildNode(expr, scope);
  if (expr.op === 'const') return run;
  return (frame) => {
    try {
      return run(frame);
    } catch (error) {
      if (error instanceof CelFailure) error.at ??= expr.at;
      throw error;
    }
  };
}

function buildNode(expr: Expr, scope: Scope): Eval {
  switch (expr.op) {
    case 'const':
      return () => expr.value;
    case 'ident':
      return ident(expr.name, scope);
    case 'select':
      return select(expr, scope);
    case 'has': {
      const operand = build(expr.operand, scope);
      return (frame) => {
        const value = operand(frame);
        frame.charge(1);
        return hasField(value, expr.field);
      };
    }
    case 'index':
      return index(expr, scope);
    case 'call':
      return call(expr, scope);
    case 'and':
    case 'or':
      return logical(
        expr.op === 'or',
        expr.terms.map((term) => build(term, scope)),
      );
    case 'conditional': {
      const [test, then, otherwise] = [expr.test, expr.then, expr.otherwise].map((part) => build(part, scope));
      return (frame) => {
        const value = (test as Eval)(frame);
        if (typeof value !== 'boolean') throw noSuchOverload('_?_:_');
        return (value ? (then as Eval) : (otherwise as Eval))(frame);
      };
    }
    case 'list':
      return list(expr, scope);
    case 'map':
      return map(expr, scope);
    case 'struct':
      return struct(expr, scope);
    case 'comprehension':
      return comprehension(expr, scope, build);
    case 'bind': {
      const value = build(expr.value, scope);
      const inner = withLocal(scope, expr.name);
      const body = build(expr.body, inner.scope);
      const slot = inner.slots[0] as number;
      return (frame) => {
        frame.slots[slot] = value(frame);
        return body(frame);
      };
    }
    case 'optMap': {
      const operand = build(expr.operand, scope);
      const inner = withLocal(scope, expr.name);
      const body = build(expr.body, inner.scope);
      const slot = inner.slots[0] as number;
      return (frame) => {
        const value = operand(frame);
        if (!(value instanceof Optional)) throw noSuchOverload(expr.flat ? 'optFlatMap' : 'optMap');
        if (value.value === undefined) return NONE;
        frame.slots[slot] = value.value;
        const made = body(frame);
        if (!expr.flat) return new Optional(made);
        if (!(made instanceof Optional)) throw noSuchOverload('optFlatMap');
        return made;
      };
    }
  }
}

function ident(name: string, scope: Scope): Eval {
  const slot = scope.locals.get(name);
  if (slot !== undefined) {
    return (frame) => {
      frame.charge(1);
      return frame.slots[slot] as CelValue;
    };
  }
  if (!scope.isVariable(name) && TYPE_NAMES.has(name)) return () => new TypeValue(name);
  return (frame) => {
    frame.charge(1);
    return frame.binding(name);
  };
}

function isName(name: string, scope: Scope): boolean {
  return scope.locals.has(name) || scope.isVariable(name);
}

function select(expr: Expr & { op: 'select' }, scope: Scope): Eval {
  const path = qualifiedName(expr);
  if (path !== undefined && TYPE_NAMES.has(path) && !isName('google', scope)) return () => new TypeValue(path);
  const operand = build(expr.operand, scope);
  const { field, optional } = expr;
  return (frame) => {
    const value = operand(frame);
    frame.charge(1);
    return optional || value instanceof Optional ? optionalField(value, field) : fieldOf(value, field);
  };
}

function fieldOf(value: CelValue, field: string): CelValue {
  if (!(value instanceof CelMap)) throw new CelFailure(`no such overload: ${kindOf(value)} has no field '${field}'`);
  const found = value.get(field);
  if (found === undefined) throw new CelFailure(`no such key: ${field}`);
  return found;
}

/** Absent fields are none, and so is all that is looked for inside none. */
function optionalField(given: CelValue, key: CelValue): Optional {
  const value = given instanceof Optional ? given.value : given;
  if (value === undefined) return NONE;
  if (value instanceof CelMap) {
    const found = value.get(key);
    return found === undefined ? NONE : new Optional(found);
  }
  if (!Array.isArray(value)) throw new CelFailure(`no such overload: ${kindOf(value)} has no parts to select`);
  const at = indexIn(value, key);
  return at < 0 || at >= value.length ? NONE : new Optional(value[at] as CelValue);
}

function hasField(given: CelValue, field: string): boolean {
  const value = given instanceof Optional ? given.value : given;
  if (value === undefined) return false;
  if (!(value instanceof CelMap)) throw new CelFailure(`no such overload: ${kindOf(value)} has no field '${field}'`);
  return value.has(field);
}

function indexIn(items: readonly CelValue[], key: CelValue): number {
  const name = typeof key === 'boolean' || typeof key === 'string' ? undefined : keyOf(key);
  if (name?.startsWith('n') !== true) throw new CelFailure(`unsupported index type '${kindOf(key)}' in list`);
  const at = BigInt(name.slice(1));
  return at < 0n || at >= BigInt(items.length) ? -1 : Number(at);
}

function index(expr: Expr & { op: 'index' }, scope: Scope): Eval {
  const operand = build(expr.operand, scope);
  const key = build(expr.index, scope);
  return (frame) => {
    const value = operand(frame);
    const wanted = key(frame);
    frame.charge(1);
    if (expr.optional || value instanceof Optional) return optionalField(value, wanted);
    if (Array.isArray(value)) {
      const at = indexIn(value, wanted);
      if (at < 0) throw new CelFailure(`index out of bounds: ${shortText(wanted)}`);
      return value[at] as CelValue;
    }
    if (!(value instanceof CelMap)) throw noSuchOverload('_[_]');
    const found = value.get(wanted);
    if (found === undefined) throw new CelFailure(`no such key: ${shortText(wanted)}`);
    return found;
  };
}

function call(expr: Expr & { op: 'call' }, scope: Scope): Eval {
  const { name, target } = expr;
  const args = expr.args.map((arg) => build(arg, scope));
  if (name === '_==_' || name === '_!=_') return equality(name === '_==_', args as [Eval, Eval]);
  if (name === '_in_') return membership(args as [Eval, Eval]);
  // `math.greatest(…)`: a namespace, unless a variable has that name.
  const space = target === undefined ? undefined : qualifiedName(target);
  const root = space?.split('.')[0];
  const qualified = space !== undefined && !isName(root as string, scope) ? `${space}.${name}` : undefined;
  const isQualified = qualified !== undefined && scope.library.has(qualified);
  if (!isQualified && target !== undefined) args.unshift(build(target, scope));
  const full = isQualified ? qualified : name;
  const overloads = scope.library.get(full) ?? [];
  const member = target !== undefined && !isQualified;
  return (frame) => {
    const values = args.map((arg) => arg(frame));
    frame.charge(1);
    return callFunction(full, overloads, member, values, frame);
  };
}

function equality(wanted: boolean, [left, right]: [Eval, Eval]): Eval {
  return (frame) => {
    const [a, b] = [left(frame), right(frame)];
    frame.charge(1 + Math.ceil(0.1 * Math.min(deepSize(a), deepSize(b))));
    return equals(a, b) === wanted;
  };
}

/** Levels of nested collections that are counted for the price of a comparison. */
const DEEP_LEVELS = 4;

function deepSize(value: CelValue, levels = DEEP_LEVELS): number {
  if (levels === 0) return 1;
  if (Array.isArray(value)) {
    return value.reduce((sum: number, item: CelValue) => sum + deepSize(item, levels - 1), 1);
  }
  if (value instanceof CelMap) {
    return value.keys().reduce((sum: number, key) => sum + 1 + deepSize(value.get(key) as CelValue, levels - 1), 1);
  }
  return sizeOf(value);
}

function membership([left, right]: [Eval, Eval]): Eval {
  return (frame) => {
    const wanted = left(frame);
    const given = right(frame);
    if (given instanceof CelMap) {
      frame.charge(1);
      return given.has(wanted);
    }
    if (!Array.isArray(given)) throw noSuchOverload('_in_');
    frame.charge(1 + given.length);
    return given.some((item: CelValue) => equals(item, wanted));
  };
}

/** A term that decides wins over one that fails, whichever comes first. */
function logical(deciding: boolean, terms: readonly Eval[]): Eval {
  return (frame) => {
    let failure: unknown;
    for (const term of terms) {
      try {
        const value = term(frame);
        if (value === deciding) return deciding;
        if (typeof value !== 'boolean') failure ??= noSuchOverload(deciding ? '_||_' : '_&&_');
      } catch (error) {
        if (!(error instanceof CelFailure) || error.kind === 'budget') throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !deciding;
  };
}

const LIST_COST = 10;
const MAP_COST = 30;
const STRUCT_COST = 40;

/** What stands after `?`: absent when it is none. */
function optionalPart(value: CelValue): CelValue | undefined {
  if (!(value instanceof Optional)) throw new CelFailure(`cannot initialize optional entry from non-optional value`);
  return value.value;
}

function list(expr: Expr & { op: 'list' }, scope: Scope): Eval {
  const items = expr.items.map(({ value, optional }) => ({ make: build(value, scope), optional }));
  return (frame) => {
    frame.charge(LIST_COST);
    const made: CelValue[] = [];
    for (const { make, optional } of items) {
      const value = optional ? optionalPart(make(frame)) : make(frame);
      if (value !== undefined) made.push(value);
    }
    return made;
  };
}

function map(expr: Expr & { op: 'map' }, scope: Scope): Eval {
  const entries = expr.entries.map(({ key, value, optional }) => ({
    key: build(key, scope),
    make: build(value, scope),
    optional,
  }));
  return (frame) => {
    frame.charge(MAP_COST);
    const made: [CelValue, CelValue][] = [];
    for (const { key, make, optional } of entries) {
      const name = key(frame);
      const value = optional ? optionalPart(make(frame)) : make(frame);
      if (value !== undefined) made.push([name, value]);
    }
    return new EntryMap(made);
  };
}

function struct(expr: Expr & { op: 'struct' }, scope: Scope): Eval {
  const { typeName } = expr;
  const fields = expr.fields.map(({ name, value, optional }) => ({ name, make: build(value, scope), optional }));
  return (frame) => {
    frame.charge(STRUCT_COST);
    if (!scope.isStruct(typeName)) throw new CelFailure(`unknown type: ${typeName}`);
    const made: [CelValue, CelValue][] = [];
    for (const { name, make, optional } of fields) {
      const value = optional ? optionalPart(make(frame)) : make(frame);
      if (value !== undefined) made.push([name, value]);
    }
    return new EntryMap(made, typeName);
  };
}
