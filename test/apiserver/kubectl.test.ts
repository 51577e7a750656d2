/**
 * The real kubectl against the server over the real Http driver, on loopback. Which kubectl: the one on
 * PATH and its siblings `kubectl.1.NN`; without any the test is skipped, with the reason.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import test from 'ava';
import type { ExecRequest } from '#src/apiserver/pod-exec.ts';
import { encodeLengthFrame } from '#src/std/length-frames.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createLog } from '#src/drivers/log.ts';
import { createRandom } from '#src/drivers/random.ts';
import { applyFirstObjects, firstNamespaces, kubernetesService } from '#src/registry/first-objects.ts';
import { createRegistry } from '#src/registry/registry.ts';
import { memoryReplica } from '#test/support/memory-replica.ts';

const SERVICE_CIDR = '10.96.0.0/16';
const COMMAND_TIMEOUT_MS = 30_000;

/** The oldest and the newest kubectl that live on OpenAPI v3 (1.29 and later). */
function kubectls(): string[] {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'kubectl'))
    .find(isExecutable);
  if (found === undefined) return [];
  const directory = dirname(realpathSync(found));
  const siblings = readdirSync(directory)
    .filter((name) => /^kubectl\.1\.\d+$/.test(name) && Number(name.split('.')[2]) >= 29)
    .sort((a, b) => Number(a.split('.')[2]) - Number(b.split('.')[2]))
    .map((name) => join(directory, name));
  return siblings.length === 0 ? [found] : [...new Set([siblings[0] ?? found, siblings.at(-1) ?? found])];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // the next place on PATH may have it
  }
}

interface Running {
  kubectl(args: string, stdin?: string): Promise<string>;
  stop(): Promise<void>;
}

async function start(binary: string): Promise<Running> {
  const crypto = createCrypto();
  const authority = await crypto.createAuthority({ commonName: 'test', validityDays: 1 });
  const [serving, user] = await Promise.all([crypto.generateKeyPair(), crypto.generateKeyPair()]);
  const servingPem = await crypto.issueCertificate(authority, {
    publicKeyPem: serving.publicKeyPem,
    commonName: 'apiserver',
    ipAddresses: ['127.0.0.1'],
    usages: ['server'],
    validityDays: 1,
  });
  const userPem = await crypto.issueCertificate(authority, {
    publicKeyPem: user.publicKeyPem,
    commonName: 'admin',
    organizations: ['system:masters'],
    usages: ['client'],
    validityDays: 1,
  });
  const ports = { clock: createClock(), random: createRandom(), log: createLog({ level: 'error' }) };
  const registry = createRegistry({ ...ports, ...memoryReplica(), config: { serviceCidr: SERVICE_CIDR } });
  const root = registry.clientFor({ user: 'root', groups: ['system:masters'] });
  await applyFirstObjects(root, [
    ...firstNamespaces(),
    kubernetesService({ serviceCidr: SERVICE_CIDR, apiServerPort: 6443 }),
  ]);
  const version = {
    major: '1',
    minor: '36',
    gitVersion: 'v1.36.0+kontiki.0.1.0',
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: '',
    compiler: 'node',
    platform: '',
  };
  const server = createApiServer({
    ...ports,
    http: createHttp(),
    registry,
    streams: kubelet,
    config: { serverAddress: '127.0.0.1:6443', version },
  });
  const serve = {
    listen: [{ host: '127.0.0.1', port: 0 }],
    certificatePem: servingPem,
    privateKeyPem: serving.privateKeyPem,
    clientAuthorityPem: authority.certificatePem,
  };
  const [port = 0] = (await server.start(serve)).ports;
  const home = mkdtempSync(join(tmpdir(), 'kontiki-kubectl-'));
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': base64(authority.certificatePem),
        },
      },
    ],
    users: [
      {
        name: 'admin',
        user: { 'client-certificate-data': base64(userPem), 'client-key-data': base64(user.privateKeyPem) },
      },
    ],
  };
  writeFileSync(join(home, 'config'), JSON.stringify(config));
  return {
    kubectl: async (args, stdin) => await run(binary, args.split(' '), { home, stdin }),
    stop: async () => {
      await server.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function run(binary: string, args: string[], with_: { home: string; stdin: string | undefined }): Promise<string> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], HOME: with_.home, KUBECONFIG: join(with_.home, 'config') };
    const child = execFile(binary, args, { env, timeout: COMMAND_TIMEOUT_MS }, (_error, stdout, stderr) => {
      resolve(stdout + stderr);
    });
    child.stdin?.end(with_.stdin ?? '');
  });
}

