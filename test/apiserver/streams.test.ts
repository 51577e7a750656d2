/** exec, attach, port-forward and proxy through two nodes: SPDY/3.1 and WebSocket as their clients speak them. */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { rewriteLocation } from '#src/apiserver/proxy.ts';
import { parseTarget } from '#src/apiserver/route.ts';
import type { SpdyStream } from '#src/spdy/spdy.ts';
import { listen, twoNodes, type SpdyClient, type TwoNodes } from '#test/support/two-nodes.ts';

const POD = '/api/v1/namespaces/default/pods/p';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function all(stream: SpdyStream | undefined): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for (let chunk = await stream?.read(); chunk !== undefined; chunk = await stream?.read())
    text += decoder.decode(chunk, { stream: true });
  return text;
}

async function opened(nodes: TwoNodes, path: string, protocols: string): Promise<SpdyClient> {
  const client = await nodes.spdy(path, protocols);
  if (!('connection' in client)) throw new Error(`${client.status} ${client.body}`);
  return client;
}

function streamsOf(client: SpdyClient, types: string[]): Record<string, SpdyStream> {
  return Object.fromEntries(types.map((type) => [type, client.connection.open(new Map([['streamType', type]]))]));
}

const command = (...parts: string[]): string => parts.map((part) => `command=${encodeURIComponent(part)}`).join('&');

for (const [offered, chosen, failure] of [
  ['v5.channel.k8s.io, v4.channel.k8s.io', 'v5.channel.k8s.io', /"causes":\[\{"reason":"ExitCode","message":"3"\}\]/],
  ['v4.channel.k8s.io, v3.channel.k8s.io', 'v4.channel.k8s.io', /"reason":"NonZeroExitCode"/],
  ['v2.channel.k8s.io, channel.k8s.io', 'v2.channel.k8s.io', /^command terminated with non-zero exit code/],
] as const) {
  test(`exec over SPDY: ${chosen}: streams, the end of the input, the exit code`, async (t) => {
    const nodes = await twoNodes(t);
    const query = `${command('sh', '-c', 'cat; echo bad >&2; exit 3')}&stdin=1&stdout=1&stderr=1`;
    const client = await opened(nodes, `${POD}/exec?${query}`, offered);
    t.is(client.protocol, chosen);
    const { error, stdin, stdout, stderr } = streamsOf(client, ['error', 'stdin', 'stdout', 'stderr']);
    const sent = 'x'.repeat(500_000);
    void stdin?.write(bytes(sent)).then(() => stdin.end());
    const [out, err, status] = await Promise.all([all(stdout), all(stderr), all(error)]);
    t.is(out.length, sent.length);
    t.is(err, 'bad\n');
    t.regex(status, failure);
    client.socket.destroy();
  });
}

test('attach over SPDY, with a stream that nobody asked for refused', async (t) => {
  const nodes = await twoNodes(t);
  const client = await opened(nodes, `${POD}/attach?stdin=1&stdout=1`, 'v4.channel.k8s.io');
  const { extra, stdin, stdout } = streamsOf(client, ['error', 'extra', 'stdin', 'stdout']);
  await t.throwsAsync(async () => await extra?.read(), { code: 'SPDY_CLOSED', message: /status 3/ });
  await stdin?.write(bytes('hello\n'));
  t.is(new TextDecoder().decode(await stdout?.read()), 'heard hello\n');
  client.socket.destroy();
});

