/** PATCH: the wanted object from the current one and a patch, decoded as strictly as a body would be. */
import { ApiError } from '#src/api/api-error.ts';
import { decodeKind, type FieldValidation } from '#src/api/decode.ts';
import type { CustomType, Kind } from '#src/api/kinds.ts';
import { applyJsonPatch } from '#src/api/patch/json-patch.ts';
import { applyMergePatch } from '#src/api/patch/merge-patch.ts';
import { applyStrategicMerge } from '#src/api/patch/strategic-merge.ts';
import type { PatchType } from './client.ts';
import type { NamedObject } from './raw.ts';

export interface Patch {
  type: PatchType;
  body: unknown;
  /** Default Ignore: callers in this process send what they mean. */
  fieldValidation?: FieldValidation;
  /** From the strict parser, of the patch's own text. */
  duplicates?: readonly string[];
}

/** The type of what is patched. */
export interface PatchedType {
  typeName: string;
  custom?: CustomType;
}

export function applyPatch(
  type: PatchedType,
  current: unknown,
  patch: Patch,
): { object: NamedObject; warnings: string[] } {
  const patched = applyBody(type, current, patch);
  if (typeof patched !== 'object' || patched === null || Array.isArray(patched)) {
    throw new ApiError(422, 'Invalid', 'the patch does not leave an object');
  }
  const decoded = decodeKind(patched, type, {
    fieldValidation: patch.fieldValidation ?? 'Ignore',
    ...(patch.duplicates === undefined ? {} : { duplicates: patch.duplicates }),
  });
  const object = decoded.object as unknown as NamedObject;
  object.metadata ??= {};
  return { object, warnings: decoded.warnings };
}

function applyBody(type: PatchedType, current: unknown, patch: Patch): unknown {
  if (patch.type === 'json') return applyJsonPatch(current, patch.body);
  if (patch.type === 'merge') return applyMergePatch(current, patch.body);
  // No custom resource says by which keys its lists merge in this form of patch.
  if (type.custom !== undefined) {
    const accepted = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];
    const text = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
    throw new ApiError(415, 'UnsupportedMediaType', text);
  }
  return applyStrategicMerge(current, patch.body, type.typeName);
}

/** The type of the body of a subresource: the parent's unless it has its own. */
export function bodyType(kind: Kind, subresource: string): PatchedType {
  const typeName = kind.subresources.find((known) => known.name === subresource)?.typeName;
  return typeName === undefined ? kind : { typeName };
}
