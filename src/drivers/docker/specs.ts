/** What the engine is asked to make: labels, create bodies, a Pod's hosts and resolv.conf. Pure. */
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type { ContainerSpec, SandboxSpec } from '#src/ports/runtime.ts';
import { isDemo, referenceOf } from './images.ts';

/** The driver's own labels: all that a restarted node needs to know. */
export const LABEL = {
  node: 'kontiki.node',
  directory: 'kontiki.directory',
  kind: 'kontiki.kind',
  podUid: 'kontiki.pod-uid',
  podName: 'kontiki.pod-name',
  attempt: 'kontiki.attempt',
  ip: 'kontiki.ip',
  hostNetwork: 'kontiki.host-network',
  sharePids: 'kontiki.share-pids',
  sandbox: 'kontiki.sandbox',
  container: 'kontiki.container',
  image: 'kontiki.image',
} as const;

/** Set by the driver on every object, and part of the labels a caller gets back if it set them. */
const SHARED = new Set<string>([LABEL.node]);
const OWN = new Set<string>(Object.values(LABEL));

/** The labels an object was made with. */
export function callersLabels(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !OWN.has(key) || SHARED.has(key)));
}

/** What the sandbox's labels tell about the Pod of a container to be made. */
export interface SandboxFacts {
  id: string;
  podUid: string;
  podName: string;
  attempt: number;
  hostNetwork: boolean;
  sharePids: boolean;
  ip?: string;
}

export function sandboxFacts(id: string, labels: Record<string, string>): SandboxFacts {
  const ip = labels[LABEL.ip];
  return {
    id,
    podUid: labels[LABEL.podUid] ?? '',
    podName: labels[LABEL.podName] ?? '',
    attempt: Number(labels[LABEL.attempt] ?? 0),
    hostNetwork: labels[LABEL.hostNetwork] === 'true',
    sharePids: labels[LABEL.sharePids] === 'true',
    ...(ip === undefined ? {} : { ip }),
  };
}

export interface Owner {
  node: string;
  directory: string;
}

/** For `docker ps`; only there does it matter. */
function nameOf(parts: string[], unique: string): string {
  return ['kontiki', ...parts, unique]
    .join('_')
    .replaceAll(/[^a-zA-Z0-9_.-]/g, '-')
    .slice(0, 200);
}

export function sandboxBody(
  spec: SandboxSpec,
  options: { owner: Owner; image: string; command: string[] | undefined; networkMode: string; unique: string },
): ContainerCreateOptions {
  return {
    name: nameOf([spec.podNamespace, spec.podName, 'sandbox'], options.unique),
    Image: options.image,
    ...(options.command ? { Entrypoint: options.command } : {}),
    // The host's network comes with the host's name.
    ...(spec.hostNetwork ? {} : { Hostname: spec.hostname.slice(0, 63) }),
    Labels: {
      ...spec.labels,
      [LABEL.node]: options.owner.node,
      [LABEL.directory]: options.owner.directory,
      [LABEL.kind]: 'sandbox',
      [LABEL.podUid]: spec.podUid,
      [LABEL.podName]: spec.podName,
      [LABEL.attempt]: String(spec.attempt),
      [LABEL.hostNetwork]: String(spec.hostNetwork),
      [LABEL.sharePids]: String(spec.shareProcessNamespace ?? false),
      ...(spec.podIp !== undefined && !spec.hostNetwork && options.networkMode === 'none'
        ? { [LABEL.ip]: spec.podIp }
        : {}),
    },
    HostConfig: {
      NetworkMode: spec.hostNetwork ? 'host' : options.networkMode,
      IpcMode: 'shareable',
      LogConfig: { Type: 'none', Config: {} },
      ReadonlyRootfs: true,
      SecurityOpt: ['no-new-privileges:true'],
    },
  };
}

const CPU_PERIOD_US = 100_000;
/** The kernel refuses less. */
const CPU_QUOTA_US_MIN = 1000;

function limitsOf({ cpuMillis, cpuRequestMillis, memoryBytes }: ContainerSpec['resources']): HostConfig {
  return {
    ...(cpuMillis === undefined
      ? {}
      : {
          CpuPeriod: CPU_PERIOD_US,
          CpuQuota: Math.max(CPU_QUOTA_US_MIN, Math.ceil((cpuMillis * CPU_PERIOD_US) / 1000)),
        }),
    ...(cpuRequestMillis === undefined
      ? {}
      : { CpuShares: Math.min(262_144, Math.max(2, Math.floor((cpuRequestMillis * 1024) / 1000))) }),
    // Without MemorySwap the engine allows as much again in swap.
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
  };
}

