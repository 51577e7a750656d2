/**
 * The object model of the API: which kinds there are, what their fields mean, what is filled in and what is refused.
 * Owns: the table of type facts and all that is read off it (decoding, protobuf, OpenAPI, discovery, patches, tables).
 * Imports: std. Never: HTTP, the store, clocks, randomness; times and random bytes are arguments.
 * Read next: facts/facts.ts (the table), kinds.ts (what is served), decode.ts, defaults.ts, validation.ts.
 */
import { isFault } from '#src/std/fault.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { ApiError } from './api-error.ts';
import { decodeObject, type Decoded, type FieldValidation } from './decode.ts';
import { decodeProtobuf } from './protobuf.ts';

export const JSON_CONTENT_TYPE = 'application/json';
export const PROTOBUF_CONTENT_TYPE = 'application/vnd.kubernetes.protobuf';

/**
 * A request body of a known type, JSON or protobuf by its content type (parameters are ignored; none means JSON).
 * `expected` is what the URL asks for; its apiVersion and kind are filled in where the body has none, and another
 * kind is refused. ApiError 400 for what cannot be read, 415 for other content types.
 */
export function decodeBody(
  body: Uint8Array,
  contentType: string | undefined,
  expected: { apiVersion: string; kind: string; typeName: string },
  fieldValidation: FieldValidation,
): Decoded {
  const mediaType = (contentType ?? '').split(';')[0]?.trim().toLowerCase() || JSON_CONTENT_TYPE;
  if (mediaType === PROTOBUF_CONTENT_TYPE) {
    const { object } = decodeProtobuf(body, expected);
    checkKind(object, expected);
    return { object, warnings: [] };
  }
  if (mediaType !== JSON_CONTENT_TYPE) {
    const accepted = `${JSON_CONTENT_TYPE}, ${PROTOBUF_CONTENT_TYPE}`;
    const text = `the body of the request was in an unknown format - accepted media types include: ${accepted}`;
    throw new ApiError(415, 'UnsupportedMediaType', text);
  }
  const { value, duplicates } = parseJsonBody(body);
  const given = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as object) : undefined;
  const typed = given === undefined ? value : withKind(given, expected);
  checkKind(typed, expected);
  return decodeObject(typed, expected.typeName, { fieldValidation, duplicates });
}

/** parseStrictJson with its faults as ApiError 400. */
export function parseJsonBody(body: Uint8Array | string): ReturnType<typeof parseStrictJson> {
  try {
    return parseStrictJson(body);
  } catch (error) {
    if (!isFault(error)) throw error;
    const text = `couldn't get version/kind; json parse error: ${error.message}`;
    throw new ApiError(400, 'BadRequest', text, { cause: error });
  }
}

function withKind(
  given: { apiVersion?: unknown; kind?: unknown },
  expected: { apiVersion: string; kind: string },
): object {
  if (given.kind !== undefined && given.apiVersion !== undefined) return given;
  const typed = { __proto__: null, ...given } as { apiVersion?: unknown; kind?: unknown };
  typed.kind ??= expected.kind;
  typed.apiVersion ??= expected.apiVersion;
  return typed;
}

/** Kubernetes words both cases so; the group and the version count as much as the kind. */
function checkKind(given: unknown, expected: { apiVersion: string; kind: string }): void {
  if (typeof given !== 'object' || given === null) return;
  const { apiVersion, kind } = given as { apiVersion?: unknown; kind?: unknown };
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return;
  // DeleteOptions and the like are written in any group.
  if (kind === expected.kind && (apiVersion === expected.apiVersion || kind.endsWith('Options'))) return;
  const text = `the API version in the data (${apiVersion}, ${kind}) does not match the expected API version (${expected.apiVersion}, ${expected.kind})`;
  throw new ApiError(400, 'BadRequest', text);
}
