/** Collects what is wrong with an object, in the words of Kubernetes' field errors. */
import type { StatusCause } from '../api-error.ts';

/** Causes named in one refusal; the rest would help nobody. */
export const CAUSES_MAX = 100;

export class Causes {
  readonly list: StatusCause[] = [];

  required(field: string, detail?: string): void {
    this.#add('FieldValueRequired', field, `Required value${detail === undefined ? '' : `: ${detail}`}`);
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.#add('FieldValueInvalid', field, `Invalid value: ${shown(value)}: ${detail}`);
  }

  /** One cause for each text. */
  invalidEach(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    const values = supported.map((item) => JSON.stringify(item)).join(', ');
    this.#add('FieldValueNotSupported', field, `Unsupported value: ${shown(value)}: supported values: ${values}`);
  }

  duplicate(field: string, value: unknown): void {
    this.#add('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}`);
  }

  forbidden(field: string, detail: string): void {
    this.#add('FieldValueForbidden', field, `Forbidden: ${detail}`);
  }

  tooLong(field: string, bytesMax: number): void {
    this.#add('FieldValueTooLong', field, `Too long: may not be more than ${bytesMax} bytes`);
  }

  tooMany(field: string, count: number, countMax: number): void {
    this.#add('FieldValueTooMany', field, `Too many: ${count}: must have at most ${countMax} items`);
  }

  notFound(field: string, value: unknown): void {
    this.#add('FieldValueNotFound', field, `Not found: ${shown(value)}`);
  }

  /** `must be greater than or equal to 0`. */
  nonNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, 'must be greater than or equal to 0');
  }

  /** A value of another JSON type than the schema's. */
  typeInvalid(field: string, value: unknown, detail: string): void {
    this.#add('FieldValueTypeInvalid', field, `Invalid value: ${shown(value)}: ${detail}`);
  }

  /** `supported` of any type. */
  notSupportedValues(field: string, value: unknown, supported: readonly unknown[]): void {
    const values = supported.map((item) => JSON.stringify(typeof item === 'string' ? item : JSON.stringify(item)));
    this.#add(
      'FieldValueNotSupported',
      field,
      `Unsupported value: ${shown(value)}: supported values: ${values.join(', ')}`,
    );
  }

  /** As a rule of a custom resource words it; without a reason it is an invalid value. */
  forReason(reason: string | undefined, field: string, value: unknown, detail: string): void {
    if (reason === 'FieldValueRequired') this.required(field, detail);
    else if (reason === 'FieldValueForbidden') this.forbidden(field, detail);
    else if (reason === 'FieldValueDuplicate') this.duplicate(field, value);
    else this.invalid(field, value, detail);
  }

  /** Absent is fine; anything else must be one of `supported`. */
  oneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (value !== undefined && !supported.includes(value)) this.notSupported(field, value, supported);
  }

  immutable(field: string, value: unknown): void {
    this.invalid(field, value, 'field is immutable');
  }

  #add(reason: string, field: string, message: string): void {
    if (this.list.length < CAUSES_MAX) this.list.push({ reason, message, field });
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'null' : JSON.stringify(value);
}
