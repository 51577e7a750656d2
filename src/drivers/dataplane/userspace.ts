/**
 * The data plane without privileges: Pods have loopback or engine addresses, and this process
 * listens on each ClusterIP and copies bytes to a ready endpoint, in turn.
 * A Service port below 1024 that may not be bound moves to an announced high port.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Dataplane, NodeNetwork, ServicePort } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import { assert } from '#src/std/assert.ts';
import { createOwnership, type Ownership } from './ownership.ts';

/** 80 becomes 10080. */
export const HIGH_PORT_OFFSET = 10_000;
const CONNECTIONS_PER_PORT_MAX = 1024;
const CONNECT_TIMEOUT_MS = 2000;
const LISTENERS_MAX = 4096;

interface Listener {
  server: Server;
  service: ServicePort;
  turn: number;
  sockets: Set<Socket>;
}

export function createUserspaceDataplane(options: { log: Log; reason: string }): Dataplane {
  const { log } = options;
  let network: NodeNetwork | undefined;
  let ownership: Ownership | undefined;
  const listeners = new Map<string, Listener>();
  const moved = new Map<string, string>();
  const failed = new Set<string>();

  function wanted(services: ServicePort[]): Map<string, ServicePort> {
    const result = new Map<string, ServicePort>();
    for (const service of services) {
      if (service.protocol !== 'TCP') continue;
      for (const ip of service.clusterIps) result.set(`${ip}:${service.port}`, service);
      if (service.nodePort !== undefined) result.set(`127.0.0.1:${service.nodePort}`, service);
    }
    return result;
  }

  function listen(server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
    return new Promise((resolve) => {
      const onError = (error: NodeJS.ErrnoException): void => resolve(error);
      server.once('error', onError);
      server.listen({ host, port, exclusive: true }, () => {
        server.off('error', onError);
        server.on('error', (error) =>
          log.warn('a service listener failed', { address: `${host}:${port}`, error: error.message }),
        );
        resolve(undefined);
      });
    });
  }

  async function open(address: string, service: ServicePort): Promise<void> {
    const [host, portText] = address.split(':') as [string, string];
    const port = Number(portText);
    const listener: Listener = { server: createServer({ pauseOnConnect: true }), service, turn: 0, sockets: new Set() };
    listener.server.maxConnections = CONNECTIONS_PER_PORT_MAX;
    listener.server.on('connection', (client) => forward(listener, client));
    let error = await listen(listener.server, host, port);
    if (error?.code === 'EACCES' && port < 1024) {
      error = await listen(listener.server, host, port + HIGH_PORT_OFFSET);
      if (!error) {
        moved.set(
          address,
          `Service ${service.id} answers on ${host}:${port + HIGH_PORT_OFFSET}, since port ${port} needs privileges`,
        );
        log.warn(moved.get(address) ?? '');
      }
    }
    if (error) {
      if (!failed.has(address))
        log.warn('a service address cannot be listened on', { service: service.id, address, error: error.message });
      failed.add(address);
      return;
    }
    failed.delete(address);
    listeners.set(address, listener);
  }

  function forward(listener: Listener, client: Socket): void {
    const endpoints = listener.service.endpoints;
    const start = listener.service.sessionAffinity ? hashOf(client.remoteAddress ?? '') : (listener.turn += 1);
    client.on('error', () => client.destroy());
    track(listener, client);
    attempt(listener, client, endpoints, start, 0);
  }

  /** Endpoints that refuse are passed over once each; then the client is refused too. */
  function attempt(
    listener: Listener,
    client: Socket,
    endpoints: ServicePort['endpoints'],
    start: number,
    tried: number,
  ): void {
    const endpoint = endpoints[(start + tried) % Math.max(1, endpoints.length)];
    if (!endpoint || tried >= endpoints.length) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: endpoint.ip, port: endpoint.port });
    upstream.setTimeout(CONNECT_TIMEOUT_MS, () => upstream.destroy(new Error('connect timeout')));
    const refused = (): void => {
      upstream.destroy();
      attempt(listener, client, endpoints, start, tried + 1);
    };
    upstream.once('error', refused);
    upstream.once('connect', () => {
      upstream.setTimeout(0);
      upstream.off('error', refused);
      upstream.on('error', () => client.destroy());
      track(listener, upstream);
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroySoon());
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  function track(listener: Listener, socket: Socket): void {
    listener.sockets.add(socket);
    socket.on('close', () => listener.sockets.delete(socket));
  }

  async function closeListener(address: string): Promise<void> {
    const listener = listeners.get(address);
    if (!listener) return;
    listeners.delete(address);
    moved.delete(address);
    for (const socket of listener.sockets) socket.destroy();
    await new Promise<void>((resolve) => void listener.server.close(() => resolve()));
  }

  async function closeAll(): Promise<void> {
    for (const address of listeners.keys()) await closeListener(address);
  }

  return {
    capabilities: () => Promise.resolve({ mode: 'userspace', limits: [options.reason, ...moved.values()] }),
    prepareNode(next) {
      network = next;
      ownership ??= createOwnership(next.clusterId);
      return Promise.resolve();
    },
    async acquire() {
      assert(network && ownership, 'prepareNode comes before acquire');
      await ownership.acquire();
    },
    owns: () => ownership?.owns() ?? false,
    attachPod: () => Promise.resolve(),
    detachPod: () => Promise.resolve(),
    async applyServices(services) {
      const next = wanted(services);
      for (const address of listeners.keys()) if (!next.has(address)) await closeListener(address);
      for (const [address, service] of next) {
        const listener = listeners.get(address);
        if (listener) listener.service = service;
        else if (listeners.size < LISTENERS_MAX) await open(address, service);
      }
    },
    applyRoutes: () => Promise.resolve(),
    async release() {
      await closeAll();
      await ownership?.release();
    },
    removeAll: closeAll,
  };
}

function hashOf(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) >>> 0;
  return hash;
}
