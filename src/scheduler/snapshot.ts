/** The nodes as placement sees them: what each offers, and the Pods that are on it or assumed to be. */
import { controllerOf } from '#src/api/metadata.ts';
import type { Node, Pod } from '#src/api/objects.ts';
import { add, allocatable, podRequests, scoredRequests, type Amounts } from './resources.ts';

export interface PlacedPod {
  readonly pod: Pod;
  readonly requests: Amounts;
}

export interface NodeInfo {
  readonly node: Node;
  readonly name: string;
  readonly allocatable: Amounts;
  readonly pods: readonly PlacedPod[];
  /** Sum of the requests. */
  readonly used: Amounts;
  /** Sum of the requests as the scores count them. */
  readonly scored: { cpu: number; memory: number };
  /** `TCP/0.0.0.0/80`. */
  readonly hostPorts: ReadonlySet<string>;
  /** Pods by the uid of their controller; those that are ending do not count. */
  readonly siblings: ReadonlyMap<string, number>;
  /** Pods that keep others away; few, so that a placement need not look at all Pods. */
  readonly repelling: readonly Pod[];
}

export function nodeInfo(node: Node, pods: readonly Pod[]): NodeInfo {
  const info: Filling = {
    node,
    name: node.metadata.name ?? '',
    allocatable: allocatable(node),
    pods: [],
    used: {},
    scored: { cpu: 0, memory: 0 },
    hostPorts: new Set(),
    siblings: new Map(),
    repelling: [],
  };
  for (const pod of pods) put(info, pod);
  return info;
}

/** The node with one more Pod; the given one is left as it is. */
export function withPod(info: NodeInfo, pod: Pod): NodeInfo {
  const copy: Filling = {
    ...info,
    pods: [...info.pods],
    used: { ...info.used },
    scored: { ...info.scored },
    hostPorts: new Set(info.hostPorts),
    siblings: new Map(info.siblings),
    repelling: [...info.repelling],
  };
  put(copy, pod);
  return copy;
}

interface Filling extends NodeInfo {
  pods: PlacedPod[];
  used: Amounts;
  hostPorts: Set<string>;
  siblings: Map<string, number>;
  repelling: Pod[];
}

function put(info: Filling, pod: Pod): void {
  const requests = podRequests(pod);
  info.pods.push({ pod, requests });
  add(info.used, requests);
  const counted = scoredRequests(pod.spec, requests);
  info.scored.cpu += counted.cpu;
  info.scored.memory += counted.memory;
  for (const port of hostPortsOf(pod)) info.hostPorts.add(port);
  const owner = controllerOf(pod)?.uid;
  if (owner !== undefined && pod.metadata.deletionTimestamp === undefined) {
    info.siblings.set(owner, (info.siblings.get(owner) ?? 0) + 1);
  }
  const repels = pod.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (repels.length > 0) info.repelling.push(pod);
}

export function hostPortsOf(pod: Pod): string[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return containers.flatMap((container) =>
    (container.ports ?? [])
      .filter((port) => (port.hostPort ?? 0) > 0)
      .map((port) => `${port.protocol ?? 'TCP'}/${port.hostIP ?? '0.0.0.0'}/${port.hostPort}`),
  );
}
