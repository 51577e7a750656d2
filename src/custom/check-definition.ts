/** What a definition may not be, in Kubernetes' words (apiextensions validation.go 1.36). */
import { deepEqual } from '#src/api/metadata.ts';
import { isDns1035Label, isDns1123Subdomain } from '#src/api/names.ts';
import type { Causes } from '#src/api/validation/causes.ts';
import { checkSchema } from './check-schema.ts';
import { isEstablished, type Definition, type DefinitionVersion } from './definition.ts';
import { parseJsonPath, plainPath } from './json-path.ts';
import type { JsonSchema } from './schema.ts';

const SCOPES = ['Cluster', 'Namespaced'];
const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];
const SELECTABLE_FIELDS_MAX = 8;

export function checkDefinition(causes: Causes, definition: Definition): void {
  const { spec, metadata } = definition;
  if (metadata.name !== `${spec.names.plural}.${spec.group}`) {
    causes.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group');
  }
  checkGroup(causes, spec.group);
  if ((spec.scope ?? '') === '') causes.required('spec.scope');
  else causes.oneOf('spec.scope', spec.scope, SCOPES);
  if (spec.preserveUnknownFields === true) {
    causes.invalid(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    );
  }
  checkNames(causes, definition);
  checkVersions(causes, definition);
  checkConversion(causes, definition);
  for (const [i, version] of (definition.status?.storedVersions ?? []).entries()) {
    if (!spec.versions.some(({ name }) => name === version)) {
      causes.invalid(`status.storedVersions[${i}]`, version, 'must appear in spec.versions');
    }
  }
}

export function checkDefinitionUpdate(causes: Causes, updated: Definition, current: Definition): void {
  const fixed = (field: string, a: unknown, b: unknown): void => {
    if (!deepEqual(a, b)) causes.immutable(field, a);
  };
  fixed('spec.group', updated.spec.group, current.spec.group);
  fixed('spec.names.plural', updated.spec.names.plural, current.spec.names.plural);
  if (!isEstablished(current)) return;
  fixed('spec.scope', updated.spec.scope, current.spec.scope);
  fixed('spec.names.kind', updated.spec.names.kind, current.spec.names.kind);
}

function checkGroup(causes: Causes, group: string): void {
  if (group === '') causes.required('spec.group');
  else {
    causes.invalidEach('spec.group', group, isDns1123Subdomain(group));
    if (!group.includes('.')) causes.invalid('spec.group', group, 'should be a domain with at least one dot');
  }
}

function checkNames(causes: Causes, { spec: { names } }: Definition): void {
  const label = (field: string, value: string | undefined): void => {
    const wrong = isDns1035Label((value ?? '').toLowerCase());
    causes.invalidEach(`spec.names.${field}`, value, wrong);
  };
  if (names.plural === '') causes.required('spec.names.plural');
  else causes.invalidEach('spec.names.plural', names.plural, isDns1035Label(names.plural));
  if ((names.singular ?? '') !== '') {
    causes.invalidEach('spec.names.singular', names.singular, isDns1035Label(names.singular ?? ''));
  }
  if (names.kind === '') causes.required('spec.names.kind');
  else label('kind', names.kind);
  if ((names.listKind ?? '') !== '') label('listKind', names.listKind);
  if (names.kind !== '' && names.kind === names.listKind) {
    causes.invalid('spec.names.listKind', names.listKind, 'kind and listKind may not be the same');
  }
  (names.shortNames ?? []).forEach((name, i) => {
    causes.invalidEach(`spec.names.shortNames[${i}]`, name, isDns1035Label(name));
  });
  (names.categories ?? []).forEach((name, i) => {
    causes.invalidEach(`spec.names.categories[${i}]`, name, isDns1035Label(name));
  });
}

function checkVersions(causes: Causes, { spec }: Definition): void {
  const { versions } = spec;
  if (versions.length === 0) {
    causes.required('spec.versions', 'must have at least one version');
    return;
  }
  const storing = versions.filter((version) => version.storage).length;
  const names = versions.map(({ name }) => name);
  if (storing !== 1) causes.invalid('spec.versions', names, 'must have exactly one version marked as storage version');
  if (new Set(names).size !== names.length) {
    causes.invalid('spec.versions', names, 'must contain unique version names');
  }
  versions.forEach((version, i) => checkVersion(causes, version, `spec.versions[${i}]`));
}

function checkVersion(causes: Causes, version: DefinitionVersion, path: string): void {
  causes.invalidEach(`${path}.name`, version.name, isDns1035Label(version.name));
  if (version.deprecationWarning !== undefined && version.deprecated !== true) {
    causes.invalid(`${path}.deprecationWarning`, version.deprecationWarning, 'can only be set for deprecated versions');
  }
  const schema = version.schema?.openAPIV3Schema;
  const schemaPath = `${path}.schema.openAPIV3Schema`;
  if (schema === undefined) causes.required(schemaPath, 'schemas are required');
  else checkSchema(causes, schema, schemaPath);
  checkColumns(causes, version, path);
  checkScale(causes, version, path);
  checkSelectable(causes, version, path);
}

