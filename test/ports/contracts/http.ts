/** What every Http promises. */
import type { TestFn } from 'ava';

import type { Crypto } from '#src/ports/crypto.ts';
import type { Http, HttpFetchOptions, HttpRequest, HttpResponse } from '#src/ports/http.ts';

export interface HttpSetup {
  crypto: Crypto;
  server: Http;
  client: Http;
  /** Where a server on 127.0.0.1 is reached from the client, and the host name in it. */
  urlOf: (port: number) => string;
  host: string;
  run: <T>(promise: Promise<T>) => Promise<T>;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export function httpContract(test: TestFn, name: string, make: () => HttpSetup): void {
  async function leaf(
    crypto: Crypto,
    authority: { certificatePem: string; privateKeyPem: string },
    spec: { commonName: string; host?: string },
  ) {
    const keys = await crypto.generateKeyPair();
    const isIp = /^[\d.]+$/.test(spec.host ?? '');
    const certificatePem = await crypto.issueCertificate(authority, {
      publicKeyPem: keys.publicKeyPem,
      commonName: spec.commonName,
      organizations: ['system:masters'],
      ...(spec.host === undefined ? {} : isIp ? { ipAddresses: [spec.host] } : { dnsNames: [spec.host] }),
      usages: ['server', 'client'],
      validityDays: 1,
    });
    return { certificatePem, privateKeyPem: keys.privateKeyPem };
  }

  async function serving(setup: HttpSetup, handle: (request: HttpRequest, response: HttpResponse) => void) {
    const { crypto } = setup;
    const authority = await crypto.createAuthority({ commonName: 'serving', validityDays: 1 });
    const clients = await crypto.createAuthority({ commonName: 'clients', validityDays: 1 });
    const own = await leaf(crypto, authority, { commonName: 'kube-apiserver', host: setup.host });
    const server = await setup.run(
      setup.server.serve({
        listen: [{ host: '127.0.0.1', port: 0 }],
        ...own,
        clientAuthorityPem: clients.certificatePem,
        handle,
      }),
    );
    const url = setup.urlOf(server.ports[0] ?? 0);
    const fetch = (path: string, options: Partial<HttpFetchOptions> = {}) =>
      setup.run(
        setup.client.fetch({
          method: 'GET',
          url: url + path,
          authorityPem: authority.certificatePem,
          timeoutMs: 2000,
          bodyBytesMax: 1e6,
          ...options,
        }),
      );
    return { server, fetch, clients, port: server.ports[0] ?? 0 };
  }

  test(`${name}: a request and its answer, as they were sent`, async (t) => {
    const setup = make();
    const { server, fetch } = await serving(setup, (request, response) => {
      void request.body({ bytesMax: 1000, timeoutMs: 1000 }).then((body) => {
        response.head(201, { 'Content-Type': 'text/plain', 'x-two': ['a', 'b'] });
        response.write(utf8(`${request.method} ${request.url} `));
        response.end(utf8(`${request.headers['x-one']} ${text(body)}`));
      });
    });
    const answer = await fetch('/a/b?c=%20d', { method: 'POST', headers: { 'X-One': '1' }, body: utf8('body') });
    t.is(answer.status, 201);
    t.is(text(answer.body), 'POST /a/b?c=%20d 1 body');
    t.is(answer.headers['content-type'], 'text/plain');
    t.is(answer.headers['x-two'], 'a, b');
    await setup.run(server.close(0));
  });

  test(`${name}: a verified client certificate names the client; another one, or none, names nobody`, async (t) => {
    const setup = make();
    const { server, fetch, clients } = await serving(setup, (request, response) => {
      response.head(200, {});
      response.end(utf8(JSON.stringify(request.client ?? null)));
    });
    const { crypto } = setup;
    t.is(text((await fetch('/')).body), 'null');
    const admin = await leaf(crypto, clients, { commonName: 'kubernetes-admin' });
    t.deepEqual(JSON.parse(text((await fetch('/', admin)).body)), {
      commonName: 'kubernetes-admin',
      organizations: ['system:masters'],
    });
    const others = await crypto.createAuthority({ commonName: 'clients', validityDays: 1 });
    const stranger = await leaf(crypto, others, { commonName: 'kubernetes-admin' });
    t.is(text((await fetch('/', stranger)).body), 'null');
    await setup.run(server.close(0));
  });

  test(`${name}: a server of another authority is not trusted; without an authority anyone is`, async (t) => {
    const setup = make();
    const { server, fetch } = await serving(setup, (_request, response) => {
      response.head(200, {});
      response.end();
    });
    const others = await setup.crypto.createAuthority({ commonName: 'serving', validityDays: 1 });
    await t.throwsAsync(fetch('/', { authorityPem: others.certificatePem }), { code: 'HTTP_CERTIFICATE' });
    const { status } = await setup.run(
      setup.client.fetch({ method: 'GET', url: setup.urlOf(server.ports[0] ?? 0), timeoutMs: 2000, bodyBytesMax: 10 }),
    );
    t.is(status, 200);
    await setup.run(server.close(0));
  });

  test(`${name}: bodies above their limit are refused on both sides`, async (t) => {
    const setup = make();
    const { server, fetch } = await serving(setup, (request, response) => {
      request.body({ bytesMax: 10, timeoutMs: 1000 }).then(
        () => {
          response.head(200, {});
          response.end(new Uint8Array(100));
        },
        (fault: { code: string }) => {
          response.head(413, {});
          response.end(utf8(fault.code));
        },
      );
    });
    const refused = await fetch('/', { method: 'POST', body: new Uint8Array(11) });
    t.is(refused.status, 413);
    t.is(text(refused.body), 'HTTP_BODY_TOO_LARGE');
    await t.throwsAsync(fetch('/', { bodyBytesMax: 99 }), { code: 'HTTP_BODY_TOO_LARGE' });
    await setup.run(server.close(0));
  });

  test(`${name}: an answer that does not come in time, that breaks off, and nobody there, are told apart`, async (t) => {
    const setup = make();
    let gone = 0;
    const { server, fetch } = await serving(setup, (request, response) => {
      response.onClose(() => (gone += 1));
      if (request.url === '/cut') response.abort('on purpose');
    });
    await t.throwsAsync(fetch('/silent', { timeoutMs: 100 }), { code: 'HTTP_TIMEOUT' });
    await t.throwsAsync(fetch('/cut'), { code: 'HTTP_UNREACHABLE' });
    await setup.run(server.close(0));
    t.is(gone, 2, 'the handler learns that the client is gone');
    await t.throwsAsync(fetch('/'), { code: 'HTTP_UNREACHABLE' });
  });

  test(`${name}: an address in use is refused by name`, async (t) => {
    const setup = make();
    const { server, port } = await serving(setup, () => undefined);
    const other = await setup.crypto.createAuthority({ commonName: 'x', validityDays: 1 });
    const own = await leaf(setup.crypto, other, { commonName: 'x' });
    const again = setup.server.serve({
      listen: [{ host: '127.0.0.1', port }],
      ...own,
      clientAuthorityPem: other.certificatePem,
      handle: () => undefined,
    });
    await t.throwsAsync(setup.run(again), { code: 'HTTP_ADDRESS_IN_USE', message: new RegExp(String(port)) });
    await setup.run(server.close(0));
  });
}
