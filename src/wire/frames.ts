/**
 * What goes over a link, as msgpack. A peer frame is an array of messages, all that one turn of
 * the event loop had to say; a bulk frame is one stream message. Bytes come back as views of the
 * frame: who keeps them copies them.
 *
 *   hello    ['h', {protocol, clusterId, node, incarnation, version, boots}]
 *   message  ['m', channel, payload]
 *   request  ['q', id, method, payload]     reply ['r', id, payload]     refusal ['f', id, code, text, retry]
 *   ping     ['p', id]                      pong  ['o', id]
 *   stream   ['s', id, method, header]  open    ['a', id]  accepted  ['d', id, bytes]
 *            ['w', id, credit]          ['e', id] end      ['c', id, reason] cancelled
 */
import { Packr } from 'msgpackr';
import { Fault } from '#src/std/fault.ts';

export const PROTOCOL_VERSION = 1;
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** Messages of one frame; the rest goes into the next. */
export const FRAME_MESSAGES_MAX = 4096;

export interface Hello {
  protocol: number;
  clusterId: string;
  node: string;
  /** New at each start of the process. */
  incarnation: string;
  version: string;
  /** How often a process of this data directory has started, this one included. */
  boots?: number;
}

export type PeerMessage =
  | ['h', Hello]
  | ['m', string, unknown]
  | ['q', number, string, unknown]
  | ['r', number, unknown]
  | ['f', number, string, string, string]
  | ['p', number]
  | ['o', number];

export type BulkMessage =
  | ['h', Hello]
  | ['s', number, string, unknown]
  | ['a', number]
  | ['d', number, Uint8Array]
  | ['w', number, number]
  | ['e', number]
  | ['c', number, string, string, string];

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number', variableMapSize: true });

/** A copy: given on without one, frames of a snapshot changed on their way (found by `sim --seed 901 --profile flaky --nodes 3`). */
export function encodeFrame(messages: PeerMessage[] | BulkMessage): Uint8Array {
  return new Uint8Array(packr.pack(messages));
}

function broken(what: string): Fault {
  return new Fault('WIRE_FRAME', `a frame that is not of this protocol: ${what}`, 'never');
}

function decode(frame: Uint8Array): unknown {
  try {
    return packr.unpack(frame) as unknown;
  } catch (error) {
    throw new Fault('WIRE_FRAME', 'a frame that is not msgpack', 'never', error);
  }
}

/** Whether each place of a message holds what its type says; letters as in `shapes`. */
function fits(message: unknown, shapes: Record<string, string>): boolean {
  if (!Array.isArray(message) || typeof message[0] !== 'string') return false;
  const shape = shapes[message[0]];
  if (shape === undefined || message.length !== shape.length + 1) return false;
  for (let i = 0; i < shape.length; i += 1) if (!isA(shape[i], message[i + 1])) return false;
  return true;
}

function isA(letter: string | undefined, value: unknown): boolean {
  switch (letter) {
    case 'n':
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
    case 's':
      return typeof value === 'string';
    case 'b':
      return value instanceof Uint8Array;
    case 'o':
      return typeof value === 'object' && value !== null;
    default:
      return true;
  }
}

const PEER_SHAPES = { h: 'o', m: 's?', q: 'ns?', r: 'n?', f: 'nsss', p: 'n', o: 'n' };
const BULK_SHAPES = { h: 'o', s: 'ns?', a: 'n', d: 'nb', w: 'nn', e: 'n', c: 'nsss' };

/** Faults: WIRE_FRAME. */
export function decodePeerFrame(frame: Uint8Array): PeerMessage[] {
  const messages = decode(frame);
  if (!Array.isArray(messages) || messages.length > FRAME_MESSAGES_MAX) throw broken('not a list of messages');
  for (const message of messages) if (!fits(message, PEER_SHAPES)) throw broken('an unknown message');
  return messages as PeerMessage[];
}

/** Faults: WIRE_FRAME. */
export function decodeBulkFrame(frame: Uint8Array): BulkMessage {
  const message = decode(frame);
  if (!fits(message, BULK_SHAPES)) throw broken('an unknown stream message');
  return message as BulkMessage;
}

/** Faults: WIRE_FRAME. */
export function checkHello(value: unknown): Hello {
  const hello = value as Partial<Hello>;
  const texts = [hello.clusterId, hello.node, hello.incarnation, hello.version];
  if (typeof hello.protocol !== 'number' || texts.some((text) => typeof text !== 'string'))
    throw broken('a malformed hello');
  return hello as Hello;
}
