/** `kontiki member`, `transfer-leader` and `cluster-version`: who votes, who leads, and in which form they speak. */
import type { MemberAction } from '#src/cluster/operations.ts';
import { LIVE_MS } from '#src/cluster/voters.ts';
import type { NodeStatus } from '#src/node/node.ts';
import { askAll, askAny } from './admin.ts';
import { layoutOf, readShape, type Layout, type Shape } from './layout.ts';
import { tableOf } from './table.ts';
import { readFlags, textFlag, UsageError } from './usage.ts';

const CHANGE_TIMEOUT_MS = 20_000;
const FLAGS = { data: { type: 'string' }, json: { type: 'boolean' } } as const;

interface MemberRow {
  name: string;
  role: string;
  zone: string;
  address: string;
  state: string;
  /** Entries behind the leader's commit index. */
  lag: number | null;
  lastContactMs: number | null;
}

export async function memberCommand(args: string[]): Promise<number> {
  const [action, ...rest] = args;
  if (action === 'list') return await list(rest);
  if (action !== 'promote' && action !== 'demote' && action !== 'remove')
    throw new UsageError(`member ${action ?? ''}: one of list, promote, demote, remove is needed`);
  const flags = readFlags(rest, FLAGS, 1);
  const name = flags.positionals[0] ?? '';
  if (name === '') throw new UsageError(`member ${action} NAME: which member?`);
  return await change(textFlag(flags, 'data', '.kontiki'), action, name);
}

export async function transferLeaderCommand(args: string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith('-');
  const flags = readFlags(args, FLAGS, named ? 1 : 0);
  return await change(textFlag(flags, 'data', '.kontiki'), 'transfer', flags.positionals[0] ?? '');
}

/** Without a number: what it is, and what each node's program can apply. */
export async function clusterVersionCommand(args: string[]): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith('-');
  const flags = readFlags(args, FLAGS, named ? 1 : 0);
  const data = textFlag(flags, 'data', '.kontiki');
  if (named) return await change(data, 'command-version', flags.positionals[0] ?? '');
  const layout = layoutOf(data);
  const answers = [...(await askAll(layout, readShape(layout))).entries()];
  const rows = answers.map(([name, { replica }]) => ({
    name,
    commandVersion: replica.commandVersion,
    ...replica.commands,
  }));
  if (flags.values['json']) console.log(JSON.stringify(rows, null, 2));
  else {
    const cells = rows.map(({ name, commandVersion, min, max }) => [name, String(commandVersion), `${min} to ${max}`]);
    console.log(tableOf([['NAME', 'COMMAND VERSION', 'PROGRAM KNOWS'], ...cells]));
  }
  return rows.length === 0 ? 1 : 0;
}

async function change(data: string, action: MemberAction, name: string): Promise<number> {
  const layout = layoutOf(data);
  const answer = await askAny(layout, readShape(layout), {
    method: 'POST',
    path: '/cluster/v1/members',
    body: { action, name },
    timeoutMs: CHANGE_TIMEOUT_MS,
  });
  console.log((answer as { message: string }).message);
  return 0;
}

async function list(args: string[]): Promise<number> {
  const flags = readFlags(args, FLAGS);
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const rows = await membersOf(layout, readShape(layout));
  if (flags.values['json']) console.log(JSON.stringify(rows, null, 2));
  else {
    const text = (value: number | null, unit: string): string => (value === null ? '-' : `${value}${unit}`);
    console.log(
      tableOf([
        ['NAME', 'ROLE', 'STATE', 'ZONE', 'ADDRESS', 'LAG', 'LAST CONTACT'],
        ...rows.map((row) => [
          row.name,
          row.role,
          row.state,
          row.zone,
          row.address,
          text(row.lag, ''),
          text(row.lastContactMs, ' ms'),
        ]),
      ]),
    );
  }
  return rows.length === 0 ? 1 : 0;
}

/** As the leader sees them, else as whoever answers. */
async function membersOf(layout: Layout, shape: Shape): Promise<MemberRow[]> {
  const answers = [...(await askAll(layout, shape)).values()];
  const leader = answers
    .filter(({ replica }) => replica.role === 'leader')
    .toSorted((a, b) => b.replica.term - a.replica.term)[0];
  const seen: NodeStatus | undefined = leader ?? answers[0];
  if (seen === undefined) return [];
  const { voters, learners, addresses, progress, commitIndex } = seen.replica;
  return [...voters, ...learners].map((name) => {
    const its = progress[name];
    const isLeader = name === leader?.name;
    return {
      name,
      role: isLeader
        ? 'leader'
        : voters.includes(name)
          ? 'voter'
          : seen.held.includes(name)
            ? 'standby (held)'
            : 'standby',
      zone: seen.zones[name] ?? '',
      address: addresses[name] ?? '',
      state: isLeader ? 'alive' : its === undefined ? 'unknown' : its.lastContactMs <= LIVE_MS ? 'alive' : 'silent',
      lag: isLeader ? 0 : its === undefined ? null : Math.max(0, commitIndex - its.matchIndex),
      lastContactMs: isLeader ? 0 : (its?.lastContactMs ?? null),
    };
  });
}
