/**
 * The protobuf form of an OpenAPI v2 document, which kubectl before 1.29 reads: `openapi.v2.Document` of gnostic, whose
 * field numbers stand here. Source: google/gnostic openapiv2/OpenAPIv2.proto.
 */
import type { Json, SwaggerDocument } from './openapi-v2.ts';
import { MessageWriter } from './protobuf-writer.ts';

/** The document in parts, each small enough to be made without holding up others; their bytes in a row are the whole. */
export function* swaggerProtobufParts(document: SwaggerDocument): Generator<Uint8Array> {
  const head = new MessageWriter();
  head.string(1, document.swagger);
  const info = new MessageWriter();
  info.string(1, document.info.title);
  info.string(2, document.info.version);
  head.message(2, info);
  yield head.bytes();
  // Of a message that comes again only the lists grow: so each path and each definition may be written on its own.
  for (const [path, item] of Object.entries(document.paths)) {
    const paths = new MessageWriter();
    paths.message(2, named(path, pathItem(item)));
    yield field(8, paths);
  }
  for (const [name, definition] of Object.entries(document.definitions)) {
    const definitions = new MessageWriter();
    definitions.message(1, named(name, schema(definition)));
    yield field(9, definitions);
  }
  for (const [name, definition] of Object.entries(document.securityDefinitions as Record<string, Json>)) {
    const key = new MessageWriter();
    key.string(1, text(definition['type']));
    key.string(2, text(definition['name']));
    key.string(3, text(definition['in']));
    key.string(4, text(definition['description']));
    const item = new MessageWriter();
    item.message(2, key);
    const definitions = new MessageWriter();
    definitions.message(1, named(name, item));
    yield field(13, definitions);
  }
}

function field(number: number, value: MessageWriter): Uint8Array {
  const writer = new MessageWriter();
  writer.message(number, value);
  return writer.bytes();
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? (value as string[]) : undefined;
}

/** NamedSchema, NamedPathItem and the like: {1 name, 2 value}. */
function named(name: string, value: MessageWriter): MessageWriter {
  const writer = new MessageWriter();
  writer.string(1, name);
  writer.message(2, value);
  return writer;
}

/** Any {2 yaml}; JSON is YAML. */
function any(value: unknown): MessageWriter {
  const writer = new MessageWriter();
  writer.string(2, JSON.stringify(value));
  return writer;
}

function extensions(writer: MessageWriter, number: number, object: Json): void {
  for (const [key, value] of Object.entries(object)) {
    if (key.startsWith('x-')) writer.message(number, named(key, any(value)));
  }
}

const OPERATION_FIELDS: Record<string, number> = {
  get: 2,
  put: 3,
  post: 4,
  delete: 5,
  options: 6,
  head: 7,
  patch: 8,
};

function pathItem(item: Json): MessageWriter {
  const writer = new MessageWriter();
  for (const [method, number] of Object.entries(OPERATION_FIELDS)) {
    const found = item[method] as Json | undefined;
    if (found !== undefined) writer.message(number, operation(found));
  }
  for (const one of (item['parameters'] as Json[] | undefined) ?? []) writer.message(9, parameter(one));
  extensions(writer, 10, item);
  return writer;
}

function operation(from: Json): MessageWriter {
  const writer = new MessageWriter();
  writer.strings(1, texts(from['tags']));
  writer.string(3, text(from['description']));
  writer.string(5, text(from['operationId']));
  writer.strings(6, texts(from['produces']));
  writer.strings(7, texts(from['consumes']));
  for (const one of (from['parameters'] as Json[] | undefined) ?? []) writer.message(8, parameter(one));
  const responses = new MessageWriter();
  for (const [code, found] of Object.entries(from['responses'] as Record<string, Json>)) {
    const response = new MessageWriter();
    response.string(1, text(found['description']));
    if (found['schema'] !== undefined) {
      const item = new MessageWriter();
      item.message(1, schema(found['schema'] as Json));
      response.message(2, item);
    }
    const value = new MessageWriter();
    value.message(1, response);
    responses.message(1, named(code, value));
  }
  writer.message(9, responses);
  writer.strings(10, texts(from['schemes']));
  extensions(writer, 13, from);
  return writer;
}

/** ParametersItem {1 Parameter {1 BodyParameter, 2 NonBodyParameter {3 query, 4 path}}}. */
function parameter(from: Json): MessageWriter {
  const inner = new MessageWriter();
  const outer = new MessageWriter();
  if (from['in'] === 'body') {
    inner.string(1, text(from['description']));
    inner.string(2, text(from['name']));
    inner.string(3, 'body');
    inner.boolean(4, from['required'] === true);
    inner.message(5, schema(from['schema'] as Json));
    outer.message(1, inner);
  } else {
    const isQuery = from['in'] === 'query';
    inner.boolean(1, from['required'] === true);
    inner.string(2, text(from['in']));
    inner.string(3, text(from['description']));
    inner.string(4, text(from['name']));
    // A query parameter may be empty, which has the number 5 and moves all that follows.
    inner.string(isQuery ? 6 : 5, text(from['type']));
    inner.boolean(isQuery ? 20 : 19, from['uniqueItems'] === true);
    const nonBody = new MessageWriter();
    nonBody.message(isQuery ? 3 : 4, inner);
    outer.message(2, nonBody);
  }
  const item = new MessageWriter();
  item.message(1, outer);
  return item;
}

function schema(from: Json): MessageWriter {
  const writer = new MessageWriter();
  writer.string(1, text(from['$ref']));
  writer.string(2, text(from['format']));
  writer.string(3, text(from['title']));
  writer.string(4, text(from['description']));
  if (from['default'] !== undefined) writer.message(5, any(from['default']));
  writer.strings(19, texts(from['required']));
  for (const value of (from['enum'] as unknown[] | undefined) ?? []) writer.message(20, any(value));
  const additional = from['additionalProperties'];
  if (typeof additional === 'object' && additional !== null) {
    const item = new MessageWriter();
    item.message(1, schema(additional as Json));
    writer.message(21, item);
  }
  if (typeof from['type'] === 'string') {
    const item = new MessageWriter();
    item.strings(1, [from['type']]);
    writer.message(22, item);
  }
  if (from['items'] !== undefined) {
    const item = new MessageWriter();
    item.message(1, schema(from['items'] as Json));
    writer.message(23, item);
  }
  const properties = from['properties'] as Record<string, Json> | undefined;
  if (properties !== undefined) {
    const list = new MessageWriter();
    for (const [name, property] of Object.entries(properties)) list.message(1, named(name, schema(property)));
    writer.message(25, list);
  }
  extensions(writer, 31, from);
  return writer;
}
