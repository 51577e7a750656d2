/**
 * Where Pods reach the API: a slice of the Service default/kubernetes per node (DESIGN §4.12).
 * Each node keeps its own; the leader marks those of nodes that are not Ready, so that no Pod is
 * sent to an API server that is gone.
 */
import { isApiError } from '#src/api/api-error.ts';
import type { EndpointSlice, Node } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Client } from '#src/registry/client.ts';
import { messageOf } from '#src/std/fault.ts';

const SLICES = { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' };
const NODES = { group: '', version: 'v1', resource: 'nodes' };
const NAMESPACE = 'default';
const SERVICE_NAME = 'kubernetes.io/service-name';
const KEEP_MS = 10_000;
const RETRY_MS = 500;
const WATCH_OVER_MS = 2000;

export interface ApiEndpoints {
  start(): void;
  stop(): void;
}

function sliceOf(node: string, ip: string, port: number): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `kubernetes-${node}`, namespace: NAMESPACE, labels: { [SERVICE_NAME]: 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [ip], conditions: { ready: true }, nodeName: node }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}

function repeat(clock: Clock, work: () => Promise<number>): ApiEndpoints {
  let timer: Timer | undefined;
  let running = false;
  const round = async (): Promise<void> => {
    const delayMs = await work();
    if (running) timer = clock.after(delayMs, () => void round());
  };
  return {
    start() {
      if (running) return;
      running = true;
      void round();
    },
    stop() {
      running = false;
      timer?.cancel();
    },
  };
}

/** This node's own slice, written when it is absent or says something else. */
export function createApiEndpoint(options: {
  client: Client;
  clock: Clock;
  log: Log;
  node: string;
  ip: string;
  port: number;
}): ApiEndpoints {
  const { client, clock, log, node, ip, port } = options;
  const wanted = sliceOf(node, ip, port);
  return repeat(clock, async () => {
    try {
      const found = await client
        .get<EndpointSlice>(SLICES, wanted.metadata.name ?? '', { namespace: NAMESPACE })
        .catch((error: unknown) => {
          if (isApiError(error, 'NotFound')) return undefined;
          throw error;
        });
      if (!found) await client.create(SLICES, wanted, { namespace: NAMESPACE });
      else if (!isSame(found, wanted))
        await client.update(SLICES, { ...wanted, metadata: { ...found.metadata, ...wanted.metadata } });
      return KEEP_MS;
    } catch (error) {
      log.debug('the endpoint of this API server is not written yet', { error: messageOf(error) });
      return RETRY_MS;
    }
  });
}

/** Whether the address and port are as wanted and it counts as ready. */
function isSame(found: EndpointSlice, wanted: EndpointSlice): boolean {
  const [a, b] = [found.endpoints?.[0], wanted.endpoints?.[0]];
  return (
    a?.addresses[0] === b?.addresses[0] &&
    a?.conditions?.ready === true &&
    found.ports?.[0]?.port === wanted.ports?.[0]?.port
  );
}

/** Leader: an API server whose node is not Ready gets no connections. */
export function createApiEndpointsKeeper(options: {
  client: Client;
  clock: Clock;
  log: Log;
  term: () => number | undefined;
}): ApiEndpoints {
  const { client, clock, log } = options;
  return repeat(clock, async () => {
    const term = options.term();
    if (term === undefined) return WATCH_OVER_MS;
    try {
      const nodes = await client.list<Node>(NODES);
      const slices = await client.list<EndpointSlice>(SLICES, {
        namespace: NAMESPACE,
        labelSelector: `${SERVICE_NAME}=kubernetes`,
      });
      for (const slice of slices.items) {
        const endpoint = slice.endpoints?.[0];
        const node = nodes.items.find((candidate) => candidate.metadata.name === endpoint?.nodeName);
        const isReady = node?.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
        if (!endpoint || isReady || endpoint.conditions?.ready === false) continue;
        await client.update(
          SLICES,
          { ...slice, endpoints: [{ ...endpoint, conditions: { ...endpoint.conditions, ready: false } }] },
          { term },
        );
      }
    } catch (error) {
      log.debug('the endpoints of the API are looked at again later', { error: messageOf(error) });
    }
    return WATCH_OVER_MS;
  });
}
