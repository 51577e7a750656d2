/** Rules of networking.k8s.io. Source: Kubernetes 1.36 pkg/apis/networking/validation/validation.go. */
import { isCidr, isWithin, parseCidr } from '../cidr.ts';
import { deepEqual } from '../metadata.ts';
import {
  isDns1035Label,
  isDns1123Subdomain,
  isIp,
  isIpv4,
  isIpv6,
  isPortName,
  isPortNumber,
  isQualifiedName,
} from '../names.ts';
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IPAddress,
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  ServiceCIDR,
} from '../objects/networking.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const CONTROLLER_LENGTH_MAX = 250;

export function validateIngress(causes: Causes, ingress: Ingress): void {
  const spec = ingress.spec ?? {};
  if (!spec.rules?.length && spec.defaultBackend === undefined) {
    causes.invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified');
  }
  if (spec.defaultBackend !== undefined) validateBackend(causes, 'spec.defaultBackend', spec.defaultBackend);
  for (const [index, { host, http }] of (spec.rules ?? []).entries()) {
    const field = `spec.rules[${index}]`;
    if (host) validateHost(causes, `${field}.host`, host);
    if (http !== undefined && !http.paths?.length) causes.required(`${field}.http.paths`);
    for (const [at, path] of (http?.paths ?? []).entries()) validatePath(causes, `${field}.http.paths[${at}]`, path);
  }
  for (const [index, { hosts }] of (spec.tls ?? []).entries()) {
    for (const [at, host] of (hosts ?? []).entries()) {
      causes.invalidEach(`spec.tls[${index}].hosts[${at}]`, host, hostProblems(host));
    }
  }
  if (spec.ingressClassName !== undefined) {
    causes.invalidEach('spec.ingressClassName', spec.ingressClassName, isDns1123Subdomain(spec.ingressClassName));
  }
}

/** On creation only: objects that have both are kept as they are. */
export function validateIngressClassAnnotation(causes: Causes, ingress: Ingress): void {
  const annotation = ingress.metadata?.annotations?.[CLASS_ANNOTATION];
  const { ingressClassName } = ingress.spec ?? {};
  if (annotation === undefined || ingressClassName === undefined || annotation === ingressClassName) return;
  const field = `metadata.annotations.${CLASS_ANNOTATION}`;
  causes.invalid(field, annotation, 'can not be set when the class field is also set');
}

function validateHost(causes: Causes, field: string, host: string): void {
  if (isIpv4(host) || isIpv6(host)) causes.invalid(field, host, 'must be a DNS name, not an IP address');
  causes.invalidEach(field, host, hostProblems(host));
}

function hostProblems(host: string): string[] {
  if (!host.includes('*')) return isDns1123Subdomain(host);
  const rest = host.startsWith('*.') ? isDns1123Subdomain(host.slice(2)) : ['*'];
  return rest.length === 0
    ? []
    : [
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ];
}

const INVALID_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const INVALID_SUFFIXES = ['/..', '/.'];

function validatePath(causes: Causes, field: string, path: HTTPIngressPath): void {
  const text = path.path ?? '';
  if (!path.pathType) causes.required(`${field}.pathType`, 'pathType must be specified');
  else if (path.pathType === 'Exact' || path.pathType === 'Prefix') {
    if (!text.startsWith('/')) causes.invalid(`${field}.path`, text, 'must be an absolute path');
    for (const part of INVALID_SEQUENCES) {
      if (text.includes(part)) causes.invalid(`${field}.path`, text, `must not contain '${part}'`);
    }
    for (const end of INVALID_SUFFIXES) {
      if (text.endsWith(end)) causes.invalid(`${field}.path`, text, `cannot end with '${end}'`);
    }
  } else if (path.pathType === 'ImplementationSpecific') {
    if (text !== '' && !text.startsWith('/')) causes.invalid(`${field}.path`, text, 'must be an absolute path');
  } else causes.notSupported(`${field}.pathType`, path.pathType, ['Exact', 'ImplementationSpecific', 'Prefix']);
  validateBackend(causes, `${field}.backend`, path.backend ?? {});
}

