/**
 * `npm run bench -- api [--quick]`: the API server over HTTPS on three nodes of one machine: creates, updates, GETs, long
 * lists, watchers. Beside it an HTTPS server that answers with as many ready bytes, in the same run: the ratio says what
 * the API costs over the way itself. Shows; asserts nothing.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { createCrypto } from '#src/drivers/crypto.ts';
import { startKontiki, type KontikiCluster } from './kontiki.ts';
import { closedLoop, cpuSeconds, memoryMb, percentile, row, titles, type LoadResult } from './load.ts';

const PORT = 28_443;
const ECHO_PORT = 28_999;
const PATH = '/api/v1/namespaces/default/configmaps';
const OBJECT_BYTES = 1200;
const WATCHES_A_SESSION = 100;

interface Tls {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

type Send = (method: string, path: string, body?: string) => Promise<Buffer>;

export async function apiBench({ quick }: { quick: boolean }): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'kt-bench-api-'));
  const cluster = await startKontiki(join(directory, 'kontiki'), PORT);
  let echo: ChildProcess | undefined;
  try {
    const tls = tlsOf(cluster);
    const leader = await cluster.leader();
    const port = cluster.shape.nodes.find(({ name }) => name === leader)?.apiPort ?? 0;
    echo = await startEcho();
    const send = sender(port, tls);
    await verbs(send, sender(ECHO_PORT, { ...tls, ca: Buffer.alloc(0) }), quick ? 2000 : 5000);
    for (const count of quick ? [10_000] : [10_000, 100_000]) await longList(cluster, leader, send, count);
    for (const count of quick ? [200] : [1000, 5000]) await watchers({ cluster, leader, port, tls, send, count });
  } finally {
    echo?.kill();
    await cluster.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function tlsOf(cluster: KontikiCluster): Tls {
  const config = new KubeConfig();
  config.loadFromFile(cluster.layout.kubeconfig);
  const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
  return {
    ca: decode(config.getCurrentCluster()?.caData),
    cert: decode(config.getCurrentUser()?.certData),
    key: decode(config.getCurrentUser()?.keyData),
  };
}

function sender(port: number, { ca, ...own }: Tls): Send {
  const trust = ca.length > 0 ? { ca } : { rejectUnauthorized: false };
  const agent = new Agent({ keepAlive: true, ...own, ...trust });
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const options = { host: '127.0.0.1', port, method, path, agent, headers: { 'content-type': type } };
      const sent = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          (response.statusCode ?? 500) < 300
            ? resolve(Buffer.concat(chunks))
            : reject(new Error(String(response.statusCode))),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
}

async function startEcho(): Promise<ChildProcess> {
  const crypto = createCrypto();
  const authority = await crypto.createAuthority({ commonName: 'echo', validityDays: 1 });
  const keys = await crypto.generateKeyPair();
  const cert = await crypto.issueCertificate(authority, {
    publicKeyPem: keys.publicKeyPem,
    commonName: 'echo',
    ipAddresses: ['127.0.0.1'],
    usages: ['server'],
    validityDays: 1,
  });
  const child = spawn(process.execPath, [fileURLToPath(new URL('echo.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ key: keys.privateKeyPem, cert, port: ECHO_PORT, bytes: OBJECT_BYTES }));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('the echo server ended')));
  });
  return child;
}

const configMap = (name: string, bytes = 256, labels: Record<string, string> = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels },
    data: { value: 'x'.repeat(bytes) },
  });

async function verbs(send: Send, echo: Send, roundMs: number): Promise<void> {
  console.log(
    `\n## ConfigMaps of 256 B at the leader's API, 100 clients on kept connections; echo: ${OBJECT_BYTES} ready bytes\n`,
  );
  titles(['verb', 'ops/s', 'p50 ms', 'p99 ms', 'failed', 'of echo']);
  for (let at = 0; at < 100; at += 1) await send('POST', PATH, configMap(`base-${at}`));
  const bare = await closedLoop(100, roundMs, async (id, n) => void (await echo('GET', `/${id}/${n}`)));
  const show = (verb: string, result: LoadResult): void =>
    row([verb, result.perSecond, result.p50Ms, result.p99Ms, String(result.failed), result.perSecond / bare.perSecond]);
  show('echo', bare);
  show(
    'create',
    await closedLoop(100, roundMs, async (id, n) => void (await send('POST', PATH, configMap(`c-${id}-${n}`)))),
  );
  show(
    'patch',
    await closedLoop(
      100,
      roundMs,
      async (id, n) => void (await send('PATCH', `${PATH}/base-${id}`, `{"data":{"n":"${n}"}}`)),
    ),
  );
  show('get', await closedLoop(100, roundMs, async (id) => void (await send('GET', `${PATH}/base-${id}`))));
  const cached = `${PATH}/base-1?resourceVersion=0`;
  show('get, resourceVersion=0', await closedLoop(100, roundMs, async () => void (await send('GET', cached))));
}

/** While the list is made another client asks for one object every few ms: its longest wait shows a blocked loop. */
async function longList(cluster: KontikiCluster, leader: string, send: Send, count: number): Promise<void> {
  const label = { many: String(count) };
  let next = 0;
  const fill = async (): Promise<void> => {
    for (let at = (next += 1); at <= count; at = next += 1)
      await send('POST', PATH, configMap(`many-${count}-${at}`, 256, label));
  };
  await Promise.all(Array.from({ length: 100 }, fill));
  const waits: number[] = [];
  let isOver = false;
  const watcher = (async () => {
    while (!isOver) {
      const began = performance.now();
      await send('GET', `${PATH}/base-1?resourceVersion=0`);
      waits.push(performance.now() - began);
      await sleep(2);
    }
  })();
  await sleep(200);
  const calm = Math.max(...waits.splice(0));
  const cpu = cpuSeconds(cluster.pidOf(leader));
  const began = performance.now();
  const { length } = await send('GET', `${PATH}?labelSelector=many%3D${count}`);
  const tookMs = performance.now() - began;
  const spent = cpuSeconds(cluster.pidOf(leader)) - cpu;
  isOver = true;
  await watcher;
  console.log(`\n## LIST of ${count} ConfigMaps of 256 B over TLS\n`);
  titles(['MB', 'ms', 'CPU s of the node', 'longest wait of a GET meanwhile, ms', 'before it, ms']);
  row([length / 1e6, tookMs, spent, Math.max(...waits), calm]);
}

