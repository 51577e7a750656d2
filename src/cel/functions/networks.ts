/** IP addresses and CIDRs: ip(), cidr() and what they know. */
import { CelFailure } from '../failure.ts';
import type { Definitions } from '../library.ts';
import { Opaque, type CelValue } from '../values.ts';

export interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

class IpValue extends Opaque {
  readonly typeName = 'net.IP';
  readonly address: Address;
  constructor(address: Address) {
    super();
    this.address = address;
  }

  equals(other: Opaque): boolean {
    return other instanceof IpValue && same(this.address, other.address);
  }
}

class CidrValue extends Opaque {
  readonly typeName = 'net.CIDR';
  readonly address: Address;
  readonly prefix: number;
  constructor(address: Address, prefix: number) {
    super();
    this.address = address;
    this.prefix = prefix;
  }

  equals(other: Opaque): boolean {
    return other instanceof CidrValue && same(this.address, other.address) && this.prefix === other.prefix;
  }
}

function same(a: Address, b: Address): boolean {
  return a.family === b.family && a.bits === b.bits;
}

const width = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** undefined for what is none; zones, and IPv4 in IPv6, are refused as in Kubernetes. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) return parseV6(text);
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return { family: 4, bits: parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n) };
}

function parseV6(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted === null ? undefined : parseAddress(dotted[2] as string);
  if (dotted !== null && tail === undefined) return undefined;
  const plain =
    tail === undefined
      ? text
      : `${dotted?.[1]}${(tail.bits >> 16n).toString(16)}:${(tail.bits & 0xffffn).toString(16)}`;
  const halves = plain.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], rest = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = head.length + rest.length;
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined;
  const groups = [...head, ...Array.from({ length: 8 - given }, () => '0'), ...rest];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const bits = groups.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
  // ::ffff:1.2.3.4 has two spellings, which is one too many.
  return bits >> 32n === 0xffffn ? undefined : { family: 6, bits };
}

/** The canonical form: RFC 5952 for IPv6. */
export function addressText({ family, bits }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(112 - 16 * i)) & 0xffffn));
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

function parseCidr(text: string): CidrValue | undefined {
  const [ip = '', length = '', more] = text.split('/');
  const address = parseAddress(ip);
  if (address === undefined || more !== undefined || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  return Number(length) > width(address.family) ? undefined : new CidrValue(address, Number(length));
}

function masked(address: Address, prefix: number): Address {
  const shift = BigInt(width(address.family) - prefix);
  return { family: address.family, bits: (address.bits >> shift) << shift };
}

function contains(cidr: CidrValue, address: Address): boolean {
  return (
    cidr.address.family === address.family && same(masked(cidr.address, cidr.prefix), masked(address, cidr.prefix))
  );
}

function containsCidr(outer: CidrValue, inner: CidrValue | undefined): boolean {
  return inner !== undefined && inner.prefix >= outer.prefix && contains(outer, inner.address);
}

function needAddress(text: CelValue | undefined): Address {
  const address = parseAddress(text as string);
  if (address === undefined)
    throw new CelFailure(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return address;
}

function needCidr(text: CelValue | undefined): CidrValue {
  const cidr = parseCidr(text as string);
  if (cidr === undefined)
    throw new CelFailure(`network address parse error during conversion from string: ${text as string}`);
  return cidr;
}

function isCanonical(text: string): boolean {
  return addressText(needAddress(text)) === text;
}

/** Whether the first bits of an address are those. */
function within(address: Address, ...ranges: readonly string[]): boolean {
  return ranges.some((range) => contains(parseCidr(range) as CidrValue, address));
}

const address = (value: CelValue | undefined): Address => (value as IpValue).address;

const IPS: Definitions = {
  'ip(string): net.IP': ([text]) => new IpValue(needAddress(text)),
  'isIP(string): bool': ([text]) => parseAddress(text as string) !== undefined,
  'ip::isCanonical(string): bool': ([text]) => isCanonical(text as string),
  'string(net.IP): string': ([value]) => addressText(address(value)),
  'net.IP.family(): int': ([value]) => BigInt(address(value).family),
  'net.IP.isUnspecified(): bool': ([value]) => address(value).bits === 0n,
  'net.IP.isLoopback(): bool': ([value]) => within(address(value), '127.0.0.0/8', '::1/128'),
  'net.IP.isLinkLocalMulticast(): bool': ([value]) => linkLocalMulticast(address(value)),
  'net.IP.isLinkLocalUnicast(): bool': ([value]) => within(address(value), '169.254.0.0/16', 'fe80::/10'),
  'net.IP.isGlobalUnicast(): bool': ([value]) => globalUnicast(address(value)),
};

function linkLocalMulticast(given: Address): boolean {
  // Any flags, scope 2 (RFC 4291 §2.7).
  return within(given, '224.0.0.0/24') || (within(given, 'ff00::/8') && ((given.bits >> 112n) & 0xfn) === 2n);
}

function globalUnicast(given: Address): boolean {
  const special = ['127.0.0.0/8', '::1/128', '224.0.0.0/4', 'ff00::/8', '169.254.0.0/16', 'fe80::/10'];
  return given.bits !== 0n && !within(given, ...special, '255.255.255.255/32');
}

const CIDRS: Definitions = {
  'cidr(string): net.CIDR': ([text]) => needCidr(text),
  'isCIDR(string): bool': ([text]) => parseCidr(text as string) !== undefined,
  'string(net.CIDR): string': ([value]) => {
    const cidr = value as CidrValue;
    return `${addressText(cidr.address)}/${cidr.prefix}`;
  },
  'net.CIDR.containsIP(net.IP): bool': ([cidr, ip]) => contains(cidr as CidrValue, address(ip)),
  'net.CIDR.containsIP(string): bool': ([cidr, ip]) => contains(cidr as CidrValue, needAddress(ip)),
  'net.CIDR.containsCIDR(net.CIDR): bool': ([outer, inner]) => containsCidr(outer as CidrValue, inner as CidrValue),
  'net.CIDR.containsCIDR(string): bool': ([outer, inner]) => containsCidr(outer as CidrValue, needCidr(inner)),
  'net.CIDR.ip(): net.IP': ([cidr]) => new IpValue((cidr as CidrValue).address),
  'net.CIDR.masked(): net.CIDR': ([given]) => {
    const cidr = given as CidrValue;
    return new CidrValue(masked(cidr.address, cidr.prefix), cidr.prefix);
  },
  'net.CIDR.prefixLength(): int': ([cidr]) => BigInt((cidr as CidrValue).prefix),
};

export const networks: Definitions = { ...IPS, ...CIDRS };
