/** What can be known before it runs: names that do not exist, functions no types fit, the type of the result. */
import type { Expr } from './ast.ts';
import { TYPE_NAMES } from './frame.ts';
import type { Library, Overload } from './library.ts';
import { qualifiedName } from './parser.ts';
import { outerKind, typeText, type CelType } from './types.ts';
import { kindOf, type CelValue } from './values.ts';

export const ERRORS_MAX = 20;

export interface Problem {
  readonly message: string;
  readonly at: number;
}

interface Declared {
  readonly library: Library;
  readonly variables: Readonly<Record<string, CelType>>;
  readonly isStruct: (typeName: string) => boolean;
}

export function checkExpression(
  expr: Expr,
  declared: Declared,
): { type: CelType; problems: readonly Problem[]; uses: ReadonlySet<string> } {
  const checker = new Checker(declared);
  const type = checker.typeOf(expr, new Map());
  return { type, problems: checker.problems, uses: checker.uses };
}

type Locals = ReadonlyMap<string, CelType>;

class Checker {
  readonly problems: Problem[] = [];
  readonly uses = new Set<string>();
  readonly #declared: Declared;

  constructor(declared: Declared) {
    this.#declared = declared;
  }

  #report(at: number, message: string): CelType {
    if (this.problems.length < ERRORS_MAX) this.problems.push({ at, message });
    return 'dyn';
  }

  typeOf(expr: Expr, locals: Locals): CelType {
    switch (expr.op) {
      case 'const':
        return constType(expr.value);
      case 'ident':
        return this.#ident(expr.name, expr.at, locals);
      case 'select':
        return this.#select(expr, locals);
      case 'has':
        this.#field(this.typeOf(expr.operand, locals), expr);
        return 'bool';
      case 'index':
        return this.#index(expr, locals);
      case 'call':
        return this.#call(expr, locals);
      case 'and':
      case 'or':
        for (const term of expr.terms) this.#wantBool(term, locals, expr.op === 'and' ? '_&&_' : '_||_');
        return 'bool';
      case 'conditional':
        return this.#conditional(expr, locals);
      case 'list':
        return { list: common(expr.items.map((item) => held(this.typeOf(item.value, locals), item.optional))) };
      case 'map': {
        const keys = expr.entries.map((entry) => this.typeOf(entry.key, locals));
        const values = expr.entries.map((entry) => held(this.typeOf(entry.value, locals), entry.optional));
        return { map: [common(keys), common(values)] };
      }
      case 'struct':
        for (const field of expr.fields) this.typeOf(field.value, locals);
        if (this.#declared.isStruct(expr.typeName)) return 'dyn';
        return this.#report(expr.at, `undeclared reference to '${expr.typeName}' (in container '')`);
      case 'comprehension':
        return this.#comprehension(expr, locals);
      case 'bind':
        return this.typeOf(expr.body, new Map([...locals, [expr.name, this.typeOf(expr.value, locals)]]));
      case 'optMap': {
        const operand = this.typeOf(expr.operand, locals);
        const inner = typeof operand === 'object' && 'optional' in operand ? operand.optional : 'dyn';
        const body = this.typeOf(expr.body, new Map([...locals, [expr.name, inner]]));
        return expr.flat ? body : { optional: body };
      }
    }
  }

  #ident(name: string, at: number, locals: Locals): CelType {
    const local = locals.get(name);
    if (local !== undefined) return local;
    const { variables } = this.#declared;
    if (Object.hasOwn(variables, name)) {
      this.uses.add(name);
      return variables[name] as CelType;
    }
    if (TYPE_NAMES.has(name)) return 'type';
    return this.#report(at, `undeclared reference to '${name}' (in container '')`);
  }

  #isName(name: string, locals: Locals): boolean {
    return locals.has(name) || Object.hasOwn(this.#declared.variables, name);
  }

  #select(expr: Expr & { op: 'select' }, locals: Locals): CelType {
    const path = qualifiedName(expr);
    if (path !== undefined && TYPE_NAMES.has(path) && !this.#isName('google', locals)) return 'type';
    const type = this.#field(this.typeOf(expr.operand, locals), expr);
    return expr.optional && !isOptional(type) ? { optional: type } : type;
  }

  #field(operand: CelType, expr: { field: string; at: number }): CelType {
    if (operand === 'dyn') return 'dyn';
    if (typeof operand === 'object') {
      if ('fields' in operand) {
        const field = operand.fields.get(expr.field);
        return field?.type ?? this.#report(expr.at, `undefined field '${expr.field}'`);
      }
      if ('map' in operand) return operand.map[1];
      if ('optional' in operand) {
        const inner = this.#field(operand.optional, expr);
        return isOptional(inner) ? inner : { optional: inner };
      }
      if ('named' in operand) return 'dyn';
    }
    return this.#report(expr.at, `type '${typeText(operand)}' does not support field selection`);
  }

  #index(expr: Expr & { op: 'index' }, locals: Locals): CelType {
    const given = this.typeOf(expr.operand, locals);
    this.typeOf(expr.index, locals);
    const operand = isOptional(given) ? given.optional : given;
    const kind = outerKind(operand);
    if (kind !== 'dyn' && kind !== 'list' && kind !== 'map') return this.#noOverload(expr.at, '_[_]', [given]);
    const item =
      typeof operand !== 'object'
        ? 'dyn'
        : 'list' in operand
          ? operand.list
          : 'map' in operand
            ? operand.map[1]
            : 'dyn';
    return expr.optional || isOptional(given) ? { optional: item } : item;
  }

  #conditional(expr: Expr & { op: 'conditional' }, locals: Locals): CelType {
    this.#wantBool(expr.test, locals, '_?_:_');
    const [then, otherwise] = [this.typeOf(expr.then, locals), this.typeOf(expr.otherwise, locals)];
    return common([then, otherwise]);
  }

  #wantBool(expr: Expr, locals: Locals, name: string): void {
    const type = this.typeOf(expr, locals);
    const kind = outerKind(type);
    if (kind !== 'bool' && kind !== 'dyn') this.#noOverload(expr.at, name, [type]);
  }

  #noOverload(at: number, name: string, types: readonly CelType[]): CelType {
    const shown = types.map(typeText).join(', ');
    return this.#report(at, `found no matching overload for '${name}' applied to '(${shown})'`);
  }

  #comprehension(expr: Expr & { op: 'comprehension' }, locals: Locals): CelType {
    const range = this.typeOf(expr.range, locals);
    const kind = outerKind(range);
    if (kind !== 'dyn' && kind !== 'list' && kind !== 'map') {
      const text = `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`;
      return this.#report(expr.range.at, text);
    }
    const [key, value] = partsOf(range);
    const inner = new Map(locals);
    const [first, second] = expr.names;
    if (second === undefined) inner.set(first, kind === 'map' ? key : value);
    else inner.set(first, kind === 'list' ? 'int' : key).set(second, value);
    if (expr.filter !== undefined) this.#wantBool(expr.filter, inner, '_?_:_');
    if (['all', 'exists', 'existsOne', 'filter'].includes(expr.kind)) {
      this.#wantBool(expr.step, inner, expr.kind === 'all' ? '_&&_' : expr.kind === 'exists' ? '_||_' : '_?_:_');
      if (expr.kind !== 'filter') return 'bool';
      return kind === 'map' ? { list: key } : { list: value };
    }
    const step = this.typeOf(expr.step, inner);
    if (expr.kind === 'transformMap') return { map: [kind === 'list' ? 'int' : key, step] };
    return expr.kind === 'transformMapEntry' ? step : { list: step };
  }

  #call(expr: Expr & { op: 'call' }, locals: Locals): CelType {
    const args = expr.args.map((arg) => this.typeOf(arg, locals));
    if (expr.name === '_==_' || expr.name === '_!=_' || expr.name === '_in_') return this.#relation(expr, args);
    const { library } = this.#declared;
    const space = expr.target === undefined ? undefined : qualifiedName(expr.target);
    if (space !== undefined && !this.#isName(space.split('.')[0] as string, locals)) {
      const overloads = library.get(`${space}.${expr.name}`);
      if (overloads !== undefined) return this.#resolve(expr.at, `${space}.${expr.name}`, overloads, args);
    }
    const all = library.get(expr.name);
    const member = expr.target !== undefined;
    const operands = expr.target === undefined ? args : [this.typeOf(expr.target, locals), ...args];
    if (all === undefined) return this.#report(expr.at, `undeclared reference to '${expr.name}' (in container '')`);
    return this.#resolve(
      expr.at,
      expr.name,
      all.filter((overload) => overload.member === member),
      operands,
    );
  }

  /** Values of different known types are never equal: a mistake worth telling. */
  #relation(expr: Expr & { op: 'call' }, [a = 'dyn', b = 'dyn']: readonly CelType[]): CelType {
    if (expr.name === '_in_') {
      const kind = outerKind(b);
      if (kind !== 'dyn' && kind !== 'list' && kind !== 'map') this.#noOverload(expr.at, '@in', [a, b]);
    } else if (!comparable(a, b)) this.#noOverload(expr.at, expr.name, [a, b]);
    return 'bool';
  }

  #resolve(at: number, name: string, overloads: readonly Overload[], args: readonly CelType[]): CelType {
    const fitting = overloads.filter(
      (overload) =>
        overload.params.length === args.length && overload.params.every((param, i) => fits(args[i] as CelType, param)),
    );
    const [first] = fitting;
    if (first === undefined) return this.#noOverload(at, name, args);
    if (fitting.some((other) => outerKind(other.result) !== outerKind(first.result))) return 'dyn';
    return fitting.length === 1 ? substitute(first.result, first.params, args) : generalize(first.result);
  }
}

