/** The loops: all, exists, exists_one, map, filter and the transforms, over lists and maps. */
import type { Expr } from './ast.ts';
import { CelFailure, noSuchOverload } from './failure.ts';
import { withLocal, type Eval, type Frame, type Scope } from './frame.ts';
import { CelMap, EntryMap, type CelValue } from './values.ts';

/** What the loop itself costs a turn, beside its body; as the accumulators of cel-go come to. */
const TURN_COST = 3;
const APPEND_COST = 12;

type Build = (expr: Expr, scope: Scope) => Eval;

export function comprehension(expr: Expr & { op: 'comprehension' }, scope: Scope, build: Build): Eval {
  const range = build(expr.range, scope);
  const inner = withLocal(scope, ...expr.names);
  const step = build(expr.step, inner.scope);
  const filter = expr.filter === undefined ? undefined : build(expr.filter, inner.scope);
  const loop: Loop = {
    each: (frame, visit) => {
      const two = expr.names.length === 2;
      const [first = 0, second = 0] = inner.slots;
      for (const [key, value] of pairs(range(frame), two)) {
        frame.charge(TURN_COST);
        frame.slots[first] = two ? key : value;
        if (two) frame.slots[second] = value;
        if (filter !== undefined && !isTrue(filter(frame))) continue;
        if (visit(key, value) === 'stop') return;
      }
    },
    step,
  };
  return LOOPS[expr.kind](loop);
}

interface Loop {
  readonly each: (frame: Frame, visit: (key: CelValue, value: CelValue) => 'stop' | undefined) => void;
  readonly step: Eval;
}

/** With one variable a map is its keys. */
function* pairs(range: CelValue, two: boolean): Generator<[CelValue, CelValue]> {
  if (Array.isArray(range)) {
    let at = 0n;
    for (const item of range) yield [at++, item as CelValue];
    return;
  }
  if (!(range instanceof CelMap)) throw noSuchOverload('comprehension range is neither a list nor a map');
  for (const key of range.keys()) yield [key, two ? (range.get(key) as CelValue) : key];
}

function isTrue(value: CelValue): boolean {
  if (typeof value !== 'boolean') throw noSuchOverload('a macro needs a bool');
  return value;
}

/** One element that decides wins over those that fail. */
function quantifier({ each, step }: Loop, deciding: boolean): Eval {
  return (frame) => {
    let failure: unknown;
    let decided = false;
    each(frame, () => {
      try {
        decided = isTrue(step(frame)) === deciding;
      } catch (error) {
        if (!(error instanceof CelFailure) || error.kind === 'budget') throw error;
        failure ??= error;
      }
      return decided ? 'stop' : undefined;
    });
    if (!decided && failure !== undefined) throw failure;
    return decided === deciding;
  };
}

/** Entries are collected, then checked for repeated keys. */
function mapping({ each, step }: Loop, entries: (key: CelValue, made: CelValue) => [CelValue, CelValue][]): Eval {
  return (frame) => {
    const made: [CelValue, CelValue][] = [];
    each(frame, (key) => {
      frame.charge(APPEND_COST);
      made.push(...entries(key, step(frame)));
      return undefined;
    });
    return new EntryMap(made);
  };
}

function listing({ each, step }: Loop): Eval {
  return (frame) => {
    const made: CelValue[] = [];
    each(frame, () => {
      frame.charge(APPEND_COST);
      made.push(step(frame));
      return undefined;
    });
    return made;
  };
}

const LOOPS: Record<(Expr & { op: 'comprehension' })['kind'], (loop: Loop) => Eval> = {
  all: (loop) => quantifier(loop, false),
  exists: (loop) => quantifier(loop, true),
  existsOne: ({ each, step }) => {
    return (frame) => {
      let found = 0;
      each(frame, () => {
        if (isTrue(step(frame))) found++;
        return undefined;
      });
      return found === 1;
    };
  },
  filter: ({ each, step }) => {
    return (frame) => {
      const kept: CelValue[] = [];
      each(frame, (_key, value) => {
        if (!isTrue(step(frame))) return undefined;
        frame.charge(APPEND_COST);
        kept.push(value);
        return undefined;
      });
      return kept;
    };
  },
  map: listing,
  transformList: listing,
  transformMap: (loop) => mapping(loop, (key, made) => [[key, made]]),
  transformMapEntry: (loop) =>
    mapping(loop, (_key, made) => {
      if (!(made instanceof CelMap)) throw noSuchOverload('transformMapEntry needs a map');
      return made.keys().map((key) => [key, made.get(key) as CelValue]);
    }),
};
