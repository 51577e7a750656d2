/**
 * A real cluster for an end-to-end test: the CLI, real processes, the stock kubectl, in a
 * directory and (as root) a network namespace of its own. Everything carries the run's id, so
 * that the reaper finds what a dead run left.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '#src/drivers/dataplane/commands.ts';
import { createOwnership } from '#src/drivers/dataplane/ownership.ts';
import type { ClusterStatus } from '#src/cli/status.ts';

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(PROJECT, 'src/main.ts');
const PREFIX = 'kt-e2e-';
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** Whoever has no rights: Debian's nobody. */
const NOBODY = 65_534;

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export interface LabOptions {
  runtime: 'docker' | 'process';
  nodes?: number;
  user?: 'root' | 'nobody';
  /** The engine's own bridge lies in the host's namespace: then the lab has to be there too. */
  hostNetwork?: boolean;
  /** Programs that this lab's nodes do not find, by absolute path (a mount namespace of their own). */
  hide?: string[];
  /** Extra environment, e.g. DOCKER_HOST. */
  env?: Record<string, string>;
}

export interface Lab {
  id: string;
  data: string;
  port: number;
  kontiki: (...args: string[]) => Promise<Output>;
  /** A command that is not about this lab's cluster as a whole: no --data is added. */
  tool: (...args: string[]) => Promise<Output>;
  kubectl: (...args: string[]) => Promise<Output>;
  /** kubectl against one node's own port. */
  kubectlAt: (node: string, ...args: string[]) => Promise<Output>;
  /** Any program inside the lab's network namespace. */
  exec: (program: string, ...args: string[]) => Promise<Output>;
  /** The same with text on its standard input. */
  execWith: (input: string, program: string, ...args: string[]) => Promise<Output>;
  /** kubectl with text on its standard input. */
  apply: (yaml: string) => Promise<Output>;
  up: (...args: string[]) => Promise<Output>;
  status: () => Promise<ClusterStatus>;
  close: () => Promise<void>;
}

export const isRoot = process.getuid?.() === 0;

export const kubectlPath = [
  ...(process.env['PATH'] ?? '').split(':').map((dir) => join(dir, 'kubectl')),
  '/usr/bin/kubectl',
].find((path) => existsSync(path));

export function canMakeNetns(): boolean {
  const ip = findProgram('ip');
  if (!isRoot || !ip) return false;
  try {
    // A name of its own: test files ask side by side.
    const probe = `${PREFIX}${process.pid}-probe`;
    execFileSync(ip, ['netns', 'add', probe]);
    execFileSync(ip, ['netns', 'del', probe]);
    return true;
  } catch {
    return false; // A container without the right to make namespaces.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // Gone.
  }
}

