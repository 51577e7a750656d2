/** Streams over one bulk link, whichever side dialled it; the dialler opens them. */
import type { Link } from '#src/ports/network.ts';
import type { Log } from '#src/ports/log.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { createStreamEnd, type StreamEnd } from './byte-stream.ts';
import { checkHello, decodeBulkFrame, encodeFrame, type BulkMessage, type Hello } from './frames.ts';
import type { ByteStream } from './streams.ts';

export const STREAMS_PER_LINK_MAX = 1024;

export type StreamHandler = (header: unknown, stream: ByteStream) => Promise<void>;

export interface BulkLink {
  open(method: string, header: unknown): Promise<ByteStream>;
  close(reason: string): void;
  onClose(handle: () => void): void;
}

export function createBulkLink(options: {
  link: Link;
  hello: Hello;
  log: Log;
  /** Faults refuse the link. */
  admit: (hello: Hello) => void;
  handlerOf: (method: string) => StreamHandler | undefined;
}): BulkLink {
  const { link, log } = options;
  const streams = new Map<number, StreamEnd>();
  const opening = new Map<
    number,
    { stream: StreamEnd; resolve: (stream: ByteStream) => void; reject: (error: unknown) => void }
  >();
  const closers: (() => void)[] = [];
  let admitted = false;
  let nextId = 1;
  let closed = false;

  const send = (message: BulkMessage): void => link.send(encodeFrame(message));
  send(['h', options.hello]);

  function accept(id: number, method: string, header: unknown): void {
    const handler = options.handlerOf(method);
    if (!handler || streams.size >= STREAMS_PER_LINK_MAX || streams.has(id)) {
      const why = handler ? 'too many streams' : `no such stream method '${method}'`;
      send(['c', id, 'WIRE_REFUSED', why, 'later']);
      return;
    }
    const stream = createStreamEnd(id, send, () => streams.delete(id));
    streams.set(id, stream);
    let accepted = false;
    const acceptOnce = (): void => {
      if (!accepted) send(['a', id]);
      accepted = true;
    };
    // The first byte either way accepts; a handler that throws before refuses with its own fault.
    const guarded: ByteStream = {
      ...stream,
      write: (chunk) => {
        acceptOnce();
        return stream.write(chunk);
      },
      read: () => {
        acceptOnce();
        return stream.read();
      },
      end: () => {
        acceptOnce();
        stream.end();
      },
    };
    handler(header, guarded).then(acceptOnce, (error: unknown) => {
      const [code, retry] = isFault(error) ? [error.code, error.retry] : ['WIRE_REFUSED', 'never'];
      if (!isFault(error)) log.warn('a stream handler failed', { method, error: messageOf(error) });
      send(['c', id, code, messageOf(error), retry]);
      stream.fail(new Fault('WIRE_CANCELLED', 'refused', 'never'));
    });
  }

  function handle(message: BulkMessage): void {
    if (message[0] === 'h') {
      options.admit(checkHello(message[1]));
      admitted = true;
      return;
    }
    if (!admitted) throw new Fault('WIRE_FRAME', 'a stream message before hello', 'never');
    if (message[0] === 's') {
      accept(message[1], message[2], message[3]);
      return;
    }
    const id = message[1];
    const waiting = opening.get(id);
    if (waiting && (message[0] === 'a' || message[0] === 'd' || message[0] === 'e' || message[0] === 'c')) {
      opening.delete(id);
      if (message[0] === 'c')
        waiting.reject(
          new Fault(
            message[2],
            message[3],
            message[4] === 'later' ? 'later' : message[4] === 'elsewhere' ? 'elsewhere' : 'never',
          ),
        );
      else waiting.resolve(waiting.stream);
    }
    streams.get(id)?.receive(message);
  }

  link.onFrame((frame) => {
    try {
      handle(decodeBulkFrame(frame));
    } catch (error) {
      log.warn('a bulk link is closed', { peer: link.peer.commonName, error: messageOf(error) });
      link.close(messageOf(error));
    }
  });
  link.onClose((reason) => {
    closed = true;
    const fault = new Fault('WIRE_LOST', `the link to ${link.peer.commonName} was lost: ${reason}`, 'later');
    for (const { reject } of opening.values()) reject(fault);
    opening.clear();
    for (const stream of [...streams.values()]) stream.fail(fault);
    for (const done of closers.splice(0)) done();
  });

  return {
    open(method, header) {
      if (closed)
        return Promise.reject(new Fault('WIRE_UNREACHABLE', `the link to ${link.peer.commonName} is closed`, 'later'));
      if (streams.size >= STREAMS_PER_LINK_MAX) {
        return Promise.reject(
          new Fault('WIRE_OVERLOADED', `${STREAMS_PER_LINK_MAX} streams to ${link.peer.commonName} are open`, 'later'),
        );
      }
      const id = nextId;
      nextId += 1;
      const stream = createStreamEnd(id, send, () => streams.delete(id));
      streams.set(id, stream);
      return new Promise((resolve, reject) => {
        opening.set(id, { stream, resolve, reject });
        send(['s', id, method, header]);
      });
    },
    close: (reason) => link.close(reason),
    onClose(handle_) {
      if (closed) handle_();
      else closers.push(handle_);
    },
  };
}
