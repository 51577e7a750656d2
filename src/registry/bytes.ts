/**
 * Objects as stored bytes: JSON with one hole for the revision. The hole comes first in
 * `metadata`, so that head is short and no search in the text is needed.
 */
import type { KubeObject, ObjectMeta } from '#src/api/object.ts';
import type { Value } from '#src/store/command.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Split an object around the digits of metadata.resourceVersion; the one in the object is ignored. */
export function splitAroundRevision(object: KubeObject): { head: Uint8Array; tail: Uint8Array } {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { resourceVersion: _ignored, ...meta } = metadata ?? {};
  const metaText = JSON.stringify(meta);
  const restText = JSON.stringify(rest);
  return {
    head: encoder.encode(
      `{"apiVersion":${JSON.stringify(apiVersion)},"kind":${JSON.stringify(kind)},"metadata":{"resourceVersion":"`,
    ),
    tail: encoder.encode(
      `"${metaText === '{}' ? '}' : `,${metaText.slice(1)}`}${restText === '{}' ? '}' : `,${restText.slice(1)}`}`,
    ),
  };
}

/** A fresh object each call: callers may change it. */
export function decodeValue(value: Value): KubeObject & { metadata: ObjectMeta } {
  return JSON.parse(decoder.decode(value.bytes)) as KubeObject & { metadata: ObjectMeta };
}

/** A marker key's value: who holds it. */
export function markerBytes(holder: Record<string, string>): { head: Uint8Array; tail: Uint8Array } {
  return {
    head: encoder.encode(`{"holder":${JSON.stringify(holder)},"revision":"`),
    tail: encoder.encode('"}'),
  };
}
