/** Semantic versions 2.0.0 (semver.org). */
import { compareStrings, INT_MAX } from '../values.ts';

export interface Semver {
  readonly major: bigint;
  readonly minor: bigint;
  readonly patch: bigint;
  /** Identifiers after the hyphen. */
  readonly prerelease: readonly string[];
}

const CORE = /^(0|[1-9]\d{0,18})\.(0|[1-9]\d{0,18})\.(0|[1-9]\d{0,18})/;
const REST =
  /^(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;
const LENGTH_MAX = 256;

/** `normalize` forgives a leading `v`, missing parts (`1.2`) and leading zeros. */
export function parseSemver(text: string, normalize: boolean): Semver | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const given = normalize ? normalized(text) : text;
  const core = CORE.exec(given);
  if (core === null) return undefined;
  const rest = REST.exec(given.slice(core[0].length));
  if (rest === null) return undefined;
  const [major = 0n, minor = 0n, patch = 0n] = core.slice(1).map(BigInt);
  if (major > INT_MAX || minor > INT_MAX || patch > INT_MAX) return undefined;
  return { major, minor, patch, prerelease: rest[1]?.split('.') ?? [] };
}

function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([0-9.]*)(.*)$/s.exec(text) ?? [];
  const parts = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  while (parts.length < 3) parts.push('0');
  return parts.join('.') + rest;
}

export function isSemver(text: string, normalize: boolean): boolean {
  return parseSemver(text, normalize) !== undefined;
}

export function compareSemver(a: Semver, b: Semver): number {
  for (const part of ['major', 'minor', 'patch'] as const) {
    if (a[part] !== b[part]) return a[part] < b[part] ? -1 : 1;
  }
  // A version with a prerelease comes before the one without.
  if (a.prerelease.length === 0 || b.prerelease.length === 0) {
    return Math.sign(b.prerelease.length - a.prerelease.length);
  }
  for (let i = 0; i < Math.min(a.prerelease.length, b.prerelease.length); i++) {
    const order = compareIdentifiers(a.prerelease[i] as string, b.prerelease[i] as string);
    if (order !== 0) return order;
  }
  return Math.sign(a.prerelease.length - b.prerelease.length);
}

function compareIdentifiers(a: string, b: string): number {
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumberA && isNumberB) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0;
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  return Math.sign(compareStrings(a, b));
}
