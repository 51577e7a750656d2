/** The table of functions: each overload has a signature, from which both the checker and dispatch work. */
import { CelFailure, noSuchOverload } from './failure.ts';
import { outerKind, parseType, parseTypes, type CelType } from './types.ts';
import { kindOf, type CelValue } from './values.ts';

/** What a function may ask of the evaluation it runs in. */
export interface CallContext {
  /** Beside the one unit that each call costs. Throws when the budget is spent. */
  charge(units: number): void;
}

export interface Overload {
  readonly member: boolean;
  /** Receiver first, for members. */
  readonly params: readonly CelType[];
  readonly result: CelType;
  /** outerKind of each of params. */
  readonly kinds: readonly string[];
  readonly call: (args: readonly CelValue[], context: CallContext) => CelValue;
}

export type Library = ReadonlyMap<string, readonly Overload[]>;

/** By signature: `string.contains(string): bool` for members, `size(list<A>): int` or `math::abs(int): int` for others. */
export type Definitions = Record<string, Overload['call']>;

const SIGNATURE = /^(?:([^(]+)\.)?([^.(]+)\((.*)\): (.+)$/;

export function defineLibrary(...parts: readonly Definitions[]): Library {
  const library = new Map<string, Overload[]>();
  for (const part of parts) {
    for (const [signature, call] of Object.entries(part)) {
      const match = SIGNATURE.exec(signature);
      if (match === null) throw new Error(`${signature} is no signature`);
      const [, receiver, written = '', list = '', result = ''] = match;
      const name = written.replace('::', '.');
      const params = parseTypes(receiver === undefined ? list : list === '' ? receiver : `${receiver}, ${list}`);
      const overload = { member: receiver !== undefined, params, result: parseType(result), call };
      const overloads = library.get(name) ?? [];
      overloads.push({ ...overload, kinds: params.map(outerKind) });
      library.set(name, overloads);
    }
  }
  return library;
}

export function findOverload(
  overloads: readonly Overload[],
  member: boolean,
  args: readonly CelValue[],
): Overload | undefined {
  const kinds = args.map(kindOf);
  return overloads.find(
    (overload) =>
      overload.member === member &&
      overload.kinds.length === kinds.length &&
      overload.kinds.every((kind, i) => kind === 'dyn' || kind === kinds[i]),
  );
}

export function callFunction(
  name: string,
  overloads: readonly Overload[],
  member: boolean,
  args: readonly CelValue[],
  context: CallContext,
): CelValue {
  const overload = findOverload(overloads, member, args);
  if (overload === undefined) throw noSuchOverload(name);
  return overload.call(args, context);
}

/** Asserts what dispatch has already made sure of. */
export function int(value: CelValue | undefined): bigint {
  if (typeof value !== 'bigint') throw new CelFailure('no such overload: an int is wanted');
  return value;
}

/** An index or a count: capped, for the ends of the range are the same as infinity. */
export function count(value: CelValue | undefined): number {
  const given = int(value);
  return given > 2n ** 31n ? 2 ** 31 : given < -(2n ** 31n) ? -(2 ** 31) : Number(given);
}
