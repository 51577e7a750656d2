/** The Runtime contract on plain processes and on a Docker engine, and what only Docker promises. */
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { connectEngine, createDockerRuntime, pingEngine } from '#src/drivers/docker/docker.ts';
import { referenceOf } from '#src/drivers/docker/images.ts';
import { createProcessRuntime } from '#src/drivers/process/process.ts';
import { createClock } from '#src/drivers/clock.ts';
import { chooseRuntime } from '#src/drivers/runtime.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { memoryLog } from '#test/support/memory-log.ts';
import { canMakeNetns } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';
import {
  ended,
  get,
  logOptions,
  NODE,
  run,
  runtimeContract,
  sandboxSpec,
  shell,
  textOf,
  type RuntimeHarness,
} from './contracts/runtime.ts';

const engine = connectEngine();
const hasEngine = await pingEngine(engine, 3000).then(
  () => true,
  () => false,
);
const onLinux = needs('Linux', process.platform === 'linux', { serial: true });
const onOwnNetns = needs('network namespaces', canMakeNetns(), { serial: true });
const onDocker = needs(`a Docker engine at ${engine.where}`, hasEngine, { serial: true });
/** The data plane's own namespaces and mounts are root's. */
const asRoot = needs(`root and a Docker engine at ${engine.where}`, hasEngine && process.getuid?.() === 0, {
  serial: true,
});

function harness(t: ExecutionContext, make: (directory: string) => Runtime): RuntimeHarness {
  const directory = mkdtempSync(join(tmpdir(), 'kontiki-runtime-'));
  const runtime = make(directory);
  t.teardown(async () => {
    for (const { id } of await runtime.listSandboxes()) await runtime.removeSandbox(id);
    rmSync(directory, { recursive: true, force: true });
  });
  return { runtime, again: () => make(directory) };
}

const openProcess = (t: ExecutionContext): RuntimeHarness =>
  harness(t, (directory) => createProcessRuntime({ directory, namespaces: false, limits: [], log: memoryLog() }));

const openDocker = (t: ExecutionContext): RuntimeHarness =>
  harness(t, (directory) =>
    createDockerRuntime({ docker: engine, node: NODE, directory, network: 'netns', log: memoryLog() }),
  );

runtimeContract(onLinux, 'process', openProcess);
runtimeContract(onDocker, 'docker', openDocker);

onOwnNetns('process: a sandbox is told of once it is inside its own network namespace, not before', async (t) => {
  const { runtime } = harness(t, (directory) => {
    const unshare = join(directory, 'slow-unshare');
    writeFileSync(unshare, '#!/bin/sh\nsleep 0.2\nexec unshare "$@"\n', { mode: 0o755 });
    return createProcessRuntime({ directory, namespaces: true, limits: [], log: memoryLog(), unshare });
  });
  const ours = readlinkSync('/proc/self/ns/net');
  const { netnsPath = '' } = await runtime.runSandbox(sandboxSpec({ hostNetwork: false, podIp: '10.9.8.7' }));
  t.not(readlinkSync(netnsPath), ours);
});

const encoder = new TextEncoder();

onLinux('process: attach hears and is heard; the input ends with that of the first who attached', async (t) => {
  const { runtime, again } = openProcess(t);
  const script = 'while read line; do echo "heard $line"; echo "noted $line" >&2; done; echo over; exit 4';
  const { id } = await run(runtime, { ...shell(script), stdin: true, stdinOnce: true });
  // Through another life of the node: the socket is the shim's.
  const session = await again().attach(id, { tty: false, stdin: true });
  const output = textOf(session.output);
  await session.write(encoder.encode('one\ntwo\n'));
  session.closeStdin();
  t.deepEqual(await output, { stdout: 'heard one\nheard two\nover\n', stderr: 'noted one\nnoted two\n' });
  t.is((await ended(runtime, id)).exitCode, 4);
  t.regex((await textOf(await runtime.logs(id, logOptions()))).stdout, /heard two\nover/);
});

onLinux('process: a container without an input is attached to by its log, from now on', async (t) => {
  const { runtime } = openProcess(t);
  const { id } = await run(runtime, shell('echo before; sleep 0.7; echo after; exit 0'));
  for (;;) if ((await textOf(await runtime.logs(id, logOptions()))).stdout === 'before\n') break;
  const session = await runtime.attach(id, { tty: false, stdin: true });
  await session.write(encoder.encode('nobody listens'));
  t.is((await textOf(session.output)).stdout, 'after\n');
});

