/** The simulated network beyond its contract: partitions, crashes and who notices what. */
import test from 'ava';
import type { Link } from '#src/ports/network.ts';
import { createWorld } from '#src/sim/clock.ts';
import { createSimCrypto } from '#src/sim/crypto.ts';
import { createSimNetwork } from '#src/sim/network.ts';
import { createPrng } from '#src/sim/prng.ts';
import { runFor, settle } from '#test/support/virtual.ts';

const address = '10.0.0.1:7443';

async function twoNodes() {
  const world = createWorld();
  const network = createSimNetwork({ world, prng: createPrng(1) });
  const clocks = { a: world.clock(), b: world.clock() };
  const ports = { a: network.of('a', clocks.a, '10.0.0.1'), b: network.of('b', clocks.b, '10.0.0.2') };
  const crypto = createSimCrypto({ clock: clocks.a, prng: createPrng(2) });
  const authority = await crypto.createAuthority({ commonName: 'peers', validityDays: 1 });
  const identity = async (commonName: string) => {
    const { publicKeyPem, privateKeyPem } = await crypto.generateKeyPair();
    const certificatePem = await crypto.issueCertificate(authority, {
      publicKeyPem,
      commonName,
      usages: [],
      validityDays: 1,
    });
    return { certificatePem, privateKeyPem, authorityPem: authority.certificatePem };
  };
  const got: number[] = [];
  const closed: string[] = [];
  let far: Link | undefined;
  const listen = async (): Promise<void> => {
    await ports.a.listen({
      host: '10.0.0.1',
      port: 7443,
      identity: await identity('a'),
      frameBytesMax: 100,
      accept(link) {
        far = link;
        link.onFrame((frame) => got.push(frame[0] ?? 0));
        link.onClose((reason) => closed.push(`a: ${reason}`));
      },
    });
  };
  await listen();
  const own = await identity('b');
  const dial = async (): Promise<Link> => {
    const options = { address, kind: 'peer' as const, identity: own, frameBytesMax: 100, timeoutMs: 500 };
    const link = await settle(world, ports.b.connect(options));
    link.onClose((reason) => closed.push(`b: ${reason}`));
    return link;
  };
  return { world, network, clocks, got, closed, dial, farEnd: () => far };
}

const frame = (n: number): Uint8Array => new Uint8Array([n]);

test('a cut way holds frames back, one way only, and gives them in order when it heals in time', async (t) => {
  const { world, network, got, dial, farEnd } = await twoNodes();
  const link = await dial();
  const back: number[] = [];
  link.onFrame((one) => back.push(one[0] ?? 0));
  network.partition('b', 'a', { oneWay: true });
  for (const n of [1, 2, 3]) link.send(frame(n));
  farEnd()?.send(frame(9));
  await runFor(world, 1000);
  t.deepEqual(got, []);
  t.deepEqual(back, [9], 'the other way is open');
  network.heal('a', 'b');
  await runFor(world, 10);
  t.deepEqual(got, [1, 2, 3]);
});

test('when a cut does not heal the sender gives up, and what was held back never arrives', async (t) => {
  const { world, network, got, closed, dial } = await twoNodes();
  const link = await dial();
  network.partition('a', 'b');
  link.send(frame(1));
  await runFor(world, 25_000);
  t.deepEqual(closed, ['b: the connection broke']);
  network.heal('a', 'b');
  await runFor(world, 1000);
  t.deepEqual(got, []);
});

test('behind a cut a connection times out; where nobody listens it is refused', async (t) => {
  const { network, dial } = await twoNodes();
  network.partition('a', 'b');
  await t.throwsAsync(dial(), { code: 'NETWORK_TIMEOUT' });
  network.heal('a', 'b');
  network.crash('a', 'process');
  await t.throwsAsync(dial(), { code: 'NETWORK_UNREACHABLE' });
});

test('kill -9 closes its connections; a power cut is silent until the machine is back', async (t) => {
  const killed = await twoNodes();
  await killed.dial();
  killed.clocks.a.revoke();
  killed.network.crash('a', 'process');
  await runFor(killed.world, 10);
  t.deepEqual(killed.closed, ['b: the connection broke']);

  const { world, network, clocks, closed, dial } = await twoNodes();
  const link = await dial();
  clocks.a.revoke();
  network.crash('a', 'power');
  link.send(frame(1));
  await runFor(world, 5000);
  t.deepEqual(closed, [], 'nobody was there to say anything');
  await t.throwsAsync(dial(), { code: 'NETWORK_TIMEOUT' });
  network.of('a', world.clock(), '10.0.0.1');
  await runFor(world, 10);
  t.deepEqual(closed, ['b: the connection broke'], 'its new kernel knows no such connection');
});

test('a paused process takes what has come when it goes on', async (t) => {
  const { world, clocks, got, dial } = await twoNodes();
  const link = await dial();
  clocks.a.pause();
  link.send(frame(1));
  await runFor(world, 100);
  t.deepEqual(got, []);
  clocks.a.resume();
  await runFor(world, 1);
  t.deepEqual(got, [1]);
});

test('a frame over the limit closes the link', async (t) => {
  const { world, got, closed, dial } = await twoNodes();
  (await dial()).send(new Uint8Array(101));
  await runFor(world, 10);
  t.deepEqual(got, []);
  t.is(closed.length, 2);
});
