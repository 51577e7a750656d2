/**
 * `npm run bench -- consensus [--quick]`: three processes of Kontiki against three members of etcd on the
 * same disk, in turns. Ratios and bars are printed, nothing is asserted: other work on the machine moves
 * absolute figures, and the ratio of interleaved rounds far less. docs/BENCH.md explains the tables.
 *   --only writes,reads,api,failover,memory,in-process   some parts; also --clients, --bytes, --rounds, --trials
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { etcdClient, etcdPath, startEtcd, type EtcdCluster } from './etcd.ts';
import { inProcess } from './in-process.ts';
import { startKontiki, type KontikiCluster, type StoreClient } from './kontiki.ts';
import { closedLoop, cpuSeconds, memoryMb, median, row, titles, type LoadResult } from './load.ts';
import { userTable } from './user.ts';

const PORT = 21_743;
const ETCD_PORT = 21_379;
const KEYS = 10_000;
const WARM_UP_MS = 3000;
/** A trial that takes longer is over. */
const NEVER_MS = 30_000;
/** Connections that the clients share, on both sides; each multiplexes its requests. */
const CONNECTIONS_MAX = 1;

export interface Sizes {
  roundMs: number;
  rounds: number;
  trials: number;
  keys: number;
  bytes: number[];
}

const FULL: Sizes = { roundMs: 3000, rounds: 5, trials: 20, keys: 100_000, bytes: [256, 3072] };
const QUICK: Sizes = { roundMs: 1200, rounds: 2, trials: 3, keys: 100_000, bytes: [256, 3072] };

type Cell = LoadResult & { cpuMsPerOp: number; loadCpuMsPerOp: number };
type Side = { name: string; pids: () => number[]; connect: () => Promise<StoreClient> };
type Pair = { ours: Cell; theirs: Cell };

function passed(ratio: number, bar: { least?: number; most?: number }): string {
  if (bar.least !== undefined) return `${ratio >= bar.least ? 'PASS' : 'MISSED'} (>= ${bar.least})`;
  return `${ratio <= (bar.most ?? 0) ? 'PASS' : 'MISSED'} (<= ${bar.most})`;
}