onLinux('process: a terminal for exec and for a container, with its size', async (t) => {
  const { runtime } = openProcess(t);
  const { id } = await run(runtime, {
    ...shell('read line; echo "you said $line on $(tty)"; exit 2'),
    stdin: true,
    tty: true,
  });
  const exec = await runtime.exec(id, {
    command: ['sh', '-c', "until stty size | grep -q '40 100'; do sleep 0.1; done; echo 'it'\\''s' $0; exit 6", 'a b'],
    tty: true,
    stdin: true,
  });
  const said = textOf(exec.output);
  const growing = setInterval(() => exec.resize(100, 40), 50);
  t.is((await exec.exited).exitCode, 6);
  clearInterval(growing);
  t.deepEqual(await said, { stdout: "it's a b\r\n", stderr: '' });
  const attached = await runtime.attach(id, { tty: true, stdin: true });
  const seen = textOf(attached.output);
  await attached.write(encoder.encode('hello\n'));
  t.regex((await seen).stdout, /you said hello on \/dev\/pts\/\d+\r\n/);
  t.is((await ended(runtime, id)).exitCode, 2);
});

onLinux('process: logs of one of the two outputs', async (t) => {
  const { runtime } = openProcess(t);
  const { id } = await run(runtime, shell('echo out; echo err >&2; echo more'));
  await ended(runtime, id);
  t.deepEqual(await textOf(await runtime.logs(id, logOptions({ stream: 'stderr' }))), { stdout: '', stderr: 'err\n' });
  t.deepEqual(await textOf(await runtime.logs(id, logOptions({ stream: 'stdout' }))), {
    stdout: 'out\nmore\n',
    stderr: '',
  });
});

onDocker("docker: limits are the kernel's: what takes too much memory ends as OOMKilled", async (t) => {
  const { runtime } = openDocker(t);
  const memory = { memoryBytes: 32 * 1024 * 1024, cpuMillis: 500, cpuRequestMillis: 100 };
  const { id } = await run(runtime, {
    command: ['node', '-e', 'const all=[];for(;;)all.push(Buffer.alloc(1e6,1))'],
    resources: memory,
  });
  t.like(await ended(runtime, id), { exitCode: 137, reason: 'OOMKilled' });
});

