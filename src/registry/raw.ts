/** Stored values as the API shows them: the ready bytes when the version asked for is the stored one. */
import { convertTo } from '#src/api/convert.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject, ObjectMeta } from '#src/api/object.ts';
import type { Value } from '#src/store/command.ts';
import { decodeValue, utf8 } from './bytes.ts';

export type NamedObject = KubeObject & { metadata: ObjectMeta };

/** One object as bytes of JSON, and as data when somebody needs it. */
export interface RawObject {
  /** Shared with the store: never written to. */
  readonly bytes: Uint8Array;
  readonly revision: number;
  /** Identity of the stored version: equal for two raws of one write. */
  readonly value: Value;
  /** A fresh object each call. */
  object(): NamedObject;
}

export function isStoredForm(kind: Kind): boolean {
  if (kind.custom !== undefined) return kind.custom.readsStored;
  return kind.storedAs.apiVersion === kind.apiVersion && kind.storedAs.kind === kind.kind;
}

export function objectOf(kind: Kind, value: Value): NamedObject {
  const stored = decodeValue(value);
  return isStoredForm(kind) ? stored : (convertTo(kind, stored) as NamedObject);
}

export function rawOf(kind: Kind, value: Value): RawObject {
  const object = (): NamedObject => objectOf(kind, value);
  const bytes = isStoredForm(kind) ? value.bytes : utf8(JSON.stringify(object()));
  return { bytes, revision: value.modRevision, value, object };
}

/** Bytes of the objects kept decoded for the selections of many watchers of one event. */
const DECODED_BYTES_MAX = 8 * 1024 * 1024;

/** The newest decoded values, to look at and never to change. */
export class DecodedCache {
  readonly #objects = new Map<Value, NamedObject>();
  #bytes = 0;

  peek(kind: Kind, value: Value): NamedObject {
    // Another version of a kind has other fields: only the stored form is shared.
    if (!isStoredForm(kind)) return objectOf(kind, value);
    const known = this.#objects.get(value);
    if (known !== undefined) return known;
    const object = objectOf(kind, value);
    this.#objects.set(value, object);
    this.#bytes += value.bytes.length;
    for (const oldest of this.#objects.keys()) {
      if (this.#bytes <= DECODED_BYTES_MAX) break;
      this.#objects.delete(oldest);
      this.#bytes -= oldest.bytes.length;
    }
    return object;
  }
}
