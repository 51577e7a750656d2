import test from 'ava';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { createRandom } from '#src/drivers/random.ts';
import type { LinkIdentity } from '#src/ports/network.ts';
import { Fault } from '#src/std/fault.ts';
import { CLIENT_ORGANIZATION, connectClient, type WireClient } from '#src/wire/client-links.ts';
import { decodePeerFrame, encodeFrame } from '#src/wire/frames.ts';
import { createWire, type Wire } from '#src/wire/wire.ts';
import { memoryLog } from '#test/support/memory-log.ts';

const crypto = createCrypto();
const authority = await crypto.createAuthority({ commonName: 'peers', validityDays: 1 });

async function identityOf(name: string, signer = authority, organizations: string[] = []): Promise<LinkIdentity> {
  const pair = await crypto.generateKeyPair();
  const certificatePem = await crypto.issueCertificate(signer, {
    publicKeyPem: pair.publicKeyPem,
    commonName: name,
    organizations,
    usages: ['server', 'client'],
    validityDays: 1,
  });
  return { certificatePem, privateKeyPem: pair.privateKeyPem, authorityPem: authority.certificatePem };
}

const log = memoryLog();

async function node(
  name: string,
  overrides: { clusterId?: string; identity?: LinkIdentity; incarnation?: string } = {},
): Promise<Wire> {
  return await createWire({
    network: createNetwork(),
    clock: createClock(),
    random: createRandom(),
    log,
    self: name,
    clusterId: overrides.clusterId ?? 'c1',
    incarnation: overrides.incarnation ?? `${name}-1`,
    version: 'test',
    identity: overrides.identity ?? (await identityOf(name)),
    listen: { host: '127.0.0.1', port: 0 },
  });
}

function introduce(...wires: Wire[]): void {
  for (const a of wires) for (const b of wires) a.setAddress(b.self, `127.0.0.1:${b.port}`);
}

async function until(holds: () => boolean): Promise<void> {
  const clock = createClock();
  const end = clock.monotonicMs() + 10_000;
  while (!holds()) {
    if (clock.monotonicMs() > end) throw new Error('not within 10 s');
    await new Promise<void>((resolve) => clock.after(5, resolve));
  }
}

const connected = (wire: Wire, name: string): boolean =>
  wire.states().some((state) => state.name === name && state.connected);

test('messages, requests with faults, and streams with back-pressure between two nodes and to oneself', async (t) => {
  const [a, b] = [await node('a'), await node('b')];
  const got: unknown[] = [];
  b.onMessage('raft', (from, message) => got.push([from, message]));
  for (const wire of [a, b]) {
    wire.onRequest('add', (_, payload) => Promise.resolve((payload as number[]).reduce((sum, n) => sum + n, 0)));
    wire.onRequest('refuse', () => Promise.reject(new Fault('NOT_HERE', 'ask n9', 'elsewhere')));
    wire.onStream('count', async (_from, header, stream) => {
      t.deepEqual(header, { unit: 'bytes' });
      let total = 0;
      for (let chunk = await stream.read(); chunk; chunk = await stream.read()) total += chunk.length;
      await stream.write(new TextEncoder().encode(String(total)));
      stream.end();
    });
    wire.onStream('never', () => Promise.reject(new Fault('NO_SUCH_POD', 'pod x is not here', 'never')));
  }
  introduce(a, b);
  await until(() => connected(a, 'b') && connected(b, 'a'));
  a.send('b', 'raft', { term: 2 ** 40, data: new Uint8Array([1, 2]) });
  a.send('b', 'raft', 'second');
  await until(() => got.length === 2);
  t.deepEqual(got, [
    ['a', { term: 2 ** 40, data: Buffer.from([1, 2]) }],
    ['a', 'second'],
  ]);

  for (const [from, to] of [
    [a, 'b'],
    [b, 'a'],
    [a, 'a'],
  ] as const) {
    t.is(await from.request(to, 'add', [1, 2, 3], { timeoutMs: 2000 }), 6);
    const refusal = await t.throwsAsync(from.request(to, 'refuse', null, { timeoutMs: 2000 }), { instanceOf: Fault });
    t.like(refusal, { code: 'NOT_HERE', message: 'ask n9', retry: 'elsewhere' });
    const stream = await from.openStream(to, 'count', { unit: 'bytes' });
    const bytes = 3 * 1024 * 1024;
    await stream.write(new Uint8Array(bytes));
    stream.end();
    t.is(new TextDecoder().decode(await stream.read()), String(bytes));
    t.is(await stream.read(), undefined);
    t.like(await t.throwsAsync(from.openStream(to, 'never', {}), { instanceOf: Fault }), { code: 'NO_SUCH_POD' });
  }
  t.like(await t.throwsAsync(a.request('z', 'add', [], { timeoutMs: 100 }), { instanceOf: Fault }), {
    code: 'WIRE_UNREACHABLE',
  });
  await Promise.all([a.close(), b.close()]);
});

