/**
 * How a cluster begins and how nodes come into it: trust roots, identities, join tokens, address
 * ranges, voters. The first node bootstraps; every other one joins, also on the same host.
 * Owns: the records under /kontiki/ and the identity of a data directory.
 * Imports: std, ports, replica's doors, the store's transactions. Never: Kubernetes objects.
 * Read next: pki.ts (which root signs what), join.ts (the token), records.ts, voters.ts.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Crypto } from '#src/ports/crypto.ts';
import type { Random } from '#src/ports/random.ts';
import type { Membership } from '#src/replica/membership.ts';
import { Fault, isFault } from '#src/std/fault.ts';
import type { Identity, Keys } from './identity.ts';
import { createSecret, formatToken, hashOf, hex, unhex, type JoinAnswer, type JoinRequest } from './join.ts';
import {
  createTrust,
  issueAdmin,
  issueClient,
  issueFrontProxy,
  issuePeer,
  issueServing,
  openTrust,
  publicTrust,
  sealTrust,
  type Leaf,
  type Trust,
} from './pki.ts';
import { formatRange, nodeRange, nodeRangeCount, parseRange } from './ranges.ts';
import { bootstrapTransaction, type Records } from './records.ts';
import type { Transaction } from '#src/store/command.ts';

const CLUSTER_KEY_BYTES = 32;

export interface ApiAddresses {
  dnsNames: string[];
  ipAddresses: string[];
}

export interface Birth {
  identity: Identity;
  keys: Keys;
  /** To propose once the replica leads: makes the cluster known to its store. */
  transaction: Transaction;
  joinToken: string;
  admin: Leaf & { clusterName: string; authorityPem: string };
}

export const podCidrOf = (pods: string, index: number): string => formatRange(nodeRange(parseRange(pods), index));

/** Everything the first node of a new cluster is born with. Writes nothing. */
export async function bootstrapCluster(options: {
  crypto: Crypto;
  random: Random;
  nowMs: number;
  nodeName: string;
  peerAddress: string;
  addresses: ApiAddresses;
  ranges: { pods: string; services: string };
}): Promise<Birth> {
  const { crypto, random, nodeName, ranges } = options;
  const trust = await createTrust(crypto);
  const clusterId = random.uuid();
  const incarnation = random.uuid();
  const clusterKey = random.bytes(CLUSTER_KEY_BYTES);
  const secret = createSecret(random);
  const [peer, serving, admin, sealed] = await Promise.all([
    issuePeer(crypto, trust, nodeName),
    issueServing(crypto, trust, nodeName, servingNames(options.addresses, ranges.services, podCidrOf(ranges.pods, 0))),
    issueAdmin(crypto, trust),
    sealTrust(crypto, clusterKey, trust),
  ]);
  return {
    identity: {
      version: 1,
      clusterId,
      nodeName,
      incarnation,
      createdAtMs: options.nowMs,
      podCidr: podCidrOf(ranges.pods, 0),
      ranges,
      peers: { [nodeName]: options.peerAddress },
    },
    keys: { peer, serving, trust: publicTrust(trust), clusterKey: hex(clusterKey) },
    transaction: bootstrapTransaction({
      cluster: { clusterId, ranges },
      sealedTrust: hex(sealed),
      tokenHash: hashOf(crypto, secret),
      node: { name: nodeName, record: { incarnation, peerAddress: options.peerAddress, podIndex: 0 } },
    }),
    joinToken: formatToken(crypto, trust.serving.certificatePem, secret),
    admin: { ...admin, clusterName: 'kontiki', authorityPem: trust.serving.certificatePem },
  };
}

/** The first Service address and the node's Pod-side address are ones a Pod calls the API by. */
export function servingNames(addresses: ApiAddresses, services: string, podCidr: string): ApiAddresses {
  const first = (range: string): string =>
    formatRange({ base: parseRange(range).base + 1, bits: 32 }).split('/')[0] ?? '';
  return { ...addresses, ipAddresses: [...addresses.ipAddresses, first(services), first(podCidr)] };
}