async function measure(
  side: Side,
  clients: number,
  roundMs: number,
  operation: (client: StoreClient, key: string) => Promise<void>,
): Promise<Cell> {
  const count = Math.min(clients, CONNECTIONS_MAX);
  const connections = await Promise.all(Array.from({ length: count }, () => side.connect()));
  try {
    const pids = side.pids();
    const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
    const before = cpu();
    const ownBefore = process.cpuUsage();
    let at = 0;
    const result = await closedLoop(clients, roundMs, (id) => {
      at = (at * 16_807 + 1) % 2_147_483_647;
      return operation(connections[id % count] as StoreClient, `bench/${at % KEYS}`);
    });
    const own = process.cpuUsage(ownBefore);
    const operations = Math.max(1, result.done);
    return {
      ...result,
      cpuMsPerOp: ((cpu() - before) * 1000) / operations,
      loadCpuMsPerOp: (own.user + own.system) / 1000 / operations,
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

function middle(cells: Cell[]): Cell {
  const names = ['perSecond', 'p50Ms', 'p99Ms', 'failed', 'done', 'cpuMsPerOp', 'loadCpuMsPerOp'] as const;
  return Object.fromEntries(names.map((name) => [name, median(cells.map((cell) => cell[name]))])) as unknown as Cell;
}

async function inTurns(
  sides: [Side, Side],
  clients: number,
  sizes: Sizes,
  operation: (client: StoreClient, key: string) => Promise<void>,
): Promise<Pair> {
  const cells: [Cell[], Cell[]] = [[], []];
  for (let round = 0; round < sizes.rounds; round += 1) {
    for (const which of [0, 1] as const)
      cells[which].push(await measure(sides[which], clients, sizes.roundMs, operation));
  }
  return { ours: middle(cells[0]), theirs: middle(cells[1]) };
}

const COLUMNS = ['clients', 'system', 'ops/s', 'p50 ms', 'p99 ms', 'CPU ms/op of 3', 'load CPU ms/op', 'failed'];

function showPair(clients: number, { ours, theirs }: Pair): void {
  for (const [name, cell] of [
    ['Kontiki', ours],
    ['etcd', theirs],
  ] as const) {
    row([
      String(clients),
      name,
      cell.perSecond,
      cell.p50Ms,
      cell.p99Ms,
      cell.cpuMsPerOp.toFixed(3),
      cell.loadCpuMsPerOp.toFixed(3),
      String(cell.failed),
    ]);
  }
}

const WRITE_BARS: Record<number, number[]> = { 256: [1.1, 2, 2.5, 2.5], 3072: [1.2, 1.5, 1.5, 1.5] };
const P50_BARS: Record<number, number> = { 1: 0.8, 100: 0.4 };

async function writes(sides: [Side, Side], sizes: Sizes, clientCounts: number[]): Promise<void> {
  for (const bytes of sizes.bytes) {
    const value = new Uint8Array(bytes).fill(120);
    console.log(
      `\n## Writes of ${bytes} B: raw transactions over a client's peer link (TLS, certificates both ways); etcd: puts over clear-text gRPC to its leader\n`,
    );
    titles(COLUMNS);
    const bars: string[] = [];
    for (const clients of clientCounts) {
      const pair = await inTurns(sides, clients, sizes, (client, key) => client.put(key, value));
      showPair(clients, pair);
      const ratio = pair.ours.perSecond / pair.theirs.perSecond;
      const least = WRITE_BARS[bytes]?.[[1, 10, 100, 1000].indexOf(clients)] ?? 0;
      bars.push(`${bytes} B, ${clients} clients: throughput ${ratio.toFixed(2)} x ${passed(ratio, { least })}`);
      const most = P50_BARS[clients];
      const p50 = pair.ours.p50Ms / pair.theirs.p50Ms;
      if (most !== undefined)
        bars.push(`${bytes} B, ${clients} clients: p50 ${p50.toFixed(2)} x ${passed(p50, { most })}`);
    }
    console.log(`\n${bars.map((bar) => `- ${bar}`).join('\n')}`);
  }
}

async function reads(sides: [Side, Side], sizes: Sizes): Promise<void> {
  const value = new Uint8Array(256).fill(120);
  for (const side of sides) {
    const client = await side.connect();
    for (let from = 0; from < KEYS; from += 500)
      await Promise.all(Array.from({ length: 500 }, (_, i) => client.put(`bench/${from + i}`, value)));
    client.close();
  }
  console.log('\n## Linearizable reads of 256 B at the leader\n');
  titles(COLUMNS);
  const bars: string[] = [];
  for (const clients of [1, 100]) {
    const pair = await inTurns(sides, clients, sizes, (client, key) => client.get(key));
    showPair(clients, pair);
    const ratio = pair.ours.perSecond / pair.theirs.perSecond;
    bars.push(`linearizable reads, ${clients} clients: ${ratio.toFixed(2)} x ${passed(ratio, { least: 1.5 })}`);
  }
  console.log(`\n${bars.map((bar) => `- ${bar}`).join('\n')}`);
}

/** Puts every 10 ms to all of them; the time from now until one that was sent after now succeeds. */
function untilServed(clients: StoreClient[], key: string): Promise<number> {
  const start = performance.now();
  const value = new Uint8Array(8);
  return new Promise((resolve) => {
    let done = false;
    const timer = setInterval(() => {
      if (performance.now() - start > NEVER_MS) {
        clearInterval(timer);
        resolve(NaN);
      }
      for (const client of clients) {
        client.put(key, value).then(
          () => {
            if (!done) resolve(performance.now() - start);
            done = true;
            clearInterval(timer);
          },
          () => undefined, // Refused while there is no leader: the next one tells.
        );
      }
    }, 10);
  });
}

type Disturbance = { name: string; signal: NodeJS.Signals; most: number | undefined };
const DISTURBANCES: Disturbance[] = [
  { name: 'kill -9', signal: 'SIGKILL', most: 0.4 },
  { name: 'SIGSTOP', signal: 'SIGSTOP', most: 0.5 },
  { name: 'SIGTERM (leadership is handed over)', signal: 'SIGTERM', most: undefined },
];

async function ourTrial(cluster: KontikiCluster, signal: NodeJS.Signals): Promise<number> {
  const leader = await cluster.leader();
  const survivors = cluster.shape.nodes.map(({ name }) => name).filter((name) => name !== leader);
  const clients = await Promise.all(survivors.map((name) => cluster.client(name)));
  await Promise.all(clients.map((client) => client.put('trial', new Uint8Array(8))));
  const pid = cluster.pidOf(leader);
  process.kill(pid, signal);
  const ms = await untilServed(clients, 'trial');
  for (const client of clients) client.close();
  if (signal === 'SIGSTOP') process.kill(pid, 'SIGCONT');
  else {
    while (cluster.pidOf(leader) !== 0) await sleep(20);
    cluster.launch(leader);
  }
  await cluster.untilReady();
  await sleep(300);
  return ms;
}

async function theirTrial(etcd: EtcdCluster, signal: NodeJS.Signals): Promise<number> {
  const index = await etcd.leader();
  const clients = await Promise.all(etcd.members.filter((_, i) => i !== index).map(({ port }) => etcdClient(port)));
  await Promise.all(clients.map((client) => client.put('trial', new Uint8Array(8))));
  const member = etcd.members[index];
  const exited = new Promise((resolve) => member?.process.once('exit', resolve));
  member?.process.kill(signal);
  const ms = await untilServed(clients, 'trial');
  for (const client of clients) client.close();
  if (signal === 'SIGSTOP') member?.process.kill('SIGCONT');
  else {
    await exited;
    await etcd.restart(index);
  }
  await sleep(1000);
  return ms;
}

async function failover(cluster: KontikiCluster, etcd: EtcdCluster, sizes: Sizes): Promise<void> {
  console.log(`\n## The leader fails: first put that succeeds on a survivor, ${sizes.trials} trials each, in turns\n`);
  titles(['', 'Kontiki median ms', 'max', 'etcd median ms', 'max', 'ratio']);
  const bars: string[] = [];
  for (const { name, signal, most } of DISTURBANCES) {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let trial = 0; trial < sizes.trials; trial += 1) {
      ours.push(await ourTrial(cluster, signal));
      theirs.push(await theirTrial(etcd, signal));
    }
    const ratio = median(ours) / median(theirs);
    row([name, median(ours), Math.max(...ours), median(theirs), Math.max(...theirs), ratio]);
    if (most !== undefined) bars.push(`${name}: median ${ratio.toFixed(2)} x ${passed(ratio, { most })}`);
    if (signal === 'SIGKILL') {
      const max = Math.max(...ours);
      bars.push(`${name}: max ${max.toFixed(0)} ms ${max <= 1000 ? 'PASS' : 'MISSED'} (<= 1000 ms)`);
    }
  }
  console.log(`\n${bars.map((bar) => `- ${bar}`).join('\n')}`);
}

async function fill(client: StoreClient, keys: number): Promise<void> {
  const value = new Uint8Array(1024).fill(120);
  let next = 0;
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      while (next < keys) {
        next += 1;
        const key = `fill/${next - 1}`;
        // On a busy machine one may take longer than its deadline; it is written again.
        for (let tries = 0; ; tries += 1) {
          const failed = await client.put(key, value).then(
            () => undefined,
            (error: Error) => error,
          );
          if (failed === undefined) break;
          if (tries >= 10) throw failed;
        }
      }
    }),
  );
}