test('what cannot be spoken is refused before the handshake, with a Status', async (t) => {
  const nodes = await twoNodes(t);
  const exec = `${POD}/exec?command=ls&stdout=1`;
  const cases: [string, string, number, RegExp][] = [
    [exec, 'v9.channel.k8s.io', 403, /client supports \[v9\.channel\.k8s\.io\], server accepts \[v5/],
    [exec, '', 400, /X-Stream-Protocol-Version is required/],
    [`${POD}/portforward`, 'v4.channel.k8s.io', 403, /server accepts \[portforward\.k8s\.io\]/],
    ['/api/v1/namespaces/default/pods/gone/portforward', 'portforward.k8s.io', 404, /pods \\"gone\\" not found/],
    [`${POD}/status`, 'portforward.k8s.io', 404, /could not find/],
  ];
  for (const [path, protocols, status, message] of cases) {
    const answer = await nodes.spdy(path, protocols);
    if ('connection' in answer) return t.fail(`${path} was upgraded`);
    t.is(answer.status, status, answer.body);
    t.regex(answer.body, message);
  }
});

function pairOf(client: SpdyClient, port: number | string, requestId: string): { error: SpdyStream; data: SpdyStream } {
  const headers = (type: string): Map<string, string> =>
    new Map([
      ['streamType', type],
      ['port', String(port)],
      ['requestID', requestId],
    ]);
  const error = client.connection.open(headers('error'));
  error.end();
  return { error, data: client.connection.open(headers('data')) };
}

test('port-forward: connections side by side, each end in its own time, failures on the error stream', async (t) => {
  const nodes = await twoNodes(t);
  // Answers only after the other side's end, then with what it heard, backwards.
  const late = await listen(t, (server) =>
    server.on('connection', (socket) => {
      const heard: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => heard.push(chunk));
      socket.on('end', () => socket.end(Buffer.concat(heard).reverse()));
    }),
  );
  // Says all it has at once, and listens on.
  let heardLater = '';
  const early = await listen(t, (server) =>
    server.on('connection', (socket) => {
      socket.end('greeting');
      socket.on('data', (chunk: Buffer) => (heardLater += chunk.toString()));
    }),
  );
  const client = await opened(nodes, `${POD}/portforward`, 'portforward.k8s.io');
  const sent = Buffer.alloc(700_000, 'abc');
  const [first, second, third] = [pairOf(client, late, '0'), pairOf(client, early, '1'), pairOf(client, 9, '2')];
  void first.data.write(sent).then(() => first.data.end());
  t.is(await all(second.data), 'greeting');
  t.is(await all(second.error), '');
  const more = 'z'.repeat(300_000);
  await second.data.write(bytes(more));
  second.data.end();
  t.true((await all(first.data)) === Buffer.from(sent).reverse().toString());
  t.is(await all(first.error), '');
  t.regex(await all(third.error), /^error forwarding port 9 to pod p, uid [0-9a-f-]{36}: .*connection refused$/);
  for (let looks = 0; heardLater.length < more.length && looks < 500; looks += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  t.is(heardLater.length, more.length, 'what came after its own end');
  for (const port of ['0', '65536', 'http']) {
    const { error } = pairOf(client, port, `bad ${port}`);
    await t.throwsAsync(async () => await error.read(), { code: 'SPDY_CLOSED', message: /status 3/ });
  }
  client.socket.destroy();
});

test('junk on one connection ends it and harms no other', async (t) => {
  const nodes = await twoNodes(t);
  const echo = await listen(t, (server) => server.on('connection', (socket) => socket.pipe(socket)));
  const good = await opened(nodes, `${POD}/portforward`, 'portforward.k8s.io');
  const { data } = pairOf(good, echo, '0');
  await data.write(bytes('before'));
  t.is(new TextDecoder().decode(await data.read()), 'before');
  const junk = fc.sample(fc.uint8Array({ minLength: 20, maxLength: 400 }), 20);
  for (const chunk of junk) {
    const bad = await opened(nodes, `${POD}/portforward`, 'portforward.k8s.io');
    const gone = new Promise<void>((resolve) => bad.socket.once('close', () => resolve()));
    // The first bit makes it a control frame, of a version that nobody speaks.
    bad.socket.write(new Uint8Array([0xff, ...chunk]));
    bad.socket.end();
    await gone;
  }
  await data.write(bytes('after'));
  t.is(new TextDecoder().decode(await data.read()), 'after');
  good.socket.destroy();
});

/** Messages of a WebSocket by channel. */
async function channels(
  nodes: TwoNodes,
  path: string,
): Promise<{ socket: WebSocket; heard: (channel: number) => Buffer; closed: Promise<number> }> {
  const socket = new WebSocket(`wss://127.0.0.1:${nodes.port}${path}`, ['v4.channel.k8s.io'], nodes.tls);
  const said = new Map<number, Buffer>();
  socket.on('message', (message: Buffer) => {
    const channel = message[0] ?? 0;
    said.set(channel, Buffer.concat([said.get(channel) ?? Buffer.alloc(0), message.subarray(1)]));
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return { socket, heard: (channel) => said.get(channel) ?? Buffer.alloc(0), closed };
}

async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; looks < 500 && !holds(); looks += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}

test('port-forward in channels: two a port, each beginning with its port', async (t) => {
  const nodes = await twoNodes(t);
  const echo = await listen(t, (server) => server.on('connection', (socket) => socket.pipe(socket)));
  const { socket, heard } = await channels(nodes, `${POD}/portforward?ports=${echo}&ports=9`);
  socket.send(new Uint8Array([0, ...bytes('hello')]));
  await until(() => heard(0).length === 7 && heard(3).length > 2);
  t.is(heard(0).readUInt16LE(0), echo);
  t.is(heard(0).subarray(2).toString(), 'hello');
  t.is(heard(1).readUInt16LE(0), echo);
  t.is(heard(3).readUInt16LE(0), 9);
  t.regex(heard(3).subarray(2).toString(), /^error forwarding port 9 to pod p, uid .*refused$/);
  socket.close();
  const refused = await nodes.ask(
    `GET ${POD}/portforward?ports=x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n',
  );
  t.is(refused.status, 400);
  t.regex(refused.body, /unable to parse \\"x\\" as a port/);
});

test('a WebSocket of many megabytes into a slow program is slowed down, not cut', async (t) => {
  const nodes = await twoNodes(t);
  const query = `${command('sh', '-c', 'sleep 1; wc -c')}&stdin=1&stdout=1`;
  const socket = new WebSocket(`wss://127.0.0.1:${nodes.port}${POD}/exec?${query}`, ['v5.channel.k8s.io'], nodes.tls);
  let said = '';
  socket.on('message', (message: Buffer) => {
    if (message[0] === 1) said += message.subarray(1).toString();
  });
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  const chunk = Buffer.concat([Buffer.from([0]), Buffer.alloc(500_000)]);
  for (let i = 0; i < 24; i += 1) socket.send(chunk);
  socket.send(new Uint8Array([255, 0]));
  t.is(await closed, 1000);
  t.is(said.trim(), String(24 * 500_000));
});

async function web(
  t: ExecutionContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createHttpServer(handle);
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => socket.destroy());
    if (request.headers.upgrade !== 'echo') {
      socket.end('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 4\r\n\r\nnope');
      return;
    }
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Was: there\r\n\r\nfirst ',
    );
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const get = (path: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n${more}\r\n`;

test('proxy: path, query, body and headers go on, credentials and hop-by-hop headers do not', async (t) => {
  const nodes = await twoNodes(t);
  const port = await web(t, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      response.setHeader('X-Two', ['a', 'b']);
      response.setHeader('Keep-Alive', 'timeout=1');
      if (request.url === '/moved') response.setHeader('Location', '/there?x=y');
      response.statusCode = request.url === '/moved' ? 302 : 201;
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
    });
  });
  const proxy = `${POD}:${port}/proxy`;
  const posted = await nodes.ask(
    `POST ${proxy}/a//b%2Fc/../d?q=1&q=%20 HTTP/1.1\r\nHost: api\r\nConnection: close, X-Mine\r\nX-Mine: cut\r\nX-Kept: kept\r\n` +
      `Impersonate-User: admin\r\nImpersonate-Group: system:masters\r\nContent-Length: 4\r\n\r\nbody`,
  );
  t.is(posted.status, 201, posted.body);
  const seen = JSON.parse(posted.body) as {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: string;
  };
  t.like(seen, { method: 'POST', url: '/a//b%2Fc/../d?q=1&q=%20', body: 'body' });
  t.like(seen.headers, {
    host: `127.0.0.1:${port}`,
    'x-kept': 'kept',
    'x-forwarded-host': 'api',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-uri': `${proxy}/a//b%2Fc/../d?q=1&q=%20`,
  });
  for (const name of ['x-mine', 'impersonate-user', 'authorization', 'transfer-encoding'])
    t.is(seen.headers[name], undefined, name);
  t.is(posted.headers['keep-alive'], undefined);
  const moved = await nodes.ask(get(`${proxy}/moved`));
  t.deepEqual([moved.status, moved.headers['location']], [302, `${proxy}/there?x=y`]);
  const bare = await nodes.ask(get(`${proxy}?x=1`));
  t.deepEqual([bare.status, bare.headers['location']], [301, `${proxy}/?x=1`]);
  const head = await nodes.ask(`HEAD ${proxy}/h HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n`);
  t.deepEqual([head.status, head.body], [201, '']);
});

