/** Ranges of addresses, of both families. */
import { isIpv4, isIpv6 } from './names.ts';

export interface Cidr {
  readonly family: 4 | 6;
  /** The address as a number, host bits included. */
  readonly address: bigint;
  readonly prefix: number;
}

/** Undefined for anything that is no `ADDRESS/PREFIX`. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', prefixText, ...more] = text.split('/');
  if (more.length > 0 || prefixText === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (isIpv4(address)) return prefix > 32 ? undefined : { family: 4, address: ipv4Number(address), prefix };
  if (isIpv6(address)) return prefix > 128 ? undefined : { family: 6, address: ipv6Number(address), prefix };
  return undefined;
}

export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined;
}

/** Whether every address of `inner` is one of `outer`. */
export function isWithin(inner: Cidr, outer: Cidr): boolean {
  if (inner.family !== outer.family || inner.prefix < outer.prefix) return false;
  const hostBits = BigInt((outer.family === 4 ? 32 : 128) - outer.prefix);
  return inner.address >> hostBits === outer.address >> hostBits;
}

function ipv4Number(text: string): bigint {
  return text.split('.').reduce((number, part) => number * 256n + BigInt(part), 0n);
}

function ipv6Number(text: string): bigint {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  let whole = text;
  if (tail.includes('.')) {
    const number = ipv4Number(tail);
    whole = `${text.slice(0, lastColon + 1)}${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
  }
  const [head = '', rest] = whole.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(rest ?? '')];
  const zeros = rest === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((number, group) => number * 65_536n + BigInt(`0x${group}`), 0n);
}
