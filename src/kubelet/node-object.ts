/** The Node object of this node: registered once, its status and Lease kept fresh. */
import { isApiError } from '#src/api/api-error.ts';
import { formatMicroTime, formatTime } from '#src/api/metadata.ts';
import type { Lease, Node, NodeCondition } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import type { Client } from '#src/registry/client.ts';
import { messageOf } from '#src/std/fault.ts';
import type { KubeletConfig } from './host.ts';

const NODES = { group: '', version: 'v1', resource: 'nodes' };
const LEASES = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
const LEASE_NAMESPACE = 'kube-node-lease';
const RETRY_MS = 300;
const PING_TIMEOUT_MS = 5000;
/** The status is written when it changed, and at least this often (Kubernetes: nodeStatusReportFrequency). */
const REPORT_MS = 300_000;

export interface NodeKeeper {
  start(): void;
  /** Whether the API has this node as Ready. */
  isReady(): boolean;
  stop(): void;
}

export function createNodeKeeper(options: {
  client: Client;
  clock: Clock;
  log: Log;
  runtime: Runtime;
  config: KubeletConfig;
}): NodeKeeper {
  const { client, clock, log, runtime, config } = options;
  let timer: Timer | undefined;
  let stopped = false;
  let ready = false;
  let lease: Lease | undefined;
  let reportedMs = -Infinity;
  let reported = '';

  function conditions(before: NodeCondition[], runtimeError: string | undefined, limits: string[]): NodeCondition[] {
    const now = formatTime(clock.wallMs());
    const make = (type: string, holds: boolean, reason: string, message: string): NodeCondition => {
      const status = holds ? 'True' : 'False';
      const old = before.find((condition) => condition.type === type);
      return {
        type,
        status,
        lastHeartbeatTime: now,
        lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
        reason,
        message,
      };
    };
    return [
      make('MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      make('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      make('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      ...(limits.length > 0 ? [make('KontikiLimited', true, 'HostLimits', limits.join('; '))] : []),
      runtimeError === undefined
        ? make('Ready', true, 'KubeletReady', 'kubelet is posting ready status')
        : make('Ready', false, 'KubeletNotReady', `container runtime is down: ${runtimeError}`),
    ];
  }

  async function nodeObject(before: Node | undefined): Promise<Node> {
    let runtimeError: string | undefined;
    await runtime.ping(PING_TIMEOUT_MS).catch((error: unknown) => (runtimeError = messageOf(error)));
    const info = await runtime.info();
    const limits = [...info.limits, ...(await config.limits())];
    const capacity = {
      cpu: quantityOfCpu(config.cpuMillis),
      'ephemeral-storage': '0',
      memory: `${Math.floor(config.memoryBytes / 1024)}Ki`,
      pods: String(config.podsMax),
    };
    const { system } = config;
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        ...before?.metadata,
        name: config.nodeName,
        labels: {
          ...before?.metadata.labels,
          'beta.kubernetes.io/arch': system.architecture,
          'beta.kubernetes.io/os': system.os,
          'kubernetes.io/arch': system.architecture,
          'kubernetes.io/hostname': config.nodeName,
          'kubernetes.io/os': system.os,
          'node-role.kubernetes.io/control-plane': '',
          ...config.labels,
        },
      },
      spec: { ...before?.spec, podCIDR: config.podCidr, podCIDRs: [config.podCidr] },
      status: {
        ...before?.status,
        capacity,
        allocatable: capacity,
        conditions: conditions(before?.status?.conditions ?? [], runtimeError, limits),
        addresses: [
          { type: 'InternalIP', address: config.hostIp },
          { type: 'Hostname', address: config.nodeName },
        ],
        nodeInfo: {
          machineID: system.machineId,
          systemUUID: system.machineId,
          bootID: system.bootId,
          kernelVersion: system.kernel,
          osImage: system.image,
          containerRuntimeVersion: info.version,
          kubeletVersion: config.version,
          kubeProxyVersion: '',
          operatingSystem: system.os,
          architecture: system.architecture,
        },
      },
    };
  }

  async function report(): Promise<void> {
    let before: Node | undefined;
    try {
      before = await client.get<Node>(NODES, config.nodeName);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
    const node = await nodeObject(before);
    const shape = JSON.stringify([
      node.metadata.labels,
      node.status?.conditions?.map((c) => [c.type, c.status, c.message]),
      node.status?.capacity,
      node.status?.nodeInfo,
    ]);
    const ownReady = before?.status?.conditions?.find((c) => c.type === 'Ready')?.status;
    const isDue =
      clock.monotonicMs() - reportedMs > REPORT_MS ||
      shape !== reported ||
      ownReady !== node.status?.conditions?.find((c) => c.type === 'Ready')?.status;
    if (!before) before = await client.create<Node>(NODES, node);
    else if (!isDue) return;
    else if (!sameLabels(before, node))
      before = await client.update<Node>(NODES, {
        ...before,
        metadata: node.metadata,
        ...(node.spec ? { spec: node.spec } : {}),
      });
    const { resourceVersion: _, ...metadata } = before.metadata;
    await client.update<Node>(NODES, { ...node, metadata }, { subresource: 'status' });
    ready = node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
    reported = shape;
    reportedMs = clock.monotonicMs();
  }

  async function renew(): Promise<void> {
    const now = formatMicroTime(clock.wallMs());
    if (!lease) {
      try {
        lease = await client.get<Lease>(LEASES, config.nodeName, { namespace: LEASE_NAMESPACE });
      } catch (error) {
        if (!isApiError(error, 'NotFound')) throw error;
      }
    }
    const spec = { holderIdentity: config.nodeName, leaseDurationSeconds: config.leaseDurationSeconds, renewTime: now };
    if (!lease) {
      lease = await client.create<Lease>(
        LEASES,
        {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name: config.nodeName, namespace: LEASE_NAMESPACE },
          spec,
        },
        { namespace: LEASE_NAMESPACE },
      );
      return;
    }
    try {
      lease = await client.update<Lease>(LEASES, { ...lease, spec: { ...lease.spec, ...spec } });
    } catch (error) {
      lease = undefined;
      throw error;
    }
  }

  async function round(): Promise<void> {
    let delayMs = config.leaseRenewMs;
    try {
      await report();
      await renew();
    } catch (error) {
      log.debug('the node status waits for the API', { error: messageOf(error) });
      delayMs = RETRY_MS;
    }
    if (!stopped) timer = clock.after(delayMs, () => void round());
  }

  return {
    start: () => void round(),
    isReady: () => ready,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

function quantityOfCpu(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

function sameLabels(a: Node, b: Node): boolean {
  return (
    Object.entries(b.metadata.labels ?? {}).every(([key, value]) => a.metadata.labels?.[key] === value) &&
    a.spec?.podCIDR === b.spec?.podCIDR
  );
}
