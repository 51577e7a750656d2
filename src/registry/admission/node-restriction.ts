/** NodeRestriction: a node writes itself, its Lease, its slice of the `kubernetes` Service and its Pods. */
import type { Kind } from '#src/api/kinds.ts';
import type { Pod } from '#src/api/objects.ts';
import { nodeNameOf } from '../authorize.ts';
import type { Identity } from '../client.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionPlugin, type Attributes } from './attributes.ts';

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  mutate(attributes) {
    const { operation, object } = attributes;
    if (operation !== 'CREATE' || object === undefined) return;
    const node = nodeNameOf(attributes.identity);
    if (node === undefined) return;
    requireOwnObject(attributes, node, object);
    if (isPodKind(attributes.kind)) requireOwnMirrorPod(attributes.kind, node, object);
  },
  validate(attributes) {
    requireOwnLabels(attributes);
    return undefined;
  },
};

function requireOwnObject({ kind }: Attributes, node: string, object: NamedObject): void {
  const name = object.metadata.name ?? '';
  const own: Record<string, string> = { nodes: node, leases: node, endpointslices: `kubernetes-${node}` };
  const wanted = own[kind.resource];
  if (wanted === undefined || name === wanted) return;
  throw forbidden(kind, name, `node "${node}" is not allowed to create ${kind.resource} "${name}"`);
}

/** A node creates only Pods that are its own. @throws ApiError 403. */
function requireOwnMirrorPod(kind: Kind, node: string, pod: NamedObject & Pod): void {
  if (pod.spec?.nodeName === node) return;
  const name = pod.metadata.name ?? '';
  throw forbidden(kind, name, `node "${node}" can only create pods with spec.nodeName set to itself`);
}

/** Labels with this prefix are for people to trust: a node may not give them to itself. */
const RESTRICTED_LABELS = /(^|\.)node-restriction\.kubernetes\.io\//;

/** @throws ApiError 403 when a node adds, changes or drops a label that isolates workloads. */
function requireOwnLabels({ kind, identity, object, old }: Attributes): void {
  const node = nodeNameOf(identity);
  if (node === undefined || object === undefined || kind.group !== '' || kind.resource !== 'nodes') return;
  const before = old?.metadata.labels ?? {};
  const after = object.metadata.labels ?? {};
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((label) => RESTRICTED_LABELS.test(label) && before[label] !== after[label])
    .toSorted();
  if (changed.length === 0) return;
  const verb = old === undefined ? 'set' : 'modify';
  const why = `is not allowed to ${verb} labels: ${changed.join(', ')}`;
  throw forbidden(kind, object.metadata.name ?? '', `node "${node}" ${why}`);
}

/** A node changes or deletes only Pods bound to it. @throws ApiError 403. */
export function requireOwnBoundPod(kind: Kind, identity: Identity, object: NamedObject): void {
  const node = nodeNameOf(identity);
  if (node === undefined || !isPodKind(kind)) return;
  const bound = (object as Pod).spec?.nodeName;
  if (bound === node) return;
  throw forbidden(
    kind,
    object.metadata.name ?? '',
    `node "${node}" can only change pods bound to it, this one is bound to "${bound ?? ''}"`,
  );
}
