/** Pod addresses of one node: the lowest free one of its range; .0 and .1 (the node) stay out. Pure. */
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';

export interface Addresses {
  /** The same Pod gets the same address. Faults: KUBELET_NO_ADDRESS. */
  take(podUid: string): string;
  /** After a restart: what a running sandbox has. */
  adopt(podUid: string, ip: string): void;
  release(podUid: string): void;
}

function parse(ip: string): number {
  return ip.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

function format(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** The node's own address in its range. */
export function nodeAddressOf(podCidr: string): string {
  return format(parse(podCidr.split('/')[0] ?? '') + 1);
}

export function createAddresses(podCidr: string): Addresses {
  const [ip = '', bits = ''] = podCidr.split('/');
  const base = parse(ip);
  const size = 2 ** (32 - Number(bits));
  assert(size >= 4, `the Pod range ${podCidr} is too small`);
  const byPod = new Map<string, number>();
  const taken = new Set<number>();
  /** Addresses are given out in a circle, so that a fresh Pod seldom gets one that others still remember. */
  let cursor = 2;
  return {
    take(podUid) {
      const known = byPod.get(podUid);
      if (known !== undefined) return format(base + known);
      for (let tried = 0; tried < size; tried += 1) {
        const offset = cursor;
        cursor = cursor + 1 >= size - 1 ? 2 : cursor + 1;
        if (taken.has(offset)) continue;
        taken.add(offset);
        byPod.set(podUid, offset);
        return format(base + offset);
      }
      throw new Fault('KUBELET_NO_ADDRESS', `all ${size - 3} Pod addresses of ${podCidr} are in use`, 'later');
    },
    adopt(podUid, address) {
      const offset = parse(address) - base;
      if (offset < 2 || offset >= size) return;
      taken.add(offset);
      byPod.set(podUid, offset);
    },
    release(podUid) {
      const offset = byPod.get(podUid);
      if (offset === undefined) return;
      byPod.delete(podUid);
      taken.delete(offset);
    },
  };
}
