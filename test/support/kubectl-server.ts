/** The real kubectl against the server over the real Http driver, on loopback: on PATH, and its siblings `kubectl.1.NN`. */
import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '#src/api/object.ts';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createLog } from '#src/drivers/log.ts';
import { createRandom } from '#src/drivers/random.ts';
import { applyFirstObjects, firstNamespaces, kubernetesService } from '#src/registry/first-objects.ts';
import { createRegistry } from '#src/registry/registry.ts';
import type { Peers } from '#src/wire/peers.ts';
import { memoryReplica } from './memory-replica.ts';

const SERVICE_CIDR = '10.96.0.0/16';
const COMMAND_TIMEOUT_MS = 30_000;
const MANIFESTS = new URL('../../cluster-config/manifests/', import.meta.url);

/** What every cluster starts with, as the program reads it. */
export function manifests(): KubeObject[] {
  return readdirSync(MANIFESTS)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => parseAllDocuments(readFileSync(new URL(name, MANIFESTS), 'utf8')))
    .map((document) => document.toJS() as KubeObject);
}

/** The oldest and the newest kubectl there are, from a version on; by default those that live on OpenAPI v3. */
export function kubectls(oldestMinor = 29): string[] {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, 'kubectl'))
    .find(isExecutable);
  if (found === undefined) return [];
  const directory = dirname(realpathSync(found));
  const siblings = readdirSync(directory)
    .filter((name) => /^kubectl\.1\.\d+$/.test(name) && Number(name.split('.')[2]) >= oldestMinor)
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

export interface KubectlServer {
  kubectl(args: string, stdin?: string): Promise<string>;
  stop(): Promise<void>;
}

/** A server over a memory replica, and that kubectl with a kubeconfig for it. */
export async function startKubectlServer(binary: string, streams?: Peers): Promise<KubectlServer> {
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
    ...manifests(),
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
    ...(streams === undefined ? {} : { streams }),
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
