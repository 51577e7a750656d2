import { once } from 'node:events';
import { constants, createDeflate, createInflate } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { CONTROL_BYTES_MAX, encodeFrame, FrameReader, STATUS, type Frame } from '#src/spdy/frames.ts';
import { DICTIONARY, DICTIONARY_ID, HEADER_BYTES_MAX, HeaderReader, HeaderWriter } from '#src/spdy/header-block.ts';
import {
  createSpdyConnection,
  STREAMS_MAX,
  UNREAD_BYTES_MAX,
  type SpdyConnection,
  type SpdyStream,
} from '#src/spdy/spdy.ts';
import { INITIAL_WINDOW_BYTES } from '#src/spdy/stream.ts';
import { drained } from '#test/support/virtual.ts';

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

test('SPDY/3 §2.6.10.1: the dictionary is the one of the specification', (t) => {
  t.is(DICTIONARY.length, 1423);
  t.is(DICTIONARY_ID, 0xe3c6a7c2);
});

/** A header block as another implementation writes it: zlib, sync flush, one stream for all blocks. */
function blockOf(headers: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const number = (value: number): void => {
    const four = Buffer.alloc(4);
    four.writeUInt32BE(value);
    parts.push(four);
  };
  const entries = Object.entries(headers);
  number(entries.length);
  for (const part of entries.flat()) {
    number(Buffer.byteLength(part));
    parts.push(Buffer.from(part));
  }
  return Buffer.concat(parts);
}

async function zlibBlocks(blocks: Buffer[], options: { level: number; strategy?: number }): Promise<Buffer[]> {
  const deflate = createDeflate({ dictionary: DICTIONARY, ...options });
  const result: Buffer[] = [];
  let held: Buffer[] = [];
  deflate.on('data', (chunk: Buffer) => held.push(chunk));
  for (const block of blocks) {
    deflate.write(block);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
    result.push(Buffer.concat(held));
    held = [];
  }
  deflate.destroy();
  return result;
}

for (const [level, strategy] of [
  [0, constants.Z_DEFAULT_STRATEGY],
  [1, constants.Z_DEFAULT_STRATEGY],
  [6, constants.Z_DEFAULT_STRATEGY],
  [9, constants.Z_DEFAULT_STRATEGY],
  [9, constants.Z_FIXED],
  [9, constants.Z_HUFFMAN_ONLY],
  [9, constants.Z_RLE],
] as const) {
  test(`headers that zlib compressed are read, level ${level}, strategy ${strategy}`, async (t) => {
    const sent = Array.from({ length: 12 }, (_, i) => ({
      streamtype: i % 2 === 0 ? 'error' : 'data',
      port: String(8000 + i),
      requestid: String(i),
      'x-long': 'abc'.repeat(i * 400) + String.fromCodePoint(200 + i),
      'user-agent': 'kubectl/v1.33',
    }));
    const reader = new HeaderReader();
    for (const [i, block] of (await zlibBlocks(sent.map(blockOf), { level, strategy })).entries())
      t.deepEqual(Object.fromEntries(reader.read(block)), sent[i]);
  });
}

test('headers of ours are read by zlib', async (t) => {
  const writer = new HeaderWriter();
  const inflate = createInflate({ dictionary: DICTIONARY });
  const got: Buffer[] = [];
  inflate.on('data', (chunk: Buffer) => got.push(chunk));
  const sent: Record<string, string>[] = [{ streamtype: 'error', port: '80' }, {}, { a: 'é'.repeat(20_000) }];
  for (const headers of sent) inflate.write(writer.write(new Map(Object.entries(headers))));
  await new Promise<void>((resolve) => inflate.flush(constants.Z_SYNC_FLUSH, resolve));
  while (Buffer.concat(got).length < Buffer.concat(sent.map(blockOf)).length) await once(inflate, 'data');
  t.deepEqual(Buffer.concat(got), Buffer.concat(sent.map(blockOf)));
});

test('what unfolds to too much, names another dictionary or ends early is refused', async (t) => {
  const [bomb = Buffer.alloc(0)] = await zlibBlocks([blockOf({ a: 'x'.repeat(HEADER_BYTES_MAX) })], { level: 9 });
  t.true(bomb.length < 1000);
  t.throws(() => new HeaderReader().read(bomb), { code: 'SPDY_COMPRESSION', message: /more than 65536 bytes/ });
  t.throws(() => new HeaderReader().read(bomb.subarray(0, 5)), { code: 'SPDY_COMPRESSION', message: /ends inside/ });
  t.throws(() => new HeaderReader().read(new Uint8Array([0x78, 0xbb, 1, 2, 3, 4])), { message: /another dictionary/ });
  t.throws(() => new HeaderReader().read(new Uint8Array([0x78, 0xbc])), { message: /check of the zlib header/ });
});

