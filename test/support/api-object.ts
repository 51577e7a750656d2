/** Objects of served kinds for tests, as the registry hands them to validation. */
import { decodeObject } from '#src/api/decode.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import { kindOf, type Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';

export type Json = Record<string, unknown>;

export function kindNamed(apiVersion: string, kind: string): Kind {
  const found = kindOf(apiVersion, kind);
  if (found === undefined) throw new Error(`${apiVersion} ${kind} is not served`);
  return found;
}

/** Decoded strictly and defaulted, called `x`, in `default` where it must lie in a namespace. */
export function makeObject(kind: Kind, fields: Json): KubeObject {
  const metadata = { name: 'x', ...(kind.namespaced ? { namespace: 'default' } : {}), ...(fields['metadata'] as Json) };
  const given = { apiVersion: kind.apiVersion, kind: kind.kind, ...fields, metadata };
  const object = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
  applyDefaults(kind, object);
  return object;
}
