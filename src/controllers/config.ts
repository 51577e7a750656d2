/** Settings of the control loops; the defaults are Kubernetes' own. */
export interface ControllerConfig {
  /** A node whose Lease and status did not change for this long is Unknown (node-monitor-grace-period). */
  nodeMonitorGraceMs: number;
  /** Pods of such a node are deleted after this long when their tolerations do not say otherwise. */
  podEvictionMs: number;
  /** Share of nodes that look stale from which nothing is evicted: then it is rather we who are cut off. */
  unhealthyShareMax: number;
  /** Pods evicted per second, over all nodes (secondary rates of Kubernetes are per zone). */
  evictionsPerSecond: number;
  /** Events older than this are deleted. */
  eventTtlMs: number;
  /** How often old Events and orphaned Pods are looked for. */
  sweepMs: number;
  /** PEM of the API's serving CA, published as kube-root-ca.crt; none is published while it is empty. */
  rootCa: string;
}

export const DEFAULT_CONFIG: ControllerConfig = {
  nodeMonitorGraceMs: 40_000,
  podEvictionMs: 300_000,
  unhealthyShareMax: 0.5,
  evictionsPerSecond: 10,
  eventTtlMs: 3_600_000,
  sweepMs: 60_000,
  rootCa: '',
};

/** For a cluster on one machine, where a node that is silent for ten seconds is gone. */
export const LOCAL_CONFIG: ControllerConfig = { ...DEFAULT_CONFIG, nodeMonitorGraceMs: 10_000, podEvictionMs: 10_000 };
