/** What a user gets: ConfigMaps over HTTPS with stock clients; beside it etcd's own put and range, labelled so. */
import { Agent, request } from 'node:https';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { Sizes } from './consensus.ts';
import type { KontikiCluster, StoreClient } from './kontiki.ts';
import { closedLoop, row, titles } from './load.ts';

interface UserClient {
  create: (name: string) => Promise<void>;
  get: (name: string) => Promise<void>;
}

const VALUE = 'x'.repeat(256);
const PATH = '/api/v1/namespaces/default/configmaps';

function configOf(cluster: KontikiCluster): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(cluster.layout.kubeconfig);
  return config;
}

function stock(cluster: KontikiCluster, node: string): UserClient {
  const config = configOf(cluster);
  config.setCurrentContext(`kontiki-${node}`);
  const api = config.makeApiClient(CoreV1Api);
  return {
    create: async (name) => {
      await api.createNamespacedConfigMap({
        namespace: 'default',
        body: { metadata: { name }, data: { value: VALUE } },
      });
    },
    get: async (name) => void (await api.readNamespacedConfigMap({ namespace: 'default', name })),
  };
}

/** Connections kept open: the stock client makes a TLS handshake for every request. */
function keepAlive(cluster: KontikiCluster, port: number): UserClient {
  const config = configOf(cluster);
  const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
  const agent = new Agent({
    keepAlive: true,
    ca: decode(config.getCurrentCluster()?.caData),
    cert: decode(config.getCurrentUser()?.certData),
    key: decode(config.getCurrentUser()?.keyData),
  });
  const send = (method: string, path: string, want: number, body?: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === want ? resolve() : reject(new Error(String(response.statusCode))),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    create: (name) =>
      send(
        'POST',
        PATH,
        201,
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value: VALUE } }),
      ),
    get: (name) => send('GET', `${PATH}/${name}`, 200),
  };
}

export async function userTable(
  cluster: KontikiCluster,
  etcd: () => Promise<StoreClient>,
  sizes: Sizes,
): Promise<void> {
  const leader = await cluster.leader();
  const port = cluster.shape.nodes.find(({ name }) => name === leader)?.apiPort ?? 0;
  const users: [string, UserClient][] = [
    ["Node's https, kept alive", keepAlive(cluster, port)],
    ['@kubernetes/client-node', stock(cluster, leader)],
  ];
  console.log(
    "\n## What a user gets: ConfigMap of 256 B over HTTPS at the leader's API (linearizable GET); etcd: its own put and range\n",
  );
  titles(['clients', 'verb', 'client', 'ops/s', 'p50 ms', 'p99 ms', 'failed', 'etcd ops/s', 'etcd p50 ms', 'ratio']);
  const value = new Uint8Array(256).fill(120);
  for (const clients of [1, 10, 100]) {
    for (const verb of ['create', 'get'] as const) {
      const peer = await etcd();
      await peer.put('user', value);
      const theirs = await closedLoop(clients, sizes.roundMs, (id, n) =>
        verb === 'create' ? peer.put(`user-${id}-${n}`, value) : peer.get('user'),
      );
      peer.close();
      for (const [client, user] of users) {
        const run = `u${clients}-${Date.now().toString(36)}`;
        await user.create(run);
        const ours = await closedLoop(clients, sizes.roundMs, (id, n) =>
          verb === 'create' ? user.create(`${run}-${id}-${n}`) : user.get(run),
        );
        const ratio = ours.perSecond / theirs.perSecond;
        row([
          String(clients),
          verb,
          client,
          ours.perSecond,
          ours.p50Ms,
          ours.p99Ms,
          String(ours.failed),
          theirs.perSecond,
          theirs.p50Ms,
          ratio,
        ]);
      }
    }
  }
}
