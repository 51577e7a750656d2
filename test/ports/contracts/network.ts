/** What every Network promises. */
import type { TestFn } from 'ava';

import type { Crypto } from '#src/ports/crypto.ts';
import type { Link, LinkIdentity, LinkKind, Network } from '#src/ports/network.ts';

export interface NetworkSetup {
  crypto: Crypto;
  /** Of the side that listens, and of the one that connects. */
  server: Network;
  client: Network;
  /** Where a listener on 127.0.0.1 is reached from the client. */
  addressOf: (port: number) => string;
  /** Drive the world until the promise settles. */
  run: <T>(promise: Promise<T>) => Promise<T>;
}

const frameBytesMax = 4 * 1024 * 1024;

async function identityOf(
  crypto: Crypto,
  authority: { certificatePem: string; privateKeyPem: string },
  name: string,
): Promise<LinkIdentity> {
  const keys = await crypto.generateKeyPair();
  const certificatePem = await crypto.issueCertificate(authority, {
    publicKeyPem: keys.publicKeyPem,
    commonName: name,
    organizations: ['kontiki:nodes'],
    usages: ['server', 'client'],
    validityDays: 1,
  });
  return { certificatePem, privateKeyPem: keys.privateKeyPem, authorityPem: authority.certificatePem };
}

export function networkContract(test: TestFn, name: string, make: () => NetworkSetup): void {
  async function pair(setup: NetworkSetup, kind: LinkKind = 'peer') {
    const { crypto, server, client, addressOf, run } = setup;
    const authority = await crypto.createAuthority({ commonName: 'peers', validityDays: 1 });
    const [a, b] = [await identityOf(crypto, authority, 'a'), await identityOf(crypto, authority, 'b')];
    const accepted = Promise.withResolvers<{ link: Link; kind: LinkKind }>();
    const listener = await run(
      server.listen({
        host: '127.0.0.1',
        port: 0,
        identity: a,
        frameBytesMax,
        accept: (link, got) => accepted.resolve({ link, kind: got }),
      }),
    );
    const address = addressOf(listener.port);
    const options = { address, kind, identity: b, expectedCommonName: 'a', frameBytesMax, timeoutMs: 2000 };
    const near = await run(client.connect(options));
    const far = await run(accepted.promise);
    return { near, far: far.link, kind: far.kind, listener, options, authority };
  }

  /** The next frames at a link, copied, for bytes are valid only during the call. */
  function frames(link: Link, count: number): Promise<Uint8Array[]> {
    const got: Uint8Array[] = [];
    return new Promise((resolve) =>
      link.onFrame((frame) => {
        got.push(frame.slice());
        if (got.length === count) resolve(got);
      }),
    );
  }

  const closed = (link: Link): Promise<string> => new Promise((resolve) => link.onClose(resolve));

  test(`${name}: both ends know each other by their certificates, and the kind of the link`, async (t) => {
    const setup = make();
    const { near, far, kind, listener } = await pair(setup, 'bulk');
    t.is(near.peer.commonName, 'a');
    t.like(far.peer, { commonName: 'b', organizations: ['kontiki:nodes'] });
    t.is(kind, 'bulk');
    near.close('done');
    await setup.run(listener.close());
  });

  test(`${name}: frames arrive whole and in order, both ways, also those sent before a handler was set`, async (t) => {
    const setup = make();
    const { near, far, listener } = await pair(setup);
    const sizes = [1, 70_000, 0, 300, 1_000_000];
    for (const size of sizes) near.send(new Uint8Array(size).fill(size % 251));
    const got = await setup.run(frames(far, sizes.length));
    t.deepEqual(
      got.map((frame) => frame.length),
      sizes,
    );
    t.true(got.every((frame) => frame.every((byte) => byte === frame.length % 251)));
    far.send(new Uint8Array([7]));
    t.deepEqual([...((await setup.run(frames(near, 1)))[0] ?? [])], [7]);
    near.close('done');
    await setup.run(listener.close());
  });

  test(`${name}: closing is seen at both ends, with the reason, after what was sent before`, async (t) => {
    const setup = make();
    const { near, far, listener } = await pair(setup);
    const arrived = frames(far, 1);
    const both = Promise.all([closed(near), closed(far)]);
    near.send(new Uint8Array([1]));
    near.close('enough of it');
    await setup.run(arrived);
    const [, atFar] = await setup.run(both);
    t.is(atFar, 'enough of it');
    t.notThrows(() => near.send(new Uint8Array([2])));
    await setup.run(listener.close());
  });

  test(`${name}: closing the listener closes what it accepted`, async (t) => {
    const setup = make();
    const { near, listener, options } = await pair(setup);
    const gone = closed(near);
    await setup.run(listener.close());
    await setup.run(gone);
    await t.throwsAsync(setup.run(setup.client.connect(options)), { code: 'NETWORK_UNREACHABLE' });
  });

  test(`${name}: an address in use is refused by name`, async (t) => {
    const setup = make();
    const { near, listener, options } = await pair(setup);
    const again = setup.server.listen({
      host: '127.0.0.1',
      port: listener.port,
      identity: options.identity,
      frameBytesMax,
      accept: () => undefined,
    });
    await t.throwsAsync(setup.run(again), {
      code: 'NETWORK_ADDRESS_IN_USE',
      message: new RegExp(`127.0.0.1:${listener.port}`),
    });
    near.close('done');
    await setup.run(listener.close());
  });

  test(`${name}: certificates of another authority and unexpected names are refused`, async (t) => {
    const setup = make();
    const { near, listener, options, authority } = await pair(setup);
    const { crypto, client, run } = setup;
    const stranger = await identityOf(
      crypto,
      await crypto.createAuthority({ commonName: 'others', validityDays: 1 }),
      'b',
    );
    await t.throwsAsync(run(client.connect({ ...options, identity: stranger })), { code: 'NETWORK_CERTIFICATE' });
    const wrong = { ...options, expectedCommonName: 'c' };
    await t.throwsAsync(run(client.connect(wrong)), { code: 'NETWORK_CERTIFICATE', message: /'a', not 'c'/ });
    // Only the listener can notice: this client trusts the server, and shows what the server does not trust.
    const half = { ...stranger, authorityPem: authority.certificatePem };
    const link = await run(client.connect({ ...options, identity: half })).catch((error: unknown) => error as Error);
    t.true(link instanceof Error, 'the link was opened');
    near.close('done');
    await setup.run(listener.close());
  });
}
