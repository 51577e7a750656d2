/** Address ranges: parsing, overlap, and the choice of free ones. IPv4, pure. */
import { Fault } from '#src/std/fault.ts';

export interface Range {
  base: number;
  bits: number;
}

export function parseIp(text: string): number {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new Fault('CLUSTER_RANGE', `'${text}' is no IPv4 address`, 'never');
  }
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Faults: CLUSTER_RANGE. */
export function parseRange(text: string): Range {
  const [ip = '', bitsText = ''] = text.split('/');
  const bits = Number(bitsText);
  if (!Number.isInteger(bits) || bits < 0 || bits > 32 || bitsText === '')
    throw new Fault('CLUSTER_RANGE', `'${text}' is no IPv4 range such as 10.64.0.0/16`, 'never');
  const size = 2 ** (32 - bits);
  return { base: Math.floor(parseIp(ip) / size) * size, bits };
}

export function formatRange(range: Range): string {
  return `${formatIp(range.base)}/${range.bits}`;
}

export function overlaps(a: Range, b: Range): boolean {
  const bits = Math.min(a.bits, b.bits);
  const size = 2 ** (32 - bits);
  return Math.floor(a.base / size) === Math.floor(b.base / size);
}

/** The `index`-th address of a range. */
export function addressIn(range: Range, index: number): string {
  return formatIp(range.base + index);
}

/** How many nodes a Pod range has room for, a /24 each. */
export const NODE_BITS = 24;

export function nodeRangeCount(pods: Range): number {
  return 2 ** Math.max(0, NODE_BITS - pods.bits);
}

export function nodeRange(pods: Range, index: number): Range {
  return { base: pods.base + index * 2 ** (32 - NODE_BITS), bits: NODE_BITS };
}

/** Where to look for free ranges; loopback addresses when Pods have no network of their own. */
const CANDIDATES = {
  routed: Array.from({ length: 64 }, (_, i) => [`10.${64 + 2 * i}.0.0/16`, `10.${65 + 2 * i}.0.0/16`] as const),
  loopback: Array.from({ length: 32 }, (_, i) => [`127.${64 + 2 * i}.0.0/16`, `127.${65 + 2 * i}.0.0/16`] as const),
};

/** Two free /16, away from what the host routes and other clusters use. Faults: CLUSTER_RANGE. */
export function chooseRanges(
  mode: 'routed' | 'loopback',
  inUse: string[],
  startAt: number,
): { pods: string; services: string } {
  const used = inUse.map(parseRange).filter((range) => range.bits > 0);
  const candidates = CANDIDATES[mode];
  for (let i = 0; i < candidates.length; i += 1) {
    const pair = candidates[(startAt + i) % candidates.length];
    if (!pair) continue;
    const [pods, services] = pair;
    if (!used.some((range) => overlaps(range, parseRange(pods)) || overlaps(range, parseRange(services))))
      return { pods, services };
  }
  throw new Fault(
    'CLUSTER_RANGE',
    'no free pair of /16 ranges was found; set ranges.pods and ranges.services',
    'never',
  );
}
