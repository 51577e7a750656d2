/**
 * ClusterIPs and node ports: one create-if-absent key each, in the transaction of the Service, so that
 * two Services never share one and a release cannot be forgotten.
 */
import type { ApiError, StatusCause } from '#src/api/api-error.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { Service, ServicePort } from '#src/api/objects.ts';
import { invalid } from '#src/api/validation.ts';
import type { Random } from '#src/ports/random.ts';
import type { Condition, Key, Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { markerBytes } from './bytes.ts';
import type { RegistryCore } from './core.ts';
import { nodePortKey, serviceIpKey } from './keys.ts';
import type { NamedObject } from './raw.ts';

/** Keys looked at before a range counts as full. */
const PROBES_MAX = 65_536;

export interface Claims {
  conditions: Condition[];
  operations: Operation[];
}

type ServiceObject = NamedObject & Service;

export function isServiceKind(kind: Kind): boolean {
  return kind.group === '' && kind.resource === 'services';
}

interface Ipv4Range {
  text: string;
  base: number;
  size: number;
}

/** `10.96.0.0/12`; undefined when it is not an IPv4 range. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const [address = '', bits = ''] = text.split('/');
  const base = parseIpv4(address);
  if (base === undefined || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) return undefined;
  const size = 2 ** (32 - Number(bits));
  return { text, base: base - (base % size), size };
}

export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  const parts = match?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The first address of the range belongs to the `kubernetes` Service. */
export function firstServiceIp(serviceCidr: string): string {
  const range = parseIpv4Range(serviceCidr);
  return range === undefined ? '' : formatIpv4(range.base + 1);
}

/** Fill in addresses and ports, keep those of `current`, and say which keys come and go. @throws ApiError 422. */
export function claimAddresses(
  place: { core: RegistryCore; view: StoreView; kind: Kind },
  object: NamedObject,
  current: NamedObject | undefined,
): Claims {
  const service = object as ServiceObject;
  const old = current as ServiceObject | undefined;
  const name = service.metadata.name ?? '';
  const refuse = (cause: StatusCause): ApiError => invalid(place.kind, name, [cause]);
  const owned = new Set(old === undefined ? [] : claimedKeys(old));
  keepAllocated(service, old);
  dropForeignFields(service, old);
  const taken = (key: Key): boolean => !owned.has(key) && place.view.get(key) !== undefined;
  fillClusterIp(place.core, service, taken, refuse);
  fillNodePorts(place.core, service, taken, refuse);
  const wanted = claimedKeys(service);
  const holder = markerBytes({ namespace: service.metadata.namespace ?? '', name, uid: service.metadata.uid ?? '' });
  const fresh = wanted.filter((key) => !owned.has(key));
  const dropped = [...owned].filter((key) => !wanted.includes(key));
  return {
    conditions: fresh.map((key) => ({ type: 'absent', key })),
    operations: [...fresh.map((key): Operation => ({ type: 'put', key, ...holder })), ...dropped.map(releaseOf)],
  };
}

/** Operations that free what a Service holds when it goes. */
export function releaseAddresses(object: NamedObject): Operation[] {
  return claimedKeys(object as ServiceObject).map(releaseOf);
}

function releaseOf(key: Key): Operation {
  return { type: 'deleteRange', from: key, to: `${key}\u0000`, limit: 1 };
}

function claimedKeys(service: ServiceObject): Key[] {
  const spec = service.spec;
  const keys: Key[] = [];
  if (hasClusterIp(service)) keys.push(serviceIpKey(spec?.clusterIP ?? ''));
  if (hasNodePorts(service)) {
    for (const port of spec?.ports ?? []) {
      if ((port.nodePort ?? 0) > 0) keys.push(nodePortKey(port.protocol ?? 'TCP', port.nodePort ?? 0));
    }
  }
  return [...new Set(keys)];
}

function wantsClusterIp(service: ServiceObject): boolean {
  return service.spec?.type !== 'ExternalName' && service.spec?.clusterIP !== 'None';
}

function hasClusterIp(service: ServiceObject): boolean {
  return wantsClusterIp(service) && (service.spec?.clusterIP ?? '') !== '';
}

function hasNodePorts(service: ServiceObject): boolean {
  return service.spec?.type === 'NodePort' || service.spec?.type === 'LoadBalancer';
}

/** A change that leaves out what was allocated keeps it, as in Kubernetes. */
function keepAllocated(service: ServiceObject, old: ServiceObject | undefined): void {
  const spec = service.spec;
  const oldSpec = old?.spec;
  if (old === undefined || spec === undefined || oldSpec === undefined) return;
  if (spec.type !== 'ExternalName' && oldSpec.type !== 'ExternalName') {
    if ((spec.clusterIP ?? '') === '' && oldSpec.clusterIP !== undefined) spec.clusterIP = oldSpec.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && oldSpec.clusterIPs !== undefined) spec.clusterIPs = oldSpec.clusterIPs;
  }
  if (!hasNodePorts(service) || !hasNodePorts(old)) return;
  for (const port of spec.ports ?? []) {
    if ((port.nodePort ?? 0) > 0) continue;
    const before = oldSpec.ports?.find(
      (p) => p.port === port.port && (p.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (before?.nodePort !== undefined) port.nodePort = before.nodePort;
  }
}

/** A change of type takes along what only the old type had, if it was left as it was (as Kubernetes' strategy does). */
function dropForeignFields(service: ServiceObject, old: ServiceObject | undefined): void {
  const spec = service.spec;
  const oldSpec = old?.spec;
  if (old === undefined || spec === undefined || oldSpec === undefined) return;
  if (hasNodePorts(old) && !hasNodePorts(service)) {
    if (spec.externalTrafficPolicy === oldSpec.externalTrafficPolicy) delete spec.externalTrafficPolicy;
    if (spec.healthCheckNodePort === oldSpec.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
  if (oldSpec.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === oldSpec.allocateLoadBalancerNodePorts)
      delete spec.allocateLoadBalancerNodePorts;
    if (spec.loadBalancerClass === oldSpec.loadBalancerClass) delete spec.loadBalancerClass;
  }
}

type Refuse = (cause: StatusCause) => ApiError;

function fillClusterIp(core: RegistryCore, service: ServiceObject, taken: (key: Key) => boolean, refuse: Refuse): void {
  const spec = service.spec;
  if (spec === undefined) return;
  if (spec.type === 'ExternalName') {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
    return;
  }
  spec.clusterIP ??= spec.clusterIPs?.[0] ?? '';
  spec.ipFamilies ??= ['IPv4'];
  spec.ipFamilyPolicy ??= 'SingleStack';
  if (spec.clusterIP === '') spec.clusterIP = pickIp(core, taken, refuse);
  else if (spec.clusterIP !== 'None') checkIp(core, spec.clusterIP, taken, refuse);
  spec.clusterIPs = [spec.clusterIP, ...(spec.clusterIPs ?? []).slice(1)];
}

function checkIp(core: RegistryCore, ip: string, taken: (key: Key) => boolean, refuse: Refuse): void {
  const range = parseIpv4Range(core.config.serviceCidr);
  const address = parseIpv4(ip);
  const failed = (why: string): ApiError =>
    refuse({
      reason: 'FieldValueInvalid',
      field: 'spec.clusterIPs',
      message: `Invalid value: ${JSON.stringify([ip])}: failed to allocate IP ${ip}: ${why}`,
    });
  if (range === undefined || address === undefined || address <= range.base || address >= range.base + range.size - 1) {
    throw failed(
      `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${core.config.serviceCidr}`,
    );
  }
  if (taken(serviceIpKey(ip))) throw failed('provided IP is already allocated');
}

/**
 * Random in the upper part of the range first: the lower part stays free for addresses that people
 * choose (KEP-3070). The band's size follows Kubernetes: a sixteenth, at least 16, at most 256.
 */
function pickIp(core: RegistryCore, taken: (key: Key) => boolean, refuse: Refuse): string {
  const range = parseIpv4Range(core.config.serviceCidr);
  const full: StatusCause = {
    reason: 'FieldValueInvalid',
    field: 'spec.clusterIPs',
    message: `Invalid value: []: failed to allocate a serviceIP: range ${core.config.serviceCidr} is full`,
  };
  if (range === undefined) throw refuse(full);
  const last = range.size - 2;
  const band = range.size <= 32 ? 1 : Math.min(Math.max(16, Math.floor(range.size / 16)), 256);
  const free = (offset: number): boolean => !taken(serviceIpKey(formatIpv4(range.base + offset)));
  const found = pick(core.random, band, last, free) ?? pick(core.random, 2, Math.min(band - 1, last), free);
  if (found === undefined) throw refuse(full);
  return formatIpv4(range.base + found);
}

/** A free number in [from, to]: a random start, then the next free one. */
function pick(random: Random, from: number, to: number, free: (n: number) => boolean): number | undefined {
  const count = to - from + 1;
  if (count <= 0) return undefined;
  const start = random.below(count);
  for (let i = 0; i < Math.min(count, PROBES_MAX); i += 1) {
    const candidate = from + ((start + i) % count);
    if (free(candidate)) return candidate;
  }
  return undefined;
}

function fillNodePorts(core: RegistryCore, service: ServiceObject, taken: (key: Key) => boolean, refuse: Refuse): void {
  const ports = service.spec?.ports ?? [];
  if (!hasNodePorts(service)) {
    for (const port of ports) delete port.nodePort;
    return;
  }
  const { from, to } = core.config.nodePortRange;
  const chosen = new Set<Key>();
  const keyOf = (port: ServicePort, nodePort: number): Key => nodePortKey(port.protocol ?? 'TCP', nodePort);
  ports.forEach((port, i) => {
    const nodePort = port.nodePort ?? 0;
    if (nodePort === 0) return;
    const failed = (why: string): ApiError =>
      refuse({
        reason: 'FieldValueInvalid',
        field: `spec.ports[${i}].nodePort`,
        message: `Invalid value: ${nodePort}: ${why}`,
      });
    if (nodePort < from || nodePort > to) {
      throw failed(`provided port is not in the valid range. The range of valid ports is ${from}-${to}`);
    }
    if (taken(keyOf(port, nodePort)) || chosen.has(keyOf(port, nodePort)))
      throw failed('provided port is already allocated');
    chosen.add(keyOf(port, nodePort));
  });
  ports.forEach((port, i) => {
    if ((port.nodePort ?? 0) > 0) return;
    const free = (n: number): boolean => !taken(keyOf(port, n)) && !chosen.has(keyOf(port, n));
    const found = pick(core.random, from, to, free);
    if (found === undefined) {
      throw refuse({
        reason: 'FieldValueInvalid',
        field: `spec.ports[${i}].nodePort`,
        message: `Invalid value: 0: failed to allocate a nodePort: range ${from}-${to} is full`,
      });
    }
    port.nodePort = found;
    chosen.add(keyOf(port, found));
  });
}
