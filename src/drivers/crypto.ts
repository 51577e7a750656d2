/**
 * X.509 and AES-GCM of the real world behind the Crypto port: ECDSA P-256 with SHA-256,
 * certificates by @peculiar/x509, keys and sealing by Node.
 * Owns: PEM, extensions and validity of what is issued. Imports: ports, std.
 */
import './reflect-metadata.ts';

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  randomBytes,
  timingSafeEqual,
  webcrypto,
  X509Certificate as NodeCertificate,
} from 'node:crypto';

import * as x509 from '@peculiar/x509';

import type { Authority, CertificateFacts, CertificateSpec, Crypto } from '#src/ports/crypto.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, messageOf } from '#src/std/fault.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
/** Certificates start this far in the past, for peers whose clocks are behind ours. */
const clockSkewMs = 5 * 60_000;
const nonceBytes = 12;
const tagBytes = 16;
const keyBytes = 32;

/** The real Crypto. */
export function createCrypto(): Crypto {
  return {
    createAuthority,
    generateKeyPair: async () => pemOf(await generateKeys()),
    issueCertificate,
    describeCertificate,
    verifyCertificate: async (pem, authorityPem, atMs) => verify(pem, authorityPem, atMs),
    seal: async (key, plain, context) => seal(key, plain, context),
    open: async (key, sealed, context) => unseal(key, sealed, context),
    sha256,
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function pemOf(keys: webcrypto.CryptoKeyPair): Promise<{ privateKeyPem: string; publicKeyPem: string }> {
  const [privateDer, publicDer] = await Promise.all([
    webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    webcrypto.subtle.exportKey('spki', keys.publicKey),
  ]);
  return {
    privateKeyPem: `${x509.PemConverter.encode(privateDer, 'PRIVATE KEY')}\n`,
    publicKeyPem: `${x509.PemConverter.encode(publicDer, 'PUBLIC KEY')}\n`,
  };
}

async function createAuthority(spec: { commonName: string; validityDays: number }): Promise<Authority> {
  const keys = await generateKeys();
  const usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity(spec.validityDays),
      serialNumber: serialNumber(),
      name: [{ CN: [spec.commonName] }],
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(usage, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto as never),
      ],
    },
    webcrypto as never,
  );
  const { privateKeyPem } = await pemOf(keys);
  return { certificatePem: `${certificate.toString('pem')}\n`, privateKeyPem };
}

async function issueCertificate(authority: Authority, spec: CertificateSpec): Promise<string> {
  const issuer = parse(authority.certificatePem);
  const publicKey = await importPublicKey(spec.publicKeyPem);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...validity(spec.validityDays, issuer.notAfter.getTime()),
      serialNumber: serialNumber(),
      subject: [{ CN: [spec.commonName] }, ...(spec.organizations ?? []).map((name) => ({ O: [name] }))],
      issuer: issuer.subjectName,
      publicKey,
      signingKey: await importPrivateKey(authority.privateKeyPem),
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(spec.usages.map((usage) => extendedUsages[usage])),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto as never),
        ...alternativeNames(spec),
      ],
    },
    webcrypto as never,
  );
  return `${certificate.toString('pem')}\n`;
}

const extendedUsages = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth };

function alternativeNames(spec: CertificateSpec): x509.SubjectAlternativeNameExtension[] {
  const names = [
    ...(spec.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(spec.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  return names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [];
}

/** A leaf never outlives its authority: verifiers would refuse it then with a puzzling message. */
function validity(days: number, latestMs = Number.POSITIVE_INFINITY): { notBefore: Date; notAfter: Date } {
  const nowMs = Date.now();
  return {
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(Math.min(nowMs + days * dayMs, latestMs)),
  };
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function importPrivateKey(pem: string): Promise<webcrypto.CryptoKey> {
  try {
    const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
    return webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, true, ['sign']);
  } catch (error) {
    throw new Fault('CERTIFICATE_INVALID', `the authority's private key is not readable: ${messageOf(error)}`, 'never');
  }
}

async function importPublicKey(pem: string): Promise<webcrypto.CryptoKey> {
  try {
    const der = x509.PemConverter.decodeFirst(pem);
    return await webcrypto.subtle.importKey('spki', der, algorithm, true, ['verify']);
  } catch (error) {
    const message = `the public key is not a P-256 key in PEM: ${messageOf(error)}`;
    throw new Fault('CERTIFICATE_INVALID', message, 'never', error);
  }
}

function parse(pem: string): x509.X509Certificate {
  try {
    return new x509.X509Certificate(pem);
  } catch (error) {
    const message = `this is not an X.509 certificate in PEM: ${messageOf(error)}`;
    throw new Fault('CERTIFICATE_INVALID', message, 'never', error);
  }
}

function describeCertificate(pem: string): CertificateFacts {
  const certificate = parse(pem);
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const valuesOf = (type: string): string[] => names.filter((name) => name.type === type).map((name) => name.value);
  return {
    commonName: certificate.subjectName.getField('CN')[0] ?? '',
    organizations: certificate.subjectName.getField('O'),
    dnsNames: valuesOf('dns'),
    ipAddresses: valuesOf('ip'),
    issuerCommonName: certificate.issuerName.getField('CN')[0] ?? '',
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    fingerprint: createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('hex'),
  };
}

/** False, not a fault, for bytes that are no certificate: a peer may send anything. */
function verify(pem: string, authorityPem: string, atMs: number): boolean {
  try {
    const certificate = new NodeCertificate(pem);
    const authority = new NodeCertificate(authorityPem);
    const inDates = (one: NodeCertificate): boolean =>
      one.validFromDate.getTime() <= atMs && atMs < one.validToDate.getTime();
    return (
      authority.ca &&
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey) &&
      inDates(certificate) &&
      inDates(authority)
    );
  } catch {
    return false;
  }
}

function seal(key: Uint8Array, plain: Uint8Array, context: string): Uint8Array {
  assert(key.length === keyBytes, `a sealing key has ${key.length} bytes instead of ${keyBytes}`);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(new TextEncoder().encode(context));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
}

function unseal(key: Uint8Array, sealed: Uint8Array, context: string): Uint8Array {
  assert(key.length === keyBytes, `a sealing key has ${key.length} bytes instead of ${keyBytes}`);
  try {
    const end = sealed.length - tagBytes;
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes))
      .setAAD(new TextEncoder().encode(context))
      .setAuthTag(sealed.subarray(Math.max(end, 0)));
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(nonceBytes, end)), decipher.final()]));
  } catch (error) {
    const message = `the sealed bytes of ${context} do not open: another key, another context, or damage`;
    throw new Fault('SEAL_BROKEN', message, 'never', error);
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
