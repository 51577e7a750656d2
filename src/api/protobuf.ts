/** Request bodies of `application/vnd.kubernetes.protobuf`, decoded by the type table. Answers are always JSON. */

export interface DecodedProtobuf {
  apiVersion: string;
  kind: string;
  /** As decodeObject would give it, apiVersion and kind included. */
  object: Record<string, unknown>;
}

/** Whether the body starts with the magic `k8s\0`. */
export function isProtobufEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;
}

/**
 * ApiError 400 for anything malformed or of an unknown type. `fallback` types a body whose envelope names none.
 */
export function decodeProtobuf(_bytes: Uint8Array, _fallback?: { apiVersion: string; kind: string }): DecodedProtobuf {
  return { apiVersion: '', kind: '', object: {} };
}
