/**
 * The Network port over ws on TLS 1.3 with certificates on both sides.
 * Masking is left out (all-zero mask): it protects proxies from browsers, and there are neither
 * on an authenticated link; it would cost twice the CPU on large frames.
 */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import type { Link, LinkKind, LinkListener, LinkPeer, Network } from '#src/ports/network.ts';
import { Fault, messageOf } from '#src/std/fault.ts';

const HANDSHAKE_TIMEOUT_MS = 5000;
const LINKS_MAX = 2048;
const DRAIN_ABOVE_BYTES = 1024 * 1024;
/** How often a full buffer is looked at; ws has no drain event. */
const DRAIN_POLL_MS = 5;
/** Frames that arrive before a handler is set. */
const WAITING_FRAMES_MAX = 1024;
const PATHS: Record<LinkKind, string> = { peer: '/wire/peer', bulk: '/wire/bulk' };

export function createNetwork(): Network {
  return { listen, connect };
}

function peerOf(socket: TLSSocket): LinkPeer {
  const subject = socket.getPeerCertificate().subject as { CN?: string; O?: string | string[] } | undefined;
  const organizations = subject?.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O];
  return {
    commonName: subject?.CN ?? '',
    organizations,
    address: `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`,
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

function linkOf(socket: WebSocket, peer: LinkPeer): Link {
  let handleFrame: ((frame: Uint8Array) => void) | undefined;
  let handleClose: ((reason: string) => void) | undefined;
  let handleDrain: (() => void) | undefined;
  let waiting: Uint8Array[] = [];
  let closedWith: string | undefined;
  let failure = '';
  let polling: NodeJS.Timeout | undefined;

  socket.on('message', (data, isBinary) => {
    if (!isBinary) {
      socket.close(1003, 'frames are binary');
      return;
    }
    const frame = bytesOf(data);
    if (handleFrame) handleFrame(frame);
    else if (waiting.length < WAITING_FRAMES_MAX) waiting.push(frame);
    else socket.close(1008, 'too many frames before the handshake');
  });
  socket.on('error', (error) => (failure = error.message));
  socket.on('close', (code, reason) => {
    clearInterval(polling);
    closedWith =
      reason.length > 0
        ? reason.toString()
        : failure || (code === 1006 ? 'the connection broke' : `closed with code ${code}`);
    handleClose?.(closedWith);
  });

  function watchDrain(): void {
    polling ??= setInterval(() => {
      if (socket.bufferedAmount > 0) return;
      clearInterval(polling);
      polling = undefined;
      handleDrain?.();
    }, DRAIN_POLL_MS);
  }

  return {
    peer,
    send(frame) {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.send(frame, { binary: true });
      if (socket.bufferedAmount > DRAIN_ABOVE_BYTES) watchDrain();
    },
    bufferedBytes: () => socket.bufferedAmount,
    onFrame(handle) {
      handleFrame = handle;
      const early = waiting;
      waiting = [];
      for (const frame of early) handle(frame);
    },
    onClose(handle) {
      handleClose = handle;
      if (closedWith !== undefined) handle(closedWith);
    },
    onDrain(handle) {
      handleDrain = handle;
    },
    close(reason) {
      // 123 bytes is what a close frame holds (RFC 6455 §5.5).
      if (socket.readyState === WebSocket.OPEN) socket.close(1000, reason.slice(0, 120));
      else socket.terminate();
    },
  };
}

async function listen(options: Parameters<Network['listen']>[0]): Promise<LinkListener> {
  const { identity } = options;
  const server: Server = createServer({
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    ca: identity.authorityPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('request', (_request, response) => response.writeHead(426, { Connection: 'close' }).end());
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: options.frameBytesMax });
  server.on('upgrade', (request, socket, head) => {
    const kind = (Object.keys(PATHS) as LinkKind[]).find((name) => PATHS[name] === request.url);
    if (kind === undefined || sockets.clients.size >= LINKS_MAX) {
      socket.destroy();
      return;
    }
    const tls = request.socket as TLSSocket;
    tls.setNoDelay(true);
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      sockets.clients.add(webSocket);
      webSocket.on('close', () => sockets.clients.delete(webSocket));
      options.accept(linkOf(webSocket, peerOf(tls)), kind);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${options.host}:${options.port}`;
      reject(
        error.code === 'EADDRINUSE'
          ? new Fault(
              'NETWORK_ADDRESS_IN_USE',
              `peer address ${where} is in use by another process; stop it, or change peer.port`,
              'never',
              error,
            )
          : new Fault('NETWORK_LISTEN', `cannot listen on peer address ${where}: ${error.message}`, 'never', error),
      );
    });
    server.listen({ host: options.host, port: options.port, exclusive: true }, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

function connectFault(address: string, error: NodeJS.ErrnoException): Fault {
  const code = error.code ?? '';
  if (code === 'ETIMEDOUT' || error.message.includes('timed out'))
    return new Fault('NETWORK_TIMEOUT', `${address} did not answer in time`, 'later', error);
  if (code.includes('CERT') || code.includes('SSL') || code.includes('TLS') || code.includes('VERIFY')) {
    return new Fault(
      'NETWORK_CERTIFICATE',
      `${address} and this node do not trust each other's certificates (${messageOf(error)})`,
      'later',
      error,
    );
  }
  return new Fault('NETWORK_UNREACHABLE', `${address}: ${messageOf(error)}`, 'later', error);
}

function connect(options: Parameters<Network['connect']>[0]): Promise<Link> {
  const { identity, address } = options;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://${address}${PATHS[options.kind]}`, {
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      ca: identity.authorityPem,
      minVersion: 'TLSv1.3',
      // Node names are no host names: the common name is compared below instead.
      checkServerIdentity: (() => undefined) as unknown as () => boolean,
      handshakeTimeout: options.timeoutMs,
      perMessageDeflate: false,
      maxPayload: options.frameBytesMax,
      generateMask: () => undefined,
    });
    let tls: TLSSocket | undefined;
    socket.on('upgrade', (response) => {
      tls = response.socket as TLSSocket;
      tls.setNoDelay(true);
    });
    const failed = (error: Error): void => reject(connectFault(address, error));
    socket.once('error', failed);
    socket.once('open', () => {
      socket.off('error', failed);
      const peer = tls ? peerOf(tls) : { commonName: '', organizations: [], address };
      if (options.expectedCommonName !== undefined && peer.commonName !== options.expectedCommonName) {
        socket.on('error', () => undefined); // Being closed for its name.
        socket.terminate();
        reject(
          new Fault(
            'NETWORK_CERTIFICATE',
            `${address} is node '${peer.commonName}', not '${options.expectedCommonName}'`,
            'later',
          ),
        );
        return;
      }
      resolve(linkOf(socket, peer));
    });
  });
}
