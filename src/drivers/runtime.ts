/** The choice of a container runtime. */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { join } from 'node:path';
import { createProcessRuntime } from './process/process.ts';

export async function chooseRuntime(options: { wanted: 'auto' | 'docker' | 'process'; node: string; directory: string; routed: boolean; clock: Clock; log: Log }): Promise<Runtime> {
  return createProcessRuntime({ directory: join(options.directory, 'runtime'), namespaces: options.routed, limits: [], log: options.log });
}
