/** An API server of somebody else behind ours, over real TLS on loopback. */
import test from 'ava';
import { findKind, type Kind } from '#src/api/kinds.ts';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createLog } from '#src/drivers/log.ts';
import { createRandom } from '#src/drivers/random.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import { splitAroundRevision } from '#src/registry/bytes.ts';
import { applyFirstObjects, firstNamespaces } from '#src/registry/first-objects.ts';
import { objectKey } from '#src/registry/keys.ts';
import { createRegistry } from '#src/registry/registry.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';
import { memoryReplica } from '#test/support/memory-replica.ts';

const SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** What the other server was asked, and says. */
function respond(request: HttpRequest): unknown {
  if (request.url !== '/apis/metrics.example.com/v1') {
    const { client, headers, method, url } = request;
    return { kind: 'Seen', client: client?.commonName, headers, method, url };
  }
  const resources = [
    { name: 'gauges', singularName: 'gauge', namespaced: true, kind: 'Gauge', verbs: ['get', 'list'] },
    { name: 'gauges/status', namespaced: true, kind: 'Gauge', verbs: ['get'] },
  ];
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'metrics.example.com/v1', resources };
}

async function fixture() {
  const crypto = createCrypto();
  const http = createHttp();
  const [authority, proxies] = await Promise.all(
    ['serving', 'front-proxy'].map((commonName) => crypto.createAuthority({ commonName, validityDays: 1 })),
  );
  if (authority === undefined || proxies === undefined) throw new Error('two authorities were asked for');
  const [pair, own] = await Promise.all([crypto.generateKeyPair(), crypto.generateKeyPair()]);
  const certificatePem = await crypto.issueCertificate(authority, {
    publicKeyPem: pair.publicKeyPem,
    commonName: 'metrics',
    dnsNames: ['metrics.default.svc'],
    usages: ['server'],
    validityDays: 1,
  });
  const proxyPem = await crypto.issueCertificate(proxies, {
    publicKeyPem: own.publicKeyPem,
    commonName: 'front-proxy-client',
    usages: ['client'],
    validityDays: 1,
  });
  const other = await http.serve({
    listen: [{ host: '127.0.0.1', port: 0 }],
    certificatePem,
    privateKeyPem: pair.privateKeyPem,
    clientAuthorityPem: proxies.certificatePem,
    handle: (request, response) => {
      response.head(200, { 'content-type': 'application/json' });
      response.end(new TextEncoder().encode(JSON.stringify(respond(request))));
    },
  });
  const ports = { clock: createClock(), random: createRandom(), log: createLog({ level: 'error' }) };
  const replica = memoryReplica();
  const frontProxy = async () => ({ certificatePem: proxyPem, privateKeyPem: own.privateKeyPem });
  const config = { serviceCidr: '10.96.0.0/16' };
  const registry = createRegistry({ ...ports, ...replica, http, frontProxy, config });
  const admin = registry.clientFor({ user: 'admin', groups: ['system:masters'] });
  await applyFirstObjects(admin, firstNamespaces());
  const version = { major: '1', minor: '36', gitVersion: 'v1.36.0', gitCommit: '', gitTreeState: '' };
  const server = createApiServer({
    ...ports,
    http,
    registry,
    config: {
      serverAddress: '10.0.0.1:6443',
      version: { ...version, buildDate: '', goVersion: '', compiler: '', platform: '' },
    },
  });
  const ask = async (request: FakeRequest): Promise<FakeAnswer> => {
    const answer = send(server.handle, request);
    await answer.done;
    return answer;
  };
  const metadata = { name: 'metrics', namespace: 'default' };
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 443 }] } };
  await ask({ method: 'POST', url: '/api/v1/namespaces/default/services', body: service });
  // The API refuses loopback addresses in slices, as Kubernetes does: this one goes past it into the store.
  const kind = findKind({ group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' }) as Kind;
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'metrics' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: '', port: other.ports[0] }],
  };
  const put = { type: 'put' as const, key: objectKey(kind, 'default', 'metrics'), ...splitAroundRevision(slice) };
  await replica.proposer.propose([{ conditions: [], operations: [put] }], { deadlineMs: 5_000 });
  const caBundle = Buffer.from(authority.certificatePem).toString('base64');
  return { ask, caBundle, close: async () => await other.close(0) };
}

