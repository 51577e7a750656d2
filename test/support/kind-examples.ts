/** One good object of every stored kind. */
type Json = Record<string, unknown>;

const podSpec = { containers: [{ name: 'c', image: 'i' }] };
const template = { metadata: { labels: { app: 'x' } }, spec: podSpec };
const selector = { matchLabels: { app: 'x' } };
const jobTemplate = { spec: { ...podSpec, restartPolicy: 'Never' } };
const scaleTargetRef = { kind: 'Deployment', name: 'web' };
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const matchConstraints = { resourceRules: [rule] };
const webhook = {
  name: 'a.example.com',
  clientConfig: { url: 'https://example.com/' },
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  rules: [rule],
};
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const requests = [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }];
const PEM = '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n';
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];

/** By apiVersion and kind; beside those and a name. */
export const KIND_EXAMPLES: Record<string, Json> = {
  'v1 ConfigMap': { data: { a: 'b' } },
  'v1 Endpoints': { subsets: [{ addresses: [{ ip: '10.0.0.9' }], ports: [{ port: 80 }] }] },
  'v1 Event': { involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' }, reason: 'Started' },
  'v1 LimitRange': { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } },
  'v1 Namespace': {},
  'v1 Node': {},
  'v1 PersistentVolume': {
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } },
  },
  'v1 PersistentVolumeClaim': { spec: claim },
  'v1 Pod': { spec: podSpec },
  'v1 PodTemplate': { template },
  'v1 ReplicationController': { spec: { template } },
  'v1 ResourceQuota': { spec: { hard: { pods: '1' } } },
  'v1 Secret': { data: { a: 'AA==' } },
  'v1 ServiceAccount': {},
  'v1 Service': { spec: { ports: [{ port: 80 }] } },
  'apiextensions.k8s.io/v1 CustomResourceDefinition': {
    metadata: { name: 'crontabs.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      scope: 'Namespaced',
      names: { plural: 'crontabs', kind: 'CronTab' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  },
  'apiregistration.k8s.io/v1 APIService': {
    metadata: { name: 'v1.remote.example.com' },
    spec: { group: 'remote.example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10 },
  },
  'apps/v1 ControllerRevision': { data: { any: 'thing' }, revision: 1 },
  'apps/v1 DaemonSet': { spec: { selector, template } },
  'apps/v1 Deployment': { spec: { selector, template } },
  'apps/v1 ReplicaSet': { spec: { selector, template } },
  'apps/v1 StatefulSet': { spec: { selector, template, serviceName: 'x' } },
  'events.k8s.io/v1 Event': {
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    eventTime: '2026-11-23T10:00:00.000000Z',
    action: 'Start',
    reason: 'Started',
    type: 'Normal',
    reportingController: 'k/x',
    reportingInstance: 'x',
  },
  'autoscaling/v2 HorizontalPodAutoscaler': { spec: { maxReplicas: 2, scaleTargetRef } },
  'autoscaling/v1 HorizontalPodAutoscaler': { spec: { maxReplicas: 2, scaleTargetRef } },
  'batch/v1 CronJob': { spec: { schedule: '* * * * *', jobTemplate: { spec: { template: jobTemplate } } } },
  'batch/v1 Job': { spec: { template: jobTemplate } },
  'certificates.k8s.io/v1 CertificateSigningRequest': {
    spec: { request: btoa(PEM), signerName: 'a.b/c', usages: ['any'] },
  },
  'networking.k8s.io/v1 IngressClass': { spec: { controller: 'example.com/x' } },
  'networking.k8s.io/v1 Ingress': {
    spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
  },
  'networking.k8s.io/v1 IPAddress': {
    metadata: { name: '10.0.0.9' },
    spec: { parentRef: { resource: 'services', name: 'x' } },
  },
  'networking.k8s.io/v1 NetworkPolicy': { spec: { podSelector: {} } },
  'networking.k8s.io/v1 ServiceCIDR': { spec: { cidrs: ['10.0.0.0/24'] } },
  'policy/v1 PodDisruptionBudget': { spec: { selector, minAvailable: 1 } },
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': { roleRef, subjects: [{ kind: 'User', name: 'a' }] },
  'rbac.authorization.k8s.io/v1 ClusterRole': { rules },
  'rbac.authorization.k8s.io/v1 RoleBinding': { roleRef },
  'rbac.authorization.k8s.io/v1 Role': { rules },
  'storage.k8s.io/v1 CSIDriver': { spec: {} },
  'storage.k8s.io/v1 CSINode': { spec: { drivers: [{ name: 'd.io', nodeID: 'n' }] } },
  'storage.k8s.io/v1 CSIStorageCapacity': { storageClassName: 'fast', capacity: '1Gi' },
  'storage.k8s.io/v1 StorageClass': { provisioner: 'a.b/c' },
  'storage.k8s.io/v1 VolumeAttachment': {
    spec: { attacher: 'd.io', nodeName: 'n', source: { persistentVolumeName: 'p' } },
  },
  'storage.k8s.io/v1 VolumeAttributesClass': { driverName: 'd.io', parameters: { a: 'b' } },
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy': {
    spec: {
      matchConstraints,
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }],
    },
  },
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding': { spec: { policyName: 'p' } },
  'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration': { webhooks: [webhook] },
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': {
    spec: { matchConstraints, validations: [{ expression: 'true' }] },
  },
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': {
    spec: { policyName: 'p', validationActions: ['Deny'] },
  },
  'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration': { webhooks: [webhook] },
  'scheduling.k8s.io/v1 PriorityClass': { value: 7 },
  'coordination.k8s.io/v1 Lease': { spec: { holderIdentity: 'me' } },
  'node.k8s.io/v1 RuntimeClass': { handler: 'runc' },
  'discovery.k8s.io/v1 EndpointSlice': { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.9'] }] },
  'resource.k8s.io/v1 DeviceClass': { spec: {} },
  'resource.k8s.io/v1 ResourceClaim': { spec: { devices: { requests } } },
  'resource.k8s.io/v1 ResourceClaimTemplate': { spec: { spec: { devices: { requests } } } },
  'resource.k8s.io/v1 ResourceSlice': {
    spec: { driver: 'd.io', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
  },
  'flowcontrol.apiserver.k8s.io/v1 FlowSchema': { spec: { priorityLevelConfiguration: { name: 'p' } } },
  'flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration': {
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  },
};
