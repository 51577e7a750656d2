/**
 * Mutually authenticated message links between nodes. A frame is delivered whole, in
 * order, at most once, or the link closes. Real: ws over TLS; simulated: sim/network.ts.
 */
export interface LinkIdentity {
  certificatePem: string;
  privateKeyPem: string;
  /** The only authority whose certificates are accepted. */
  authorityPem: string;
}

export interface LinkPeer {
  /** Of the verified certificate. */
  commonName: string;
  organizations: string[];
  /** host:port as seen from here. */
  address: string;
}

export interface Link {
  readonly peer: LinkPeer;
  /** Queue one frame. Never blocks, never throws; on a closed link it does nothing. */
  send(frame: Uint8Array): void;
  /** Bytes queued here and not yet handed to the kernel; for back-pressure. */
  bufferedBytes(): number;
  /** The bytes are valid only during the call unless copied. One handler; frames before it is set wait. */
  onFrame(handle: (frame: Uint8Array) => void): void;
  /** Called once; `reason` is for people. */
  onClose(handle: (reason: string) => void): void;
  /** Called each time the buffer has drained after `bufferedBytes` exceeded 1 MiB. */
  onDrain(handle: () => void): void;
  close(reason: string): void;
}

export interface LinkListener {
  readonly port: number;
  close(): Promise<void>;
}

/** `peer`: small messages; `bulk`: streams (snapshots, logs, exec). */
export type LinkKind = 'peer' | 'bulk';

export interface Network {
  /** Faults: NETWORK_ADDRESS_IN_USE names the address. */
  listen(options: {
    host: string;
    port: number;
    identity: LinkIdentity;
    frameBytesMax: number;
    accept: (link: Link, kind: LinkKind) => void;
  }): Promise<LinkListener>;
  /** Faults: NETWORK_UNREACHABLE, NETWORK_TIMEOUT, NETWORK_CERTIFICATE. */
  connect(options: {
    address: string;
    kind: LinkKind;
    identity: LinkIdentity;
    /** Refuse a server whose certificate carries another common name. */
    expectedCommonName?: string;
    frameBytesMax: number;
    timeoutMs: number;
  }): Promise<Link>;
}
