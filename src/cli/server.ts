/**
 * `kontiki server`: one node in the foreground, with real drivers.
 * SIGTERM and SIGINT stop it cleanly (leadership moves first, containers go on); a fault that
 * makes going on unsafe ends the process with exit code 1 and one clear line.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createDataplane } from '#src/drivers/dataplane/dataplane.ts';
import { createDisk } from '#src/drivers/disk.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createLog } from '#src/drivers/log.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { createRandom } from '#src/drivers/random.ts';
import { chooseRuntime } from '#src/drivers/runtime.ts';
import type { KubeObject } from '#src/api/object.ts';
import { parseNodeConfig } from '#src/node/config.ts';
import type { ProcessFacts } from '#src/node/metrics.ts';
import { createNode } from '#src/node/node.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { choiceFlag, integerFlag, readFlags, textFlag, UsageError, type Flags } from './usage.ts';

const STOP_DEADLINE_MS = 15_000;

function readSettings(file: string, what = '--config'): unknown {
  try {
    return parse(readFileSync(file, 'utf8')) as unknown;
  } catch (error) {
    throw new Fault('CONFIG_INVALID', `${what} ${file} cannot be read: ${messageOf(error)}`, 'never', error);
  }
}

function readManifests(): KubeObject[] {
  const directory = fileURLToPath(new URL('../../cluster-config/manifests/', import.meta.url));
  return readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .flatMap((name) =>
      parseAllDocuments(readFileSync(directory + name, 'utf8')).map((document) => document.toJS() as KubeObject | null),
    )
    .filter((object) => object !== null);
}

/** Texts for `kubectl explain`, made at install time and read when first asked for; without them the rest works. */
function lazyDescriptions(): (typeName: string, field: string) => string | undefined {
  let texts: Record<string, string> | undefined;
  return (typeName, field) => {
    if (!texts) {
      try {
        const file = fileURLToPath(new URL('../../.cache/descriptions.json', import.meta.url));
        texts = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
      } catch {
        texts = {}; // Not made on this machine.
      }
    }
    return texts[field === '' ? typeName : `${typeName}.${field}`];
  };
}

/** Ranges the host routes already, so that the cluster chooses others. */
function hostRoutes(): string[] {
  try {
    const lines = readFileSync('/proc/net/route', 'utf8').trim().split('\n').slice(1);
    const address = (hex: string): string =>
      (hex.match(/../g) ?? [])
        .toReversed()
        .map((byte) => parseInt(byte, 16))
        .join('.');
    return lines.flatMap((line) => {
      const [, destination = '', , , , , , mask = ''] = line.split('\t');
      const bits = [...parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length;
      return bits === 0 ? [] : [`${address(destination)}/${bits}`];
    });
  } catch {
    return []; // Not Linux: nothing to avoid that we could know of.
  }
}

function processFacts(): ProcessFacts {
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  let openFiles: number | undefined;
  try {
    openFiles = readdirSync('/proc/self/fd').length;
  } catch {
    openFiles = undefined; // Not Linux.
  }
  const virtualKb = /^VmSize:\s+(\d+) kB$/m.exec(firstLine('/proc/self/status'))?.[1];
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    ...(virtualKb === undefined ? {} : { virtualBytes: Number(virtualKb) * 1024 }),
    ...(openFiles === undefined ? {} : { openFiles }),
    startTimeSeconds: performance.timeOrigin / 1000,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
  };
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return ''; // Not on this system.
  }
}

function systemFacts(): {
  os: string;
  architecture: string;
  kernel: string;
  image: string;
  machineId: string;
  bootId: string;
} {
  const image = /^PRETTY_NAME="(.*)"$/m.exec(firstLine('/etc/os-release'))?.[1] ?? process.platform;
  return {
    os: process.platform,
    architecture: arch() === 'x64' ? 'amd64' : arch(),
    kernel: release(),
    image,
    machineId: firstLine('/etc/machine-id'),
    bootId: firstLine('/proc/sys/kernel/random/boot_id'),
  };
}

/** `audit.policyFile` of the settings, or --audit-policy-file, as the policy it holds. */
function withAuditPolicy(settings: unknown, flags: Flags): unknown {
  const given = settings as { audit?: { policyFile?: unknown } } | null;
  const file = textFlag(flags, 'audit-policy-file', '') || given?.audit?.policyFile;
  if (typeof file !== 'string' || file === '') return settings;
  const { policyFile: _read, ...audit } = given?.audit ?? {};
  const sizes = {
    maxSizeMb: integerFlag(flags, 'audit-log-maxsize', -1, { min: -1, max: 10_000 }),
    maxBackups: integerFlag(flags, 'audit-log-maxbackup', -1, { min: -1, max: 1000 }),
    maxAgeDays: integerFlag(flags, 'audit-log-maxage', -1, { min: -1, max: 3650 }),
  };
  const set = Object.fromEntries(Object.entries(sizes).filter(([, size]) => size >= 0));
  return { ...given, audit: { ...audit, ...set, policy: readSettings(file, 'the audit policy') } };
}