function validateBackend(causes: Causes, field: string, backend: IngressBackend): void {
  const { service, resource } = backend;
  if (service !== undefined && resource !== undefined) {
    causes.invalid(field, '', 'cannot set both resource and service backends');
  } else if (resource !== undefined) {
    if (!resource.kind) causes.required(`${field}.resource.kind`);
    if (!resource.name) causes.required(`${field}.resource.name`);
  } else if (service === undefined) causes.invalid(field, '', 'resource or service backend is required');
  else {
    if (!service.name) causes.required(`${field}.service.name`);
    else causes.invalidEach(`${field}.service.name`, service.name, isDns1035Label(service.name));
    const { name = '', number = 0 } = service.port ?? {};
    if (name !== '' && number !== 0) causes.invalid(field, '', 'cannot set both port name & port number');
    else if (name !== '') causes.invalidEach(`${field}.service.port.name`, name, isPortName(name));
    else if (number !== 0) causes.invalidEach(`${field}.service.port.number`, number, isPortNumber(number));
    else causes.required(field, 'port name or number is required');
  }
}

export function validateIngressClass(causes: Causes, ingressClass: IngressClass): void {
  const { controller = '', parameters } = ingressClass.spec ?? {};
  if (controller.length > CONTROLLER_LENGTH_MAX) causes.tooLong('spec.controller', CONTROLLER_LENGTH_MAX);
  causes.invalidEach('spec.controller', controller, prefixedPathProblems(controller));
  if (parameters === undefined) return;
  const field = 'spec.parameters';
  if (!parameters.kind) causes.required(`${field}.kind`, 'kind is required');
  if (!parameters.name) causes.required(`${field}.name`, 'name is required');
  causes.oneOf(`${field}.scope`, parameters.scope, ['Cluster', 'Namespace']);
  if (parameters.scope === 'Namespace' && !parameters.namespace) {
    causes.required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'");
  }
  if (parameters.scope === 'Cluster' && parameters.namespace !== undefined) {
    causes.forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'");
  }
}

function prefixedPathProblems(path: string): string[] {
  const slash = path.indexOf('/');
  if (slash <= 0 || slash === path.length - 1) {
    return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  }
  return isDns1123Subdomain(path.slice(0, slash));
}

export function validateIngressClassUpdate(causes: Causes, updated: IngressClass, current: IngressClass): void {
  if (updated.spec?.controller !== current.spec?.controller) {
    causes.immutable('spec.controller', updated.spec?.controller ?? '');
  }
}

