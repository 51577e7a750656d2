/** Rules of a container. Source: Kubernetes 1.36 pkg/apis/core/validation/validation.go. */
import { isDns1123Label, isEnvVarName, isPortName, isPortNumber, isQualifiedName } from '../names.ts';
import type {
  Container,
  ContainerPort,
  EnvVar,
  EphemeralContainer,
  LifecycleHandler,
  Probe,
  ResourceRequirements,
} from '../objects.ts';
import { compareQuantity, isQuantity, parseQuantity } from '../quantity.ts';
import type { Causes } from './causes.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

export interface ContainerPlace {
  group: 'containers' | 'initContainers' | 'ephemeralContainers';
  /** Names of the Pod's volumes. */
  volumes: ReadonlySet<string>;
}

export function validateContainer(
  causes: Causes,
  field: string,
  container: Container | EphemeralContainer,
  { group, volumes }: ContainerPlace,
): void {
  if (!container.name) causes.required(`${field}.name`);
  else causes.invalidEach(`${field}.name`, container.name, isDns1123Label(container.name));
  validateImage(causes, `${field}.image`, container.image);
  causes.oneOf(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  causes.oneOf(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, [
    'FallbackToLogsOnError',
    'File',
  ]);
  validatePorts(causes, `${field}.ports`, container.ports ?? []);
  for (const [index, variable] of (container.env ?? []).entries())
    validateEnv(causes, `${field}.env[${index}]`, variable);
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const path = `${field}.volumeMounts[${index}]`;
    if (!mount.name) causes.required(`${path}.name`);
    else if (!volumes.has(mount.name)) causes.notFound(`${path}.name`, mount.name);
    if (!mount.mountPath) causes.required(`${path}.mountPath`);
    else if (paths.has(mount.mountPath)) causes.invalid(`${path}.mountPath`, mount.mountPath, 'must be unique');
    paths.add(mount.mountPath);
    if (mount.subPath?.startsWith('/') === true)
      causes.invalid(`${path}.subPath`, mount.subPath, 'must be a relative path');
    if (mount.subPath?.split('/').includes('..') === true)
      causes.invalid(`${path}.subPath`, mount.subPath, "must not contain '..'");
  }
  validateResources(causes, `${field}.resources`, container.resources ?? {});
  if (group === 'containers' || container.restartPolicy === 'Always') validateProbes(causes, field, container);
  else if (group === 'initContainers') {
    for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[key] !== undefined)
        causes.forbidden(`${field}.${key}`, 'may not be set for init containers without restartPolicy=Always');
    }
  }
  validateHandlerOf(causes, `${field}.lifecycle.postStart`, container.lifecycle?.postStart);
  validateHandlerOf(causes, `${field}.lifecycle.preStop`, container.lifecycle?.preStop);
}

function validateImage(causes: Causes, field: string, image: string | undefined): void {
  if (image === undefined || image === '') causes.required(field);
  else if (image.trim() !== image) causes.invalid(field, image, 'must not have leading or trailing whitespace');
}

function validatePorts(causes: Causes, field: string, ports: readonly ContainerPort[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `${field}[${index}]`;
    if (port.name !== undefined && port.name !== '') {
      const problems = isPortName(port.name);
      causes.invalidEach(`${path}.name`, port.name, problems);
      if (problems.length === 0 && names.has(port.name)) causes.duplicate(`${path}.name`, port.name);
      names.add(port.name);
    }
    if (!port.containerPort) causes.required(`${path}.containerPort`);
    else causes.invalidEach(`${path}.containerPort`, port.containerPort, isPortNumber(port.containerPort));
    if (port.hostPort !== undefined && port.hostPort !== 0) {
      causes.invalidEach(`${path}.hostPort`, port.hostPort, isPortNumber(port.hostPort));
    }
    if (!port.protocol) causes.required(`${path}.protocol`);
    else causes.oneOf(`${path}.protocol`, port.protocol, PROTOCOLS);
  }
}