function constType(value: CelValue): CelType {
  return kindOf(value) as CelType;
}

function isOptional(type: CelType): type is { optional: CelType } {
  return typeof type === 'object' && 'optional' in type;
}

function held(type: CelType, optional: boolean): CelType {
  return optional ? (isOptional(type) ? type.optional : 'dyn') : type;
}

function partsOf(range: CelType): [CelType, CelType] {
  if (typeof range !== 'object') return ['dyn', 'dyn'];
  if ('list' in range) return ['int', range.list];
  if ('map' in range) return [range.map[0], range.map[1]];
  return 'fields' in range ? ['string', 'dyn'] : ['dyn', 'dyn'];
}

function common(types: readonly CelType[]): CelType {
  const [first] = types;
  if (first === undefined) return 'dyn';
  const text = typeText(first);
  return types.every((type) => typeText(type) === text) ? first : 'dyn';
}

function fits(given: CelType, wanted: CelType): boolean {
  const [a, b] = [outerKind(given), outerKind(wanted)];
  if (a === 'dyn' || b === 'dyn') return true;
  if (a !== b) return false;
  if (typeof given !== 'object' || typeof wanted !== 'object') return true;
  if ('list' in given && 'list' in wanted) return fits(given.list, wanted.list);
  return !('optional' in given && 'optional' in wanted) || fits(given.optional, wanted.optional);
}

