/** The processes of a local cluster: found again by pid and start time, never by pid alone. */
import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Layout } from './layout.ts';

const POLL_MS = 30;

/** A small young generation: values lie outside of V8's heap, and what waits there to be freed is not memory of use. */
const NODE_FLAGS = ['--max-semi-space-size=8'];
/** glibc: give buffers of log entries back when they are freed, and keep no pool for each thread. Others ignore it. */
const MEMORY_SETTINGS = {
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '262144',
  MALLOC_ARENA_MAX: '2',
};

interface PidRecord {
  pid: number;
  /** Field 22 of /proc/<pid>/stat: a reused pid has another. Empty where there is no /proc. */
  started: string;
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead: it only waits for its parent to look.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    // No such process, or no /proc on this system: tell them apart by a signal.
    try {
      process.kill(pid, 0);
      return existsSync('/proc/self/stat') ? undefined : '';
    } catch {
      return undefined;
    }
  }
}

/** The pid of a node's process while it runs. */
export function runningPid(layout: Layout, node: string): number | undefined {
  const file = layout.pid(node);
  if (!existsSync(file)) return undefined;
  let record: PidRecord;
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as PidRecord;
  } catch (error) {
    throw new Fault(
      'CLI_PID_FILE',
      `${file} cannot be read: ${messageOf(error)}; remove it when the node does not run`,
      'never',
      error,
    );
  }
  return startTimeOf(record.pid) === record.started ? record.pid : undefined;
}

/** Start `kontiki server` detached, its output appended to the node's log. */
export function spawnServer(layout: Layout, node: string): number {
  const log = openSync(layout.log(node), 'a');
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [...NODE_FLAGS, main, 'server', '--config', layout.settings(node), '--data', layout.data(node)],
    {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...MEMORY_SETTINGS, ...process.env },
    },
  );
  closeSync(log);
  if (child.pid === undefined) throw new Fault('CLI_SPAWN', `could not start node ${node}`, 'never');
  child.unref();
  writeFileSync(
    layout.pid(node),
    JSON.stringify({ pid: child.pid, started: startTimeOf(child.pid) ?? '' } satisfies PidRecord),
  );
  return child.pid;
}

/** Poll until `check` gives something, the node's process has died, or the deadline. */
export async function waitFor<T>(what: string, deadlineMs: number, check: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const result = await check();
    if (result !== undefined) return result;
    if (performance.now() > end)
      throw new Fault('CLI_TIMEOUT', `${what} did not happen within ${Math.round(deadlineMs / 1000)} s`, 'later');
    await sleep(POLL_MS);
  }
}

/** The last lines of a node's log, for a message about its death. */
export function logTail(layout: Layout, node: string, lines = 5): string {
  if (!existsSync(layout.log(node))) return '';
  return readFileSync(layout.log(node), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** Signal, wait, then SIGKILL; the pid file is removed when it is gone. */
export async function endProcess(
  layout: Layout,
  node: string,
  graceMs: number,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<'stopped' | 'killed' | 'absent'> {
  const pid = runningPid(layout, node);
  if (pid === undefined) {
    rmSync(layout.pid(node), { force: true });
    return 'absent';
  }
  process.kill(pid, signal);
  const end = performance.now() + graceMs;
  while (runningPid(layout, node) !== undefined && performance.now() < end) await sleep(POLL_MS);
  let outcome: 'stopped' | 'killed' = 'stopped';
  if (runningPid(layout, node) === pid) {
    outcome = 'killed';
    process.kill(pid, 'SIGKILL');
    await waitFor(`the end of ${node} (pid ${pid})`, 5000, async () =>
      runningPid(layout, node) === undefined ? true : undefined,
    );
  }
  rmSync(layout.pid(node), { force: true });
  return outcome;
}