const anyId = fc.integer({ min: 1, max: 0x7fff_ffff });
const anyNumber = fc.integer({ min: 0, max: 0xffff_ffff });
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constant('data' as const),
    streamId: anyId,
    payload: fc.uint8Array({ maxLength: 100 }),
    fin: fc.boolean(),
  }),
  fc.record({
    type: fc.constantFrom('synStream' as const, 'synReply' as const, 'headers' as const),
    streamId: anyId,
    fin: fc.boolean(),
    headers: fc.uint8Array({ maxLength: 100 }),
  }),
  fc.record({ type: fc.constant('rstStream' as const), streamId: anyId, status: anyNumber }),
  fc.record({ type: fc.constant('ping' as const), id: anyNumber }),
  fc.record({ type: fc.constant('goAway' as const), lastStreamId: anyId, status: anyNumber }),
  fc.record({ type: fc.constant('windowUpdate' as const), streamId: anyId, delta: anyId }),
  fc.record({
    type: fc.constant('settings' as const),
    values: fc
      .array(fc.tuple(fc.integer({ min: 0, max: 0xff_ff_ff }), anyNumber), { maxLength: 8 })
      .map((entries) => new Map(entries)),
  }),
);

/** Pieces of data frames put together again. */
function joinedFrames(frames: Iterable<Frame>): unknown[] {
  const joined: unknown[] = [];
  let open: { streamId: number; payload: number[] } | undefined;
  for (const frame of frames) {
    if (frame.type !== 'data') {
      joined.push(frame);
      continue;
    }
    open = { streamId: frame.streamId, payload: [...(open?.payload ?? []), ...frame.payload] };
    joined.push({ type: 'piece', streamId: frame.streamId, bytes: [...frame.payload], fin: frame.fin });
  }
  return joined;
}

test('frames survive any cutting of the bytes', (t) => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 10 }), fc.array(fc.integer({ min: 1, max: 40 })), (frames, cuts) => {
      const wire = Buffer.concat(frames.map(encodeFrame));
      const whole = joinedFrames(new FrameReader().push(wire));
      const reader = new FrameReader();
      const pieces: Frame[] = [];
      for (let at = 0, i = 0; at < wire.length; i += 1) {
        const size = cuts[i % Math.max(1, cuts.length)] ?? 7;
        for (const frame of reader.push(wire.subarray(at, at + size))) pieces.push(frame);
        at += size;
      }
      const dataOf = (list: unknown[], id: number): number[] =>
        list.flatMap((frame) => {
          const piece = frame as { type: string; streamId: number; bytes: number[] };
          return piece.type === 'piece' && piece.streamId === id ? piece.bytes : [];
        });
      const controls = (list: unknown[]): unknown[] =>
        list.filter((frame) => (frame as Frame).type !== ('piece' as never));
      const cut = joinedFrames(pieces);
      t.deepEqual(controls(cut), controls(whole));
      for (const frame of frames)
        if (frame.type === 'data') t.deepEqual(dataOf(cut, frame.streamId), dataOf(whole, frame.streamId));
      t.is(
        pieces.filter((frame) => frame.type === 'data' && frame.fin).length,
        frames.filter((frame) => frame.type === 'data' && frame.fin).length,
      );
    }),
  );
});

interface Side {
  connection: SpdyConnection;
  streams: SpdyStream[];
  closed: string | undefined;
  paused: boolean;
  ended: boolean;
}

/** Two connections joined by a wire that delivers a turn later; `window` is what a transport holds. */
function pair(): { client: Side; server: Side } {
  const side = (role: 'client' | 'server', other: () => Side): Side => {
    const made: Side = {
      connection: undefined as unknown as SpdyConnection,
      streams: [],
      closed: undefined,
      paused: false,
      ended: false,
    };
    made.connection = createSpdyConnection({
      role,
      transport: {
        write: (chunk) => {
          const sent = chunk.slice();
          setImmediate(() => other().connection.receive(sent));
          return true;
        },
        drained: () => Promise.resolve(),
        pause: () => void (made.paused = true),
        resume: () => void (made.paused = false),
        end: () => void (made.ended = true),
      },
      onStream: (stream) => made.streams.push(stream),
      onClose: (reason) => (made.closed = reason),
    });
    return made;
  };
  const client: Side = side('client', () => server);
  const server: Side = side('server', () => client);
  return { client, server };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await drained();
}

test('a stream carries bytes both ways and ends in halves', async (t) => {
  const { client, server } = pair();
  const here = client.connection.open(new Map([['streamType', 'data']]));
  await settled();
  const [there] = server.streams;
  if (there === undefined) return t.fail('no stream');
  t.deepEqual([...there.headers], [['streamtype', 'data']]);
  await here.write(bytes('question'));
  here.end();
  t.is(text(await there.read()), 'question');
  t.is(await there.read(), undefined);
  await there.write(bytes('answer'));
  let broken: boolean | undefined;
  here.onClose((was) => (broken = was));
  there.end();
  t.is(text(await here.read()), 'answer');
  t.is(await here.read(), undefined);
  t.is(broken, false);
});

