/** Connections into Pods, with and without entering a namespace: each half ends in its own time. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { dialInside, dialTcp } from '#src/drivers/dial.ts';
import type { DialedConnection } from '#src/ports/runtime.ts';
import { isRoot } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

async function greeter(t: ExecutionContext): Promise<{ server: Server; port: number; heard: Promise<number> }> {
  const done = Promise.withResolvers<number>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    socket.on('end', () => done.resolve(bytes));
    socket.end('greeting');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port, heard: done.promise };
}

for (const [name, declare, dial] of [
  ['from outside', test, (port: number) => dialTcp('127.0.0.1', port)],
  [
    'inside a namespace',
    needs('root', isRoot, {}),
    (port: number) => dialInside('/proc/self/ns/net', ['127.0.0.1'], port),
  ],
] as [string, typeof test, (port: number) => Promise<DialedConnection>][]) {
  declare(`dial ${name}: a server that has said all still listens`, async (t) => {
    const { port, heard } = await greeter(t);
    const connection = await dial(port);
    let text = '';
    await connection.output.pump((chunk) => void (text += new TextDecoder().decode(chunk)));
    t.is(text, 'greeting');
    for (let i = 0; i < 10; i += 1) await connection.write(new Uint8Array(100_000));
    connection.end();
    t.is(await heard, 1_000_000);
  });

  declare(`dial ${name}: nobody listens`, async (t) => {
    const { server, port } = await greeter(t);
    await new Promise((resolve) => server.close(resolve));
    await t.throwsAsync(dial(port), { code: 'RUNTIME_DIAL', message: /connection refused$/ });
  });
}
