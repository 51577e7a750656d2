/** Rows of `kubectl get` of the built-in kinds, as Kubernetes prints them. */
import test from 'ava';
import { kindOf } from '#src/api/kinds.ts';
import { tableOf } from '#src/api/table.ts';
import type { Json } from '#test/support/api-object.ts';

const NOW = Date.parse('2026-11-23T10:00:00Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

/** Cells by column; with `-o wide`. */
function row(apiVersion: string, kind: string, fields: Json): Json {
  const found = kindOf(apiVersion, kind)!;
  const metadata = { name: 'x', creationTimestamp: ago(300), ...(fields['metadata'] as Json) };
  const object = { apiVersion, kind, ...fields, metadata };
  const table = tableOf(found, [object], { nowMs: NOW, includeObject: 'None' });
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]?.cells[index]]));
}

const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const selector = { matchLabels: { app: 'x' } };
const condition = (type: string): Json => ({ conditions: [{ type, status: 'True' }] });
const target = (change: Json): Json => ({
  spec: { maxReplicas: 5, scaleTargetRef: { kind: 'Deployment', name: 'web' }, ...change },
});
const STORAGE = 'storage.k8s.io/v1';
const NETWORKING = 'networking.k8s.io/v1';
const RBAC = 'rbac.authorization.k8s.io/v1';

