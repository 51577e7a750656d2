/** Structural schemas (KEP-1693 and its successors): what a schema may say, and where. */
import { deepCopy } from '#src/api/metadata.ts';
import { Causes } from '#src/api/validation/causes.ts';
import { tryRegexp } from '#src/std/re2.ts';
import { checkValue } from './check-value.ts';
import { Patterns } from './patterns.ts';
import { prune } from './prune.ts';
import { compileRules } from './rules.ts';
import { isEmbedded, isRecord, keepsUnknown, type JsonSchema } from './schema.ts';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
/** Levels of nesting; deeper schemas are refused. */
const DEPTH_MAX = 64;

interface Here {
  causes: Causes;
  path: string;
  depth: number;
  isRoot: boolean;
  /** Below allOf, anyOf, oneOf or not: only judgements, no structure. */
  isValue: boolean;
}

export function checkSchema(causes: Causes, schema: JsonSchema, path: string): void {
  checkAt({ causes, path, depth: 0, isRoot: true, isValue: false }, schema);
  if (schema.type !== 'object') {
    if (schema.type === undefined) causes.required(`${path}.type`, 'must not be empty at the root');
    else causes.invalid(`${path}.type`, schema.type, 'must be object at the root');
  }
  for (const problem of compileRules(schema).problems) {
    causes.invalid(`${path}${problem.path}`, problem.value, problem.message);
  }
}

function checkAt(here: Here, schema: JsonSchema): void {
  const { causes, path } = here;
  if (here.depth > DEPTH_MAX) {
    causes.invalid(path, '', `the schema is nested more than ${DEPTH_MAX} levels deep`);
    return;
  }
  if (here.isValue) checkJudgement(here, schema);
  else checkStructure(here, schema);
  checkLimits(here, schema);
  const inside = { ...here, depth: here.depth + 1, isRoot: false };
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (here.isRoot && name === 'metadata') checkMetadata(inside, property);
    else checkAt({ ...inside, path: `${path}.properties[${name}]` }, property);
  }
  if (schema.items !== undefined) checkAt({ ...inside, path: `${path}.items` }, schema.items);
  if (isRecord(schema.additionalProperties)) {
    checkAt({ ...inside, path: `${path}.additionalProperties` }, schema.additionalProperties);
  }
  const judged = { ...inside, isValue: true };
  for (const word of ['allOf', 'anyOf', 'oneOf'] as const) {
    (schema[word] ?? []).forEach((part, i) => checkAt({ ...judged, path: `${path}.${word}[${i}]` }, part));
  }
  if (schema.not !== undefined) checkAt({ ...judged, path: `${path}.not` }, schema.not);
}

