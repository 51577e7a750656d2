/** Real processes of a cluster whose nodes reach each other only through fault proxies. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, closeSync, writeSync } from 'node:fs';
import { request, Agent } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { startProxy, Ways } from './proxy.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Small, so that filling it is quick; room for the log's segments, its reserve and two snapshots. */
const DISK_MB = 512;

export interface Admin {
  authorityPem: string;
  certificatePem: string;
  privateKeyPem: string;
}

export interface RingNode {
  name: string;
  apiPort: number;
  peerPort: number;
  directory: string;
  child: ChildProcess | undefined;
  /** Exits that nobody asked for. */
  deaths: string[];
}

export interface StatusAnswer {
  name: string;
  ready: boolean;
  replica: { role: string; leader?: string; term: number; appliedIndex: number; lastIndex: number; voters: string[] };
}

export class Ring {
  readonly nodes: RingNode[];
  readonly ways = new Ways();
  admin: Admin | undefined;
  readonly #directory: string;
  readonly #basePort: number;
  readonly #servers: { close: () => void }[] = [];
  #agent: Agent | undefined;
  /** Disks of their own, with an end, where the kernel lets us. */
  readonly smallDisks: boolean;

  constructor(options: { directory: string; count: number; basePort: number; smallDisks: boolean }) {
    this.#directory = options.directory;
    this.#basePort = options.basePort;
    this.smallDisks = options.smallDisks;
    this.nodes = Array.from({ length: options.count }, (_, i) => ({
      name: `n${i + 1}`,
      apiPort: options.basePort + i,
      peerPort: options.basePort + 100 + i,
      directory: join(options.directory, `n${i + 1}`),
      child: undefined,
      deaths: [],
    }));
  }

  node(name: string): RingNode {
    const found = this.nodes.find((one) => one.name === name);
    if (!found) throw new Error(`no node ${name}`);
    return found;
  }