test('proxy: what cannot be reached or asked is told as Kubernetes tells it', async (t) => {
  const nodes = await twoNodes(t);
  const cases: [string, number, RegExp][] = [
    [`${POD}:9/proxy/`, 503, /error trying to reach service: .*connection refused/],
    ['/api/v1/namespaces/default/pods/a:b:c:d/proxy/', 400, /invalid pod request/],
    ['/api/v1/namespaces/default/pods/gone/proxy/', 404, /pods \\"gone\\" not found/],
    ['/api/v1/namespaces/default/services/gone/proxy/', 404, /services \\"gone\\" not found/],
    ['/api/v1/nodes/gone/proxy/healthz', 404, /nodes \\"gone\\" not found/],
    ['/api/v1/nodes/b/proxy/stats', 404, /404 page not found/],
    ['/api/v1/namespaces/default/configmaps/x/proxy/', 404, /could not find/],
  ];
  for (const [path, status, message] of cases) {
    const answer = await nodes.ask(get(path));
    t.is(answer.status, status, `${path}: ${answer.body}`);
    t.regex(answer.body, message);
  }
  t.is((await nodes.ask(get('/api/v1/nodes/b/proxy/healthz'))).body, 'ok');
  for (const [method, verb] of [
    ['GET', 'get'],
    ['POST', 'create'],
    ['PUT', 'update'],
    ['PATCH', 'patch'],
    ['DELETE', 'delete'],
  ]) {
    const answer = await nodes.ask(
      `${method} ${POD}:80/proxy/ HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      'nobody',
    );
    t.is(answer.status, 403);
    t.regex(answer.body, new RegExp(`cannot ${verb} resource \\\\"pods/proxy\\\\"`));
  }
});

test('proxy: answers that are no HTTP, or break off, become 503 or a cut', async (t) => {
  const nodes = await twoNodes(t);
  const answering = async (text: string): Promise<number> =>
    await listen(t, (server) => server.on('connection', (socket) => socket.once('data', () => socket.end(text))));
  for (const [text, message] of [
    ['SSH-2.0-hello\r\n\r\n', /no valid HTTP: it begins with/],
    ['', /closed the connection/],
    ['HTTP/1.1 200 OK\r\nno colon\r\n\r\n', /header line/],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`, /more than 65536 bytes of head/],
  ] as const) {
    const answer = await nodes.ask(get(`${POD}:${await answering(text)}/proxy/`));
    t.is(answer.status, 503, text.slice(0, 40));
    t.regex(answer.body, message);
  }
  const whole = await nodes.ask(
    get(
      `${POD}:${await answering('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: 1\r\n\r\n')}/proxy/`,
    ),
  );
  t.deepEqual([whole.status, whole.body], [200, 'hello world']);
  const short = await nodes
    .ask(get(`${POD}:${await answering('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour')}/proxy/`))
    .catch(() => undefined);
  t.not(short?.body.length, 10);
});

