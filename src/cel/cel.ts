/**
 * The Common Expression Language with the libraries of Kubernetes, an interpreter of our own.
 * Owns: parsing, checking, evaluation with a budget. Everything is bounded: length, nesting, tokens, cost, results.
 * Imports: std, api (quantities). Never: clocks, randomness, I/O; nothing here throws, errors are values with a place.
 * Read next: values.ts (what values are), json.ts (from JSON and back), library.ts and functions/ (what can be called).
 *
 *   const compiled = compile('self.replicas <= self.maxReplicas', { variables: { self: 'dyn' }, result: 'bool' });
 *   if (!compiled.ok) return compiled.errors;      // CompileError[]
 *   const outcome = compiled.program.evaluate({ self: fromJson(object) }, { costLimit: PER_CALL_COST_LIMIT });
 *   if (!outcome.ok) return outcome.error.message; // also when the budget was spent: outcome.error.kind === 'budget'
 *   outcome.value; outcome.cost;                   // a CelValue (toJson makes JSON of it) and the units spent
 */
import { messageOf } from '#src/std/fault.ts';
import type { Expr } from './ast.ts';
import { checkExpression } from './check.ts';
import { CelFailure } from './failure.ts';
import { Frame, type Eval, type Scope } from './frame.ts';
import { LIBRARY } from './functions/functions.ts';
import { build } from './interpret.ts';
import { SyntaxProblem } from './lexer.ts';
import { parse } from './parser.ts';
import { outerKind, typeText, type CelType } from './types.ts';
import { LazyMap, type CelValue } from './values.ts';

export { fromJson, toJson } from './json.ts';
export { typeText, type CelType, type ObjectType } from './types.ts';
export { CelMap, EntryMap, equals, kindOf, Optional, Timestamp, Duration, type CelValue } from './values.ts';
export { authorizerValue, type Authorizer } from './functions/authorizer.ts';

/** Units one expression may spend, as in Kubernetes. */
export const PER_CALL_COST_LIMIT = 1_000_000;
/** Units all expressions of one object or policy may spend in a request, as in Kubernetes. */
export const RUNTIME_COST_BUDGET = 10_000_000;

export interface CompileOptions {
  /** Names that bindings will give values to, with their types; `dyn` for what is known only then. */
  readonly variables: Readonly<Record<string, CelType>>;
  /** What the expression must yield, where that is settled. */
  readonly result?: CelType;
  /** Message types that `Name{field: …}` may build, e.g. `JSONPatch` or `Object.spec`. Default: none. */
  readonly isStruct?: (typeName: string) => boolean;
}

export interface CelError {
  /** Without a place: `no such key: foo`. */
  readonly message: string;
  /** Into the expression, in UTF-16 units. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** With place and the line itself, as Kubernetes shows compile errors. */
  readonly text: string;
}

export interface EvaluationError extends CelError {
  readonly kind: 'evaluation' | 'budget';
}

export type Compiled =
  | { readonly ok: true; readonly program: Program }
  | { readonly ok: false; readonly errors: readonly CelError[] };

export type Outcome =
  | { readonly ok: true; readonly value: CelValue; readonly cost: number }
  | { readonly ok: false; readonly error: EvaluationError; readonly cost: number };

export interface Program {
  readonly expression: string;
  /** What is known of the result before it runs. */
  readonly resultType: CelType;
  /** The declared variables that it names. */
  readonly uses: ReadonlySet<string>;
  /** A binding that is missing is an error only where it is looked at. */
  evaluate(bindings: Readonly<Record<string, CelValue>>, options: { readonly costLimit: number }): Outcome;
}

/** Never throws. At most ERRORS_MAX errors. */
export function compile(expression: string, options: CompileOptions): Compiled {
  let expr: Expr;
  try {
    expr = parse(expression);
  } catch (error) {
    const at = error instanceof SyntaxProblem ? error.at : 0;
    return { ok: false, errors: [errorAt(expression, at, messageOf(error))] };
  }
  const isStruct = options.isStruct ?? (() => false);
  const checked = checkExpression(expr, { library: LIBRARY, variables: options.variables, isStruct });
  const problems = [...checked.problems];
  if (problems.length === 0 && options.result !== undefined && !mayYield(checked.type, options.result)) {
    const text = `must evaluate to ${typeText(options.result)}, not ${typeText(checked.type)}`;
    problems.push({ message: text, at: expr.at });
  }
  if (problems.length > 0)
    return { ok: false, errors: problems.map(({ at, message }) => errorAt(expression, at, message)) };
  const scope: Scope = {
    library: LIBRARY,
    isVariable: (name) => Object.hasOwn(options.variables, name),
    isStruct,
    locals: new Map(),
  };
  const program = { expression, resultType: checked.type, uses: checked.uses };
  const run = build(expr, scope);
  return {
    ok: true,
    program: { ...program, evaluate: (bindings, limits) => evaluate(run, expression, bindings, limits) },
  };
}

function mayYield(type: CelType, wanted: CelType): boolean {
  const [given, kind] = [outerKind(type), outerKind(wanted)];
  return given === 'dyn' || kind === 'dyn' || given === kind;
}

function evaluate(
  run: Eval,
  expression: string,
  bindings: Readonly<Record<string, CelValue>>,
  { costLimit }: { costLimit: number },
): Outcome {
  const frame = new Frame(bindings, costLimit);
  try {
    return { ok: true, value: run(frame), cost: frame.cost };
  } catch (error) {
    // Anything else (a stack that ran out, say) is our mistake, yet an expression must not bring down the server.
    const failure = error instanceof CelFailure ? error : new CelFailure(`internal error: ${messageOf(error)}`);
    const place = errorAt(expression, failure.at ?? 0, failure.message);
    return { ok: false, error: { ...place, kind: failure.kind }, cost: frame.cost };
  }
}

function errorAt(expression: string, at: number, message: string): CelError {
  const before = expression.slice(0, at).split('\n');
  const line = before.length;
  const column = (before.at(-1) ?? '').length + 1;
  const shown = expression.split('\n')[line - 1] ?? '';
  const text = `ERROR: <input>:${line}:${column}: ${message}\n | ${shown}\n | ${'.'.repeat(column - 1)}^`;
  return { message, offset: at, line, column, text };
}

/** A map whose values are evaluated when first asked for: `variables` of an admission policy. */
export function lazyMap(names: readonly string[], resolve: (name: string) => Outcome): CelValue {
  return new LazyMap(names, (name) => {
    const outcome = resolve(name);
    if (outcome.ok) return outcome.value;
    throw new CelFailure(outcome.error.message, outcome.error.kind);
  });
}
