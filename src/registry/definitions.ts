/** CustomResourceDefinitions in the verbs: what the server itself sets and refuses beyond the type table. */
import { KINDS } from '#src/api/kinds.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { StatusCause } from '#src/api/api-error.ts';
import { ApiError } from '#src/api/api-error.ts';
import { deepEqual, formatTime } from '#src/api/metadata.ts';
import { Causes } from '#src/api/validation/causes.ts';
import { checkDefinition, checkDefinitionUpdate } from '#src/custom/check-definition.ts';
import {
  acceptDefinition,
  defaultDefinition,
  isDefinitionKind,
  withTerminating,
  type Definition,
  type TakenNames,
} from '#src/custom/definition.ts';
import type { StoreView } from '#src/store/view.ts';
import { decodeValue } from './bytes.ts';
import type { RegistryCore } from './core.ts';
import { objectRange } from './keys.ts';
import type { NamedObject } from './raw.ts';

/** Defaults, judges and accepts it, in place; nothing for other kinds. `current` undefined: a create. */
export function judgeDefinition(
  { core, view, kind }: { core: RegistryCore; view: StoreView; kind: Kind },
  object: NamedObject,
  current: NamedObject | undefined,
): StatusCause[] {
  if (!isDefinitionKind(kind)) return [];
  const definition = object as unknown as Definition;
  const causes = new Causes();
  if ((definition.spec as unknown) === undefined) {
    causes.required('spec');
    return causes.list;
  }
  defaultDefinition(definition);
  const isSame = current !== undefined && deepEqual((current as unknown as Definition).spec, definition.spec);
  if (current === undefined) delete definition.status;
  if (!isSame || !deepEqual((current as unknown as Definition).status, definition.status)) {
    checkDefinition(causes, definition);
  }
  if (current !== undefined && !isSame) checkDefinitionUpdate(causes, definition, current as unknown as Definition);
  if (causes.list.length > 0 || isSame) return causes.list;
  acceptDefinition(definition, takenNames(view, kind, definition), formatTime(core.clock.wallMs()));
  return [];
}

function takenNames(view: StoreView, kind: Kind, definition: Definition): TakenNames[] {
  const { group } = definition.spec;
  const fixed = KINDS.filter((known) => known.group === group).map((known) => ({
    plural: known.resource,
    singular: known.singular,
    shortNames: known.shortNames,
    kind: known.kind,
    listKind: known.listKind,
  }));
  const stored = view.range({ ...objectRange(kind, undefined), limit: 0 }).items.flatMap(({ key, value }) => {
    // The group is the end of the name: others need not be read.
    if (!key.endsWith(`.${group}`)) return [];
    const other = decodeValue(value) as unknown as Definition;
    const names = other.status?.acceptedNames;
    if (other.spec.group !== group || other.metadata.name === definition.metadata.name || names === undefined)
      return [];
    const { plural, singular = '', shortNames = [], kind: name, listKind = '' } = names;
    return plural === '' ? [] : [{ plural, singular, shortNames, kind: name, listKind }];
  });
  return [...fixed, ...stored];
}

/** A definition that is being deleted says so. */
export function markTerminating(kind: Kind, object: NamedObject, nowMs: number): void {
  if (isDefinitionKind(kind)) withTerminating(object as unknown as Definition, formatTime(nowMs));
}

/** @throws ApiError 405 while the definition is being deleted. */
export function requireOpenDefinition(kind: Kind): void {
  if (kind.custom?.terminating !== true) return;
  const text = 'create not allowed while custom resource definition is terminating';
  throw new ApiError(405, 'MethodNotAllowed', text, { details: { group: kind.group, kind: kind.resource } });
}
