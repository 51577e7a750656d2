/** Where Pods go and why not: tables, in Kubernetes' words. */
import test from 'ava';
import type { Node, Pod, PodSpec } from '#src/api/objects.ts';
import { place, nodeInfo, withPod, type NodeInfo } from '#src/scheduler/scheduler.ts';

interface NodeOptions {
  cpu?: string;
  memory?: string;
  pods?: string;
  labels?: Record<string, string>;
  spec?: Node['spec'];
}

function node(
  name: string,
  { cpu = '4', memory = '8Gi', pods = '110', labels = {}, spec = {} }: NodeOptions = {},
): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec,
    status: { allocatable: { cpu, memory, pods } },
  };
}

let made = 0;
function pod(requests: Record<string, string> = {}, spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  made += 1;
  return {
    metadata: { name: `p${made}`, namespace: 'default', uid: `uid-${made}`, labels: { app: 'web' }, ...metadata },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }], ...spec },
  };
}

const on = (nodeObject: Node, ...pods: Pod[]): NodeInfo => nodeInfo(nodeObject, pods);
const taint = (key: string, value: string, effect = 'NoSchedule') => ({ spec: { taints: [{ key, value, effect }] } });
const affinity = (values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In', values }] }],
      },
    },
  },
});
const antiAffinity: Partial<PodSpec> = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' },
      ],
    },
  },
};
const spread: Partial<PodSpec> = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
    },
  ],
};
const port: Partial<PodSpec> = {
  containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }],
};
const NO_VICTIMS = 'No preemption victims found for incoming pod';
const NO_HELP = 'Preemption is not helpful for scheduling';

const refusals: [string, Pod, NodeInfo[], string][] = [
  ['no nodes', pod(), [], 'no nodes available to schedule pods'],
  [
    'taints and resources are counted apart',
    pod({ cpu: '2' }),
    [on(node('a', taint('dedicated', 'db'))), on(node('b'), pod({ cpu: '3' })), on(node('c'), pod({ cpu: '3' }))],
    `0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/3 nodes are available: 1 ${NO_HELP}, 2 ${NO_VICTIMS}.`,
  ],
  [
    'every lacking resource is named; more than a node has cannot be helped',
    pod({ cpu: '5', memory: '9Gi' }),
    [on(node('a'))],
    `0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. preemption: 0/1 nodes are available: 1 ${NO_HELP}.`,
  ],
  [
    'cordoned',
    pod(),
    [on(node('a', { spec: { unschedulable: true } }))],
    `0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 ${NO_HELP}.`,
  ],
  [
    'node selector',
    pod({}, { nodeSelector: { disk: 'ssd' } }),
    [on(node('a'))],
    `0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 ${NO_HELP}.`,
  ],
  [
    'too many Pods',
    pod(),
    [on(node('a', { pods: '1' }), pod())],
    `0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 ${NO_VICTIMS}.`,
  ],
  [
    'host ports',
    pod({}, port),
    [on(node('a'), pod({}, port))],
    `0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 ${NO_VICTIMS}.`,
  ],
  [
    'anti-affinity to those already there',
    pod({}, antiAffinity),
    [on(node('a'), pod())],
    `0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. preemption: 0/1 nodes are available: 1 ${NO_VICTIMS}.`,
  ],
  [
    'anti-affinity of those already there',
    pod(),
    [on(node('a'), pod({}, antiAffinity))],
    `0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. preemption: 0/1 nodes are available: 1 ${NO_VICTIMS}.`,
  ],
  [
    'topology spread',
    pod({}, { ...spread, nodeSelector: {} }),
    [on(node('a'), pod()), on(node('b', { spec: { unschedulable: true } }))],
    `0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable. preemption: 0/2 nodes are available: 1 ${NO_VICTIMS}, 1 ${NO_HELP}.`,
  ],
];
for (const [title, candidate, nodes, message] of refusals) {
  test(`refused: ${title}`, (t) => t.deepEqual(place(candidate, nodes), { message }));
}

const sibling = {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs', controller: true }],
};
const placements: [string, Pod, NodeInfo[], string][] = [
  ['equal nodes: the first by name', pod(), [on(node('b')), on(node('a'))], 'a'],
  ['the emptier one', pod({ cpu: '1' }), [on(node('a'), pod({ cpu: '2' })), on(node('b'))], 'b'],
  [
    'away from siblings',
    pod({}, {}, sibling),
    [on(node('a'), pod({}, {}, sibling)), on(node('b'), pod({ cpu: '1', memory: '1Gi' }))],
    'b',
  ],
  [
    'a tolerated taint',
    pod({}, { tolerations: [{ key: 'k', operator: 'Exists' }] }),
    [on(node('a', taint('k', 'v')))],
    'a',
  ],
  [
    'a taint tolerated by value',
    pod({}, { tolerations: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
    [on(node('a', taint('k', 'v')))],
    'a',
  ],
  [
    'PreferNoSchedule is avoided',
    pod(),
    [on(node('a', taint('k', 'v', 'PreferNoSchedule'))), on(node('b'), pod())],
    'b',
  ],
  ['required affinity', pod({}, affinity(['ssd'])), [on(node('a')), on(node('b', { labels: { disk: 'ssd' } }))], 'b'],
  [
    'preferred affinity outweighs room',
    pod(
      {},
      {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 10, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } },
            ],
          },
        },
      },
    ),
    [on(node('a')), on(node('b', { labels: { disk: 'ssd' } }), pod({ cpu: '1' }))],
    'b',
  ],
  [
    'topology spread sends it to the emptier host',
    pod({}, spread),
    [on(node('a'), pod()), on(node('b'), pod({ cpu: '3' }, {}, { labels: {} }))],
    'b',
  ],
  ['what ended uses nothing of a host port range', pod({}, port), [on(node('a'))], 'a'],
];
for (const [title, candidate, nodes, name] of placements) {
  test(`placed: ${title}`, (t) => t.deepEqual(place(candidate, nodes), { node: name }));
}

test('a hundred Pods without requests spread evenly over three nodes, the same way each time', (t) => {
  const run = () => {
    let infos = ['a', 'b', 'c'].map((name) => on(node(name)));
    for (let i = 0; i < 99; i += 1) {
      const next = pod({}, {}, sibling);
      const placement = place(next, infos);
      infos = infos.map((info) => (info.name === placement.node ? withPod(info, next) : info));
    }
    return infos.map((info) => info.pods.length);
  };
  t.deepEqual(run(), [33, 33, 33]);
});

test('init containers ask for the largest of them, sidecars for themselves too (KEP-753)', (t) => {
  const spec: Partial<PodSpec> = {
    initContainers: [
      { name: 'sidecar', image: 'i', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
      { name: 'once', image: 'i', resources: { requests: { cpu: '2500m' } } },
    ],
  };
  const needs = pod({ cpu: '1' }, spec);
  t.is(place(needs, [on(node('a', { cpu: '3500m' }))]).node, 'a');
  t.is(place(needs, [on(node('a', { cpu: '3400m' }))]).node, undefined);
});
