/** A Kontiki cluster of three processes for the benchmarks, and clients of its peer links. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { askNode, readCredentials } from '#src/cli/admin.ts';
import { layoutOf, nodeOf, readShape, type Layout, type Shape } from '#src/cli/layout.ts';
import { runningPid, spawnServer } from '#src/cli/processes.ts';
import { clusterStatus } from '#src/cli/status.ts';
import type { ClientCredentials } from '#src/cluster/cluster.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createLog } from '#src/drivers/log.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { CLIENT_GET, CLIENT_PROPOSE, type ClientResult } from '#src/node/client-door.ts';
import { encodeTransactions } from '#src/store/codec.ts';
import { connectClient } from '#src/wire/client-links.ts';

const project = fileURLToPath(new URL('../../', import.meta.url));
const exec = promisify(execFile);
const TIMEOUT_MS = 5000;
const NO_BYTES = new Uint8Array(0);

export interface StoreClient {
  put: (key: string, value: Uint8Array) => Promise<void>;
  get: (key: string, options?: { serializable: boolean }) => Promise<void>;
  close: () => void;
}

export interface KontikiCluster {
  layout: Layout;
  shape: Shape;
  pids: () => number[];
  pidOf: (node: string) => number;
  leader: () => Promise<string>;
  /** One connection to a node, its requests multiplexed. */
  client: (node: string) => Promise<StoreClient>;
  /** Start a node that was killed; does not wait. */
  launch: (node: string) => void;
  untilReady: () => Promise<void>;
  close: () => Promise<void>;
}

export async function startKontiki(directory: string, port: number): Promise<KontikiCluster> {
  const run = (...args: string[]): Promise<unknown> =>
    exec(process.execPath, ['src/main.ts', ...args, '--data', directory], { cwd: project, maxBuffer: 1 << 26 });
  await run('up', '--detach', '--port', String(port), '--nodes', '3', '--runtime', 'process');
  const layout = layoutOf(directory);
  const shape = readShape(layout);
  const clock = createClock();
  const network = createNetwork();
  const log = createLog({ level: 'error' }, 'bench');

  async function leader(): Promise<string> {
    for (let tries = 0; tries < 600; tries += 1) {
      const status = await clusterStatus(layout, shape);
      if (status.leader !== null) return status.leader;
      await sleep(20);
    }
    throw new Error('Kontiki elected no leader');
  }

  const credentials = (await askNode(readCredentials(layout), nodeOf(shape, await leader()), {
    method: 'POST',
    path: '/cluster/v1/client-certificate',
    body: {},
  })) as ClientCredentials | undefined;
  if (!credentials) throw new Error('no node gave a client certificate');

  async function client(node: string): Promise<StoreClient> {
    const wire = await connectClient({
      network,
      clock,
      log,
      identity: credentials as ClientCredentials,
      clusterId: (credentials as ClientCredentials).clusterId,
      name: (credentials as ClientCredentials).name,
      incarnation: randomUUID(),
      address: `127.0.0.1:${nodeOf(shape, node).peerPort}`,
      node,
    });
    return {
      put: async (key, value) => {
        const body = encodeTransactions([
          { conditions: [], operations: [{ type: 'put', key, head: value, tail: NO_BYTES }] },
        ]);
        const [result] = (await wire.request(CLIENT_PROPOSE, [1, body], TIMEOUT_MS)) as ClientResult[];
        if (!Array.isArray(result)) throw new Error('the put was refused');
      },
      get: async (key, options) => {
        const what = options?.serializable ? [key, 'local'] : key;
        if ((await wire.request(CLIENT_GET, what, TIMEOUT_MS)) === null) throw new Error(`${key} is not there`);
      },
      close: () => wire.close(),
    };
  }

  const pidOf = (node: string): number => runningPid(layout, node) ?? 0;
  return {
    layout,
    shape,
    pidOf,
    pids: () => shape.nodes.map(({ name }) => pidOf(name)),
    leader,
    client,
    launch: (node) => void spawnServer(layout, node),
    async untilReady() {
      for (let tries = 0; tries < 1500; tries += 1) {
        const status = await clusterStatus(layout, shape);
        if (status.leader !== null && status.nodes.every((node) => node.ready)) return;
        await sleep(20);
      }
      throw new Error('Kontiki did not become ready');
    },
    async close() {
      await run('down').catch(() => undefined); // Some may be down already.
      for (const pid of shape.nodes.map(({ name }) => runningPid(layout, name))) {
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      }
    },
  };
}