  async up(): Promise<void> {
    for (const [i, node] of this.nodes.entries()) {
      mkdirSync(node.directory, { recursive: true });
      if (this.smallDisks)
        execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'kontiki-ring', node.directory]);
      this.#servers.push(
        await startProxy({
          node: node.name,
          listen: this.#basePort + 200 + i,
          target: node.peerPort,
          ways: this.ways,
          pids: () => new Map(this.nodes.flatMap((one) => (one.child?.pid ? [[one.name, one.child.pid]] : []))),
        }),
      );
    }
    const [first, ...others] = this.nodes;
    if (!first) throw new Error('a ring has nodes');
    this.#configure(first, undefined);
    this.start(first.name);
    const token = (await this.#file(first, 'join-token')).trim();
    this.admin = JSON.parse(await this.#file(first, 'admin.json')) as Admin;
    for (const node of others) {
      this.#configure(node, { server: `https://127.0.0.1:${first.apiPort}`, token });
      this.start(node.name);
    }
    await this.ready(60_000);
  }

  #configure(node: RingNode, joinAt: { server: string; token: string } | undefined): void {
    const index = this.nodes.indexOf(node);
    const settings = {
      name: node.name,
      api: { host: '127.0.0.1', port: node.apiPort, sharedPort: 0 },
      peer: { host: '127.0.0.1', port: node.peerPort, advertise: `127.0.0.1:${this.#basePort + 200 + index}` },
      ...(joinAt ? { join: joinAt } : {}),
      runtime: 'process',
      hostShare: { index, count: this.nodes.length },
      times: {
        heartbeatMs: 50,
        electionMinMs: 300,
        electionMaxMs: 600,
        leaseRenewMs: 2000,
        nodeGraceMs: 10_000,
        podEvictionMs: 10_000,
      },
    };
    writeFileSync(join(this.#directory, `${node.name}.yaml`), stringify(settings), { mode: 0o600 });
  }

  start(name: string): void {
    const node = this.node(name);
    if (node.child) return;
    const log = openSync(join(this.#directory, `${name}.log`), 'a');
    const args = ['server', '--config', join(this.#directory, `${name}.yaml`), '--data', join(node.directory, 'data')];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    node.child = child;
    child.on('exit', (code, signal) => {
      if (node.child !== child) return;
      node.child = undefined;
      node.deaths.push(`${name} ended with ${signal ?? code}`);
      // A supervisor starts it again.
      setTimeout(() => this.start(name), 500).unref();
    });
  }

  /** kill -9; `start` brings it back. */
  async kill(name: string): Promise<void> {
    const node = this.node(name);
    const { child } = node;
    if (!child) return;
    node.child = undefined;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await ended;
  }

  signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.node(name).child?.kill(signal);
  }

  /** To the last byte. Returns what gives the space back. */
  fillDisk(name: string): () => void {
    const path = join(this.node(name).directory, 'filler');
    const file = openSync(path, 'w');
    for (let size = 1 << 20; size >= 512; size >>= 1) {
      const block = Buffer.alloc(size, 1);
      try {
        for (let i = 0; i < 4096; i += 1) writeSync(file, block);
      } catch {
        // Full for blocks of this size: go on with smaller ones.
      }
    }
    closeSync(file);
    return () => rmSync(path, { force: true });
  }

  /** What a node wrote to its log. */
  logOf(name: string): string {
    return readFileSync(join(this.#directory, `${name}.log`), 'utf8');
  }

  async call(
    node: RingNode,
    method: string,
    path: string,
    options: { body?: unknown; timeoutMs?: number; onData?: (chunk: string) => void; signal?: AbortSignal } = {},
  ): Promise<{ status: number; body: unknown }> {
    const admin = this.admin;
    if (!admin) throw new Error('not up');
    this.#agent ??= new Agent({
      keepAlive: true,
      ca: admin.authorityPem,
      cert: admin.certificatePem,
      key: admin.privateKeyPem,
    });
    const { timeoutMs = 3000, body, onData, signal } = options;
    return await new Promise((resolve) => {
      const nothing = (): void => resolve({ status: 0, body: undefined });
      const sent = request(
        {
          host: '127.0.0.1',
          port: node.apiPort,
          method,
          path,
          agent: this.#agent,
          headers: { 'content-type': 'application/json' },
          ...(signal ? { signal } : {}),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => (onData ? onData(chunk.toString()) : chunks.push(chunk)));
          response.on('error', nothing);
          response.on('close', nothing);
          response.on('end', () => {
            try {
              const text = Buffer.concat(chunks).toString();
              resolve({
                status: response.statusCode ?? 0,
                body: text === '' ? undefined : (JSON.parse(text) as unknown),
              });
            } catch {
              nothing(); // Cut off in the middle.
            }
          });
        },
      );
      // Also while the connection is being made: a stopped process accepts and never answers.
      if (!onData) sent.setTimeout(timeoutMs, () => sent.destroy());
      sent.on('error', nothing);
      sent.on('close', nothing);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async status(name: string): Promise<StatusAnswer | undefined> {
    const { status, body } = await this.call(this.node(name), 'GET', '/cluster/v1/status', { timeoutMs: 1000 });
    return status === 200 ? (body as StatusAnswer) : undefined;
  }

  async leader(): Promise<string | undefined> {
    for (const { name } of this.nodes) {
      const answer = await this.status(name);
      if (answer?.replica.role === 'leader') return name;
    }
    return undefined;
  }

  /** Every node is ready, all vote, all have applied the same. */
  async ready(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    let seen: (StatusAnswer | undefined)[] = [];
    while (performance.now() < endMs) {
      seen = await Promise.all(this.nodes.map(({ name }) => this.status(name)));
      const applied = new Set(seen.map((one) => one?.replica.appliedIndex));
      if (seen.every((one) => one?.ready && one.replica.voters.length === this.nodes.length) && applied.size === 1)
        return;
      await sleep(100);
    }
    const told = seen.map((one, i) => `${this.nodes[i]?.name}: ${one ? JSON.stringify(one.replica) : 'no answer'}`);
    throw new Error(`not ready and level within ${withinMs / 1000} s\n${told.join('\n')}`);
  }

  async #file(node: RingNode, name: string): Promise<string> {
    const path = join(node.directory, 'data', name);
    for (let i = 0; i < 600; i += 1) {
      if (existsSync(path)) {
        const text = readFileSync(path, 'utf8');
        if (text.endsWith('\n')) return text;
      }
      await sleep(50);
    }
    throw new Error(`${node.name} did not write ${name}`);
  }

  async down(): Promise<void> {
    for (const { name } of this.nodes) await this.kill(name);
    for (const server of this.#servers) server.close();
    this.ways.healAll();
    this.#agent?.destroy();
    if (this.smallDisks) for (const { directory } of this.nodes) execFileSync('umount', ['-l', directory]);
  }
}
