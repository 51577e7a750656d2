/** Whole nodes in virtual time, and an operator who asks one of them. */
import { apiPort, createSimCluster, describeNodes, type SimCluster, type SimNode } from '#src/sim/cluster.ts';
import type { NodeStatus } from '#src/node/node.ts';
import type { NodeConfig } from '#src/node/config.ts';
import { drained, settle } from '#test/support/virtual.ts';

const REPLACE_AFTER_MS = 5000;
/** More than the default of an operator's request. */
const REQUEST_TIMEOUT_MS = 25_000;

const byName = (a: string, b: string): number => (a < b ? -1 : 1);

export class Stage {
  readonly cluster: SimCluster;

  constructor(options: { seed: number; nodes: number; late?: number; zones?: string[] }) {
    const { seed, nodes, late = 0, zones = [] } = options;
    this.cluster = createSimCluster({ seed, nodes, late, settle: drained });
    for (const [i, { config }] of this.cluster.nodes.entries()) {
      config.times = { ...config.times, voterReplaceMs: REPLACE_AFTER_MS };
      const zone = zones[i];
      if (zone !== undefined) config.labels = { ...config.labels, 'topology.kubernetes.io/zone': zone };
    }
  }

  /** Undefined while it is down or starts. */
  status(name: string): NodeStatus | undefined {
    const { process } = this.cluster.node(name);
    return process?.stage === 'running' ? process.node.status() : undefined;
  }

  get leader(): NodeStatus | undefined {
    return this.cluster.nodes
      .map(({ name }) => this.status(name))
      .filter((status) => status?.replica.role === 'leader')
      .toSorted((a, b) => (b?.replica.term ?? 0) - (a?.replica.term ?? 0))[0];
  }

  /** `n1 n2 n3 + n4`, of the present leader: who votes and who stands by. */
  get members(): string {
    const { voters, learners } = this.leader?.replica ?? { voters: [], learners: [] };
    return `${voters.toSorted(byName).join(' ')}${learners.length === 0 ? '' : ` + ${learners.toSorted(byName).join(' ')}`}`;
  }

  /** Voters that do not lead. */
  get followers(): string[] {
    const { name, replica } = this.leader ?? { name: '', replica: { voters: [] as string[] } };
    return replica.voters.filter((id) => id !== name).toSorted(byName);
  }

  get reasons(): string[] {
    return (this.leader?.decisions ?? []).map(({ reason }) => reason);
  }

  /** Fails with the story of every node. */
  async until(what: string, holds: () => boolean, withinMs = 20_000): Promise<void> {
    if (!(await this.cluster.until(holds, withinMs)))
      throw new Error(`not ${what} within ${withinMs} ms: ${this.members}\n${describeNodes(this.cluster.nodes)}`);
  }

  /** A decision is recorded a moment after it was carried out. */
  async untilTold(reasons: RegExp): Promise<void> {
    await this.until(`told ${reasons.source}`, () => reasons.test(this.reasons.join('\n')), 5000);
  }

  async pass(ms: number): Promise<void> {
    await this.cluster.until(() => false, ms);
  }

  isolate(name: string): void {
    for (const other of this.cluster.nodes) if (other.name !== name) this.cluster.network.partition(name, other.name);
  }

  /** Start it again with other settings, as an operator who edits its file. */
  async restart(node: SimNode, change: (config: NodeConfig) => void): Promise<void> {
    this.cluster.crash(node.name, 'process');
    change(node.config);
    await this.pass(100);
    this.cluster.start(node.name);
  }

  /** As `kontiki member ACTION NAME` does. */
  async ask(node: string, action: string, name: string): Promise<{ status: number; message: string }> {
    const { http, authorityPem, certificatePem, privateKeyPem } = this.cluster.client('operator');
    const asked = http.fetch({
      url: `https://${this.cluster.node(node).host}:${apiPort}/cluster/v1/members`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify({ action, name })),
      timeoutMs: REQUEST_TIMEOUT_MS,
      bodyBytesMax: 65_536,
      authorityPem,
      certificatePem,
      privateKeyPem,
    });
    const { status, body } = await settle(this.cluster.world, asked);
    return { status, message: (JSON.parse(new TextDecoder().decode(body)) as { message: string }).message };
  }
}
