/**
 * One run of a seed: a cluster, clients, faults; then everything is mended and must work again,
 * and what the clients saw is judged.
 * Read next: cluster.ts, workload.ts, faults.ts, history.ts.
 */
import type { ReplicaMutation, ReplicaSettings } from '#src/replica/replica.ts';
import { messageOf } from '#src/std/fault.ts';
import { createSimCluster, describeNodes, isReady, type SimCluster } from './cluster.ts';
import { createFaults, profileFacts, type FaultKind, type Profile } from './faults.ts';
import { checkHistory, type FinalState, type Violation } from './history.ts';
import { createPodsWorkload, type PodsWorkload } from './pods.ts';
import { createWorkload, type Workload } from './workload.ts';

export interface SimRunOptions {
  seed: number;
  nodes?: number;
  profile?: Profile;
  /** Acknowledged writes, and (except when calm) leader changes, before the faults end. */
  writes?: number;
  leaderChanges?: number;
  mutations?: readonly ReplicaMutation[];
  /** Also a Deployment, scaled all the time. Default: one seed of four. */
  pods?: boolean;
  /** So many nodes more that join while things go wrong. Default: one, for one seed of four. */
  late?: number;
  settle: () => Promise<void>;
}

export interface SimResult {
  seed: number;
  virtualMs: number;
  events: number;
  acknowledged: number;
  unknown: number;
  leaderChanges: number;
  faultsByKind: Partial<Record<FaultKind, number>>;
  marks: Record<string, number>;
  violations: Violation[];
  /** Equal for two runs of one seed. */
  traceHash: string;
  /** Of a run with violations: every node and the end of its log. */
  details: string;
}

/** The faults end after this, whatever was reached. */
const faultsMaxMs = 300_000;
/** When all is mended, so long until everything works again. */
const recoveryMs = 30_000;
/** Late nodes ask to join within this time. */
const lateMaxMs = 3000;
/** Longer than the longest back-off of a container that was killed again and again (Kubernetes: 300 s). */
const podsRecoveryMs = 330_000;
const configMapsRange = { from: '/registry/core/configmaps/default/', to: '/registry/core/configmaps/default0' };

export async function runSimulation(options: SimRunOptions): Promise<SimResult> {
  const { seed, nodes = 3, profile = 'flaky', settle, mutations = [] } = options;
  // Some seeds add a node in the middle of it all, some have Pods to look after.
  const late = options.late ?? (profile !== 'calm' && seed % 4 === 1 ? 1 : 0);
  const cluster = createSimCluster({
    seed,
    nodes: nodes + late,
    late,
    settle,
    mutations,
    clocks: profileFacts[profile].clocks,
    replica: knobs(seed),
  });
  const faults = createFaults(cluster, profile);
  const workload = createWorkload(cluster, { writers: 4, readers: 2, watchers: 2, thinkMs: 60 });
  const pods = (options.pods ?? seed % 4 === 2) ? createPodsWorkload(cluster) : undefined;
  const wantedWrites = options.writes ?? 200;
  const wantedChanges = profile === 'calm' ? 0 : (options.leaderChanges ?? 3);
  const changes = (): number => Math.max(0, cluster.leaders.size - 1);
  try {
    await cluster.up();
    workload.start();
    pods?.start();
    for (const node of cluster.nodes.slice(nodes))
      cluster.world.after(cluster.prng.fork(node.name).below(lateMaxMs), () => cluster.start(node.name));
    faults.start();
    const enough = (): boolean => changes() >= wantedChanges && workload.acknowledged >= wantedWrites;
    await cluster.until(() => cluster.violations.length > 0 || enough(), faultsMaxMs);
    if (cluster.violations.length === 0) await recover({ cluster, workload, pods, heal: () => faults.heal() });
  } catch (error) {
    cluster.report({ kind: 'liveness', message: messageOf(error) });
  }
  const violations = [...cluster.violations, ...checkHistory({ ...workload.history, finals: finalsOf(cluster) })];
  return {
    seed,
    virtualMs: Math.round(cluster.world.nowMs()),
    events: cluster.events,
    acknowledged: workload.acknowledged,
    unknown: workload.unknown,
    leaderChanges: changes(),
    faultsByKind: faults.byKind,
    marks: Object.fromEntries([...cluster.marks].sort()),
    violations,
    traceHash: cluster.trace.digest(),
    details:
      violations.length === 0
        ? ''
        : `${workload.describe()}\n${pods?.describe() ?? ''}\n${describeNodes(cluster.nodes)}`,
  };
}

/** Small limits, so that snapshots, installs and compaction happen within seconds; some differ by seed. */
function knobs(seed: number): Partial<ReplicaSettings> {
  const pick = <T>(values: readonly T[], at: number): T => values[Math.floor(seed / at) % values.length] as T;
  return {
    snapshotEntries: pick([60, 150, 100_000], 1),
    trailingEntries: pick([5, 40], 3),
    retainMs: pick([1500, 300_000], 6),
    // One entry a message shows orders of messages that batches hide.
    appendBytesMax: pick([1024 * 1024, 1], 2),
    compactionIntervalMs: 1000,
  };
}

interface Recovery {
  cluster: SimCluster;
  workload: Workload;
  pods: PodsWorkload | undefined;
  heal: () => void;
}

/** Liveness: with nothing broken, all nodes are ready, every client gets its answer, all have the same. */
async function recover({ cluster, workload, pods, heal }: Recovery): Promise<void> {
  workload.stop();
  heal();
  const demand = async (what: string, withinMs: number, holds: () => boolean): Promise<void> => {
    const over = (): boolean => cluster.violations.length > 0;
    if (over() || (await cluster.until(() => over() || holds(), withinMs))) return;
    cluster.report({ kind: 'liveness', message: `${withinMs} ms after everything was mended: ${what}` });
  };
  await demand('not every node is ready', recoveryMs, () => cluster.nodes.every(isReady));
  await demand('clients still wait for answers', recoveryMs, () => workload.isIdle());
  pods?.stop();
  if (pods) await demand('the Pods are not those that were asked for', podsRecoveryMs, () => pods.isConverged());
  workload.mark();
  await demand('a last write did not come to every watcher', recoveryMs, () => workload.isMarked());
  await demand('the nodes have not applied the same', recoveryMs, () => areLevel(cluster));
  workload.close();
}

function areLevel(cluster: SimCluster): boolean {
  const indexes = cluster.nodes.map(({ process }) => process?.node.inspect()?.store.appliedIndex ?? 0);
  return indexes.every((index) => index === indexes[0]);
}

/** Read from each node's own store, not through the API. */
export function finalsOf(cluster: SimCluster): FinalState[] {
  const finals: FinalState[] = [];
  if (!areLevel(cluster)) return finals;
  for (const { name, process } of cluster.nodes) {
    const view = process?.node.inspect()?.local();
    if (!view) continue;
    const { items, revision } = view.range({ ...configMapsRange, limit: 0 });
    const objects: FinalState['objects'] = new Map();
    for (const { key, value } of items) {
      const object = JSON.parse(new TextDecoder().decode(value.bytes)) as { data?: { token?: string } };
      if (object.data?.token !== undefined)
        objects.set(key.slice(configMapsRange.from.length), { token: object.data.token, revision: value.modRevision });
    }
    finals.push({ node: name, revision, objects });
  }
  return finals;
}
