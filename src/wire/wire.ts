/**
 * Messages, requests and byte streams between nodes: one `peer` link per pair for what is small,
 * `bulk` links for streams, so that a snapshot never delays a heartbeat.
 * Owns: links, their handshake, reconnection, batching. Imports: std, ports, msgpackr.
 * Never: what the messages mean.
 * Read next: peers.ts (what others see), frames.ts (the format), peer-link.ts, bulk-link.ts.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Link, LinkIdentity, LinkKind, Network } from '#src/ports/network.ts';
import type { Random } from '#src/ports/random.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { createBulkLink, type BulkLink, type StreamHandler } from './bulk-link.ts';
import { createClientLinks, isClient, type ClientHandler } from './client-links.ts';
import { createStreamEnd } from './byte-stream.ts';
import { FRAME_BYTES_MAX, PROTOCOL_VERSION, type BulkMessage, type Hello } from './frames.ts';
import { createPeerLink, type PeerLink } from './peer-link.ts';
import type { NodeName, Peers } from './peers.ts';
import type { ByteStream } from './streams.ts';

const CONNECT_TIMEOUT_MS = 1500;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;
/** A link that ends this soon was not wanted over there: dial again as after a failure. */
const BRIEF_MS = 1000;
const PEERS_MAX = 10_000;

export interface WireOptions {
  network: Network;
  clock: Clock;
  random: Random;
  log: Log;
  self: NodeName;
  clusterId: string;
  /** New at each start of the process. */
  incarnation: string;
  version: string;
  /** How often a process of this data directory has started. */
  boots?: number;
  /** Why a member of this cluster may not come in all the same: removed, an old copy of a disk. */
  refusal?: (name: NodeName, process: { boots: number; incarnation: string }) => string | undefined;
  identity: LinkIdentity;
  listen: { host: string; port: number };
}

export interface Wire extends Peers {
  readonly port: number;
  /** Open a method to clients (client-links.ts), which may call nothing else. */
  onClientRequest(method: string, handle: ClientHandler): void;
  /** Dial also those that would dial us: they may not know where we are. */
  reachOut(on: boolean): void;
  close(): Promise<void>;
}

interface Peer {
  name: NodeName;
  address: string | undefined;
  link: PeerLink | undefined;
  bulk: Promise<BulkLink> | undefined;
  dialing: boolean;
  failures: number;
  /** When the last link was made, monotonic ms. */
  sinceMs: number;
  retry: Timer | undefined;
  /** The last reason told, so that a repeated one is not logged again and again. */
  told: string;
}

