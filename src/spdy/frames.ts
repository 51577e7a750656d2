/**
 * SPDY/3.1 frames: bytes in, frames out, and back. Control frames come whole and are bounded; the payload of a data
 * frame is handed on as it arrives, so that nobody's frame length costs memory here.
 */
import { malformed, uint32 } from './header-block.ts';

const VERSION = 3;
const HEAD_BYTES = 8;
const CONTROL_BIT = 0x80;
/** A control frame's payload: headers, still compressed. */
export const CONTROL_BYTES_MAX = 64 * 1024;
/** We send data in frames of this size, so that streams take turns. */
export const DATA_BYTES_MAX = 32 * 1024;
const SETTINGS_MAX = 64;

export const FLAG_FIN = 1;
export const SETTING_INITIAL_WINDOW_SIZE = 7;
/** RST_STREAM §2.6.3. */
export const STATUS = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
  streamInUse: 8,
  streamAlreadyClosed: 9,
} as const;

const TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export type Frame =
  /** A piece of a data frame; `fin` with the last one. */
  | { type: 'data'; streamId: number; payload: Uint8Array; fin: boolean }
  | { type: 'synStream'; streamId: number; fin: boolean; headers: Uint8Array }
  | { type: 'synReply'; streamId: number; fin: boolean; headers: Uint8Array }
  | { type: 'headers'; streamId: number; fin: boolean; headers: Uint8Array }
  | { type: 'rstStream'; streamId: number; status: number }
  | { type: 'settings'; values: Map<number, number> }
  | { type: 'ping'; id: number }
  | { type: 'goAway'; lastStreamId: number; status: number }
  | { type: 'windowUpdate'; streamId: number; delta: number };

/** Faults: SPDY_PROTOCOL; the connection cannot be read on after it. */
export class FrameReader {
  #waiting: Uint8Array = new Uint8Array();
  /** The data frame whose payload is on its way. */
  #data: { streamId: number; left: number; fin: boolean } | undefined;

