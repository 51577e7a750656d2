/** Rows of `kubectl get`, as Kubernetes prints them. */
import test from 'ava';
import fc from 'fast-check';
import { decodeObject } from '#src/api/decode.ts';
import { KINDS, kindOf } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { tableOf } from '#src/api/table.ts';
import { arbitraryObject } from './arbitrary-object.ts';

const NOW = Date.parse('2026-11-23T10:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

function row(apiVersion: string, kind: string, fields: Record<string, unknown>) {
  const found = kindOf(apiVersion, kind)!;
  const object = {
    apiVersion,
    kind,
    ...fields,
    metadata: { name: 'x', creationTimestamp: ago(300), ...(fields['metadata'] as object) },
  };
  const table = tableOf(found, [object], { nowMs: NOW, includeObject: 'None' });
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]?.cells[index]]));
}

const running = { name: 'c', ready: true, restartCount: 0, state: { running: { startedAt: ago(200) } } };
const waiting = (reason: string, restartCount = 0) => ({
  name: 'c',
  ready: false,
  restartCount,
  state: { waiting: { reason } },
});
const ended = (state: object, restartCount = 0) => ({
  name: 'c',
  ready: false,
  restartCount,
  state: { terminated: state },
});
const two = { containers: [{ name: 'c' }, { name: 'd' }] };
const initTwo = { containers: [{ name: 'c' }], initContainers: [{ name: 'i' }, { name: 'j' }] };

const pods: [string, object, Record<string, unknown>][] = [
  [
    'not scheduled',
    { status: { phase: 'Pending' } },
    { Ready: '0/1', Status: 'Pending', Restarts: '0', Node: '<none>', IP: '<none>' },
  ],
  [
    'being made',
    { status: { phase: 'Pending', containerStatuses: [waiting('ContainerCreating')] } },
    { Status: 'ContainerCreating' },
  ],
  [
    'running',
    {
      spec: { containers: [{ name: 'c' }], nodeName: 'n1' },
      status: { phase: 'Running', podIP: '10.0.0.9', containerStatuses: [running] },
    },
    { Ready: '1/1', Status: 'Running', Restarts: '0', Age: '5m', IP: '10.0.0.9', Node: 'n1' },
  ],
  [
    'restarted',
    {
      status: {
        phase: 'Running',
        containerStatuses: [
          { ...running, restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: ago(300) } } },
        ],
      },
    },
    { Status: 'Running', Restarts: '3 (5m ago)' },
  ],
  [
    'crashing',
    { status: { phase: 'Running', containerStatuses: [waiting('CrashLoopBackOff', 4)] } },
    { Ready: '0/1', Status: 'CrashLoopBackOff', Restarts: '4' },
  ],
  [
    'without its image',
    { status: { phase: 'Pending', containerStatuses: [waiting('ImagePullBackOff')] } },
    { Status: 'ImagePullBackOff' },
  ],
  [
    'done',
    { status: { phase: 'Succeeded', containerStatuses: [ended({ exitCode: 0, reason: 'Completed' })] } },
    { Status: 'Completed', Ready: '0/1' },
  ],
  [
    'ended by a code',
    { status: { phase: 'Failed', containerStatuses: [ended({ exitCode: 3 })] } },
    { Status: 'ExitCode:3' },
  ],
  [
    'ended by a signal',
    { status: { phase: 'Failed', containerStatuses: [ended({ exitCode: 137, signal: 9 })] } },
    { Status: 'Signal:9' },
  ],
  ['evicted', { status: { phase: 'Failed', reason: 'Evicted' } }, { Status: 'Evicted' }],
  [
    'being deleted',
    { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Running', containerStatuses: [running] } },
    { Status: 'Terminating', Ready: '1/1' },
  ],
  [
    'half done',
    {
      spec: two,
      status: {
        phase: 'Running',
        containerStatuses: [ended({ exitCode: 0, reason: 'Completed' }), { ...running, name: 'd' }],
      },
    },
    { Ready: '1/2', Status: 'NotReady' },
  ],
  [
    'at its second init container',
    {
      spec: initTwo,
      status: {
        phase: 'Pending',
        initContainerStatuses: [ended({ exitCode: 0 }), { name: 'j', restartCount: 0, state: { running: {} } }],
        containerStatuses: [waiting('PodInitializing')],
      },
    },
    { Ready: '0/1', Status: 'Init:1/2' },
  ],
  [
    'with a failing init container',
    {
      spec: initTwo,
      status: { phase: 'Pending', initContainerStatuses: [{ ...waiting('CrashLoopBackOff', 2), name: 'i' }] },
    },
    { Status: 'Init:CrashLoopBackOff', Restarts: '2' },
  ],
  [
    'with a sidecar',
    {
      spec: { containers: [{ name: 'c' }], initContainers: [{ name: 'i', restartPolicy: 'Always' }] },
      status: {
        phase: 'Running',
        initContainerStatuses: [{ ...running, name: 'i', started: true }],
        containerStatuses: [running],
      },
    },
    { Ready: '2/2', Status: 'Running' },
  ],
  [
    'gated',
    {
      status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    },
    { Status: 'SchedulingGated' },
  ],
  [
    'with readiness gates',
    {
      spec: { containers: [{ name: 'c' }], readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] },
      status: { phase: 'Running', conditions: [{ type: 'a', status: 'True' }] },
    },
    { 'Readiness Gates': '1/2' },
  ],
];
for (const [what, fields, want] of pods) {
  test(`a Pod ${what}`, (t) => t.like(row('v1', 'Pod', { spec: { containers: [{ name: 'c' }] }, ...fields }), want));
}

