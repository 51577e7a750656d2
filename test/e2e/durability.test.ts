/** No acknowledged write is lost or doubled, whatever becomes of the leader. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { createLab, eventually, PROJECT, type Lab } from '#test/support/lab.ts';

interface Result {
  acknowledged: { name: string; uid: string; resourceVersion: string; resolved: boolean }[];
  unresolved: number;
  wrong: string[];
}

interface Writers {
  count: () => number;
  stop: () => Promise<Result>;
}

const WRITERS = 16;
const WRITES_PER_FAULT = 1000;

function startWriters(lab: Lab, prefix: string): Writers {
  const inside = existsSync(`/run/netns/${lab.id}`) ? ['nsenter', `--net=/run/netns/${lab.id}`] : [];
  const ports = [1, 2, 3].map((i) => lab.port + i).join(',');
  const script = join(PROJECT, 'test/support/writers.ts');
  const command = [...inside, process.execPath, script, join(lab.data, 'kubeconfig'), ports, String(WRITERS), prefix];
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { ...process.env, KONTIKI_LAB: lab.id },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let rest = '';
  let count = 0;
  let result: Result | undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const parsed = JSON.parse(line) as { acknowledged: number | unknown[]; done?: boolean };
      if (parsed.done) result = parsed as unknown as Result;
      else count = parsed.acknowledged as number;
    }
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return {
    count: () => count,
    async stop() {
      child.stdin.end();
      await ended;
      if (!result) throw new Error('the writers ended without a result');
      return result;
    },
  };
}

/** Everything acknowledged is on this node, once, as it was acknowledged. */
async function readBack(t: ExecutionContext, lab: Lab, node: string, result: Result): Promise<void> {
  const listed = await eventually(`${node} answers a list`, 20_000, async () => {
    const output = await lab.kubectlAt(node, 'get', '--raw', '/api/v1/namespaces/default/configmaps');
    return output.code === 0 ? output.stdout : undefined;
  });
  const items = (
    JSON.parse(listed) as { items: { metadata: { name: string; uid: string; resourceVersion: string } }[] }
  ).items;
  const byName = Map.groupBy(items, (item) => item.metadata.name);
  const lost = result.acknowledged.filter(({ name, uid, resourceVersion }) => {
    const found = byName.get(name);
    return (
      found?.length !== 1 || found[0]?.metadata.uid !== uid || found[0].metadata.resourceVersion !== resourceVersion
    );
  });
  t.deepEqual(lost, [], `${node} lost or changed acknowledged writes`);
}

async function oneFault(
  t: ExecutionContext,
  lab: Lab,
  round: string,
  fault: (leader: { name: string; pid: number }) => Promise<() => Promise<void>>,
): Promise<void> {
  const writers = startWriters(lab, round);
  await eventually('the first writes', 30_000, async () => writers.count() > 100);
  const status = await lab.status();
  const leader = status.nodes.find((node) => node.name === status.leader);
  if (!leader?.pid) throw new Error('no leader to hurt');
  const heal = await fault({ name: leader.name, pid: leader.pid });
  const atFault = writers.count();
  await eventually(
    `${WRITES_PER_FAULT} acknowledged writes after the fault`,
    90_000,
    async () => writers.count() > atFault + WRITES_PER_FAULT,
  );
  const result = await writers.stop();
  t.deepEqual(result.wrong, []);
  t.is(result.unresolved, 0);
  for (const node of status.nodes) if (node.name !== leader.name) await readBack(t, lab, node.name, result);
  await heal();
  await readBack(t, lab, leader.name, result);
  t.log(
    `${round}: ${result.acknowledged.length} acknowledged, ${result.acknowledged.filter((w) => w.resolved).length} of them resolved after an unknown outcome`,
  );
}

test.serial(
  'kill -9 and SIGSTOP of the leader under 16 writers, restarts of one and of all: nothing lost, nothing doubled',
  async (t) => {
    t.timeout(900_000);
    const lab = await createLab({ runtime: 'process' });
    try {
      const up = await lab.up();
      t.is(up.code, 0, up.stdout + up.stderr);
      for (const round of ['kill1', 'kill2', 'kill3']) {
        await oneFault(t, lab, round, async ({ name, pid }) => {
          process.kill(pid, 'SIGKILL');
          return async () => {
            const started = await lab.kontiki('start', name);
            t.is(started.code, 0, started.stdout + started.stderr);
          };
        });
      }
      for (const round of ['stop1', 'stop2', 'stop3']) {
        await oneFault(t, lab, round, async ({ pid }) => {
          process.kill(pid, 'SIGSTOP');
          const resumed = sleep(4000).then(() => process.kill(pid, 'SIGCONT'));
          return async () => void (await resumed);
        });
      }
      const before = await lab.kubectl('get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.uid}');
      t.is((await lab.kontiki('down')).code, 0);
      const again = await lab.up();
      t.is(again.code, 0, again.stdout + again.stderr);
      const after = await lab.kubectl('get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.uid}');
      t.is(after.stdout, before.stdout, 'all three restarted: the same cluster');
    } finally {
      await lab.close();
    }
  },
);