async function client(at: Wire, identity: LinkIdentity, clusterId = 'c1'): Promise<WireClient> {
  const address = `127.0.0.1:${at.port}`;
  const own = { identity, clusterId, name: 'client:x', incarnation: 'x1', address, node: at.self };
  return await connectClient({ network: createNetwork(), clock: createClock(), log, ...own });
}

test('a client may ask what is open to clients, and is never taken for a member', async (t) => {
  const a = await node('a');
  const got: unknown[] = [];
  a.onMessage('raft', (from) => got.push(from));
  a.onRequest('secret', () => Promise.resolve('told'));
  a.onClientRequest('add', (name, payload) => Promise.resolve([name, ...(payload as number[])]));
  a.onClientRequest('refuse', () => Promise.reject(new Fault('BUSY', 'later', 'later')));
  a.onClientRequest('throw', () => {
    throw new Fault('CLIENT_MALFORMED', 'not like this', 'never');
  });
  const identity = await identityOf('client:x', authority, [CLIENT_ORGANIZATION]);
  const one = await client(a, identity);
  t.deepEqual(await one.request('add', [1, 2], 2000), ['client:x', 1, 2]);
  for (const [method, code] of [
    ['secret', 'WIRE_NO_METHOD'],
    ['refuse', 'BUSY'],
    ['throw', 'CLIENT_MALFORMED'],
  ] as const) {
    t.like(await t.throwsAsync(one.request(method, null, 2000), { instanceOf: Fault }), { code });
  }
  t.deepEqual(a.states(), [], 'a client is no peer');
  one.close();

  const foreign = await client(a, identity, 'c2');
  t.like(await t.throwsAsync(foreign.request('add', [], 2000), { instanceOf: Fault }), { code: 'WIRE_LOST' });
  // Its certificate on a node's wire: the other side takes it for a client, which opens nothing to it.
  const disguised = await node('b', { identity });
  a.setAddress('b', `127.0.0.1:${disguised.port}`);
  disguised.setAddress('a', `127.0.0.1:${a.port}`);
  disguised.send('a', 'raft', {});
  const refused = await t.throwsAsync(disguised.openStream('a', 'any', {}), { instanceOf: Fault });
  t.true(refused.code.startsWith('WIRE_'), refused.message);
  t.deepEqual(got, []);
  t.false(connected(a, 'b'));
  await Promise.all([a.close(), disguised.close()]);
});

test('a lost link fails what waits, tells who listens, and comes back by itself', async (t) => {
  const identity = await identityOf('b');
  const [a, b] = [await node('a'), await node('b', { identity })];
  b.onRequest('hang', () => new Promise(() => undefined));
  introduce(a, b);
  await until(() => connected(a, 'b'));
  const lost: string[] = [];
  a.onDisconnect((name) => lost.push(name));
  const waiting = a.request('b', 'hang', null, { timeoutMs: 60_000 });
  await b.close();
  t.like(await t.throwsAsync(waiting, { instanceOf: Fault }), { code: 'WIRE_LOST' });
  t.deepEqual(lost, ['b']);
  const again = await node('b', { identity, incarnation: 'b-2' });
  a.setAddress('b', `127.0.0.1:${again.port}`);
  await until(() => connected(a, 'b'));
  await Promise.all([a.close(), again.close()]);
  t.pass();
});

test('another cluster, a strange certificate and a second process of one name are refused with a reason', async (t) => {
  const [a, b] = [await node('a'), await node('b')];
  introduce(a, b);
  await until(() => connected(a, 'b'));
  const reasons = (): string =>
    log.lines.map((line) => `${line.message} ${String(line.fields?.['error'] ?? '')}`).join('\n');

  const foreign = await node('c', { clusterId: 'c2' });
  a.setAddress('c', `127.0.0.1:${foreign.port}`);
  await until(() => reasons().includes('belongs to cluster'));

  const stranger = await node('d', {
    identity: { ...(await identityOf('d', await crypto.createAuthority({ commonName: 'others', validityDays: 1 }))) },
  });
  a.setAddress('d', `127.0.0.1:${stranger.port}`);
  const twin = await node('b', { incarnation: 'b-twin' });
  a.setAddress('b', `127.0.0.1:${twin.port}`);
  twin.setAddress('a', `127.0.0.1:${a.port}`);
  await until(() => reasons().includes('trust each other'));
  t.true(connected(a, 'b'));
  t.false(connected(a, 'd'));
  t.false(connected(a, 'c'));
  await Promise.all([a, b, foreign, stranger, twin].map((wire) => wire.close()));
});

test('a frame that is not of the protocol is a fault, never a crash', (t) => {
  for (const bytes of [
    new Uint8Array(),
    new Uint8Array([0xc1]),
    encodeFrame(['zz', 1] as never),
    new Uint8Array([0x91, 0x93, 0xa1, 0x71, 0xff, 0x01]),
  ]) {
    t.throws(() => decodePeerFrame(bytes), { code: 'WIRE_FRAME' });
  }
});
