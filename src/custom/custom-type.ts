/** One version of a custom resource as the rest of the server uses it: decoding, defaults, judgement, cells. */
import { ApiError } from '#src/api/api-error.ts';
import { decodeObject, STRICT_PROBLEMS_MAX, type Decoded, type DecodeOptions } from '#src/api/decode.ts';
import { ageOf } from '#src/api/human-duration.ts';
import type { CustomType } from '#src/api/kinds.ts';
import { schemaOfType, type Schema } from '#src/api/managed-fields/schema.ts';
import { deepCopy } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Cell } from '#src/api/table.ts';
import { Conversion } from './conversion.ts';
import { checkValue } from './check-value.ts';
import type { Definition, DefinitionVersion, PrinterColumn } from './definition.ts';
import { storageVersionOf } from './definition.ts';
import { findAtPath, parseJsonPath, plainPath, type JsonPath } from './json-path.ts';
import { openApiOf } from './openapi.ts';
import { Patterns } from './patterns.ts';
import { fillDefaults, hasDefaults, prune } from './prune.ts';
import { checkRules, compileRules, type RuleTree } from './rules.ts';
import { additionalOf, isRecord, keepsUnknown, type Json, type JsonSchema } from './schema.ts';

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

interface Setup {
  definition: Definition;
  version: DefinitionVersion;
  typeName: string;
}

export function customTypeOf({ definition, version, typeName }: Setup): CustomType {
  const { spec } = definition;
  const schema = version.schema?.openAPIV3Schema ?? {};
  const apiVersion = `${spec.group}/${version.name}`;
  const storedVersion = `${spec.group}/${storageVersionOf(definition)}`;
  const patterns = new Patterns();
  const { strategy, webhook } = spec.conversion ?? {};
  const conversion =
    strategy === 'Webhook' && webhook !== undefined
      ? new Conversion({ webhook, apiVersion, storedVersion })
      : undefined;
  const columns = columnsOf(version.additionalPrinterColumns);
  const scale = version.subresources?.scale;
  const warning = version.deprecationWarning ?? `${apiVersion} ${spec.names.kind} is deprecated`;
  // Compiled when first needed: most kinds are read far more often than written.
  let rules: { node: RuleTree | undefined } | undefined;
  return {
    readsStored: spec.versions.length === 1 && (definition.metadata.generation ?? 1) === 1 && !hasDefaults(schema),
    terminating: definition.metadata.deletionTimestamp !== undefined,
    warnings: version.deprecated === true ? [warning] : [],
    scale:
      scale === undefined
        ? undefined
        : {
            specReplicas: plainPath(scale.specReplicasPath) ?? [],
            statusReplicas: plainPath(scale.statusReplicasPath) ?? [],
            labelSelector: scale.labelSelectorPath === undefined ? undefined : plainPath(scale.labelSelectorPath),
          },
    conversion,
    managedSchema: managedSchemaOf(schema, true),
    decode: (value, options) => decode(value, options, schema),
    applyDefaults: (object) => fillDefaults(object, schema),
    fromStored(stored) {
      const object = conversion === undefined ? { ...stored, apiVersion } : deepCopy(conversion.of(stored));
      prune(object, schema);
      fillDefaults(object, schema);
      return object;
    },
    // A webhook can only be asked later: what it has to convert is left as it is.
    toStored: (object) => (conversion === undefined ? { ...object, apiVersion: storedVersion } : object),
    validate(causes, object, current) {
      checkValue({ causes, patterns }, schema, object, current);
      // Rules count on the types that the schema promises them.
      if (causes.list.length > 0) return;
      rules ??= compileRules(schema);
      if (rules.node !== undefined) checkRules(causes, rules.node, object, current);
    },
    cells: (object, nowMs) => [object.metadata?.name ?? '', ...columns.map((column) => column(object, nowMs))],
    openApi: () => openApiOf(schema, { typeName, group: spec.group, version: version.name, names: spec.names }),
  } satisfies CustomType;
}

