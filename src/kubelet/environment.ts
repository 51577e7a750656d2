/** A container's environment, commands and mounts from its Pod's spec. */
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '#src/api/objects.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '#src/api/quantity.ts';
import { Fault } from '#src/std/fault.ts';

/** What a Pod refers to; a missing object is undefined. */
export interface References {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  services(): Service[];
}

export interface PodFacts {
  podIp: string | undefined;
  hostIp: string;
  nodeName: string;
}

/** Base64 to text, as environment variables take it. */
export function decodeBase64(data: string): Uint8Array {
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function missing(what: string): never {
  throw new Fault('KUBELET_CONFIG', what, 'later');
}

/** Downward API fields (KEP-24): metadata, spec and status of the Pod itself. */
export function fieldOf(pod: Pod, path: string, facts: PodFacts): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'spec.nodeName':
      return facts.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? 'default';
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp;
    case 'status.podIP':
    case 'status.podIPs':
      return facts.podIp ?? '';
    case 'metadata.labels':
      return mapLines(pod.metadata.labels);
    case 'metadata.annotations':
      return mapLines(pod.metadata.annotations);
    default:
      return missing(`unsupported fieldPath: ${path}`);
  }
}

function mapLines(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** `limits.cpu` and the like, divided and rounded up. */
export function resourceOf(container: Container, resource: string, divisor = '1'): string {
  const [kind, ...rest] = resource.split('.');
  const name = rest.join('.');
  const source = kind === 'limits' ? container.resources?.limits : container.resources?.requests;
  const value = source?.[name];
  if (value === undefined) return '0';
  const unit = divisor === '' || divisor === '0' ? '1' : divisor;
  return String(Math.ceil(quantityMilliValue(parseQuantity(value)) / quantityMilliValue(parseQuantity(unit))));
}

async function valueFrom(
  variable: EnvVar,
  pod: Pod,
  container: Container,
  facts: PodFacts,
  references: References,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return variable.value ?? '';
  if (from.fieldRef) return fieldOf(pod, from.fieldRef.fieldPath, facts);
  if (from.resourceFieldRef)
    return resourceOf(container, from.resourceFieldRef.resource, from.resourceFieldRef.divisor);
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const map = await references.configMap(name);
    const value = map?.data?.[key];
    if (value !== undefined) return value;
    if (optional) return undefined;
    return missing(
      map ? `couldn't find key ${key} in ConfigMap ${pod.metadata.namespace}/${name}` : `configmap "${name}" not found`,
    );
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef;
    const secret = await references.secret(name);
    const value = secret?.data?.[key];
    if (value !== undefined) return text(decodeBase64(value));
    if (optional) return undefined;
    return missing(
      secret ? `couldn't find key ${key} in Secret ${pod.metadata.namespace}/${name}` : `secret "${name}" not found`,
    );
  }
  return undefined;
}

/** `$(NAME)` of variables known so far; `$$(NAME)` stays as `$(NAME)`; unknown ones stay as they are. */
export function expand(value: string, known: ReadonlyMap<string, string>): string {
  return value.replaceAll(/\$\$|\$\(([^()]*)\)/g, (match: string, name: string | undefined) =>
    match === '$$' ? '$' : (known.get(name ?? '') ?? match),
  );
}

/** HELLO_SERVICE_HOST and company, for Services of the Pod's namespace. */
function serviceVariables(pod: Pod, services: Service[]): Map<string, string> {
  const result = new Map<string, string>();
  for (const service of services) {
    const isApi = service.metadata.name === 'kubernetes' && service.metadata.namespace === 'default';
    if (!isApi && (pod.spec?.enableServiceLinks === false || service.metadata.namespace !== pod.metadata.namespace))
      continue;
    const ip = service.spec?.clusterIP;
    const first = service.spec?.ports?.[0];
    if (!ip || ip === 'None' || !first) continue;
    const name = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_');
    result.set(`${name}_SERVICE_HOST`, ip);
    result.set(`${name}_SERVICE_PORT`, String(first.port));
    for (const port of service.spec?.ports ?? []) {
      if (port.name)
        result.set(`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port));
      const protocol = port.protocol ?? 'TCP';
      const prefix = `${name}_PORT_${port.port}_${protocol}`;
      if (port === first) result.set(`${name}_PORT`, `${protocol.toLowerCase()}://${ip}:${port.port}`);
      result.set(prefix, `${protocol.toLowerCase()}://${ip}:${port.port}`);
      result.set(`${prefix}_PROTO`, protocol.toLowerCase());
      result.set(`${prefix}_PORT`, String(port.port));
      result.set(`${prefix}_ADDR`, ip);
    }
  }
  return result;
}

/** In order: services, envFrom, env; later ones win. Faults: KUBELET_CONFIG (CreateContainerConfigError). */
export async function environmentOf(
  pod: Pod,
  container: Container,
  facts: PodFacts,
  references: References,
): Promise<Map<string, string>> {
  const result = serviceVariables(pod, references.services());
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? '';
    if (source.configMapRef) {
      const name = source.configMapRef.name ?? '';
      const map = await references.configMap(name);
      if (!map && !source.configMapRef.optional) missing(`configmap "${name}" not found`);
      for (const [key, value] of Object.entries(map?.data ?? {})) result.set(prefix + key, value);
    }
    if (source.secretRef) {
      const name = source.secretRef.name ?? '';
      const secret = await references.secret(name);
      if (!secret && !source.secretRef.optional) missing(`secret "${name}" not found`);
      for (const [key, value] of Object.entries(secret?.data ?? {}))
        result.set(prefix + key, text(decodeBase64(value)));
    }
  }
  for (const variable of container.env ?? []) {
    const value = await valueFrom(variable, pod, container, facts, references);
    if (value !== undefined) result.set(variable.name, variable.valueFrom ? value : expand(value, result));
  }
  return result;
}

export function resourcesOf(container: Container): {
  cpuMillis?: number;
  cpuRequestMillis?: number;
  memoryBytes?: number;
} {
  const { limits, requests } = container.resources ?? {};
  return {
    ...(limits?.['cpu'] === undefined ? {} : { cpuMillis: quantityMilliValue(parseQuantity(limits['cpu'])) }),
    ...(requests?.['cpu'] === undefined
      ? {}
      : { cpuRequestMillis: quantityMilliValue(parseQuantity(requests['cpu'])) }),
    ...(limits?.['memory'] === undefined ? {} : { memoryBytes: quantityValue(parseQuantity(limits['memory'])) }),
  };
}