export function validateNetworkPolicy(causes: Causes, policy: NetworkPolicy): void {
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = policy.spec ?? {};
  if (podSelector !== undefined) validateLabelSelector(causes, 'spec.podSelector', podSelector);
  for (const [index, rule] of ingress.entries()) {
    validateRule(causes, `spec.ingress[${index}]`, { ports: rule.ports, peers: rule.from, key: 'from' });
  }
  for (const [index, rule] of egress.entries()) {
    validateRule(causes, `spec.egress[${index}]`, { ports: rule.ports, peers: rule.to, key: 'to' });
  }
  if (policyTypes.length > 2) {
    causes.invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes');
    return;
  }
  for (const [index, type] of policyTypes.entries()) {
    causes.oneOf(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress']);
  }
}

interface Rule {
  ports: NetworkPolicyPort[] | undefined;
  peers: NetworkPolicyPeer[] | undefined;
  key: 'from' | 'to';
}

function validateRule(causes: Causes, field: string, { ports = [], peers = [], key }: Rule): void {
  for (const [index, port] of ports.entries()) validatePolicyPort(causes, `${field}.ports[${index}]`, port);
  for (const [index, peer] of peers.entries()) validatePeer(causes, `${field}.${key}[${index}]`, peer);
}

function validatePolicyPort(causes: Causes, field: string, { protocol, port, endPort }: NetworkPolicyPort): void {
  causes.oneOf(`${field}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']);
  if (typeof port === 'number') causes.invalidEach(`${field}.port`, port, isPortNumber(port));
  else if (port !== undefined) causes.invalidEach(`${field}.port`, port, isPortName(port));
  if (endPort === undefined) return;
  if (port === undefined) causes.required(`${field}.port`, 'must be specified when `endPort` is specified');
  else if (typeof port === 'string') {
    causes.invalid(`${field}.endPort`, endPort, 'may not be specified when `port` is non-numeric');
  } else if (endPort < port) causes.invalid(`${field}.endPort`, endPort, 'must be greater than or equal to `port`');
  causes.invalidEach(`${field}.endPort`, endPort, isPortNumber(endPort));
}

function validatePeer(causes: Causes, field: string, peer: NetworkPolicyPeer): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (podSelector !== undefined) validateLabelSelector(causes, `${field}.podSelector`, podSelector);
  if (namespaceSelector !== undefined) validateLabelSelector(causes, `${field}.namespaceSelector`, namespaceSelector);
  if (ipBlock !== undefined) validateBlock(causes, `${field}.ipBlock`, ipBlock);
  const others = podSelector !== undefined || namespaceSelector !== undefined;
  if (!others && ipBlock === undefined) causes.required(field, 'must specify a peer');
  else if (others && ipBlock !== undefined) causes.forbidden(field, 'may not specify both ipBlock and another peer');
}

const CIDR_TEXT = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function validateBlock(causes: Causes, field: string, block: IPBlock): void {
  const outer = parseCidr(block.cidr ?? '');
  if (!block.cidr) causes.required(`${field}.cidr`);
  else if (outer === undefined) causes.invalid(`${field}.cidr`, block.cidr, CIDR_TEXT);
  for (const [index, except] of (block.except ?? []).entries()) {
    const path = `${field}.except[${index}]`;
    const inner = parseCidr(except);
    if (inner === undefined) causes.invalid(path, except, CIDR_TEXT);
    else if (outer !== undefined && (!isWithin(inner, outer) || inner.prefix <= outer.prefix)) {
      causes.invalid(path, except, 'must be a strict subset of `cidr`');
    }
  }
}

export function validateIpAddress(causes: Causes, address: IPAddress): void {
  const name = address.metadata?.name ?? '';
  if (name !== '') causes.invalidEach('metadata.name', name, isIp(name));
  const parent = address.spec?.parentRef;
  if (parent === undefined) {
    causes.required('spec.parentRef');
    return;
  }
  if (!parent.resource) causes.required('spec.parentRef.resource');
  else causes.invalidEach('spec.parentRef.resource', parent.resource, isQualifiedName(parent.resource));
  if (!parent.name) causes.required('spec.parentRef.name');
}

export function validateIpAddressUpdate(causes: Causes, updated: IPAddress, current: IPAddress): void {
  if (!deepEqual(updated.spec?.parentRef, current.spec?.parentRef)) {
    causes.immutable('spec.parentRef', updated.spec?.parentRef ?? null);
  }
}

export function validateServiceCidr(causes: Causes, serviceCidr: ServiceCIDR): void {
  const cidrs = serviceCidr.spec?.cidrs ?? [];
  if (cidrs.length === 0) causes.required('spec.cidrs', 'at least one CIDR required');
  if (cidrs.length > 2) {
    causes.invalid('spec', cidrs, 'may only hold up to 2 values');
    return;
  }
  for (const [index, cidr] of cidrs.entries()) {
    if (!isCidr(cidr)) causes.invalid(`spec.cidrs[${index}]`, cidr, CIDR_TEXT);
  }
  if (cidrs.length === 2 && cidrs[0]?.includes(':') === cidrs[1]?.includes(':')) {
    causes.invalid(
      'spec.cidrs',
      cidrs,
      'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    );
  }
}

export function validateServiceCidrUpdate(causes: Causes, updated: ServiceCIDR, current: ServiceCIDR): void {
  if (!deepEqual(updated.spec?.cidrs, current.spec?.cidrs)) {
    causes.immutable('spec.cidrs', updated.spec?.cidrs ?? null);
  }
}
