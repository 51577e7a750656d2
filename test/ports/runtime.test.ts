/** The Runtime contract on plain processes and on a Docker engine, and what only Docker promises. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { connectEngine, createDockerRuntime, pingEngine } from '#src/drivers/docker/docker.ts';
import { createProcessRuntime } from '#src/drivers/process/process.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { memoryLog } from '#test/support/memory-log.ts';
import { needs } from '#test/support/needs.ts';
import { NODE, runtimeContract, type RuntimeHarness } from './contracts/runtime.ts';

const engine = connectEngine();
const hasEngine = await pingEngine(engine, 3000).then(
  () => true,
  () => false,
);
const onLinux = needs('Linux', process.platform === 'linux', { serial: true });
const onDocker = needs(`a Docker engine at ${engine.where}`, hasEngine, { serial: true });

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