function checkColumns(causes: Causes, version: DefinitionVersion, path: string): void {
  (version.additionalPrinterColumns ?? []).forEach((column, i) => {
    const at = `${path}.additionalPrinterColumns[${i}]`;
    if (column.name === '') causes.required(`${at}.name`);
    if (column.type === '') causes.required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`);
    else causes.oneOf(`${at}.type`, column.type, COLUMN_TYPES);
    if (column.jsonPath === '') causes.required(`${at}.jsonPath`);
    else if (parseJsonPath(column.jsonPath) === undefined || !/^[.[{$]/.test(column.jsonPath)) {
      causes.invalid(`${at}.jsonPath`, column.jsonPath, 'is invalid: not a JSONPath that can be read');
    }
  });
}

function checkScale(causes: Causes, version: DefinitionVersion, path: string): void {
  const scale = version.subresources?.scale;
  if (scale === undefined) return;
  const at = `${path}.subresources.scale`;
  const check = (field: string, text: string | undefined, roots: readonly string[], isNeeded: boolean): void => {
    if ((text ?? '') === '') {
      if (isNeeded) causes.required(`${at}.${field}`);
      return;
    }
    const [root, ...rest] = plainPath(text ?? '') ?? [];
    if (root === undefined || rest.length === 0 || !roots.includes(root)) {
      const wanted = roots.map((name) => `.${name}`).join(' or ');
      causes.invalid(`${at}.${field}`, text, `should be a json path under ${wanted}`);
    }
  };
  check('specReplicasPath', scale.specReplicasPath, ['spec'], true);
  check('statusReplicasPath', scale.statusReplicasPath, ['status'], true);
  check('labelSelectorPath', scale.labelSelectorPath, ['status', 'spec'], false);
}

function checkSelectable(causes: Causes, version: DefinitionVersion, path: string): void {
  const fields = version.selectableFields ?? [];
  if (fields.length > SELECTABLE_FIELDS_MAX) {
    causes.tooMany(`${path}.selectableFields`, fields.length, SELECTABLE_FIELDS_MAX);
  }
  fields.forEach(({ jsonPath }, i) => {
    const at = `${path}.selectableFields[${i}].jsonPath`;
    if (jsonPath === '') {
      causes.required(at);
      return;
    }
    const names = plainPath(jsonPath);
    let schema: JsonSchema | undefined = version.schema?.openAPIV3Schema;
    for (const name of names ?? []) schema = schema?.properties?.[name];
    if (names === undefined || names[0] === 'metadata') causes.invalid(at, jsonPath, 'is an invalid path');
    else if (schema === undefined) causes.invalid(at, jsonPath, 'is an invalid path: does not refer to a valid field');
    else if (!['string', 'boolean', 'integer'].includes(schema.type ?? '')) {
      causes.invalid(at, jsonPath, 'must point to a field of type string, boolean or integer');
    }
    if (fields.findIndex((other) => other.jsonPath === jsonPath) < i) causes.duplicate(at, jsonPath);
  });
}

function checkConversion(causes: Causes, { spec }: Definition): void {
  const { conversion } = spec;
  if (conversion === undefined) return;
  const path = 'spec.conversion';
  causes.oneOf(`${path}.strategy`, conversion.strategy, ['None', 'Webhook']);
  const { webhook } = conversion;
  if (conversion.strategy !== 'Webhook') {
    if (webhook !== undefined) {
      causes.forbidden(`${path}.webhook`, 'should not be set when strategy is not set to Webhook');
    }
    return;
  }
  if (webhook === undefined) {
    causes.required(`${path}.webhook`, 'required when strategy is set to Webhook');
    return;
  }
  const client = webhook.clientConfig;
  const at = `${path}.webhook.clientConfig`;
  if (client === undefined) causes.required(at, 'required when strategy is set to Webhook');
  else if ((client.url === undefined) === (client.service === undefined)) {
    causes.required(at, 'exactly one of url or service is required');
  } else if (client.url !== undefined && !/^https:\/\/[^/?#@]+(?:\/[^?#]*)?$/.test(client.url)) {
    causes.invalid(
      `${at}.url`,
      client.url,
      `'https' is the only allowed URL scheme; it has no user, query or fragment`,
    );
  }
  const versions = webhook.conversionReviewVersions ?? [];
  if (versions.length === 0) causes.required(`${path}.webhook.conversionReviewVersions`);
  else if (!versions.includes('v1')) {
    causes.invalid(`${path}.webhook.conversionReviewVersions`, versions, 'must include at least one of v1');
  }
}