function apiService(spec: object, name = 'v1.metrics.example.com'): unknown {
  const base = { group: 'metrics.example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 100 };
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name },
    spec: { ...base, ...spec },
  };
}

test('requests of a group of another server are passed on with the identity of the asker, and discovery has it', async (t) => {
  const f = await fixture();
  const url = '/apis/metrics.example.com/v1/namespaces/default/gauges?limit=5';
  t.is((await f.ask({ url })).status, 404);
  const body = apiService({ service: { name: 'metrics', namespace: 'default' }, caBundle: f.caBundle });
  const made = await f.ask({ method: 'POST', url: SERVICES, body });
  t.is(made.status, 201, made.text);
  t.like(made.json, { spec: { service: { port: 443 } } });
  const seen = await f.ask({
    url,
    headers: { 'x-remote-user': 'forged', authorization: 'Bearer x', 'x-mine': 'kept' },
  });
  t.is(seen.status, 200, seen.text);
  const {
    client,
    headers,
    method,
    url: asked,
  } = seen.json as { client: string; headers: Record<string, string>; method: string; url: string };
  t.is(client, 'front-proxy-client');
  t.is(method, 'GET');
  t.is(asked, url);
  t.like(headers, {
    'x-remote-user': 'admin',
    'x-remote-group': 'system:masters, system:authenticated',
    'x-mine': 'kept',
  });
  t.is(headers['authorization'], undefined);
  const nobody = await f.ask({ url, client: { commonName: 'eve', organizations: [] } });
  t.is(nobody.status, 403);
  const discovery = await f.ask({ url: '/apis', headers: { accept: DISCOVERY } });
  const { items } = discovery.json as { items: { metadata: { name: string }; versions: unknown[] }[] };
  t.like(items.find(({ metadata }) => metadata.name === 'metrics.example.com')?.versions[0], {
    version: 'v1',
    freshness: 'Current',
    resources: [{ resource: 'gauges', scope: 'Namespaced', subresources: [{ subresource: 'status' }] }],
  });
  t.like((await f.ask({ url: '/apis/metrics.example.com' })).json, { preferredVersion: { version: 'v1' } });
  t.like((await f.ask({ url: '/apis/metrics.example.com/v1' })).json, { kind: 'APIResourceList' });
  const groups = (await f.ask({ url: '/apis' })).json as { groups: { name: string }[] };
  t.true(groups.groups.some(({ name }) => name === 'metrics.example.com'));
  await f.close();
});

test('a server that cannot be reached or trusted is 503, stale in discovery, and takes nothing else with it', async (t) => {
  const f = await fixture();
  const missing = apiService({ service: { name: 'nowhere', namespace: 'default' }, insecureSkipTLSVerify: true });
  await f.ask({ method: 'POST', url: SERVICES, body: missing });
  const answer = await f.ask({ url: '/apis/metrics.example.com/v1/gauges' });
  t.is(answer.status, 503);
  t.regex(answer.text, /error trying to reach service: .*service \\"nowhere\\" not found/);
  const discovery = await f.ask({ url: '/apis', headers: { accept: DISCOVERY } });
  t.is(discovery.status, 200);
  const { items } = discovery.json as { items: { metadata: { name: string }; versions: unknown[] }[] };
  t.like(items.at(-1)?.versions[0], { version: 'v1', freshness: 'Stale', resources: [] });
  await f.close();
});

test('local APIServices are available; wrong ones are refused', async (t) => {
  const f = await fixture();
  const local = await f.ask({ method: 'POST', url: SERVICES, body: apiService({}) });
  t.is(local.status, 201, local.text);
  const { conditions } = (local.json as { status: { conditions: unknown[] } }).status;
  t.like(conditions[0], { type: 'Available', status: 'True', reason: 'Local' });
  const table = await f.ask({ url: SERVICES, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
  const { rows } = table.json as { rows: { cells: unknown[] }[] };
  t.deepEqual(rows[0]?.cells.slice(0, 3), ['v1.metrics.example.com', 'Local', 'True']);
  const wrong = await f.ask({ method: 'POST', url: SERVICES, body: apiService({ groupPriorityMinimum: 0 }, 'x') });
  t.is(wrong.status, 422);
  t.regex(wrong.text, /metadata.name: Invalid value: \\"x\\": must be `spec.version/);
  t.regex(wrong.text, /spec.groupPriorityMinimum: Invalid value: 0: must be positive/);
  await f.close();
});
