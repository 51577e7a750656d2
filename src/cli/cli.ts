/**
 * The command line: parses, dispatches, and turns faults into one clear line and an exit code.
 * Exit codes: 0 done, 1 the command could not do it, 2 the command line or a setting is wrong.
 * Read next: up.ts (a whole cluster on this machine), server.ts (one node), status.ts.
 */
import { isFault, messageOf } from '#src/std/fault.ts';
import { actorsCommand } from './actors.ts';
import { downCommand, killLeaderCommand, startCommand, stopCommand } from './lifecycle.ts';
import { clusterVersionCommand, memberCommand, transferLeaderCommand } from './member.ts';
import { recoverCommand } from './recover.ts';
import { snapshotCommand } from './snapshot.ts';
import { statusCommand } from './status.ts';
import { UsageError } from './usage.ts';
import { walCommand } from './wal.ts';

interface Command {
  summary: string;
  usage: string;
  run: (args: string[]) => Promise<number>;
}

const COMMANDS: Record<string, Command> = {
  up: {
    summary: 'start a cluster on this machine (what npm start does)',
    usage:
      'up [--nodes 3] [--data .kontiki] [--port 6443] [--runtime auto|docker|process] [--fresh] [--detach] [--keep]',
    run: async (args) => (await import('./up.ts')).upCommand(args),
  },
  down: { summary: 'stop what up started', usage: 'down [--data .kontiki] [--keep]', run: downCommand },
  start: { summary: 'start one stopped node', usage: 'start NAME [--data .kontiki]', run: startCommand },
  stop: { summary: 'stop one node; its containers go on', usage: 'stop NAME [--data .kontiki]', run: stopCommand },
  status: {
    summary: 'leader, term and nodes; exit 0 only with a leader',
    usage: 'status [--data .kontiki] [--json]',
    run: statusCommand,
  },
  member: {
    summary: 'who votes: list, promote, demote or remove members',
    usage: 'member list|promote NAME|demote NAME|remove NAME [--data .kontiki] [--json]',
    run: memberCommand,
  },
  'transfer-leader': {
    summary: 'hand leadership to another voter',
    usage: 'transfer-leader [NAME] [--data .kontiki]',
    run: transferLeaderCommand,
  },
  'cluster-version': {
    summary: "the version of the log's commands: show it, or set it before going back to an older program",
    usage: 'cluster-version [NUMBER] [--data .kontiki] [--json]',
    run: clusterVersionCommand,
  },
  snapshot: {
    summary: 'save, verify or restore the whole state',
    usage:
      'snapshot save FILE [--data .kontiki | --from DIR] | verify FILE | restore FILE --to DIR --name NODE [--host 127.0.0.1] [--peer-port 7443]',
    run: snapshotCommand,
  },
  recover: {
    summary: 'begin anew from what is left when a quorum is lost for good',
    usage: 'recover DIR [DIR ...] [--yes]',
    run: recoverCommand,
  },
  wal: {
    summary: "read or check a stopped node's log",
    usage: 'wal dump DIR [--from INDEX] [--limit 100] [--json] | verify DIR',
    run: walCommand,
  },
  actors: {
    summary: 'live actors, what they wait for, their last transitions',
    usage: 'actors [--data .kontiki] [--json]',
    run: actorsCommand,
  },
  'kill-leader': {
    summary: 'kill -9 the leader, to watch the cluster survive',
    usage: 'kill-leader [--data .kontiki]',
    run: killLeaderCommand,
  },
  server: {
    summary: 'run one node in the foreground',
    usage:
      'server --data DIR (--config FILE | --name NAME [--host 127.0.0.1] [--port 6443] [--peer-port PORT+1000] [--shared-port 0] [--runtime auto] [--join-server URL --join-token TOKEN])',
    // Loaded when asked for: a node starts without the simulator and the client of Docker.
    run: async (args) => (await import('./server.ts')).serverCommand(args),
  },
  sim: {
    summary: 'run a whole cluster in virtual time from a seed',
    usage:
      'sim [--tier nodes|consensus] [--seed N] [--seeds COUNT | --minutes M] [--profile calm|flaky|hostile] [--nodes 3] [--writes 200] [--mutation NAME] [--coverage] [--json FILE|-] [--quiet] [--shrink] [--faults FILE] [--mutants]',
    run: async (args) => (await import('./sim.ts')).simCommand(args),
  },
};

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`);
  return [
    'kontiki: a Kubernetes-compatible cluster in one program',
    '',
    ...lines,
    '',
    "'kontiki COMMAND --help' shows the flags.",
  ].join('\n');
}

/** Run one command line; the result is the exit code. */
export async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    console.log(help());
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS[name];
  if (!command) {
    console.error(`kontiki: unknown command '${name}'\n\n${help()}`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(`usage: kontiki ${command.usage}\n${command.summary}`);
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`kontiki ${name}: ${error.message}\nusage: kontiki ${command.usage}`);
      return 2;
    }
    if (isFault(error)) {
      console.error(`kontiki ${name}: ${error.message} (${error.code})`);
      return error.code === 'CONFIG_INVALID' ? 2 : 1;
    }
    console.error(`kontiki ${name}: ${messageOf(error)}`);
    if (error instanceof Error && process.env['KONTIKI_DEBUG']) console.error(error.stack);
    return 1;
  }
}
