/**
 * `kontiki up`: a cluster on this machine. The first node bootstraps; the others come in by
 * the join path that other hosts use. A second start on the same data finds the same cluster.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { kubeconfigText } from '#src/cluster/kubeconfig.ts';
import { parseTimes, type NodeTimes } from '#src/node/config.ts';
import { Fault } from '#src/std/fault.ts';
import { stopAll } from './lifecycle.ts';
import { layoutOf, readShape, type Layout, type Shape, type ShapeNode } from './layout.ts';
import { diskSyncP99, findEngine, requireFreePorts } from './preflight.ts';
import { logTail, runningPid, spawnServer, waitFor } from './processes.ts';
import { clusterStatus, type ClusterStatus } from './status.ts';
import { choiceFlag, integerFlag, readFlags, textFlag, UsageError, type Flags } from './usage.ts';

const READY_DEADLINE_MS = 60_000;
/** Peer links listen this far above a node's API port. */
const PEER_PORT_OFFSET = 1000;

interface LocalDefaults {
  nodes: number;
  port: number;
  runtime: 'auto' | 'docker' | 'process';
  times: NodeTimes;
}

function localDefaults(): LocalDefaults {
  const file = parse(
    readFileSync(fileURLToPath(new URL('../../cluster-config/local.yaml', import.meta.url)), 'utf8'),
  ) as {
    nodes: number;
    port: number;
    runtime: 'auto';
    times: unknown;
  };
  return { ...file, times: parseTimes(file.times) };
}

function newShape(flags: Flags, defaults: LocalDefaults): Shape {
  const count = integerFlag(flags, 'nodes', defaults.nodes, { min: 1, max: 9 });
  const port = integerFlag(flags, 'port', defaults.port, { min: 1, max: 65_535 - PEER_PORT_OFFSET - 9 });
  return {
    version: 1,
    sharedPort: port,
    runtime: choiceFlag(flags, 'runtime', defaults.runtime, ['auto', 'docker', 'process']),
    nodes: Array.from({ length: count }, (_, i) => ({
      name: `n${i + 1}`,
      apiPort: port + i + 1,
      peerPort: port + PEER_PORT_OFFSET + i + 1,
    })),
  };
}

/** The shape on disk wins; a flag that contradicts it is refused rather than ignored. */
function settleShape(layout: Layout, flags: Flags, defaults: LocalDefaults): { shape: Shape; isNew: boolean } {
  const wanted = newShape(flags, defaults);
  if (!existsSync(layout.shapeFile)) {
    const left = existsSync(layout.directory)
      ? readdirSync(layout.directory).filter((name) => !name.startsWith('.'))
      : [];
    if (left.length > 0) {
      throw new UsageError(
        `--data ${layout.directory} is not empty and holds no cluster (found ${left.slice(0, 3).join(', ')}); name an empty directory`,
      );
    }
    return { shape: wanted, isNew: true };
  }
  const shape = readShape(layout);
  const conflicts = [
    flags.values['nodes'] !== undefined &&
      wanted.nodes.length !== shape.nodes.length &&
      `--nodes ${wanted.nodes.length} (it has ${shape.nodes.length})`,
    flags.values['port'] !== undefined &&
      wanted.sharedPort !== shape.sharedPort &&
      `--port ${wanted.sharedPort} (it uses ${shape.sharedPort})`,
    flags.values['runtime'] !== undefined &&
      wanted.runtime !== shape.runtime &&
      `--runtime ${wanted.runtime} (it uses ${shape.runtime})`,
  ].filter((conflict) => conflict !== false);
  if (conflicts.length > 0) {
    throw new UsageError(
      `the cluster in ${layout.directory} has another shape: ${conflicts.join('; ')}; leave the flag out, or start anew with --fresh`,
    );
  }
  return { shape, isNew: false };
}

function writeSettings(
  layout: Layout,
  shape: Shape,
  node: ShapeNode,
  times: NodeTimes,
  join?: { server: string; token: string },
): void {
  const settings = {
    name: node.name,
    api: { host: '127.0.0.1', port: node.apiPort, sharedPort: shape.sharedPort },
    peer: { host: '127.0.0.1', port: node.peerPort, advertise: `127.0.0.1:${node.peerPort}` },
    ...(join ? { join } : {}),
    runtime: shape.runtime,
    hostShare: { index: shape.nodes.indexOf(node), count: shape.nodes.length },
    times,
  };
  writeFileSync(layout.settings(node.name), stringify(settings), { mode: 0o600 });
}

