/**
 * Certificates and sealing for simulated clusters: the same answers as the real Crypto, from a
 * seed and at once. Nothing here is secret; a signature is a hash over the signer's public key,
 * enough to notice another issuer, another subject, wrong dates or changed bytes.
 * Imports: ports, std.
 */
import type { Authority, CertificateFacts, CertificateSpec, Crypto, KeyPair } from '#src/ports/crypto.ts';
import type { Clock } from '#src/ports/clock.ts';
import { assert } from '#src/std/assert.ts';
import { Fault } from '#src/std/fault.ts';
import { sha256, toHex } from '#src/std/sha256.ts';
import type { Prng } from './prng.ts';

const dayMs = 86_400_000;
const clockSkewMs = 5 * 60_000;
const nonceBytes = 12;
const tagBytes = 16;

interface Body {
  commonName: string;
  organizations: string[];
  dnsNames: string[];
  ipAddresses: string[];
  usages: string[];
  issuerCommonName: string;
  notBeforeMs: number;
  notAfterMs: number;
  authority: boolean;
  publicKey: string;
  serial: string;
}

export function createSimCrypto({ clock, prng }: { clock: Pick<Clock, 'wallMs'>; prng: Prng }): Crypto {
  const keyPair = (): KeyPair => keysOf(toHex(prng.bytes(32)));
  const dates = (days: number, latestMs: number): { notBeforeMs: number; notAfterMs: number } => ({
    notBeforeMs: clock.wallMs() - clockSkewMs,
    notAfterMs: Math.min(clock.wallMs() + days * dayMs, latestMs),
  });
  return {
    createAuthority: async ({ commonName, validityDays }) => {
      const { privateKeyPem } = keyPair();
      const body: Body = {
        commonName,
        organizations: [],
        dnsNames: [],
        ipAddresses: [],
        usages: [],
        issuerCommonName: commonName,
        ...dates(validityDays, Number.POSITIVE_INFINITY),
        authority: true,
        publicKey: publicOf(privateKeyPem),
        serial: toHex(prng.bytes(8)),
      };
      return { certificatePem: sign(body, privateKeyPem), privateKeyPem };
    },
    generateKeyPair: async () => keyPair(),
    issueCertificate: async (authority, spec) => {
      const issuer = parse(authority.certificatePem).body;
      const serial = toHex(prng.bytes(8));
      return issue(authority, spec, { ...dates(spec.validityDays, issuer.notAfterMs), issuer, serial });
    },
    describeCertificate,
    verifyCertificate: async (pem, authorityPem, atMs) => verifyCertificate(pem, authorityPem, atMs),
    seal: async (key, plain, context) => seal({ key, plain, context, nonce: prng.bytes(nonceBytes) }),
    open: async (key, sealed, context) => unseal(key, sealed, context),
    sha256,
    equal: (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]),
  };
}

function keysOf(secret: string): KeyPair {
  const privateKeyPem = pem('PRIVATE KEY', secret);
  return { privateKeyPem, publicKeyPem: pem('PUBLIC KEY', publicOf(privateKeyPem)) };
}

function publicOf(privateKeyPem: string): string {
  return hashText(`public of ${contentOf('PRIVATE KEY', privateKeyPem)}`);
}

function issue(
  authority: Authority,
  spec: CertificateSpec,
  made: { issuer: Body; notBeforeMs: number; notAfterMs: number; serial: string },
): string {
  const body: Body = {
    commonName: spec.commonName,
    organizations: spec.organizations ?? [],
    dnsNames: spec.dnsNames ?? [],
    ipAddresses: spec.ipAddresses ?? [],
    usages: spec.usages,
    issuerCommonName: made.issuer.commonName,
    notBeforeMs: made.notBeforeMs,
    notAfterMs: made.notAfterMs,
    authority: false,
    publicKey: contentOf('PUBLIC KEY', spec.publicKeyPem),
    serial: made.serial,
  };
  return sign(body, authority.privateKeyPem);
}

function sign(body: Body, privateKeyPem: string): string {
  const text = JSON.stringify(body);
  const signature = hashText(publicOf(privateKeyPem) + text);
  return pem('CERTIFICATE', toHex(new TextEncoder().encode(JSON.stringify({ text, signature }))));
}