interface WatchRun {
  cluster: KontikiCluster;
  leader: string;
  port: number;
  tls: Tls;
  send: Send;
  count: number;
}

async function watchers({ cluster, leader, port, tls, send, count }: WatchRun): Promise<void> {
  const pid = cluster.pidOf(leader);
  const { metadata } = JSON.parse(String(await send('GET', `${PATH}?limit=1`))) as {
    metadata: { resourceVersion: string };
  };
  const from = `resourceVersion=${metadata.resourceVersion}`;
  const memory = memoryMb(pid);
  const sessions: ClientHttp2Session[] = [];
  const seen = new Map<string, number[]>();
  for (let at = 0; at < count; at += 1) {
    if (at % WATCHES_A_SESSION === 0) sessions.push(connect(`https://127.0.0.1:${port}`, tls));
    const stream = sessions.at(-1)?.request({ ':path': `${PATH}?watch=true&labelSelector=fan%3Dout&${from}` });
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      for (const [, name = ''] of chunk.matchAll(/"name":"(fan-\d+)"/g)) seen.get(name)?.push(performance.now());
    });
    if (at % WATCHES_A_SESSION === WATCHES_A_SESSION - 1) await sleep(20);
  }
  await sleep(1000);
  const perWatcherKb = ((memoryMb(pid) - memory) * 1024) / count;
  const cpu = cpuSeconds(pid);
  const lags: number[] = [];
  const events = 20;
  for (let at = 0; at < events; at += 1) {
    const name = `fan-${at}`;
    const times: number[] = [];
    seen.set(name, times);
    const began = performance.now();
    await send('POST', PATH, configMap(name, 3000, { fan: 'out' }));
    for (let tries = 0; times.length < count && tries < 500; tries += 1) await sleep(10);
    lags.push(...times.map((time) => time - began));
    if (times.length < count) console.log(`only ${times.length} of ${count} watchers saw ${name}`);
  }
  console.log(`\n## A 3 KB event to ${count} watchers of one node, ${events} times (from the create's first byte)\n`);
  titles(['p50 ms', 'p99 ms', 'CPU ms an event', 'KB a watcher']);
  row([percentile(lags, 0.5), percentile(lags, 0.99), ((cpuSeconds(pid) - cpu) * 1000) / events, perWatcherKb]);
  for (const session of sessions) session.destroy();
}
