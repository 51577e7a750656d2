/** Calls that are not calls: has, all, exists, map, filter, cel.bind, optMap and their likes. */
import type { ComprehensionKind, Expr } from './ast.ts';
import { SyntaxProblem } from './lexer.ts';

interface Call {
  readonly name: string;
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
  readonly at: number;
}

const ONE_OR_TWO: Record<string, ComprehensionKind> = {
  all: 'all',
  exists: 'exists',
  exists_one: 'existsOne',
  existsOne: 'existsOne',
};
const TRANSFORMS: ReadonlySet<string> = new Set(['transformList', 'transformMap', 'transformMapEntry']);

/** undefined: an ordinary call. Throws SyntaxProblem. */
export function expandMacro(call: Call): Expr | undefined {
  const { name, target, args, at } = call;
  if (target === undefined) return name === 'has' && args.length === 1 ? has(args[0] as Expr) : undefined;
  if (name === 'bind' && target.op === 'ident' && target.name === 'cel' && args.length === 3) {
    return { op: 'bind', name: variable(args[0]), value: args[1] as Expr, body: args[2] as Expr, at };
  }
  if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
    const flat = name === 'optFlatMap';
    return { op: 'optMap', operand: target, name: variable(args[0]), body: args[1] as Expr, flat, at };
  }
  const base = { op: 'comprehension', range: target, at } as const;
  if (Object.hasOwn(ONE_OR_TWO, name) && (args.length === 2 || args.length === 3)) {
    const kind = ONE_OR_TWO[name] as ComprehensionKind;
    // The newer two-variable form goes by existsOne only, the older by both names.
    return { ...base, kind, names: variables(args.slice(0, -1)), filter: undefined, step: args.at(-1) as Expr };
  }
  if (name === 'filter' && args.length === 2) {
    return { ...base, kind: 'filter', names: [variable(args[0])], filter: undefined, step: args[1] as Expr };
  }
  if (name === 'map' && (args.length === 2 || args.length === 3)) {
    const filter = args.length === 3 ? args[1] : undefined;
    return { ...base, kind: 'map', names: [variable(args[0])], filter, step: args.at(-1) as Expr };
  }
  if (TRANSFORMS.has(name) && (args.length === 3 || args.length === 4)) {
    const filter = args.length === 4 ? args[2] : undefined;
    const kind = name as ComprehensionKind;
    return { ...base, kind, names: variables(args.slice(0, 2)), filter, step: args.at(-1) as Expr };
  }
  return undefined;
}

function has(operand: Expr): Expr {
  if (operand.op !== 'select') throw new SyntaxProblem('invalid argument to has() macro', operand.at);
  return { ...operand, op: 'has' };
}

function variable(expr: Expr | undefined): string {
  if (expr?.op !== 'ident') throw new SyntaxProblem('argument must be a simple name', expr?.at ?? 0);
  return expr.name;
}

function variables(args: readonly Expr[]): [string] | [string, string] {
  const first = variable(args[0]);
  if (args.length === 1) return [first];
  const second = variable(args[1]);
  if (first === second) {
    throw new SyntaxProblem(`duplicate variable name: ${second}`, args[1]?.at ?? 0);
  }
  return [first, second];
}
