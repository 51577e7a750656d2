/**
 * The conformance tests of Kubernetes that ask the API alone (test/conformance/testdata/conformance.yaml, by their names),
 * with what ours of the same name check of the upstream assertions and what they leave out. docs/conformance.md is
 * written from it.
 */
export interface Row {
  name: string;
  checks: string[];
  /** Empty: covered in full. */
  skips: string[];
}

/** What `API operations` means upstream: these, each followed by a look. */
const OPERATIONS = [
  'group, version and resource in discovery',
  'create, get, list in a namespace and over all, by label',
  'watch sees the patch, the update and the deletion',
  'patch, update',
  'delete, deletecollection by label',
];
const STATUS = 'get, patch and update of /status';

export interface OperationsRow extends Row {
  apiVersion: string;
  kind: string;
}

const operations = (
  name: string,
  apiVersion: string,
  kind: string,
  more: string[] = [],
  skips: string[] = [],
): OperationsRow => ({
  name,
  apiVersion,
  kind,
  checks: [...OPERATIONS, ...more],
  skips,
});

export const OPERATIONS_ROWS: OperationsRow[] = [
  operations(
    '[sig-api-machinery] API priority and fairness should support FlowSchema API operations',
    'flowcontrol.apiserver.k8s.io/v1',
    'FlowSchema',
    [STATUS],
  ),
  operations(
    '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations',
    'flowcontrol.apiserver.k8s.io/v1',
    'PriorityLevelConfiguration',
    [STATUS],
  ),
  operations(
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations',
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicy',
    [STATUS],
  ),
  operations(
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations',
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicyBinding',
  ),
  operations('[sig-apps] CronJob should support CronJob API operations', 'batch/v1', 'CronJob', [STATUS]),
  operations(
    '[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets',
    'policy/v1',
    'PodDisruptionBudget',
    [],
    ['the controller processes the budgets first'],
  ),
  operations(
    '[sig-apps] Daemon set [Serial] should list and delete a collection of DaemonSets',
    'apps/v1',
    'DaemonSet',
    [STATUS],
    ['its Pods run on every node first'],
  ),
  operations(
    '[sig-apps] Job should manage the lifecycle of a job',
    'batch/v1',
    'Job',
    [STATUS],
    ['its Pods run to completion'],
  ),
  operations(
    '[sig-apps] ReplicaSet should list and delete a collection of ReplicaSets',
    'apps/v1',
    'ReplicaSet',
    [STATUS],
    ['its Pods run first'],
  ),
  operations(
    '[sig-apps] Deployment should run the lifecycle of a Deployment',
    'apps/v1',
    'Deployment',
    [STATUS],
    ['its Pods run first (test/e2e/tour shows that)'],
  ),
  operations(
    '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should list, patch and delete a collection of StatefulSets',
    'apps/v1',
    'StatefulSet',
    [STATUS],
    ['its Pods run first'],
  ),
  operations(
    '[sig-apps] ReplicationController should test the lifecycle of a ReplicationController',
    'v1',
    'ReplicationController',
    [STATUS],
    ['its Pods run first'],
  ),
  operations(
    '[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision',
    'apps/v1',
    'ControllerRevision',
    [],
    ['a DaemonSet makes the first one'],
  ),
  operations(
    '[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations',
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
    [STATUS, 'get, patch and update of /approval'],
  ),
  operations('[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount', 'v1', 'ServiceAccount'),
  operations(
    '[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed',
    'events.k8s.io/v1',
    'Event',
  ),
  operations('[sig-instrumentation] Events should manage the lifecycle of an event', 'v1', 'Event'),
  operations(
    '[sig-network] EndpointSlice should support EndpointSlice API operations',
    'discovery.k8s.io/v1',
    'EndpointSlice',
  ),
  operations(
    '[sig-network] Ingress API should support creating Ingress API operations',
    'networking.k8s.io/v1',
    'Ingress',
    [STATUS],
  ),
  operations(
    '[sig-network] IngressClass API should support creating IngressClass API operations',
    'networking.k8s.io/v1',
    'IngressClass',
  ),
  operations('[sig-network] Services should test the lifecycle of an Endpoint', 'v1', 'Endpoints'),
  operations('[sig-network] Services should delete a collection of services', 'v1', 'Service', [STATUS]),
  operations(
    '[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations',
    'networking.k8s.io/v1',
    'ServiceCIDR',
    [STATUS],
    ['addresses are taken from it'],
  ),
  operations(
    '[sig-network] NetworkPolicy API should support creating NetworkPolicy API operations',
    'networking.k8s.io/v1',
    'NetworkPolicy',
  ),
  operations('[sig-node] ConfigMap should run through a ConfigMap lifecycle', 'v1', 'ConfigMap'),
  operations('[sig-node] Secrets should patch a secret', 'v1', 'Secret'),
  operations('[sig-node] Lease lease API should be available', 'coordination.k8s.io/v1', 'Lease'),
  operations('[sig-node] PodTemplates should run the lifecycle of PodTemplates', 'v1', 'PodTemplate'),
  operations('[sig-node] RuntimeClass should support RuntimeClasses API operations', 'node.k8s.io/v1', 'RuntimeClass'),
  operations(
    '[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection',
    'v1',
    'LimitRange',
  ),
  operations(
    '[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods',
    'scheduling.k8s.io/v1',
    'PriorityClass',
  ),
  operations(
    '[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations',
    'storage.k8s.io/v1',
    'CSIStorageCapacity',
  ),
  operations(
    '[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode',
    'storage.k8s.io/v1',
    'CSINode',
  ),
  operations(
    '[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass',
    'storage.k8s.io/v1',
    'StorageClass',
  ),
  operations(
    '[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment',
    'storage.k8s.io/v1',
    'VolumeAttachment',
    [STATUS],
  ),
  operations(
    '[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC',
    'v1',
    'PersistentVolumeClaim',
    [STATUS],
    ['the claim is bound by a controller'],
  ),
];