function validateEnv(causes: Causes, field: string, variable: EnvVar): void {
  if (!variable.name) causes.required(`${field}.name`);
  else causes.invalidEach(`${field}.name`, variable.name, isEnvVarName(variable.name));
  const from = variable.valueFrom;
  if (from === undefined) return;
  const sources = Object.values(from).filter((source) => source !== undefined).length;
  if (variable.value !== undefined && variable.value !== '') {
    if (sources > 0) causes.invalid(`${field}.valueFrom`, '', 'may not be specified when `value` is not empty');
  } else if (sources === 0) {
    causes.invalid(
      `${field}.valueFrom`,
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    );
  } else if (sources > 1)
    causes.invalid(`${field}.valueFrom`, '', 'may not have more than one field specified at a time');
  for (const key of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = from[key];
    if (reference === undefined) continue;
    if (!reference.name) causes.required(`${field}.valueFrom.${key}.name`);
    if (!reference.key) causes.required(`${field}.valueFrom.${key}.key`);
  }
}

export function validateResources(causes: Causes, field: string, resources: ResourceRequirements): void {
  validateAmounts(causes, `${field}.limits`, resources.limits);
  validateAmounts(causes, `${field}.requests`, resources.requests);
  for (const [name, request] of Object.entries(resources.requests ?? {})) {
    const limit = resources.limits?.[name];
    if (limit === undefined || !isQuantity(limit) || !isQuantity(request)) continue;
    if (compareQuantity(parseQuantity(request), parseQuantity(limit)) > 0) {
      causes.invalid(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`);
    }
  }
}

function validateAmounts(causes: Causes, field: string, amounts: Record<string, string> | undefined): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    causes.invalidEach(field, name, isQualifiedName(name));
    const standard = /^(?:cpu|memory|ephemeral-storage|storage|hugepages-.+)$/.test(name);
    if (!name.includes('/') && !standard)
      causes.invalid(field, name, 'must be a standard resource type or fully qualified');
    if (!isQuantity(amount)) continue;
    const quantity = parseQuantity(amount);
    if (quantity.nano < 0n) causes.invalid(`${field}[${name}]`, amount, 'must be greater than or equal to 0');
    if (name.includes('/') && quantity.nano % 1_000_000_000n !== 0n)
      causes.invalid(`${field}[${name}]`, amount, 'must be an integer');
  }
}

function validateProbes(causes: Causes, field: string, container: Container | EphemeralContainer): void {
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[key];
    if (probe === undefined) continue;
    validateProbe(causes, `${field}.${key}`, probe);
    if (key !== 'readinessProbe' && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
      causes.invalid(`${field}.${key}.successThreshold`, probe.successThreshold, 'must be 1');
    }
  }
}

function validateProbe(causes: Causes, field: string, probe: Probe): void {
  validateHandlerOf(causes, field, probe);
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    causes.nonNegative(`${field}.${key}`, probe[key]);
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0)
    causes.invalid(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than 0');
}

type Handler = LifecycleHandler & Pick<Probe, 'grpc'>;

/** Exactly one way to act. */
function validateHandlerOf(causes: Causes, field: string, handler: Handler | undefined): void {
  if (handler === undefined) return;
  const kinds = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter(
    (kind) => handler[kind] !== undefined,
  );
  if (kinds.length === 0) causes.required(field, 'must specify a handler type');
  for (const extra of kinds.slice(1)) causes.forbidden(`${field}.${extra}`, 'may not specify more than 1 handler type');
  if (handler.exec !== undefined && !handler.exec.command?.length) causes.required(`${field}.exec.command`);
  for (const kind of ['httpGet', 'tcpSocket'] as const) {
    const port = handler[kind]?.port;
    if (handler[kind] === undefined) continue;
    if (typeof port === 'string') causes.invalidEach(`${field}.${kind}.port`, port, isPortName(port));
    else causes.invalidEach(`${field}.${kind}.port`, port ?? 0, isPortNumber(port ?? 0));
  }
  if (handler.httpGet !== undefined) {
    if (!handler.httpGet.path) causes.required(`${field}.httpGet.path`);
    causes.oneOf(`${field}.httpGet.scheme`, handler.httpGet.scheme, ['HTTP', 'HTTPS']);
  }
}
