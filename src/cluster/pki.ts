/**
 * The trust roots, separate from the start (DESIGN §4.11): one may be lost or renewed without the
 * others. Which root signs what is written here and nowhere else.
 */
import type { Authority, Crypto, KeyPair } from '#src/ports/crypto.ts';

const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;

export const ROOTS = ['peer', 'client', 'serving', 'frontProxy'] as const;
export type Root = (typeof ROOTS)[number];

/** Everything that must not leave the voters and standbys. */
export interface Trust {
  peer: Authority;
  client: Authority;
  serving: Authority;
  frontProxy: Authority;
  serviceAccount: KeyPair;
}

/** The public half, on every node. */
export interface PublicTrust {
  peer: string;
  client: string;
  serving: string;
  frontProxy: string;
  serviceAccount: string;
}

export function publicTrust(trust: Trust): PublicTrust {
  return {
    peer: trust.peer.certificatePem,
    client: trust.client.certificatePem,
    serving: trust.serving.certificatePem,
    frontProxy: trust.frontProxy.certificatePem,
    serviceAccount: trust.serviceAccount.publicKeyPem,
  };
}

const SEAL_CONTEXT = 'kontiki trust v1';

/** The private half lies sealed in the store; the key to it lies in the data directory of each server node. */
export function sealTrust(crypto: Crypto, clusterKey: Uint8Array, trust: Trust): Promise<Uint8Array> {
  return crypto.seal(clusterKey, new TextEncoder().encode(JSON.stringify(trust)), SEAL_CONTEXT);
}

/** Faults: SEAL_BROKEN. */
export async function openTrust(crypto: Crypto, clusterKey: Uint8Array, sealed: Uint8Array): Promise<Trust> {
  return JSON.parse(new TextDecoder().decode(await crypto.open(clusterKey, sealed, SEAL_CONTEXT))) as Trust;
}

export interface Leaf {
  certificatePem: string;
  privateKeyPem: string;
}

const COMMON_NAMES: Record<Root, string> = {
  peer: 'kontiki-peer-ca',
  client: 'kontiki-client-ca',
  serving: 'kontiki-serving-ca',
  frontProxy: 'kontiki-front-proxy-ca',
};

export async function createTrust(crypto: Crypto): Promise<Trust> {
  const [peer, client, serving, frontProxy, serviceAccount] = await Promise.all([
    ...ROOTS.map((root) => crypto.createAuthority({ commonName: COMMON_NAMES[root], validityDays: AUTHORITY_DAYS })),
    crypto.generateKeyPair(),
  ] as [Promise<Authority>, Promise<Authority>, Promise<Authority>, Promise<Authority>, Promise<KeyPair>]);
  return { peer, client, serving, frontProxy, serviceAccount };
}

async function issue(
  crypto: Crypto,
  authority: Authority,
  subject: {
    commonName: string;
    organizations?: string[];
    dnsNames?: string[];
    ipAddresses?: string[];
    usages: ('server' | 'client')[];
  },
): Promise<Leaf> {
  const pair = await crypto.generateKeyPair();
  const certificatePem = await crypto.issueCertificate(authority, {
    ...subject,
    publicKeyPem: pair.publicKeyPem,
    validityDays: LEAF_DAYS,
  });
  return { certificatePem, privateKeyPem: pair.privateKeyPem };
}

/** For links between nodes; the common name is the node's name. */
export function issuePeer(crypto: Crypto, trust: Trust, node: string): Promise<Leaf> {
  return issue(crypto, trust.peer, {
    commonName: node,
    organizations: ['kontiki:nodes'],
    usages: ['server', 'client'],
  });
}

/** For a client of the peer links (wire/client-links.ts); never taken for a node. */
export function issueClient(crypto: Crypto, trust: Trust, name: string): Promise<Leaf> {
  return issue(crypto, trust.peer, { commonName: name, organizations: ['kontiki:clients'], usages: ['client'] });
}

export function issueServing(
  crypto: Crypto,
  trust: Trust,
  node: string,
  addresses: { dnsNames: string[]; ipAddresses: string[] },
): Promise<Leaf> {
  return issue(crypto, trust.serving, {
    commonName: 'kube-apiserver',
    dnsNames: [
      node,
      'localhost',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      ...addresses.dnsNames,
    ],
    ipAddresses: ['127.0.0.1', '::1', ...addresses.ipAddresses],
    usages: ['server'],
  });
}

/** By it aggregated API servers believe the names in our X-Remote headers. */
export function issueFrontProxy(crypto: Crypto, trust: Trust): Promise<Leaf> {
  return issue(crypto, trust.frontProxy, { commonName: 'front-proxy-client', usages: ['client'] });
}

export function issueAdmin(crypto: Crypto, trust: Trust): Promise<Leaf> {
  return issue(crypto, trust.client, {
    commonName: 'kubernetes-admin',
    organizations: ['system:masters'],
    usages: ['client'],
  });
}
