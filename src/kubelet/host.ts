/** What a Pod's worker is given by its kubelet. */
import type { Clock } from '#src/ports/clock.ts';
import type { Dataplane } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import type { Client } from '#src/registry/client.ts';
import type { EventRecorder } from '#src/registry/event-recorder.ts';
import type { Addresses } from './addresses.ts';
import type { References } from './environment.ts';
import type { StatusWriter } from './status-writer.ts';

export interface KubeletConfig {
  clusterId: string;
  nodeName: string;
  podCidr: string;
  /** Where the node is reached; for status.hostIP. */
  hostIp: string;
  labels: Record<string, string>;
  cpuMillis: number;
  memoryBytes: number;
  podsMax: number;
  leaseRenewMs: number;
  leaseDurationSeconds: number;
  version: string;
  /** e.g. linux, amd64, 6.1.0, Debian GNU/Linux 12 */
  system: { os: string; architecture: string; kernel: string; image: string; machineId: string; bootId: string };
  /** What this machine cannot do, as sentences for a condition. */
  limits: () => Promise<string[]>;
}

export interface KubeletHost {
  client: Client;
  clock: Clock;
  log: Log;
  runtime: Runtime;
  dataplane: Dataplane;
  events: EventRecorder;
  addresses: Addresses;
  statusWriter: StatusWriter;
  config: KubeletConfig;
  /** Before a container's id: docker, kontiki-process. */
  scheme: string;
  references(namespace: string): References;
  /** At most a few sandboxes start at once: it is CPU. */
  limitStarts<T>(start: () => Promise<T>): Promise<T>;
  onGone: (podUid: string) => void;
}