test('megabytes pass through windows, in order, with a reader that is slow', async (t) => {
  const { client, server } = pair();
  const here = client.connection.open(new Map());
  await settled();
  const [there] = server.streams;
  if (there === undefined) return t.fail('no stream');
  const total = 5 * 1024 * 1024;
  const sent = new Uint8Array(total).map((_, i) => (i * 7) % 251);
  const writing = here.write(sent).then(() => here.end());
  let at = 0;
  let same = true;
  for (let chunk = await there.read(); chunk !== undefined; chunk = await there.read()) {
    for (const byte of chunk) {
      if (byte !== sent[at]) same = false;
      at += 1;
    }
  }
  await writing;
  t.true(same);
  t.is(at, total);
  t.false(server.paused);
});

test('a client without windows is slowed down by its transport, not cut', async (t) => {
  const { client, server } = pair();
  const here = client.connection.open(new Map());
  await settled();
  const [there] = server.streams;
  if (there === undefined) return t.fail('no stream');
  const frame = encodeFrame({ type: 'data', streamId: here.id, payload: new Uint8Array(100_000), fin: false });
  for (let sent = 0; sent <= UNREAD_BYTES_MAX; sent += 100_000) server.connection.receive(frame);
  t.true(server.paused);
  for (let read = 0; read < UNREAD_BYTES_MAX / 2 + 100_000;) read += (await there.read())?.length ?? 0;
  t.false(server.paused);
  t.is(server.closed, undefined);
});

test('a side that has shown windows is not sent more than they take', async (t) => {
  const { client, server } = pair();
  const here = client.connection.open(new Map());
  await settled();
  const [there] = server.streams;
  if (there === undefined) return t.fail('no stream');
  const size = INITIAL_WINDOW_BYTES / 4;
  server.connection.receive(encodeFrame({ type: 'settings', values: new Map([[7, size]]) }));
  let done = false;
  const writing = there.write(new Uint8Array(size + 10)).then(() => (done = true));
  await settled();
  t.false(done, 'the window is full');
  server.connection.receive(encodeFrame({ type: 'windowUpdate', streamId: here.id, delta: 10 }));
  await writing;
  t.true(done);
});

test('too many streams are refused one by one', async (t) => {
  const { client, server } = pair();
  const streams = Array.from({ length: STREAMS_MAX + 1 }, () => client.connection.open(new Map()));
  await settled();
  t.is(server.streams.length, STREAMS_MAX);
  await t.throwsAsync(async () => await streams.at(-1)?.read(), {
    code: 'SPDY_CLOSED',
    message: new RegExp(`status ${STATUS.refusedStream}`),
  });
  t.is(server.closed, undefined);
});

/** A header block that is not the first of its connection. */
function laterBlock(): Uint8Array {
  const writer = new HeaderWriter();
  writer.write(new Map());
  return writer.write(new Map());
}

const broken: [string, Uint8Array | number[], RegExp][] = [
  ['another version', [0x80, 2, 0, 1, 0, 0, 0, 0], /version 2/],
  [
    'a control frame that is too long',
    [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff],
    new RegExp(`at most ${CONTROL_BYTES_MAX}`),
  ],
  ['data of stream 0', [0, 0, 0, 0, 0, 0, 0, 1, 1], /stream 0/],
  ['a short RST_STREAM', [0x80, 3, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1], /RST_STREAM of 4 bytes/],
  [
    'a stream of even number from a client',
    encodeFrame({ type: 'synStream', streamId: 2, fin: false, headers: laterBlock() }),
    /not theirs/,
  ],
  ['settings that promise more than they hold', [0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 9], /SETTINGS of 9/],
];
for (const [what, sent, message] of broken) {
  test(`malformed: ${what} ends the connection`, async (t) => {
    const { client, server } = pair();
    const here = client.connection.open(new Map());
    await settled();
    server.connection.receive(new Uint8Array(sent));
    t.regex(server.closed ?? '', message);
    t.true(server.ended);
    await t.throwsAsync(async () => await server.streams[0]?.read(), { code: 'SPDY_CLOSED' });
    here.reset('done');
  });
}

test('random bytes end the connection or are ignored, and never do anything else', (t) => {
  const isKnown = (reason: string): boolean => /^malformed SPDY|^compressed headers are broken/.test(reason);
  const valid = encodeFrame({
    type: 'synStream',
    streamId: 1,
    fin: false,
    headers: new HeaderWriter().write(new Map([['a', 'b']])),
  });
  const control = fc
    .tuple(fc.integer({ min: 0, max: 10 }), fc.uint8Array({ maxLength: 60 }))
    .map(([type, payload]) => new Uint8Array([0x80, 3, 0, type, 0, 0, 0, payload.length, ...payload]));
  const changed = fc
    .tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }))
    .map(([at, byte]) => valid.map((old, i) => (i === at ? byte : old)));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), control, changed), { maxLength: 12 }),
      (chunks) => {
        let closed: string | undefined;
        const connection = createSpdyConnection({
          role: 'server',
          transport: {
            write: () => true,
            drained: () => Promise.resolve(),
            pause: () => undefined,
            resume: () => undefined,
            end: () => undefined,
          },
          onStream: (stream) => void stream.read().catch(() => undefined),
          onClose: (reason) => (closed = reason),
        });
        for (const chunk of chunks) connection.receive(chunk);
        t.true(closed === undefined || isKnown(closed), closed);
      },
    ),
    { numRuns: 2000 },
  );
});
