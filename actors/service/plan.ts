/**
 * The EndpointSlices of a Service: which Pods stand behind it, in slices of at most 100, changing as few slices as
 * possible. Pure. After kubernetes/staging/src/k8s.io/endpointslice (reconciler.go, utils.go), 1.36.
 */
import { labelMapMatcher } from '#src/api/selectors.ts';
import { planEndpoints } from './endpoints.ts';
import { deepEqual, isConditionTrue } from '#src/api/metadata.ts';
import type { Endpoint, EndpointPort, Endpoints, EndpointSlice, Pod, Service, ServicePort } from '#src/api/objects.ts';

/** Endpoints of one slice: small enough that one Pod's change is a small write. */
export const ENDPOINTS_PER_SLICE = 100;
export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
export const HEADLESS = 'service.kubernetes.io/headless';

export interface SlicesPlan {
  readonly create: readonly EndpointSlice[];
  /** Whole objects with the resourceVersion they were computed from. */
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
  /** The older form of the same, to be created or, with a resourceVersion, updated. */
  readonly endpoints: Endpoints | undefined;
}

export interface ServiceInput {
  service: Service;
  /** Of the Service's namespace. */
  pods: readonly Pod[];
  /** Labelled with the Service's name. Those managed by others are left alone. */
  slices: readonly EndpointSlice[];
  endpoints?: Endpoints | undefined;
}

export function planSlices({ service, pods, slices, endpoints }: ServiceInput): SlicesPlan {
  const owned = slices.filter((slice) => slice.metadata.labels?.[MANAGED_BY] === MANAGER);
  const existing = owned.filter((slice) => slice.metadata.deletionTimestamp === undefined);
  if (service.metadata.deletionTimestamp !== undefined) return NOTHING;
  if (!hasEndpoints(service)) return { ...NOTHING, remove: existing };

  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  const groups = groupByPorts(service, pods);
  const portKeys = new Set(groups.keys());
  for (const slice of existing) {
    // A slice whose ports nobody has any more. A Service without Pods keeps one empty slice.
    if (!portKeys.has(portsKey(slice.ports ?? []))) remove.push(slice);
  }
  for (const [key, group] of groups) {
    const mine = existing.filter((slice) => portsKey(slice.ports ?? []) === key);
    fill(service, group, mine, { create, update, remove });
  }
  const changed = new Map(update.map((slice) => [slice.metadata.name, slice]));
  const kept = existing.filter((slice) => !remove.includes(slice));
  const wanted = [...kept.map((slice) => changed.get(slice.metadata.name) ?? slice), ...create];
  return { create, update, remove, endpoints: planEndpoints(service, wanted, endpoints) };
}

const NOTHING: SlicesPlan = { create: [], update: [], remove: [], endpoints: undefined };

/** A Service without a selector has endpoints of the user's making; one of type ExternalName has none. */
export function hasEndpoints(service: Service): boolean {
  return service.spec?.type !== 'ExternalName' && Object.keys(service.spec?.selector ?? {}).length > 0;
}

interface Group {
  ports: EndpointPort[];
  endpoints: Endpoint[];
}

/** Pods may resolve a port's name to different numbers; a slice has one set of ports. */
function groupByPorts(service: Service, pods: readonly Pod[]): Map<string, Group> {
  const matcher = labelMapMatcher(service.spec?.selector ?? {});
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    if (!matcher.matches(pod.metadata.labels) || !isEndpoint(pod)) continue;
    const ports = portsOf(service, pod);
    const key = portsKey(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(service, pod));
  }
  // Readers take the empty slice as "known to have nobody", unlike no slice at all.
  if (groups.size === 0) groups.set(portsKey([]), { ports: [], endpoints: [] });
  return groups;
}

function isEndpoint(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return (pod.status?.podIP ?? '') !== '' && phase !== 'Succeeded' && phase !== 'Failed';
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const port of service.spec?.ports ?? []) {
    const number = targetPortOf(port, pod);
    if (number === undefined) continue;
    ports.push({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: number,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    });
  }
  return ports;
}

/** By number, or by the name of a container's port with the same protocol; undefined when the Pod has none. */
export function targetPortOf(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    for (const { name, protocol, containerPort } of container.ports ?? []) {
      if (name === target && (protocol ?? 'TCP') === (port.protocol ?? 'TCP')) return containerPort;
    }
  }
  return undefined;
}

function endpointOf(service: Service, pod: Pod): Endpoint {
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isConditionTrue(pod.status?.conditions, 'Ready');
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { hostname, subdomain, nodeName } = pod.spec ?? {};
  // A Pod has a name of its own in DNS only behind the Service its subdomain names.
  const named = hostname !== undefined && hostname !== '' && subdomain === service.metadata.name;
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving, terminating },
    ...(named ? { hostname } : {}),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name ?? '',
      uid: pod.metadata.uid ?? '',
    },
    ...(nodeName === undefined ? {} : { nodeName }),
  };
}

function portsKey(ports: readonly EndpointPort[]): string {
  const parts = ports.map(({ name, protocol, port, appProtocol }) => [name ?? '', protocol, port, appProtocol ?? '']);
  return JSON.stringify(parts.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)));
}

/** Endpoints stay in the slice they are in; new ones fill the fullest slice with room; the rest gets new slices. */
function fill(
  service: Service,
  group: Group,
  mine: readonly EndpointSlice[],
  plan: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] },
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
  const contents = mine.map((slice) => {
    const kept: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const now = wanted.get(endpointKey(endpoint));
      if (now === undefined) continue;
      wanted.delete(endpointKey(endpoint));
      kept.push(now);
    }
    return { slice, endpoints: kept };
  });
  const left = [...wanted.values()];
  for (const content of contents.toSorted((a, b) => b.endpoints.length - a.endpoints.length)) {
    content.endpoints.push(...left.splice(0, Math.max(0, ENDPOINTS_PER_SLICE - content.endpoints.length)));
  }
  for (const { slice, endpoints } of contents) {
    const first = contents.find((content) => content.endpoints.length > 0) ?? contents[0];
    if (endpoints.length === 0 && first?.slice !== slice) {
      plan.remove.push(slice);
      continue;
    }
    const next = { ...slice, endpoints, metadata: { ...slice.metadata, labels: labelsOf(service) } };
    if (!deepEqual(withoutEmpty(slice), withoutEmpty(next))) plan.update.push(next);
  }
  while (left.length > 0 || (contents.length === 0 && plan.create.length === 0)) {
    plan.create.push(sliceOf(service, group.ports, left.splice(0, ENDPOINTS_PER_SLICE)));
    if (left.length === 0) break;
  }
}

function withoutEmpty(slice: EndpointSlice): unknown {
  return { labels: slice.metadata.labels ?? {}, endpoints: slice.endpoints ?? [] };
}

function endpointKey(endpoint: Endpoint): string {
  return endpoint.targetRef?.uid ?? endpoint.addresses.join();
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    ...(service.spec?.clusterIP === 'None' ? { [HEADLESS]: '' } : {}),
    [SERVICE_NAME]: service.metadata.name ?? '',
    [MANAGED_BY]: MANAGER,
  };
}

function sliceOf(service: Service, ports: EndpointPort[], endpoints: Endpoint[]): EndpointSlice {
  const { name = '', namespace = '', uid = '' } = service.metadata;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: labelsOf(service),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  };
}