asRoot('docker: a Pod with its own namespace has its name, its hosts and its resolv.conf', async (t) => {
  const { runtime } = openDocker(t);
  const script =
    'hostname; cat /etc/hosts /etc/resolv.conf; id -u; pwd; ps | grep -c pause; touch /x || echo read-only';
  const { id, sandboxId } = await run(
    runtime,
    {
      ...shell(script),
      workingDir: '/kontiki',
      user: { uid: 1000, gid: 3000 },
      readOnlyRootFilesystem: true,
      capabilities: { add: ['NET_ADMIN'], drop: ['CAP_CHOWN'] },
    },
    {
      hostNetwork: false,
      hostname: 'web-0',
      podIp: '10.9.8.7',
      shareProcessNamespace: true,
      dns: { nameservers: ['10.96.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['db', 'db.example'] }],
    },
  );
  await ended(runtime, id);
  const { stdout } = await textOf(await runtime.logs(id, logOptions()));
  t.regex(stdout, /^web-0\n/);
  t.regex(stdout, /10\.9\.8\.7\tweb-0\n10\.0\.0\.1\tdb\tdb\.example\n/);
  t.regex(stdout, /nameserver 10\.96\.0\.10\nsearch default\.svc\.cluster\.local\noptions ndots:5\n1000\n\/kontiki\n/);
  t.regex(stdout, /\nread-only\n$/);
  const [sandbox] = await runtime.listSandboxes();
  t.like(sandbox, { id: sandboxId, ip: '10.9.8.7' });
  t.regex(sandbox?.netnsPath ?? '', /^\/proc\/\d+\/ns\/net$/);
});

asRoot('docker: port-forward reaches a server that listens in the Pod only', async (t) => {
  const { runtime } = openDocker(t);
  const env = [{ name: 'KONTIKI_LISTEN', value: '127.0.0.1' }];
  const { sandboxId, spec } = await run(runtime, { env }, { hostNetwork: false, podIp: '10.9.8.7' });
  t.regex(await get(runtime, sandboxId, 8080), new RegExp(`hello from ${spec.podName} on ${NODE}`));
  await t.throwsAsync(runtime.dial(sandboxId, 1), { code: 'RUNTIME_DIAL' });
});

onDocker('docker: a terminal: raw output, resize, attach to standard input', async (t) => {
  const { runtime } = openDocker(t);
  const { id } = await run(runtime, { ...shell('read line; echo "got $line"; exit 5'), stdin: true });
  const session = await runtime.attach(id, { tty: false, stdin: true });
  await session.write(encoder.encode('hello\n'));
  t.is((await textOf(session.output)).stdout, 'got hello\n');
  t.deepEqual(await session.exited, { exitCode: 5 });

  const second = await run(runtime, shell('sleep 300'));
  const terminal = await runtime.exec(second.id, { command: ['/bin/sh'], tty: true, stdin: true });
  terminal.resize(100, 40);
  await terminal.write(
    encoder.encode("until stty size 2>/dev/null | grep -q '40 100'; do sleep 0.1; done; stty size; exit 6\n"),
  );
  t.regex((await textOf(terminal.output)).stdout, /40 100/);
  t.deepEqual(await terminal.exited, { exitCode: 6 });
});

onDocker("docker: policies: Never wants the image here; a failed pull is told in the engine's words", async (t) => {
  const { runtime } = openDocker(t);
  // Port 1 of this machine: refused at once, and nobody else is asked.
  const image = '127.0.0.1:1/no/such:1';
  await t.throwsAsync(runtime.ensureImage(image, 'Never'), { code: 'RUNTIME_IMAGE_NEVER_PULL' });
  const fault = await t.throwsAsync(runtime.ensureImage(image, 'IfNotPresent'), { code: 'RUNTIME_IMAGE_PULL' });
  t.regex(fault?.message ?? '', /127\.0\.0\.1:1/);
});

onDocker('docker: nodes that start together make kontiki/demo once', async (t) => {
  const first = openDocker(t);
  await engine.calls
    .getImage(referenceOf('kontiki/demo'))
    .remove({ force: true })
    .catch(() => undefined);
  const answers = await Promise.all(
    [first, openDocker(t), openDocker(t)].map(({ runtime }) => runtime.ensureImage('kontiki/demo', 'IfNotPresent')),
  );
  t.is(new Set(answers.map((answer) => answer.imageId)).size, 1);
  t.true((await first.runtime.listImages()).some(({ names }) => names.includes(referenceOf('kontiki/demo'))));
});

onDocker('docker: nodes on one engine see their own Pods only', async (t) => {
  const [one, two] = [openDocker(t), openDocker(t)];
  await one.runtime.runSandbox(sandboxSpec());
  t.is((await one.runtime.listSandboxes()).length, 1);
  t.is((await two.runtime.listSandboxes()).length, 0);
});

asRoot('docker: an emptyDir of medium Memory has its size', async (t) => {
  const { runtime } = openDocker(t);
  const spec = sandboxSpec();
  const volume = { podUid: spec.podUid, name: 'fast', medium: 'Memory' as const, sizeBytes: 1024 * 1024 };
  const { hostPath } = await runtime.makeEmptyDir(volume);
  const mounts = [{ volume: 'fast', hostPath, containerPath: '/fast', readOnly: false }];
  const { id } = await run(runtime, { ...shell('dd if=/dev/zero of=/fast/x bs=1M count=2'), mounts }, spec);
  t.is((await ended(runtime, id)).exitCode, 1);
  await runtime.removeVolumes(spec.podUid);
});

onDocker(
  "docker: with a bridge network Pods get the engine's addresses, and the network goes with the last",
  async (t) => {
    const open = (): RuntimeHarness =>
      harness(t, (directory) =>
        createDockerRuntime({
          docker: engine,
          node: NODE,
          directory,
          clusterLabel: 'test',
          network: 'bridge',
          log: memoryLog(),
        }),
      );
    const [{ runtime }, second] = [open(), open()];
    // The engine would make two networks of one name for two nodes that ask at once.
    const [{ sandboxId }, other] = await Promise.all([
      run(runtime, {}, { hostNetwork: false }),
      second.runtime.runSandbox(sandboxSpec({ hostNetwork: false })),
    ]);
    const [sandbox] = await runtime.listSandboxes();
    t.regex(sandbox?.ip ?? '', /^\d+\.\d+\.\d+\.\d+$/);
    t.is(sandbox?.netnsPath, undefined);
    t.regex(await get(runtime, sandboxId, 8080), /hello from/);
    await runtime.removeSandbox(sandboxId);
    await second.runtime.removeSandbox(other.id);
    await t.throwsAsync(engine.calls.getNetwork('kontiki-test').inspect(), { message: /404/ });
  },
);

const onUnix = needs('Unix sockets', process.platform !== 'win32', { serial: true });

onUnix('docker wanted and not there: the fault names the socket and the remedy; auto takes processes', async (t) => {
  const before = process.env['DOCKER_HOST'];
  process.env['DOCKER_HOST'] = 'unix:///no/such/docker.sock';
  t.teardown(() => {
    if (before === undefined) delete process.env['DOCKER_HOST'];
    else process.env['DOCKER_HOST'] = before;
  });
  const directory = mkdtempSync(join(tmpdir(), 'kontiki-runtime-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const choice = { node: NODE, directory, routed: false, clock: createClock(), log: memoryLog() };
  const fault = await t.throwsAsync(chooseRuntime({ ...choice, wanted: 'docker' }), { code: 'RUNTIME_UNAVAILABLE' });
  t.regex(fault?.message ?? '', /\/no\/such\/docker\.sock.*DOCKER_HOST.*runtime: process/s);
  t.is((await (await chooseRuntime({ ...choice, wanted: 'auto' })).info()).name, 'process');
});