function parse(certificatePem: string): { body: Body; text: string; signature: string } {
  try {
    const hex = contentOf('CERTIFICATE', certificatePem);
    const { text, signature } = JSON.parse(new TextDecoder().decode(fromHex(hex))) as Record<string, string>;
    assert(text !== undefined && signature !== undefined, 'a certificate has a text and a signature');
    return { body: JSON.parse(text) as Body, text, signature };
  } catch (error) {
    throw new Fault('CERTIFICATE_INVALID', 'this is not a simulated certificate in PEM', 'never', error);
  }
}

/** What a simulated certificate says. Faults: CERTIFICATE_INVALID. */
export function describeCertificate(certificatePem: string): CertificateFacts {
  const { body, text, signature } = parse(certificatePem);
  return {
    commonName: body.commonName,
    organizations: body.organizations,
    dnsNames: body.dnsNames,
    ipAddresses: body.ipAddresses,
    issuerCommonName: body.issuerCommonName,
    notBeforeMs: body.notBeforeMs,
    notAfterMs: body.notAfterMs,
    fingerprint: hashText(text + signature),
  };
}

/** Whether `authorityPem` signed it and both are within their dates. */
export function verifyCertificate(certificatePem: string, authorityPem: string, atMs: number): boolean {
  try {
    const certificate = parse(certificatePem);
    const authority = parse(authorityPem).body;
    const inDates = ({ notBeforeMs, notAfterMs }: Body): boolean => notBeforeMs <= atMs && atMs < notAfterMs;
    return (
      authority.authority &&
      certificate.body.issuerCommonName === authority.commonName &&
      certificate.signature === hashText(authority.publicKey + certificate.text) &&
      inDates(certificate.body) &&
      inDates(authority)
    );
  } catch {
    // A peer may send anything; what is no certificate is not verified.
    return false;
  }
}

/** Whether the private key is the one of the certificate. */
export function holdsKey(certificatePem: string, privateKeyPem: string): boolean {
  try {
    return parse(certificatePem).body.publicKey === publicOf(privateKeyPem);
  } catch {
    // What is no certificate or no key fits nothing.
    return false;
  }
}

function seal(input: { key: Uint8Array; plain: Uint8Array; context: string; nonce: Uint8Array }): Uint8Array {
  const text = mask(input.plain, input.key, input.nonce);
  const tag = tagOf(input.key, text, input.context + toHex(input.nonce));
  const sealed = new Uint8Array(nonceBytes + text.length + tagBytes);
  sealed.set(input.nonce, 0);
  sealed.set(text, nonceBytes);
  sealed.set(tag, nonceBytes + text.length);
  return sealed;
}

function unseal(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array {
  const nonce = sealed.subarray(0, nonceBytes);
  const text = sealed.subarray(nonceBytes, Math.max(nonceBytes, sealed.length - tagBytes));
  const tag = sealed.subarray(sealed.length - tagBytes);
  if (sealed.length < nonceBytes + tagBytes || toHex(tag) !== toHex(tagOf(key, text, context + toHex(nonce)))) {
    const message = `the sealed bytes of ${context} do not open: another key, another context, or damage`;
    throw new Fault('SEAL_BROKEN', message, 'never');
  }
  return mask(text, key, nonce);
}

function mask(bytes: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => byte ^ (key[i % key.length] ?? 0) ^ (nonce[i % nonceBytes] ?? 0));
}

function tagOf(key: Uint8Array, text: Uint8Array, context: string): Uint8Array {
  return sha256(new TextEncoder().encode(`${toHex(key)} ${toHex(text)} ${context}`)).subarray(0, tagBytes);
}

function hashText(text: string): string {
  return toHex(sha256(new TextEncoder().encode(text)));
}

function pem(label: string, hex: string): string {
  return `-----BEGIN ${label}-----\n${hex}\n-----END ${label}-----\n`;
}

function contentOf(label: string, text: string): string {
  const content = new RegExp(`-----BEGIN ${label}-----\\n([0-9a-f]+)\\n-----END ${label}-----`).exec(text)?.[1];
  if (content === undefined) throw new Fault('CERTIFICATE_INVALID', `this is not a simulated ${label} in PEM`, 'never');
  return content;
}

/** Certificates are read at every connection: this is the busiest loop of the simulator. */
function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let i = 0; i < bytes.length; i += 1)
    bytes[i] = (nibble(hex.charCodeAt(2 * i)) << 4) | nibble(hex.charCodeAt(2 * i + 1));
  return bytes;
}

/** Of '0'–'9' and 'a'–'f'. */
function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}
