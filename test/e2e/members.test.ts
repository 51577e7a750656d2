/** Who votes and who leads, on real processes: the cluster's own decisions and the operator's. */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createLab, eventually, type Lab, type Output } from '#test/support/lab.ts';

interface Member {
  name: string;
  role: string;
  state: string;
}

async function membersOf(lab: Lab): Promise<Record<string, string>> {
  const { stdout } = await lab.kontiki('member', 'list', '--json');
  return Object.fromEntries((JSON.parse(stdout) as Member[]).map(({ name, role }) => [name, role]));
}

function refused(t: ExecutionContext, output: Output, why: RegExp): void {
  t.is(output.code, 1, output.stdout + output.stderr);
  t.regex(output.stderr, why);
}

const roles = (members: Record<string, string>, role: string): string[] =>
  Object.keys(members).filter((name) => members[name] === role);

test.serial('voters, standbys, lost and removed members, moved leadership, old copies of a disk', async (t) => {
  t.timeout(300_000);
  const lab = await createLab({ runtime: 'process', nodes: 4 });
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    await lab.apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {a: "1"}\n');
    const settled = async (): Promise<Record<string, string> | undefined> => {
      const members = await membersOf(lab);
      return roles(members, 'voter').length === 2 && roles(members, 'leader').length === 1 ? members : undefined;
    };
    const first = await eventually('three voters of four', 20_000, settled);
    const [standby = ''] = roles(first, 'standby');
    const [leader = ''] = roles(first, 'leader');
    const [voter = '', other = ''] = roles(first, 'voter');
    const table = await lab.kontiki('member', 'list');
    t.regex(table.stdout, /^NAME +ROLE +STATE +ZONE +ADDRESS +LAG +LAST CONTACT\n/);
    t.regex((await lab.kontiki('status')).stdout, /3 voters: survives the loss of 1\n.*caught up; 3 voters/s);

    refused(t, await lab.kontiki('member', 'promote', 'n9'), /'n9' is no member; the members are /);
    refused(t, await lab.kontiki('member', 'promote', voter), new RegExp(`${voter} is a voter already`));
    refused(t, await lab.kontiki('member', 'demote', standby), new RegExp(`${standby} stands by already`));
    refused(t, await lab.kontiki('transfer-leader', standby), /stands by; only a voter can lead/);
    refused(t, await lab.kontiki('transfer-leader', leader), /leads already/);
    t.is((await lab.kontiki('member', 'frob')).code, 2);
    t.deepEqual(await membersOf(lab), first, 'nothing changed');

    t.regex((await lab.kontiki('cluster-version')).stdout, /^NAME +COMMAND VERSION +PROGRAM KNOWS\nn1 +2 +1 to 2\n/);
    refused(t, await lab.kontiki('cluster-version', '9'), /knows 1 to 2/);
    refused(t, await lab.kontiki('cluster-version', 'new'), /"new" is no positive whole number/);
    refused(t, await lab.kontiki('cluster-version', '2'), /is 2 already/);
    t.regex(
      (await lab.kontiki('cluster-version', '1')).stdout,
      /is 1 now and stays there until the nodes are restarted/,
    );
    t.regex((await lab.kontiki('cluster-version', '2')).stdout, /is 2 now\n$/);

    t.is((await lab.kontiki('transfer-leader', voter)).code, 0);
    t.is((await lab.status()).leader, voter);
    t.is((await lab.kontiki('transfer-leader', leader)).code, 0);

    // A lost voter is replaced by the standby, and stands by when it comes back.
    const pid = (await lab.status()).nodes.find(({ name }) => name === other)?.pid ?? 0;
    const data = join(lab.data, other);
    const copy = `${data}-copy`;
    process.kill(pid, 'SIGKILL');
    cpSync(data, copy, { recursive: true });
    await eventually('the standby votes instead', 40_000, async () => (await membersOf(lab))[standby] === 'voter');
    t.regex((await lab.kontiki('status')).stdout, new RegExp(`${other} is lost since \\d+ s; ${standby} in place`));
    t.is((await lab.kontiki('start', other)).code, 0);
    await eventually('it stands by', 20_000, async () => (await membersOf(lab))[other] === 'standby');
    t.is((await lab.kubectlAt(other, 'get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).stdout, '1');

    // An older copy of its disk has fewer starts than the cluster has seen.
    t.is((await lab.kontiki('stop', other)).code, 0);
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    const stale = await lab.kontiki('start', other);
    t.is(stale.code, 1);
    t.regex(readFileSync(join(lab.data, `${other}.log`), 'utf8'), /older copy/);

    // Removed, it is gone for good; its name does not come back with a new disk either.
    t.is((await lab.kontiki('member', 'remove', other)).code, 0);
    t.is((await membersOf(lab))[other], undefined);
    rmSync(data, { recursive: true });
    t.is((await lab.kontiki('start', other)).code, 1);
    t.regex(
      readFileSync(join(lab.data, `${other}.log`), 'utf8'),
      /was removed from this cluster, and names do not come back/,
    );
    const left = await lab.kontiki('member', 'remove', leader);
    t.is(left.code, 0, left.stderr);
    t.is((await lab.kubectlAt(voter, 'get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).stdout, '1');
    t.regex((await lab.kontiki('status')).stdout, /2 voters: the loss of either stops writes until it is back/);
  } finally {
    await lab.close();
  }
});
