/** What every Runtime promises; run on each driver by runtime.test.ts. */
import { createServer } from 'node:net';
import type { ExecutionContext } from 'ava';
import type {
  ContainerSpec,
  ContainerState,
  LogOptions,
  OutputStream,
  Runtime,
  SandboxSpec,
} from '#src/ports/runtime.ts';

export const NODE = 'n1';
const WAIT_MS = 20_000;

export interface RuntimeHarness {
  runtime: Runtime;
  /** Another instance on the same data, as after kill -9 of the node. */
  again(): Runtime;
}

export type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

/** Ask until it is so; real engines have no virtual clock. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not happen within ${WAIT_MS} ms`);
}

let pods = 0;
const podLabels = { 'kontiki.node': NODE, 'kontiki.cluster': 'c1', 'example.org/what': 'test' };

export function sandboxSpec(over: Partial<SandboxSpec> = {}): SandboxSpec {
  pods += 1;
  return {
    podUid: `00000000-0000-4000-8000-${String(process.pid).padStart(8, '0')}${String(pods).padStart(4, '0')}`,
    podNamespace: 'default',
    podName: `pod-${pods}`,
    attempt: 0,
    hostname: `pod-${pods}`,
    hostNetwork: true,
    labels: podLabels,
    ...over,
  };
}

export function containerSpec(over: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: 'main',
    attempt: 0,
    image: 'kontiki/demo',
    env: [],
    mounts: [],
    resources: {},
    tty: false,
    stdin: false,
    labels: podLabels,
    ...over,
  };
}

export const shell = (script: string): Partial<ContainerSpec> => ({ command: ['/bin/sh', '-c', script] });

export async function textOf(output: OutputStream): Promise<{ stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  await output.pump((chunk, stream) => void (said[stream] += new TextDecoder().decode(chunk)));
  return said;
}

export const logOptions = (over: Partial<LogOptions> = {}): LogOptions => ({
  follow: false,
  timestamps: false,
  ...over,
});

export async function run(
  runtime: Runtime,
  over: Partial<ContainerSpec>,
  sandbox: Partial<SandboxSpec> = {},
): Promise<{ id: string; sandboxId: string; spec: SandboxSpec }> {
  const spec = sandboxSpec(sandbox);
  await runtime.ensureImage('kontiki/demo', 'IfNotPresent');
  const { id: sandboxId } = await runtime.runSandbox(spec);
  const { id } = await runtime.createContainer(sandboxId, containerSpec(over));
  await runtime.startContainer(id);
  return { id, sandboxId, spec };
}

export function ended(runtime: Runtime, id: string): Promise<ContainerState> {
  return until(`the end of ${id}`, async () => {
    const state = await runtime.inspectContainer(id);
    return state.state === 'exited' && state;
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function get(runtime: Runtime, sandboxId: string, port: number): Promise<string> {
  const connection = await until(`port ${port} open`, () => runtime.dial(sandboxId, port).catch(() => undefined));
  await connection.write(new TextEncoder().encode('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'));
  const { stdout } = await textOf(connection.output);
  connection.end();
  return stdout;
}

export function runtimeContract(declare: Declare, name: string, open: (t: ExecutionContext) => RuntimeHarness): void {
  const test = (title: string, body: (t: ExecutionContext, harness: RuntimeHarness) => Promise<void>): void =>
    declare(`runtime (${name}): ${title}`, (t) => body(t, open(t)));

  test('a sandbox is ready with its labels, stops once, and goes', async (t, { runtime }) => {
    const spec = sandboxSpec();
    const made = await runtime.runSandbox(spec);
    t.like(made, { podUid: spec.podUid, attempt: 0, state: 'ready', labels: podLabels });
    t.like(await runtime.listSandboxes(), { length: 1, 0: { id: made.id, state: 'ready', labels: podLabels } });
    await runtime.stopSandbox(made.id);
    await runtime.stopSandbox(made.id);
    t.is((await runtime.listSandboxes())[0]?.state, 'notReady');
    await runtime.removeSandbox(made.id);
    await runtime.removeSandbox(made.id);
    t.deepEqual(await runtime.listSandboxes(), []);
  });

  test('exit codes: 0 is Completed, another is Error, and an event tells', async (t, { runtime }) => {
    const events: string[] = [];
    const off = runtime.onEvent((event) => void events.push(`${event.type} ${event.containerId ?? ''}`));
    const { id, sandboxId } = await run(runtime, shell('exit 0'));
    t.like(await ended(runtime, id), { exitCode: 0, reason: 'Completed', name: 'main', sandboxId, labels: podLabels });
    const second = await runtime.createContainer(sandboxId, containerSpec({ attempt: 1, ...shell('exit 3') }));
    t.is((await runtime.inspectContainer(second.id)).state, 'created');
    await runtime.startContainer(second.id);
    const state = await ended(runtime, second.id);
    t.like(state, { exitCode: 3, reason: 'Error', attempt: 1 });
    t.true((state.finishedAtMs ?? 0) >= (state.startedAtMs ?? Infinity));
    await until('both events', () =>
      Promise.resolve([id, second.id].every((x) => events.includes(`containerExited ${x}`))),
    );
    off();
  });

  test('signals reach the process: TERM may be handled, KILL ends it with 137', async (t, { runtime }) => {
    const trap = 'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done';
    const { id, sandboxId } = await run(runtime, shell(trap));
    await until('ready', async () => (await textOf(await runtime.logs(id, logOptions()))).stdout.includes('ready'));
    await runtime.signalContainer(id, 'SIGTERM');
    t.is((await ended(runtime, id)).exitCode, 7);
    await runtime.signalContainer(id, 'SIGTERM');
    const other = await runtime.createContainer(sandboxId, containerSpec({ attempt: 1, ...shell('sleep 300') }));
    await runtime.startContainer(other.id);
    await runtime.signalContainer(other.id, 'SIGKILL');
    t.is((await ended(runtime, other.id)).exitCode, 137);
    await t.throwsAsync(runtime.signalContainer('no-such-container', 'SIGTERM'), { code: 'RUNTIME_NOT_FOUND' });
  });

  test('logs: both streams, tail, since, limit, timestamps, and following to the end', async (t, { runtime }) => {
    const { id } = await run(runtime, shell('echo one; echo two; echo wrong >&2; sleep 0.3; echo three'));
    const followed = textOf(await runtime.logs(id, logOptions({ follow: true })));
    t.deepEqual(await followed, { stdout: 'one\ntwo\nthree\n', stderr: 'wrong\n' });
    await ended(runtime, id);
    const read = async (over: Partial<LogOptions>): Promise<string> =>
      (await textOf(await runtime.logs(id, logOptions(over)))).stdout;
    t.is(await read({ tailLines: 1 }), 'three\n');
    t.is(await read({ tailLines: 0 }), '');
    // Which stream comes first is not promised: two pipes.
    const limited = await textOf(await runtime.logs(id, logOptions({ limitBytes: 5 })));
    t.is(`${limited.stdout}${limited.stderr}`.length, 5);
    t.is(await read({ sinceMs: Date.now() + 60_000 }), '');
    t.regex(await read({ tailLines: 1, timestamps: true }), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n$/);
  });

  test('logs: a follower that is cancelled stops, the container goes on', async (t, { runtime }) => {
    const { id } = await run(runtime, shell('while :; do echo tick; sleep 0.05; done'));
    const stream = await runtime.logs(id, logOptions({ follow: true }));
    let seen = 0;
    await stream.pump(() => {
      seen += 1;
      if (seen === 2) stream.cancel();
    });
    t.is(seen, 2);
    t.is((await runtime.inspectContainer(id)).state, 'running');
  });

  test('exec: output, input, environment and exit code; cancel ends the process', async (t, { runtime }) => {
    const { id } = await run(runtime, { ...shell('sleep 300'), env: [{ name: 'COLOUR', value: 'green' }] });
    const said = await runtime.exec(id, {
      command: ['/bin/sh', '-c', 'echo $COLOUR; echo oops >&2; exit 4'],
      tty: false,
      stdin: false,
    });
    t.deepEqual(await textOf(said.output), { stdout: 'green\n', stderr: 'oops\n' });
    t.deepEqual(await said.exited, { exitCode: 4 });

    const copy = await runtime.exec(id, { command: ['cat'], tty: false, stdin: true });
    await copy.write(new TextEncoder().encode('to and fro'));
    copy.closeStdin();
    t.is((await textOf(copy.output)).stdout, 'to and fro');
    t.deepEqual(await copy.exited, { exitCode: 0 });

    const endless = await runtime.exec(id, { command: ['sleep', '300'], tty: false, stdin: false });
    const pumped = endless.output.pump(() => undefined);
    endless.cancel();
    await pumped;
    t.deepEqual(await endless.exited, { exitCode: 137 });
  });

  test('volumes: files are seen, and replaced all at once in a running container', async (t, { runtime }) => {
    const spec = sandboxSpec();
    const files = (text: string): Record<string, { content: Uint8Array; mode: number }> => ({
      key: { content: new TextEncoder().encode(text), mode: 0o644 },
    });
    const volume = { podUid: spec.podUid, name: 'config' };
    const { hostPath } = await runtime.writeVolume({ ...volume, files: files('old') });
    const scratch = await runtime.makeEmptyDir({ podUid: spec.podUid, name: 'scratch', medium: '' });
    const mounts = [
      { volume: 'config', hostPath, containerPath: '/config', readOnly: true },
      { volume: 'scratch', hostPath: scratch.hostPath, containerPath: '/scratch', readOnly: false },
    ];
    const script = 'cd ${KONTIKI_VOLUME_SCRATCH:-/scratch}; echo kept > file; sleep 300';
    const { id } = await run(runtime, { ...shell(script), mounts }, spec);
    const read = async (path: string): Promise<string> => {
      const command = ['/bin/sh', '-c', `cat ${path}`];
      return (await textOf((await runtime.exec(id, { command, tty: false, stdin: false })).output)).stdout;
    };
    t.is(await read('${KONTIKI_VOLUME_CONFIG:-/config}/key'), 'old');
    await runtime.writeVolume({ ...volume, files: files('new') });
    t.is(await read('${KONTIKI_VOLUME_CONFIG:-/config}/key'), 'new');
    await until('the scratch file', async () => (await read('${KONTIKI_VOLUME_SCRATCH:-/scratch}/file')) === 'kept\n');
    await runtime.signalContainer(id, 'SIGKILL');
    await runtime.removeVolumes(spec.podUid);
    await t.throwsAsync(
      import('node:fs/promises').then((fs) => fs.stat(hostPath)),
      { code: 'ENOENT' },
    );
  });

  test('another instance adopts what runs: same ids, same pid, its logs and its end', async (t, harness) => {
    const { id, sandboxId, spec } = await run(harness.runtime, shell('echo here; sleep 300'));
    const before = await harness.runtime.inspectContainer(id);
    const adopted = harness.again();
    t.like(await adopted.listSandboxes(), { length: 1, 0: { id: sandboxId, podUid: spec.podUid, state: 'ready' } });
    t.deepEqual(await adopted.listContainers(), [before]);
    t.true((before.pid ?? 0) > 1);
    await until('the log', async () => (await textOf(await adopted.logs(id, logOptions()))).stdout === 'here\n');
    await adopted.signalContainer(id, 'SIGKILL');
    t.is((await ended(adopted, id)).exitCode, 137);
    t.like(await ended(harness.runtime, id), { state: 'exited', exitCode: 137 });
  });

  test('removing a running container ends it; then it is not known', async (t, { runtime }) => {
    const { id } = await run(runtime, shell('sleep 300'));
    await runtime.removeContainer(id);
    await runtime.removeContainer(id);
    await t.throwsAsync(runtime.inspectContainer(id), { code: 'RUNTIME_NOT_FOUND' });
    t.deepEqual(await runtime.listContainers(), []);
  });

  test('stopping a sandbox ends what runs in it', async (t, { runtime }) => {
    const { id, sandboxId } = await run(runtime, shell('sleep 300'));
    await runtime.stopSandbox(sandboxId);
    t.is((await ended(runtime, id)).exitCode, 137);
  });

  test('a command that does not exist fails at start, as StartError', async (t, { runtime }) => {
    const { id: sandboxId } = await runtime.runSandbox(sandboxSpec());
    const { id } = await runtime.createContainer(sandboxId, containerSpec({ command: ['/no/such/program'] }));
    const fault = await t.throwsAsync(runtime.startContainer(id), { code: 'RUNTIME_START_FAILED' });
    t.regex(fault?.message ?? '', /no\/such\/program/);
    t.like(await runtime.inspectContainer(id), { state: 'exited', exitCode: 128, reason: 'StartError' });
  });

  test('kontiki/demo needs no registry and answers with its Pod and its node', async (t, { runtime }) => {
    const port = await freePort();
    const { sandboxId, spec } = await run(runtime, { env: [{ name: 'PORT', value: String(port) }] });
    t.regex(await get(runtime, sandboxId, port), new RegExp(`hello from ${spec.podName} on ${NODE}, request 1`));
    t.deepEqual(await runtime.probe({ type: 'tcp', host: '127.0.0.1', port }, 2000), {});
  });
}
