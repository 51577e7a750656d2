/**
 * A unary gRPC client over clear-text HTTP/2 that costs little: fixed header blocks, no HPACK state, one
 * write a turn. Node's own http2 costs so much per request that it, and not etcd, would be measured.
 * RFC 9113 as far as a peer that behaves needs it; anything unexpected ends the connection.
 */
import { connect, type Socket } from 'node:net';

const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
const WINDOW_MAX = 2 ** 31 - 1;

type Call = { resolve: (body: Buffer) => void; reject: (error: Error) => void; data: Buffer[] };

export class GrpcConnection {
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #paths = new Map<string, Buffer>();
  readonly #calls = new Map<number, Call>();
  #nextStream = 1;
  #received: Buffer = Buffer.alloc(0);
  #consumed = 0;
  #window = 65_535;
  /** What the server's window does not take yet. */
  #blocked: { stream: number; message: Buffer; headers: Buffer }[] = [];
  #out: Buffer[] = [];
  #closed: Error | undefined;

  private constructor(socket: Socket, authority: string) {
    this.#socket = socket;
    this.#authority = authority;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection closed')));
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(2, 0); // ENABLE_PUSH 0
    settings.writeUInt16BE(4, 6); // INITIAL_WINDOW_SIZE
    settings.writeUInt32BE(WINDOW_MAX, 8);
    this.#write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
    this.#write(frame(FRAME.settings, 0, 0, settings));
    this.#write(frame(FRAME.windowUpdate, 0, 0, uint32(WINDOW_MAX - 65_535)));
  }

  static open(port: number): Promise<GrpcConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new GrpcConnection(socket, `127.0.0.1:${port}`)));
    });
  }

  /** The answer's protobuf bytes. Rejects when there is none. */
  unary(path: string, body: Buffer): Promise<Buffer> {
    if (this.#closed) return Promise.reject(this.#closed);
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const message = Buffer.allocUnsafe(5 + body.length);
    message.writeUInt8(0, 0);
    message.writeUInt32BE(body.length, 1);
    message.set(body, 5);
    return new Promise((resolve, reject) => {
      this.#calls.set(stream, { resolve, reject, data: [] });
      this.#blocked.push({ stream, message, headers: this.#headersOf(path) });
      this.#sendBlocked();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #headersOf(path: string): Buffer {
    let block = this.#paths.get(path);
    if (!block) {
      const literal = (head: number[], text: string): Buffer =>
        Buffer.concat([Buffer.from([...head, text.length]), Buffer.from(text)]);
      // RFC 7541: 0x83 :method POST, 0x86 :scheme http; the rest literals that are not indexed.
      block = Buffer.concat([
        Buffer.from([0x83, 0x86]),
        literal([0x04], path),
        literal([0x01], this.#authority),
        literal([0x0f, 0x10], 'application/grpc'),
        literal([0x00, 2, 0x74, 0x65], 'trailers'),
      ]);
      this.#paths.set(path, block);
    }
    return block;
  }

  #sendBlocked(): void {
    let sent = 0;
    for (const { stream, message, headers } of this.#blocked) {
      if (message.length > this.#window) break;
      this.#window -= message.length;
      this.#write(frame(FRAME.headers, END_HEADERS, stream, headers));
      this.#write(frame(FRAME.data, END_STREAM, stream, message));
      sent += 1;
    }
    if (sent > 0) this.#blocked = this.#blocked.slice(sent);
  }

  #write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#out.length > 1) return;
    setImmediate(() => {
      const out = this.#out;
      this.#out = [];
      if (!this.#closed) this.#socket.write(Buffer.concat(out));
    });
  }

  #take(bytes: Buffer): void {
    const all = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    let at = 0;
    while (all.length - at >= 9) {
      const length = all.readUIntBE(at, 3);
      if (all.length - at < 9 + length) break;
      const [type, flags] = [all[at + 3] ?? 0, all[at + 4] ?? 0];
      this.#handle({
        type,
        flags,
        stream: all.readUInt32BE(at + 5) & WINDOW_MAX,
        payload: all.subarray(at + 9, at + 9 + length),
      });
      at += 9 + length;
    }
    this.#received = all.subarray(at);
  }

  #handle({ type, flags, stream, payload }: { type: number; flags: number; stream: number; payload: Buffer }): void {
    if (type === FRAME.data) {
      this.#calls.get(stream)?.data.push(payload);
      this.#consumed += payload.length;
      if (this.#consumed > 2 ** 29) {
        this.#write(frame(FRAME.windowUpdate, 0, 0, uint32(this.#consumed)));
        this.#consumed = 0;
      }
    } else if (type === FRAME.settings && (flags & ACK) === 0) {
      this.#write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
    } else if (type === FRAME.ping && (flags & ACK) === 0) {
      this.#write(frame(FRAME.ping, ACK, 0, payload));
    } else if (type === FRAME.windowUpdate && stream === 0) {
      this.#window += payload.readUInt32BE(0);
      this.#sendBlocked();
    } else if (type === FRAME.goaway) {
      this.#end(new Error('the server said goodbye'));
    }
    if ((type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0) this.#finish(stream);
    if (type === FRAME.reset) this.#finish(stream);
  }

  /** A refusal comes as trailers alone, without a message. */
  #finish(stream: number): void {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    if (!call) return;
    const body = call.data.length === 1 ? (call.data[0] ?? Buffer.alloc(0)) : Buffer.concat(call.data);
    if (body.length >= 5) call.resolve(body.subarray(5));
    else call.reject(new Error('the call was refused'));
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#socket.destroy();
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}
