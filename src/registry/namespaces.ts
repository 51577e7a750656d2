/** Namespaces as the frame of other objects: open, closing, protected. */
import type { Kind } from '#src/api/kinds.ts';
import type { Namespace } from '#src/api/objects.ts';
import type { Condition, Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { markerBytes } from './bytes.ts';
import { openNamespaceKey } from './keys.ts';
import type { NamedObject } from './raw.ts';
import { forbidden, notFound } from './refusals.ts';

/** As for every Namespace; a constant, so that no kind table is needed to look one up. */
const NAMESPACES = { group: '', version: 'v1', resource: 'namespaces' };
const NAMESPACE_KEY_PREFIX = '/registry/core/namespaces/';
/** Cannot be deleted, as in Kubernetes' NamespaceLifecycle admission. */
const PROTECTED = ['default', 'kube-system', 'kube-public'];

export function isNamespaceKind(kind: Kind): boolean {
  return kind.group === '' && kind.resource === 'namespaces';
}

/** The condition of every create in a namespace. @throws ApiError 404 without it, 403 while it is being deleted. */
export function requireOpenNamespace(view: StoreView, kind: Kind, namespace: string, name: string): Condition {
  const key = openNamespaceKey(namespace);
  if (view.get(key) !== undefined) return { type: 'exists', key };
  const stored = view.get(NAMESPACE_KEY_PREFIX + namespace);
  if (stored === undefined) throw notFound(NAMESPACES, namespace);
  throw forbidden(kind, name, `unable to create new content in namespace ${namespace} because it is being terminated`, [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    },
  ]);
}

export function openMarker(namespace: string): Operation {
  return { type: 'put', key: openNamespaceKey(namespace), ...markerBytes({ namespace }) };
}

/** Safe when it is gone already, unlike `delete`. */
export function closeMarker(namespace: string): Operation {
  const key = openNamespaceKey(namespace);
  return { type: 'deleteRange', from: key, to: `${key}\u0000`, limit: 1 };
}

/** What Kubernetes' namespace strategy sets in a new one. */
export function prepareNamespace(object: NamedObject): void {
  const namespace = object as NamedObject & Namespace;
  const finalizers = namespace.spec?.finalizers ?? [];
  namespace.spec = {
    ...namespace.spec,
    finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'],
  };
  namespace.status = { phase: 'Active' };
  namespace.metadata.labels = {
    ...namespace.metadata.labels,
    'kubernetes.io/metadata.name': namespace.metadata.name ?? '',
  };
}

/** @throws ApiError 403 for the namespaces every cluster needs. */
export function refuseProtected(kind: Kind, name: string): void {
  if (isNamespaceKind(kind) && PROTECTED.includes(name)) {
    throw forbidden(kind, name, 'this namespace may not be deleted');
  }
}
