/**
 * Custom resources: what a CustomResourceDefinition says, made into kinds that the server serves like its own.
 * Owns: structural schemas (checking, pruning, defaulting), validation rules, printer columns, the definitions themselves.
 * Imports: std, api, cel. Never: the store, HTTP, clocks; all of it is values in, values out.
 * Read next: definition.ts (the object), check-definition.ts, custom-type.ts (one served version), rules.ts (CEL).
 */
import { ALL_VERBS, type Kind, type Subresource } from '#src/api/kinds.ts';
import type { Column } from '#src/api/table.ts';
import { customTypeOf, printerColumns } from './custom-type.ts';
import { isEstablished, storageVersionOf, type Definition, type DefinitionVersion } from './definition.ts';

export { CLEANUP_FINALIZER, isDefinitionKind, type Definition } from './definition.ts';

const STATUS: Subresource = { name: 'status', verbs: ['get', 'patch', 'update'] };
const SCALE: Subresource = {
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  typeName: 'io.k8s.api.autoscaling.v1.Scale',
};

/** The served versions of an established definition, the preferred first. */
export function kindsOfDefinition(definition: Definition): Kind[] {
  if (!isEstablished(definition)) return [];
  const isGoing = definition.metadata.deletionTimestamp !== undefined;
  // What is stored must be reachable for as long as it takes to remove it.
  const served = definition.spec.versions.filter((version) => version.served || (isGoing && version.storage));
  return served
    .toSorted((a, b) => compareVersions(a.name, b.name))
    .map((version) => kindOfVersion(definition, version));
}

/** Of any version, served or not: for what reads objects as they are stored. */
export function kindOfVersion(definition: Definition, version: DefinitionVersion): Kind {
  const { group, names: wanted, scope } = definition.spec;
  const accepted = definition.status?.acceptedNames;
  const names = accepted !== undefined && accepted.plural !== '' ? accepted : wanted;
  const apiVersion = `${group}/${version.name}`;
  const typeName = `${group.split('.').toReversed().join('.')}.${version.name}.${names.kind}`;
  const hasStatus = version.subresources?.status !== undefined;
  const hasScale = version.subresources?.scale !== undefined;
  return {
    group,
    version: version.name,
    apiVersion,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    resource: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    verbs: ALL_VERBS,
    subresources: [...(hasScale ? [SCALE] : []), ...(hasStatus ? [STATUS] : [])],
    typeName,
    storagePrefix: `${group}/${names.plural}/`,
    storedAs: { apiVersion: `${group}/${storageVersionOf(definition)}`, kind: names.kind },
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
    hasStatus,
    generationFields: [],
    allowUnconditionalUpdate: false,
    allowCreateOnUpdate: false,
    columns: columnsOf(version),
    custom: customTypeOf({ definition, version, typeName }),
  };
}

const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Unique within the namespace; cannot be changed.',
  priority: 0,
};

function columnsOf(version: DefinitionVersion): Column[] {
  const given = printerColumns(version.additionalPrinterColumns);
  const columns = given.map(({ name, type, format = '', description = '', priority = 0 }) => {
    return { name, type: type as Column['type'], format, description, priority };
  });
  return [NAME, ...columns];
}

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;

/** v10, v2, v1, v11beta2, v10beta3, v3beta1, v12alpha1, foo1, foo10: stable first, newest first. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [rankOf(a), rankOf(b)];
  if (x === undefined || y === undefined) {
    if (x === undefined && y === undefined) return a < b ? -1 : a > b ? 1 : 0;
    return x === undefined ? 1 : -1;
  }
  return y[0] - x[0] || y[1] - x[1] || y[2] - x[2];
}

function rankOf(version: string): [number, number, number] | undefined {
  const match = VERSION.exec(version);
  if (match === null) return undefined;
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return [stage, Number(match[1]), Number(match[3] ?? 0)];
}
