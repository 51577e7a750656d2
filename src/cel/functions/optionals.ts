/** optional.of, orValue and their likes. */
import { CelFailure } from '../failure.ts';
import type { Definitions } from '../library.ts';
import { CelMap, Duration, NONE, Optional, Timestamp, Uint, type CelValue } from '../values.ts';

function isZero(value: CelValue): boolean {
  if (value === null || value === false || value === 0 || value === 0n || value === '') return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof CelMap) return value.size === 0;
  if (value instanceof Uint) return value.value === 0n;
  return (value instanceof Duration || value instanceof Timestamp) && value.nanos === 0n;
}

const value = (optional: CelValue | undefined): CelValue | undefined => (optional as Optional).value;

export const optionals: Definitions = {
  'optional::of(A): optional<A>': ([a]) => new Optional(a as CelValue),
  'optional::none(): optional<A>': () => NONE,
  'optional::ofNonZeroValue(A): optional<A>': ([a]) => (isZero(a as CelValue) ? NONE : new Optional(a as CelValue)),
  'optional<A>.hasValue(): bool': ([a]) => value(a) !== undefined,
  'optional<A>.value(): A': ([a]) => {
    const held = value(a);
    if (held === undefined) throw new CelFailure('optional.none() dereference');
    return held;
  },
  'optional<A>.or(optional<A>): optional<A>': ([a, b]) => (value(a) === undefined ? (b as Optional) : (a as Optional)),
  'optional<A>.orValue(A): A': ([a, b]) => value(a) ?? (value(a) === null ? null : (b as CelValue)),
  'optional::unwrap(list<optional<A>>): list<A>': ([a]) => unwrap(a as readonly CelValue[]),
  'list<optional<A>>.unwrapOpt(): list<A>': ([a]) => unwrap(a as readonly CelValue[]),
};

function unwrap(items: readonly CelValue[]): CelValue[] {
  return items.flatMap((item) => {
    if (!(item instanceof Optional)) throw new CelFailure('no such overload: unwrap needs optionals');
    return item.value === undefined ? [] : [item.value];
  });
}
