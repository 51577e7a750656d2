/** The proxy's HTTP/1.1: whatever a server says, in whatever pieces, ends in an answer or a fault. */
import test from 'ava';
import fc from 'fast-check';
import { askOver, type Answer } from '#src/apiserver/http-client.ts';
import { isFault } from '#src/std/fault.ts';
import type { ByteStream } from '#src/wire/streams.ts';

/** A server that has said this, cut at these places. */
function saying(bytes: Uint8Array, cuts: number[]): ByteStream {
  let at = 0;
  let i = 0;
  return {
    write: () => Promise.resolve(),
    end: () => undefined,
    cancel: () => undefined,
    onClose: () => undefined,
    read: () => {
      if (at >= bytes.length) return Promise.resolve(undefined);
      const size = cuts[i % Math.max(1, cuts.length)] ?? bytes.length;
      i += 1;
      at += size;
      return Promise.resolve(bytes.subarray(at - size, at));
    },
  };
}

const request = { method: 'GET', target: '/', headers: [], body: new Uint8Array() } satisfies Parameters<
  typeof askOver
>[1];
const anyCuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });

async function whole(answer: Answer): Promise<string> {
  let text = '';
  for await (const chunk of answer.body) text += Buffer.from(chunk).toString('latin1');
  return text;
}

for (const [what, head, body, want] of [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5', 'hello and more', 'hello'],
  ['the end of the connection', 'HTTP/1.0 200 OK', 'hello\n', 'hello\n'],
  ['chunks', 'HTTP/1.1 200\r\ntransfer-encoding: gzip, chunked', '3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n', 'hello'],
  ['no body', 'HTTP/1.1 204 No Content\r\nContent-Length: 5', 'hello', ''],
  ['interim answers', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1', 'a', 'a'],
] as const) {
  test(`an answer of ${what}, however it is cut`, async (t) => {
    const bytes = Buffer.from(`${head}\r\n\r\n${body}`);
    await fc.assert(
      fc.asyncProperty(anyCuts, async (cuts) => {
        t.is(await whole(await askOver(saying(bytes, cuts), request)), want);
      }),
    );
  });
}

test('random bytes behind a head, or instead of one, end in an answer or a fault', async (t) => {
  const beginnings = [
    '',
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 101 X\r\n\r\n',
  ];
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('\r', '\n', ':', 'a', '5', ' ', '0') }).map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...beginnings), texts, anyCuts, async (beginning, junk, cuts) => {
      try {
        await whole(await askOver(saying(Buffer.concat([Buffer.from(beginning), junk]), cuts), request));
      } catch (error) {
        t.true(isFault(error, 'HTTP_UPSTREAM'), String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('a request whose head would be two is not sent', async (t) => {
  const headers: [string, string][] = [['X', 'a\r\nHost: other']];
  await t.throwsAsync(askOver(saying(new Uint8Array(), [1]), { ...request, headers }), {
    code: 'HTTP_UPSTREAM',
    message: /line break/,
  });
});
