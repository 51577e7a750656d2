/**
 * FlowSchemas and PriorityLevelConfigurations (flowcontrol.apiserver.k8s.io/v1) as far as they are acted on, and
 * Kubernetes' mandatory and suggested ones (k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap, 1.36).
 */

export interface Limited {
  nominalConcurrencyShares: number;
  /** Share of the nominal seats that others may use while they are idle. */
  lendablePercent: number;
  /** Absent: without bound. */
  borrowingLimitPercent?: number;
  /** Absent: what finds no seat is refused. */
  queuing?: { queues: number; handSize: number; queueLengthLimit: number };
}

export interface PriorityLevel {
  name: string;
  uid: string;
  /** Absent: exempt. */
  limited?: Limited;
}

export interface Subject {
  kind: 'User' | 'Group' | 'ServiceAccount';
  name: string;
  namespace?: string;
}

export interface ResourceRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  clusterScope?: boolean;
  namespaces?: string[];
}

export interface FlowRule {
  subjects: Subject[];
  resourceRules: ResourceRule[];
  nonResourceRules: { verbs: string[]; nonResourceURLs: string[] }[];
}

export interface FlowSchema {
  name: string;
  uid: string;
  priorityLevel: string;
  /** 1 to 10000; the lowest that matches wins, then the name. */
  matchingPrecedence: number;
  distinguisher?: 'ByUser' | 'ByNamespace';
  rules: FlowRule[];
}

export interface FlowConfiguration {
  priorityLevels: PriorityLevel[];
  flowSchemas: FlowSchema[];
}

/** Names that no object may take away: without them a request could fall through. */
export const EXEMPT = 'exempt';
export const CATCH_ALL = 'catch-all';

const EVERYTHING: ResourceRule = {
  verbs: ['*'],
  apiGroups: ['*'],
  resources: ['*'],
  clusterScope: true,
  namespaces: ['*'],
};
const EVERY_PATH = { verbs: ['*'], nonResourceURLs: ['*'] };

const user = (name: string): Subject => ({ kind: 'User', name });
const group = (name: string): Subject => ({ kind: 'Group', name });
const account = (namespace: string, name: string): Subject => ({ kind: 'ServiceAccount', namespace, name });
const EVERYBODY = [group('system:unauthenticated'), group('system:authenticated')];

function level(name: string, limited?: Limited): PriorityLevel {
  return { name, uid: builtInUid('PriorityLevelConfiguration', name), ...(limited === undefined ? {} : { limited }) };
}

function queued(shares: number, lendablePercent: number, queues: number, handSize: number): Limited {
  return {
    nominalConcurrencyShares: shares,
    lendablePercent,
    queuing: { queues, handSize, queueLengthLimit: 50 },
  };
}

type SchemaRow = [
  name: string,
  precedence: number,
  priorityLevel: string,
  distinguisher: FlowSchema['distinguisher'],
  subjects: Subject[],
  resourceRules: ResourceRule[],
  paths?: FlowRule['nonResourceRules'],
];

function onLeases(): ResourceRule {
  return {
    verbs: ['get', 'create', 'update'],
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    namespaces: ['*'],
  };
}

const SCHEMAS: SchemaRow[] = [
  [EXEMPT, 1, EXEMPT, undefined, [group('system:masters')], [EVERYTHING], [EVERY_PATH]],
  [
    'probes',
    2,
    EXEMPT,
    undefined,
    EVERYBODY,
    [],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  ],
  [
    'system-leader-election',
    100,
    'leader-election',
    'ByUser',
    [user('system:kube-controller-manager'), user('system:kube-scheduler'), account('kube-system', '*')],
    [onLeases()],
  ],
  [
    'endpoint-controller',
    150,
    'workload-high',
    'ByUser',
    [user('system:kube-controller-manager'), account('kube-system', 'endpoint-controller')],
    [{ verbs: ['get', 'create', 'update'], apiGroups: [''], resources: ['endpoints'], namespaces: ['*'] }],
  ],
  ['workload-leader-election', 200, 'leader-election', 'ByUser', [group('system:serviceaccounts')], [onLeases()]],
  [
    'system-node-high',
    400,
    'node-high',
    'ByUser',
    [group('system:nodes')],
    [
      { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true },
      { verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] },
    ],
  ],
  ['system-nodes', 500, 'system', 'ByUser', [group('system:nodes')], [EVERYTHING], [EVERY_PATH]],
  [
    'kube-controller-manager',
    800,
    'workload-high',
    'ByNamespace',
    [user('system:kube-controller-manager')],
    [EVERYTHING],
    [EVERY_PATH],
  ],
  ['kube-scheduler', 800, 'workload-high', 'ByNamespace', [user('system:kube-scheduler')], [EVERYTHING], [EVERY_PATH]],
  [
    'kube-system-service-accounts',
    900,
    'workload-high',
    'ByNamespace',
    [account('kube-system', '*')],
    [EVERYTHING],
    [EVERY_PATH],
  ],
  ['service-accounts', 9000, 'workload-low', 'ByUser', [group('system:serviceaccounts')], [EVERYTHING], [EVERY_PATH]],
  ['global-default', 9900, 'global-default', 'ByUser', EVERYBODY, [EVERYTHING], [EVERY_PATH]],
  [CATCH_ALL, 10_000, CATCH_ALL, 'ByUser', EVERYBODY, [EVERYTHING], [EVERY_PATH]],
];

/** What every cluster starts with. */
export const SUGGESTED: FlowConfiguration = {
  priorityLevels: [
    level(EXEMPT),
    level(CATCH_ALL, { nominalConcurrencyShares: 5, lendablePercent: 0 }),
    level('system', queued(30, 33, 64, 6)),
    level('node-high', queued(40, 25, 64, 6)),
    level('leader-election', queued(10, 0, 16, 4)),
    level('workload-high', queued(40, 50, 128, 6)),
    level('workload-low', queued(100, 90, 128, 6)),
    level('global-default', queued(20, 50, 128, 6)),
  ],
  flowSchemas: SCHEMAS.map(
    ([name, matchingPrecedence, priorityLevel, distinguisher, subjects, resourceRules, nonResourceRules = []]) => ({
      name,
      uid: builtInUid('FlowSchema', name),
      priorityLevel,
      matchingPrecedence,
      ...(distinguisher === undefined ? {} : { distinguisher }),
      rules: [{ subjects, resourceRules, nonResourceRules }],
    }),
  ),
};

/** FNV-1a; names things and proves nothing. */
export function hash32(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  // The last characters would only reach the low bits.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** What is built in is no object, yet clients are told a uid: the same on every node. */
function builtInUid(kind: string, name: string): string {
  const hex = [1, 2, 3, 4].map((seed) => hash32(`${kind}/${name}`, seed).toString(16).padStart(8, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
