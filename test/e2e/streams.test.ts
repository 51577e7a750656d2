/**
 * exec, cp, attach, run -i, debug, port-forward and the proxies with each kubectl found: until 1.29 over SPDY/3.1,
 * later over WebSockets; each Pod is asked for through another node than the one that runs it.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { background, canMakeNetns, createLab, eventually, isRoot, kubectlPath, type Lab } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const OLDEST = 27;

/** The one on PATH alone, or its versioned siblings when there are any. */
function kubectls(): string[] {
  if (kubectlPath === undefined) return [];
  const directory = dirname(realpathSync(kubectlPath));
  const siblings = readdirSync(directory)
    .filter((name) => Number(/^kubectl\.1\.(\d+)$/.exec(name)?.[1] ?? 0) >= OLDEST)
    .toSorted()
    .map((name) => join(directory, name));
  return siblings.length > 0 ? siblings : [kubectlPath];
}

const PODS = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: n1
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: kontiki/demo, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  nodeName: n1
  terminationGracePeriodSeconds: 1
  containers:
  - {name: echo, image: host, stdin: true, command: [sh, -c, 'echo begun; while read line; do echo "heard $line"; done']}
`;

needs('root, network namespaces and kubectl', isRoot && canMakeNetns() && kubectlPath !== undefined, { serial: true })(
  'exec, cp, attach, run, debug, port-forward and proxy with each kubectl, through another node',
  async (t) => {
    t.timeout(900_000);
    const lab = await createLab({ runtime: 'process', nodes: 2 });
    const directory = mkdtempSync(join(tmpdir(), 'kontiki-streams-'));
    try {
      const up = await lab.up();
      t.is(up.code, 0, up.stdout + up.stderr);
      const applied = await lab.apply(PODS);
      t.is(applied.code, 0, applied.stderr);
      await lab.kubectl('wait', 'pod/web', 'pod/echo', '--for=condition=Ready', '--timeout=60s');
      for (const [i, binary] of kubectls().entries()) {
        const run = { t, lab, directory, binary, port: 20_000 + 10 * i, name: binary.split('/').at(-1) ?? '' };
        await execs(run);
        await copies(run);
        await attaches(run);
        await debugs(run);
        await forwards(run);
        await proxies(run);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
      await lab.close();
    }
  },
);

interface Run {
  t: ExecutionContext;
  lab: Lab;
  directory: string;
  binary: string;
  port: number;
  name: string;
}

const kubectl = async (
  { lab, binary }: Run,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> =>
  await lab.exec(binary, '--context', 'kontiki-n2', ...args);

async function execs(run: Run): Promise<void> {
  const { t, lab, binary, name, directory } = run;
  const failed = await kubectl(run, 'exec', 'echo', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
  t.deepEqual([failed.code, failed.stdout], [7, 'out\n'], `${name}: ${failed.stderr}`);
  t.regex(failed.stderr, /^err\n/m);
  t.regex(failed.stderr, /command terminated with exit code 7/);
  // Megabytes both ways: windows, pauses and the end of the input.
  const sent = Array.from({ length: 200_000 }, (_, i) => `line ${i} of ${name}\n`).join('');
  const back = await lab.execWith(sent, binary, '--context', 'kontiki-n2', 'exec', '-i', 'echo', '--', 'cat');
  t.is(back.stdout.length, sent.length, `${name}: ${back.stderr}`);
  t.true(back.stdout === sent);
  const typescript = join(directory, 'typescript');
  const command = `${binary} --context kontiki-n2 exec -it echo -- sh -c 'tty; exit 3'`;
  const terminal = await lab.exec('script', '-qec', command, typescript);
  t.is(terminal.code, 3, terminal.stdout);
  t.regex(terminal.stdout, /\/dev\/pts\/\d+/, name);
  const missing = await kubectl(run, 'exec', 'echo', '-c', 'other', '--', 'true');
  t.regex(missing.stderr, /container (?:not found \(")?other(?:"\))? ?(?:is not valid for pod echo)?/);
}

async function copies(run: Run): Promise<void> {
  const { t, directory, name } = run;
  const [here, there, back] = ['here', `there-${name}`, `back-${name}`].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  writeFileSync(here, `a file for ${name}\n`.repeat(10_000));
  const to = await kubectl(run, 'cp', here, `echo:${there}`);
  t.is(to.code, 0, `${name}: ${to.stderr}`);
  t.true(readFileSync(there).equals(readFileSync(here)));
  const from = await kubectl(run, 'cp', `echo:${there}`, back);
  t.is(from.code, 0, `${name}: ${from.stderr}`);
  t.true(readFileSync(back).equals(readFileSync(here)));
}

async function attaches(run: Run): Promise<void> {
  const { t, lab, binary, name } = run;
  const pod = `run-${name.replaceAll('.', '-')}`;
  const args = [
    'run',
    pod,
    '-i',
    '--rm',
    '--restart=Never',
    '--image=host',
    '--command',
    '--',
    'sh',
    '-c',
    'sleep 1; cat',
  ];
  const ran = await lab.execWith(`typed into ${pod}\n`, binary, '--context', 'kontiki-n2', ...args);
  t.is(ran.code, 0, `${name}: ${ran.stderr}`);
  t.regex(ran.stdout, new RegExp(`^typed into ${pod}$`, 'm'), ran.stderr);
  t.regex(ran.stdout + ran.stderr, new RegExp(`pod "${pod}" deleted`));
}

async function debugs(run: Run): Promise<void> {
  const { t, name } = run;
  const container = `debug-${name.replaceAll('.', '-')}`;
  const made = await kubectl(
    run,
    'debug',
    'web',
    '--image=host',
    '--target=web',
    '-c',
    container,
    '--',
    'sh',
    '-c',
    'echo seen',
  );
  t.is(made.code, 0, `${name}: ${made.stderr}`);
  const log = await eventually(`the log of ${container}`, 20_000, async () => {
    const { stdout } = await kubectl(run, 'logs', 'web', '-c', container);
    return stdout === '' ? undefined : stdout;
  });
  t.is(log, 'seen\n');
  await eventually('its end in the status', 20_000, async () => {
    const path = `{.status.ephemeralContainerStatuses[?(@.name=="${container}")].state.terminated.reason}`;
    return (await kubectl(run, 'get', 'pod', 'web', '-o', `jsonpath=${path}`)).stdout === 'Completed';
  });
  t.regex((await kubectl(run, 'describe', 'pod', 'web')).stdout, /Ephemeral Containers:/);
}

async function forwards(run: Run): Promise<void> {
  const { t, lab, binary, port, name } = run;
  const forward = background(lab, binary, '--context', 'kontiki-n2', 'port-forward', 'svc/web', `${port}:80`);
  const url = `http://127.0.0.1:${port}/`;
  try {
    await eventually(`${name} listens`, 20_000, () => Promise.resolve(forward.output().includes('Forwarding from')));
    const answers = await Promise.all([1, 2, 3].map(async () => await lab.exec('curl', '-s', '-m', '5', url)));
    for (const { stdout } of answers) t.regex(stdout, /^hello from web on n1/, `${name}: ${forward.output()}`);
  } finally {
    forward.stop();
  }
  const closed = background(lab, binary, '--context', 'kontiki-n2', 'port-forward', 'pod/web', `${port + 1}:9`);
  try {
    await eventually(`${name} listens`, 20_000, () => Promise.resolve(closed.output().includes('Forwarding from')));
    await lab.exec('curl', '-s', '-m', '5', `http://127.0.0.1:${port + 1}/`);
    await eventually(`${name} tells why`, 10_000, () => Promise.resolve(closed.output().includes('refused')));
    t.regex(closed.output(), /error forwarding port 9 to pod web, uid [0-9a-f-]{36}: .*connection refused/);
  } finally {
    closed.stop();
  }
}

async function proxies(run: Run): Promise<void> {
  const { t, name } = run;
  const raw = async (path: string): Promise<string> => {
    const { stdout, stderr } = await kubectl(run, 'get', '--raw', path);
    return stdout + stderr;
  };
  const namespace = '/api/v1/namespaces/default';
  for (const path of ['pods/web/proxy/', 'pods/web:8080/proxy/x?y=z', 'services/web/proxy/', 'services/web:80/proxy/'])
    t.regex(await raw(`${namespace}/${path}`), /^hello from web on n1/, `${name} ${path}`);
  t.is(await raw('/api/v1/nodes/n1/proxy/healthz'), 'ok');
  t.regex(await raw(`${namespace}/pods/web:9/proxy/`), /error trying to reach service: .*connection refused/);
  t.regex(await raw(`${namespace}/services/web:81/proxy/`), /no service port "81" found for service "web"/);
  t.regex(await raw(`${namespace}/pods/a:b:c:d/proxy/`), /invalid pod request "a:b:c:d"/);
}