/** What the first node leaves for the one who started it. */
interface AdminFile {
  clusterName: string;
  authorityPem: string;
  certificatePem: string;
  privateKeyPem: string;
}

async function waitForFile(layout: Layout, node: string, file: string): Promise<string> {
  return await waitFor(`the first start of ${node}`, READY_DEADLINE_MS, async () => {
    const path = `${layout.data(node)}/${file}`;
    if (existsSync(path)) {
      const text = readFileSync(path, 'utf8');
      if (text.endsWith('\n')) return text;
    }
    requireAlive(layout, node);
    return undefined;
  });
}

function requireAlive(layout: Layout, node: string): void {
  if (runningPid(layout, node) === undefined) {
    throw new Fault(
      'CLI_NODE_DIED',
      `node ${node} ended while starting; its last lines (${layout.log(node)}):\n${logTail(layout, node)}`,
      'never',
    );
  }
}

async function startFirst(layout: Layout, shape: Shape, times: NodeTimes): Promise<string> {
  const first = shape.nodes[0] as ShapeNode;
  writeSettings(layout, shape, first, times);
  spawnServer(layout, first.name);
  const admin = JSON.parse(await waitForFile(layout, first.name, 'admin.json')) as AdminFile;
  const text = kubeconfigText({
    ...admin,
    defaultServer: `https://127.0.0.1:${shape.sharedPort}`,
    nodes: shape.nodes.map((node) => ({ name: node.name, server: `https://127.0.0.1:${node.apiPort}` })),
  });
  writeFileSync(layout.kubeconfig, text, { mode: 0o600 });
  chmodSync(layout.kubeconfig, 0o600);
  return (await waitForFile(layout, first.name, 'join-token')).trim();
}

function settled(status: ClusterStatus): boolean {
  return status.leader !== null && status.nodes.every((node) => node.ready);
}

async function startAll(layout: Layout, shape: Shape, isNew: boolean, times: NodeTimes): Promise<ClusterStatus> {
  const [first, ...others] = shape.nodes as [ShapeNode, ...ShapeNode[]];
  if (isNew) {
    const token = await startFirst(layout, shape, times);
    for (const node of others) {
      writeSettings(layout, shape, node, times, { server: `https://127.0.0.1:${first.apiPort}`, token });
      spawnServer(layout, node.name);
    }
  } else {
    for (const node of shape.nodes) if (runningPid(layout, node.name) === undefined) spawnServer(layout, node.name);
  }
  return await waitFor('a leader with every node ready', READY_DEADLINE_MS, async () => {
    for (const node of shape.nodes) requireAlive(layout, node.name);
    const status = await clusterStatus(layout, shape);
    return settled(status) ? status : undefined;
  });
}

function line(mark: string, name: string, text: string): void {
  console.log(`  ${mark} ${name.padEnd(11)} ${text}`);
}

function tell(layout: Layout, shape: Shape, times: NodeTimes, status: ClusterStatus, elapsedMs: number): void {
  const names = status.nodes.map((node) => node.name).join(' ');
  const pids = status.nodes.map((node) => node.pid).join(' ');
  const ports = shape.nodes.map((node) => `:${node.apiPort} ${node.name}`).join(' ');
  const seconds = (ms: number): number => Math.round(ms / 100) / 10;
  line(
    '✔',
    `${shape.nodes.length} node${shape.nodes.length === 1 ? '' : 's'}`,
    `${names} (pids ${pids}) · leader ${status.leader}, term ${status.term}   ${seconds(elapsedMs)} s`,
  );
  line('✔', 'api', `https://127.0.0.1:${shape.sharedPort} (any node) · ${ports}`);
  line(
    '✔',
    'node grace',
    `${seconds(times.nodeGraceMs)} s + ${seconds(times.podEvictionMs)} s for this local shape (Kubernetes: 40 s + 300 s)`,
  );
  line(' ', 'kubeconfig', `export KUBECONFIG=${layout.kubeconfig}`);
  line(' ', 'try', 'kubectl apply -f cluster-config/examples/hello.yaml');
  line(' ', '', 'npm run -s kontiki -- status        what the cluster thinks');
  if (shape.nodes.length >= 3) line(' ', '', 'npm run -s kontiki -- kill-leader   watch it survive');
}