const row = (name: string, checks: string[], skips: string[] = []): Row => ({ name, checks, skips });

export const ROWS = {
  version: row('[sig-api-machinery] server version should find the server version', [
    'major and minor are whole numbers',
  ]),
  groups: row('[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup', [
    'each group lists its preferred version, and the same in its own document',
  ]),
  resources: row('[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup', [
    'each group version names itself and has a resource',
  ]),
  aggregated: row(
    '[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers',
    ['v2 and v2beta1 by Accept, every built-in resource present'],
  ),
  metadata406: row(
    '[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata',
    ['406 for a form that a create-only kind does not have'],
  ),
  chunks: row(
    '[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls',
    ['pages no larger than the limit, one resourceVersion, right remainingItemCount', 'all at once without a limit'],
  ),
  chunksExpired: row(
    '[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]',
    ['410 with a token to go on with', 'the rest in pages under a newer version'],
  ),
  unknownFields: row(
    '[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object',
    ['400 that names each unknown and duplicate field'],
  ),
  unknownMetadata: row('[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object', [
    '400 that names the field',
  ]),
  watchRestart: row(
    '[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch',
    ['nothing is missed or doubled between two watches'],
  ),
  watchFrom: row('[sig-api-machinery] Watchers should be able to start watching from a specific resource version', [
    'only what came after it',
  ]),
  watchLabels: row(
    '[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector',
    ['DELETED when the label goes, ADDED when it comes back'],
  ),
  watchMany: row(
    '[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps',
    ['watchers by label A, B, and either: each gets its own'],
  ),
  watchOrder: row('[sig-api-machinery] Watchers should receive events on concurrent watches in same order', [
    'watches begun at every event see the rest in one order',
  ]),
  namespaceFinalizer: row('[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace', [
    'a finalizer through /finalize, and its removal',
  ]),
  namespaceUpdate: row('[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace', [
    'a label by update',
  ]),
  namespaceStatus: row('[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status', [
    'Active; patch and update of /status',
  ]),
  namespacePatch: row('[sig-api-machinery] Namespaces [Serial] should patch a Namespace', ['a label by patch']),
  emptyKey: row('[sig-node] ConfigMap should fail to create ConfigMap with empty key', ['422']),
  emptySecretKey: row('[sig-node] Secrets should fail to create secret due to empty secret key', ['422']),
  immutableConfigMap: row('[sig-storage] ConfigMap should be immutable if `immutable` field is set', [
    'no change of data, no way back',
  ]),
  immutableSecret: row('[sig-storage] Secrets should be immutable if `immutable` field is set', [
    'no change of data, no way back',
  ]),
  scaleDeployment: row(
    '[sig-apps] Deployment Deployment should have a working scale subresource',
    ['get, update, patch of /scale'],
    ['its Pods follow (test/e2e/tour shows that)'],
  ),
  scaleStatefulSet: row(
    '[sig-apps] StatefulSet Basic StatefulSet functionality [StatefulSetBasic] should have a working scale subresource',
    ['get, update, patch of /scale'],
    ['its Pods follow'],
  ),
  scaleController: row(
    '[sig-apps] ReplicationController should get and update a ReplicationController scale',
    ['get, update of /scale'],
    ['its Pods follow'],
  ),
  eventsCollection: row('[sig-instrumentation] Events API should delete a collection of events', [
    'three by label, then none',
  ]),
  selfSubject: row('[sig-auth] SelfSubjectReview should support SelfSubjectReview API operations', [
    'name and groups of who asks, also when impersonated',
  ]),
  accessReview: row('[sig-auth] SubjectReview should support SubjectReview API operations', [
    'SubjectAccessReview and LocalSubjectAccessReview answer and agree',
  ]),
} satisfies Record<string, Row>;

