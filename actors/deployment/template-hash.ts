/**
 * The short name of a Pod template: equal templates give equal names on every node and in every version of this
 * program, since the name of a ReplicaSet is made of it. FNV-1a over canonical JSON, written in the letters that
 * Kubernetes uses for names (no vowels, no words). The value itself is ours: nothing compares it with kube's.
 */
import type { PodTemplateSpec } from '#src/api/objects.ts';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export function templateHash(template: PodTemplateSpec | undefined, collisionCount = 0): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(`${canonical(template)}${collisionCount > 0 ? collisionCount : ''}`)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  // Folded: FNV's high and low halves alone are weak for inputs that differ in the last letters only.
  const folded = Number((hash >> 32n) ^ (hash & 0xffffffffn));
  return String(folded)
    .split('')
    .map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length])
    .join('');
}

/** JSON with sorted keys and without undefined members. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}