/** From now until a read of the last key is answered. */
async function untilRead(connect: () => Promise<StoreClient>, key: string, serializable: boolean): Promise<number> {
  const start = performance.now();
  for (;;) {
    let client: StoreClient | undefined;
    try {
      client = await connect();
      await client.get(key, { serializable });
      return performance.now() - start;
    } catch {
      await sleep(10); // Not up yet, or no leader yet.
    } finally {
      client?.close();
    }
    if (performance.now() - start > NEVER_MS) return NaN;
  }
}

async function memory(cluster: KontikiCluster, etcd: EtcdCluster, sides: [Side, Side], sizes: Sizes): Promise<void> {
  const rss = (pids: number[]): number => Math.max(...pids.map(memoryMb));
  const theirPids = (): number[] => etcd.members.map(({ pid }) => pid);
  const idle = [rss(cluster.pids()), rss(theirPids())];
  for (const side of sides) {
    const client = await side.connect();
    await fill(client, sizes.keys);
    client.close();
  }
  await sleep(3000);
  const full = [rss(cluster.pids()), rss(theirPids())];
  await idleCost(cluster, theirPids());
  const last = `fill/${sizes.keys - 1}`;

  const leader = await cluster.leader();
  const one = cluster.shape.nodes.map(({ name }) => name).find((name) => name !== leader) ?? '';
  process.kill(cluster.pidOf(one), 'SIGKILL');
  while (cluster.pidOf(one) !== 0) await sleep(5);
  cluster.launch(one);
  const ourOne = await untilRead(() => cluster.client(one), last, true);
  const index = ((await etcd.leader()) + 1) % 3;
  await killMember(etcd, index);
  etcd.launch(index);
  const theirOne = await untilRead(() => etcdClient(etcd.members[index]?.port ?? 0), last, true);
  await cluster.untilReady();

  for (const pid of cluster.pids()) process.kill(pid, 'SIGKILL');
  while (cluster.pids().some((pid) => pid !== 0)) await sleep(5);
  for (const { name } of cluster.shape.nodes) cluster.launch(name);
  const ourAll = await untilRead(() => cluster.client('n1'), last, false);
  await Promise.all(etcd.members.map((_, i) => killMember(etcd, i)));
  for (const i of etcd.members.keys()) etcd.launch(i);
  const theirAll = await untilRead(() => etcdClient(etcd.members[0]?.port ?? 0), last, false);
  await cluster.untilReady();
  const again = [rss(cluster.pids()), rss(theirPids())];

  console.log(`\n## Memory (largest of three; Kontiki: the whole node) and restart with ${sizes.keys} keys of 1 KB\n`);
  titles(['', 'Kontiki', 'etcd', 'ratio', 'bar']);
  const show = (name: string, [ours, theirs]: number[], most?: number): void => {
    const ratio = (ours ?? NaN) / (theirs ?? NaN);
    row([name, ours ?? NaN, theirs ?? NaN, ratio, most === undefined ? '' : passed(ratio, { most })]);
  };
  show('RSS before, MB', idle);
  show('RSS with the keys, MB', full, 0.9);
  show('RSS after a restart, MB', again);
  show('one member killed, to its first local read, ms', [ourOne, theirOne], 0.7);
  show('all killed, to the first linearizable read, ms', [ourAll, theirAll], 0.7);
}