/** Listen and be ready for `setAddress`. Faults: NETWORK_ADDRESS_IN_USE. */
export async function createWire(options: WireOptions): Promise<Wire> {
  const { network, clock, random, self } = options;
  const log = options.log.scope('wire');
  const hello: Hello = {
    protocol: PROTOCOL_VERSION,
    clusterId: options.clusterId,
    node: self,
    incarnation: options.incarnation,
    version: options.version,
    ...(options.boots === undefined ? {} : { boots: options.boots }),
  };
  const peers = new Map<NodeName, Peer>();
  const messageHandlers = new Map<string, (from: NodeName, message: unknown) => void>();
  const requestHandlers = new Map<string, (from: NodeName, payload: unknown) => Promise<unknown>>();
  const streamHandlers = new Map<string, (from: NodeName, header: unknown, stream: ByteStream) => Promise<void>>();
  const disconnectHandlers: ((name: NodeName, reason: string) => void)[] = [];
  const accepted = new Set<BulkLink>();
  const clients = createClientLinks({ clock, log, hello });
  let closed = false;
  let reachesOut = false;

  function peerOf(name: NodeName): Peer {
    let peer = peers.get(name);
    if (!peer) {
      assert(peers.size < PEERS_MAX, `more than ${PEERS_MAX} peers`);
      peer = {
        name,
        address: undefined,
        link: undefined,
        bulk: undefined,
        dialing: false,
        failures: 0,
        sinceMs: 0,
        retry: undefined,
        told: '',
      };
      peers.set(name, peer);
    }
    return peer;
  }

  /** The rules of the handshake; what is refused here is told to the other side and to the log. */
  function admit(link: Link, other: Hello): void {
    if (other.protocol !== PROTOCOL_VERSION) {
      throw new Fault(
        'WIRE_PROTOCOL',
        `${other.node} speaks wire protocol ${other.protocol}, this node ${PROTOCOL_VERSION}; bring both to one release`,
        'never',
      );
    }
    if (other.clusterId !== hello.clusterId) {
      throw new Fault(
        'WIRE_FOREIGN_CLUSTER',
        `${other.node} belongs to cluster ${other.clusterId}, this node to ${hello.clusterId}`,
        'never',
      );
    }
    if (other.node !== link.peer.commonName) {
      throw new Fault(
        'WIRE_NAME',
        `the certificate of ${link.peer.address} names '${link.peer.commonName}', its hello '${other.node}'`,
        'never',
      );
    }
    // A client's certificate is of the same authority; it makes nobody a member.
    if (isClient(link)) throw new Fault('WIRE_NAME', `'${other.node}' at ${link.peer.address} is a client`, 'never');
    const refusal = options.refusal?.(other.node, { boots: other.boots ?? 0, incarnation: other.incarnation });
    if (refusal !== undefined) throw new Fault('WIRE_REFUSED', refusal, 'never');
    if (other.node === self)
      throw new Fault('WIRE_NAME', `${link.peer.address} carries this node's own name '${self}'`, 'never');
  }

  function adopt(link: Link): void {
    const name = link.peer.commonName;
    const peer = peerOf(name);
    createPeerLink({
      link,
      clock,
      log,
      hello,
      admit(other, established) {
        admit(link, other);
        if (closed) throw new Fault('WIRE_CLOSED', `${self} is stopping`, 'later');
        const current = peer.link;
        if (current && current !== established && current.hello && current.hello.incarnation !== other.incarnation) {
          throw new Fault(
            'WIRE_DUPLICATE',
            `another process of node '${name}' is connected (incarnation ${current.hello.incarnation}); stop one of them`,
            'later',
          );
        }
        if (current && current !== established) current.close('replaced by a newer link of the same process');
        peer.link = established;
        peer.sinceMs = clock.monotonicMs();
        log.debug('connected', { peer: name, address: link.peer.address });
      },
      onMessage: (channel, payload) => messageHandlers.get(channel)?.(name, payload),
      onRequest: (method, payload) => serveRequest(name, method, payload),
      onClose(reason, established) {
        if (peer.link !== established) return;
        peer.link = undefined;
        if (closed) return;
        const isBrief = clock.monotonicMs() - peer.sinceMs < BRIEF_MS;
        peer.failures = isBrief ? peer.failures + 1 : 0;
        if (isBrief && peer.told === reason) log.debug('disconnected', { peer: name, reason });
        else log.info('disconnected', { peer: name, reason });
        peer.told = reason;
        for (const handle of disconnectHandlers) handle(name, reason);
        dialLater(peer, backoffOf(peer));
      },
    });
  }

  function serveRequest(from: NodeName, method: string, payload: unknown): Promise<unknown> {
    const handler = requestHandlers.get(method);
    if (!handler) return Promise.reject(new Fault('WIRE_NO_METHOD', `${self} has no method '${method}'`, 'never'));
    // A handler that throws before its first await refuses like one that rejects.
    return (async () => await handler(from, payload))();
  }

  /** One side dials, the lower name, so that a pair has one link. */
  function mayDial(peer: Peer): boolean {
    return !closed && peer.address !== undefined && !peer.link && !peer.dialing && (reachesOut || self < peer.name);
  }

  function backoffOf({ failures }: Peer): number {
    if (failures === 0) return BACKOFF_MIN_MS;
    const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures, 10));
    return backoff / 2 + random.below(Math.max(1, backoff / 2));
  }

  function dialLater(peer: Peer, delayMs: number): void {
    peer.retry?.cancel();
    peer.retry = clock.after(delayMs, () => void dial(peer));
  }

  async function dial(peer: Peer): Promise<void> {
    if (!mayDial(peer) || peer.address === undefined) return;
    peer.dialing = true;
    try {
      adopt(await connect(peer.address, 'peer', peer.name));
    } catch (error) {
      peer.failures += 1;
      if (peer.told !== messageOf(error))
        log.debug('cannot connect; trying again', { peer: peer.name, error: messageOf(error) });
      peer.told = messageOf(error);
      dialLater(peer, backoffOf(peer));
    } finally {
      peer.dialing = false;
    }
  }

  function connect(address: string, kind: LinkKind, name: NodeName): Promise<Link> {
    return network.connect({
      address,
      kind,
      identity: options.identity,
      expectedCommonName: name,
      frameBytesMax: FRAME_BYTES_MAX,
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
  }

  function bulkOf(link: Link): BulkLink {
    const from = link.peer.commonName;
    return createBulkLink({
      link,
      hello,
      log,
      admit: (other) => admit(link, other),
      handlerOf(method): StreamHandler | undefined {
        const handler = streamHandlers.get(method);
        return handler && ((header, stream) => handler(from, header, stream));
      },
    });
  }

  async function openBulk(peer: Peer): Promise<BulkLink> {
    const address = peer.address;
    if (address === undefined)
      throw new Fault('WIRE_UNREACHABLE', `the address of node '${peer.name}' is not known here`, 'later');
    const opening = connect(address, 'bulk', peer.name).then(bulkOf);
    peer.bulk = opening;
    const forget = (): void => {
      if (peer.bulk === opening) peer.bulk = undefined;
    };
    try {
      const bulk = await opening;
      bulk.onClose(forget);
      return bulk;
    } catch (error) {
      forget();
      throw new Fault('WIRE_UNREACHABLE', `no bulk link to ${peer.name}: ${messageOf(error)}`, 'later', error);
    }
  }

  /** Two ends in one process, each message a turn later, as over a link. */
  function openToSelf(method: string, header: unknown): Promise<ByteStream> {
    const handler = streamHandlers.get(method);
    if (!handler) return Promise.reject(new Fault('WIRE_REFUSED', `no such stream method '${method}'`, 'never'));
    const later = (deliver: () => void): void => clock.soon(deliver);
    const near = createStreamEnd(
      0,
      (message: BulkMessage) => later(() => far.receive(message)),
      () => undefined,
    );
    const far = createStreamEnd(
      0,
      (message: BulkMessage) => later(() => near.receive(message)),
      () => undefined,
    );
    return new Promise((resolve, reject) => {
      let opened = false;
      const open = (): void => {
        opened = true;
        resolve(near);
      };
      const guarded: ByteStream = {
        ...far,
        write: (chunk) => (open(), far.write(chunk)),
        read: () => (open(), far.read()),
        end: () => (open(), far.end()),
      };
      later(() => {
        handler(self, header, guarded).then(open, (error: unknown) => {
          if (opened) far.cancel(messageOf(error));
          else reject(error instanceof Error ? error : new Error(String(error)));
        });
      });
    });
  }

  const listener = await network.listen({
    ...options.listen,
    identity: options.identity,
    frameBytesMax: FRAME_BYTES_MAX,
    accept(link, kind) {
      if (closed) link.close('stopping');
      else if (isClient(link)) {
        if (kind === 'peer') clients.adopt(link);
        else link.close('clients open no streams');
      } else if (kind === 'peer') adopt(link);
      else {
        const bulk = bulkOf(link);
        accepted.add(bulk);
        bulk.onClose(() => accepted.delete(bulk));
      }
    },
  });

  return {
    self,
    port: listener.port,
    reachOut(on) {
      reachesOut = on;
      if (on) for (const peer of peers.values()) void dial(peer);
    },
    send(to, channel, message) {
      if (to === self) clock.soon(() => messageHandlers.get(channel)?.(self, message));
      else peers.get(to)?.link?.send(['m', channel, message]);
    },
    onMessage: (channel, handle) => void messageHandlers.set(channel, handle),
    async request(to, method, payload, { timeoutMs }) {
      if (to === self) {
        await new Promise<void>((resolve) => clock.soon(resolve));
        return await serveRequest(self, method, payload);
      }
      const link = peers.get(to)?.link;
      if (!link) throw new Fault('WIRE_UNREACHABLE', `${self} has no link to ${to}`, 'later');
      return await link.request(method, payload, timeoutMs);
    },
    onRequest: (method, handle) => void requestHandlers.set(method, handle),
    onClientRequest: (method, handle) => clients.on(method, handle),
    async openStream(to, method, header) {
      if (to === self) return await openToSelf(method, header);
      const peer = peers.get(to);
      if (!peer) throw new Fault('WIRE_UNREACHABLE', `${self} knows no node '${to}'`, 'later');
      return await (await (peer.bulk ?? openBulk(peer))).open(method, header);
    },
    onStream: (method, handle) => void streamHandlers.set(method, handle),
    setAddress(name, address) {
      if (name === self) return;
      const peer = peerOf(name);
      if (peer.address === address) return;
      peer.address = address;
      if (address === undefined) {
        peer.retry?.cancel();
        peer.link?.close('forgotten');
        void peer.bulk?.then(
          (bulk) => bulk.close('forgotten'),
          () => undefined,
        ); // Never opened: nothing to close.
        peers.delete(name);
      } else {
        peer.failures = 0;
        void dial(peer);
      }
    },
    states: () =>
      [...peers.values()].map(({ name, address, link }) => {
        const rttMs = link?.rttMs();
        return {
          name,
          address: address ?? '',
          connected: link !== undefined,
          ...(rttMs === undefined ? {} : { rttMs }),
        };
      }),
    onDisconnect: (handle) => void disconnectHandlers.push(handle),
    async close() {
      closed = true;
      for (const peer of peers.values()) {
        peer.retry?.cancel();
        peer.link?.close('stopping');
        void peer.bulk?.then(
          (bulk) => bulk.close('stopping'),
          () => undefined,
        ); // Never opened: nothing to close.
      }
      for (const bulk of accepted) bulk.close('stopping');
      clients.close();
      await listener.close();
    },
  };
}
