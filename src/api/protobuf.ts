/**
 * Request bodies of `application/vnd.kubernetes.protobuf`, decoded by the type table. Answers are always JSON,
 * so there is no encoder. kubectl since 1.32 sends its typed writes so and does not fall back.
 */
import { ApiError } from './api-error.ts';
import { decodeObject } from './decode.ts';
import { typeOf, type FieldFacts, type TypeFacts } from './facts/facts.ts';
import { typeNameOf } from './kinds.ts';
import { Wire } from './protobuf-wire.ts';
import { timeFromUnix, ScalarProblem } from './scalars.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';

export interface DecodedProtobuf {
  apiVersion: string;
  kind: string;
  /** As decodeObject would give it, apiVersion and kind included. */
  object: Record<string, unknown>;
}

/** Levels of messages in messages. */
export const PROTOBUF_DEPTH_MAX = 100;

const MAGIC = [0x6b, 0x38, 0x73, 0x00];

/** Whether the body starts with the magic `k8s\0`. */
export function isProtobufEnvelope(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

/**
 * ApiError 400 for anything malformed or of an unknown type. `fallback` types a body whose envelope names no kind.
 */
export function decodeProtobuf(bytes: Uint8Array, fallback?: { apiVersion: string; kind: string }): DecodedProtobuf {
  try {
    return decodeEnvelope(bytes, fallback);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (error instanceof ScalarProblem || error instanceof Fault) {
      throw new ApiError(400, 'BadRequest', `the protobuf body cannot be decoded: ${messageOf(error)}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** runtime.Unknown: 1 typeMeta {1 apiVersion, 2 kind}, 2 raw, 3 contentEncoding, 4 contentType. */
function decodeEnvelope(bytes: Uint8Array, fallback?: { apiVersion: string; kind: string }): DecodedProtobuf {
  if (!isProtobufEnvelope(bytes)) throw new ScalarProblem('it does not start with the magic number "k8s\\0"');
  let apiVersion = '';
  let kind = '';
  let raw = new Uint8Array(0);
  let encoding = '';
  let contentType = '';
  const envelope = new Wire(bytes.subarray(MAGIC.length));
  while (envelope.next()) {
    if (envelope.field === 1) {
      const meta = new Wire(envelope.bytes());
      while (meta.next()) {
        if (meta.field === 1) apiVersion = utf8(meta.bytes());
        else if (meta.field === 2) kind = utf8(meta.bytes());
        else meta.skip();
      }
    } else if (envelope.field === 2) raw = envelope.bytes();
    else if (envelope.field === 3) encoding = utf8(envelope.bytes());
    else if (envelope.field === 4) contentType = utf8(envelope.bytes());
    else envelope.skip();
  }
  if (encoding !== '')
    throw new ScalarProblem(`the content encoding ${JSON.stringify(encoding)} is not known; send it plain`);
  if (kind === '' && fallback !== undefined) ({ apiVersion, kind } = fallback);
  const typeName = typeNameOf(apiVersion, kind);
  if (typeName === undefined) {
    const text = `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`;
    throw new ApiError(400, 'BadRequest', text);
  }
  const decoded =
    contentType === 'application/json' ? (parseStrictJson(raw).value as object) : message(typeOf(typeName), raw, 0);
  // The JSON decoder settles order, omitted empties and canonical leaves, so both ways in give the same object.
  const { object } = decodeObject({ ...decoded, apiVersion, kind }, typeName, { fieldValidation: 'Ignore' });
  return { apiVersion, kind, object };
}

type Message = Record<string, unknown>;

function emptyMessage(): Message {
  return { __proto__: null } as unknown as Message;
}

function message(type: TypeFacts, bytes: Uint8Array, depth: number): Message {
  if (depth > PROTOBUF_DEPTH_MAX)
    throw new ScalarProblem(`messages are nested deeper than ${PROTOBUF_DEPTH_MAX} levels`);
  const result = emptyMessage();
  const wire = new Wire(bytes);
  while (wire.next()) {
    const field = type.byNumber.get(wire.field);
    if (field === undefined) wire.skip();
    else readField(field, wire, result, depth);
  }
  return result;
}

function readField(field: FieldFacts, wire: Wire, into: Message, depth: number): void {
  if (field.inline) {
    Object.assign(into, message(typeOf(field.type), wire.bytes(), depth + 1));
  } else if (field.shape === 'single') {
    // Absent stays absent: an empty Time means none.
    const value = single(field.type, wire, depth);
    if (value !== undefined) into[field.name] = value;
  } else if (field.shape === 'list') {
    const list = (into[field.name] ??= []) as unknown[];
    if (wire.wireType === 2 && isNumeric(field.type)) {
      const packed = new Wire(wire.bytes());
      while (packed.more()) list.push(packed.packed(field.type));
    } else list.push(single(field.type, wire, depth));
  } else {
    const map = (into[field.name] ??= emptyMessage()) as Message;
    const entry = new Wire(wire.bytes());
    let key = '';
    let value: unknown;
    while (entry.next()) {
      if (entry.field === 1) key = utf8(entry.bytes());
      else if (entry.field === 2) value = field.shape === 'map' ? single(field.type, entry, depth) : stringList(entry);
      else entry.skip();
    }
    map[key] = value ?? null;
  }
}

/** A list as a map's value is a message of its own: ExtraValue, Verbs … all are lists of strings, number 1. */
function stringList(wire: Wire): string[] {
  const list: string[] = [];
  const items = new Wire(wire.bytes());
  while (items.next()) {
    if (items.field === 1) list.push(utf8(items.bytes()));
    else items.skip();
  }
  return list;
}

function isNumeric(type: string): boolean {
  return type === 'int32' || type === 'int64' || type === 'boolean' || type === 'double';
}

function single(type: string, wire: Wire, depth: number): unknown {
  switch (type) {
    case 'string':
      return utf8(wire.bytes());
    case 'boolean':
      return wire.varint() !== 0n;
    case 'int32':
    case 'int64':
      return wire.integer();
    case 'double':
      return wire.double();
    case 'bytes':
      return base64(wire.bytes());
    case 'Time':
    case 'MicroTime':
      return time(wire.bytes(), type);
    case 'Quantity':
      return firstString(wire.bytes()) || '0';
    case 'IntOrString':
      return intOrString(wire.bytes());
    case 'Duration':
      return duration(wire.bytes());
    case 'RawExtension':
    case 'FieldsV1':
      return rawJson(wire.bytes());
    default:
      return message(typeOf(type), wire.bytes(), depth + 1);
  }
}

/** Timestamp {1 seconds, 2 nanos}; empty bytes are the zero time, which JSON leaves out. */
function time(bytes: Uint8Array, type: 'Time' | 'MicroTime'): string | undefined {
  if (bytes.length === 0) return undefined;
  let seconds = 0;
  let nanos = 0;
  const wire = new Wire(bytes);
  while (wire.next()) {
    if (wire.field === 1) seconds = wire.integer();
    else if (wire.field === 2) nanos = wire.integer();
    else wire.skip();
  }
  if (nanos < 0 || nanos > 999_999_999) throw new ScalarProblem(`a time has ${nanos} nanoseconds`);
  return timeFromUnix(seconds, Math.floor(nanos / 1000), type === 'Time' ? 0 : 6);
}

/** {1 type (0 int, 1 string), 2 intVal, 3 strVal}. */
function intOrString(bytes: Uint8Array): number | string {
  let isString = false;
  let number = 0;
  let text = '';
  const wire = new Wire(bytes);
  while (wire.next()) {
    if (wire.field === 1) isString = wire.integer() === 1;
    else if (wire.field === 2) number = wire.integer();
    else if (wire.field === 3) text = utf8(wire.bytes());
    else wire.skip();
  }
  return isString ? text : number;
}

/** {1 nanoseconds} as Go prints it, in seconds. */
function duration(bytes: Uint8Array): string {
  const wire = new Wire(bytes);
  let nanos = 0;
  while (wire.next()) {
    if (wire.field === 1) nanos = wire.integer();
    else wire.skip();
  }
  return `${nanos / 1e9}s`;
}

/** RawExtension {1 raw}, FieldsV1 {1 raw}: JSON inside protobuf. */
function rawJson(bytes: Uint8Array): unknown {
  const wire = new Wire(bytes);
  let raw = new Uint8Array(0);
  while (wire.next()) {
    if (wire.field === 1) raw = wire.bytes();
    else wire.skip();
  }
  return raw.length === 0 ? undefined : parseStrictJson(raw).value;
}

function firstString(bytes: Uint8Array): string {
  const wire = new Wire(bytes);
  let text = '';
  while (wire.next()) {
    if (wire.field === 1) text = utf8(wire.bytes());
    else wire.skip();
  }
  return text;
}

function utf8(bytes: Uint8Array): string {
  // Go's strings may hold anything; JSON cannot, and neither can the store.
  return new TextDecoder('utf-8').decode(bytes);
}

function base64(bytes: Uint8Array): string {
  return bytes.toBase64();
}
