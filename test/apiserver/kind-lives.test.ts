/** One good object of every stored kind, through all that can be done with it. */
import test from 'ava';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { KINDS, type Kind } from '#src/api/kinds.ts';
import type { Http } from '#src/ports/http.ts';
import { apiFixture } from '#test/support/api-fixture.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';

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

/** Beside apiVersion, kind and a name. */
const EXAMPLES: Record<string, Json> = {
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

async function fixture() {
  const f = await apiFixture();
  const version = { major: '1', minor: '36', gitVersion: 'v1.36.0', gitCommit: '', gitTreeState: '', buildDate: '' };
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: { ...version, goVersion: '', compiler: 'node', platform: '' } },
  });
  return async (request: FakeRequest): Promise<FakeAnswer & { object: Json & { metadata: Json } }> => {
    const answer = send(server.handle, request);
    await f.run(answer.done);
    return Object.assign(answer, { object: JSON.parse(answer.text) as Json & { metadata: Json } });
  };
}

function collectionOf(kind: Kind): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  return `${root}${kind.namespaced ? '/namespaces/default' : ''}/${kind.resource}`;
}

const MERGE = { 'content-type': 'application/merge-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

for (const kind of KINDS.filter(({ verbs }) => verbs.includes('create') && verbs.includes('get'))) {
  const id = `${kind.apiVersion} ${kind.kind}`;
  test(`${id}: made, read, changed, applied, listed, deleted`, async (t) => {
    const ask = await fixture();
    const example = EXAMPLES[id];
    if (example === undefined) return t.fail('it has no example');
    const name = (example['metadata'] as { name?: string } | undefined)?.name ?? 'x';
    const body = { apiVersion: kind.apiVersion, kind: kind.kind, ...example, metadata: { name } };
    const url = collectionOf(kind);
    const one = `${url}/${name}`;

    t.is((await ask({ method: 'POST', url: `${url}?dryRun=All&fieldValidation=Strict`, body })).status, 201);
    t.is((await ask({ url: one })).status, 404);
    const made = await ask({ method: 'POST', url: `${url}?fieldValidation=Strict`, body });
    t.is(made.status, 201, made.text);
    t.deepEqual(made.headers['warning'], undefined);
    t.is(made.object.metadata['generation'], kind.generationFields.length === 0 ? undefined : 1);
    t.like(made.object, { apiVersion: kind.apiVersion, kind: kind.kind });
    t.is((await ask({ method: 'POST', url, body })).status, 409);

    const read = await ask({ url: one });
    t.deepEqual(read.object, made.object);
    const same = await ask({ method: 'PUT', url: one, body: read.object });
    t.is(same.object.metadata['resourceVersion'], made.object.metadata['resourceVersion'], 'a PUT of the same is none');
    for (const headers of [MERGE, STRATEGIC]) {
      const labels = { by: String(Object.values(headers)).length.toString() };
      const patched = await ask({ method: 'PATCH', url: one, headers, body: { metadata: { labels } } });
      t.like(patched.object, { metadata: { labels } }, patched.text);
      t.is(patched.object.metadata['generation'], made.object.metadata['generation']);
    }
    const config = { ...body, metadata: { name, annotations: { mine: 'yes' } } };
    const applied = await ask({
      method: 'PATCH',
      url: `${one}?fieldManager=me&force=true`,
      headers: APPLY,
      body: config,
    });
    t.is(applied.status, 200, applied.text);
    t.true(JSON.stringify(applied.object.metadata['managedFields']).includes('"manager":"me"'));

    const list = await ask({ url: `${url}?fieldSelector=metadata.name%3D${name}` });
    t.like(list.object, { kind: kind.listKind, apiVersion: kind.apiVersion });
    t.is((list.object['items'] as unknown[]).length, 1);
    const table = await ask({ url, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
    t.is(table.object['kind'], 'Table');
    for (const { name: subresource, verbs } of kind.subresources) {
      if (!['status', 'scale', 'approval'].includes(subresource) || !verbs.includes('get')) continue;
      const part = await ask({ url: `${one}/${subresource}` });
      t.is(part.status, 200, part.text);
      const put = await ask({ method: 'PUT', url: `${one}/${subresource}`, body: part.object });
      t.is(put.status, 200, put.text);
    }
    const deleted = await ask({ method: 'DELETE', url: one, body: { propagationPolicy: 'Background' } });
    t.is(deleted.status, 200, deleted.text);
    // A namespace is emptied first, and so is a definition.
    const isEmptied = ['Namespace', 'CustomResourceDefinition'].includes(kind.kind);
    t.is((await ask({ url: one })).status, isEmptied ? 200 : 404);
  });
}
