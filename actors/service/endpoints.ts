/**
 * The older Endpoints object of a Service, which `kubectl get endpoints` and older clients read: one object with
 * everything in it, so it is cut off at 1,000 addresses. Pure. After kubernetes/pkg/controller/endpoint, 1.36.
 */
import { deepEqual } from '#src/api/metadata.ts';
import type { EndpointAddress, Endpoints, EndpointSlice, EndpointSubset, Service } from '#src/api/objects.ts';

const HEADLESS = 'service.kubernetes.io/headless';
export const ADDRESSES_MAX = 1_000;
export const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';
const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';

/**
 * The object to write, undefined when the stored one says the same. `slices` are as they are wanted; an ending Pod
 * is neither ready nor not ready here.
 */
export function planEndpoints(
  service: Service,
  slices: readonly EndpointSlice[],
  stored: Endpoints | undefined,
): Endpoints | undefined {
  const subsets: EndpointSubset[] = [];
  let room = ADDRESSES_MAX;
  let cut = false;
  for (const slice of slices) {
    const ready: EndpointAddress[] = [];
    const notReady: EndpointAddress[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.terminating === true && endpoint.conditions.ready !== true) continue;
      if (room === 0) cut = true;
      if (room === 0) break;
      room -= 1;
      const { addresses, hostname, nodeName, targetRef } = endpoint;
      const address: EndpointAddress = {
        ip: addresses[0] ?? '',
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(targetRef === undefined ? {} : { targetRef }),
      };
      (endpoint.conditions?.ready === true ? ready : notReady).push(address);
    }
    if (ready.length + notReady.length === 0) continue;
    subsets.push({
      ...(ready.length > 0 ? { addresses: ready.toSorted(byIp) } : {}),
      ...(notReady.length > 0 ? { notReadyAddresses: notReady.toSorted(byIp) } : {}),
      ports: (slice.ports ?? []).map(({ name = '', port = 0, protocol = 'TCP', appProtocol }) => ({
        ...(name === '' ? {} : { name }),
        port,
        protocol,
        ...(appProtocol === undefined ? {} : { appProtocol }),
      })),
    });
  }
  const { [OVER_CAPACITY]: _, ...annotations } = stored?.metadata.annotations ?? {};
  const { name = '', namespace = '', uid = '', labels } = service.metadata;
  const wanted: Endpoints = {
    ...stored,
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...stored?.metadata,
      name,
      namespace,
      // Not so in Kubernetes, whose controller deletes it by hand; the garbage collector does that for us.
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
      labels: {
        ...labels,
        [MANAGED_BY]: 'endpoint-controller',
        ...(service.spec?.clusterIP === 'None' ? { [HEADLESS]: '' } : {}),
      },
      ...(cut || Object.keys(annotations).length > 0
        ? { annotations: { ...annotations, ...(cut ? { [OVER_CAPACITY]: 'truncated' } : {}) } }
        : {}),
    },
    subsets: merged(subsets),
  };
  if (stored === undefined) return wanted;
  const same =
    deepEqual(stored.subsets ?? [], wanted.subsets) && deepEqual(stored.metadata.labels ?? {}, wanted.metadata.labels);
  return same ? undefined : wanted;
}

/** Slices of the same ports are one subset. */
function merged(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const byPorts = new Map<string, EndpointSubset>();
  for (const subset of subsets) {
    const key = JSON.stringify(subset.ports);
    const before = byPorts.get(key);
    const addresses = [...(before?.addresses ?? []), ...(subset.addresses ?? [])].toSorted(byIp);
    const notReadyAddresses = [...(before?.notReadyAddresses ?? []), ...(subset.notReadyAddresses ?? [])].toSorted(
      byIp,
    );
    byPorts.set(key, {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ports: subset.ports ?? [],
    });
  }
  return [...byPorts.values()];
}

function byIp(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0;
}
