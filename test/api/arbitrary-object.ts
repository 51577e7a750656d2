/** Random objects of any type of the table, for properties. */
import fc from 'fast-check';
import { findType, typeOf, type FieldFacts } from '#src/api/facts/facts.ts';

const LEAVES: Record<string, () => fc.Arbitrary<unknown>> = {
  string: () => fc.constantFrom('', 'a', 'web', 'Ünïcode', '__proto__', 'x'.repeat(200)),
  bytes: () => fc.uint8Array({ maxLength: 8 }).map((bytes) => bytes.toBase64()),
  boolean: () => fc.boolean(),
  int32: () => fc.oneof(fc.constant(0), fc.integer()),
  int64: () => fc.oneof(fc.constant(0), fc.maxSafeInteger()),
  double: () => fc.constantFrom(0, 1.5, -2.25),
  Quantity: () => fc.constantFrom('0', '100m', '1', '1Gi', '1500m', '1000Mi'),
  IntOrString: () => fc.oneof(fc.integer({ min: 0, max: 65535 }), fc.constantFrom('http', '25%')),
  Time: () => fc.integer({ min: 0, max: 4e9 }).map((s) => `${new Date(s * 1000).toISOString().slice(0, 19)}Z`),
  MicroTime: () =>
    fc.integer({ min: 0, max: 4e9 }).map((s) => `${new Date(s * 1000).toISOString().slice(0, 19)}.000042Z`),
  Duration: () => fc.integer({ min: 0, max: 1000 }).map((s) => `${s}s`),
  RawExtension: () => fc.constant({ any: ['thing', 1] }),
  FieldsV1: () => fc.constant({ 'f:spec': {} }),
};

function arbitraryValue(type: string, depth: number): fc.Arbitrary<unknown> {
  if (findType(type) === undefined) return LEAVES[type]!();
  return arbitraryObject(type, depth - 1);
}

function arbitraryField(field: FieldFacts, depth: number): fc.Arbitrary<unknown> {
  const value = arbitraryValue(field.type, depth);
  const list = fc.array(value, { minLength: 1, maxLength: 2 });
  if (field.shape === 'single') return value;
  if (field.shape === 'list') return list;
  return fc.dictionary(fc.constantFrom('a', 'b.c/d', 'toString'), field.shape === 'map' ? value : list, {
    noNullPrototype: false,
  });
}

/** A few fields of the type each time, nested at most `depth` structs deep. */
export function arbitraryObject(typeName: string, depth = 5): fc.Arbitrary<Record<string, unknown>> {
  const fields = typeOf(typeName).fields.filter(
    ({ name, type }) => name !== 'kind' && name !== 'apiVersion' && (depth > 0 || findType(type) === undefined),
  );
  if (fields.length === 0) return fc.constant({});
  return fc
    .subarray([...fields], { maxLength: Math.min(6, fields.length) })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((field) => [field.name, arbitraryField(field, depth)]))),
    );
}
