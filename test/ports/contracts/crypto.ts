/** What every Crypto promises. */
import type { TestFn } from 'ava';

import type { Crypto } from '#src/ports/crypto.ts';

const dayMs = 86_400_000;

export function cryptoContract(test: TestFn, name: string, make: () => { crypto: Crypto; nowMs: number }): void {
  const issued = async (crypto: Crypto) => {
    const authority = await crypto.createAuthority({ commonName: 'peers', validityDays: 3650 });
    const keys = await crypto.generateKeyPair();
    const pem = await crypto.issueCertificate(authority, {
      publicKeyPem: keys.publicKeyPem,
      commonName: 'system:node:n1',
      organizations: ['system:nodes', 'second'],
      dnsNames: ['n1', 'n1.cluster.local'],
      ipAddresses: ['127.0.0.1', '::1'],
      usages: ['server', 'client'],
      validityDays: 30,
    });
    return { authority, pem };
  };

  test(`${name}: a certificate says what was asked for`, async (t) => {
    const { crypto, nowMs } = make();
    const { pem } = await issued(crypto);
    t.true(pem.startsWith('-----BEGIN CERTIFICATE-----\n'));
    const facts = crypto.describeCertificate(pem);
    t.like(facts, { commonName: 'system:node:n1', issuerCommonName: 'peers' });
    t.deepEqual(facts.organizations, ['system:nodes', 'second']);
    t.deepEqual(facts.dnsNames, ['n1', 'n1.cluster.local']);
    t.is(facts.ipAddresses[0], '127.0.0.1');
    t.is(facts.ipAddresses.length, 2);
    t.true(facts.notBeforeMs <= nowMs && Math.abs(facts.notAfterMs - nowMs - 30 * dayMs) < 60_000);
    t.regex(facts.fingerprint, /^[0-9a-f]{64}$/);
  });

  test(`${name}: verification checks the issuer, its key and the dates`, async (t) => {
    const { crypto, nowMs } = make();
    const { authority, pem } = await issued(crypto);
    // The same name with another key must not pass.
    const impostor = await crypto.createAuthority({ commonName: 'peers', validityDays: 3650 });
    t.true(await crypto.verifyCertificate(pem, authority.certificatePem, nowMs));
    t.true(await crypto.verifyCertificate(authority.certificatePem, authority.certificatePem, nowMs));
    t.false(await crypto.verifyCertificate(pem, impostor.certificatePem, nowMs));
    t.false(await crypto.verifyCertificate(pem, pem, nowMs), 'a leaf is no authority');
    t.false(await crypto.verifyCertificate(pem, authority.certificatePem, nowMs + 31 * dayMs), 'expired');
    t.false(await crypto.verifyCertificate(pem, authority.certificatePem, nowMs - dayMs), 'not yet valid');
    t.false(await crypto.verifyCertificate('nonsense', authority.certificatePem, nowMs));
  });

  test(`${name}: bytes that are no certificate are CERTIFICATE_INVALID`, async (t) => {
    const { crypto } = make();
    t.throws(() => crypto.describeCertificate('nonsense'), { code: 'CERTIFICATE_INVALID' });
    const authority = await crypto.createAuthority({ commonName: 'a', validityDays: 1 });
    const spec = { publicKeyPem: 'nonsense', commonName: 'x', usages: ['client' as const], validityDays: 1 };
    await t.throwsAsync(crypto.issueCertificate(authority, spec), { code: 'CERTIFICATE_INVALID' });
  });

  test(`${name}: a leaf does not outlive its authority`, async (t) => {
    const { crypto } = make();
    const authority = await crypto.createAuthority({ commonName: 'a', validityDays: 1 });
    const { publicKeyPem } = await crypto.generateKeyPair();
    const spec = { publicKeyPem, commonName: 'x', usages: ['client' as const], validityDays: 30 };
    const leaf = crypto.describeCertificate(await crypto.issueCertificate(authority, spec));
    t.is(leaf.notAfterMs, crypto.describeCertificate(authority.certificatePem).notAfterMs);
  });

  test(`${name}: sealed bytes open with the same key and context only`, async (t) => {
    const { crypto } = make();
    const key = crypto.sha256(new TextEncoder().encode('key'));
    const plain = new TextEncoder().encode('a secret');
    const sealed = await crypto.seal(key, plain, 'keys/peers');
    t.is(sealed.length, 12 + plain.length + 16);
    t.notDeepEqual(await crypto.seal(key, plain, 'keys/peers'), sealed, 'a nonce is never used twice');
    t.deepEqual(await crypto.open(key, sealed, 'keys/peers'), plain);
    const broken = { code: 'SEAL_BROKEN' };
    await t.throwsAsync(crypto.open(key, sealed, 'keys/other'), broken);
    await t.throwsAsync(crypto.open(crypto.sha256(key), sealed, 'keys/peers'), broken);
    const damaged = sealed.slice();
    damaged[14] = (damaged[14] ?? 0) ^ 1;
    await t.throwsAsync(crypto.open(key, damaged, 'keys/peers'), broken);
    await t.throwsAsync(crypto.open(key, sealed.subarray(0, 5), 'keys/peers'), broken);
  });

  test(`${name}: sha256 and equal`, (t) => {
    const { crypto } = make();
    const digest = crypto.sha256(new TextEncoder().encode('abc'));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    t.is(hex, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'FIPS 180-4, example B.1');
    t.true(crypto.equal(digest, digest.slice()));
    t.false(crypto.equal(digest, digest.subarray(1)));
  });
}