test('proxy: an upgrade is handed on, bytes both ways; a refused one with its answer', async (t) => {
  const nodes = await twoNodes(t);
  const port = await web(t, (_request, response) => void response.end());
  const upgrade = (to: string): string =>
    `GET ${POD}:${port}/proxy/up HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: ${to}\r\n\r\n`;
  const refused = await nodes.ask(upgrade('other'));
  t.deepEqual([refused.status, refused.body], [426, 'nope']);
  const { connect } = await import('node:tls');
  const socket = connect({ port: nodes.port, host: '127.0.0.1', ...nodes.tls, ALPNProtocols: ['http/1.1'] });
  socket.write(upgrade('echo'));
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await until(() => text.endsWith('first '));
  t.regex(text, /^HTTP\/1\.1 101 /);
  t.regex(text, /x-was: there/i);
  const sent = 'echoed'.repeat(100_000);
  socket.write(sent);
  await until(() => text.length >= sent.length + text.indexOf('first ') + 6);
  t.true(text.endsWith(`first ${sent}`));
  socket.destroy();
});

for (const [location, want] of [
  ['/x', '/prefix/x'],
  ['http://pod:80/x?y#z', '/prefix/x?y#z'],
  ['relative', '/prefix/a/relative'],
  ['/prefix/already', '/prefix/already'],
  ['https://elsewhere/x', 'https://elsewhere/x'],
  ['http://[broken', 'http://[broken'],
] as const) {
  test(`proxy: Location ${location} is ${want}`, (t) => {
    t.is(rewriteLocation(location, { host: 'pod', prefix: '/prefix', base: '/a/b' }), want);
  });
}

for (const [path, want] of [
  ['/api/v1/namespaces/n/pods/p/proxy', { namespace: 'n', resource: 'pods', name: 'p', rest: '' }],
  ['/api/v1/namespaces/n/pods/https:p:1/proxy/', { name: 'https:p:1', rest: '/' }],
  ['/api/v1/namespaces/n/services/s/proxy/a//%2e%2e/..', { resource: 'services', rest: '/a//%2e%2e/..' }],
  ['/api/v1/nodes/n/proxy/pods/', { namespace: undefined, resource: 'nodes', name: 'n', rest: '/pods/' }],
  ['/api/v1/namespaces/proxy/pods/p/proxy/proxy', { namespace: 'proxy', name: 'p', rest: '/proxy' }],
  ['/api/v1/namespaces/proxy/pods/proxy', { namespace: 'proxy', name: 'proxy', subresource: undefined }],
] as const) {
  test(`route: ${path}`, (t) => {
    t.like(parseTarget(path).route, { type: 'resource', ...want });
  });
}
