/**
 * Links of clients: processes that are no members, with a certificate of the peers' authority that says
 * so (organization `kontiki:clients`). They may ask the methods opened to clients and nothing else: no
 * consensus message, no other request, no stream. Bounded in links, and in requests under way a link.
 * Owns: the client side's link too (`connectClient`), so that both ends share one handshake.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Link, LinkIdentity, Network } from '#src/ports/network.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { FRAME_BYTES_MAX, PROTOCOL_VERSION, type Hello } from './frames.ts';
import { createPeerLink, type PeerLink } from './peer-link.ts';

export const CLIENT_ORGANIZATION = 'kontiki:clients';
/** Links of clients at the same time; above, a new one is closed. */
const CLIENT_LINKS_MAX = 256;
/** Requests of one client being answered; above, they are refused. */
const CLIENT_REQUESTS_MAX = 4096;
const CONNECT_TIMEOUT_MS = 1500;

export type ClientHandler = (client: string, payload: unknown) => Promise<unknown>;

export function isClient(link: Link): boolean {
  return link.peer.organizations.includes(CLIENT_ORGANIZATION);
}

/** The rules of a client's hello; WIRE_PROTOCOL, WIRE_FOREIGN_CLUSTER, WIRE_NAME. */
function admitClient(link: Link, own: Hello, other: Hello): void {
  const refuse = (code: string, text: string): never => {
    throw new Fault(code, text, 'never');
  };
  if (other.protocol !== PROTOCOL_VERSION)
    refuse('WIRE_PROTOCOL', `client ${other.node} speaks wire protocol ${other.protocol}, not ${PROTOCOL_VERSION}`);
  if (other.clusterId !== own.clusterId)
    refuse(
      'WIRE_FOREIGN_CLUSTER',
      `client ${other.node} asks for cluster ${other.clusterId}, this is ${own.clusterId}`,
    );
  if (other.node !== link.peer.commonName)
    refuse('WIRE_NAME', `the certificate of ${link.peer.address} names '${link.peer.commonName}', not '${other.node}'`);
}

export interface ClientLinks {
  on(method: string, handle: ClientHandler): void;
  adopt(link: Link): void;
  close(): void;
}

export function createClientLinks(options: { clock: Clock; log: Log; hello: Hello }): ClientLinks {
  const { clock, log, hello } = options;
  const handlers = new Map<string, ClientHandler>();
  const links = new Set<PeerLink>();

  function adopt(link: Link): void {
    if (links.size >= CLIENT_LINKS_MAX) {
      link.close(`${CLIENT_LINKS_MAX} clients are connected already`);
      return;
    }
    const client = link.peer.commonName;
    let underWay = 0;
    const peerLink = createPeerLink({
      link,
      clock,
      log,
      hello,
      admit: (other) => admitClient(link, hello, other),
      onMessage: () => undefined, // Fire and forget is between members; dropped unread.
      onRequest(method, payload) {
        const handle = handlers.get(method);
        if (!handle) {
          const why = `${hello.node} opens no method '${method}' to clients`;
          return Promise.reject(new Fault('WIRE_NO_METHOD', why, 'never'));
        }
        if (underWay >= CLIENT_REQUESTS_MAX) {
          const why = `${CLIENT_REQUESTS_MAX} requests of client ${client} are under way; wait for answers`;
          return Promise.reject(new Fault('WIRE_OVERLOADED', why, 'later'));
        }
        underWay += 1;
        const done = (): void => void (underWay -= 1);
        try {
          const answer = handle(client, payload);
          answer.then(done, done);
          return answer;
        } catch (error) {
          done();
          return Promise.reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
      onClose: (_reason, closed) => void links.delete(closed),
    });
    links.add(peerLink);
  }

  return {
    on: (method, handle) => void handlers.set(method, handle),
    adopt,
    close: () => links.forEach((link) => link.close('stopping')),
  };
}

export interface WireClient {
  request(method: string, payload: unknown, timeoutMs: number): Promise<unknown>;
  close(): void;
}

/** A client's own end. Faults: NETWORK_*, and what the server says of the hello as a lost link. */
export async function connectClient(options: {
  network: Network;
  clock: Clock;
  log: Log;
  identity: LinkIdentity;
  clusterId: string;
  /** The common name of the certificate. */
  name: string;
  incarnation: string;
  address: string;
  /** The node expected there. */
  node: string;
}): Promise<WireClient> {
  const { network, clock, log, identity, clusterId, name, incarnation } = options;
  const link = await network.connect({
    address: options.address,
    kind: 'peer',
    identity,
    expectedCommonName: options.node,
    frameBytesMax: FRAME_BYTES_MAX,
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  const peerLink = createPeerLink({
    link,
    clock,
    log,
    hello: { protocol: PROTOCOL_VERSION, clusterId, node: name, incarnation, version: 'client' },
    admit: () => undefined, // The certificate has named the server already.
    onMessage: () => undefined, // Nobody sends any to a client.
    onRequest: (method) => Promise.reject(new Fault('WIRE_NO_METHOD', `clients serve nothing, not ${method}`, 'never')),
    onClose: (reason) => log.debug('disconnected', { node: options.node, reason: messageOf(reason) }),
  });
  return {
    request: (method, payload, timeoutMs) => peerLink.request(method, payload, timeoutMs),
    close: () => peerLink.close('done'),
  };
}
