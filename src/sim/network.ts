/**
 * The Network port of simulated nodes, and the handle by which faults reach it: latency,
 * partitions (both ways or one), places that crash.
 * Imports: ports, std.
 * Read next: fabric.ts (connections), http.ts (the other port over the same fabric).
 */
import type { Link, LinkKind, LinkPeer, Network } from '#src/ports/network.ts';
import { Fault, isFault } from '#src/std/fault.ts';
import type { NodeClock, World } from './clock.ts';
import { describeCertificate, holdsKey, verifyCertificate } from './crypto.ts';
import { Fabric, type End, type Place, type Quality } from './fabric.ts';
import type { Prng } from './prng.ts';

const drainAboveBytes = 1024 * 1024;

export interface SimNetwork {
  readonly fabric: Fabric;
  /** The port of a new incarnation of this node. `host`: its address, apart from loopback. */
  of(name: string, clock: NodeClock, host?: string): Network;
  /** Nothing passes from `a` to `b` any more, and with `oneWay` false (the default) nothing back. */
  partition(a: string, b: string, options?: { oneWay?: boolean }): void;
  heal(a: string, b: string): void;
  /** Only what goes from `from` to `to`. */
  healWay(from: string, to: string): void;
  healAll(): void;
  /** All places that have ever entered. */
  names(): string[];
  /** Bulk links to this node are closed and refused, so that it gets no snapshots while small messages pass. */
  refuseBulk(name: string, refused: boolean): void;
  setQuality(quality: Quality): void;
  crash(name: string, kind: 'power' | 'process'): void;
}

interface Hello {
  kind: LinkKind;
  certificatePem: string;
  privateKeyPem: string;
}

/** Bulk links by the node that accepted them. */
interface BulkDoors {
  refused: Set<string>;
  accepted: Map<string, End[]>;
}

export function createSimNetwork({ world, prng }: { world: World; prng: Prng }): SimNetwork {
  const fabric = new Fabric(world, prng);
  const bulk: BulkDoors = { refused: new Set(), accepted: new Map() };
  return {
    fabric,
    of: (name, clock, host) => networkOf(fabric, fabric.enter(name, clock, host), bulk),
    refuseBulk(name, refused) {
      if (refused) bulk.refused.add(name);
      else bulk.refused.delete(name);
      if (refused) for (const end of bulk.accepted.get(name) ?? []) end.close('no bulk links now');
    },
    partition(a, b, { oneWay = false } = {}) {
      fabric.cut(a, b);
      if (!oneWay) fabric.cut(b, a);
    },
    heal(a, b) {
      fabric.heal(a, b);
      fabric.heal(b, a);
    },
    healWay: (from, to) => fabric.heal(from, to),
    healAll: () => fabric.healAll(),
    names: () => fabric.names(),
    setQuality(quality) {
      fabric.quality = quality;
    },
    crash: (name, kind) => fabric.crash(name, kind),
  };
}

function networkOf(fabric: Fabric, place: Place, bulk: BulkDoors): Network {
  return {
    listen({ host, port, identity, frameBytesMax, accept }) {
      const accepted = new Set<End>();
      const listener = fabric.listen(place, {
        host,
        port,
        accept(end, hello) {
          const { kind, certificatePem, privateKeyPem } = hello as Hello;
          const nowMs = place.clock.wallMs();
          if (
            !verifyCertificate(certificatePem, identity.authorityPem, nowMs) ||
            !holdsKey(certificatePem, privateKeyPem)
          )
            return { refused: distrust(`${host}:${port}`) };
          if (kind === 'bulk' && bulk.refused.has(place.name))
            return { refused: new Fault('NETWORK_UNREACHABLE', `${host}:${port} takes no bulk links now`, 'later') };
          for (const old of accepted) if (!place.ends.has(old)) accepted.delete(old);
          accepted.add(end);
          if (kind === 'bulk')
            bulk.accepted.set(
              place.name,
              [...(bulk.accepted.get(place.name) ?? []), end].filter((one) => one.place.ends.has(one)),
            );
          accept(linkOf(end, peerOf(certificatePem, `${end.remote.name}:0`), frameBytesMax), kind);
          return { answer: identity.certificatePem };
        },
      });
      if (listener) {
        const close = (): Promise<void> => {
          listener.close();
          for (const end of accepted) end.close('the listener was closed');
          return Promise.resolve();
        };
        return Promise.resolve({ port: listener.port, close });
      }
      const message = `peer address ${host}:${port} is in use by another process; stop it, or change peer.port`;
      return Promise.reject(new Fault('NETWORK_ADDRESS_IN_USE', message, 'never'));
    },
    async connect({ address, kind, identity, expectedCommonName, frameBytesMax, timeoutMs }) {
      const at = address.lastIndexOf(':');
      const hello: Hello = { kind, certificatePem: identity.certificatePem, privateKeyPem: identity.privateKeyPem };
      const call = { host: address.slice(0, at), port: Number(address.slice(at + 1)), hello, timeoutMs };
      const { end, answer } = await fabric.connect(place, call).catch((error: unknown) => {
        throw connectFault(address, error);
      });
      const peer = peerOf(answer as string, address);
      const trusted = verifyCertificate(answer as string, identity.authorityPem, place.clock.wallMs());
      if (trusted && (expectedCommonName === undefined || peer.commonName === expectedCommonName))
        return linkOf(end, peer, frameBytesMax);
      end.close('not trusted');
      if (!trusted) throw distrust(address);
      throw new Fault(
        'NETWORK_CERTIFICATE',
        `${address} is node '${peer.commonName}', not '${expectedCommonName}'`,
        'later',
      );
    },
  };
}

function peerOf(certificatePem: string, address: string): LinkPeer {
  const { commonName, organizations } = describeCertificate(certificatePem);
  return { commonName, organizations, address };
}

function distrust(address: string): Fault {
  return new Fault('NETWORK_CERTIFICATE', `${address} and this node do not trust each other's certificates`, 'later');
}

function connectFault(address: string, error: unknown): Fault {
  if (isFault(error, 'FABRIC_TIMEOUT'))
    return new Fault('NETWORK_TIMEOUT', `${address} did not answer in time`, 'later', error);
  if (isFault(error, 'FABRIC_REFUSED'))
    return new Fault('NETWORK_UNREACHABLE', `${address}: ${error.message}`, 'later', error);
  return error as Fault;
}

function linkOf(end: End, peer: LinkPeer, frameBytesMax: number): Link {
  let drain: (() => void) | undefined;
  let wasFull = false;
  let handleFrame: ((frame: Uint8Array) => void) | undefined;
  end.onTaken(() => {
    if (!wasFull || end.bufferedBytes() > 0) return;
    wasFull = false;
    drain?.();
  });
  return {
    peer,
    send(frame) {
      // A copy: the sender may use its buffer again, the receiver's is taken away after the call.
      end.send(frame.slice(), frame.length);
      if (end.bufferedBytes() > drainAboveBytes) wasFull = true;
    },
    bufferedBytes: () => end.bufferedBytes(),
    onFrame(handle) {
      handleFrame = handle;
      end.onItem((item) => {
        const frame = item as Uint8Array;
        if (frame.length > frameBytesMax) {
          end.close(`a frame of ${frame.length} bytes is over ${frameBytesMax}`);
          return;
        }
        handleFrame?.(frame);
        // Valid only during the call: who kept a view reads this instead of luck.
        frame.fill(0xdd);
      });
    },
    onClose: (handle) => end.onClose(handle),
    onDrain(handle) {
      drain = handle;
    },
    close: (reason) => end.close(reason.slice(0, 120)),
  };
}