  *push(chunk: Uint8Array): Generator<Frame> {
    let bytes = chunk;
    if (this.#waiting.length > 0) {
      bytes = new Uint8Array(this.#waiting.length + chunk.length);
      bytes.set(this.#waiting);
      bytes.set(chunk, this.#waiting.length);
      this.#waiting = new Uint8Array();
    }
    let at = 0;
    while (at < bytes.length) {
      if (this.#data !== undefined) {
        const size = Math.min(this.#data.left, bytes.length - at);
        const { streamId, fin, left } = this.#data;
        this.#data = left === size ? undefined : { streamId, fin, left: left - size };
        yield { type: 'data', streamId, payload: bytes.subarray(at, at + size), fin: fin && left === size };
        at += size;
        continue;
      }
      if (bytes.length - at < HEAD_BYTES) break;
      const head = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD_BYTES);
      const flags = head.getUint8(4);
      const length = head.getUint32(4) & 0xff_ff_ff;
      if ((head.getUint8(0) & CONTROL_BIT) === 0) {
        const streamId = head.getUint32(0);
        if (streamId === 0) throw malformed('data of stream 0');
        at += HEAD_BYTES;
        const fin = (flags & FLAG_FIN) !== 0;
        if (length > 0) this.#data = { streamId, left: length, fin };
        else yield { type: 'data', streamId, payload: new Uint8Array(), fin };
        continue;
      }
      const version = head.getUint16(0) & 0x7fff;
      if (version !== VERSION) throw malformed(`version ${version}; only 3 is spoken here`);
      if (length > CONTROL_BYTES_MAX)
        throw malformed(`a control frame of ${length} bytes; at most ${CONTROL_BYTES_MAX}`);
      if (bytes.length - at < HEAD_BYTES + length) break;
      const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
      at += HEAD_BYTES + length;
      const frame = controlFrame(head.getUint16(2), flags, payload);
      if (frame !== undefined) yield frame;
    }
    this.#waiting = new Uint8Array(bytes.subarray(at));
  }
}

/** Unknown types are ignored, as §2.2.1 asks. */
function controlFrame(type: number, flags: number, payload: Uint8Array): Frame | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const fin = (flags & FLAG_FIN) !== 0;
  const need = (bytes: number, what: string): void => {
    if (payload.length < bytes) throw malformed(`${what} of ${payload.length} bytes`);
  };
  const streamAt = (offset: number): number => {
    const streamId = view.getUint32(offset) & 0x7fff_ffff;
    if (streamId === 0) throw malformed('a frame of stream 0');
    return streamId;
  };
  switch (type) {
    case TYPE.synStream:
      need(10, 'a SYN_STREAM');
      return { type: 'synStream', streamId: streamAt(0), fin, headers: new Uint8Array(payload.subarray(10)) };
    case TYPE.synReply:
      need(4, 'a SYN_REPLY');
      return { type: 'synReply', streamId: streamAt(0), fin, headers: new Uint8Array(payload.subarray(4)) };
    case TYPE.headers:
      need(4, 'a HEADERS');
      return { type: 'headers', streamId: streamAt(0), fin, headers: new Uint8Array(payload.subarray(4)) };
    case TYPE.rstStream:
      need(8, 'a RST_STREAM');
      return { type: 'rstStream', streamId: streamAt(0), status: view.getUint32(4) };
    case TYPE.ping:
      need(4, 'a PING');
      return { type: 'ping', id: view.getUint32(0) };
    case TYPE.goAway:
      need(8, 'a GOAWAY');
      return { type: 'goAway', lastStreamId: view.getUint32(0) & 0x7fff_ffff, status: view.getUint32(4) };
    case TYPE.windowUpdate: {
      need(8, 'a WINDOW_UPDATE');
      const delta = view.getUint32(4) & 0x7fff_ffff;
      if (delta === 0) throw malformed('a WINDOW_UPDATE of nothing');
      return { type: 'windowUpdate', streamId: view.getUint32(0) & 0x7fff_ffff, delta };
    }
    case TYPE.settings: {
      need(4, 'a SETTINGS');
      const count = view.getUint32(0);
      if (count > SETTINGS_MAX || payload.length < 4 + count * 8) throw malformed(`a SETTINGS of ${count} entries`);
      const values = new Map<number, number>();
      for (let at = 4; at < 4 + count * 8; at += 8) values.set(view.getUint32(at) & 0xff_ff_ff, view.getUint32(at + 4));
      return { type: 'settings', values };
    }
    default:
      return undefined;
  }
}

export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'data': {
      const bytes = new Uint8Array(HEAD_BYTES + frame.payload.length);
      bytes.set([...uint32(frame.streamId), frame.fin ? FLAG_FIN : 0, ...uint32(frame.payload.length).slice(1)]);
      bytes.set(frame.payload, HEAD_BYTES);
      return bytes;
    }
    case 'synStream':
      // No associated stream, priority 0, no credential slot.
      return control(TYPE.synStream, frame.fin, [...uint32(frame.streamId), 0, 0, 0, 0, 0, 0], frame.headers);
    case 'synReply':
      return control(TYPE.synReply, frame.fin, uint32(frame.streamId), frame.headers);
    case 'headers':
      return control(TYPE.headers, frame.fin, uint32(frame.streamId), frame.headers);
    case 'rstStream':
      return control(TYPE.rstStream, false, [...uint32(frame.streamId), ...uint32(frame.status)]);
    case 'ping':
      return control(TYPE.ping, false, uint32(frame.id));
    case 'goAway':
      return control(TYPE.goAway, false, [...uint32(frame.lastStreamId), ...uint32(frame.status)]);
    case 'windowUpdate':
      return control(TYPE.windowUpdate, false, [...uint32(frame.streamId), ...uint32(frame.delta)]);
    case 'settings': {
      const entries = [...frame.values].flatMap(([id, value]) => [...uint32(id), ...uint32(value)]);
      return control(TYPE.settings, false, [...uint32(frame.values.size), ...entries]);
    }
  }
}

function control(type: number, fin: boolean, fixed: number[], rest: Uint8Array = new Uint8Array()): Uint8Array {
  const length = fixed.length + rest.length;
  const head = [CONTROL_BIT, VERSION, 0, type, fin ? FLAG_FIN : 0, ...uint32(length).slice(1), ...fixed];
  const bytes = new Uint8Array(head.length + rest.length);
  bytes.set(head);
  bytes.set(rest, head.length);
  return bytes;
}