function environmentOf(spec: ContainerSpec, sandbox: SandboxFacts, owner: Owner): string[] {
  const env = new Map(
    isDemo(spec.image)
      ? [
          ['POD_NAME', sandbox.podName],
          ['NODE_NAME', owner.node],
        ]
      : [],
  );
  for (const { name, value } of spec.env) env.set(name, value);
  return [...env].map(([name, value]) => `${name}=${value}`);
}

const capability = (name: string): string => name.replace(/^CAP_/i, '').toUpperCase();

export function containerBody(
  spec: ContainerSpec,
  options: { owner: Owner; sandbox: SandboxFacts; hosts?: string; resolv?: string; unique: string },
): ContainerCreateOptions {
  const { sandbox, owner } = options;
  const joined = `container:${sandbox.id}`;
  const files = [
    ...(options.hosts === undefined ? [] : [{ hostPath: options.hosts, containerPath: '/etc/hosts' }]),
    ...(options.resolv === undefined ? [] : [{ hostPath: options.resolv, containerPath: '/etc/resolv.conf' }]),
  ];
  // A volume may be mounted over them, and then wins.
  const mounts = [
    ...files
      .filter((file) => !spec.mounts.some((mount) => mount.containerPath === file.containerPath))
      .map((file) => ({ ...file, readOnly: false })),
    ...spec.mounts,
  ];
  return {
    name: nameOf([sandbox.podName, spec.name, String(spec.attempt)], options.unique),
    Image: referenceOf(spec.image),
    ...(spec.command && spec.command.length > 0 ? { Entrypoint: spec.command } : {}),
    ...(spec.args ? { Cmd: spec.args } : {}),
    ...(spec.workingDir ? { WorkingDir: spec.workingDir } : {}),
    ...(spec.user ? { User: `${spec.user.uid ?? ''}${spec.user.gid === undefined ? '' : `:${spec.user.gid}`}` } : {}),
    Env: environmentOf(spec, sandbox, owner),
    Tty: spec.tty,
    OpenStdin: spec.stdin,
    StdinOnce: spec.stdinOnce ?? false,
    Labels: {
      ...spec.labels,
      [LABEL.node]: owner.node,
      [LABEL.directory]: owner.directory,
      [LABEL.kind]: 'container',
      [LABEL.podUid]: sandbox.podUid,
      [LABEL.sandbox]: sandbox.id,
      [LABEL.container]: spec.name,
      [LABEL.attempt]: String(spec.attempt),
      [LABEL.image]: spec.image,
    },
    HostConfig: {
      NetworkMode: joined,
      IpcMode: joined,
      ...(spec.targetContainerId === undefined
        ? sandbox.sharePids
          ? { PidMode: joined }
          : {}
        : { PidMode: `container:${spec.targetContainerId}` }),
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
      // Restarts are the kubelet's, with its back-off.
      RestartPolicy: { Name: 'no' },
      Mounts: mounts.map((mount) => ({
        Type: 'bind',
        Source: mount.hostPath,
        Target: mount.containerPath,
        ReadOnly: mount.readOnly,
      })),
      CapAdd: (spec.capabilities?.add ?? []).map(capability),
      CapDrop: (spec.capabilities?.drop ?? []).map(capability),
      ReadonlyRootfs: spec.readOnlyRootFilesystem ?? false,
      Privileged: spec.privileged ?? false,
      ...limitsOf(spec.resources),
    },
  };
}

export function hostsFile(spec: SandboxSpec, ip: string | undefined): string {
  return [
    '# Written by Kontiki.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    ...(ip === undefined ? [] : [`${ip}\t${spec.hostname}`]),
    ...(spec.hostAliases ?? []).map((alias) => `${alias.ip}\t${alias.hostnames.join('\t')}`),
    '',
  ].join('\n');
}

export function resolvFile(dns: NonNullable<SandboxSpec['dns']>): string {
  return [
    ...dns.nameservers.map((server) => `nameserver ${server}`),
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(' ')}`] : []),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(' ')}`] : []),
    '',
  ].join('\n');
}