function checkMetadata({ causes, path }: Here, schema: JsonSchema): void {
  if (schema.type !== undefined && schema.type !== 'object') {
    causes.invalid(`${path}.properties[metadata].type`, schema.type, 'must be object');
  }
  for (const name of Object.keys(schema.properties ?? {})) {
    if (name === 'name' || name === 'generateName') continue;
    causes.forbidden(
      `${path}.properties[metadata]`,
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
    return;
  }
}

function checkStructure(here: Here, schema: JsonSchema): void {
  const { causes, path } = here;
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  if (intOrString && schema.type !== undefined) {
    causes.forbidden(`${path}.type`, 'must be empty if x-kubernetes-int-or-string is true');
  } else if (schema.type !== undefined) causes.oneOf(`${path}.type`, schema.type, TYPES);
  else if (!intOrString && !keepsUnknown(schema) && !here.isRoot) {
    causes.required(`${path}.type`, 'must not be empty for specified object fields');
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    causes.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined');
  }
  if (isEmbedded(schema) && schema.type !== 'object') {
    causes.invalid(`${path}.type`, schema.type ?? '', 'must be object if x-kubernetes-embedded-resource is true');
  }
  if (isEmbedded(schema) && schema.properties === undefined && !keepsUnknown(schema)) {
    causes.required(
      `${path}.properties`,
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
    );
  }
  if (schema.type === 'array' && schema.items === undefined) {
    causes.required(`${path}.items`, 'must be specified');
  }
  if (schema.properties !== undefined && schema.additionalProperties !== undefined) {
    causes.forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive');
  }
  if (schema.additionalProperties === false) {
    causes.forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false');
  }
  checkLists(here, schema);
  checkDefault(here, schema);
}

function checkLists({ causes, path }: Here, schema: JsonSchema): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  causes.oneOf(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'map', 'set']);
  causes.oneOf(`${path}.x-kubernetes-map-type`, schema['x-kubernetes-map-type'], ['atomic', 'granular']);
  if (listType !== undefined && schema.type !== 'array') {
    causes.invalid(`${path}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified');
  }
  if (listType !== 'map') {
    if (keys.length > 0) {
      causes.invalid(
        `${path}.x-kubernetes-list-type`,
        listType ?? '',
        'must be map if x-kubernetes-list-map-keys is non-empty',
      );
    }
    return;
  }
  if (keys.length === 0) {
    causes.required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map');
  }
  const { items } = schema;
  if (items !== undefined && items.type !== 'object') {
    causes.invalid(
      `${path}.items.type`,
      items.type ?? '',
      "must be object if parent array's x-kubernetes-list-type is map",
    );
  }
  for (const key of keys) {
    const property = items?.properties?.[key];
    const at = `${path}.items.properties[${key}]`;
    if (property === undefined) {
      causes.invalid(`${path}.x-kubernetes-list-map-keys`, key, 'entries must all be names of item properties');
    } else if (property.default === undefined && !(items?.required ?? []).includes(key)) {
      causes.required(
        `${at}.default`,
        'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
      );
    }
  }
}

function checkDefault({ causes, path }: Here, schema: JsonSchema): void {
  if (schema.default === undefined) return;
  const value = deepCopy(schema.default);
  const found = new Causes();
  checkValue(
    { causes: found, patterns: new Patterns(), path: `${path}.default` },
    { ...schema, nullable: schema.nullable === true },
    value,
    undefined,
  );
  for (const { message, field } of found.list) {
    causes.invalid(field ?? path, schema.default, message.replace(/^Invalid value: .*?: /, ''));
  }
  const unknown = prune(value, schema);
  if (unknown.length > 0) {
    causes.invalid(`${path}.default`, schema.default, `must be pruned: unknown field ${unknown[0]}`);
  }
}

/** Keywords that give structure do not belong into judgements. */
function checkJudgement({ causes, path }: Here, schema: JsonSchema): void {
  const words = [
    'additionalProperties',
    'default',
    'nullable',
    'description',
    'title',
    'type',
    'x-kubernetes-preserve-unknown-fields',
    'x-kubernetes-embedded-resource',
    'x-kubernetes-int-or-string',
    'x-kubernetes-list-type',
    'x-kubernetes-list-map-keys',
    'x-kubernetes-map-type',
    'x-kubernetes-validations',
  ] as const;
  for (const word of words) {
    if (schema[word] === undefined) continue;
    // anyOf: [{type: integer}, {type: string}] is how int-or-string is spelled out.
    if (word === 'type' && ['integer', 'string'].includes(schema.type ?? '')) continue;
    causes.forbidden(`${path}.${word}`, 'must be undefined to be structural');
  }
}

function checkLimits({ causes, path }: Here, schema: JsonSchema): void {
  if (schema.uniqueItems === true) {
    causes.forbidden(
      `${path}.uniqueItems`,
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  }
  if (schema.pattern !== undefined && tryRegexp(schema.pattern) === undefined) {
    causes.invalid(`${path}.pattern`, schema.pattern, 'must be a valid regular expression');
  }
  const raw = schema as Record<string, unknown>;
  for (const word of ['$ref', 'definitions', 'dependencies', 'patternProperties', 'additionalItems', 'id']) {
    if (raw[word] !== undefined) causes.forbidden(`${path}.${word}`, `${word} is not supported`);
  }
}
