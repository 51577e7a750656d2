/** Lists (Kubernetes' own and the lists extension), sets, math and encoders. */
import { CelFailure, noSuchOverload } from '../failure.ts';
import { count, type CallContext, type Definitions } from '../library.ts';
import { compare, Duration, equals, Uint, type CelValue } from '../values.ts';
import { duration } from '../time.ts';
import { checkInt } from './standard.ts';

type Items = readonly CelValue[];

/** Items a range, a flattening or a slice may make. */
const ITEMS_MAX = 100_000;

const items = (value: CelValue | undefined): Items => value as Items;

function traversed(value: CelValue | undefined, context: CallContext): Items {
  context.charge(items(value).length);
  return items(value);
}

function order(a: CelValue, b: CelValue): number {
  const result = compare(a, b);
  if (result === undefined) throw noSuchOverload('items have no order');
  return result;
}

function extreme(list: Items, name: string, sign: 1 | -1): CelValue {
  let best = list[0];
  if (best === undefined) throw new CelFailure(`${name} called on empty list`);
  for (const item of list.slice(1)) if (order(item, best) * sign > 0) best = item;
  return best;
}

function sum(list: Items): CelValue {
  if (list.length === 0) return 0n;
  return list.slice(1).reduce<CelValue>(
    (total, item) => {
      if (typeof total === 'bigint' && typeof item === 'bigint') return checkInt(total + item);
      if (typeof total === 'number' && typeof item === 'number') return total + item;
      if (total instanceof Uint && item instanceof Uint) return new Uint(total.value + item.value);
      if (total instanceof Duration && item instanceof Duration) return duration(total.nanos + item.nanos);
      throw noSuchOverload('sum');
    },
    summand(list[0] as CelValue),
  );
}

function summand(value: CelValue): CelValue {
  if (typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint || value instanceof Duration) {
    return value;
  }
  throw noSuchOverload('sum');
}

function find(list: Items, wanted: CelValue | undefined, last: boolean): bigint {
  const matches = (item: CelValue): boolean => equals(item, wanted as CelValue);
  return BigInt(last ? list.findLastIndex(matches) : list.findIndex(matches));
}

function distinct(list: Items, context: CallContext): CelValue[] {
  const kept: CelValue[] = [];
  for (const item of list) {
    context.charge(Math.ceil(0.1 * kept.length));
    if (!kept.some((other) => equals(other, item))) kept.push(item);
  }
  return kept;
}

function flatten(list: Items, depth: number, context: CallContext): CelValue[] {
  if (depth < 0) throw new CelFailure('level must be non-negative');
  context.charge(list.length);
  return list.flatMap((item) =>
    Array.isArray(item) && depth > 0 ? flatten(item as Items, depth - 1, context) : [item],
  );
}

function slice(list: Items, from: CelValue | undefined, to: CelValue | undefined): CelValue[] {
  const [start, end] = [count(from), count(to)];
  if (start < 0 || end < 0) throw new CelFailure(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end)
    throw new CelFailure(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (end > list.length) throw new CelFailure(`cannot slice(${start}, ${end}), list is length ${list.length}`);
  return list.slice(start, end);
}

function sorted(list: Items, context: CallContext): CelValue[] {
  context.charge(list.length);
  const order0 = list[0];
  for (const item of list) order(order0 as CelValue, item);
  return [...list].sort(order);
}

function containsAll(list: Items, wanted: Items, context: CallContext): boolean {
  context.charge(Math.ceil(0.1 * list.length * wanted.length));
  return wanted.every((item) => list.some((other) => equals(other, item)));
}

const LISTS: Definitions = {
  'list<A>.isSorted(): bool': ([a], context) => {
    const list = traversed(a, context);
    return list.every((item, i) => i === 0 || order(list[i - 1] as CelValue, item) <= 0);
  },
  'list<A>.sum(): A': ([a], context) => sum(traversed(a, context)),
  'list<A>.min(): A': ([a], context) => extreme(traversed(a, context), 'min', -1),
  'list<A>.max(): A': ([a], context) => extreme(traversed(a, context), 'max', 1),
  'list<A>.indexOf(A): int': ([a, b], context) => find(traversed(a, context), b, false),
  'list<A>.lastIndexOf(A): int': ([a, b], context) => find(traversed(a, context), b, true),
  'list<A>.distinct(): list<A>': ([a], context) => distinct(traversed(a, context), context),
  'list<A>.flatten(): list<dyn>': ([a], context) => flatten(items(a), 1, context),
  'list<A>.flatten(int): list<dyn>': ([a, b], context) => flatten(items(a), count(b), context),
  'list<A>.slice(int, int): list<A>': ([a, b, c], context) => slice(traversed(a, context), b, c),
  'list<A>.sort(): list<A>': ([a], context) => sorted(items(a), context),
  'list<A>.reverse(): list<A>': ([a], context) => [...traversed(a, context)].reverse(),
  'lists::range(int): list<int>': ([a], context) => {
    const length = count(a);
    if (length > ITEMS_MAX) throw new CelFailure(`range of ${length} items is longer than ${ITEMS_MAX}`);
    context.charge(Math.max(0, length));
    return Array.from({ length: Math.max(0, length) }, (_, i) => BigInt(i));
  },
};

const SETS: Definitions = {
  'sets::contains(list<A>, list<A>): bool': ([a, b], context) => containsAll(items(a), items(b), context),
  'sets::equivalent(list<A>, list<A>): bool': ([a, b], context) =>
    containsAll(items(a), items(b), context) && containsAll(items(b), items(a), context),
  'sets::intersects(list<A>, list<A>): bool': ([a, b], context) => {
    context.charge(Math.ceil(0.1 * items(a).length * items(b).length));
    return items(a).some((item) => items(b).some((other) => equals(other, item)));
  },
};

const ENCODERS: Definitions = {
  'base64::encode(bytes): string': ([a], context) => {
    context.charge(Math.ceil(0.1 * (a as Uint8Array).length));
    return btoa(Array.from(a as Uint8Array, (byte) => String.fromCharCode(byte)).join(''));
  },
  'base64::decode(string): bytes': ([a], context) => {
    context.charge(Math.ceil(0.1 * (a as string).length));
    try {
      return Uint8Array.from(atob(a as string), (character) => character.charCodeAt(0));
    } catch {
      throw new CelFailure('illegal base64 data');
    }
  },
};

export const lists: Definitions = { ...LISTS, ...SETS, ...ENCODERS };
