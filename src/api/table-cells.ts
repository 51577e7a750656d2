/** The row of each kind. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import { ageOf } from './human-duration.ts';
import type { Kind } from './kinds.ts';
import type { KubeObject } from './object.ts';
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Event,
  EventsV1Event,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Service,
  ServiceAccount,
} from './objects.ts';
import { podCells } from './pod-cells.ts';
import { formatLabels } from './selectors.ts';
import type { Cell } from './table.ts';
import { age, firstOf, nameOf, templateCells } from './tables/printer.ts';

/** Names listed before `+ N more...`. */
const LIST_SHOWN_MAX = 3;

type Row = (object: never, nowMs: number) => Cell[];

const ROWS: Record<string, Row> = {
  'v1 Pod': podCells satisfies (pod: Pod, nowMs: number) => Cell[],
  'v1 Namespace': (namespace: Namespace, nowMs: number) => [
    nameOf(namespace),
    namespace.status?.phase ?? '',
    age(namespace, nowMs),
  ],
  'v1 ConfigMap': (configMap: ConfigMap, nowMs: number) => [
    nameOf(configMap),
    countKeys(configMap.data) + countKeys(configMap.binaryData),
    age(configMap, nowMs),
  ],
  'v1 Secret': (secret: Secret, nowMs: number) => [
    nameOf(secret),
    secret.type ?? '',
    countKeys(secret.data),
    age(secret, nowMs),
  ],
  'v1 ServiceAccount': (account: ServiceAccount, nowMs: number) => [
    nameOf(account),
    account.secrets?.length ?? 0,
    age(account, nowMs),
  ],
  'v1 Node': nodeCells,
  'v1 Service': serviceCells,
  'v1 Endpoints': (endpoints: Endpoints, nowMs: number) => [
    nameOf(endpoints),
    endpointsText(endpoints),
    age(endpoints, nowMs),
  ],
  'v1 Event': eventCells,
  'events.k8s.io/v1 Event': eventsV1Cells,
  'apps/v1 Deployment': deploymentCells,
  'apps/v1 ReplicaSet': replicaSetCells,
  'coordination.k8s.io/v1 Lease': (lease: Lease, nowMs: number) => [
    nameOf(lease),
    lease.spec?.holderIdentity ?? '',
    age(lease, nowMs),
  ],
  'discovery.k8s.io/v1 EndpointSlice': endpointSliceCells,
  'apiextensions.k8s.io/v1 CustomResourceDefinition': (definition: KubeObject) => [
    nameOf(definition),
    definition.metadata?.creationTimestamp ?? '<unknown>',
  ],
};

/** One cell per column of the kind; kinds without a row of their own have name and age. */
export function cellsOf(kind: Kind, object: KubeObject, nowMs: number): Cell[] {
  if (kind.custom !== undefined) return kind.custom.cells(object, nowMs);
  const known = ROWS[`${kind.apiVersion} ${kind.kind}`] as Kind['cells'];
  const row = kind.cells ?? known;
  return row === undefined ? [nameOf(object), age(object, nowMs)] : row(object, nowMs);
}

function countKeys(map: Record<string, string> | undefined): number {
  return Object.keys(map ?? {}).length;
}

function deploymentCells(deployment: Deployment, nowMs: number): Cell[] {
  const status = deployment.status ?? {};
  return [
    nameOf(deployment),
    `${status.readyReplicas ?? 0}/${deployment.spec?.replicas ?? 0}`,
    status.updatedReplicas ?? 0,
    status.availableReplicas ?? 0,
    age(deployment, nowMs),
    ...templateCells(deployment.spec?.template, deployment.spec?.selector),
  ];
}

function replicaSetCells(replicaSet: ReplicaSet, nowMs: number): Cell[] {
  return [
    nameOf(replicaSet),
    replicaSet.spec?.replicas ?? 0,
    replicaSet.status?.replicas ?? 0,
    replicaSet.status?.readyReplicas ?? 0,
    age(replicaSet, nowMs),
    ...templateCells(replicaSet.spec?.template, replicaSet.spec?.selector),
  ];
}

const ROLE_LABEL = 'node-role.kubernetes.io/';

