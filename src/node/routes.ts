/**
 * /cluster/v1: what nodes and the command line ask of a node that is not the Kubernetes API.
 *   GET  ca                 the serving authority; open, its hash is in the join token
 *   POST join               a new node, with the token's secret; forwarded to the leader
 *   GET  status             this node, for system:masters
 *   POST members            promote, demote, remove, transfer, command-version; for system:masters, forwarded to the leader
 *   GET  snapshot           a backup of the whole state, secrets included; for system:masters
 *   GET  actors             live actors, for system:masters
 *   POST client-certificate a certificate for clients of the peer links, for system:masters
 *   POST remove-containers  the operator takes the cluster down, for system:masters
 */
import { admitNode, issueClientFor } from '#src/cluster/cluster.ts';
import type { Keys } from '#src/cluster/identity.ts';
import { parseJoinRequest, type JoinAnswer } from '#src/cluster/join.ts';
import { operate, parseMemberRequest } from '#src/cluster/operations.ts';
import type { Records } from '#src/cluster/records.ts';
import type { ExtraRoutes } from '#src/apiserver/apiserver.ts';
import type { HttpRequest, HttpResponse } from '#src/ports/http.ts';
import type { Ports } from '#src/ports/ports.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Membership } from '#src/replica/membership.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import type { Store } from '#src/store/store.ts';
import { backupChunks } from './backup.ts';
import type { Wire } from '#src/wire/wire.ts';

const PREFIX = '/cluster/v1/';
const BODY = { bytesMax: 64 * 1024, timeoutMs: 5000 };
const JOIN_TIMEOUT_MS = 15_000;
const JOIN_METHOD = 'cluster.join';
const MEMBERS_METHOD = 'cluster.members';
/** Between two chunks of 1 MiB. */
const BACKUP_REST_MS = 5;
const LEADER_ATTEMPTS_MAX = 20;
const LEADER_PAUSE_MS = 100;
const ADDRESS_METHOD = 'cluster.address';

interface RouteOptions {
  ports: Ports;
  keys: Keys;
  records: Records;
  membership: Membership;
  wire: Wire;
  status: () => unknown;
  actors: () => unknown[];
  removeContainers: () => Promise<void>;
  name: string;
  clusterId: string;
  store: () => Store;
  /** Resolves when the local state holds all that was acknowledged before. */
  confirm: () => Promise<unknown>;
}

interface Answer {
  status: number;
  body: unknown;
}

function noLeader(voters: readonly string[]): Fault {
  const needed = Math.floor(voters.length / 2) + 1;
  return new Fault(
    'CLUSTER_NO_LEADER',
    `the cluster has no leader at the moment: ${needed} of its ${voters.length} voters (${voters.join(', ')}) have to reach each other`,
    'later',
  );
}

