/**
 * Who may do what: system:masters everything, the fixed identities of nodes and components what their work
 * needs, everybody else questions about themselves and what roles and bindings give them (rbac.ts).
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Identity, ResourceRef } from './client.ts';
import type { Rbac } from './rbac.ts';
import { qualified } from './refusals.ts';

export interface Attributes {
  identity: Identity;
  verb: string;
  resource: ResourceRef;
  subresource?: string | undefined;
  namespace?: string | undefined;
  name?: string | undefined;
  /** Roles and bindings; without it only the fixed identities pass. */
  rbac?: Rbac | undefined;
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete'];
const EVENTS = rule(['events'], ['create', 'update', 'patch']);

interface Rule {
  /** `resource` or `resource/subresource`. */
  resources: string[];
  verbs: string[];
}

/** system:kube-controller-manager is our own leader duties; it stands for all controllers and passes everything. */
const UNLIMITED_USERS = ['system:kube-controller-manager', 'system:apiserver'];

const COMPONENTS: Record<string, Rule[]> = {
  'system:kube-scheduler': [
    rule(
      [
        'pods',
        'nodes',
        'namespaces',
        'services',
        'replicasets',
        'replicationcontrollers',
        'statefulsets',
        'persistentvolumes',
        'persistentvolumeclaims',
        'storageclasses',
        'csinodes',
        'priorityclasses',
        'poddisruptionbudgets',
      ],
      READ,
    ),
    rule(['pods'], ['delete']),
    rule(['pods/binding', 'bindings'], ['create']),
    rule(['pods/status'], ['update', 'patch']),
    rule(['leases'], [...READ, ...WRITE]),
    EVENTS,
  ],
  'system:kube-proxy': [rule(['services', 'endpoints', 'endpointslices', 'nodes'], READ), EVENTS],
  'system:coredns': [rule(['services', 'endpoints', 'endpointslices', 'pods', 'namespaces', 'nodes'], READ)],
};

/** What any node may do; what belongs to another node is refused by `ownOnly` and, for Pods, by the registry. */
const NODE_RULES: Rule[] = [
  rule(
    ['nodes', 'services', 'endpoints', 'endpointslices', 'pods', 'runtimeclasses', 'csidrivers', 'namespaces'],
    READ,
  ),
  rule(['secrets', 'configmaps', 'serviceaccounts', 'persistentvolumes', 'persistentvolumeclaims'], READ),
  rule(['nodes'], ['create', 'update', 'patch']),
  rule(['nodes/status'], ['update', 'patch']),
  rule(['pods'], ['create', 'delete']),
  rule(['pods/status'], ['update', 'patch']),
  rule(['pods/eviction'], ['create']),
  rule(['leases', 'csinodes'], [...READ, ...WRITE]),
  // The node's own slice of the `kubernetes` Service (DESIGN §4.12).
  rule(['endpointslices'], WRITE),
  rule(['serviceaccounts/token'], ['create']),
  rule(['certificatesigningrequests'], ['create', ...READ]),
  EVENTS,
];

/** Questions about oneself need no permission but a name. */
const SELF_REVIEWS = ['selfsubjectreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews'];

function rule(resources: string[], verbs: string[]): Rule {
  return { resources, verbs };
}

function allowedBy(rules: Rule[], resource: string, verb: string): boolean {
  return rules.some((r) => r.resources.includes(resource) && r.verbs.includes(verb));
}

/** The node name of a node's identity; undefined for everybody else. */
export function nodeNameOf(identity: Identity): string | undefined {
  const prefix = 'system:node:';
  return identity.user.startsWith(prefix) && identity.groups.includes('system:nodes')
    ? identity.user.slice(prefix.length)
    : undefined;
}

function nodeMay(node: string, asked: Attributes, resource: string): boolean {
  if (!allowedBy(NODE_RULES, resource, asked.verb)) return false;
  const writes = !READ.includes(asked.verb);
  if (!writes) return true;
  if (asked.resource.resource === 'nodes') return asked.name === undefined || asked.name === node;
  if (resource === 'endpointslices') {
    return asked.namespace === 'default' && (asked.name === undefined || asked.name === `kubernetes-${node}`);
  }
  if (resource === 'leases') {
    return asked.namespace === 'kube-node-lease' && (asked.name === undefined || asked.name === node);
  }
  return true;
}

export function isAllowed(asked: Attributes): boolean {
  const { identity } = asked;
  if (identity.groups.includes('system:masters') || UNLIMITED_USERS.includes(identity.user)) return true;
  if (SELF_REVIEWS.includes(asked.resource.resource)) return identity.groups.includes('system:authenticated');
  const resource =
    asked.subresource === undefined ? asked.resource.resource : `${asked.resource.resource}/${asked.subresource}`;
  const node = nodeNameOf(identity);
  if (node !== undefined) return nodeMay(node, asked, resource);
  const rules = COMPONENTS[identity.user];
  if (rules !== undefined && allowedBy(rules, resource, asked.verb)) return true;
  return asked.rbac?.allows(asked) === true;
}

/** @throws ApiError 403 in Kubernetes' words. */
export function requireAllowed(asked: Attributes): void {
  if (isAllowed(asked)) return;
  const resource =
    asked.subresource === undefined ? asked.resource.resource : `${asked.resource.resource}/${asked.subresource}`;
  const subject = asked.name === undefined ? qualified(asked.resource) : `${qualified(asked.resource)} "${asked.name}"`;
  const where = asked.namespace === undefined ? 'at the cluster scope' : `in the namespace "${asked.namespace}"`;
  throw new ApiError(
    403,
    'Forbidden',
    `${subject} is forbidden: User "${asked.identity.user}" cannot ${asked.verb} resource "${resource}" in API group "${asked.resource.group}" ${where}`,
    {
      details: {
        ...(asked.name === undefined ? {} : { name: asked.name }),
        ...(asked.resource.group === '' ? {} : { group: asked.resource.group }),
        kind: asked.resource.resource,
      },
    },
  );
}
