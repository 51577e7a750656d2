/**
 * A Deployment under faults: scaled up and down through the API, placed, started on simulated
 * engines. Two promises: a running container whose Pod exists is never removed (DESIGN §4.7), and
 * when all is mended there is exactly what was asked for, in the store and on the engines.
 */
import { ApiClient } from './api-client.ts';
import type { SimCluster } from './cluster.ts';

const deploymentsPath = '/apis/apps/v1/namespaces/default/deployments';
const podsRange = { from: '/registry/core/pods/default/', to: '/registry/core/pods/default0' };
const scaleEveryMs = 800;
const replicasMax = 6;
const retryMs = 100;

interface PodObject {
  metadata: { uid: string; name: string; deletionTimestamp?: string };
  status?: { phase?: string; conditions?: { type: string; status: string }[] };
}

export interface PodsWorkload {
  start(): void;
  /** No more changes; the last wish is told until it is taken. */
  stop(): void;
  /** As many Pods as wished for, all ready, and no container beside theirs. */
  isConverged(): boolean;
  describe(): string;
}

export function createPodsWorkload(cluster: SimCluster): PodsWorkload {
  const { world } = cluster;
  /** Made at the start: before it there is no administrator. */
  let client: ApiClient | undefined;
  const removalsSeen = new Map<string, number>();
  let running = false;
  let replicas = 3;
  let agreed = false;

  function podsNow(): PodObject[] {
    let newest: { revision: number; pods: PodObject[] } | undefined;
    for (const { process } of cluster.nodes) {
      const view = process?.node.inspect()?.local();
      if (!view || (newest && view.revision <= newest.revision)) continue;
      const { items } = view.range({ ...podsRange, limit: 0 });
      const pods = items.map(({ value }) => JSON.parse(new TextDecoder().decode(value.bytes)) as PodObject);
      newest = { revision: view.revision, pods };
    }
    return newest?.pods ?? [];
  }

  /** Nodes may lag behind, and then know of fewer removals of Pods: what is gone by the newest state is gone. */
  function checkRemovals(): void {
    for (const { name, engine } of cluster.nodes) {
      const seen = removalsSeen.get(name) ?? 0;
      if (engine.removedRunning.length === seen) continue;
      removalsSeen.set(name, engine.removedRunning.length);
      for (const uid of engine.removedRunning.slice(seen)) {
        const pod = podsNow().find(({ metadata }) => metadata.uid === uid);
        if (!pod || pod.metadata.deletionTimestamp !== undefined) continue;
        cluster.report({
          kind: 'removed',
          message: `${name} removed a running container of Pod ${pod.metadata.name}, which exists`,
        });
      }
    }
  }

  function operator(): ApiClient {
    client ??= new ApiClient(cluster, 'operator');
    return client;
  }

  async function create(): Promise<void> {
    const { status } = await operator().send('POST', deploymentsPath, deployment(replicas));
    if (status === 201 || status === 409) change();
    else world.after(retryMs, () => void create());
  }

  function change(): void {
    world.after(scaleEveryMs, () => {
      if (!running) return;
      replicas = 1 + operator().prng.below(replicasMax);
      void scale().then(change);
    });
  }

  async function scale(): Promise<boolean> {
    const body = { spec: { replicas } };
    const { status } = await operator().send('PATCH', `${deploymentsPath}/web`, body, 'application/merge-patch+json');
    return status === 200;
  }

  async function insist(): Promise<void> {
    agreed = await scale();
    if (!agreed) world.after(retryMs, () => void insist());
  }

  const isReady = ({ metadata, status }: PodObject): boolean =>
    metadata.deletionTimestamp === undefined &&
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;

  function runningPods(): string[] {
    return cluster.nodes.flatMap(({ engine }) =>
      [...engine.containers.values()].filter(({ state }) => state.state === 'running').map(({ state }) => state.podUid),
    );
  }

  return {
    start() {
      running = true;
      cluster.checks.push(checkRemovals);
      void create();
    },
    stop() {
      running = false;
      void insist();
    },
    isConverged() {
      if (!agreed) return false;
      const pods = podsNow();
      const running_ = runningPods();
      return (
        pods.length === replicas &&
        pods.every(isReady) &&
        running_.length === replicas &&
        pods.every(({ metadata }) => running_.includes(metadata.uid))
      );
    },
    describe() {
      const pods = podsNow().map(({ metadata, status }) => `${metadata.name} ${status?.phase}`);
      return `${replicas} wished for (${agreed ? 'taken' : 'not taken'}); Pods: ${pods.join(', ')}; containers running: ${runningPods().length}`;
    },
  };
}

function deployment(replicas: number): unknown {
  const labels = { app: 'web' };
  const container = { name: 'web', image: 'kontiki/demo', ports: [{ containerPort: 8080 }] };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
}
