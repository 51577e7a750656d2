/** Rules of Services, Endpoints and EndpointSlices. Source: Kubernetes 1.36 pkg/apis/{core,discovery}/validation. */
import { isDns1123Label, isDns1123Subdomain, isIp, isIpv4, isIpv6, isPortName, isPortNumber } from '../names.ts';
import type { Endpoints, EndpointSlice, Service, ServicePort, ServiceSpec } from '../objects.ts';
import type { Causes } from './causes.ts';
import { validateLabels } from './metadata.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000;

export function validateService(causes: Causes, service: Service): void {
  const spec = service.spec ?? {};
  const type = spec.type ?? '';
  const headless = spec.clusterIP === 'None';
  if (type === '') causes.required('spec.type');
  else causes.oneOf('spec.type', type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']);
  if (type === 'ExternalName') validateExternalName(causes, spec);
  else {
    if (!headless && !spec.ports?.length) causes.required('spec.ports');
    if (headless && (type === 'NodePort' || type === 'LoadBalancer')) {
      causes.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`);
    }
    validateClusterIps(causes, spec);
  }
  validateServicePorts(causes, spec.ports ?? [], type);
  validateLabels(causes, 'spec.selector', spec.selector);
  causes.oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && (timeout <= 0 || timeout > 86_400)) {
    const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
    causes.invalid(field, timeout, 'must be greater than 0 and less than 86400');
  }
  causes.oneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']);
  causes.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
  if (
    spec.externalTrafficPolicy !== undefined &&
    type !== 'NodePort' &&
    type !== 'LoadBalancer' &&
    !spec.externalIPs?.length
  ) {
    causes.invalid(
      'spec.externalTrafficPolicy',
      spec.externalTrafficPolicy,
      'may only be set for externally-accessible services',
    );
  }
  causes.oneOf('spec.ipFamilyPolicy', spec.ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
  for (const [index, ip] of (spec.externalIPs ?? []).entries())
    causes.invalidEach(`spec.externalIPs[${index}]`, ip, isIp(ip));
}

function validateExternalName(causes: Causes, spec: ServiceSpec): void {
  if (spec.clusterIP) causes.forbidden('spec.clusterIPs[0]', 'may not be set for ExternalName services');
  const name = spec.externalName?.replace(/\.$/, '') ?? '';
  if (name === '') causes.required('spec.externalName');
  else causes.invalidEach('spec.externalName', spec.externalName, isDns1123Subdomain(name));
}

function validateClusterIps(causes: Causes, spec: ServiceSpec): void {
  for (const [index, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip !== 'None' && ip !== '') causes.invalidEach(`spec.clusterIPs[${index}]`, ip, isIp(ip));
  }
  if (spec.clusterIP !== undefined && spec.clusterIPs !== undefined && spec.clusterIPs[0] !== spec.clusterIP) {
    causes.invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`');
  }
}

function validateServicePorts(causes: Causes, ports: readonly ServicePort[], type: string): void {
  const names = new Set<string>();
  const pairs = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}]`;
    if (!port.name) {
      if (ports.length > 1) causes.required(`${field}.name`);
    } else {
      causes.invalidEach(`${field}.name`, port.name, isDns1123Label(port.name));
      if (names.has(port.name)) causes.duplicate(`${field}.name`, port.name);
      names.add(port.name);
    }
    causes.invalidEach(`${field}.port`, port.port ?? 0, isPortNumber(port.port ?? 0));
    if (!port.protocol) causes.required(`${field}.protocol`);
    else causes.oneOf(`${field}.protocol`, port.protocol, PROTOCOLS);
    if (typeof port.targetPort === 'string')
      causes.invalidEach(`${field}.targetPort`, port.targetPort, isPortName(port.targetPort));
    else if (port.targetPort !== undefined)
      causes.invalidEach(`${field}.targetPort`, port.targetPort, isPortNumber(port.targetPort));
    if (port.nodePort !== undefined && port.nodePort !== 0) {
      if (type === 'ClusterIP' || type === 'ExternalName') {
        causes.forbidden(`${field}.nodePort`, `may not be used when \`type\` is '${type}'`);
      }
      const nodeKey = `${port.protocol}/${port.nodePort}`;
      if (nodePorts.has(nodeKey)) causes.duplicate(`${field}.nodePort`, port.nodePort);
      nodePorts.add(nodeKey);
    }
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair)) causes.duplicate(field, { protocol: port.protocol, port: port.port });
    pairs.add(pair);
  }
}