/** Remove what runs that have died left: namespaces, their processes, directories. */
export function reap(): void {
  const netnsDirectory = '/run/netns';
  const owned = (name: string): number => Number(/^kt-e2e-(\d+)-/.exec(name)?.[1] ?? 0);
  const dead = (name: string): boolean => owned(name) > 0 && !isAlive(owned(name));
  killWhere((environment) =>
    [...environment.matchAll(/KONTIKI_LAB=(kt-e2e-\d+-\w+)/g)].some((match) => dead(match[1] ?? '')),
  );
  for (const name of existsSync(netnsDirectory) ? readdirSync(netnsDirectory) : []) {
    if (dead(name)) execFileSync(findProgram('ip') ?? 'ip', ['netns', 'del', name]);
  }
  for (const name of readdirSync(tmpdir())) {
    if (dead(name)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Every process whose environment fits; children of a lab inherit its id. */
function killWhere(fits: (environment: string) => boolean): void {
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue;
    try {
      if (fits(readFileSync(`/proc/${pid}/environ`, 'latin1'))) process.kill(pid, 'SIGKILL');
    } catch {
      // Ended meanwhile, or not ours to read.
    }
  }
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export async function createLab(options: LabOptions): Promise<Lab> {
  // AVA runs files side by side; clusters on two cores would only measure each other.
  const turn = createOwnership('e2e-turn');
  await turn.acquire();
  reap();
  const id = `${PREFIX}${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
  const directory = mkdtempSync(join(tmpdir(), `${id}-`));
  const data = join(directory, 'data');
  const netns = canMakeNetns() && !options.hostNetwork;
  if (netns) {
    execFileSync(findProgram('ip') ?? 'ip', ['netns', 'add', id]);
    execFileSync(findProgram('ip') ?? 'ip', ['-n', id, 'link', 'set', 'lo', 'up']);
  }
  const port = netns ? 6443 : ((await freePort()) % 20_000) + 20_000;
  const asNobody = options.user === 'nobody' && isRoot;
  if (asNobody) chmodSync(directory, 0o777);
  const env = {
    ...process.env,
    ...options.env,
    KONTIKI_LAB: id,
    HOME: directory,
    KUBECONFIG: join(data, 'kubeconfig'),
    NODE_COMPILE_CACHE: join(directory, 'cache'),
  };
  const asUser = asNobody
    ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs']
    : [];
  const inNetns = netns ? ['nsenter', `--net=/run/netns/${id}`] : [];
  const hidden = (options.hide ?? []).map((path) => `mount --bind /dev/null ${path} && `).join('');
  const hiding =
    hidden === '' ? [] : ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', `${hidden}exec "$@"`, 'sh'];

  function launch(command: string[], input?: string): Promise<Output> {
    const [program = '', ...args] = command;
    return new Promise((resolve) => {
      const child = execFile(
        program,
        args,
        { env, cwd: PROJECT, maxBuffer: OUTPUT_BYTES_MAX },
        (error, stdout, stderr) => {
          const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
          resolve({ code, stdout, stderr: stderr || (error && typeof error.code !== 'number' ? error.message : '') });
        },
      );
      child.stdin?.on('error', () => undefined); // The program may not read its input.
      child.stdin?.end(input ?? '');
    });
  }

  const kontiki = (...args: string[]): Promise<Output> =>
    launch([...inNetns, ...hiding, ...asUser, process.execPath, MAIN, ...args, '--data', data]);
  const tool = (...args: string[]): Promise<Output> =>
    launch([...inNetns, ...hiding, ...asUser, process.execPath, MAIN, ...args]);
  const kubectl = (...args: string[]): Promise<Output> => launch([...inNetns, kubectlPath ?? 'kubectl', ...args]);

  return {
    id,
    data,
    port,
    kontiki,
    tool,
    kubectl,
    kubectlAt: (node, ...args) => kubectl('--context', `kontiki-${node}`, ...args),
    exec: (program, ...args) => launch([...inNetns, program, ...args]),
    execWith: (input, program, ...args) => launch([...inNetns, program, ...args], input),
    apply: (yaml) => launch([...inNetns, kubectlPath ?? 'kubectl', 'apply', '-f', '-'], yaml),
    up: (...args) =>
      kontiki(
        'up',
        '--detach',
        '--port',
        String(port),
        '--runtime',
        options.runtime,
        '--nodes',
        String(options.nodes ?? 3),
        ...args,
      ),
    async status() {
      const { stdout, stderr } = await kontiki('status', '--json');
      if (stdout === '') throw new Error(`status said nothing: ${stderr}`);
      return JSON.parse(stdout) as ClusterStatus;
    },
    async close() {
      if (existsSync(join(data, 'cluster.json'))) await kontiki('down');
      killWhere((environment) => environment.includes(`KONTIKI_LAB=${id}\0`));
      await sleep(50);
      if (netns) execFileSync(findProgram('ip') ?? 'ip', ['netns', 'del', id]);
      rmSync(directory, { recursive: true, force: true });
      await turn.release();
    },
  };
}

/** Poll until `check` gives something; the message says what was waited for and what was last seen. */
export async function eventually<T>(
  what: string,
  deadlineMs: number,
  check: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`${what}: not within ${deadlineMs / 1000} s${last instanceof Error ? ` (${last.message})` : ''}`);
    await sleep(100);
  }
}

/** A long-running program of the lab, killed by the caller. */
export function background(lab: Lab, program: string, ...args: string[]): { stop: () => void; output: () => string } {
  const inNetns = existsSync(`/run/netns/${lab.id}`) ? ['nsenter', `--net=/run/netns/${lab.id}`] : [];
  const [command = '', ...rest] = [...inNetns, program, ...args];
  const child = spawn(command, rest, {
    env: { ...process.env, KONTIKI_LAB: lab.id, KUBECONFIG: join(lab.data, 'kubeconfig') },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { stop: () => child.kill('SIGKILL'), output: () => text };
}