const NUMBERS: ReadonlySet<string> = new Set(['int', 'uint', 'double']);

function comparable(a: CelType, b: CelType): boolean {
  const [x, y] = [outerKind(a), outerKind(b)];
  if (x === 'dyn' || y === 'dyn' || x === 'null_type' || y === 'null_type') return true;
  if (x !== y) return NUMBERS.has(x) && NUMBERS.has(y);
  if (typeof a === 'object' && typeof b === 'object' && 'list' in a && 'list' in b) return comparable(a.list, b.list);
  return true;
}

/** The parameter `A` is what the argument in its place is. */
function substitute(result: CelType, params: readonly CelType[], args: readonly CelType[]): CelType {
  const bound = new Map<string, CelType>();
  params.forEach((param, i) => bindParameters(param, args[i] as CelType, bound));
  return replaceParameters(result, bound);
}

function bindParameters(param: CelType, given: CelType, bound: Map<string, CelType>): void {
  if (typeof param !== 'object') return;
  if ('named' in param) {
    if (!/^[A-Z]$/.test(param.named)) return;
    const before = bound.get(param.named);
    bound.set(param.named, before === undefined ? given : common([before, given]));
    return;
  }
  if (typeof given !== 'object') return;
  if ('list' in param && 'list' in given) bindParameters(param.list, given.list, bound);
  if ('optional' in param && 'optional' in given) bindParameters(param.optional, given.optional, bound);
}

function replaceParameters(type: CelType, bound: ReadonlyMap<string, CelType>): CelType {
  if (typeof type !== 'object') return type;
  if ('named' in type) return /^[A-Z]$/.test(type.named) ? (bound.get(type.named) ?? 'dyn') : type;
  if ('list' in type) return { list: replaceParameters(type.list, bound) };
  if ('optional' in type) return { optional: replaceParameters(type.optional, bound) };
  return type;
}

function generalize(type: CelType): CelType {
  return replaceParameters(type, new Map());
}