/** A given address stays while the type needs one. */
export function validateServiceUpdate(causes: Causes, updated: Service, current: Service): void {
  if (updated.spec?.type === 'ExternalName' || current.spec?.type === 'ExternalName') return;
  const before = current.spec?.clusterIP ?? '';
  const after = updated.spec?.clusterIP ?? '';
  if (before !== '' && after !== before) {
    if (after === '') causes.invalid('spec.clusterIPs[0]', '', 'primary clusterIP can not be unset');
    else causes.invalid('spec.clusterIPs[0]', updated.spec?.clusterIPs ?? [after], 'may not change once set');
  }
}

export function validateEndpoints(causes: Causes, endpoints: Endpoints): void {
  for (const [index, subset] of (endpoints.subsets ?? []).entries()) {
    const field = `subsets[${index}]`;
    if (!subset.addresses?.length && !subset.notReadyAddresses?.length) {
      causes.required(field, 'must specify `addresses` or `notReadyAddresses`');
    }
    for (const [at, address] of (subset.addresses ?? []).entries()) {
      causes.invalidEach(`${field}.addresses[${at}].ip`, address.ip ?? '', isIp(address.ip ?? ''));
    }
    for (const [at, port] of (subset.ports ?? []).entries()) {
      causes.invalidEach(`${field}.ports[${at}].port`, port.port ?? 0, isPortNumber(port.port ?? 0));
      if ((subset.ports?.length ?? 0) > 1 && !port.name) causes.required(`${field}.ports[${at}].name`);
    }
  }
}

export function validateEndpointSlice(causes: Causes, slice: EndpointSlice): void {
  if (!slice.addressType) causes.required('addressType');
  else causes.oneOf('addressType', slice.addressType, ['FQDN', 'IPv4', 'IPv6']);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > ENDPOINTS_MAX) causes.tooMany('endpoints', endpoints.length, ENDPOINTS_MAX);
  for (const [index, endpoint] of endpoints.entries()) {
    const field = `endpoints[${index}].addresses`;
    const addresses = endpoint.addresses ?? [];
    if (addresses.length === 0) causes.required(field, 'must contain at least 1 address');
    else if (addresses.length > ADDRESSES_MAX) causes.tooMany(field, addresses.length, ADDRESSES_MAX);
    for (const [at, address] of addresses.entries()) {
      if (slice.addressType === 'IPv4' && !isIpv4(address))
        causes.invalid(`${field}[${at}]`, address, 'must be an IPv4 address');
      if (slice.addressType === 'IPv6' && !isIpv6(address))
        causes.invalid(`${field}[${at}]`, address, 'must be an IPv6 address');
      if (slice.addressType === 'FQDN') causes.invalidEach(`${field}[${at}]`, address, isDns1123Subdomain(address));
    }
  }
  const ports = slice.ports ?? [];
  if (ports.length > PORTS_MAX) causes.tooMany('ports', ports.length, PORTS_MAX);
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const name = port.name ?? '';
    if (name !== '') causes.invalidEach(`ports[${index}].name`, name, isDns1123Label(name));
    if (names.has(name)) causes.duplicate(`ports[${index}].name`, name);
    names.add(name);
    if (!port.protocol) causes.required(`ports[${index}].protocol`);
    else causes.oneOf(`ports[${index}].protocol`, port.protocol, PROTOCOLS);
  }
}
