/** How a node comes to its identity: it finds it in its data directory, bootstraps a cluster, or joins one. */
import { bootstrapCluster, type Birth } from '#src/cluster/cluster.ts';
import { readIdentity, writeIdentity, writeText, type Identity, type Keys } from '#src/cluster/identity.ts';
import { joinCluster } from '#src/cluster/join.ts';
import { chooseRanges } from '#src/cluster/ranges.ts';
import type { Ports } from '#src/ports/ports.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import type { NodeConfig } from './config.ts';

export interface Life {
  identity: Identity;
  keys: Keys;
  /** Only of a cluster's first node, in its first life. */
  birth: Birth | undefined;
}

const JOIN_ATTEMPTS_MAX = 60;
const JOIN_RETRY_MS = 250;
/** The incarnation under which this directory asks to join; gone once it has an identity. */
const JOINING = 'joining';

interface BirthOptions {
  ports: Ports;
  config: NodeConfig;
  mode: 'routed' | 'loopback';
  routes: string[];
}

/** Faults: CLUSTER_FOREIGN_DIRECTORY, CLUSTER_TOKEN, CLUSTER_JOIN_REFUSED, HTTP_*. */
export async function beBorn(options: BirthOptions): Promise<Life> {
  const { ports, config } = options;
  const known = await readIdentity(ports.disk, config.name);
  if (known) return { ...known, birth: await unfinishedBirth(options, known) };
  return config.join ? await join(options, config.join) : await bootstrap(options);
}

const addressesOf = (config: NodeConfig): { dnsNames: string[]; ipAddresses: string[] } => {
  const isIp = /^\d+\.\d+\.\d+\.\d+$/.test(config.api.host);
  return isIp ? { dnsNames: [], ipAddresses: [config.api.host] } : { dnsNames: [config.api.host], ipAddresses: [] };
};

async function bootstrap({ ports, config, mode, routes }: BirthOptions): Promise<Life> {
  // Begin the search at a random place, so that two clusters on one host seldom want the same.
  const chosen = chooseRanges(mode, routes, ports.random.below(32));
  const ranges = { pods: config.ranges?.pods ?? chosen.pods, services: config.ranges?.services ?? chosen.services };
  const birth = await bootstrapCluster({
    crypto: ports.crypto,
    random: ports.random,
    nowMs: ports.clock.wallMs(),
    nodeName: config.name,
    peerAddress: config.peer.advertise,
    addresses: addressesOf(config),
    ranges,
  });
  // What the cluster's store has to learn is kept until it has: a crash in between loses nothing.
  await writeText(ports.disk, 'birth.json', `${JSON.stringify(encodeBirth(birth))}\n`);
  await writeIdentity(ports.disk, birth.identity, birth.keys);
  ports.log.info('a new cluster', { cluster: birth.identity.clusterId, pods: ranges.pods, services: ranges.services });
  return { identity: birth.identity, keys: birth.keys, birth };
}

/** The store's first transaction as text: its bytes are JSON of ours. */
function encodeBirth(birth: Birth): unknown {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const operations = birth.transaction.operations.map((operation) =>
    operation.type === 'put' ? { ...operation, head: text(operation.head), tail: text(operation.tail) } : operation,
  );
  return { ...birth, transaction: { ...birth.transaction, operations } };
}

function decodeBirth(value: unknown): Birth {
  const given = value as Omit<Birth, 'transaction'> & {
    transaction: {
      conditions: Birth['transaction']['conditions'];
      operations: { type: string; key: string; head: string; tail: string }[];
    };
  };
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const operations = given.transaction.operations.map(({ key, head, tail }) => ({
    type: 'put' as const,
    key,
    head: bytes(head),
    tail: bytes(tail),
  }));
  return { ...given, transaction: { conditions: given.transaction.conditions, operations } };
}

async function unfinishedBirth({ ports }: BirthOptions, known: { identity: Identity }): Promise<Birth | undefined> {
  if (!(await ports.disk.exists('birth.json'))) return undefined;
  const file = await ports.disk.open('birth.json');
  try {
    const birth = decodeBirth(JSON.parse(new TextDecoder().decode(await file.read(0, await file.size()))));
    return birth.identity.clusterId === known.identity.clusterId ? birth : undefined;
  } finally {
    await file.close();
  }
}

/** Leave what the one who started the cluster needs: a kubeconfig's makings, the join token. */
export async function finishBirth(ports: Pick<Ports, 'disk'>, birth: Birth): Promise<void> {
  await writeText(ports.disk, 'join-token', `${birth.joinToken}\n`);
  await writeText(ports.disk, 'admin.json', `${JSON.stringify(birth.admin)}\n`);
  await ports.disk.remove('birth.json');
  await ports.disk.syncDirectory('');
}

/**
 * Who this directory is, durable before the cluster hears of it: admitted and then killed before its
 * identity was written, it must come back as the one that was admitted.
 */
async function incarnationOf(ports: Pick<Ports, 'disk' | 'random'>): Promise<string> {
  if (await ports.disk.exists(JOINING)) {
    const file = await ports.disk.open(JOINING);
    try {
      return new TextDecoder().decode(await file.read(0, await file.size())).trim();
    } finally {
      await file.close();
    }
  }
  const incarnation = ports.random.uuid();
  await writeText(ports.disk, JOINING, `${incarnation}\n`);
  return incarnation;
}

async function join({ ports, config }: BirthOptions, at: { server: string; token: string }): Promise<Life> {
  const incarnation = await incarnationOf(ports);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await joinCluster({
        http: ports.http,
        crypto: ports.crypto,
        server: at.server,
        token: at.token,
        request: {
          nodeName: config.name,
          incarnation,
          peerAddress: config.peer.advertise,
          apiAddresses: addressesOf(config),
        },
      });
      const identity: Identity = {
        version: 1,
        clusterId: answer.clusterId,
        nodeName: config.name,
        incarnation,
        createdAtMs: ports.clock.wallMs(),
        podCidr: answer.podCidr,
        ranges: answer.ranges,
        peers: answer.peers,
      };
      await writeIdentity(ports.disk, identity, answer.keys);
      await ports.disk.remove(JOINING);
      return { identity, keys: answer.keys, birth: undefined };
    } catch (error) {
      const mayRetry = isFault(error) && error.retry !== 'never' && attempt < JOIN_ATTEMPTS_MAX;
      if (!mayRetry)
        throw new Fault(
          'CLUSTER_JOIN',
          `node '${config.name}' cannot join through ${at.server}: ${messageOf(error)}`,
          'never',
          error,
        );
      ports.log.debug('joining waits', { server: at.server, error: messageOf(error) });
      await new Promise<void>((resolve) => ports.clock.after(JOIN_RETRY_MS, resolve));
    }
  }
}
