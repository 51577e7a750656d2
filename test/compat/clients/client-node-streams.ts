/** @kubernetes/client-node, unchanged, in a lab: Exec, Attach, Cp, PortForward and the proxy of a node. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Attach,
  CoreV1Api,
  Cp,
  Exec,
  KubeConfig,
  PortForward,
  type V1Pod,
  type V1Status,
} from '@kubernetes/client-node';
import { runChecks, until } from './checks.ts';

const config = new KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(CoreV1Api);
const namespace = 'client-node-streams';

function sink(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

function pod(name: string, container: Partial<NonNullable<V1Pod['spec']>['containers'][number]>): V1Pod {
  return {
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: 'host', ...container }] },
  };
}

/** A local port whose connections go to a port of the Pod; what the error streams said. */
async function forwarded(name: string, port: number): Promise<{ local: number; said: () => string; stop: () => void }> {
  const forward = new PortForward(config);
  const errors = sink();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    void forward.portForward(namespace, name, [port], socket, errors.stream, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    local: (server.address() as AddressInfo).port,
    said: errors.text,
    stop: () => void server.close(),
  };
}

async function get(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (/hello from/.test(text)) break;
  }
  return text;
}

const directory = mkdtempSync(join(tmpdir(), 'kontiki-streams-'));

await runChecks([
  [
    'Pods to talk to',
    async () => {
      await core.createNamespace({ body: { metadata: { name: namespace } } });
      await core.createNamespacedPod({
        namespace,
        body: pod('web', { image: 'kontiki/demo', ports: [{ containerPort: 8080 }] }),
      });
      await core.createNamespacedPod({
        namespace,
        body: pod('echo', { command: ['sh', '-c', 'while read line; do echo "heard $line"; done'], stdin: true }),
      });
      await core.createNamespacedService({
        namespace,
        body: {
          metadata: { name: 'web' },
          spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
        },
      });
      await until('both Pods are ready', 60, async () => {
        const { items } = await core.listNamespacedPod({ namespace });
        const ready = items.filter((one) => one.status?.containerStatuses?.every((status) => status.ready));
        return ready.length === 2 ? true : undefined;
      });
    },
  ],
  [
    'Exec: input, output, errors and the exit code',
    async () => {
      const [out, err] = [sink(), sink()];
      const input = new PassThrough();
      const status = Promise.withResolvers<V1Status>();
      const command = ['sh', '-c', 'head -c 200000 | wc -c; echo wrong >&2; exit 9'];
      await new Exec(config).exec(
        namespace,
        'web',
        'main',
        command,
        out.stream,
        err.stream,
        input,
        false,
        status.resolve,
      );
      input.write(Buffer.alloc(200_000, 'x'));
      const { details } = await status.promise;
      assert.deepEqual(details?.causes, [{ reason: 'ExitCode', message: '9' }]);
      assert.equal(out.text().trim(), '200000');
      assert.equal(err.text(), 'wrong\n');
    },
  ],
  [
    'Attach: what is typed is heard',
    async () => {
      const out = sink();
      const input = new PassThrough();
      const socket = await new Attach(config).attach(namespace, 'echo', 'main', out.stream, null, input, false);
      input.write('one\ntwo\n');
      await until('both answers', 10, () => (out.text() === 'heard one\nheard two\n' ? true : undefined));
      socket.close();
    },
  ],
  [
    'Cp: there and back',
    async () => {
      const copy = new Cp(config);
      const content = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('');
      // It packs directories.
      mkdirSync(join(directory, 'source'));
      writeFileSync(join(directory, 'source', 'there.txt'), content);
      // The process runtime's Pods share this host's files, so there is another directory.
      const target = join(directory, 'in-pod');
      const made = Promise.withResolvers<V1Status>();
      const mkdir = ['mkdir', '-p', target, join(directory, 'back')];
      await new Exec(config).exec(namespace, 'web', 'main', mkdir, null, sink().stream, null, false, made.resolve);
      assert.equal((await made.promise).status, 'Success');
      await copy.cpToPod(namespace, 'web', 'main', join(directory, 'source'), target);
      await until('the copy in the Pod', 10, () => {
        try {
          return readFileSync(join(target, 'there.txt'), 'utf8') === content ? true : undefined;
        } catch {
          return undefined; // Not there yet.
        }
      });
      await copy.cpFromPod(namespace, 'web', 'main', 'there.txt', join(directory, 'back'), target);
      await until('the copy back', 10, () => {
        try {
          return readFileSync(join(directory, 'back', 'there.txt'), 'utf8') === content ? true : undefined;
        } catch {
          return undefined; // Not there yet.
        }
      });
    },
  ],
  [
    'PortForward: several connections',
    async () => {
      const { local, stop } = await forwarded('web', 8080);
      const answers = await Promise.all([get(local), get(local), get(local)]);
      stop();
      for (const answer of answers) assert.match(answer, /hello from web on n\d/);
    },
  ],
  [
    'PortForward: a port that nobody listens on is told on the error channel',
    async () => {
      const { local, said, stop } = await forwarded('web', 9);
      const socket = connect(local, '127.0.0.1');
      socket.on('error', () => undefined);
      await until('the failure', 10, () => (said().length > 0 ? true : undefined));
      socket.destroy();
      stop();
      assert.match(said(), /error forwarding port 9 to pod web, uid [0-9a-f-]{36}: .*connection refused/);
    },
  ],
  [
    'the proxy of a node',
    async () => {
      assert.equal(await core.connectGetNodeProxyWithPath({ name: 'n1', path: 'healthz' }), 'ok');
    },
  ],
  ['clean up', async () => void (await core.deleteNamespace({ name: namespace }))],
]);
rmSync(directory, { recursive: true, force: true });
await sleep(0);
process.exit(0);
