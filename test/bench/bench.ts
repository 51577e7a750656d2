/**
 * `npm run bench`: this cluster and etcd in one run on one machine and disk, interleaved, as
 * ratios. Shows; asserts nothing (see DESIGN: speed is shown, never asserted by a timed test).
 *   npm run bench [-- --seconds 5 --kills 10]
 *   npm run bench -- consensus [--quick] [--only writes,reads,api,failover,memory,in-process]
 *     [--clients 1,10] [--bytes 256] [--rounds 3] [--trials 8]   (consensus.ts)
 *   npm run bench -- api [--quick]   (api.ts)
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import type { ClusterStatus } from '#src/cli/status.ts';
import { etcdClient, etcdPath, startEtcd, type EtcdCluster } from './etcd.ts';
import { apiBench } from './api.ts';
import { consensusBench } from './consensus.ts';
import { closedLoop, cpuSeconds, memoryMb, percentile, row, type LoadResult } from './load.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    kills: { type: 'string', default: '10' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    bytes: { type: 'string', default: '' },
    rounds: { type: 'string' },
    trials: { type: 'string' },
    clients: { type: 'string', default: '1,10,100,1000' },
  },
});
if (positionals[0] === 'consensus') {
  const list = (text: string): string[] => text.split(',').filter((part) => part !== '');
  await consensusBench({
    quick: values.quick,
    only: list(values.only),
    clients: list(values.clients).map(Number),
    bytes: list(values.bytes).map(Number),
    ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
    ...(values.trials === undefined ? {} : { trials: Number(values.trials) }),
  });
  process.exit();
}
if (positionals[0] === 'api') {
  await apiBench({ quick: values.quick });
  process.exit();
}
const durationMs = Number(values.seconds) * 1000;
const kills = Number(values.kills);
const VALUE_BYTES = 256;
const CLIENTS = [1, 10, 100];
const PORT = 26_443;
const ETCD_PORT = 22_379;

const directory = mkdtempSync(join(tmpdir(), 'kt-bench-'));
const data = join(directory, 'kontiki');
const project = fileURLToPath(new URL('../../', import.meta.url));
const exec = promisify(execFile);

async function kontiki(...args: string[]): Promise<string> {
  const { stdout } = await exec(process.execPath, ['src/main.ts', ...args, '--data', data], {
    cwd: project,
    maxBuffer: 1 << 26,
  });
  return stdout;
}

async function status(): Promise<ClusterStatus> {
  return JSON.parse(await kontiki('status', '--json')) as ClusterStatus;
}

function apiAt(context: string): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromFile(join(data, 'kubeconfig'));
  config.setCurrentContext(context);
  return config.makeApiClient(CoreV1Api);
}

/** Node's own https with connections kept open: the stock client above makes a TLS handshake for every request. */
function keepAliveCreate(): (name: string, value: string) => Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(join(data, 'kubeconfig'));
  const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
  const agent = new Agent({
    keepAlive: true,
    ca: decode(config.getCurrentCluster()?.caData),
    cert: decode(config.getCurrentUser()?.certData),
    key: decode(config.getCurrentUser()?.keyData),
  });
  return (name, value) =>
    new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: PORT,
        method: 'POST',
        path: '/api/v1/namespaces/default/configmaps',
        agent,
      };
      const sent = request({ ...options, headers: { 'content-type': 'application/json' } }, (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === 201 ? resolve() : reject(new Error(String(response.statusCode))),
        );
      });
      sent.on('error', reject);
      sent.end(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } }));
    });
}

async function writes(etcd: EtcdCluster | undefined): Promise<void> {
  const value = 'x'.repeat(VALUE_BYTES);
  const bytes = new TextEncoder().encode(value);
  const stock = apiAt('kontiki');
  const clientNode = async (name: string): Promise<void> => {
    await stock.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name }, data: { value } } });
  };
  const keepAlive = keepAliveCreate();
  await writeTable('@kubernetes/client-node (a connection a request)', clientNode, etcd, bytes);
  await writeTable("Node's https, connections kept open", (name) => keepAlive(name, value), etcd, bytes);
}

async function writeTable(
  client: string,
  create: (name: string) => Promise<void>,
  etcd: EtcdCluster | undefined,
  bytes: Uint8Array,
): Promise<void> {
  console.log(
    `\n## Writes of ${VALUE_BYTES} B: create ConfigMap over HTTPS with ${client}; etcd: put over gRPC to its leader\n`,
  );
  row(['clients', 'Kontiki/s', 'p50 ms', 'p99 ms', 'failed', 'etcd/s', 'p50 ms', 'p99 ms', 'ratio']);
  row(Array.from({ length: 9 }, () => '---'));
  for (const clients of CLIENTS) {
    const run = `b${clients}-${Date.now().toString(36)}`;
    const ours = await closedLoop(clients, durationMs, (id, n) => create(`${run}-${id}-${n}`));
    let theirs: LoadResult | undefined;
    if (etcd) {
      const peer = await etcdClient(etcd.members[await etcd.leader()]?.port ?? 0);
      theirs = await closedLoop(clients, durationMs, (id, n) =>
        peer.put(`/registry/configmaps/default/${run}-${id}-${n}`, bytes),
      );
      peer.close();
    }
    const ratio = theirs ? ours.perSecond / theirs.perSecond : '-';
    row([
      String(clients),
      ours.perSecond,
      ours.p50Ms,
      ours.p99Ms,
      String(ours.failed),
      theirs?.perSecond ?? '-',
      theirs?.p50Ms ?? '-',
      theirs?.p99Ms ?? '-',
      ratio,
    ]);
  }
}

