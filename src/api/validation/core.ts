/** Rules of the small kinds. Source: Kubernetes 1.36 pkg/apis/{core,coordination}/validation. */
import { deepEqual } from '../metadata.ts';
import { isConfigMapKey, isLabelValue, isQualifiedName } from '../names.ts';
import type { ConfigMap, Event, Lease, Node, Secret } from '../objects.ts';
import type { Causes } from './causes.ts';
import { utf8Length } from './metadata.ts';

/** All values of a ConfigMap or a Secret together. */
export const DATA_BYTES_MAX = 1_048_576;

export function validateConfigMap(causes: Causes, configMap: ConfigMap): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(configMap.data ?? {})) {
    causes.invalidEach(`data[${key}]`, key, isConfigMapKey(key));
    if (configMap.binaryData !== undefined && Object.hasOwn(configMap.binaryData, key)) {
      causes.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData');
    }
    bytes += utf8Length(value);
  }
  for (const [key, value] of Object.entries(configMap.binaryData ?? {})) {
    causes.invalidEach(`binaryData[${key}]`, key, isConfigMapKey(key));
    bytes += base64Bytes(value);
  }
  if (bytes > DATA_BYTES_MAX) causes.tooLong('', DATA_BYTES_MAX);
}

export function validateConfigMapUpdate(causes: Causes, updated: ConfigMap, current: ConfigMap): void {
  validateImmutable(causes, updated, current, ['data', 'binaryData']);
}

/** `immutable: true` stays, and with it the data. */
function validateImmutable<T extends { immutable?: boolean }>(
  causes: Causes,
  updated: T,
  current: T,
  fields: readonly (keyof T & string)[],
): void {
  if (current.immutable !== true) return;
  const text = 'field is immutable when `immutable` is set';
  if (updated.immutable !== true) causes.forbidden('immutable', text);
  for (const field of fields) if (!deepEqual(updated[field], current[field])) causes.forbidden(field, text);
}

function base64Bytes(text: string): number {
  return Math.floor((text.replace(/=+$/, '').length * 3) / 4);
}

/** A Map, since the type is the user's text and may be `__proto__`. */
const REQUIRED_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ['kubernetes.io/dockercfg', ['.dockercfg']],
  ['kubernetes.io/dockerconfigjson', ['.dockerconfigjson']],
  ['kubernetes.io/ssh-auth', ['ssh-privatekey']],
  ['kubernetes.io/tls', ['tls.crt', 'tls.key']],
]);

export function validateSecret(causes: Causes, secret: Secret): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    causes.invalidEach(`data[${key}]`, key, isConfigMapKey(key));
    bytes += base64Bytes(value);
  }
  if (bytes > DATA_BYTES_MAX) causes.tooLong('data', DATA_BYTES_MAX);
  const type = secret.type ?? '';
  for (const key of REQUIRED_KEYS.get(type) ?? []) {
    if (secret.data?.[key] === undefined) causes.required(`data[${key}]`);
  }
  if (
    type === 'kubernetes.io/basic-auth' &&
    secret.data?.['username'] === undefined &&
    secret.data?.['password'] === undefined
  ) {
    causes.required('data[username]');
    causes.required('data[password]');
  }
  const account = 'kubernetes.io/service-account.name';
  if (type === 'kubernetes.io/service-account-token' && !secret.metadata?.annotations?.[account]) {
    causes.required(`metadata.annotations[${account}]`);
  }
}

export function validateSecretUpdate(causes: Causes, updated: Secret, current: Secret): void {
  if (updated.type !== current.type) causes.immutable('type', updated.type);
  validateImmutable(causes, updated, current, ['data']);
}

export function validateNode(causes: Causes, node: Node): void {
  const seen = new Set<string>();
  for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
    const field = `spec.taints[${index}]`;
    causes.invalidEach(`${field}.key`, taint.key ?? '', isQualifiedName(taint.key ?? ''));
    causes.invalidEach(`${field}.value`, taint.value ?? '', isLabelValue(taint.value ?? ''));
    if (!taint.effect) causes.required(`${field}.effect`);
    else causes.oneOf(`${field}.effect`, taint.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
    const identity = `${taint.key}:${taint.effect}`;
    if (seen.has(identity)) causes.duplicate(field, { key: taint.key, effect: taint.effect });
    seen.add(identity);
  }
}

export function validateNodeUpdate(causes: Causes, updated: Node, current: Node): void {
  const before = current.spec?.podCIDRs ?? [];
  if (before.length > 0 && !deepEqual(updated.spec?.podCIDRs ?? [], before)) {
    causes.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  }
  const provider = current.spec?.providerID;
  if (provider && updated.spec?.providerID !== provider) {
    causes.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
  }
}

export function validateLease(causes: Causes, lease: Lease): void {
  const seconds = lease.spec?.leaseDurationSeconds;
  if (seconds !== undefined && seconds <= 0)
    causes.invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0');
  causes.nonNegative('spec.leaseTransitions', lease.spec?.leaseTransitions);
}

export function validateEvent(causes: Causes, event: Event): void {
  const about = event.involvedObject?.namespace ?? '';
  // Events about cluster-wide things live in default.
  const expected = about === '' ? ['default', 'kube-system'] : [about];
  if (!expected.includes(event.metadata?.namespace ?? '')) {
    causes.invalid('involvedObject.namespace', about, 'does not match event.namespace');
  }
}
