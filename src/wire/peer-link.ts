/** One established peer link: hello, batching of a turn's messages into a frame, ping, requests. */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Link } from '#src/ports/network.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import {
  checkHello,
  decodePeerFrame,
  encodeFrame,
  FRAME_MESSAGES_MAX,
  type Hello,
  type PeerMessage,
} from './frames.ts';

/** Fire-and-forget messages are dropped above this; consensus sends them again. */
const SEND_BUFFER_BYTES_MAX = 16 * 1024 * 1024;
/** A frame is begun anew above this, so that a heartbeat does not wait behind a large one. */
const FRAME_BYTES_TARGET = 256 * 1024;
const REQUESTS_MAX = 10_000;
const PING_INTERVAL_MS = 1000;
const SILENCE_MAX_MS = 5000;

export interface PeerLink {
  readonly hello: Hello | undefined;
  send(message: PeerMessage): void;
  request(method: string, payload: unknown, timeoutMs: number): Promise<unknown>;
  rttMs(): number | undefined;
  close(reason: string): void;
}

export interface PeerLinkOptions {
  link: Link;
  clock: Clock;
  log: Log;
  hello: Hello;
  /** Judge the other side's hello; a fault refuses the link. It may have come before this link is returned. */
  admit: (hello: Hello, self: PeerLink) => void;
  onMessage: (channel: string, payload: unknown) => void;
  onRequest: (method: string, payload: unknown) => Promise<unknown>;
  onClose: (reason: string, self: PeerLink) => void;
}

/** A rough size, so that frames can be cut without encoding twice. */
export function estimateBytes(value: unknown, depth = 0): number {
  if (value instanceof Uint8Array) return value.length + 4;
  if (typeof value === 'string') return value.length + 4;
  if (typeof value !== 'object' || value === null || depth > 6) return 8;
  let size = 8;
  if (Array.isArray(value)) for (const inner of value) size += estimateBytes(inner, depth + 1);
  else for (const key in value) size += estimateBytes((value as Record<string, unknown>)[key], depth + 1);
  return size;
}

export function createPeerLink(options: PeerLinkOptions): PeerLink {
  const { link, clock, log } = options;
  const pending = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Fault) => void; timer: Timer }
  >();
  let queue: PeerMessage[] = [];
  let queueBytes = 0;
  let flushing = false;
  let other: Hello | undefined;
  let nextId = 1;
  let closed = false;
  let rtt: number | undefined;
  let pinged: { id: number; atMs: number } | undefined;
  let heardMs = clock.monotonicMs();
  let pinger: Timer | undefined;

  function flush(): void {
    flushing = false;
    if (closed || queue.length === 0) return;
    const messages = queue;
    queue = [];
    queueBytes = 0;
    link.send(encodeFrame(messages));
  }

  function enqueue(message: PeerMessage, bytes: number): void {
    if (closed) return;
    if (queue.length >= FRAME_MESSAGES_MAX || (queue.length > 0 && queueBytes + bytes > FRAME_BYTES_TARGET)) flush();
    queue.push(message);
    queueBytes += bytes;
    if (flushing) return;
    flushing = true;
    clock.endOfTurn(flush);
  }

  function settle(id: number): { resolve: (value: unknown) => void; reject: (error: Fault) => void } | undefined {
    const waiting = pending.get(id);
    pending.delete(id);
    waiting?.timer.cancel();
    return waiting;
  }

  function serve(id: number, method: string, payload: unknown): void {
    options.onRequest(method, payload).then(
      (result) => enqueue(['r', id, result], estimateBytes(result)),
      (error: unknown) => {
        if (!isFault(error)) log.error('a request handler failed', { method, error: messageOf(error) });
        const fault = isFault(error)
          ? error
          : new Fault('WIRE_HANDLER', `${method} failed: ${messageOf(error)}`, 'never');
        enqueue(['f', id, fault.code, fault.message, fault.retry], 256);
      },
    );
  }

  function handle(message: PeerMessage): void {
    if (message[0] === 'h') {
      const hello = checkHello(message[1]);
      options.admit(hello, self);
      other = hello;
      return;
    }
    if (!other) throw new Fault('WIRE_FRAME', 'a message before hello', 'never');
    switch (message[0]) {
      case 'm':
        options.onMessage(message[1], message[2]);
        break;
      case 'q':
        serve(message[1], message[2], message[3]);
        break;
      case 'r':
        settle(message[1])?.resolve(message[2]);
        break;
      case 'f': {
        const retry = message[4] === 'later' || message[4] === 'elsewhere' ? message[4] : 'never';
        settle(message[1])?.reject(new Fault(message[2], message[3], retry));
        break;
      }
      case 'p':
        enqueue(['o', message[1]], 8);
        break;
      default:
        if (pinged?.id !== message[1]) return;
        rtt =
          rtt === undefined ? clock.monotonicMs() - pinged.atMs : rtt * 0.8 + (clock.monotonicMs() - pinged.atMs) * 0.2;
        pinged = undefined;
    }
  }

  function ping(): void {
    const now = clock.monotonicMs();
    if (now - heardMs > SILENCE_MAX_MS) {
      end(`silent for ${Math.round(now - heardMs)} ms`);
      return;
    }
    if (!pinged) {
      pinged = { id: nextId, atMs: now };
      enqueue(['p', nextId], 8);
      nextId += 1;
    }
    pinger = clock.after(PING_INTERVAL_MS, ping);
  }

  function end(reason: string): void {
    if (closed) return;
    closed = true;
    pinger?.cancel();
    link.close(reason);
    const fault = new Fault(
      'WIRE_LOST',
      `the link to ${link.peer.commonName} was lost (${reason}); the outcome is unknown`,
      'later',
    );
    for (const id of [...pending.keys()]) settle(id)?.reject(fault);
    options.onClose(reason, self);
  }

  const self: PeerLink = {
    get hello() {
      return other;
    },
    send(message) {
      if (link.bufferedBytes() > SEND_BUFFER_BYTES_MAX) return;
      enqueue(message, estimateBytes(message));
    },
    request(method, payload, timeoutMs) {
      if (pending.size >= REQUESTS_MAX) {
        return Promise.reject(
          new Fault(
            'WIRE_OVERLOADED',
            `${REQUESTS_MAX} requests to ${link.peer.commonName} wait for their answers`,
            'later',
          ),
        );
      }
      const id = nextId;
      nextId += 1;
      return new Promise((resolve, reject) => {
        const timer = clock.after(timeoutMs, () =>
          settle(id)?.reject(
            new Fault(
              'WIRE_TIMEOUT',
              `${link.peer.commonName} did not answer ${method} within ${timeoutMs} ms; the outcome is unknown`,
              'later',
            ),
          ),
        );
        pending.set(id, { resolve, reject, timer });
        enqueue(['q', id, method, payload], estimateBytes(payload));
      });
    },
    rttMs: () => rtt,
    close: end,
  };

  // Before everything else, also before answers to frames that came early.
  enqueue(['h', options.hello], 128);
  link.onFrame((frame) => {
    heardMs = clock.monotonicMs();
    try {
      for (const message of decodePeerFrame(frame)) if (!closed) handle(message);
    } catch (error) {
      // Our own mistakes are not a peer's: they must stop the node, not the link.
      if (!isFault(error)) throw error;
      log.warn('a peer link is refused', { peer: link.peer.commonName, code: error.code, error: error.message });
      end(error.message);
    }
  });
  link.onClose(end);
  if (!closed) pinger = clock.after(PING_INTERVAL_MS, ping);
  return self;
}
