/** Requests that want to leave HTTP: exec, attach, port-forward and what a proxied server is asked to upgrade. */
import { ApiError } from '#src/api/api-error.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { Pod } from '#src/api/objects.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpUpgrade } from '#src/ports/http.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import type { Peers } from '#src/wire/peers.ts';
import { openKubeletStream } from './kubelet-stream.ts';
import { execRequestOf, relayWebSocketExec, WEBSOCKET_EXEC_PROTOCOLS } from './pod-exec.ts';
import {
  channelPorts,
  forwardChannels,
  PORT_FORWARD_CHANNELS,
  PORT_FORWARD_PROTOCOL,
  PORT_FORWARD_TUNNEL,
  PortForwarder,
} from './port-forward.ts';
import { proxyUpgrade } from './proxy.ts';
import type { Target } from './route.ts';
import { ExecStreams, relaySpdyExec, SPDY_EXEC_PROTOCOLS } from './spdy-exec.ts';
import { notFoundPath } from './status.ts';
import { negotiateSpdy, negotiateWebSocket, upgradeKind } from './stream-protocols.ts';
import { acceptSpdy, acceptTunnel } from './stream-socket.ts';

interface UpgradeContext {
  verbs: Verbs;
  /** The server's own: who may exec need not be allowed to read the Pod. */
  own: Verbs;
  clock: Clock;
  streams: Peers | undefined;
}

interface PodUpgrade {
  upgrade: HttpUpgrade;
  query: URLSearchParams;
  pod: Pod;
  streams: Peers;
  clock: Clock;
}

/**
 * Resolves when the connection is over. Everything that can be refused is refused before the handshake, where the
 * client can still read a Status. @throws ApiError.
 */
export async function serveUpgradeOf(upgrade: HttpUpgrade, target: Target, context: UpgradeContext): Promise<void> {
  const { route, query } = target;
  const kind = route.type === 'resource' ? findKind(route) : undefined;
  if (route.type !== 'resource' || kind === undefined || route.name === undefined) throw notFoundPath();
  const { streams, verbs, own, clock } = context;
  const subresource = route.subresource ?? '';
  if (!isServed(kind, subresource) || (kind.namespaced && route.namespace === undefined)) throw notFoundPath();
  if (streams === undefined) throw new ApiError(503, 'ServiceUnavailable', 'this server reaches no kubelets');
  if (subresource === 'proxy') {
    await proxyUpgrade(upgrade, { kind, route, verbs, own, streams, clock });
    return;
  }
  const { namespace, name } = route;
  verbs.require(kind, 'create', { namespace, name, subresource });
  const pod = (await own.get(kind, { namespace, name })).object() as Pod;
  const asked: PodUpgrade = { upgrade, query, pod, streams, clock };
  if (subresource === 'portforward') await servePortForward(asked);
  else await serveExec(asked, subresource === 'attach');
}

function isServed(kind: Kind, subresource: string): boolean {
  if (subresource === 'proxy') return kind.subresources.some(({ name }) => name === 'proxy');
  return kind.group === '' && kind.resource === 'pods' && ['exec', 'attach', 'portforward'].includes(subresource);
}

async function serveExec({ upgrade, query, pod, streams, clock }: PodUpgrade, attach: boolean): Promise<void> {
  const { headers } = upgrade.request;
  const request = execRequestOf(query, pod, attach);
  const isSpdy = upgradeKind(headers) === 'spdy';
  // After a refused WebSocket kubectl tries SPDY and shows what that one was refused for.
  const protocol = isSpdy
    ? negotiateSpdy(headers, SPDY_EXEC_PROTOCOLS)
    : negotiateWebSocket(headers, WEBSOCKET_EXEC_PROTOCOLS);
  const stream = await openKubeletStream(streams, pod, { method: 'kubelet.exec', header: request });
  if (isSpdy) {
    const collected = new ExecStreams(request, protocol);
    const served = acceptSpdy(upgrade, protocol, { clock, onStream: (opened) => collected.add(opened) });
    await relaySpdyExec(served, stream, { streams: collected, protocol, clock });
  } else {
    await relayWebSocketExec(await upgrade.acceptWebSocket(protocol), stream, { protocol, clock });
  }
}

async function servePortForward({ upgrade, query, pod, streams, clock }: PodUpgrade): Promise<void> {
  const { headers } = upgrade.request;
  const target = { streams, clock, pod };
  if (upgradeKind(headers) === 'spdy') {
    const protocol = negotiateSpdy(headers, [PORT_FORWARD_PROTOCOL]);
    const forwarder = new PortForwarder(target);
    await acceptSpdy(upgrade, protocol, { clock, onStream: (stream) => forwarder.add(stream) }).closed;
    return;
  }
  const protocol = negotiateWebSocket(headers, [PORT_FORWARD_TUNNEL, ...PORT_FORWARD_CHANNELS]);
  if (protocol === PORT_FORWARD_TUNNEL) {
    const forwarder = new PortForwarder(target);
    const onStream = forwarder.add.bind(forwarder);
    await (
      await acceptTunnel(upgrade, protocol, { clock, onStream })
    ).closed;
    return;
  }
  const ports = channelPorts(query);
  await forwardChannels(await upgrade.acceptWebSocket(protocol), target, ports);
}
