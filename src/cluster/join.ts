/**
 * How a node comes into a cluster. The token proves both sides to each other:
 *
 *   kontiki1.<hex SHA-256 of the serving authority's PEM>.<secret>
 *
 * The joiner fetches the authority without trust, checks it against the hash, and sends the
 * secret only over a connection verified by it. The cluster stores the secret's hash.
 */
import type { Crypto } from '#src/ports/crypto.ts';
import type { Http } from '#src/ports/http.ts';
import type { Random } from '#src/ports/random.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Keys } from './identity.ts';

const TIMEOUT_MS = 5000;
const ANSWER_BYTES_MAX = 1024 * 1024;
const SECRET_BYTES = 16;
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export interface JoinRequest {
  secret: string;
  nodeName: string;
  /** Of the joiner's data directory. */
  incarnation: string;
  /** host:port where its peers reach it. */
  peerAddress: string;
  apiAddresses: { dnsNames: string[]; ipAddresses: string[] };
}

export interface JoinAnswer {
  clusterId: string;
  ranges: { pods: string; services: string };
  podCidr: string;
  keys: Keys;
  /** Members and their peer addresses. */
  peers: Record<string, string>;
}

export const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export const unhex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export function hashOf(crypto: Crypto, text: string): string {
  return hex(crypto.sha256(new TextEncoder().encode(text)));
}

export function createSecret(random: Random): string {
  return hex(random.bytes(SECRET_BYTES));
}

export function formatToken(crypto: Crypto, servingAuthorityPem: string, secret: string): string {
  return `kontiki1.${hashOf(crypto, servingAuthorityPem)}.${secret}`;
}

function parseToken(token: string): { authorityHash: string; secret: string } {
  const [version, authorityHash, secret, ...rest] = token.split('.');
  if (version !== 'kontiki1' || !authorityHash || !secret || rest.length > 0 || !/^[0-9a-f]{64}$/.test(authorityHash)) {
    throw new Fault(
      'CLUSTER_TOKEN',
      "join.token is not of the form kontiki1.<hash>.<secret>; copy it whole from the first node's file join-token",
      'never',
    );
  }
  return { authorityHash, secret };
}

/** A name that Kubernetes takes for a Node. Faults: CLUSTER_NODE_NAME. */
export function checkNodeName(name: unknown): string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new Fault(
      'CLUSTER_NODE_NAME',
      `node name ${JSON.stringify(name)} is no DNS-1123 label (lower-case letters, digits and -, at most 63 characters)`,
      'never',
    );
  }
  return name;
}

/** What the handler received, checked. Faults: CLUSTER_JOIN_REQUEST, CLUSTER_NODE_NAME. */
export function parseJoinRequest(body: unknown): JoinRequest {
  const given = body as Partial<JoinRequest> | null;
  const bad = (field: string): never => {
    throw new Fault('CLUSTER_JOIN_REQUEST', `field '${field}' of the join request is missing or malformed`, 'never');
  };
  if (typeof given !== 'object' || given === null) return bad('(body)');
  if (typeof given.secret !== 'string') bad('secret');
  if (typeof given.incarnation !== 'string') bad('incarnation');
  if (typeof given.peerAddress !== 'string' || !/^[^\s:]+:\d{1,5}$/.test(given.peerAddress)) bad('peerAddress');
  const addresses = given.apiAddresses;
  const isTexts = (value: unknown): boolean =>
    Array.isArray(value) && value.length <= 32 && value.every((item) => typeof item === 'string');
  if (!addresses || !isTexts(addresses.dnsNames) || !isTexts(addresses.ipAddresses)) bad('apiAddresses');
  checkNodeName(given.nodeName);
  return given as JoinRequest;
}

function statusFault(status: number, body: Uint8Array, url: string): Fault {
  const text = new TextDecoder().decode(body).slice(0, 500);
  let message = text;
  try {
    message = String((JSON.parse(text) as { message?: string }).message ?? text);
  } catch {
    // Not our JSON (a proxy, another server): its text has to do.
  }
  return new Fault(
    'CLUSTER_JOIN_REFUSED',
    `${url} refused the join (${status}): ${message}`,
    status === 503 || status === 429 ? 'later' : 'never',
  );
}

/** The joiner's side. Faults: CLUSTER_TOKEN, CLUSTER_JOIN_REFUSED, HTTP_*. */
export async function joinCluster(options: {
  http: Http;
  crypto: Crypto;
  server: string;
  token: string;
  request: Omit<JoinRequest, 'secret'>;
}): Promise<JoinAnswer> {
  const { http, crypto, server } = options;
  const { authorityHash, secret } = parseToken(options.token);
  const limits = { timeoutMs: TIMEOUT_MS, bodyBytesMax: ANSWER_BYTES_MAX };
  const authority = await http.fetch({ method: 'GET', url: `${server}/cluster/v1/ca`, ...limits });
  if (authority.status !== 200) throw statusFault(authority.status, authority.body, server);
  const authorityPem = new TextDecoder().decode(authority.body);
  if (hashOf(crypto, authorityPem) !== authorityHash) {
    throw new Fault(
      'CLUSTER_TOKEN',
      `${server} shows another authority than join.token promises: a wrong address, a token of another cluster, or someone in between`,
      'never',
    );
  }
  const body = new TextEncoder().encode(JSON.stringify({ ...options.request, secret }));
  const answer = await http.fetch({
    method: 'POST',
    url: `${server}/cluster/v1/join`,
    headers: { 'content-type': 'application/json' },
    body,
    authorityPem,
    ...limits,
    timeoutMs: 4 * TIMEOUT_MS,
  });
  if (answer.status !== 200) throw statusFault(answer.status, answer.body, server);
  try {
    return JSON.parse(new TextDecoder().decode(answer.body)) as JoinAnswer;
  } catch (error) {
    throw new Fault(
      'CLUSTER_JOIN_REFUSED',
      `${server} answered the join with something that is no JSON: ${messageOf(error)}`,
      'never',
      error,
    );
  }
}
