/**
 * What the rest of the node sees of the wire: messages and byte streams to nodes by name.
 * A message to oneself is delivered in a later turn, without a link.
 */
import type { ByteStream } from './streams.ts';

export type NodeName = string;

export interface PeerState {
  name: NodeName;
  address: string;
  connected: boolean;
  /** Smoothed round trip, ms; undefined before the first. */
  rttMs?: number;
}

/** `raft`: consensus messages, fire and forget. Everything else is request and reply. */
export interface Peers {
  readonly self: NodeName;
  /** Fire and forget: batched into one frame per turn; dropped when there is no link or its buffer is over its bound. */
  send(to: NodeName, channel: string, message: unknown): void;
  onMessage(channel: string, handle: (from: NodeName, message: unknown) => void): void;
  /**
   * Ask and wait. Faults: WIRE_UNREACHABLE (never sent), WIRE_TIMEOUT and WIRE_LOST (outcome unknown),
   * or the Fault the other side threw, with its code and retry.
   */
  request(to: NodeName, method: string, payload: unknown, options: { timeoutMs: number }): Promise<unknown>;
  onRequest(method: string, handle: (from: NodeName, payload: unknown) => Promise<unknown>): void;
  /** Open a flow-controlled byte stream over the bulk link. Faults: WIRE_UNREACHABLE, WIRE_REFUSED. */
  openStream(to: NodeName, method: string, header: unknown): Promise<ByteStream>;
  /** The handler owns the stream; throwing a Fault refuses it and reaches the opener. */
  onStream(method: string, handle: (from: NodeName, header: unknown, stream: ByteStream) => Promise<void>): void;
  /** Learn or change where a node is; undefined forgets it and closes its links. */
  setAddress(name: NodeName, address: string | undefined): void;
  states(): PeerState[];
  /** A hint that a link to this node closed; silence is judged by timeouts, not by this. */
  onDisconnect(handle: (name: NodeName, reason: string) => void): void;
}
