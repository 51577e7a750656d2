/** What CEL knows of a value from its schema (apiserver pkg/cel/common/schemas.go 1.36). */
import type { CelType, ObjectType } from '#src/cel/cel.ts';
import { additionalOf, isEmbedded, keepsUnknown, OBJECT_FIELDS, type JsonSchema } from './schema.ts';

/** Words of the language that cannot name a field. */
const KEYWORDS: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** The name of a property in expressions; undefined for one that cannot be named. */
export function celName(property: string): string | undefined {
  if (KEYWORDS.has(property)) return `__${property}__`;
  const escaped = property
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}

const METADATA: ObjectType = {
  typeName: 'object',
  fields: new Map([
    ['name', { type: 'string', property: 'name' }],
    ['generateName', { type: 'string', property: 'generateName' }],
  ]),
};

/** undefined for a part that expressions may not look into. */
export function celTypeOf(schema: JsonSchema, isObject = false): CelType | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) return 'dyn';
  switch (schema.type) {
    case 'array': {
      const items = schema.items === undefined ? undefined : celTypeOf(schema.items);
      return items === undefined ? undefined : { list: items };
    }
    case 'object':
      return objectTypeOf(schema, isObject || isEmbedded(schema));
    case 'boolean':
      return 'bool';
    case 'integer':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return stringTypeOf(schema.format);
    default:
      return undefined;
  }
}

function stringTypeOf(format: string | undefined): CelType {
  if (format === 'byte') return 'bytes';
  if (format === 'duration') return 'google.protobuf.Duration';
  return format === 'date' || format === 'date-time' ? 'google.protobuf.Timestamp' : 'string';
}

function objectTypeOf(schema: JsonSchema, isObject: boolean): CelType | undefined {
  const rest = additionalOf(schema);
  if (rest !== undefined && schema.properties === undefined) {
    const values = rest === true ? 'dyn' : celTypeOf(rest);
    return values === undefined ? undefined : { map: ['string', values] };
  }
  if (keepsUnknown(schema) && schema.properties === undefined && !isObject) return undefined;
  const fields = new Map<string, { type: CelType; property: string }>();
  for (const [property, part] of Object.entries(schema.properties ?? {})) {
    const name = celName(property);
    const type = isObject && OBJECT_FIELDS.has(property) ? undefined : celTypeOf(part);
    if (name !== undefined && type !== undefined) fields.set(name, { type, property });
  }
  if (isObject) {
    fields.set('apiVersion', { type: 'string', property: 'apiVersion' });
    fields.set('kind', { type: 'string', property: 'kind' });
    fields.set('metadata', { type: METADATA, property: 'metadata' });
  }
  return { typeName: 'object', fields };
}