/** Writes every 10 ms to the survivors, from the kill until one that was sent after it succeeds. */
async function untilServed(attempts: (() => Promise<unknown>)[]): Promise<number> {
  const start = performance.now();
  return await new Promise((resolve) => {
    let done = false;
    const timer = setInterval(() => {
      for (const attempt of attempts) {
        attempt().then(
          () => {
            if (done) return;
            done = true;
            clearInterval(timer);
            resolve(performance.now() - start);
          },
          () => undefined, // Refused while there is no leader: the next one tells.
        );
      }
    }, 10);
  });
}

async function failover(etcd: EtcdCluster | undefined): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let trial = 0; trial < kills; trial += 1) {
    const before = await status();
    const leader = before.nodes.find((node) => node.name === before.leader);
    if (!leader?.pid) throw new Error('no leader to kill');
    const survivors = before.nodes.filter((node) => node !== leader).map((node) => apiAt(`kontiki-${node.name}`));
    process.kill(leader.pid, 'SIGKILL');
    let n = 0;
    ours.push(
      await untilServed(
        survivors.map(
          (api) => () =>
            api.createNamespacedConfigMap({
              namespace: 'default',
              body: { metadata: { name: `f-${trial}-${(n += 1)}-${Date.now()}` } },
            }),
        ),
      ),
    );
    await kontiki('start', leader.name);
    if (!etcd) continue;
    const index = await etcd.leader();
    const clients = await Promise.all(
      etcd.members.filter((_, i) => i !== index).map((member) => etcdClient(member.port)),
    );
    etcd.members[index]?.process.kill('SIGKILL');
    theirs.push(await untilServed(clients.map((client) => () => client.put(`f-${trial}`, new Uint8Array(8)))));
    for (const client of clients) client.close();
    await etcd.restart(index);
  }
  console.log(`\n## Failover by kill -9, ${kills} trials: first write that succeeds on a survivor\n`);
  row(['', 'median ms', 'max ms']);
  row(['---', '---', '---']);
  row(['Kontiki', percentile(ours, 0.5), Math.max(...ours)]);
  if (etcd) {
    row(['etcd', percentile(theirs, 0.5), Math.max(...theirs)]);
    row(['ratio', percentile(ours, 0.5) / percentile(theirs, 0.5), Math.max(...ours) / Math.max(...theirs)]);
  }
}

async function pods(): Promise<void> {
  console.log('\n## create → Running\n');
  row(['Pods', 'Kontiki s', 'docker run s']);
  row(['---', '---', '---']);
  const api = apiAt('kontiki');
  const docker = hasDocker();
  for (const count of [1, 10]) {
    const names = Array.from({ length: count }, (_, i) => `bench-${count}-${i}`);
    const start = performance.now();
    await Promise.all(
      names.map((name) =>
        api.createNamespacedPod({
          namespace: 'default',
          body: { metadata: { name }, spec: { containers: [{ name: 'c', image: 'kontiki/demo' }] } },
        }),
      ),
    );
    for (;;) {
      const list = await api.listNamespacedPod({ namespace: 'default' });
      if (
        list.items.filter((pod) => names.includes(pod.metadata?.name ?? '') && pod.status?.phase === 'Running')
          .length === count
      )
        break;
      await sleep(20);
    }
    const ours = (performance.now() - start) / 1000;
    let theirs: number | string = '-';
    if (docker) {
      const began = performance.now();
      await Promise.all(
        names.map((name) => exec('docker', ['run', '-d', '--rm', '--network', 'none', '--name', name, 'kontiki/demo'])),
      );
      theirs = (performance.now() - began) / 1000;
      execFileSync('docker', ['rm', '-f', ...names], { stdio: 'ignore' });
    }
    row([String(count), ours, theirs]);
    await Promise.all(
      names.map((name) => api.deleteNamespacedPod({ namespace: 'default', name, gracePeriodSeconds: 0 })),
    );
  }
}

function hasDocker(): boolean {
  try {
    return (
      execFileSync('docker', ['image', 'ls', '-q', 'kontiki/demo'], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0
    );
  } catch {
    return false; // No engine, or no such image: the column stays empty.
  }
}

async function idle(startupMs: number): Promise<void> {
  const nodes = (await status()).nodes;
  await sleep(3000);
  const before = nodes.map((node) => cpuSeconds(node.pid ?? 0));
  await sleep(10_000);
  console.log('\n## Cluster of three\n');
  row(['', ...nodes.map((node) => node.name)]);
  row(['---', ...nodes.map(() => '---')]);
  row(['idle RSS MB', ...nodes.map((node) => memoryMb(node.pid ?? 0))]);
  row(['idle CPU % of a core', ...nodes.map((node, i) => (cpuSeconds(node.pid ?? 0) - (before[i] ?? 0)) * 10)]);
  console.log(`\nstart-up to all Ready: ${(startupMs / 1000).toFixed(2)} s`);
}

let etcd: EtcdCluster | undefined;
try {
  const began = performance.now();
  await kontiki('up', '--detach', '--port', String(PORT), '--nodes', '3');
  const startupMs = performance.now() - began;
  await idle(startupMs);
  if (etcdPath) etcd = await startEtcd(join(directory, 'etcd'), ETCD_PORT);
  else console.log('etcd is not installed (Debian: etcd-server); its columns stay empty');
  await writes(etcd);
  await failover(etcd);
  await pods();
} finally {
  await etcd?.close();
  await kontiki('down').catch(() => undefined); // It may never have come up; the error above says so.
  rmSync(directory, { recursive: true, force: true });
}
