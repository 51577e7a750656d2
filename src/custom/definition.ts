/** apiextensions.k8s.io/v1 CustomResourceDefinition: its shape, its defaults, and the names it may have. */
import { withCondition, type ConditionLike } from '#src/api/metadata.ts';
import type { KubeObject, ObjectMeta } from '#src/api/object.ts';
import type { JsonSchema } from './schema.ts';

export interface DefinitionNames {
  plural: string;
  singular?: string;
  shortNames?: string[];
  kind: string;
  listKind?: string;
  categories?: string[];
}

export interface PrinterColumn {
  name: string;
  type: string;
  format?: string;
  description?: string;
  priority?: number;
  jsonPath: string;
}

export interface DefinitionVersion {
  name: string;
  served: boolean;
  storage: boolean;
  deprecated?: boolean;
  deprecationWarning?: string;
  schema?: { openAPIV3Schema?: JsonSchema };
  subresources?: {
    status?: object;
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
  };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
}

export interface WebhookConversion {
  clientConfig?: {
    url?: string;
    service?: { namespace: string; name: string; path?: string; port?: number };
    caBundle?: string;
  };
  conversionReviewVersions: string[];
}

export interface DefinitionCondition extends ConditionLike {
  reason?: string;
  message?: string;
}

export interface Definition extends KubeObject {
  metadata: ObjectMeta;
  spec: {
    group: string;
    names: DefinitionNames;
    scope: string;
    versions: DefinitionVersion[];
    conversion?: { strategy: string; webhook?: WebhookConversion };
    preserveUnknownFields?: boolean;
  };
  status?: {
    conditions?: DefinitionCondition[];
    acceptedNames?: DefinitionNames;
    storedVersions?: string[];
  };
}

/** Held until the objects of a definition that is being deleted are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

export function isDefinitionKind(kind: { group: string; resource: string }): boolean {
  return kind.group === 'apiextensions.k8s.io' && kind.resource === 'customresourcedefinitions';
}

/** Changes it in place. What Kubernetes' own type has as a plain struct is there afterwards, though nobody wrote it. */
export function defaultDefinition(definition: Definition): void {
  const given = definition as Partial<Definition>;
  given.spec ??= {} as Definition['spec'];
  const { spec } = definition;
  const blank = spec as Partial<Definition['spec']>;
  blank.group ??= '';
  blank.scope ??= '';
  blank.versions ??= [];
  blank.names ??= {} as DefinitionNames;
  const { names } = spec;
  names.plural ??= '';
  names.kind ??= '';
  if ((names.singular ?? '') === '') names.singular = names.kind.toLowerCase();
  if ((names.listKind ?? '') === '' && names.kind !== '') names.listKind = `${names.kind}List`;
  spec.conversion ??= { strategy: 'None' };
  if ((spec.conversion.strategy ?? '') === '') spec.conversion.strategy = 'None';
  const { service } = spec.conversion.webhook?.clientConfig ?? {};
  if (service !== undefined) service.port ??= 443;
}

export function storageVersionOf({ spec }: Definition): string {
  return spec.versions.find((version) => version.storage)?.name ?? spec.versions[0]?.name ?? '';
}

export function isEstablished({ status }: Definition): boolean {
  return conditionOf(status?.conditions, 'Established') === 'True';
}

function conditionOf(conditions: readonly DefinitionCondition[] | undefined, type: string): string | undefined {
  return conditions?.find((condition) => condition.type === type)?.status;
}

/** What the server itself says of a definition. `taken`: names of others in its group, by what they are. */
export function acceptDefinition(definition: Definition, others: readonly TakenNames[], now: string): void {
  const { spec, metadata } = definition;
  const status = { ...definition.status };
  const conflict = conflictOf(spec.names, others);
  const names: DefinitionCondition =
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', reason: conflict.reason, message: conflict.message };
  let conditions = withCondition(status.conditions, names, now);
  const wasEstablished = conditionOf(status.conditions, 'Established') === 'True';
  if (conflict === undefined) {
    status.acceptedNames = { ...spec.names };
    const established = {
      type: 'Established',
      status: 'True',
      reason: 'InitialNamesAccepted',
      message: 'the initial names have been accepted',
    };
    conditions = withCondition(conditions, established, now);
  } else if (!wasEstablished) {
    status.acceptedNames ??= { plural: '', kind: '' };
    const refused = {
      type: 'Established',
      status: 'False',
      reason: 'NotAccepted',
      message: 'not all names are accepted',
    };
    conditions = withCondition(conditions, refused, now);
  }
  const storage = storageVersionOf(definition);
  const stored = status.storedVersions ?? [];
  status.storedVersions = stored.includes(storage) ? stored : [...stored, storage];
  status.conditions = conditions;
  definition.status = status;
  if (metadata.deletionTimestamp === undefined && !(metadata.finalizers ?? []).includes(CLEANUP_FINALIZER)) {
    metadata.finalizers = [...(metadata.finalizers ?? []), CLEANUP_FINALIZER];
  }
}

/** The condition that a deleted definition has while its objects go. */
export function withTerminating(definition: Definition, now: string): void {
  const condition = {
    type: 'Terminating',
    status: 'True',
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  };
  const conditions = withCondition(definition.status?.conditions, condition, now);
  definition.status = { ...definition.status, conditions };
}

export interface TakenNames {
  plural: string;
  singular: string;
  shortNames: readonly string[];
  kind: string;
  listKind: string;
}

/** One name means one thing in a group: plural, singular and short names among each other, kinds likewise. */
function conflictOf(
  names: DefinitionNames,
  others: readonly TakenNames[],
): { reason: string; message: string } | undefined {
  const resources = new Set(others.flatMap((other) => [other.plural, other.singular, ...other.shortNames]));
  const kinds = new Set(others.flatMap((other) => [other.kind, other.listKind]));
  const found: [string, string][] = [];
  const check = (reason: string, name: string | undefined, taken: ReadonlySet<string>): void => {
    if (name !== undefined && name !== '' && taken.has(name)) found.push([reason, `"${name}" is already in use`]);
  };
  check('PluralConflict', names.plural, resources);
  check('SingularConflict', names.singular, resources);
  for (const short of names.shortNames ?? []) check('ShortNamesConflict', short, resources);
  check('KindConflict', names.kind, kinds);
  check('ListKindConflict', names.listKind, kinds);
  // The last one is shown, as in Kubernetes.
  const shown = found.at(-1);
  return shown === undefined ? undefined : { reason: shown[0], message: shown[1] };
}
