/**
 * Packets: Pod attachments, routes and Service rules. One owner per network namespace and
 * cluster programs it; the others stand by (DESIGN §4.8). Everything is desired state: the
 * driver compares and changes only the difference.
 */
export interface DataplaneCapabilities {
  /** routed: own veths and nftables (root). userspace: proxies in this process. */
  mode: 'routed' | 'userspace' | 'sim';
  /** Sentences for a node condition, e.g. which Service ports moved to a high port. */
  limits: string[];
}

export interface NodeNetwork {
  clusterId: string;
  /** This node's range and its own address in it (the first); API servers listen there for Pods. */
  podCidr: string;
  nodeIp: string;
  clusterPodCidr: string;
  serviceCidr: string;
}

export interface PodAttachment {
  podUid: string;
  ip: string;
  netnsPath: string;
}

export interface ServicePort {
  /** namespace/name:port, for messages. */
  id: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  clusterIps: string[];
  port: number;
  nodePort?: number;
  sessionAffinity: boolean;
  endpoints: { ip: string; port: number; node?: string }[];
}

export interface Dataplane {
  capabilities(): Promise<DataplaneCapabilities>;
  /** Make this node's Pod-side address exist; before `attachPod` and `acquire`. Idempotent. */
  prepareNode(network: NodeNetwork): Promise<void>;
  /** Resolves when this process owns the data plane; earlier owners' kernel locks are awaited. */
  acquire(): Promise<void>;
  owns(): boolean;
  /** Connect one Pod; each node does this for its own Pods. Idempotent. */
  attachPod(attachment: PodAttachment): Promise<void>;
  detachPod(podUid: string): Promise<void>;
  /** Replace all Service rules atomically; only the owner calls it. */
  applyServices(services: ServicePort[]): Promise<void>;
  /** Routes to other hosts' Pod ranges. */
  applyRoutes(routes: { podCidr: string; via: string }[]): Promise<void>;
  /** Give up ownership and listeners; rules of a routed data plane stay for the next owner. */
  release(): Promise<void>;
  /** Remove what this cluster made (veths, tables, addresses); on a clean `down`. */
  removeAll(): Promise<void>;
}