const template = {
  spec: {
    containers: [
      { name: 'web', image: 'nginx:1' },
      { name: 'log', image: 'fluent' },
    ],
  },
};
const selector = { matchLabels: { app: 'x' } };
const rows: [string, string, string, object, Record<string, unknown>][] = [
  [
    'a Deployment',
    'apps/v1',
    'Deployment',
    {
      spec: { replicas: 3, selector, template },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
    },
    {
      Name: 'x',
      Ready: '2/3',
      'Up-to-date': 3,
      Available: 1,
      Age: '5m',
      Containers: 'web,log',
      Images: 'nginx:1,fluent',
      Selector: 'app=x',
    },
  ],
  [
    'a ReplicaSet',
    'apps/v1',
    'ReplicaSet',
    { spec: { replicas: 3, selector, template }, status: { replicas: 2, readyReplicas: 1 } },
    {
      Name: 'x',
      Desired: 3,
      Current: 2,
      Ready: 1,
      Age: '5m',
      Containers: 'web,log',
      Images: 'nginx:1,fluent',
      Selector: 'app=x',
    },
  ],
  [
    'a Service',
    'v1',
    'Service',
    {
      spec: {
        type: 'NodePort',
        clusterIP: '10.0.0.1',
        ports: [
          { port: 80, nodePort: 30080, protocol: 'TCP' },
          { port: 53, protocol: 'UDP' },
        ],
        selector: { a: 'b' },
      },
    },
    {
      Name: 'x',
      Type: 'NodePort',
      'Cluster-IP': '10.0.0.1',
      'External-IP': '<none>',
      'Port(s)': '80:30080/TCP,53/UDP',
      Age: '5m',
      Selector: 'a=b',
    },
  ],
  [
    'a LoadBalancer that waits',
    'v1',
    'Service',
    { spec: { type: 'LoadBalancer' } },
    { 'External-IP': '<pending>', 'Port(s)': '<none>', Selector: '<none>' },
  ],
  [
    'a LoadBalancer that has its address',
    'v1',
    'Service',
    { spec: { type: 'LoadBalancer' }, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } },
    { 'External-IP': '1.2.3.4' },
  ],
  [
    'a Node',
    'v1',
    'Node',
    {
      metadata: { labels: { 'node-role.kubernetes.io/voter': '', 'node-role.kubernetes.io/agent': '' } },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.1.1.1' }],
        nodeInfo: {
          kubeletVersion: 'v1.36.3',
          osImage: 'Linux',
          kernelVersion: '6.1',
          containerRuntimeVersion: 'process://1',
        },
      },
    },
    {
      Name: 'x',
      Status: 'Ready,SchedulingDisabled',
      Roles: 'agent,voter',
      Age: '5m',
      Version: 'v1.36.3',
      'Internal-IP': '10.1.1.1',
      'External-IP': '<none>',
      'OS-Image': 'Linux',
      'Kernel-Version': '6.1',
      'Container-Runtime': 'process://1',
    },
  ],
  ['a Node never heard of', 'v1', 'Node', {}, { Status: 'Unknown', Roles: '<none>', 'OS-Image': '<unknown>' }],
  ['a ConfigMap', 'v1', 'ConfigMap', { data: { a: '1' }, binaryData: { b: '' } }, { Name: 'x', Data: 2, Age: '5m' }],
  ['a Secret', 'v1', 'Secret', { type: 'Opaque', data: { a: '' } }, { Name: 'x', Type: 'Opaque', Data: 1, Age: '5m' }],
  ['a Namespace', 'v1', 'Namespace', { status: { phase: 'Active' } }, { Name: 'x', Status: 'Active', Age: '5m' }],
  [
    'a Lease',
    'coordination.k8s.io/v1',
    'Lease',
    { spec: { holderIdentity: 'n1' } },
    { Name: 'x', Holder: 'n1', Age: '5m' },
  ],
  [
    'an EndpointSlice',
    'discovery.k8s.io/v1',
    'EndpointSlice',
    {
      addressType: 'IPv4',
      ports: [{ port: 80 }],
      endpoints: ['1', '2', '3', '4', '5'].map((n) => ({ addresses: [`10.0.0.${n}`] })),
    },
    { Name: 'x', AddressType: 'IPv4', Ports: '80', Endpoints: '10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...', Age: '5m' },
  ],
  [
    'an Event',
    'v1',
    'Event',
    {
      involvedObject: { kind: 'Pod', name: 'p' },
      type: 'Warning',
      reason: 'BackOff',
      message: 'Back-off restarting ',
      count: 4,
      firstTimestamp: ago(300),
      lastTimestamp: ago(30),
      source: { component: 'kubelet', host: 'n1' },
    },
    {
      'Last Seen': '30s',
      Type: 'Warning',
      Reason: 'BackOff',
      Object: 'pod/p',
      Source: 'kubelet, n1',
      Message: 'Back-off restarting',
      'First Seen': '5m',
      Count: 4,
      Name: 'x',
    },
  ],
  [
    'an Event of events.k8s.io',
    'events.k8s.io/v1',
    'Event',
    {
      regarding: { kind: 'Pod', name: 'p' },
      type: 'Normal',
      reason: 'Started',
      note: 'up',
      eventTime: ago(30),
      reportingController: 'k',
    },
    { 'Last Seen': '30s', Object: 'pod/p', Message: 'up', Count: 1, Source: 'k' },
  ],
];
for (const [what, apiVersion, kind, fields, want] of rows) {
  test(`the row of ${what}`, (t) => t.like(row(apiVersion, kind, { ...fields }), want));
}

