/** The API server behind a real TLS port on loopback, over a memory replica: for tests that speak bytes. */
import { createApiServer, type ApiServerOptions } from '#src/apiserver/apiserver.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createLog } from '#src/drivers/log.ts';
import { createRandom } from '#src/drivers/random.ts';
import { applyFirstObjects, firstNamespaces } from '#src/registry/first-objects.ts';
import { createRegistry } from '#src/registry/registry.ts';
import { memoryReplica } from './memory-replica.ts';
import { TEST_VERSION } from './server-fixture.ts';

export interface RealServer {
  port: number;
  authorityPem: string;
  /** Of system:masters. */
  certificatePem: string;
  privateKeyPem: string;
  stop(): Promise<void>;
}

export async function realServer(extra: Partial<ApiServerOptions> = {}): Promise<RealServer> {
  const crypto = createCrypto();
  const authority = await crypto.createAuthority({ commonName: 'test', validityDays: 1 });
  const issue = async (commonName: string, usages: ('server' | 'client')[]) => {
    const keys = await crypto.generateKeyPair();
    const certificatePem = await crypto.issueCertificate(authority, {
      publicKeyPem: keys.publicKeyPem,
      commonName,
      organizations: ['system:masters'],
      ipAddresses: ['127.0.0.1'],
      usages,
      validityDays: 1,
    });
    return { certificatePem, privateKeyPem: keys.privateKeyPem };
  };
  const ports = { clock: createClock(), random: createRandom(), log: createLog({ level: 'error' }) };
  const registry = createRegistry({ ...ports, ...memoryReplica(), config: { serviceCidr: '10.96.0.0/16' } });
  await applyFirstObjects(registry.clientFor({ user: 'root', groups: ['system:masters'] }), firstNamespaces());
  const server = createApiServer({
    ...ports,
    http: createHttp(),
    registry,
    config: { serverAddress: '127.0.0.1:6443', version: TEST_VERSION },
    ...extra,
  });
  const { ports: bound } = await server.start({
    listen: [{ host: '127.0.0.1', port: 0 }],
    ...(await issue('apiserver', ['server'])),
    clientAuthorityPem: authority.certificatePem,
  });
  return {
    port: bound[0] ?? 0,
    authorityPem: authority.certificatePem,
    ...(await issue('admin', ['client'])),
    stop: () => server.stop(),
  };
}
