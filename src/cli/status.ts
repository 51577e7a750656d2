/** `kontiki status`: what the nodes say of the cluster, and exit 0 only when they agree on a leader. */
import { askAll } from './admin.ts';
import { layoutOf, readShape, type Layout, type Shape } from './layout.ts';
import { runningPid } from './processes.ts';
import { readFlags, textFlag } from './usage.ts';

export interface ClusterStatus {
  leader: string | null;
  term: number;
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
    nodes: shape.nodes.map((node) => {
      const answer = answers.get(node.name);
      const pid = runningPid(layout, node.name) ?? null;
      return {
        name: node.name,
        role: answer?.replica.role ?? (pid === null ? 'down' : 'unreachable'),
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

function tableOf(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
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
  }
  return status.leader === null ? 1 : 0;
}