/** A kubelet that answers exec with its command, or as a shell that ends with 3, and has one line of log. */
const kubelet = {
  openStream: async (_node: string, method: string, header: unknown): Promise<ByteStream> => {
    const encoder = new TextEncoder();
    const waiting: Uint8Array[] = [];
    const request = header as ExecRequest;
    if (method === 'kubelet.logs') waiting.push(encoder.encode('one line\n'));
    else {
      const channel = (number: number, text: string): Uint8Array =>
        encodeLengthFrame(new Uint8Array([number, ...encoder.encode(text)]));
      const failed = {
        status: 'Failure',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '3' }] },
        message: 'command terminated with exit code 3',
      };
      waiting.push(channel(1, `ran ${request.command.join(' ')}\n`));
      waiting.push(channel(3, JSON.stringify(request.command[0] === 'fail' ? failed : { status: 'Success' })));
    }
    return {
      write: async () => undefined,
      end: () => undefined,
      cancel: () => undefined,
      read: async () => waiting.shift(),
      onClose: () => undefined,
    };
  },
} as unknown as Peers;

const BOUND_POD =
  '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"tour"},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"busybox"}]}}';

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: tour}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}]
`;

const steps: [string, RegExp, string?][] = [
  ['version', /Server Version: v1\.36\.0\+kontiki/],
  ['api-resources', /deployments +deploy +apps\/v1 +true +Deployment/],
  ['create ns tour', /namespace\/tour created/],
  ['get ns tour', /NAME +STATUS +AGE\s+tour +Active/],
  ['apply -f -', /deployment\.apps\/web created/, DEPLOYMENT],
  ['apply -f -', /deployment\.apps\/web unchanged/, DEPLOYMENT],
  ['apply -f -', /deployment\.apps\/web configured/, DEPLOYMENT.replace('nginx', 'httpd')],
  ['apply -f -', /unknown field "spec\.bogus"/, `${DEPLOYMENT}  bogus: 1\n`],
  ['get deploy -n tour', /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\s+web +0\/2/],
  ['get deploy,svc -A', /service\/kubernetes/],
  ['get deploy web -n tour -o jsonpath={.spec.template.spec.containers[0].image}', /^httpd$/],
  ['label deploy web -n tour tier=front', /labeled/],
  ['get deploy -n tour -l tier=front -o name', /deployment\.apps\/web/],
  ['scale deploy web -n tour --replicas=5', /scaled/],
  ['set image deploy/web -n tour main=nginx:2', /image updated/],
  ['get deploy web -n tour -o jsonpath={.spec.replicas}{.metadata.generation}', /^54$/],
  ['wait deploy web -n tour --for=jsonpath={.spec.replicas}=5 --timeout=5s', /condition met/],
  ['explain deployment.spec.replicas', /FIELD: replicas <integer>/],
  ['run p -n tour --image=busybox', /pod\/p created/],
  ['describe pod p -n tour', /Image: +busybox/],
  ['get pod p -n tour -o wide', /p +0\/1 +Pending/],
  ['create configmap c -n tour --from-literal=a=b', /configmap\/c created/],
  ['create configmap c -n tour --from-literal=a=b', /configmaps "c" already exists/],
  ['expose deploy web -n tour --port=80', /service\/web exposed/],
  ['apply -f -', /pod\/b created/, BOUND_POD],
  ['logs b -n tour', /^one line$/m],
  ['get pod missing -n tour', /Error from server \(NotFound\): pods "missing" not found/],
  ['delete pod p -n tour', /pod "p" deleted/],
  ['delete deploy web -n tour', /deployment\.apps "web" deleted/],
  ['delete ns default', /is forbidden: this namespace may not be deleted/],
  ['get events -n tour', /No resources found/],
];

/** Until 1.29 kubectl comes with SPDY, later with a WebSocket. */
const execSteps: typeof steps = [
  ['exec b -n tour -- echo hello', /^ran echo hello$/m],
  ['exec b -n tour -- fail', /command terminated with exit code 3/],
  ['exec b -n tour -c other -- ls', /container other is not valid for pod b/],
];

const binaries = kubectls();
if (binaries.length === 0) test.skip('kubectl: none on PATH', () => undefined);
for (const binary of binaries) {
  test.serial(`${binary.split('/').at(-1)} works as against Kubernetes`, async (t) => {
    t.timeout(120_000);
    const running = await start(binary);
    try {
      for (const [command, want, stdin] of [...steps, ...execSteps])
        t.regex(await running.kubectl(command, stdin), want, `kubectl ${command}`);
    } finally {
      await running.stop();
    }
  });
}
