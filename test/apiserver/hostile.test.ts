/**
 * What a hostile client may send to a listening server: each request gets the right refusal or a closed connection,
 * memory stays bounded, and the next honest request is answered.
 */
import { constants, connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gunzipSync, gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { realServer, type RealServer } from '#test/support/real-server.ts';

const ANSWER_MS = 10_000;
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const PEAK_BYTES_MAX = 1024 * 1024 * 1024;
const MAPS = '/api/v1/namespaces/default/configmaps';

let server: RealServer;
let heldBefore = 0;

/** What is reachable, after the garbage has gone. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test.before(async () => {
  server = await realServer();
  heldBefore = heldBytes();
});
test.after.always(async () => {
  await server.stop();
});

function dial(protocols: string[] = ['http/1.1']): Promise<TLSSocket> {
  const { port, authorityPem, certificatePem, privateKeyPem } = server;
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', ca: authorityPem, cert: certificatePem, key: privateKeyPem };
    const socket = connectTls({ ...options, ALPNProtocols: protocols }, () => resolve(socket));
    socket.once('error', reject);
  });
}

interface Answer {
  /** 'closed': without an answer. */
  status: number | 'closed';
  text: string;
}

/** Sends bytes as they are and reads until the connection ends or an answer is whole. */
async function raw(...pieces: (string | Uint8Array)[]): Promise<Answer> {
  const socket = await dial();
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (isWhole(Buffer.concat(chunks))) done();
    });
    socket.on('error', done);
    socket.on('close', done);
  });
  for (const piece of pieces) if (!socket.destroyed) socket.write(piece);
  await ended;
  socket.destroy();
  const all = Buffer.concat(chunks);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(all.toString('latin1'))?.[1];
  return { status: status === undefined ? 'closed' : Number(status), text: all.toString() };
}

function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf('\r\n\r\n');
  const length = /^content-length: (\d+)/im.exec(bytes.subarray(0, Math.max(end, 0)).toString('latin1'))?.[1];
  return end !== -1 && length !== undefined && bytes.length >= end + 4 + Number(length);
}