/**
 * Admit a node: check its secret, give it a Pod range and certificates, add it as a learner.
 * Faults: CLUSTER_TOKEN, CLUSTER_NAME_TAKEN, CLUSTER_FULL, REPLICA_NOT_LEADER (ask the leader).
 */
export async function admitNode(
  options: { crypto: Crypto; clock: Clock; keys: Keys; records: Records; membership: Membership },
  request: JoinRequest,
): Promise<JoinAnswer> {
  const { crypto, keys, records, membership } = options;
  if (!(await records.isToken(hashOf(crypto, request.secret)))) {
    throw new Fault('CLUSTER_TOKEN', 'the join token is not one of this cluster, or was withdrawn', 'never');
  }
  if (membership.status().removed.includes(request.nodeName)) {
    throw new Fault(
      'CLUSTER_NAME_TAKEN',
      `a node '${request.nodeName}' was removed from this cluster, and names do not come back, since its old disk still holds votes; join under a new name`,
      'never',
    );
  }
  const { clusterId, ranges } = await records.cluster();
  const record = await records.admit(
    request.nodeName,
    request.incarnation,
    request.peerAddress,
    nodeRangeCount(parseRange(ranges.pods)),
  );
  const trust: Trust = await openTrust(crypto, unhex(keys.clusterKey), unhex(await records.sealedTrust()));
  const podCidr = podCidrOf(ranges.pods, record.podIndex);
  const [peer, serving] = await Promise.all([
    issuePeer(crypto, trust, request.nodeName),
    issueServing(crypto, trust, request.nodeName, servingNames(request.apiAddresses, ranges.services, podCidr)),
  ]);
  await addMember(options.clock, membership, request.nodeName, request.peerAddress);
  const { addresses } = membership.status();
  return { clusterId, ranges, podCidr, keys: { ...keys, peer, serving }, peers: { ...addresses } };
}

/** What a client of the peer links needs (wire/client-links.ts). The caller has seen that an administrator asks. */
export interface ClientCredentials extends Leaf {
  name: string;
  clusterId: string;
  authorityPem: string;
}

export async function issueClientFor(
  options: { crypto: Crypto; keys: Keys; records: Records },
  user: string,
): Promise<ClientCredentials> {
  const { crypto, keys, records } = options;
  const trust: Trust = await openTrust(crypto, unhex(keys.clusterKey), unhex(await records.sealedTrust()));
  // No node has such a name: they are DNS labels.
  const name = `client:${user}`;
  const { clusterId } = await records.cluster();
  return { ...(await issueClient(crypto, trust, name)), name, clusterId, authorityPem: keys.trust.peer };
}

/** The certificate of a server node towards aggregated API servers. */
export async function issueFrontProxyFor(options: { crypto: Crypto; keys: Keys; records: Records }): Promise<Leaf> {
  const { crypto, keys, records } = options;
  return await issueFrontProxy(
    crypto,
    await openTrust(crypto, unhex(keys.clusterKey), unhex(await records.sealedTrust())),
  );
}

const ADD_ATTEMPTS_MAX = 50;
const ADD_PAUSE_MS = 100;

/** Idempotent: a joiner whose answer was lost asks again. Changes of others are waited for. */
async function addMember(clock: Clock, membership: Membership, id: string, address: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const status = membership.status();
    try {
      if (!status.voters.includes(id) && !status.learners.includes(id)) await membership.addLearner(id, address);
      else if (status.addresses[id] !== address) await membership.setAddress(id, address);
      return;
    } catch (error) {
      if (!isFault(error, 'REPLICA_CHANGE_IN_FLIGHT') || attempt >= ADD_ATTEMPTS_MAX) throw error;
    }
    await new Promise<void>((resolve) => clock.after(ADD_PAUSE_MS, resolve));
  }
}