async function preflight(layout: Layout, shape: Shape): Promise<void> {
  const engine = await findEngine();
  if (shape.runtime === 'docker' && engine.version === undefined) {
    const why = engine.forbidden
      ? 'its socket may not be opened by this user; add the user to the group docker'
      : 'no engine answers; start dockerd';
    throw new Fault(
      'CLI_NO_ENGINE',
      `--runtime docker: ${why}, or leave --runtime out to use plain processes`,
      'never',
    );
  }
  const runtime =
    shape.runtime === 'process' || engine.version === undefined
      ? `${shape.runtime === 'process' ? 'processes' : engine.text}, using the process runtime`
      : engine.text;
  if (engine.forbidden && shape.runtime === 'auto')
    line('!', 'docker', 'its socket may not be opened by this user (add the user to the group docker to use it)');
  const sync = diskSyncP99(layout.directory);
  line('✔', 'preflight', `node ${process.versions.node} · ${runtime} · disk sync p99 ${sync.toFixed(1)} ms`);
}

function takenPorts(layout: Layout, shape: Shape): { port: number; use: string }[] {
  const idle = shape.nodes.filter((node) => runningPid(layout, node.name) === undefined);
  const own = idle.flatMap((node) => [
    { port: node.apiPort, use: `API of ${node.name}` },
    { port: node.peerPort, use: `peer link of ${node.name}` },
  ]);
  return idle.length === shape.nodes.length
    ? [{ port: shape.sharedPort, use: 'API shared by all nodes' }, ...own]
    : own;
}

/** Foreground: stay until Ctrl-C, then stop everything that was started. */
async function stayUntilInterrupted(layout: Layout, keep: boolean): Promise<number> {
  console.log(`\n  Ctrl-C stops all nodes${keep ? '' : ' and their containers'}`);
  await new Promise<void>((resolve) => {
    // A pending promise does not keep the process alive; a timer does.
    const keepAlive = setInterval(() => undefined, 1 << 30);
    const end = (): void => {
      clearInterval(keepAlive);
      resolve();
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
  return await stopAll(layout, { keep });
}

export async function upCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, {
    nodes: { type: 'string' },
    data: { type: 'string' },
    port: { type: 'string' },
    runtime: { type: 'string' },
    fresh: { type: 'boolean' },
    detach: { type: 'boolean' },
    keep: { type: 'boolean' },
  });
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const defaults = localDefaults();
  newShape(flags, defaults);
  if (flags.values['fresh']) await removeData(layout);
  const { shape, isNew } = settleShape(layout, flags, defaults);
  await preflight(layout, shape);
  await requireFreePorts(takenPorts(layout, shape));
  mkdirSync(layout.directory, { recursive: true, mode: 0o700 });
  const started = performance.now();
  if (isNew) writeFileSync(layout.shapeFile, `${JSON.stringify(shape, null, 2)}\n`);
  let status: ClusterStatus;
  try {
    status = await startAll(layout, shape, isNew, defaults.times);
  } catch (error) {
    await stopAll(layout, { keep: false });
    // A cluster that never came to life leaves no directory that would refuse the next try.
    if (isNew && !existsSync(layout.kubeconfig)) rmSync(layout.shapeFile, { force: true });
    throw error;
  }
  tell(layout, shape, defaults.times, status, performance.now() - started);
  if (flags.values['detach']) return 0;
  return await stayUntilInterrupted(layout, flags.values['keep'] === true);
}

async function removeData(layout: Layout): Promise<void> {
  if (!existsSync(layout.directory)) return;
  if (!existsSync(layout.shapeFile) && readdirSync(layout.directory).length > 0) {
    throw new UsageError(
      `--fresh would remove ${layout.directory}, which holds no cluster; remove it by hand if that is meant`,
    );
  }
  if (existsSync(layout.shapeFile)) await stopAll(layout, { keep: false });
  rmSync(layout.directory, { recursive: true, force: true });
}
