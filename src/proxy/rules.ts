/** Services and EndpointSlices in, Service ports with ready endpoints out. Pure. */
import type { EndpointSlice, Service } from '#src/api/objects.ts';
import type { ServicePort } from '#src/ports/dataplane.ts';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

type Endpoint = ServicePort['endpoints'][number];

function clusterIpsOf(service: Service): string[] {
  const ips = service.spec?.clusterIPs ?? (service.spec?.clusterIP === undefined ? [] : [service.spec.clusterIP]);
  return ips.filter((ip) => ip !== '' && ip !== 'None' && !ip.includes(':'));
}

function endpointsOf(slices: EndpointSlice[], portName: string, protocol: string): Endpoint[] {
  const found = new Map<string, Endpoint>();
  const serving = new Map<string, Endpoint>();
  for (const slice of slices) {
    const port = slice.ports?.find((p) => (p.name ?? '') === portName && (p.protocol ?? 'TCP') === protocol)?.port;
    if (port === undefined || slice.addressType !== 'IPv4') continue;
    for (const endpoint of slice.endpoints ?? []) {
      for (const ip of endpoint.addresses) {
        const entry: Endpoint = endpoint.nodeName === undefined ? { ip, port } : { ip, port, node: endpoint.nodeName };
        if (endpoint.conditions?.ready !== false) found.set(`${ip}:${port}`, entry);
        else if (endpoint.conditions.serving && endpoint.conditions.terminating) serving.set(`${ip}:${port}`, entry);
      }
    }
  }
  // KEP-1669: with no ready endpoint left, terminating ones that still serve are better than none.
  const chosen = found.size > 0 ? found : serving;
  return [...chosen.values()].toSorted((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port));
}

/** One entry per Service port, in a stable order; headless and ExternalName Services have none. */
export function serviceRules(services: Service[], slices: EndpointSlice[]): ServicePort[] {
  const byService = Map.groupBy(
    slices,
    (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`,
  );
  const rules: ServicePort[] = [];
  for (const service of services) {
    const clusterIps = clusterIpsOf(service);
    if (clusterIps.length === 0) continue;
    const name = `${service.metadata.namespace}/${service.metadata.name}`;
    for (const port of service.spec?.ports ?? []) {
      const protocol = (port.protocol ?? 'TCP') as ServicePort['protocol'];
      rules.push({
        id: `${name}:${port.name ?? port.port}`,
        protocol,
        clusterIps,
        port: port.port,
        ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }),
        sessionAffinity: service.spec?.sessionAffinity === 'ClientIP',
        endpoints: endpointsOf(byService.get(name) ?? [], port.name ?? '', protocol),
      });
    }
  }
  return rules.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}
