/**
 * Two nodes in one process over real links: the API server of `a`, and `b` whose kubelet's streams reach a real
 * process. What runs "in the Pod" listens on this host's loopback.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { ExecutionContext } from 'ava';
import type { Pod } from '#src/api/objects.ts';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { createProcessRuntime } from '#src/drivers/process/process.ts';
import { createRandom } from '#src/drivers/random.ts';
import { serveDials } from '#src/kubelet/dial-stream.ts';
import { serveNodePaths } from '#src/kubelet/node-paths.ts';
import type { PodWorker } from '#src/kubelet/pod-worker.ts';
import { serveStreams } from '#src/kubelet/streams.ts';
import { applyFirstObjects, firstNamespaces } from '#src/registry/first-objects.ts';
import { createRegistry } from '#src/registry/registry.ts';
import { createSpdyConnection, type SpdyConnection } from '#src/spdy/spdy.ts';
import { createWire, type Wire } from '#src/wire/wire.ts';
import { memoryLog } from './memory-log.ts';
import { memoryReplica } from './memory-replica.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface SpdyClient {
  connection: SpdyConnection;
  socket: TLSSocket;
  protocol: string;
  closed: Promise<string>;
}

export interface TwoNodes {
  port: number;
  tls: { ca: string; cert: string; key: string };
  /** One request with everything as it is given, on a connection of its own. */
  ask(request: string, as?: 'admin' | 'nobody'): Promise<Answer>;
  /** Upgrade to SPDY/3.1; the answer when it is refused. */
  spdy(path: string, protocols: string): Promise<SpdyClient | Answer>;
}

const crypto = createCrypto();
const POD_UID = 'pod-uid';

