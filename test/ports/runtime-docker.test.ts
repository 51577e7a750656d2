/** The parts of the Docker driver that need no engine: what it asks for, what it reads, how it fails. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import type { ContainerInspectInfo } from 'dockerode';
import { connectEngine, engineFault, pingEngine } from '#src/drivers/docker/engine.ts';
import { isDemo } from '#src/drivers/docker/images.ts';
import { pauseImage } from '#src/drivers/docker/pause.ts';
import { callersLabels, containerBody, LABEL } from '#src/drivers/docker/specs.ts';
import { containerState } from '#src/drivers/docker/states.ts';
import { jsonLines, outputOf } from '#src/drivers/docker/streams.ts';
import { tarBytes } from '#src/drivers/docker/tar.ts';
import { containerSpec, textOf } from './contracts/runtime.ts';

function frame(stream: 1 | 2, text: string): Buffer {
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

const frames = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, ''), frame(1, ' more')]);

test('frames: headers and payloads may be cut anywhere', async (t) => {
  for (let size = 1; size <= frames.length; size += 1) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < frames.length; at += size) chunks.push(frames.subarray(at, at + size));
    t.deepEqual(await textOf(outputOf(Readable.from(chunks), { raw: false })), { stdout: 'out more', stderr: 'err' });
  }
  t.deepEqual(await textOf(outputOf(Readable.from([frames]), { raw: false, limitBytes: 5 })), {
    stdout: 'out',
    stderr: 'er',
  });
});

test('frames: nothing is read ahead of a busy handler; cancelling ends the pump', async (t) => {
  let given = 0;
  const source = Readable.from(
    (function* () {
      for (;;) {
        given += 1;
        yield frame(1, 'x');
      }
    })(),
    { highWaterMark: 1 },
  );
  const output = outputOf(source, { raw: false });
  let handled = 0;
  await output.pump(async () => {
    handled += 1;
    await new Promise((resolve) => setImmediate(resolve));
    t.true(given <= handled + 2, `${given} frames were read while frame ${handled} was handled`);
    if (handled === 20) output.cancel();
  });
  t.is(handled, 20);
});

test('lines of JSON may be cut anywhere, inside a character too', async (t) => {
  const bytes = Buffer.from('{"a":"ä"}\n\n{"b":1}');
  const found: unknown[] = [];
  const cut = (async function* () {
    for (const byte of bytes) yield Buffer.from([byte]);
  })();
  for await (const value of jsonLines(cut)) found.push(value);
  t.deepEqual(found, [{ a: 'ä' }, { b: 1 }]);
});

const facts = { id: 'sb', podUid: 'u1', podName: 'web-0', attempt: 0, hostNetwork: false, sharePids: true };
const owner = { node: 'n1', directory: '/data/n1' };

test("a container joins its sandbox, and limits and rights are the engine's words", (t) => {
  const body = containerBody(
    containerSpec({
      command: ['/bin/run'],
      args: ['-v'],
      env: [{ name: 'POD_NAME', value: 'mine' }],
      user: { uid: 1000, gid: 3000 },
      capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] },
      resources: { cpuMillis: 250, cpuRequestMillis: 100, memoryBytes: 64 << 20 },
      mounts: [{ volume: 'v', hostPath: '/h', containerPath: '/etc/hosts', readOnly: true }],
    }),
    { owner, sandbox: facts, hosts: '/data/hosts', resolv: '/data/resolv.conf', unique: 'x' },
  );
  t.like(body, { Entrypoint: ['/bin/run'], Cmd: ['-v'], User: '1000:3000', name: 'kontiki_web-0_main_0_x' });
  t.is(body.Hostname, undefined, 'refused by the engine together with container: networks');
  t.deepEqual(body.Env, ['POD_NAME=mine', 'NODE_NAME=n1'], 'what the Pod says wins');
  t.like(body.HostConfig, {
    NetworkMode: 'container:sb',
    IpcMode: 'container:sb',
    PidMode: 'container:sb',
    CpuPeriod: 100_000,
    CpuQuota: 25_000,
    CpuShares: 102,
    Memory: 64 << 20,
    MemorySwap: 64 << 20,
    CapAdd: ['NET_ADMIN'],
    CapDrop: ['ALL'],
  });
  const mounts = body.HostConfig?.Mounts as unknown as { Target: string; Source: string; ReadOnly: boolean }[];
  t.deepEqual(
    mounts.map((mount) => [mount.Source, mount.Target, mount.ReadOnly]),
    [
      ['/data/resolv.conf', '/etc/resolv.conf', false],
      ['/h', '/etc/hosts', true],
    ],
    'a volume over /etc/hosts wins',
  );
  t.deepEqual(callersLabels(body.Labels ?? {}), containerSpec().labels);
  t.like(body.Labels, { [LABEL.sandbox]: 'sb', [LABEL.directory]: '/data/n1', [LABEL.attempt]: '0' });
  const bare = containerBody(containerSpec({ image: 'other' }), { owner, sandbox: facts, unique: 'x' });
  t.false('Entrypoint' in bare || 'Cmd' in bare || 'User' in bare, "absent: the image's own");
  t.deepEqual(bare.Env, []);
});

type State = Partial<ContainerInspectInfo['State']>;
const never = '0001-01-01T00:00:00Z';
const at = (second: number): string => `2026-11-23T09:00:0${second}.000Z`;

for (const [what, state, expected] of [
  ['made and not started', { Status: 'created' }, { state: 'created', exitCode: undefined }],
  ['running', { Status: 'running', Running: true, Pid: 7, StartedAt: at(1) }, { state: 'running', pid: 7 }],
  ['ended well', { Status: 'exited', FinishedAt: at(2) }, { state: 'exited', exitCode: 0, reason: 'Completed' }],
  ['ended badly', { Status: 'exited', ExitCode: 2 }, { exitCode: 2, reason: 'Error' }],
  ['killed for its memory', { Status: 'exited', ExitCode: 137, OOMKilled: true }, { reason: 'OOMKilled' }],
  ['a child killed for its memory', { Status: 'exited', OOMKilled: true }, { exitCode: 0, reason: 'Completed' }],
  [
    'a command that does not exist',
    { Status: 'created', ExitCode: 127, Error: 'no such file' },
    { state: 'exited', exitCode: 128, reason: 'StartError', message: 'no such file' },
  ],
  ['being removed', { Status: 'removing' }, { state: 'unknown' }],
] as [string, State, object][]) {
  test(`states: ${what}`, (t) => {
    const State = {
      Running: false,
      Pid: 0,
      ExitCode: 0,
      Error: '',
      OOMKilled: false,
      StartedAt: never,
      FinishedAt: never,
      ...state,
    };
    const info = { Id: 'c', Created: at(0), Image: 'sha256:1', Config: { Labels: {}, Image: 'i' }, State };
    t.like(containerState(info as unknown as ContainerInspectInfo), expected);
  });
}

test('states: a run that the engine notes as ended before it began has no negative length', (t) => {
  const State = { Status: 'exited', Running: false, ExitCode: 0, Error: '', StartedAt: at(2), FinishedAt: at(1) };
  const info = { Id: 'c', Created: at(0), Image: 'x', Config: { Labels: {}, Image: 'i' }, State };
  const { startedAtMs, finishedAtMs } = containerState(info as unknown as ContainerInspectInfo);
  t.is(finishedAtMs, startedAtMs);
});

const engine = connectEngine();

for (const [what, error, code, words] of [
  ['no socket', { code: 'ENOENT', message: 'connect ENOENT' }, 'RUNTIME_UNAVAILABLE', /start it, set DOCKER_HOST/],
  ['no right', { code: 'EACCES', message: 'connect EACCES' }, 'RUNTIME_PERMISSION', /docker \$USER/],
  ['not found', { statusCode: 404, json: { message: 'No such container' } }, 'RUNTIME_NOT_FOUND', /No such container/],
  ['refused', { statusCode: 400, json: { message: 'invalid mount' } }, 'RUNTIME_REFUSED', /^x: invalid mount$/],
] as [string, object, string, RegExp][]) {
  test(`faults: ${what}`, (t) => {
    const fault = engineFault(engine, Object.assign(new Error('?'), error), 'x');
    t.is(fault.code, code);
    t.regex(fault.message, words);
  });
}

test('faults: an engine that accepts and never answers is unavailable', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kt-engine-'));
  const socketPath = join(directory, 's');
  const server = createServer(() => undefined).listen(socketPath);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const { default: Docker } = await import('dockerode');
  const silent = new Docker({ socketPath });
  const fault = await t.throwsAsync(pingEngine({ calls: silent, streams: silent, where: 'here' }, 50), {
    code: 'RUNTIME_UNAVAILABLE',
  });
  t.regex(fault?.message ?? '', /does not answer within 50 ms/);
});

test('the sandbox image is the same bytes on every node, and its program is 201 bytes', (t) => {
  const [first, second] = [pauseImage(), pauseImage()];
  t.is(first.reference, 'kontiki/pause:ec0334fbad42');
  t.deepEqual(first, second);
  t.true(first.archive.length < 8192);
});

test('archives: tar reads directories, links and long paths', (t) => {
  const long = `${'directory/'.repeat(14)}file`;
  const archive = tarBytes([
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    { path: 'bin/sh', type: 'link', target: 'busybox' },
    { path: long, type: 'file', content: Buffer.from('hello'), mode: 0o644 },
  ]);
  const listed = execFileSync('tar', ['-tvf', '-'], { input: archive, encoding: 'utf8' });
  t.regex(listed, /^drwxrwxrwt .* tmp\/\n/);
  t.regex(listed, /bin\/sh -> busybox\n/);
  t.true(listed.includes(long));
});

test('kontiki/demo is ours under every tag, and only that', (t) => {
  for (const image of ['kontiki/demo', 'kontiki/demo:2', 'docker.io/kontiki/demo']) t.true(isDemo(image), image);
  for (const image of ['kontiki/demos', 'else/kontiki/demo', 'demo']) t.false(isDemo(image), image);
});
