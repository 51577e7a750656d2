/** What closures run in: bindings, variables of macros, the budget; and what names mean when they are built. */
import { CelFailure, CostExceeded } from './failure.ts';
import type { CallContext, Library } from './library.ts';
import type { CelValue } from './values.ts';

/** One evaluation: bindings, the variables of comprehensions, and what was spent. */
export class Frame implements CallContext {
  cost = 0;
  readonly slots: CelValue[] = [];
  readonly #bindings: Readonly<Record<string, CelValue>>;
  readonly #limit: number;

  constructor(bindings: Readonly<Record<string, CelValue>>, limit: number) {
    this.#bindings = bindings;
    this.#limit = limit;
  }

  charge(units: number): void {
    this.cost += units;
    if (this.cost > this.#limit) throw new CostExceeded(this.#limit);
  }

  binding(name: string): CelValue {
    const value = Object.hasOwn(this.#bindings, name) ? this.#bindings[name] : undefined;
    if (value === undefined) throw new CelFailure(`no such attribute(s): ${name}`);
    return value;
  }
}

export type Eval = (frame: Frame) => CelValue;

/** What names mean where an expression stands. */
export interface Scope {
  readonly library: Library;
  readonly isVariable: (name: string) => boolean;
  readonly isStruct: (typeName: string) => boolean;
  /** Variables of macros and their places in Frame.slots. */
  readonly locals: ReadonlyMap<string, number>;
}

/** Names that are values of type `type` wherever no variable has them. */
export const TYPE_NAMES: ReadonlySet<string> = new Set(
  'bool bytes double int list map null_type string type uint optional_type google.protobuf.Timestamp google.protobuf.Duration'.split(
    ' ',
  ),
);

export function withLocal(scope: Scope, ...names: readonly string[]): { scope: Scope; slots: number[] } {
  const locals = new Map(scope.locals);
  const first = scope.locals.size === 0 ? 0 : Math.max(...scope.locals.values()) + 1;
  const slots = names.map((name, i) => {
    locals.set(name, first + i);
    return first + i;
  });
  return { scope: { ...scope, locals }, slots };
}