const rows: [string, string, string, Json, Json][] = [
  [
    'a running Job',
    'batch/v1',
    'Job',
    { spec: { completions: 3, selector, template }, status: { succeeded: 1, startTime: ago(90) } },
    { Status: 'Running', Completions: '1/3', Duration: '90s', Age: '5m', Images: 'i', Selector: 'app=x' },
  ],
  [
    'a Job that is done',
    'batch/v1',
    'Job',
    {
      spec: { parallelism: 2 },
      status: { ...condition('Complete'), succeeded: 2, startTime: ago(90), completionTime: ago(60) },
    },
    { Status: 'Complete', Completions: '2/1 of 2', Duration: '30s' },
  ],
  [
    'a Job that failed',
    'batch/v1',
    'Job',
    { spec: {}, status: condition('Failed') },
    { Status: 'Failed', Completions: '0/1' },
  ],
  [
    'a suspended Job',
    'batch/v1',
    'Job',
    { spec: {}, status: condition('Suspended') },
    { Status: 'Suspended', Duration: '' },
  ],
  [
    'a CronJob',
    'batch/v1',
    'CronJob',
    {
      spec: { schedule: '@daily', suspend: true, timeZone: 'Europe/Berlin' },
      status: { active: [{}], lastScheduleTime: ago(60) },
    },
    { Schedule: '@daily', Timezone: 'Europe/Berlin', Suspend: 'True', Active: 1, 'Last Schedule': '60s' },
  ],
  [
    'a DaemonSet',
    'apps/v1',
    'DaemonSet',
    {
      spec: { selector, template },
      status: { desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, numberAvailable: 1 },
    },
    { Desired: 3, Current: 2, Ready: 1, 'Up-to-date': 0, Available: 1, 'Node Selector': '<none>', Containers: 'c' },
  ],
  [
    'a ControllerRevision',
    'apps/v1',
    'ControllerRevision',
    {
      metadata: {
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }],
      },
      revision: 4,
    },
    { Controller: 'statefulset.apps/db', Revision: 4 },
  ],
  [
    'an autoscaler that knows its metrics',
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    {
      ...target({
        minReplicas: 2,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
          { type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '10' } } },
          { type: 'External', external: { metric: { name: 'q' }, target: { type: 'Value', value: '5' } } },
        ],
      }),
      status: {
        currentReplicas: 2,
        currentMetrics: [
          { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 50 } } },
          { type: 'Pods', pods: { current: { averageValue: '7' } } },
        ],
      },
    },
    { Reference: 'Deployment/web', Targets: 'cpu: 50%/80%, 7/10 + 1 more...', MinPods: '2', MaxPods: 5, Replicas: 2 },
  ],
  [
    'an autoscaler of v1',
    'autoscaling/v1',
    'HorizontalPodAutoscaler',
    {
      ...target({ targetCPUUtilizationPercentage: 70 }),
      status: { currentReplicas: 1, currentCPUUtilizationPercentage: 30 },
    },
    { Targets: 'cpu: 30%/70%', MinPods: '<unset>', Replicas: 1 },
  ],
  [
    'a budget',
    'policy/v1',
    'PodDisruptionBudget',
    { spec: { maxUnavailable: 1 }, status: { disruptionsAllowed: 1 } },
    { 'Min Available': 'N/A', 'Max Unavailable': '1', 'Allowed Disruptions': 1 },
  ],
  [
    'a quota',
    'v1',
    'ResourceQuota',
    {
      status: {
        hard: { pods: '3', 'limits.cpu': '2', 'requests.cpu': '1' },
        used: { pods: '1', 'limits.cpu': '500m' },
      },
    },
    { Request: 'pods: 1/3, requests.cpu: 0/1', Limit: 'limits.cpu: 500m/2' },
  ],
  [
    'an Ingress with many hosts',
    NETWORKING,
    'Ingress',
    {
      spec: { rules: ['a', 'b', 'c', 'd'].map((host) => ({ host })), tls: [{}] },
      status: { loadBalancer: { ingress: [{ ip: '10.0.0.2' }, { hostname: 'lb' }] } },
    },
    { Class: '<none>', Hosts: 'a,b,c + 1 more...', Address: '10.0.0.2,lb', Ports: '80, 443' },
  ],
  ['an Ingress for all hosts', NETWORKING, 'Ingress', { spec: { defaultBackend: {} } }, { Hosts: '*', Ports: '80' }],
  [
    'an address of a Service',
    NETWORKING,
    'IPAddress',
    { spec: { parentRef: { resource: 'services', namespace: 'default', name: 'kubernetes' } } },
    { ParentRef: 'services/default/kubernetes' },
  ],
  [
    'a bound claim',
    'v1',
    'PersistentVolumeClaim',
    {
      spec: { volumeName: 'disk', storageClassName: 'fast' },
      status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] },
    },
    {
      Status: 'Bound',
      Volume: 'disk',
      Capacity: '1Gi',
      'Access Modes': 'RWO,RWX',
      StorageClass: 'fast',
      VolumeMode: '<unset>',
    },
  ],
  [
    'a volume that is going',
    'v1',
    'PersistentVolume',
    {
      metadata: { deletionTimestamp: ago(1) },
      spec: { capacity: { storage: '1Gi' }, claimRef: { namespace: 'a', name: 'b' } },
    },
    { Status: 'Terminating', Claim: 'a/b', Capacity: '1Gi', VolumeAttributesClass: '<unset>' },
  ],
  [
    'a default class',
    STORAGE,
    'StorageClass',
    { metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }, provisioner: 'p' },
    { Name: 'x (default)', Provisioner: 'p', ReclaimPolicy: 'Delete', AllowVolumeExpansion: false },
  ],
  [
    'a CSI driver',
    STORAGE,
    'CSIDriver',
    { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'b' }], volumeLifecycleModes: ['Persistent'] } },
    { AttachRequired: true, TokenRequests: 'a,b', Modes: 'Persistent', PodInfoOnMount: false },
  ],
  [
    'a binding',
    RBAC,
    'ClusterRoleBinding',
    {
      roleRef: { kind: 'ClusterRole', name: 'view' },
      subjects: [
        { kind: 'User', name: 'jane' },
        { kind: 'User', name: 'joe' },
        { kind: 'Group', name: 'ops' },
        { kind: 'ServiceAccount', name: 'a', namespace: 'b' },
      ],
    },
    { Role: 'ClusterRole/view', Users: 'jane, joe', Groups: 'ops', ServiceAccounts: 'b/a' },
  ],
  ['a role', RBAC, 'Role', {}, { 'Created At': ago(300) }],
  [
    'a request that is approved and signed',
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
    {
      spec: { username: 'jane', signerName: 's/t', expirationSeconds: 3600 },
      status: { ...condition('Approved'), certificate: 'AA==' },
    },
    { SignerName: 's/t', Requestor: 'jane', RequestedDuration: '60m', Condition: 'Approved,Issued' },
  ],
  [
    'a policy binding',
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicyBinding',
    { spec: { policyName: 'p', paramRef: { namespace: 'a', name: 'b' } } },
    { PolicyName: 'p', ParamRef: 'a/b' },
  ],
  [
    'a claim for a device',
    'resource.k8s.io/v1',
    'ResourceClaim',
    { status: { allocation: {}, reservedFor: [{}] } },
    { State: 'allocated,reserved' },
  ],
];
for (const [what, apiVersion, kind, fields, want] of rows) {
  test(`the row of ${what}`, (t) => t.like(row(apiVersion, kind, fields), want));
}
