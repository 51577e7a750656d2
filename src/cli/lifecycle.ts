/** Stopping, starting and killing nodes of a local cluster. */
import { askNode, readCredentials } from './admin.ts';
import { layoutOf, nodeOf, readShape, type Layout, type Shape } from './layout.ts';
import { endProcess, runningPid, spawnServer, waitFor, logTail } from './processes.ts';
import { clusterStatus } from './status.ts';
import { readFlags, textFlag } from './usage.ts';
import { Fault } from '#src/std/fault.ts';

const STOP_GRACE_MS = 20_000;
const START_DEADLINE_MS = 60_000;

const FLAGS = { data: { type: 'string' } } as const;

/** Stop every running node; without `keep` their containers end with them. */
export async function stopAll(layout: Layout, options: { keep: boolean }): Promise<number> {
  const shape = readShape(layout);
  const running = shape.nodes.filter((node) => runningPid(layout, node.name) !== undefined);
  if (!options.keep)
    await removeContainers(
      layout,
      shape,
      running.map((node) => node.name),
    );
  const outcomes = await Promise.all(
    running.map(async (node) => [node.name, await endProcess(layout, node.name, STOP_GRACE_MS)] as const),
  );
  for (const [name, outcome] of outcomes)
    if (outcome === 'killed') console.error(`  ! ${name} did not stop within ${STOP_GRACE_MS / 1000} s and was killed`);
  console.log(`  stopped ${outcomes.map(([name]) => name).join(' ') || 'nothing: no node was running'}`);
  return 0;
}

async function removeContainers(layout: Layout, shape: Shape, names: string[]): Promise<void> {
  if (names.length === 0) return;
  let credentials;
  try {
    credentials = readCredentials(layout);
  } catch {
    // A cluster that never finished its first start has no kubeconfig and no container.
    return;
  }
  await Promise.all(
    names.map((name) =>
      askNode(credentials, nodeOf(shape, name), {
        method: 'POST',
        path: '/cluster/v1/remove-containers',
        timeoutMs: STOP_GRACE_MS,
      }),
    ),
  );
}

export async function downCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, { ...FLAGS, keep: { type: 'boolean' } });
  return await stopAll(layoutOf(textFlag(flags, 'data', '.kontiki')), { keep: flags.values['keep'] === true });
}

export async function stopCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, FLAGS, 1);
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const node = nodeOf(readShape(layout), flags.positionals[0] ?? '');
  const outcome = await endProcess(layout, node.name, STOP_GRACE_MS);
  console.log(
    {
      stopped: `${node.name} stopped; its containers go on`,
      killed: `${node.name} had to be killed`,
      absent: `${node.name} was not running`,
    }[outcome],
  );
  return outcome === 'killed' ? 1 : 0;
}

export async function startCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, FLAGS, 1);
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const shape = readShape(layout);
  const node = nodeOf(shape, flags.positionals[0] ?? '');
  const running = runningPid(layout, node.name);
  if (running !== undefined) {
    console.log(`${node.name} runs already (pid ${running})`);
    return 0;
  }
  const started = performance.now();
  const pid = spawnServer(layout, node.name);
  await waitFor(`${node.name} catching up`, START_DEADLINE_MS, async () => {
    if (runningPid(layout, node.name) === undefined) {
      throw new Fault(
        'CLI_NODE_DIED',
        `${node.name} ended while starting; its last lines (${layout.log(node.name)}):\n${logTail(layout, node.name)}`,
        'never',
      );
    }
    const status = await clusterStatus(layout, shape);
    return status.nodes.find((candidate) => candidate.name === node.name)?.ready ? true : undefined;
  });
  console.log(`${node.name} is ready (pid ${pid})   ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return 0;
}

export async function killLeaderCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, FLAGS);
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const shape = readShape(layout);
  const before = await clusterStatus(layout, shape);
  const leader = before.nodes.find((node) => node.name === before.leader);
  if (!leader || leader.pid === null) {
    throw new Fault('CLI_NO_LEADER', `there is no leader to kill; 'kontiki status' shows what the nodes say`, 'later');
  }
  process.kill(leader.pid, 'SIGKILL');
  const killed = performance.now();
  console.log(`killed ${leader.name} (pid ${leader.pid}, leader of term ${before.term}) with SIGKILL`);
  if (shape.nodes.length < 3) {
    console.log(
      `a cluster of ${shape.nodes.length} cannot elect another; 'kontiki start ${leader.name}' brings it back`,
    );
    return 0;
  }
  const after = await waitFor('a new leader', START_DEADLINE_MS, async () => {
    const status = await clusterStatus(layout, shape);
    return status.leader !== null && status.leader !== leader.name ? status : undefined;
  });
  console.log(`${after.leader} leads term ${after.term} after ${((performance.now() - killed) / 1000).toFixed(2)} s`);
  console.log(`'npm run -s kontiki -- start ${leader.name}' brings ${leader.name} back`);
  return 0;
}