function decode(value: unknown, options: DecodeOptions, schema: JsonSchema): Decoded {
  if (!isRecord(value)) throw new ApiError(400, 'BadRequest', 'the object provided is unrecognized: it is no object');
  const { apiVersion, kind, metadata, ...rest } = value;
  const given = metadata ?? {};
  const meta = decodeObject(given, OBJECT_META, { ...options, fieldValidation: 'Warn', duplicates: [] });
  // A copy: what is patched may share parts with what it was.
  const object = { __proto__: null, apiVersion, kind, metadata: meta.object, ...deepCopy(rest) } as unknown as Json;
  const unknown = prune(object, schema).map((path) => `unknown field "${path}"`);
  const inMeta = meta.warnings.map((text) => text.replace('unknown field "', 'unknown field "metadata.'));
  const duplicates = (options.duplicates ?? []).map((path) => `duplicate field "${path}"`);
  const problems = [...duplicates, ...inMeta, ...unknown].slice(0, STRICT_PROBLEMS_MAX);
  if (options.fieldValidation === 'Ignore' || problems.length === 0) return { object, warnings: [] };
  if (options.fieldValidation === 'Warn') return { object, warnings: problems };
  const version = String(apiVersion).split('/').at(-1);
  const text = `${String(kind)} in version "${version}" cannot be handled as a ${String(kind)}: strict decoding error: ${problems.join(', ')}`;
  throw new ApiError(400, 'BadRequest', text);
}

/** How server-side apply takes a value apart. */
function managedSchemaOf(schema: JsonSchema, isRoot = false): Schema {
  if (isRoot) {
    const fields = memberSchemas(schema);
    fields.set('metadata', schemaOfType(OBJECT_META));
    return {
      shape: 'members',
      fields,
      rest: keepsUnknown(schema) ? UNTYPED : undefined,
      always: new Set(['metadata']),
    };
  }
  if (schema['x-kubernetes-map-type'] === 'atomic') return { shape: 'leaf' };
  if (schema.type === 'array' || schema.items !== undefined) return listSchemaOf(schema);
  const rest = additionalOf(schema);
  if (schema.properties === undefined && rest !== undefined && rest !== true) {
    return { shape: 'map', element: managedSchemaOf(rest) };
  }
  if (schema.properties === undefined && !keepsUnknown(schema) && rest === undefined) return { shape: 'leaf' };
  const unnamed = keepsUnknown(schema) || rest === true ? UNTYPED : undefined;
  return { shape: 'members', fields: memberSchemas(schema), rest: unnamed, always: new Set() };
}

/** Of what no schema speaks objects are taken apart, lists are not. */
const UNTYPED: Schema = { shape: 'untyped' };

function memberSchemas(schema: JsonSchema): Map<string, Schema> {
  return new Map(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, managedSchemaOf(property)] as const),
  );
}

function listSchemaOf(schema: JsonSchema): Schema {
  const { items = {} } = schema;
  if (schema['x-kubernetes-list-type'] === 'set') return { shape: 'set' };
  if (schema['x-kubernetes-list-type'] !== 'map') return { shape: 'leaf' };
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const defaults = Object.fromEntries(
    keys.flatMap((key) => {
      const value = items.properties?.[key]?.default;
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
  return { shape: 'list', keys, defaults, element: managedSchemaOf(items) };
}

/** Without columns of its own a kind shows its age. */
const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

export function printerColumns(columns: readonly PrinterColumn[] | undefined): readonly PrinterColumn[] {
  return columns === undefined || columns.length === 0 ? [AGE] : columns;
}

function columnsOf(given: readonly PrinterColumn[] | undefined): ((object: KubeObject, nowMs: number) => Cell)[] {
  return printerColumns(given).map((column) => {
    const path = parseJsonPath(column.jsonPath);
    return (object, nowMs) => (path === undefined ? null : cellOf(column.type, path, object, nowMs));
  });
}

/** Characters of a cell made of an object or a list. */
const CELL_LENGTH_MAX = 1024;

function cellOf(type: string, path: JsonPath, object: KubeObject, nowMs: number): Cell {
  const [value] = findAtPath(object, path);
  if (value === undefined || value === null) return null;
  if (type === 'date') return typeof value === 'string' ? ageOf(value, nowMs) : '<invalid>';
  if (type === 'integer') return typeof value === 'number' ? Math.trunc(value) : null;
  if (type === 'number') return typeof value === 'number' ? value : null;
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  return typeof value === 'string' ? value : JSON.stringify(value).slice(0, CELL_LENGTH_MAX);
}
