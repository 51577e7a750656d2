/** A node process that dies takes nothing with it: containers keep their pid and their connections. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Pod } from '#src/api/objects.ts';
import { hasEngine } from '#test/support/engine.ts';
import { canMakeNetns, createLab, eventually, isRoot, kubectlPath, PROJECT, type Lab } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const canRun = isRoot && canMakeNetns() && kubectlPath !== undefined;

/** A client in the lab's namespace that keeps one connection open and says 'alive N' for each answer on it. */
const CLIENT = `
const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let local;
const ask = (n) => http.get(process.argv[1], { agent }, (response) => {
  const port = response.socket.localPort;
  if (local !== undefined && port !== local) { console.log('another connection'); process.exit(1); }
  local = port;
  response.resume();
  response.on('end', () => { console.log('alive ' + n); setTimeout(ask, 200, n + 1); });
}).on('error', (error) => { console.log('lost: ' + error.message); process.exit(1); });
ask(1);`;

interface OpenConnection {
  count: () => number;
  /** What was said last. */
  last: () => string;
  close: () => void;
}

async function openConnection(lab: Lab, url: string): Promise<OpenConnection> {
  const inside = existsSync(`/run/netns/${lab.id}`) ? ['nsenter', `--net=/run/netns/${lab.id}`] : [];
  const command = [...inside, process.execPath, '-e', CLIENT, url];
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KONTIKI_LAB: lab.id },
  });
  const lines: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n')));
  await once(child.stdout, 'data');
  return {
    count: () => lines.filter((line) => line.startsWith('alive')).length,
    last: () => lines.at(-1) ?? '',
    close: () => void child.kill('SIGKILL'),
  };
}

async function podOf(lab: Lab): Promise<Pod> {
  return JSON.parse((await lab.kubectl('get', 'pod', 'keeper', '-o', 'json')).stdout) as Pod;
}

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: keeper}
spec:
  containers:
    - name: web
      image: kontiki/demo
      readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
`;

async function adoption(t: ExecutionContext, runtime: 'process' | 'docker'): Promise<void> {
  t.timeout(900_000);
  const lab = await createLab({ runtime });
  let connection: OpenConnection | undefined;
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    t.is((await lab.apply(POD)).code, 0);
    t.is((await lab.kubectl('wait', 'pod/keeper', '--for=condition=Ready', '--timeout=60s')).code, 0);
    const before = await podOf(lab);
    const node = before.spec?.nodeName ?? '';
    const container = before.status?.containerStatuses?.[0];
    connection = await openConnection(lab, `http://${before.status?.podIP}:8080/`);

    const victim = (await lab.status()).nodes.find((candidate) => candidate.name === node);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    const atKill = connection.count();
    await eventually(
      'the container answers on while its node is dead',
      10_000,
      async () => (connection?.count() ?? 0) > atKill + 5,
    );
    t.is((await lab.kontiki('start', node)).code, 0);
    const atStart = connection.count();
    await eventually('and after it is back', 10_000, async () => (connection?.count() ?? 0) > atStart + 5);
    t.regex(connection.last(), /^alive/);

    const after = await eventually('the status is of the same container', 20_000, async () => {
      const pod = await podOf(lab);
      return pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') && pod;
    });
    t.is(after.status?.containerStatuses?.[0]?.containerID, container?.containerID);
    t.is(after.status?.containerStatuses?.[0]?.restartCount, 0);
    t.deepEqual(after.status?.containerStatuses?.[0]?.state, container?.state);
  } finally {
    connection?.close();
    await lab.close();
  }
}

needs('root, network namespaces and kubectl', canRun, { serial: true })(
  'kill -9 of a node: the process keeps its pid and an open connection',
  (t) => adoption(t, 'process'),
);

needs('root, network namespaces, kubectl and a Docker engine', canRun && hasEngine(), { serial: true })(
  'kill -9 of a node: the Docker container keeps its id and an open connection',
  (t) => adoption(t, 'docker'),
);

needs('root, network namespaces and kubectl', canRun, { serial: true })(
  'Ctrl-C on a foreground start stops all nodes and their containers',
  async (t) => {
    t.timeout(900_000);
    const lab = await createLab({ runtime: 'process' });
    try {
      const command = [
        'nsenter',
        `--net=/run/netns/${lab.id}`,
        process.execPath,
        join(PROJECT, 'src/main.ts'),
        'up',
        '--data',
        lab.data,
        '--runtime',
        'process',
      ];
      const child = spawn(command[0] ?? '', command.slice(1), {
        cwd: PROJECT,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, KONTIKI_LAB: lab.id },
      });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await eventually('the cluster is up', 60_000, async () =>
        said.includes('Ctrl-C stops all nodes and their containers'),
      );
      t.is((await lab.apply(POD)).code, 0);
      t.is((await lab.kubectl('wait', 'pod/keeper', '--for=condition=Ready', '--timeout=60s')).code, 0);
      const ip = (await podOf(lab)).status?.podIP;
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      t.is(code, 0, said);
      t.regex(said, /stopped n1 n2 n3/);
      t.not((await lab.exec('curl', '-s', '-m', '1', `http://${ip}:8080/`)).code, 0, 'no container is left');
      t.is((await lab.kontiki('status')).code, 1, 'without a leader status is not 0');
    } finally {
      await lab.close();
    }
  },
);