export function clusterRoutes(options: RouteOptions): ExtraRoutes {
  const { ports, keys, records, membership, wire } = options;
  const admit = (body: unknown): Promise<JoinAnswer> =>
    admitNode({ crypto: ports.crypto, clock: ports.clock, keys, records, membership }, parseJoinRequest(body));

  wire.onRequest(JOIN_METHOD, (_from, payload) => admit(payload));
  const change = (body: unknown): Promise<string> =>
    operate({ membership, records, nowMs: () => ports.clock.wallMs() }, parseMemberRequest(body));
  wire.onRequest(MEMBERS_METHOD, (_from, payload) => change(payload));
  // A member says itself where it is reached; its certificate names it. Who does not lead passes it on, once.
  wire.onRequest(ADDRESS_METHOD, async (from, payload) => {
    const passedOn = typeof payload === 'string' ? undefined : (payload as { name: string; address: string });
    const { name, address } = passedOn ?? { name: from, address: payload as string };
    const { leader, self } = membership.status();
    if (passedOn !== undefined || leader === undefined || leader === self) await membership.setAddress(name, address);
    else await wire.request(leader, ADDRESS_METHOD, { name, address }, { timeoutMs: JOIN_TIMEOUT_MS });
    return null;
  });

  /** Only the leader changes the membership; any node may be asked. */
  async function members(request: HttpRequest): Promise<Answer> {
    const body = await jsonOf(request);
    parseMemberRequest(body);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return { status: 200, body: { message: await byLeader(body) } };
      } catch (error) {
        // A leader that is to be removed hands over first.
        if (!isFault(error, 'REPLICA_NOT_LEADER') || attempt >= LEADER_ATTEMPTS_MAX) throw error;
      }
      await new Promise<void>((resolve) => ports.clock.after(LEADER_PAUSE_MS, resolve));
    }
  }

  async function byLeader(body: unknown): Promise<unknown> {
    const { leader, self } = membership.status();
    if (leader === undefined) throw noLeader(membership.status().voters);
    if (leader === self) return await change(body);
    return await wire.request(leader, MEMBERS_METHOD, body, { timeoutMs: JOIN_TIMEOUT_MS });
  }

  async function jsonOf(request: HttpRequest): Promise<unknown> {
    try {
      return JSON.parse(new TextDecoder().decode(await request.body(BODY)));
    } catch (error) {
      throw isFault(error) ? error : new Fault('CLUSTER_REQUEST', 'the body of the request is no JSON', 'never', error);
    }
  }

  /** Only the leader changes the membership; any node may be asked. */
  async function join(request: HttpRequest): Promise<Answer> {
    const body = await jsonOf(request);
    parseJoinRequest(body);
    const { leader, self } = membership.status();
    if (leader === undefined) throw noLeader(membership.status().voters);
    if (leader === self) return { status: 200, body: await admit(body) };
    return { status: 200, body: await wire.request(leader, JOIN_METHOD, body, { timeoutMs: JOIN_TIMEOUT_MS }) };
  }

  async function answer(request: HttpRequest, route: string, identity: Identity | undefined): Promise<Answer | 'ca'> {
    const what = `${request.method} ${route}`;
    if (what === 'GET ca') return 'ca';
    if (what === 'POST join') return await join(request);
    if (!identity?.groups.includes('system:masters')) {
      return {
        status: identity ? 403 : 401,
        body: { message: `${PREFIX}${route} is for administrators (group system:masters)` },
      };
    }
    switch (what) {
      case 'GET status':
        return { status: 200, body: options.status() };
      case 'POST members':
        return await members(request);
      case 'GET actors':
        return { status: 200, body: { actors: options.actors() } };
      case 'POST client-certificate':
        return { status: 200, body: await issueClientFor({ crypto: ports.crypto, keys, records }, identity.user) };
      case 'POST remove-containers':
        await options.removeContainers();
        return { status: 200, body: {} };
      default:
        return { status: 404, body: { message: `there is no ${what} here` } };
    }
  }

  function refusal(error: unknown): Answer {
    if (!isFault(error)) return { status: 500, body: { message: messageOf(error) } };
    const conflicts = ['CLUSTER_NAME_TAKEN', 'REPLICA_VERSION'];
    let status = error.retry === 'never' ? 400 : 503;
    if (error.code === 'CLUSTER_TOKEN') status = 401;
    if (conflicts.includes(error.code)) status = 409;
    return { status, body: { code: error.code, message: error.message } };
  }

  /** As fast as the client takes it, with rests, so that heartbeats are on time. */
  async function sendBackup(response: HttpResponse): Promise<void> {
    const { term, voters } = membership.status();
    const facts = {
      clusterId: options.clusterId,
      node: options.name,
      takenAtMs: ports.clock.wallMs(),
      term,
      voters,
      keys,
    };
    const rest = (): Promise<void> => new Promise((resolve) => ports.clock.after(BACKUP_REST_MS, resolve));
    try {
      // Everything acknowledged before this request is in it.
      await options.confirm();
    } catch (error) {
      const { status, body } = refusal(error);
      response.head(status, { 'content-type': 'application/json' });
      response.end(new TextEncoder().encode(JSON.stringify(body)));
      return;
    }
    response.head(200, { 'content-type': 'application/octet-stream' });
    for await (const chunk of backupChunks(options.store(), facts, rest)) {
      if (response.closed) return;
      if (!response.write(chunk)) await response.drained();
    }
    response.end();
  }

  async function serve(
    request: HttpRequest,
    response: HttpResponse,
    route: string,
    identity: Identity | undefined,
  ): Promise<void> {
    if (request.method === 'GET' && route === 'snapshot' && identity?.groups.includes('system:masters')) {
      await sendBackup(response);
      return;
    }
    let result: Answer | 'ca';
    try {
      result = await answer(request, route, identity);
    } catch (error) {
      result = refusal(error);
    }
    if (result === 'ca') {
      response.head(200, { 'content-type': 'application/x-pem-file' });
      response.end(new TextEncoder().encode(keys.trust.serving));
      return;
    }
    response.head(result.status, { 'content-type': 'application/json' });
    response.end(new TextEncoder().encode(JSON.stringify(result.body)));
  }

  return (request, response, identity) => {
    const path = request.url.split('?')[0] ?? '';
    if (!path.startsWith(PREFIX)) return false;
    void serve(request, response, path.slice(PREFIX.length), identity);
    return true;
  };
}
