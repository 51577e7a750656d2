/** `kontiki status`: what the nodes say of the cluster, and exit 0 only when they agree on a leader. */
import type { NodeStatus } from '#src/node/node.ts';
import { askAll } from './admin.ts';
import { layoutOf, readShape, type Layout, type Shape } from './layout.ts';
import { runningPid } from './processes.ts';
import { tableOf } from './table.ts';
import { readFlags, textFlag } from './usage.ts';

export interface ClusterStatus {
  leader: string | null;
  term: number;
  /** What the cluster survives with its present voters. */
  survival: string | null;
  /** What should be changed and cannot be now, and why. */
  waiting: string | null;
  /** The last changes of members, oldest first. */
  decisions: { atMs: number; reason: string }[];
  /** What is wrong with the state of some node, by node: STATE_DIVERGED, a damaged log being refilled. */
  alarms: string[];
  /** Of the log's commands; all members know it. */
  commandVersion: number | null;
  nodes: {
    name: string;
    role: string;
    pid: number | null;
    address: string;
    commitIndex: number | null;
    appliedIndex: number | null;
    /** Entries behind the leader's commit index. */
    lag: number | null;
    ready: boolean;
  }[];
}

const DECISIONS_SHOWN = 5;

/** The leader is the one that the newest term names and that says so itself. */
export async function clusterStatus(layout: Layout, shape: Shape): Promise<ClusterStatus> {
  const answers = await askAll(layout, shape);
  const leaders = [...answers.values()].filter((answer) => answer.replica.role === 'leader');
  const leader = leaders.toSorted((a, b) => b.replica.term - a.replica.term)[0];
  const term = Math.max(0, ...[...answers.values()].map((answer) => answer.replica.term));
  const commit = leader?.replica.commitIndex;
  return {
    leader: leader?.name ?? null,
    term: leader?.replica.term ?? term,
    survival: leader?.survival ?? null,
    waiting: leader?.waiting ?? null,
    decisions: leader?.decisions ?? [],
    alarms: [...answers.values()].flatMap(alarmsOf),
    commandVersion: leader?.replica.commandVersion ?? null,
    nodes: shape.nodes.map((node) => {
      const answer = answers.get(node.name);
      const pid = runningPid(layout, node.name) ?? null;
      return {
        name: node.name,
        role: roleOf(answer) ?? (pid === null ? 'down' : 'unreachable'),
        pid,
        address: `https://127.0.0.1:${node.apiPort}`,
        commitIndex: answer?.replica.commitIndex ?? null,
        appliedIndex: answer?.replica.appliedIndex ?? null,
        lag: answer && commit !== undefined ? Math.max(0, commit - answer.replica.appliedIndex) : null,
        ready: answer?.ready ?? false,
      };
    }),
  };
}

function alarmsOf({ name, replica }: NodeStatus): string[] {
  const own = replica.alarms.map((alarm) => `${name}: ${alarm}`);
  if (replica.impaired) own.push(`${name}: its log was damaged; it does not vote until the leader has refilled it`);
  return own;
}

/** People call a learner a standby. */
function roleOf(answer: NodeStatus | undefined): string | undefined {
  const role = answer?.replica.role;
  return role === 'learner' ? 'standby' : role;
}

export async function statusCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, { data: { type: 'string' }, json: { type: 'boolean' } });
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const status = await clusterStatus(layout, readShape(layout));
  if (flags.values['json']) {
    console.log(JSON.stringify(status, null, 2));
  } else {
    console.log(
      status.leader === null
        ? `no leader (highest term seen: ${status.term})`
        : `leader ${status.leader}, term ${status.term}`,
    );
    const text = (value: number | null): string => (value === null ? '-' : String(value));
    console.log(
      tableOf([
        ['NAME', 'ROLE', 'READY', 'PID', 'ADDRESS', 'COMMIT', 'APPLIED', 'LAG'],
        ...status.nodes.map((node) => [
          node.name,
          node.role,
          node.ready ? 'yes' : 'no',
          text(node.pid),
          node.address,
          text(node.commitIndex),
          text(node.appliedIndex),
          text(node.lag),
        ]),
      ]),
    );
    if (status.survival !== null) console.log(`\n${status.survival}`);
    for (const alarm of status.alarms) console.log(`ALARM ${alarm}`);
    if (status.waiting !== null) console.log(`waiting: ${status.waiting}`);
    for (const { atMs, reason } of status.decisions.slice(-DECISIONS_SHOWN))
      console.log(`${new Date(atMs).toISOString().slice(0, 19)}Z  ${reason}`);
  }
  return status.leader === null ? 1 : 0;
}
