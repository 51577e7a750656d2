/**
 * Keys, certificates and sealing. A port because WebCrypto completes in varying
 * order and signatures never repeat. All text forms are PEM.
 */
export interface KeyPair {
  privateKeyPem: string;
  publicKeyPem: string;
}

export interface Authority {
  certificatePem: string;
  privateKeyPem: string;
}

export interface CertificateSpec {
  publicKeyPem: string;
  commonName: string;
  organizations?: string[];
  dnsNames?: string[];
  ipAddresses?: string[];
  usages: ('server' | 'client')[];
  validityDays: number;
}

export interface CertificateFacts {
  commonName: string;
  organizations: string[];
  dnsNames: string[];
  ipAddresses: string[];
  issuerCommonName: string;
  notBeforeMs: number;
  notAfterMs: number;
  /** Lower-case hex SHA-256 of the DER form. */
  fingerprint: string;
}

export interface Crypto {
  createAuthority(spec: { commonName: string; validityDays: number }): Promise<Authority>;
  generateKeyPair(): Promise<KeyPair>;
  issueCertificate(authority: Authority, spec: CertificateSpec): Promise<string>;
  /** Faults: CERTIFICATE_INVALID. */
  describeCertificate(pem: string): CertificateFacts;
  /** Whether `authorityPem` signed `pem` and `pem` is within its dates at `atMs`. */
  verifyCertificate(pem: string, authorityPem: string, atMs: number): Promise<boolean>;
  /** Encrypt and authenticate (AES-256-GCM); key: 32 bytes; `context` is bound in. Layout: nonce ‖ text ‖ tag. */
  seal(key: Uint8Array, plain: Uint8Array, context: string): Promise<Uint8Array>;
  /** Faults: SEAL_BROKEN when key, context or bytes do not fit. */
  open(key: Uint8Array, sealed: Uint8Array, context: string): Promise<Uint8Array>;
  sha256(bytes: Uint8Array): Uint8Array;
  /** Constant-time comparison. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}
