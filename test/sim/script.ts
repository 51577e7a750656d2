/** Fault scripts: what must go wrong, and when, for one planted mistake to show; on the same cluster and checkers as the seeds. */
import { ApiClient, configMapsPath, revisionOf, type TokenObject } from '#src/sim/api-client.ts';
import { createSimCluster, describeNodes, type SimCluster, type SimNode } from '#src/sim/cluster.ts';
import type { SimDisk } from '#src/sim/disk.ts';
import { checkHistory, type ReadOperation, type Violation, type WriteOperation } from '#src/sim/history.ts';
import { finalsOf } from '#src/sim/run.ts';
import type { Replica, ReplicaMutation, ReplicaSettings } from '#src/replica/replica.ts';
import { drained } from '#test/support/virtual.ts';

/** The script could not be played to its end with this seed; another one may do. */
export class NotPlayed extends Error {}

export class Stage {
  readonly cluster: SimCluster;
  readonly writes: WriteOperation[] = [];
  readonly #reads: ReadOperation[] = [];
  #clients = 0;

  constructor(cluster: SimCluster) {
    this.cluster = cluster;
  }

  replica(name: string): Replica {
    const replica = this.cluster.node(name).process?.node.inspect();
    if (!replica) throw new NotPlayed(`${name} is not running`);
    return replica;
  }

  disk(name: string): SimDisk {
    const disk = this.cluster.node(name).process?.disk;
    if (!disk) throw new NotPlayed(`${name} is not running`);
    return disk;
  }

  leader(): SimNode {
    const leaders = this.cluster.nodes.filter((node) => node.process?.node.inspect()?.raft.role === 'leader');
    const term = (node: SimNode): number => this.replica(node.name).raft.currentTerm;
    const [best] = leaders.toSorted((a, b) => term(b) - term(a));
    if (!best) throw new NotPlayed('nobody leads');
    return best;
  }

  /** The leader first. */
  roles(): [string, string, string] {
    const leader = this.leader().name;
    const [a = '', b = ''] = this.cluster.nodes.map(({ name }) => name).filter((name) => name !== leader);
    return [leader, a, b];
  }

  leads(name: string, afterTerm: number): boolean {
    const raft = this.cluster.node(name).process?.node.inspect()?.raft;
    return raft?.role === 'leader' && raft.currentTerm > afterTerm;
  }

  async until(holds: () => boolean, withinMs = 10_000): Promise<void> {
    if (!(await this.cluster.until(holds, withinMs)))
      throw new NotPlayed(`not within ${withinMs} ms: ${holds.toString()}\n${describeNodes(this.cluster.nodes)}`);
  }

  async pass(ms: number): Promise<void> {
    const end = this.cluster.world.nowMs() + ms;
    await this.cluster.until(() => this.cluster.world.nowMs() >= end, ms + 1);
  }

  isolate(name: string): void {
    for (const other of this.cluster.nodes) if (other.name !== name) this.cluster.network.partition(name, other.name);
  }

  heal(): void {
    this.cluster.network.healAll();
  }

  client(node: string): ApiClient {
    this.#clients += 1;
    const client = new ApiClient(this.cluster, `script${this.#clients}`);
    client.stayWith(node, 20_000);
    return client;
  }

  /** Create one object; the operation is complete when the answer has come. */
  create(client: ApiClient, key: string, token = `token-${key}`): { write: WriteOperation; done: () => boolean } {
    const write: WriteOperation = {
      type: 'write',
      client: client.name,
      key,
      token,
      invokedMs: this.cluster.world.nowMs(),
      completedMs: undefined,
      outcome: 'unknown',
      revision: undefined,
      expectedRevision: undefined,
    };
    this.writes.push(write);
    let answered = false;
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: key }, data: { token: write.token } };
    void client.send('POST', configMapsPath, object).then(({ outcome, body }) => {
      answered = true;
      write.outcome = outcome;
      if (outcome !== 'unknown') write.completedMs = this.cluster.world.nowMs();
      if (outcome === 'ok') write.revision = revisionOf(body);
    });
    return { write, done: () => answered };
  }

  async readAndDelete(node: string, key: string): Promise<void> {
    const client = this.client(node);
    const invokedMs = this.cluster.world.nowMs();
    const found = await this.settle(client.send('GET', `${configMapsPath}/${key}`));
    const completedMs = this.cluster.world.nowMs();
    const revision = revisionOf(found.body);
    const { token } = (found.body as TokenObject).data ?? {};
    this.#reads.push({ type: 'read', client: client.name, key, invokedMs, completedMs, revision, token });
    await this.settle(client.send('DELETE', `${configMapsPath}/${key}`));
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    void promise.then(() => (settled = true));
    await this.until(() => settled);
    return promise;
  }

  async createMany(node: string, prefix: string, count: number): Promise<void> {
    const client = this.client(node);
    for (let i = 0; i < count; i += 1) {
      const { done } = this.create(client, `${prefix}${i}`);
      await this.until(done);
    }
  }

  judge(): Violation[] {
    const { cluster, writes } = this;
    return [
      ...cluster.violations,
      ...checkHistory({ writes, reads: this.#reads, watches: [], finals: finalsOf(cluster) }),
    ];
  }
}

export interface Script {
  replica?: Partial<ReplicaSettings>;
  play: (stage: Stage) => Promise<void>;
}

/** Violations of one seed; 'not played' when the script could not be followed. */
export async function playSeed(
  script: Script,
  seed: number,
  mutations: ReplicaMutation[],
): Promise<Violation[] | NotPlayed> {
  const { replica } = script;
  const cluster = createSimCluster({ seed, nodes: 3, settle: drained, mutations, ...(replica ? { replica } : {}) });
  const stage = new Stage(cluster);
  await cluster.up();
  try {
    await script.play(stage);
  } catch (error) {
    if (!(error instanceof NotPlayed)) throw error;
    const found = stage.judge();
    return found.length > 0 ? found : error;
  }
  return stage.judge();
}