/** Upstream's areas that need running Pods or parts that Kontiki does not have yet, with their number of tests. */
export const NOT_HERE: [string, string][] = [
  [
    '[sig-api-machinery] AdmissionWebhook, CustomResource*, Aggregator',
    'need a webhook or an API server in a Pod; ours of the same meaning: test/custom, test/apiserver',
  ],
  ['[sig-api-machinery] ResourceQuota', 'see test/registry for what is counted'],
  ['[sig-api-machinery] Garbage collector', 'see test/controllers'],
  [
    '[sig-apps] those that run Pods',
    'Deployment and ReplicaSet in test/e2e/tour; the other controllers are not there yet',
  ],
  ['[sig-cli]', 'test/compat/transcripts'],
  ['[sig-network], [sig-node], [sig-scheduling], [sig-storage] that run Pods', 'not run'],
];

export function render(): string {
  const all: Row[] = [...OPERATIONS_ROWS, ...Object.values(ROWS)].sort((a, b) => (a.name < b.name ? -1 : 1));
  const full = all.filter(({ skips }) => skips.length === 0).length;
  return [
    '# Conformance',
    '',
    'The conformance tests of Kubernetes that ask the API alone, by their upstream names. A test of ours has the same name, checks',
    'what the second column says against our own server, and leaves out what the third says. Upstream code is not run; its 408 tests',
    `need a cluster with all controllers. Written by \`test/scripts/conformance.ts\`; ${full} of ${all.length} in full.`,
    '',
    '| Test | Checks | Leaves out |',
    '| --- | --- | --- |',
    ...all.map(
      ({ name, checks, skips }) =>
        `| ${name.replaceAll('|', String.raw`\|`)} | ${checks.join('; ')} | ${skips.join('; ')} |`,
    ),
    '',
    '## Not covered',
    '',
    '| Area | Why, and what is near it |',
    '| --- | --- |',
    ...NOT_HERE.map(([area, why]) => `| ${area} | ${why} |`),
    '',
  ].join('\n');
}
