/** Stock clients of other languages against a cluster of three: each runs a list of checks inside the lab. */
import { existsSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { canMakeNetns, createLab, isRoot, type Lab } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPTS = fileURLToPath(new URL('clients/', import.meta.url));
const canRun = isRoot && canMakeNetns();

function hasPythonClient(): boolean {
  if (!existsSync(PYTHON)) return false;
  try {
    execFileSync(PYTHON, ['-c', 'import kubernetes'], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // Not installed: the test says so.
  }
}

async function checks(t: ExecutionContext, command: (lab: Lab) => [string, ...string[]]): Promise<void> {
  t.timeout(600_000);
  const lab = await createLab({ runtime: 'process' });
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    const { code, stdout, stderr } = await lab.exec(...command(lab));
    const lines = stdout.split('\n').filter((line) => /^(?:not )?ok /.test(line));
    t.is(code, 0, stdout + stderr);
    t.true(lines.length > 3, stdout + stderr);
    t.log(`${lines.length} checks`);
    t.deepEqual(
      lines.filter((line) => line.startsWith('not ok')),
      [],
    );
  } finally {
    await lab.close();
  }
}

needs('root and network namespaces', canRun, { serial: true })('@kubernetes/client-node', (t) =>
  checks(t, (lab) => [process.execPath, `${SCRIPTS}client-node.ts`, lab.data]),
);

needs('root and network namespaces', canRun, { serial: true })('@kubernetes/client-node: streams', (t) =>
  checks(t, (lab) => [process.execPath, `${SCRIPTS}client-node-streams.ts`, lab.data]),
);

needs('root and network namespaces', canRun, { serial: true })('plain HTTP/1.1 and HTTP/2', (t) =>
  checks(t, () => [process.execPath, `${SCRIPTS}plain.ts`]),
);

needs("root, network namespaces and Debian's python3-kubernetes", canRun && hasPythonClient(), { serial: true })(
  'python3-kubernetes',
  (t) => checks(t, () => [PYTHON, `${SCRIPTS}python_client.py`]),
);