function requestOf(
  line: string,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
): (string | Uint8Array)[] {
  const bytes = Buffer.from(body as string);
  const all: Record<string, string> = {
    host: 'x',
    ...(bytes.length === 0 ? {} : { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return [`${line} HTTP/1.1\r\n${head.join('')}\r\n`, bytes];
}

async function stillServes(t: ExecutionContext): Promise<void> {
  t.is((await raw(...requestOf('GET /api/v1/namespaces/default'))).status, 200);
}

const map = (data: string, name = 'h'): string =>
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"},"data":${data}}`;
const post = (body: string | Uint8Array, headers: Record<string, string> = {}, query = '') =>
  requestOf(`POST ${MAPS}${query}`, body, headers);
const protobuf = { 'content-type': 'application/vnd.kubernetes.protobuf' };
const yaml = { 'content-type': 'application/yaml' };
const gzipped = { 'content-encoding': 'gzip' };
const patch = (type: string) => ({ 'content-type': `application/${type}` });
const envelope = (...bytes: number[]): Uint8Array => Uint8Array.from([0x6b, 0x38, 0x73, 0x00, ...bytes]);
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'a'));

const corpus: [what: string, request: (string | Uint8Array)[], answers: (number | 'closed')[]][] = [
  ['arrays nested 100,000 deep', post(map(`{"k":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)), [400]],
  ['objects nested 100,000 deep', post('{"a":'.repeat(100_000)), [400]],
  ['YAML nested 20,000 deep', post('['.repeat(20_000), yaml), [400]],
  ['YAML that means a lot by aliases', post(`a: &a [x]\nb: [${'*a,'.repeat(5_000)}]`, yaml), [400]],
  ['a key of a megabyte', post(map(`{"${'k'.repeat(1_000_000)}":"v"}`)), [400, 422]],
  ['a name of a megabyte', post(map('{}', 'n'.repeat(1_000_000))), [400, 422]],
  ['a key twice, under Strict', post(map('{"a":"1","a":"2"}'), {}, '?fieldValidation=Strict'), [400]],
  ['a prototype as a field', post('{"__proto__":{"kind":"ConfigMap"},"apiVersion":"v1","kind":"Pod"}'), [400]],
  ['a body that is no UTF-8', post(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])), [400]],
  ['half a surrogate', post(map('{"k":"\\ud800"}')), [201, 400, 422]],
  ['no JSON at all', post('<xml/>'), [400]],
  ['an empty object', post('{}'), [422, 400]],
  ['a list instead of an object', post('[]'), [400]],
  ['a number of 400 digits', post(map(`{"k":${'9'.repeat(400)}}`)), [400]],
  ['more than 3 MiB', post(Buffer.alloc(3 * 1024 * 1024 + 1, ' ')), [413]],
  [
    '3 MiB announced and more sent in chunks',
    [
      `POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 40 }, () => `20000\r\n${' '.repeat(0x20000)}\r\n`),
      '0\r\n\r\n',
    ],
    [413],
  ],
  ['a compressed bomb', post(bomb, gzipped), [415]],
  ['a media type that is none', post('{}', { 'content-type': 'text/html' }), [415]],
  ['protobuf without its magic', post(Buffer.from('hello'), protobuf), [400]],
  ['protobuf cut off', post(envelope(0x0a), protobuf), [400]],
  ['protobuf of a length that is not there', post(envelope(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f), protobuf), [400]],
  ['protobuf with an endless number', post(envelope(...Array.from({ length: 64 }, () => 0xff)), protobuf), [400]],
  ['protobuf with a wire type that does not exist', post(envelope(0x0f, 0x01), protobuf), [400]],
  [
    'a chunk without a length',
    [`POST ${MAPS} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n`],
    [400, 'closed'],
  ],
  [
    'two lengths that differ',
    [`POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\n{}\r\n`],
    [400, 'closed'],
  ],
  [
    'a length and chunks (smuggling)',
    [`POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    [400, 'closed'],
  ],
  ['a length below nothing', [`POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`], [400, 'closed']],
  ['a method nobody knows', ['FROB / HTTP/1.1\r\nhost: x\r\n\r\n'], [400, 'closed']],
  ['no HTTP', ['\u0000\u0001\u0002 hello\r\n\r\n'], [400, 'closed']],
  ['a control character in a header', ['GET / HTTP/1.1\r\nhost: x\r\na: b\u0000c\r\n\r\n'], [400, 'closed']],
  ['a header of 100 KiB', requestOf('GET /version', '', { a: 'x'.repeat(100 * 1024) }), [400, 431, 'closed']],
  ['5,000 headers', [`GET /version HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(20_000)}\r\n`], [400, 431, 'closed']],
  ['a URL of 50 KiB', requestOf(`GET /api/v1/pods?a=${'x'.repeat(50 * 1024)}`), [400, 414, 431]],
  ['..', requestOf('GET /api/v1/namespaces/../pods'), [400, 404]],
  ['%2e%2e', requestOf('GET /api/v1/namespaces/%2e%2e/pods'), [400]],
  ['%2f', requestOf('GET /api/v1/namespaces/a%2fb/pods'), [400]],
  ['%00', requestOf('GET /api/v1/namespaces/a%00b/pods'), [400]],
  ['%', requestOf('GET /api/v1/namespaces/%/pods'), [400]],
  ['//', requestOf('GET //api/v1/pods'), [404]],
  ['// within', requestOf('GET /api/v1//pods'), [404]],
  ['a name that is the prototype', requestOf('GET /api/v1/namespaces/default/__proto__/constructor'), [404]],
  ['a group that is the prototype', requestOf('GET /apis/__proto__/v1/toString'), [404]],
  ['a path that is the prototype', requestOf('GET /openapi/v3/constructor'), [404]],
  ['limit=1e99', requestOf(`GET ${MAPS}?limit=1e99`), [400]],
  ['limit beyond 2^63', requestOf(`GET ${MAPS}?limit=99999999999999999999`), [400]],
  ['limit below 0', requestOf(`GET ${MAPS}?limit=-5`), [400]],
  ['a revision below 0', requestOf(`GET ${MAPS}?resourceVersion=-1`), [400]],
  ['a timeout of ages that are none', requestOf(`GET ${MAPS}?watch=1&timeoutSeconds=NaN`), [400]],
  ['a continue token of rubbish', requestOf(`GET ${MAPS}?continue=${'A'.repeat(20_000)}`), [400]],
  [
    'a continue token out of its range',
    requestOf(
      `GET ${MAPS}?continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":-1,"start":"../../secrets/x\\u0000"}').toString('base64url')}`,
    ),
    [200, 400],
  ],
  [
    '5,000 requirements',
    requestOf(`GET ${MAPS}?labelSelector=${Array.from({ length: 5_000 }, (_, i) => `a${i}`).join('%2C')}`),
    [200, 400],
  ],
  ['a selector of brackets', requestOf(`GET ${MAPS}?labelSelector=${'('.repeat(10_000)}`), [400]],
  ['dryRun=Some', requestOf(`DELETE ${MAPS}/x?dryRun=Some`), [422, 400]],
  ['a grace period of words', requestOf(`DELETE ${MAPS}/x?gracePeriodSeconds=soon`), [400]],
  [
    'a JSON patch that doubles the object',
    requestOf(
      `PATCH ${MAPS}/victim`,
      JSON.stringify([
        { op: 'add', path: '/data', value: { a: {} } },
        ...Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/a/x${i}` })),
      ]),
      patch('json-patch+json'),
    ),
    [400, 413, 422],
  ],
  [
    'a JSON patch of 100,000 steps',
    requestOf(
      `PATCH ${MAPS}/victim`,
      JSON.stringify(Array.from({ length: 50_000 }, () => ({ op: 'test', path: '', value: 1 }))),
      patch('json-patch+json'),
    ),
    [400, 413, 422],
  ],
  [
    'a JSON patch into the prototype',
    requestOf(
      `PATCH ${MAPS}/victim`,
      '[{"op":"add","path":"/__proto__/polluted","value":"yes"}]',
      patch('json-patch+json'),
    ),
    [400, 422],
  ],
  [
    'a merge patch nested deep',
    requestOf(`PATCH ${MAPS}/victim`, '{"data":'.repeat(50_000), patch('merge-patch+json')),
    [400],
  ],
  [
    'a strategic merge patch of directives',
    requestOf(
      `PATCH ${MAPS}/victim`,
      '{"$patch":"explode","data":{"$patch":"delete"}}',
      patch('strategic-merge-patch+json'),
    ),
    [400, 422],
  ],
  [
    'an upgrade to something else',
    requestOf('GET /api/v1/pods', '', { connection: 'upgrade', upgrade: 'h2c' }),
    [400, 404, 'closed'],
  ],
  ['a tunnel', ['CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n'], [400, 404, 405, 'closed']],
];

test.serial('the object that is attacked', async (t) => {
  t.is((await raw(...post(map('{"k":"v"}', 'victim')))).status, 201);
});

for (const [what, request, answers] of corpus) {
  test.serial(`${what}: ${answers.join(' or ')}`, async (t) => {
    const answer = await raw(...request);
    t.true(answers.includes(answer.status), `${answer.status}: ${answer.text.slice(0, 600)}`);
    await stillServes(t);
  });
}

test.serial('keys of Object.prototype are keys like others', async (t) => {
  const data = '{"__proto__":"a","constructor":"b","toString":"c"}';
  t.is((await raw(...post(map(data, 'proto')))).status, 201);
  const merge = requestOf(
    `PATCH ${MAPS}/proto`,
    '{"data":{"__proto__":"d","hasOwnProperty":"e"}}',
    patch('merge-patch+json'),
  );
  t.is((await raw(...merge)).status, 200);
  const { text } = await raw(...requestOf(`GET ${MAPS}/proto`));
  for (const pair of ['"__proto__":"d"', '"constructor":"b"', '"toString":"c"', '"hasOwnProperty":"e"'])
    t.true(text.includes(pair), `${pair} in ${text}`);
  t.is((Object.prototype as Record<string, unknown>)['polluted'], undefined);
});

test.serial('a watch asked for until the end of days is one, and one below nothing ends at once', async (t) => {
  const forEver = await dial();
  const seen: string[] = [];
  forEver.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
  forEver.write(requestOf(`GET ${MAPS}?watch=1&timeoutSeconds=999999999999`)[0] as string);
  t.is((await raw(...post(map('{}', 'seen')))).status, 201);
  const until = Date.now() + ANSWER_MS;
  while (!seen.join('').includes('"name":"seen"') && Date.now() < until)
    await new Promise((done) => setTimeout(done, 10));
  t.true(seen.join('').includes('"name":"seen"'), 'it is still open');
  forEver.destroy();
  const none = await raw(...requestOf(`GET ${MAPS}?watch=1&timeoutSeconds=-5`, '', { connection: 'close' }));
  t.true(none.status === 200 || none.status === 400);
});

test.serial('bodies that never come hold nobody else up', async (t) => {
  const slow = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const socket = await dial();
      socket.on('error', () => undefined);
      socket.write(
        `POST ${MAPS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
      );
      return socket;
    }),
  );
  await stillServes(t);
  for (const socket of slow) socket.destroy();
  await stillServes(t);
});

