/** The schema of a custom resource as OpenAPI v3 publishes it: with the fields that all objects have. */
import type { DefinitionNames } from './definition.ts';
import { isEmbedded, type JsonSchema } from './schema.ts';

const META = '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1';
const API_VERSION_TEXT = 'The versioned schema that this representation of the object follows.';
const KIND_TEXT = 'The REST resource that this object represents, in CamelCase. Cannot be changed.';

interface Identity {
  typeName: string;
  group: string;
  version: string;
  names: DefinitionNames;
}

/** By component name: the kind and its list. */
export function openApiOf(schema: JsonSchema, identity: Identity): Record<string, Record<string, unknown>> {
  const { group, version, names, typeName } = identity;
  const typed = {
    apiVersion: { type: 'string', description: API_VERSION_TEXT },
    kind: { type: 'string', description: KIND_TEXT },
  };
  const root = published(schema);
  const properties = {
    ...(root['properties'] as Record<string, unknown> | undefined),
    ...typed,
    metadata: { description: 'Standard object metadata.', allOf: [{ $ref: `${META}.ObjectMeta` }] },
  };
  const kindOf = (kind: string) => [{ group, version, kind }];
  const listKind = names.listKind ?? `${names.kind}List`;
  return {
    [typeName]: { ...root, type: 'object', properties, 'x-kubernetes-group-version-kind': kindOf(names.kind) },
    [`${typeName}List`]: {
      description: `${listKind} is a list of ${names.kind}`,
      type: 'object',
      required: ['items'],
      properties: {
        ...typed,
        items: { type: 'array', items: { $ref: `#/components/schemas/${typeName}` } },
        metadata: { description: 'Standard list metadata.', allOf: [{ $ref: `${META}.ListMeta` }] },
      },
      'x-kubernetes-group-version-kind': kindOf(listKind),
    },
  };
}

function published(schema: JsonSchema): Record<string, unknown> {
  const result: Record<string, unknown> = { ...schema };
  if (schema.properties !== undefined) {
    result['properties'] = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => [name, published(property)]),
    );
  }
  if (schema.items !== undefined) result['items'] = published(schema.items);
  if (typeof schema.additionalProperties === 'object') {
    result['additionalProperties'] = published(schema.additionalProperties);
  }
  if (isEmbedded(schema)) {
    result['properties'] = {
      ...(result['properties'] as Record<string, unknown> | undefined),
      metadata: { allOf: [{ $ref: `${META}.ObjectMeta` }] },
    };
  }
  return result;
}