/** A file, or flags for what a node cannot do without; the rest is Kubernetes' defaults. */
function settingsOf(flags: Flags): unknown {
  const file = textFlag(flags, 'config', '');
  if (file !== '') {
    const others = Object.keys(flags.values).filter(
      (name) => name !== 'config' && name !== 'data' && !name.startsWith('audit-'),
    );
    if (others.length > 0) throw new UsageError(`--config FILE holds all settings; leave out --${others.join(', --')}`);
    return readSettings(file);
  }
  if (textFlag(flags, 'name', '') === '') throw new UsageError('either --config FILE or --name NAME is needed');
  const host = textFlag(flags, 'host', '127.0.0.1');
  const port = integerFlag(flags, 'port', 6443, { min: 1, max: 65_535 });
  const peerPort = integerFlag(flags, 'peer-port', port + 1000, { min: 1, max: 65_535 });
  const server = textFlag(flags, 'join-server', '');
  return {
    name: textFlag(flags, 'name', ''),
    api: { host, port, sharedPort: integerFlag(flags, 'shared-port', 0, { min: 0, max: 65_535 }) },
    peer: { host, port: peerPort, advertise: `${host}:${peerPort}` },
    runtime: choiceFlag(flags, 'runtime', 'auto', ['auto', 'docker', 'process']),
    ...(server === '' ? {} : { join: { server, token: textFlag(flags, 'join-token', '') } }),
  };
}

export async function serverCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, {
    config: { type: 'string' },
    data: { type: 'string' },
    name: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    'shared-port': { type: 'string' },
    'peer-port': { type: 'string' },
    'join-server': { type: 'string' },
    'join-token': { type: 'string' },
    runtime: { type: 'string' },
    'audit-policy-file': { type: 'string' },
    'audit-log-maxsize': { type: 'string' },
    'audit-log-maxbackup': { type: 'string' },
    'audit-log-maxage': { type: 'string' },
  });
  const data = textFlag(flags, 'data', '');
  if (data === '') throw new UsageError('--data DIR is needed: where this node keeps its state');
  const config = parseNodeConfig(withAuditPolicy(settingsOf(flags), flags));
  const log = createLog({ level: config.logLevel }, config.name);
  const clock = createClock();
  const choice = await createDataplane({ log });
  const runtime = await chooseRuntime({
    wanted: config.runtime,
    node: config.name,
    directory: data,
    routed: choice.mode === 'routed',
    clock,
    log,
  });

  const finished = Promise.withResolvers<number>();
  const node = createNode({
    ports: {
      clock,
      random: createRandom(),
      crypto: createCrypto(),
      disk: createDisk(data),
      network: createNetwork(),
      http: createHttp(),
      runtime,
      dataplane: choice.dataplane,
      log,
    },
    config,
    processFacts,
    host: {
      cpuMillis: cpus().length * 1000,
      memoryBytes: totalmem(),
      pid: process.pid,
      routes: hostRoutes(),
      system: systemFacts(),
    },
    manifests: readManifests(),
    describe: lazyDescriptions(),
    onFatal(fault) {
      log.error(`this node cannot go on: ${fault.message}`, { code: fault.code });
      finished.resolve(1);
    },
  });

  const stop = (signal: string): void => {
    log.info(`stopping on ${signal}`);
    const deadline = setTimeout(() => finished.resolve(1), STOP_DEADLINE_MS);
    node.stop().then(
      () => {
        clearTimeout(deadline);
        finished.resolve(0);
      },
      (error: unknown) => {
        log.error('stopping failed', { error: messageOf(error) });
        finished.resolve(1);
      },
    );
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  // A mistake of ours: better to stop than to go on from a state nobody has thought of.
  process.on('uncaughtException', (error) => {
    log.error(`a mistake in Kontiki, the node stops: ${error.stack ?? error.message}`);
    process.exit(70);
  });
  try {
    await node.start();
  } catch (error) {
    // What was opened before the failure (links, timers) would keep the process alive.
    log.error(`this node cannot start: ${messageOf(error)}`, isFault(error) ? { code: error.code } : {});
    process.exit(isFault(error, 'CONFIG_INVALID') ? 2 : 1);
  }
  process.exit(await finished.promise);
}
