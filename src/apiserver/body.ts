/** Request bodies: JSON or protobuf in, objects of a known type out. */
import { ApiError } from '#src/api/api-error.ts';
import { decodeKind, decodeObject, type Decoded, type FieldValidation } from '#src/api/decode.ts';
import type { CustomType } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { decodeProtobuf } from '#src/api/protobuf.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import type { PatchType } from '#src/registry/client.ts';
import { badRequest } from '#src/registry/refusals.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import { parseStrictJson, type ParsedJson } from '#src/std/strict-json.ts';
import { parseDocument } from 'yaml';

/** Kubernetes' limit for request bodies. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024;
export const BODY_TIMEOUT_MS = 30_000;

const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';
/** An alias may stand for a large part of a document. */
const YAML_ALIASES_MAX = 100;
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const DELETE_OPTIONS_TYPE = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

const PATCH_TYPES: Record<string, PatchType> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

export interface ExpectedBody {
  apiVersion: string;
  kind: string;
  typeName: string;
  /** A custom resource has no protobuf form. */
  custom?: CustomType;
}

export function mediaTypeOf(request: HttpRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

async function readBody(request: HttpRequest): Promise<Uint8Array> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  // What is small on its way could be anything once unpacked; clients of Kubernetes send bodies as they are.
  if (encoding.toLowerCase() !== 'identity') {
    const message = `the body of the request has the encoding ${JSON.stringify(encoding.slice(0, 64))} - accepted encodings include: identity`;
    throw new ApiError(415, 'UnsupportedMediaType', message, { details: {} });
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > BODY_BYTES_MAX) throw tooLarge();
  try {
    return await request.body({ bytesMax: BODY_BYTES_MAX, timeoutMs: BODY_TIMEOUT_MS });
  } catch (error) {
    throw isFault(error, 'HTTP_BODY_TOO_LARGE') ? tooLarge() : error;
  }
}

function tooLarge(): ApiError {
  return new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${BODY_BYTES_MAX}`, {
    details: {},
  });
}

export function unsupportedMediaType(accepted: string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new ApiError(415, 'UnsupportedMediaType', message, { details: {} });
}

export function parseJson(bytes: Uint8Array | string): ParsedJson {
  try {
    return parseStrictJson(bytes);
  } catch (error) {
    if (isFault(error)) throw badRequest(`the object provided is unrecognized: ${error.message}`);
    throw error;
  }
}

/** JSON is the subset that most clients send; the rest goes through a real parser. @throws ApiError 400. */
export function parseYaml(bytes: Uint8Array): ParsedJson {
  const text = new TextDecoder().decode(bytes);
  if (text.trimStart().startsWith('{')) {
    try {
      return parseStrictJson(text);
    } catch (error) {
      // A flow mapping of YAML begins like an object of JSON.
      if (!isFault(error)) throw error;
    }
  }
  const document = parseDocument(text, { uniqueKeys: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw notYaml(problem.message);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (error) {
    throw notYaml(messageOf(error));
  }
  // Through our own parser, so that the rest of the server sees the same values as from JSON.
  return parseJson(JSON.stringify(value ?? null));
}

function notYaml(why: string): ApiError {
  return badRequest(`error converting YAML to JSON: ${why.split('\n')[0] ?? ''}`);
}

/** @throws ApiError 400 for what cannot be read or is another kind, 413, 415. */
export async function readObjectBody(
  request: HttpRequest,
  expected: ExpectedBody,
  fieldValidation: FieldValidation,
): Promise<{ object: KubeObject; warnings: string[] }> {
  const type = mediaTypeOf(request);
  if (type !== '' && type !== JSON_TYPE && type !== YAML_TYPE && type !== PROTOBUF_TYPE) {
    throw unsupportedMediaType([JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]);
  }
  if (type === PROTOBUF_TYPE && expected.custom !== undefined) throw unsupportedMediaType([JSON_TYPE, YAML_TYPE]);
  const bytes = await readBody(request);
  if (type === PROTOBUF_TYPE) {
    const { object } = decodeProtobuf(bytes, expected);
    requireKind(object, expected);
    return { object, warnings: [] };
  }
  const parsed = type === YAML_TYPE ? parseYaml(bytes) : parseJson(bytes);
  requireRecord(parsed.value);
  requireKind(parsed.value as KubeObject, expected);
  const decoded: Decoded = decodeKind(withKind(parsed.value as KubeObject, expected), expected, {
    fieldValidation,
    duplicates: parsed.duplicates,
  });
  return { object: decoded.object, warnings: decoded.warnings };
}

/** A custom resource takes its type from the URL where the body has none, as decoding by table does. */
function withKind(object: KubeObject, expected: ExpectedBody): KubeObject {
  if (expected.custom === undefined) return object;
  return { ...object, apiVersion: expected.apiVersion, kind: expected.kind };
}

function requireRecord(value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw badRequest('the body must be a JSON object');
}

function requireKind(object: KubeObject, expected: ExpectedBody): void {
  // Left out, the URL says what it is.
  const apiVersion = object.apiVersion ?? expected.apiVersion;
  const kind = object.kind ?? expected.kind;
  if (kind !== expected.kind) {
    throw badRequest(
      `${expected.kind} in version "${versionOf(expected.apiVersion)}" cannot be handled as a ${String(kind)}: the body is of kind ${JSON.stringify(kind)}, expected ${JSON.stringify(expected.kind)}`,
    );
  }
  if (apiVersion !== expected.apiVersion) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${expected.apiVersion})`,
    );
  }
}

function versionOf(apiVersion: string): string {
  return apiVersion.split('/').at(-1) ?? apiVersion;
}

export async function readPatchBody(
  request: HttpRequest,
  allowed: readonly PatchType[],
): Promise<{ type: PatchType; body: unknown; duplicates: string[] }> {
  const type = PATCH_TYPES[mediaTypeOf(request)];
  if (type === undefined || !allowed.includes(type)) {
    const accepted = Object.entries(PATCH_TYPES).filter(([, known]) => allowed.includes(known));
    throw unsupportedMediaType(accepted.map(([name]) => name));
  }
  const bytes = await readBody(request);
  const parsed = type === 'apply' ? parseYaml(bytes) : parseJson(bytes);
  if (type === 'json') {
    if (!Array.isArray(parsed.value)) throw badRequest('a JSON patch must be an array of operations');
  } else {
    requireRecord(parsed.value);
  }
  return { type, body: parsed.value, duplicates: parsed.duplicates };
}

/** undefined for an empty body. */
export async function readDeleteBody(request: HttpRequest): Promise<Record<string, unknown> | undefined> {
  const bytes = await readBody(request);
  if (bytes.length === 0) return undefined;
  const type = mediaTypeOf(request);
  if (type === PROTOBUF_TYPE) {
    return decodeProtobuf(bytes, { apiVersion: 'v1', kind: 'DeleteOptions' }).object;
  }
  if (type !== '' && type !== JSON_TYPE) throw unsupportedMediaType([JSON_TYPE, PROTOBUF_TYPE]);
  const { value } = parseJson(bytes);
  requireRecord(value);
  const { kind } = value as KubeObject;
  if (kind !== undefined && kind !== 'DeleteOptions')
    throw badRequest(`the body of a delete must be DeleteOptions, not ${JSON.stringify(kind)}`);
  return decodeObject(value, DELETE_OPTIONS_TYPE, { fieldValidation: 'Ignore' }).object;
}
