/** What an operator does when things are lost: backups, a forced recovery, a look into the log; and bad input to all of it. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createLab, eventually, type Lab, type Output } from '#test/support/lab.ts';

/** Names and bytes of everything below a directory. */
function print(directory: string): string {
  const hash = createHash('sha256');
  const walk = (at: string): void => {
    for (const name of readdirSync(at).toSorted()) {
      if (name === 'lock') continue; // says which process looked last
      const path = join(at, name);
      hash.update(name);
      if (statSync(path).isDirectory()) walk(path);
      else hash.update(readFileSync(path));
    }
  };
  walk(directory);
  return hash.digest('hex');
}

function refused(t: ExecutionContext, output: Output, why: RegExp, code = 1): void {
  t.is(output.code, code, output.stdout + output.stderr);
  t.regex(output.stderr + output.stdout, why);
}

async function readsBack(t: ExecutionContext, lab: Lab, node: string): Promise<void> {
  const listed = await eventually(`${node} answers`, 30_000, async () => {
    const output = await lab.kubectlAt(node, 'get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}');
    return output.code === 0 ? output.stdout : undefined;
  });
  for (const name of ['one', 'two', 'three'])
    t.true(listed.split(' ').includes(name), `${node}: ${name} is in '${listed}'`);
}

test.serial('backups, a look at the log, and a cluster begun anew from one of three disks', async (t) => {
  t.timeout(300_000);
  const lab = await createLab({ runtime: 'process' });
  const backup = join(lab.data, '..', 'backup');
  // The commands that name directories take no --data.
  const tool = (...args: string[]): Promise<Output> => lab.tool(...args);
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    for (const name of ['one', 'two', 'three'])
      await lab.kubectl('create', 'configmap', name, `--from-literal=a=${name}`);

    // Backups.
    const saved = await lab.kontiki('snapshot', 'save', backup);
    t.is(saved.code, 0, saved.stderr);
    t.regex(saved.stdout, /keys at revision \d+ .*; sound/s);
    t.is(statSync(backup).mode & 0o777, 0o600, 'it holds all Secrets');
    refused(t, await lab.kontiki('snapshot', 'save', backup), /exists already/);
    const cut = `${backup}-cut`;
    cpSync(backup, cut);
    truncateSync(cut, Math.floor(statSync(backup).size / 2));
    refused(t, await tool('snapshot', 'verify', cut), /it is cut off/);
    const flipped = readFileSync(backup);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
    writeFileSync(`${backup}-flipped`, flipped);
    refused(t, await tool('snapshot', 'verify', `${backup}-flipped`), /do not fit its checksum/);
    writeFileSync(`${backup}-other`, 'a: 1\n');
    refused(t, await tool('snapshot', 'verify', `${backup}-other`), /does not begin like a snapshot/);

    // Running nodes are not touched.
    refused(t, await tool('wal', 'verify', join(lab.data, 'n1')), /in use by a running node/);
    refused(t, await tool('recover', join(lab.data, 'n1'), '--yes'), /in use by a running node/);
    refused(t, await tool('snapshot', 'restore', backup, '--to', join(lab.data, 'n1'), '--name', 'n1'), /is not empty/);
    refused(t, await tool('wal', 'verify', join(lab.data, '..')), /is no data directory/);
    t.is((await tool('wal', 'frob')).code, 2);

    t.is((await lab.kontiki('down')).code, 0);
    const before = print(join(lab.data, 'n1'));
    const verified = await tool('wal', 'verify', join(lab.data, 'n1'));
    t.is(verified.code, 0, verified.stderr);
    t.regex(verified.stdout, /sound: \d+ batches/);
    const dumped = await tool('wal', 'dump', join(lab.data, 'n1'), '--limit', '500');
    t.regex(dumped.stdout, /put \/registry\/core\/configmaps\/default\/two/);
    t.regex(dumped.stdout, /because: n\d caught up; 3 voters|because: n\d and n\d caught up; 3 voters/);
    refused(
      t,
      await tool('recover', join(lab.data, 'n1')),
      /may together have acknowledged writes.*nothing was changed/s,
    );
    t.is(print(join(lab.data, 'n1')), before, 'looking changes nothing');

    // Two disks are lost for good.
    cpSync(join(lab.data, 'n3'), join(lab.data, 'n3-old'), { recursive: true });
    rmSync(join(lab.data, 'n2'), { recursive: true });
    rmSync(join(lab.data, 'n3'), { recursive: true });
    const recovered = await tool('recover', join(lab.data, 'n1'), '--yes');
    t.is(recovered.code, 0, recovered.stdout + recovered.stderr);
    t.regex(recovered.stdout, /n[23], n[23] are not here and may together have acknowledged writes/);
    t.true(readdirSync(lab.data).some((name) => name.startsWith('n1.before-recover-')));
    const revisionBefore = Number(/n1 +\d+ +\d+ +\d+ +(\d+)/.exec(recovered.stdout)?.[1]);
    t.is((await lab.kontiki('start', 'n1')).code, 0);
    await readsBack(t, lab, 'n1');
    const { stdout } = await lab.kubectlAt('n1', 'get', '--raw', '/api/v1/configmaps?limit=1');
    const revision = Number((JSON.parse(stdout) as { metadata: { resourceVersion: string } }).metadata.resourceVersion);
    t.true(revision > revisionBefore + 900_000_000, 'no revision is used twice');
    const stale = await lab.kubectlAt(
      'n1',
      'get',
      '--raw',
      `/api/v1/configmaps?watch=true&resourceVersion=${revisionBefore}`,
    );
    t.regex(stale.stdout + stale.stderr, /too old resource version|Expired|410/);

    // The lost ones come back with empty disks; one with its old disk is refused.
    const joined = await lab.kontiki('start', 'n2');
    t.is(joined.code, 0, joined.stdout + joined.stderr);
    cpSync(join(lab.data, 'n3-old'), join(lab.data, 'n3'), { recursive: true });
    t.is((await lab.kontiki('start', 'n3')).code, 1, 'it waits for its old cluster, which is no more');
    await lab.kontiki('stop', 'n3');
    t.regex(readFileSync(join(lab.data, 'n3.log'), 'utf8'), /belongs to cluster/);
    rmSync(join(lab.data, 'n3'), { recursive: true });
    t.is((await lab.kontiki('start', 'n3')).code, 0);
    for (const node of ['n2', 'n3']) await readsBack(t, lab, node);
    await eventually('three voters again', 30_000, async () =>
      (await lab.kontiki('status')).stdout.includes('3 voters: survives the loss of 1'),
    );

    // And from the backup, beside it all, as a cluster of its own.
    t.is((await lab.kontiki('down')).code, 0);
    const restored = join(lab.data, '..', 'restored');
    const done = await tool(
      'snapshot',
      'restore',
      backup,
      '--to',
      restored,
      '--name',
      'n1',
      '--peer-port',
      String(lab.port + 1001),
    );
    t.is(done.code, 0, done.stderr);
    t.true(existsSync(join(restored, 'identity.json')));
    rmSync(join(lab.data, 'n1'), { recursive: true });
    cpSync(restored, join(lab.data, 'n1'), { recursive: true });
    t.is((await lab.kontiki('start', 'n1')).code, 0);
    await readsBack(t, lab, 'n1');
  } finally {
    await lab.close();
  }
});