async function killMember(etcd: EtcdCluster, index: number): Promise<void> {
  const child = etcd.members[index]?.process;
  const exited = new Promise((resolve) => child?.once('exit', resolve));
  child?.kill('SIGKILL');
  await exited;
}

async function idleCost(cluster: KontikiCluster, theirPids: number[]): Promise<void> {
  const seconds = 5;
  const all = [...cluster.pids(), ...theirPids];
  const before = all.map(cpuSeconds);
  await sleep(seconds * 1000);
  const percent = all.map((pid, i) => ((cpuSeconds(pid) - (before[i] ?? 0)) * 100) / seconds);
  const text = (part: number[]): string => part.map((value) => value.toFixed(1)).join(', ');
  console.log(
    `\nIdle CPU, % of a core over ${seconds} s: Kontiki ${text(percent.slice(0, 3))}; etcd ${text(percent.slice(3))}`,
  );
}

export interface ConsensusOptions {
  quick: boolean;
  /** Parts; none: all. */
  only: string[];
  clients: number[];
  /** None: both sizes. */
  bytes: number[];
  rounds?: number;
  trials?: number;
}

function sizesOf({ quick, bytes, rounds, trials }: ConsensusOptions): Sizes {
  const sizes = { ...(quick ? QUICK : FULL) };
  if (bytes.length > 0) sizes.bytes = bytes;
  if (rounds !== undefined) sizes.rounds = rounds;
  if (trials !== undefined) sizes.trials = trials;
  return sizes;
}

export async function consensusBench(options: ConsensusOptions): Promise<void> {
  const sizes = sizesOf(options);
  const wants = (part: string): boolean => options.only.length === 0 || options.only.includes(part);
  const directory = mkdtempSync(join(tmpdir(), 'kt-bench-'));
  let cluster: KontikiCluster | undefined;
  let etcd: EtcdCluster | undefined;
  try {
    if (wants('in-process')) await inProcess(join(directory, 'in-process'), sizes, options.clients);
    if (options.only.length === 1 && options.only[0] === 'in-process') return;
    if (etcdPath === undefined)
      throw new Error('etcd is not installed (Debian: etcd-server); there is nothing to compare with');
    const kontiki = (cluster = await startKontiki(join(directory, 'kontiki'), PORT));
    const peer = (etcd = await startEtcd(join(directory, 'etcd'), ETCD_PORT));
    const sides: [Side, Side] = [
      { name: 'Kontiki', pids: kontiki.pids, connect: async () => kontiki.client(await ourLeader()) },
      {
        name: 'etcd',
        pids: () => peer.members.map(({ pid }) => pid),
        connect: async () => etcdClient(peer.members[await theirLeader()]?.port ?? 0),
      },
    ];
    // Asked once a second at most: a round opens several connections.
    const ourLeader = cached(() => kontiki.leader());
    const theirLeader = cached(() => peer.leader());
    // Compiled code is what is compared: V8 compiles while it runs, Go did before.
    for (const side of sides)
      await measure(side, 50, WARM_UP_MS, (client, key) => client.put(key, new Uint8Array(256)));
    const parts: [string, () => Promise<void>][] = [
      ['writes', () => writes(sides, sizes, options.clients)],
      ['reads', () => reads(sides, sizes)],
      ['api', () => userTable(kontiki, sides[1].connect, sizes)],
      ['failover', () => failover(kontiki, peer, sizes)],
      ['memory', () => memory(kontiki, peer, sides, sizes)],
    ];
    for (const [name, run] of parts) {
      if (!wants(name)) continue;
      try {
        await run();
      } catch (error) {
        // A machine too busy for one part may do for the next.
        console.log(`\n${name} was broken off: ${String(error)}`);
        process.exitCode = 1;
      }
    }
  } finally {
    await etcd?.close();
    await cluster?.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function cached<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: { at: number; value: Promise<T> } | undefined;
  return () => {
    if (!known || performance.now() - known.at > 1000) known = { at: performance.now(), value: ask() };
    return known.value;
  };
}
