/** What the parser makes of an expression. Macros are already unfolded into comprehensions. */
import type { CelValue } from './values.ts';

/** `at`: index into the source in UTF-16 units. */
interface Base {
  readonly at: number;
}

export type ComprehensionKind =
  | 'all'
  | 'exists'
  | 'existsOne'
  | 'map'
  | 'filter'
  | 'transformList'
  | 'transformMap'
  | 'transformMapEntry';

export type Expr = Base &
  (
    | { readonly op: 'const'; readonly value: CelValue }
    | { readonly op: 'ident'; readonly name: string }
    | { readonly op: 'select'; readonly operand: Expr; readonly field: string; readonly optional: boolean }
    /** `has(operand.field)` */
    | { readonly op: 'has'; readonly operand: Expr; readonly field: string; readonly optional: boolean }
    | { readonly op: 'index'; readonly operand: Expr; readonly index: Expr; readonly optional: boolean }
    | { readonly op: 'call'; readonly name: string; readonly target: Expr | undefined; readonly args: readonly Expr[] }
    | { readonly op: 'and' | 'or'; readonly terms: readonly Expr[] }
    | { readonly op: 'conditional'; readonly test: Expr; readonly then: Expr; readonly otherwise: Expr }
    | { readonly op: 'list'; readonly items: readonly { readonly value: Expr; readonly optional: boolean }[] }
    | {
        readonly op: 'map';
        readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly optional: boolean }[];
      }
    | {
        readonly op: 'struct';
        readonly typeName: string;
        readonly fields: readonly { readonly name: string; readonly value: Expr; readonly optional: boolean }[];
      }
    | {
        readonly op: 'comprehension';
        readonly kind: ComprehensionKind;
        readonly range: Expr;
        /** One name, or two: index or key, then value. */
        readonly names: readonly [string] | readonly [string, string];
        readonly filter: Expr | undefined;
        readonly step: Expr;
      }
    /** cel.bind */
    | { readonly op: 'bind'; readonly name: string; readonly value: Expr; readonly body: Expr }
    /** optMap and optFlatMap */
    | {
        readonly op: 'optMap';
        readonly operand: Expr;
        readonly name: string;
        readonly body: Expr;
        readonly flat: boolean;
      }
  );

export function childrenOf(expr: Expr): Expr[] {
  switch (expr.op) {
    case 'const':
    case 'ident':
      return [];
    case 'select':
    case 'has':
      return [expr.operand];
    case 'index':
      return [expr.operand, expr.index];
    case 'call':
      return expr.target === undefined ? [...expr.args] : [expr.target, ...expr.args];
    case 'and':
    case 'or':
      return [...expr.terms];
    case 'conditional':
      return [expr.test, expr.then, expr.otherwise];
    case 'list':
      return expr.items.map((item) => item.value);
    case 'map':
      return expr.entries.flatMap((entry) => [entry.key, entry.value]);
    case 'struct':
      return expr.fields.map((field) => field.value);
    case 'comprehension':
      return [expr.range, expr.step, ...(expr.filter === undefined ? [] : [expr.filter])];
    case 'bind':
      return [expr.value, expr.body];
    case 'optMap':
      return [expr.operand, expr.body];
  }
}