export async function twoNodes(t: ExecutionContext): Promise<TwoNodes> {
  const authority = await crypto.createAuthority({ commonName: 'test', validityDays: 1 });
  const certified = async (commonName: string, organizations: string[]): Promise<{ cert: string; key: string }> => {
    const pair = await crypto.generateKeyPair();
    const cert = await crypto.issueCertificate(authority, {
      publicKeyPem: pair.publicKeyPem,
      commonName,
      organizations,
      ipAddresses: ['127.0.0.1'],
      usages: ['server', 'client'],
      validityDays: 1,
    });
    return { cert, key: pair.privateKeyPem };
  };
  const ports = { clock: createClock(), random: createRandom(), log: memoryLog() };
  const node = async (self: string): Promise<Wire> => {
    const { cert, key } = await certified(self, []);
    return await createWire({
      ...ports,
      network: createNetwork(),
      self,
      clusterId: 'c',
      incarnation: `${self}-1`,
      version: 'test',
      identity: { certificatePem: cert, privateKeyPem: key, authorityPem: authority.certificatePem },
      listen: { host: '127.0.0.1', port: 0 },
    });
  };
  const [a, b] = await Promise.all([node('a'), node('b')]);
  a.setAddress('b', `127.0.0.1:${b.port}`);
  b.setAddress('a', `127.0.0.1:${a.port}`);

  const directory = mkdtempSync(join(tmpdir(), 'kontiki-two-'));
  const runtime = createProcessRuntime({ directory, namespaces: false, limits: [], log: ports.log });
  const sandbox = await runtime.runSandbox({
    podUid: POD_UID,
    podNamespace: 'default',
    podName: 'p',
    attempt: 0,
    hostname: 'p',
    hostNetwork: true,
    labels: {},
  });
  const common = { attempt: 0, image: 'host', env: [], mounts: [], resources: {}, tty: false, labels: {} };
  const { id } = await runtime.createContainer(sandbox.id, {
    ...common,
    name: 'main',
    command: ['sh', '-c', 'while read line; do echo "heard $line"; done'],
    stdin: true,
  });
  await runtime.startContainer(id);
  const current = await runtime.inspectContainer(id);
  const tracked = { current, previous: undefined, state: { value: 'running', context: { reason: '' } } };
  const worker = {
    uid: '',
    sandboxId: sandbox.id,
    containerNamed: (name: string) => (name === 'main' ? tracked : undefined),
  };
  const workerOf = (namespace: string, name: string): PodWorker | undefined =>
    namespace === 'default' && name === 'p' ? (worker as unknown as PodWorker) : undefined;
  serveStreams({ peers: b, clock: ports.clock, runtime, workerOf });
  serveDials({ peers: b, runtime, workerOf });
  serveNodePaths({ peers: b, pods: () => [] });

  const registry = createRegistry({ ...ports, ...memoryReplica(), config: { serviceCidr: '10.96.0.0/16' } });
  const root = registry.clientFor({ user: 'root', groups: ['system:masters'] });
  await applyFirstObjects(root, firstNamespaces());
  worker.uid = await setUpObjects(root);
  const serving = await certified('apiserver', []);
  const admin = await certified('admin', ['system:masters']);
  const nobody = await certified('nobody', []);
  const server = createApiServer({
    ...ports,
    http: createHttp(),
    registry,
    streams: a,
    config: {
      serverAddress: '127.0.0.1:6443',
      version: {
        major: '1',
        minor: '36',
        gitVersion: 'v1.36.0',
        gitCommit: '',
        gitTreeState: 'clean',
        buildDate: '',
        goVersion: '',
        compiler: 'node',
        platform: '',
      },
    },
  });
  const [port = 0] = (
    await server.start({
      listen: [{ host: '127.0.0.1', port: 0 }],
      certificatePem: serving.cert,
      privateKeyPem: serving.key,
      clientAuthorityPem: authority.certificatePem,
    })
  ).ports;
  t.teardown(async () => {
    await server.stop();
    await Promise.all([a.close(), b.close()]);
    await runtime.removeSandbox(sandbox.id);
    rmSync(directory, { recursive: true, force: true });
  });

  const dial = (who: { cert: string; key: string }): TLSSocket =>
    connect({ port, host: '127.0.0.1', ca: authority.certificatePem, ...who, ALPNProtocols: ['http/1.1'] });
  return {
    port,
    tls: { ca: authority.certificatePem, ...admin },
    async ask(request, as = 'admin') {
      const socket = dial(as === 'admin' ? admin : nobody);
      socket.write(request);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return parseAnswer(Buffer.concat(chunks));
    },
    async spdy(path, protocols) {
      const socket = dial(admin);
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n` +
          `X-Stream-Protocol-Version: ${protocols}\r\n\r\n`,
      );
      let head = Buffer.alloc(0);
      while (!head.includes('\r\n\r\n')) {
        const [chunk] = (await new Promise<unknown[]>((resolve, reject) => {
          socket.once('data', (...data: unknown[]) => resolve(data));
          socket.once('end', () => reject(new Error('no answer')));
        })) as [Buffer];
        socket.pause();
        head = Buffer.concat([head, chunk]);
      }
      const answer = parseAnswer(head);
      if (answer.status !== 101) {
        socket.destroy();
        return answer;
      }
      return spdyOver(socket, answer.headers['x-stream-protocol-version'] ?? '');
    },
  };
}

function spdyOver(socket: TLSSocket, protocol: string): SpdyClient {
  const closed = Promise.withResolvers<string>();
  const connection = createSpdyConnection({
    role: 'client',
    transport: {
      write: (bytes) => socket.destroyed || socket.write(bytes),
      drained: () => new Promise((resolve) => socket.once('drain', resolve)),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      end: () => void socket.end(),
    },
    onStream: (stream) => stream.reset('the server opens none'),
    onClose: closed.resolve,
  });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => connection.receive(chunk));
  socket.on('close', () => connection.close('the server went away'));
  socket.resume();
  return { connection, socket, protocol, closed: closed.promise };
}

function parseAnswer(bytes: Buffer): Answer {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const raw = text.slice(end + 4);
  const body = headers['transfer-encoding'] === 'chunked' ? unchunked(raw) : raw;
  return { status: Number(first.split(' ')[1]), headers, body };
}

function unchunked(text: string): string {
  let whole = '';
  for (let rest = text; ;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return whole;
    whole += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}

/** A server "in the Pod". */
export async function listen(t: ExecutionContext, make: (server: Server) => void): Promise<number> {
  const server = createTcpServer({ allowHalfOpen: true });
  server.on('connection', (socket) => socket.on('error', () => socket.destroy()));
  make(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** The uid of the Pod. */
async function setUpObjects(root: ReturnType<ReturnType<typeof createRegistry>['clientFor']>): Promise<string> {
  const core = (resource: string): { group: string; version: string; resource: string } => ({
    group: '',
    version: 'v1',
    resource,
  });
  await root.create(core('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'b' } }, {});
  const made: Pod = await root.create<Pod>(
    core('pods'),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default' },
      spec: { nodeName: 'b', containers: [{ name: 'main', image: 'host' }] },
    },
    { namespace: 'default' },
  );
  const status = { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] };
  await root.update<Pod>(core('pods'), { ...made, status }, { subresource: 'status' });
  return made.metadata.uid ?? '';
}