test('every kind has one cell per column, whatever the object', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS).chain((kind) => fc.tuple(fc.constant(kind), arbitraryObject(kind.typeName))),
      ([kind, random]) => {
        const given = { ...random, apiVersion: kind.apiVersion, kind: kind.kind };
        const object = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
        const table = tableOf(kind, [object], { nowMs: NOW, includeObject: 'None' });
        t.is(table.rows[0]?.cells.length, kind.columns.length);
        t.true(table.rows[0]?.cells.every((cell) => cell !== undefined));
      },
    ),
    { numRuns: 300 },
  );
});

test('a Table carries what was asked for beside the cells', (t) => {
  const pods = kindOf('v1', 'Pod')!;
  const pod = { metadata: { name: 'x' }, spec: { containers: [] } };
  const metadata = tableOf(pods, [pod], {
    nowMs: NOW,
    includeObject: 'Metadata',
    version: 'v1beta1',
    listMeta: { resourceVersion: '7' },
  });
  t.is(metadata.apiVersion, 'meta.k8s.io/v1beta1');
  t.deepEqual(metadata.metadata, { resourceVersion: '7' });
  t.deepEqual(metadata.rows[0]?.object, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1beta1',
    metadata: { name: 'x' },
  });
  t.is(tableOf(pods, [pod], { nowMs: NOW, includeObject: 'Object' }).rows[0]?.object, pod);
  t.deepEqual(tableOf(pods, [pod], { nowMs: NOW, includeObject: 'None', withColumns: false }).columnDefinitions, []);
});