test.serial('streams opened and reset by the hundred, and header floods over HTTP/2', async (t) => {
  const { port, authorityPem, certificatePem, privateKeyPem } = server;
  const options = { ca: authorityPem, cert: certificatePem, key: privateKeyPem };
  const session = connectHttp2(`https://127.0.0.1:${port}`, options);
  session.on('error', () => undefined);
  for (let i = 0; i < 600 && !session.destroyed; i += 1) {
    const stream = session.request({ ':path': `${MAPS}?watch=1` });
    stream.on('error', () => undefined);
    stream.close(constants.NGHTTP2_CANCEL);
  }
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`a${i}`, 'b'.repeat(100)]));
  const flood = session.request({ ':path': '/version', ...many });
  await new Promise<void>((resolve) => {
    flood.on('error', () => resolve());
    flood.on('close', () => resolve());
    flood.resume();
  });
  session.destroy();
  await stillServes(t);
});

test.serial('a long list is compressed for those who accept it, and the same', async (t) => {
  const value = JSON.stringify('x'.repeat(200_000));
  for (const name of ['long-a', 'long-b']) t.is((await raw(...post(map(`{"k":${value}}`, name)))).status, 201);
  const { port, authorityPem, certificatePem, privateKeyPem } = server;
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    ca: authorityPem,
    cert: certificatePem,
    key: privateKeyPem,
  });
  const fetch = (headers: Record<string, string>) =>
    new Promise<{ encoding: unknown; body: Buffer }>((resolve, reject) => {
      const chunks: Buffer[] = [];
      let encoding: unknown;
      const stream = session.request({ ':path': MAPS, ...headers });
      stream.on('response', (head) => {
        encoding = head['content-encoding'];
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => resolve({ encoding, body: Buffer.concat(chunks) }));
      stream.on('error', reject);
    });
  const plain = await fetch({});
  const small = await fetch({ 'accept-encoding': 'gzip, deflate' });
  const refused = await fetch({ 'accept-encoding': 'gzip;q=0' });
  session.destroy();
  t.is(plain.encoding, undefined);
  t.is(refused.encoding, undefined);
  t.is(small.encoding, 'gzip');
  t.true(small.body.length < plain.body.length / 10);
  t.is(gunzipSync(small.body).toString(), plain.body.toString());
});

test.serial('after all of it memory has not grown beyond a bound', (t) => {
  const growth = heldBytes() - heldBefore;
  t.true(growth < GROWTH_BYTES_MAX, `${Math.round(growth / 1024 / 1024)} MiB are still held`);
  const peak = process.resourceUsage().maxRSS * 1024;
  t.true(peak < PEAK_BYTES_MAX, `${Math.round(peak / 1024 / 1024)} MiB at the most, this client's own included`);
});
