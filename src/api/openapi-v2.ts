/**
 * OpenAPI v2 (Swagger 2.0) from the v3 documents: one document for all groups. kubectl before 1.29 and generators of
 * clients read it. Read next: openapi-protobuf.ts (its protobuf form).
 */

export type Json = Record<string, unknown>;

export interface SwaggerDocument {
  swagger: '2.0';
  info: { title: string; version: string };
  paths: Record<string, Json>;
  definitions: Record<string, Json>;
  securityDefinitions: Json;
}

const JSON_TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

export function emptySwagger(): SwaggerDocument {
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: 'v1.36.3' },
    paths: {},
    definitions: {},
    securityDefinitions: {
      BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
    },
  };
}

/** Adds what a v3 document says; types that several groups use are the same in all of them. */
export function addToSwagger(swagger: SwaggerDocument, v3: Json): void {
  for (const [path, item] of Object.entries(v3['paths'] as Record<string, Json>)) {
    swagger.paths[path] = pathItemOf(item);
  }
  const { schemas } = v3['components'] as { schemas: Record<string, Json> };
  for (const [name, schema] of Object.entries(schemas)) swagger.definitions[name] ??= schemaOf(schema);
}

function pathItemOf(item: Json): Json {
  const result: Json = {};
  for (const [key, value] of Object.entries(item)) {
    if (key === 'parameters') result[key] = (value as Json[]).map(parameterOf);
    else if (METHODS.includes(key)) result[key] = operationOf(value as Json);
    else result[key] = value;
  }
  return result;
}

/** The schema of a parameter is written beside its name. */
function parameterOf(parameter: Json): Json {
  const { schema, ...rest } = parameter;
  return { ...(schema as Json), ...rest };
}

function operationOf(operation: Json): Json {
  const { requestBody, parameters, responses, ...rest } = operation;
  const body = requestBody as { content: Record<string, { schema: Json }>; required?: boolean } | undefined;
  const types = Object.keys(body?.content ?? {});
  const [first] = Object.values(body?.content ?? {});
  const all = (parameters as Json[] | undefined)?.map(parameterOf) ?? [];
  if (first !== undefined) {
    const required = body?.required === true ? { required: true } : {};
    all.unshift({ name: 'body', in: 'body', ...required, schema: schemaOf(first.schema) });
  }
  return {
    ...rest,
    consumes: types.length === 0 || types.includes('*/*') ? ['*/*'] : types,
    produces: JSON_TYPES,
    schemes: ['https'],
    ...(all.length === 0 ? {} : { parameters: all }),
    responses: Object.fromEntries(
      Object.entries(responses as Record<string, Json>).map(([code, response]) => [code, responseOf(response)]),
    ),
  };
}

function responseOf(response: Json): Json {
  const content = response['content'] as Record<string, { schema: Json }> | undefined;
  const [first] = Object.values(content ?? {});
  return {
    description: response['description'],
    ...(first === undefined ? {} : { schema: schemaOf(first.schema) }),
  };
}

/** A reference stands by itself in v2, and what is a number or text is text. */
export function schemaOf(schema: Json): Json {
  const { allOf, oneOf, ...rest } = schema;
  if (Array.isArray(allOf)) {
    const [{ $ref: reference }] = allOf as [{ $ref: string }];
    const { default: _default, ...described } = rest;
    return { ...described, $ref: definitionOf(reference) };
  }
  const result: Json = oneOf === undefined ? { ...rest } : { ...rest, type: 'string' };
  for (const key of ['items', 'additionalProperties'] as const) {
    const inner = result[key];
    if (typeof inner === 'object' && inner !== null) result[key] = schemaOf(inner as Json);
  }
  const properties = result['properties'] as Record<string, Json> | undefined;
  if (properties !== undefined) {
    result['properties'] = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, schemaOf(property)]),
    );
  }
  if (typeof result['$ref'] === 'string') result['$ref'] = definitionOf(result['$ref']);
  return result;
}

function definitionOf(reference: string): string {
  return reference.replace('#/components/schemas/', '#/definitions/');
}
