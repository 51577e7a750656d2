/** Rules of ObjectMeta. Source: apimachinery pkg/api/validation/objectmeta.go 1.36. */
import type { Kind } from '../kinds.ts';
import { deepEqual } from '../metadata.ts';
import {
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isLabelValue,
  isPathSegmentName,
  isQualifiedName,
} from '../names.ts';
import type { ObjectMeta, OwnerReference } from '../object.ts';
import type { Causes } from './causes.ts';

/** All annotations together, keys and values. */
export const ANNOTATIONS_BYTES_MAX = 262_144;

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];

type NameRule = (name: string) => string[];
/** By apiVersion and kind; others are DNS subdomains. */
const NAME_RULES: Record<string, NameRule> = {
  'v1 Namespace': isDns1123Label,
  'v1 Service': isDns1035Label,
  'rbac.authorization.k8s.io/v1 Role': isPathSegmentName,
  'rbac.authorization.k8s.io/v1 RoleBinding': isPathSegmentName,
  'rbac.authorization.k8s.io/v1 ClusterRole': isPathSegmentName,
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': isPathSegmentName,
  // Its name is its address, which its own rule looks at.
  'networking.k8s.io/v1 IPAddress': () => [],
};

export function validateMetadata(causes: Causes, kind: Kind, metadata: ObjectMeta): void {
  const known = kind.custom === undefined ? NAME_RULES[`${kind.apiVersion} ${kind.kind}`] : undefined;
  const rule = known ?? isDns1123Subdomain;
  if (metadata.generateName !== undefined && metadata.generateName !== '') {
    // A trailing dash is fine there, since something follows it.
    causes.invalidEach('metadata.generateName', metadata.generateName, rule(metadata.generateName.replace(/-+$/, 'a')));
  }
  if (metadata.name === undefined || metadata.name === '') {
    causes.required('metadata.name', 'name or generateName is required');
  } else causes.invalidEach('metadata.name', metadata.name, rule(metadata.name));
  validateNamespaceOf(causes, kind, metadata);
  validateLabels(causes, 'metadata.labels', metadata.labels);
  validateAnnotations(causes, 'metadata.annotations', metadata.annotations);
  validateFinalizers(causes, metadata.finalizers, kind.custom === undefined && kind.group !== DEFINITIONS_GROUP);
  validateOwnerReferences(causes, metadata.ownerReferences);
}

function validateNamespaceOf(causes: Causes, kind: Kind, metadata: ObjectMeta): void {
  const namespace = metadata.namespace ?? '';
  if (!kind.namespaced) {
    if (namespace !== '') causes.forbidden('metadata.namespace', 'not allowed on this type');
  } else if (namespace === '') causes.required('metadata.namespace');
  else causes.invalidEach('metadata.namespace', namespace, isDns1123Label(namespace));
}

export function validateLabels(causes: Causes, field: string, labels: Record<string, string> | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    causes.invalidEach(field, key, isQualifiedName(key));
    causes.invalidEach(field, value, isLabelValue(value));
  }
}

export function validateAnnotations(
  causes: Causes,
  field: string,
  annotations: Record<string, string> | undefined,
): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // The prefix of an annotation may have capitals.
    causes.invalidEach(field, key, isQualifiedName(key.toLowerCase()));
    bytes += utf8Length(key) + utf8Length(value);
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) causes.tooLong(field, ANNOTATIONS_BYTES_MAX);
}

export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Only the kinds of Kubernetes itself want finalizers to be qualified. */
const DEFINITIONS_GROUP = 'apiextensions.k8s.io';

function validateFinalizers(causes: Causes, finalizers: readonly string[] | undefined, qualified: boolean): void {
  for (const finalizer of finalizers ?? []) {
    causes.invalidEach('metadata.finalizers', finalizer, isQualifiedName(finalizer));
    if (qualified && !finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer)) {
      const text = 'name is neither a standard finalizer name nor is it fully qualified';
      causes.invalid('metadata.finalizers', finalizer, text);
    }
  }
  if (finalizers?.includes('orphan') === true && finalizers.includes('foregroundDeletion')) {
    causes.invalid('metadata.finalizers', finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
  }
}

function validateOwnerReferences(causes: Causes, references: readonly OwnerReference[] | undefined): void {
  let controller: string | undefined;
  for (const [index, reference] of (references ?? []).entries()) {
    const field = `metadata.ownerReferences[${index}]`;
    if (!reference.apiVersion)
      causes.invalid(`${field}.apiVersion`, reference.apiVersion ?? '', 'version must not be empty');
    if (!reference.kind) causes.invalid(`${field}.kind`, reference.kind ?? '', 'must not be empty');
    if (!reference.name) causes.invalid(`${field}.name`, reference.name ?? '', 'must not be empty');
    if (!reference.uid) causes.invalid(`${field}.uid`, reference.uid ?? '', 'must not be empty');
    if (reference.kind === 'Event')
      causes.invalid(field, reference, `${reference.apiVersion}, Kind=Event is disallowed from being an owner`);
    if (reference.controller !== true) continue;
    if (controller !== undefined) {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${reference.name}`;
      causes.invalid('metadata.ownerReferences', references, text);
    }
    controller = reference.name;
  }
}

/** The server's own fields, and those that may be set once. */
export function validateMetadataUpdate(causes: Causes, updated: ObjectMeta, current: ObjectMeta): void {
  for (const key of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (!deepEqual(updated[key], current[key])) causes.immutable(`metadata.${key}`, updated[key] ?? '');
  }
  for (const key of ['deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    if (updated[key] !== undefined && current[key] !== undefined && updated[key] !== current[key]) {
      causes.immutable(`metadata.${key}`, updated[key]);
    }
  }
  if (current.deletionTimestamp === undefined) return;
  const known = new Set(current.finalizers);
  const added = (updated.finalizers ?? []).filter((name) => !known.has(name));
  if (added.length > 0) {
    const names = added.map((name) => JSON.stringify(name)).join(', ');
    const text = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${names}}`;
    causes.forbidden('metadata.finalizers', text);
  }
}
