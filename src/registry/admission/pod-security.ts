/** PodSecurity: the Pod Security Standards by the labels of a namespace: enforce refuses, warn and audit tell. */
import { findKind, type Kind } from '#src/api/kinds.ts';
import { deepEqual } from '#src/api/metadata.ts';
import type { Pod, PodSpec } from '#src/api/objects.ts';
import { decodeValue } from '../bytes.ts';
import { objectKey } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionPlugin, type Attributes } from './attributes.ts';
import { violationsOf, type SecurityLevel } from './pod-security-checks.ts';

const PREFIX = 'pod-security.kubernetes.io/';
const LEVELS: readonly string[] = ['privileged', 'baseline', 'restricted'];
const VERSION = /^(latest|v1\.(0|[1-9]\d{0,3}))$/;
/** Subresources that bring no new containers. */
const EXEMPT_SUBRESOURCES = [
  'exec',
  'attach',
  'binding',
  'eviction',
  'log',
  'portforward',
  'proxy',
  'status',
  'resize',
];
/** Kinds that make Pods: warned and audited, never refused. */
const TEMPLATE_PATHS: Record<string, string[]> = {
  podtemplates: ['template'],
  cronjobs: ['spec', 'jobTemplate', 'spec', 'template'],
};
const WORKLOADS = ['replicationcontrollers', 'replicasets', 'deployments', 'statefulsets', 'daemonsets', 'jobs'];

interface Policy {
  level: SecurityLevel;
  version: string;
}
type Mode = 'enforce' | 'audit' | 'warn';

export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  validate(attributes) {
    const { operation, subresource, object } = attributes;
    if (operation === 'DELETE' || object === undefined) return undefined;
    if (isPodKind(attributes.kind) && !EXEMPT_SUBRESOURCES.includes(subresource)) judgePod(attributes, object);
    else if (subresource === '') judgeTemplate(attributes, object);
    return undefined;
  },
};

function judgePod(attributes: Attributes, object: NamedObject): void {
  const pod = object as NamedObject & Pod;
  const old = attributes.old as Pod | undefined;
  // What was let in stays: only a changed spec is judged again.
  if (old !== undefined && deepEqual(old.spec, pod.spec)) return;
  const labels = labelsOf(attributes);
  const enforced = violation(policyOf(labels, 'enforce'), pod);
  if (enforced !== undefined) {
    throw forbidden(attributes.kind, attributes.name, `violates ${enforced}`);
  }
  tell(attributes, labels, pod);
}

function judgeTemplate(attributes: Attributes, object: NamedObject): void {
  const template = templateOf(attributes.kind, object);
  if (template?.spec !== undefined) tell(attributes, labelsOf(attributes), template);
}

function tell(attributes: Attributes, labels: Record<string, string>, pod: Pod): void {
  const warned = violation(policyOf(labels, 'warn'), pod);
  if (warned !== undefined) attributes.warnings.push(`would violate ${warned}`);
  const audited = violation(policyOf(labels, 'audit'), pod);
  if (audited !== undefined) {
    attributes.annotations['pod-security.kubernetes.io/audit-violations'] = `would violate ${audited}`;
  }
}

function violation(policy: Policy, pod: Pod): string | undefined {
  if (policy.level === 'privileged') return undefined;
  const found = violationsOf(policy.level, minorOf(policy.version), pod);
  if (found.length === 0) return undefined;
  const reasons = found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
  return `PodSecurity "${policy.level}:${policy.version}": ${reasons}`;
}

function minorOf(version: string): number {
  return version === 'latest' ? Number.POSITIVE_INFINITY : Number(version.slice('v1.'.length));
}

/** A label that cannot be read counts as the strictest, as in Kubernetes; absent is privileged. */
function policyOf(labels: Record<string, string>, mode: Mode): Policy {
  const level = labels[PREFIX + mode];
  const version = labels[`${PREFIX}${mode}-version`] ?? 'latest';
  const isKnown = level === undefined || LEVELS.includes(level);
  return {
    level: isKnown ? ((level ?? 'privileged') as SecurityLevel) : mode === 'enforce' ? 'restricted' : 'privileged',
    version: VERSION.test(version) ? version : 'latest',
  };
}

function labelsOf({ view, namespace }: Attributes): Record<string, string> {
  const namespaces = findKind({ group: '', version: 'v1', resource: 'namespaces' });
  const value = namespaces === undefined ? undefined : view.get(objectKey(namespaces, undefined, namespace ?? ''));
  return value === undefined ? {} : (decodeValue(value).metadata.labels ?? {});
}

/** The template of a kind that makes Pods. */
function templateOf(kind: Kind, object: NamedObject): (Pod & { spec?: PodSpec }) | undefined {
  const path = TEMPLATE_PATHS[kind.resource] ?? (WORKLOADS.includes(kind.resource) ? ['spec', 'template'] : undefined);
  if (path === undefined) return undefined;
  let at: unknown = object;
  for (const part of path) at = (at as Record<string, unknown> | undefined)?.[part];
  return at as Pod | undefined;
}
