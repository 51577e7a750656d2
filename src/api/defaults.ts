/**
 * What Kubernetes fills in before validation, for the served kinds. Many of these are load-bearing: clients read
 * them without looking whether they are there (kubectl debug crashes without spec.securityContext).
 * Source: Kubernetes 1.36 pkg/apis/<group>/<version>/defaults.go. Pods have their own file, pod-defaults.ts;
 * most kinds have theirs in defaults/.
 */
import * as devices from './defaults/devices.ts';
import * as policy from './defaults/policy.ts';
import * as workloads from './defaults/workloads.ts';
import type { Kind } from './kinds.ts';
import type { KubeObject } from './object.ts';
import type {
  Deployment,
  Endpoints,
  EndpointSlice,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Service,
  ServicePort,
} from './objects.ts';
import { defaultPodSpec } from './pod-defaults.ts';

type Writer<T> = (object: T) => void;

/** By apiVersion and kind: other groups may have kinds of the same name. */
const DEFAULTS: Record<string, Writer<never>> = {
  'v1 Pod': ((pod: Pod) => {
    if (pod.spec !== undefined) defaultPodSpec(pod.spec, 'pod');
  }) satisfies Writer<Pod>,
  'apps/v1 Deployment': defaultDeployment satisfies Writer<Deployment>,
  'apps/v1 ReplicaSet': defaultReplicaSet satisfies Writer<ReplicaSet>,
  'v1 Service': defaultService satisfies Writer<Service>,
  'v1 Namespace': defaultNamespace satisfies Writer<Namespace>,
  'v1 Node': defaultNode satisfies Writer<Node>,
  'v1 Secret': defaultSecret satisfies Writer<Secret>,
  'v1 Endpoints': defaultEndpoints satisfies Writer<Endpoints>,
  'discovery.k8s.io/v1 EndpointSlice': defaultEndpointSlice satisfies Writer<EndpointSlice>,
  'v1 PodTemplate': workloads.defaultPodTemplate,
  'v1 ReplicationController': workloads.defaultReplicationController,
  'v1 PersistentVolumeClaim': workloads.defaultClaim,
  'v1 PersistentVolume': policy.defaultPersistentVolume,
  'v1 LimitRange': policy.defaultLimitRange,
  'apps/v1 StatefulSet': workloads.defaultStatefulSet,
  'apps/v1 DaemonSet': workloads.defaultDaemonSet,
  'batch/v1 Job': workloads.defaultJob,
  'batch/v1 CronJob': workloads.defaultCronJob,
  'autoscaling/v1 HorizontalPodAutoscaler': workloads.defaultAutoscalerV1,
  'autoscaling/v2 HorizontalPodAutoscaler': workloads.defaultAutoscalerV2,
  'networking.k8s.io/v1 NetworkPolicy': policy.defaultNetworkPolicy,
  'networking.k8s.io/v1 IngressClass': policy.defaultIngressClass,
  'rbac.authorization.k8s.io/v1 RoleBinding': policy.defaultRoleBinding,
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': policy.defaultRoleBinding,
  'storage.k8s.io/v1 StorageClass': policy.defaultStorageClass,
  'storage.k8s.io/v1 CSIDriver': policy.defaultCsiDriver,
  'scheduling.k8s.io/v1 PriorityClass': policy.defaultPriorityClass,
  'flowcontrol.apiserver.k8s.io/v1 FlowSchema': policy.defaultFlowSchema,
  'flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration': policy.defaultPriorityLevel,
  'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration': policy.defaultMutatingWebhooks,
  'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration': policy.defaultWebhooks,
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy': policy.defaultAdmissionPolicy,
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': policy.defaultAdmissionPolicy,
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding': policy.defaultPolicyBinding,
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': policy.defaultPolicyBinding,
  'resource.k8s.io/v1 ResourceClaim': devices.defaultResourceClaim,
  'resource.k8s.io/v1 ResourceClaimTemplate': devices.defaultResourceClaimTemplate,
};

/** Changes `object` in place. Never fails: what is wrong stays for validation. */
export function applyDefaults(kind: Kind, object: KubeObject): void {
  if (kind.custom !== undefined) {
    kind.custom.applyDefaults(object);
    return;
  }
  const write = DEFAULTS[`${kind.apiVersion} ${kind.kind}`] as Writer<KubeObject> | undefined;
  write?.(object);
}

function defaultDeployment(deployment: Deployment): void {
  const spec = deployment.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ??= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  if (spec.template?.spec !== undefined) defaultPodSpec(spec.template.spec, 'template');
}

function defaultReplicaSet(replicaSet: ReplicaSet): void {
  const spec = replicaSet.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  if (spec.template?.spec !== undefined) defaultPodSpec(spec.template.spec, 'template');
}

function defaultService(service: Service): void {
  const spec = (service.spec ??= {});
  spec.type ??= 'ClusterIP';
  spec.sessionAffinity ??= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= 10_800;
  }
  for (const port of spec.ports ?? []) defaultServicePort(port);
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (external) spec.externalTrafficPolicy ??= 'Cluster';
  if (external || spec.type === 'ClusterIP') spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  if (spec.type !== 'ExternalName') defaultIpFamilies(service);
}

function defaultServicePort(port: ServicePort): void {
  port.protocol ??= 'TCP';
  if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
}

/** One family: this cluster is IPv4 unless the Service says, or its address shows, otherwise. */
function defaultIpFamilies(service: Service): void {
  const spec = service.spec ?? {};
  // A headless Service without a selector is the user's own: both families, as Kubernetes has it, if asked for.
  spec.ipFamilyPolicy ??= 'SingleStack';
  if (spec.ipFamilies === undefined || spec.ipFamilies.length === 0) {
    spec.ipFamilies = [spec.clusterIP?.includes(':') === true ? 'IPv6' : 'IPv4'];
  }
  if (spec.clusterIP !== undefined && spec.clusterIP !== '') spec.clusterIPs ??= [spec.clusterIP];
  else if (spec.clusterIPs?.[0] !== undefined) spec.clusterIP = spec.clusterIPs[0];
}

function defaultNamespace(namespace: Namespace): void {
  const name = namespace.metadata?.name;
  namespace.metadata ??= {};
  // Nobody may set it otherwise: selectors of namespaces rely on it (KEP-2161).
  if (name !== undefined && name !== '') {
    namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': name };
  }
  namespace.spec ??= {};
  namespace.spec.finalizers ??= ['kubernetes'];
  namespace.status ??= {};
  namespace.status.phase ??= 'Active';
}

function defaultNode(node: Node): void {
  node.spec ??= {};
  node.status ??= {};
  if (node.status.capacity !== undefined) node.status.allocatable ??= { ...node.status.capacity };
}

function defaultSecret(secret: Secret): void {
  secret.type ??= 'Opaque';
  if (secret.stringData === undefined) return;
  const encoder = new TextEncoder();
  // Without a prototype: a key may be `__proto__`.
  secret.data ??= Object.create(null) as Record<string, string>;
  for (const [key, text] of Object.entries(secret.stringData)) secret.data[key] = encoder.encode(text).toBase64();
  delete secret.stringData;
}

function defaultEndpoints(endpoints: Endpoints): void {
  for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ??= 'TCP';
}

function defaultEndpointSlice(slice: EndpointSlice): void {
  for (const port of slice.ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}