function nodeCells(node: Node, nowMs: number): Cell[] {
  const info = node.status?.nodeInfo;
  const address = (type: string) =>
    node.status?.addresses?.find((candidate) => candidate.type === type)?.address ?? '<none>';
  return [
    nameOf(node),
    nodeStatus(node),
    nodeRoles(node),
    age(node, nowMs),
    info?.kubeletVersion ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    info?.osImage || '<unknown>',
    info?.kernelVersion || '<unknown>',
    info?.containerRuntimeVersion || '<unknown>',
  ];
}

function nodeStatus(node: Node): string {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable === true) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: Node): string {
  const labels = node.metadata?.labels ?? {};
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(ROLE_LABEL) && key.length > ROLE_LABEL.length) roles.add(key.slice(ROLE_LABEL.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',');
}

function serviceCells(service: Service, nowMs: number): Cell[] {
  const spec = service.spec ?? {};
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol ?? 'TCP'}` : `${port}/${protocol ?? 'TCP'}`,
  );
  return [
    nameOf(service),
    spec.type ?? 'ClusterIP',
    spec.clusterIPs?.[0] ?? (spec.clusterIP || '<none>'),
    externalAddress(service),
    ports.join(',') || '<none>',
    age(service, nowMs),
    formatLabels(spec.selector) || '<none>',
  ];
}

function externalAddress(service: Service): string {
  const spec = service.spec ?? {};
  const external = spec.externalIPs ?? [];
  if (spec.type === 'ExternalName') return spec.externalName ?? '';
  if (spec.type !== 'LoadBalancer') return external.join(',') || '<none>';
  const balancer = (service.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  return [...balancer, ...external].join(',') || '<pending>';
}

function endpointsText(endpoints: Endpoints): string {
  const all: string[] = [];
  for (const subset of endpoints.subsets ?? []) {
    for (const { ip } of subset.addresses ?? []) {
      if (!subset.ports?.length) all.push(ip);
      for (const { port } of subset.ports ?? []) all.push(ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
    }
  }
  return firstOf(all, LIST_SHOWN_MAX) || '<none>';
}

function endpointSliceCells(slice: EndpointSlice, nowMs: number): Cell[] {
  const ports = (slice.ports ?? []).map(({ name, port }) => (port === undefined ? (name ?? '*') : String(port)));
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
  return [
    nameOf(slice),
    slice.addressType ?? '',
    ports.length === 0 ? '<unset>' : firstOf(ports, LIST_SHOWN_MAX),
    addresses.length === 0 ? '<unset>' : firstOf(addresses, LIST_SHOWN_MAX),
    age(slice, nowMs),
  ];
}

function eventCells(event: Event, nowMs: number): Cell[] {
  const about = event.involvedObject;
  const first = event.firstTimestamp ?? event.eventTime;
  const last = event.series?.lastObservedTime ?? event.lastTimestamp ?? first;
  const target = about?.name ? `${(about.kind ?? '').toLowerCase()}/${about.name}` : (about?.kind ?? '').toLowerCase();
  const component = event.source?.component || event.reportingComponent || '';
  const host = event.source?.host || event.reportingInstance || '';
  return [
    ageOf(last, nowMs),
    event.type ?? '',
    event.reason ?? '',
    target,
    about?.fieldPath ?? '',
    host === '' ? component : `${component}, ${host}`,
    (event.message ?? '').trim(),
    ageOf(first, nowMs),
    event.series?.count ?? event.count ?? 1,
    nameOf(event),
  ];
}

function eventsV1Cells(event: EventsV1Event, nowMs: number): Cell[] {
  const core: Event = {
    metadata: event.metadata,
    involvedObject: event.regarding ?? {},
    type: event.type,
    reason: event.reason,
    message: event.note,
    source: event.deprecatedSource,
    firstTimestamp: event.deprecatedFirstTimestamp,
    lastTimestamp: event.deprecatedLastTimestamp,
    count: event.deprecatedCount,
    eventTime: event.eventTime,
    series: event.series,
    reportingComponent: event.reportingController,
    reportingInstance: event.reportingInstance,
  };
  return eventCells(core, nowMs);
}
