/** Rules of rbac and certificates. Source: Kubernetes 1.36 pkg/apis/{rbac,certificates}/validation/validation.go. */
import { deepEqual } from '../metadata.ts';
import { isDns1123Subdomain, isPathSegmentName } from '../names.ts';
import type {
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../objects/access.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

const RBAC_GROUP = 'rbac.authorization.k8s.io';
const EXPIRATION_SECONDS_MIN = 600;
const SIGNER_LENGTH_MAX = 571;

export function validateRole(causes: Causes, role: Role): void {
  for (const [index, rule] of (role.rules ?? []).entries()) validateRule(causes, `rules[${index}]`, rule, true);
}

export function validateClusterRole(causes: Causes, role: ClusterRole): void {
  for (const [index, rule] of (role.rules ?? []).entries()) validateRule(causes, `rules[${index}]`, rule, false);
  if (role.aggregationRule === undefined) return;
  const selectors = role.aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    const text = 'at least one clusterRoleSelector required if aggregationRule is non-nil';
    causes.required('aggregationRule.clusterRoleSelectors', text);
  }
  for (const [index, selector] of selectors.entries()) {
    validateLabelSelector(causes, `aggregationRule.clusterRoleSelectors[${index}]`, selector);
  }
}

function validateRule(causes: Causes, field: string, rule: PolicyRule, isNamespaced: boolean): void {
  const { verbs, nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if (!verbs?.length) causes.required(`${field}.verbs`, 'verbs must contain at least one value');
  if (nonResourceURLs.length > 0) {
    if (isNamespaced) {
      causes.invalid(`${field}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs');
    }
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const text = 'rules cannot apply to both regular resources and non-resource URLs';
      causes.invalid(`${field}.nonResourceURLs`, nonResourceURLs, text);
    }
    return;
  }
  if (apiGroups.length === 0)
    causes.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  if (resources.length === 0) causes.required(`${field}.resources`, 'resource rules must supply at least one resource');
}

export function validateRoleBinding(causes: Causes, binding: RoleBinding): void {
  validateBinding(causes, binding, ['ClusterRole', 'Role']);
}

export function validateClusterRoleBinding(causes: Causes, binding: ClusterRoleBinding): void {
  validateBinding(causes, binding, ['ClusterRole']);
}

function validateBinding(causes: Causes, binding: RoleBinding | ClusterRoleBinding, kinds: readonly string[]): void {
  const reference: Partial<RoleBinding['roleRef']> = binding.roleRef ?? {};
  const { apiGroup = '', kind = '', name = '' } = reference;
  causes.oneOf('roleRef.apiGroup', apiGroup, [RBAC_GROUP]);
  causes.oneOf('roleRef.kind', kind, kinds);
  if (name === '') causes.required('roleRef.name');
  else causes.invalidEach('roleRef.name', name, isPathSegmentName(name));
  const isNamespaced = kinds.length > 1;
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    validateSubject(causes, `subjects[${index}]`, subject, isNamespaced);
  }
}

function validateSubject(causes: Causes, field: string, subject: Subject, isNamespaced: boolean): void {
  const { kind, name, apiGroup = '', namespace = '' } = subject;
  if (!name) causes.required(`${field}.name`);
  if (kind === 'ServiceAccount') {
    if (name) causes.invalidEach(`${field}.name`, name, isDns1123Subdomain(name));
    if (apiGroup !== '') causes.notSupported(`${field}.apiGroup`, apiGroup, ['']);
    if (!isNamespaced && namespace === '') causes.required(`${field}.namespace`);
  } else if (kind === 'User' || kind === 'Group') causes.oneOf(`${field}.apiGroup`, apiGroup, [RBAC_GROUP]);
  else causes.notSupported(`${field}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']);
}

export function validateBindingUpdate(
  causes: Causes,
  updated: RoleBinding | ClusterRoleBinding,
  current: RoleBinding | ClusterRoleBinding,
): void {
  if (!deepEqual(updated.roleRef, current.roleRef)) {
    causes.invalid('roleRef', updated.roleRef ?? null, 'cannot change roleRef');
  }
}

const USAGES = [
  'signing',
  'digital signature',
  'content commitment',
  'key encipherment',
  'key agreement',
  'data encipherment',
  'cert sign',
  'crl sign',
  'encipher only',
  'decipher only',
  'any',
  'server auth',
  'client auth',
  'code signing',
  'email protection',
  's/mime',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'timestamping',
  'ocsp signing',
  'microsoft sgc',
  'netscape sgc',
];

export function validateSigningRequest(causes: Causes, request: CertificateSigningRequest): void {
  const spec: Partial<CertificateSigningRequest['spec']> = request.spec ?? {};
  if (!isPemRequest(spec.request ?? '')) {
    causes.invalid('spec.request', spec.request ?? '', 'PEM block type must be CERTIFICATE REQUEST');
  }
  const usages = spec.usages ?? [];
  if (usages.length === 0) causes.required('spec.usages');
  const seen = new Set<string>();
  for (const [index, usage] of usages.entries()) {
    causes.oneOf(`spec.usages[${index}]`, usage, USAGES);
    if (seen.has(usage)) causes.duplicate(`spec.usages[${index}]`, usage);
    seen.add(usage);
  }
  validateSignerName(causes, spec.signerName ?? '');
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < EXPIRATION_SECONDS_MIN) {
    const text = `may not specify a duration less than ${EXPIRATION_SECONDS_MIN} seconds (10 minutes)`;
    causes.invalid('spec.expirationSeconds', spec.expirationSeconds, text);
  }
  validateConditions(causes, request);
}

/** The block and the start of its DER; whether the signature holds is the signer's to judge. */
function isPemRequest(base64: string): boolean {
  let text: string;
  try {
    text = new TextDecoder().decode(Uint8Array.fromBase64(base64));
    const match =
      /^\s*-----BEGIN CERTIFICATE REQUEST-----\s*([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/.exec(text);
    return match !== null && Uint8Array.fromBase64((match[1] ?? '').replaceAll(/\s/g, ''))[0] === 0x30;
  } catch {
    return false; // not base64, so no request either
  }
}

function validateSignerName(causes: Causes, name: string): void {
  const field = 'spec.signerName';
  if (name === '') {
    causes.required(field);
    return;
  }
  const slash = name.indexOf('/');
  if (slash < 0) {
    causes.invalid(field, name, 'must be a fully qualified domain and path of the form "example.com/signer-name"');
    return;
  }
  if (name.length > SIGNER_LENGTH_MAX) causes.tooLong(field, SIGNER_LENGTH_MAX);
  const domain = name.slice(0, slash);
  causes.invalidEach(field, domain, isDns1123Subdomain(domain));
  if (!domain.includes('.'))
    causes.invalid(field, domain, 'should be a domain with at least two segments separated by dots');
  const path = name.slice(slash + 1);
  if (path === '') causes.invalid(field, path, 'validating label "": a lowercase RFC 1123 label is required');
  else causes.invalidEach(field, path, isDns1123Subdomain(path));
}

function validateConditions(causes: Causes, request: CertificateSigningRequest): void {
  const seen = new Set<string>();
  const conditions = request.status?.conditions ?? [];
  for (const [index, { type, status }] of conditions.entries()) {
    const field = `status.conditions[${index}]`;
    if (!type) causes.required(`${field}.type`);
    const isVerdict = ['Approved', 'Denied', 'Failed'].includes(type);
    if (!status) causes.required(`${field}.status`);
    else causes.oneOf(`${field}.status`, status, isVerdict ? ['True'] : ['False', 'True', 'Unknown']);
    if (seen.has(type)) causes.duplicate(`${field}.type`, type);
    seen.add(type);
  }
  if (seen.has('Approved') && seen.has('Denied')) {
    const at = conditions.findLastIndex(({ type }) => type === 'Approved' || type === 'Denied');
    const text = 'Approved and Denied conditions are mutually exclusive';
    causes.invalid(`status.conditions[${at}].type`, conditions[at]?.type ?? '', text);
  }
}

/** Verdicts stay. Of status and approval alike. */
export function validateVerdict(
  causes: Causes,
  updated: CertificateSigningRequest,
  current: CertificateSigningRequest,
): void {
  validateConditions(causes, updated);
  const after = updated.status?.conditions ?? [];
  for (const { type } of current.status?.conditions ?? []) {
    if (!['Approved', 'Denied', 'Failed'].includes(type) || after.some((condition) => condition.type === type))
      continue;
    causes.forbidden('status.conditions', `updates may not remove a condition of type "${type}"`);
  }
  const before = current.status?.certificate ?? '';
  const certificate = updated.status?.certificate ?? '';
  if (before !== '' && before !== certificate) {
    causes.forbidden('status.certificate', 'updates may not modify the certificate content');
  }
}
