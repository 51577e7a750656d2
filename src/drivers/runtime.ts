/**
 * Which runtime a node uses: Docker where an engine answers, else plain processes of this host.
 * The engine is found as Docker's own tools find it: DOCKER_HOST, then /var/run/docker.sock.
 */
import { hash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { messageOf } from '#src/std/fault.ts';
import { createProcessRuntime } from './process/process.ts';

export interface RuntimeChoice {
  /** `auto`: docker when its engine answers within three seconds, else process. */
  wanted: 'auto' | 'docker' | 'process';
  node: string;
  /** The node's data directory; the driver keeps its files in `runtime` below it. */
  directory: string;
  /** The data plane can connect network namespaces (root); otherwise the engine gives addresses. */
  routed: boolean;
  clock: Clock;
  log: Log;
}

const ENGINE_ANSWER_MS = 3000;

const PROCESS_LIMITS = [
  'the process runtime runs programs of this host: images are not unpacked, and CPU and memory limits, mounts and capabilities are not enforced',
];

/** Faults: RUNTIME_UNAVAILABLE, RUNTIME_PERMISSION when Docker was asked for by name. */
export async function chooseRuntime(choice: RuntimeChoice): Promise<Runtime> {
  const log = choice.log.scope('runtime');
  if (choice.wanted !== 'process') {
    try {
      return await dockerRuntime(choice, log);
    } catch (error) {
      if (choice.wanted === 'docker') throw error;
      log.info('containers are processes of this host', { because: messageOf(error) });
    }
  }
  return createProcessRuntime({
    directory: join(choice.directory, 'runtime'),
    namespaces: choice.routed,
    limits: PROCESS_LIMITS,
    log,
  });
}

async function dockerRuntime({ node, directory, routed }: RuntimeChoice, log: Log): Promise<Runtime> {
  // Loaded here: nodes without Docker do not pay for its client.
  const { connectEngine, createDockerRuntime, pingEngine } = await import('./docker/docker.ts');
  const docker = connectEngine();
  await pingEngine(docker, ENGINE_ANSWER_MS);
  const data = resolve(directory);
  return createDockerRuntime({
    docker,
    node,
    directory: data,
    // The nodes of a local cluster lie side by side.
    clusterLabel: hash('sha256', dirname(data)).slice(0, 8),
    network: routed ? 'netns' : 'bridge',
    log,
  });
}
