/** Component schemas of an OpenAPI v3 document, from the type table. */
import { findType, typeOf, type FieldFacts, type TypeFacts } from './facts/facts.ts';
import { KINDS, splitApiVersion, typeNameOf, type Kind } from './kinds.ts';
import type { Describe } from './openapi.ts';

type Schema = Record<string, unknown>;

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const RAW_EXTENSION = 'io.k8s.apimachinery.pkg.runtime.RawExtension';

/** Leaves that are components of their own, as in Kubernetes' documents. */
const NAMED_SCALARS: Record<string, { name: string; schema: Schema }> = {
  Quantity: { name: QUANTITY, schema: { oneOf: [{ type: 'string' }, { type: 'number' }] } },
  IntOrString: {
    name: INT_OR_STRING,
    schema: { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' },
  },
  Time: { name: `${META}.Time`, schema: { type: 'string', format: 'date-time' } },
  MicroTime: { name: `${META}.MicroTime`, schema: { type: 'string', format: 'date-time' } },
  Duration: { name: `${META}.Duration`, schema: { type: 'string' } },
  RawExtension: { name: RAW_EXTENSION, schema: { type: 'object' } },
  FieldsV1: { name: `${META}.FieldsV1`, schema: { type: 'object' } },
};

const SCALARS: Record<string, Schema> = {
  string: { type: 'string' },
  bytes: { type: 'string', format: 'byte' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
};

/** Everything the kinds, their lists and subresources are made of, by full name, sorted. */
export function schemasOf(kinds: readonly Kind[], describe: Describe): Record<string, Schema> {
  const schemas: Record<string, Schema> = {};
  for (const kind of kinds) Object.assign(schemas, kind.custom?.openApi());
  const queue = kinds.flatMap((kind) => [
    ...(kind.custom === undefined
      ? [kind.typeName, ...(kind.verbs.includes('list') ? [`${kind.typeName}List`] : [])]
      : [`${META}.ObjectMeta`, `${META}.ListMeta`]),
    ...kind.subresources.flatMap((subresource) => subresource.typeName ?? []),
  ]);
  queue.push(`${META}.Status`, `${META}.DeleteOptions`, `${META}.Patch`);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (schemas[name] !== undefined) continue;
    const scalar = Object.values(NAMED_SCALARS).find((candidate) => candidate.name === name);
    if (scalar !== undefined) schemas[name] = described(scalar.schema, describe(name, ''));
    else if (name === `${META}.Patch`) schemas[name] = { type: 'object', description: 'A change to an object.' };
    else {
      const type = typeOf(name);
      schemas[name] = structSchema(type, describe);
      queue.push(...type.fields.map((field) => componentName(field.type)).filter((used) => used !== undefined));
    }
  }
  return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function described(schema: Schema, description: string | undefined): Schema {
  return description === undefined ? schema : { description, ...schema };
}

/** The component that a type is described in; undefined for plain leaves. */
function componentName(type: string): string | undefined {
  return NAMED_SCALARS[type]?.name ?? (findType(type) === undefined ? undefined : type);
}

function structSchema(type: TypeFacts, describe: Describe): Schema {
  const properties: Record<string, Schema> = {};
  for (const field of [...type.fields].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    properties[field.name] = fieldSchema(field, describe(type.name, field.name));
  }
  const required = type.fields.filter((field) => field.required).map((field) => field.name);
  const schema: Schema = { type: 'object', properties };
  if (required.length > 0) schema['required'] = required;
  const kinds = groupVersionKinds(type.name);
  if (kinds.length > 0) schema['x-kubernetes-group-version-kind'] = kinds;
  return described(schema, describe(type.name, ''));
}

/** Which kinds a type is; DeleteOptions and Status are one in every group. */
function groupVersionKinds(typeName: string): Schema[] {
  const kind = typeName.slice(typeName.lastIndexOf('.') + 1);
  const found: Schema[] = [];
  for (const apiVersion of new Set(KINDS.map((served) => served.apiVersion))) {
    if (typeNameOf(apiVersion, kind) === typeName) found.push({ ...splitApiVersion(apiVersion), kind });
  }
  return found;
}

function fieldSchema(field: FieldFacts, description: string | undefined): Schema {
  const extensions: Schema = {};
  if (field.listType !== undefined) extensions['x-kubernetes-list-type'] = field.listType;
  if (field.mapKeys.length > 0) extensions['x-kubernetes-list-map-keys'] = field.mapKeys;
  if (field.mapType !== undefined) extensions['x-kubernetes-map-type'] = field.mapType;
  if (field.mergeKey !== undefined) extensions['x-kubernetes-patch-merge-key'] = field.mergeKey;
  if (field.patchStrategy !== undefined) extensions['x-kubernetes-patch-strategy'] = field.patchStrategy;
  const schema = { ...shapeSchema(field), ...extensions };
  return described(schema, description);
}

function shapeSchema(field: FieldFacts): Schema {
  if (field.shape === 'single') return valueSchema(field, false);
  if (field.shape === 'list') return { type: 'array', items: valueSchema(field, true) };
  const value = valueSchema(field, true);
  const additionalProperties = field.shape === 'map' ? value : { type: 'array', items: value };
  return { type: 'object', additionalProperties };
}

function valueSchema(field: FieldFacts, isItem: boolean): Schema {
  const component = componentName(field.type);
  const fallback = defaultOf(field, isItem);
  if (component !== undefined) {
    // A reference beside other keywords must be wrapped, in OpenAPI 3.0.
    return { allOf: [{ $ref: `#/components/schemas/${component}` }], ...fallback };
  }
  const schema: Schema = { ...SCALARS[field.type], ...fallback };
  if (field.enum !== undefined) schema['enum'] = field.enum;
  return schema;
}

/** As Kubernetes publishes it: plain values that are always written have their zero value as default. */
function defaultOf(field: FieldFacts, isItem: boolean): Schema {
  if (field.default !== undefined) return { default: field.default };
  if (!isItem && (field.omitEmpty || field.pointer)) return {};
  if (field.type === 'string') return { default: '' };
  if (field.type === 'boolean') return { default: false };
  if (field.type === 'int32' || field.type === 'int64') return { default: 0 };
  // A struct that is a field may be a pointer in Go, which has no default; an item never is.
  return isItem && findType(field.type) !== undefined ? { default: {} } : {};
}
