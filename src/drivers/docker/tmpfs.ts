/** emptyDir volumes in memory: one tmpfs per volume, shared by the Pod's containers. Needs root. */
import { readFileSync } from 'node:fs';
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import { findProgram, run } from '../dataplane/commands.ts';

export interface MemoryVolumes {
  /** Where it cannot be mounted, the volume stays on disk, with a line in the log. Idempotent. */
  mount(path: string, sizeBytes: number | undefined): Promise<void>;
  unmountBelow(directory: string): Promise<void>;
}

function mountsBelow(directory: string): string[] {
  if (process.platform !== 'linux') return [];
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4]?.replaceAll('\\040', ' ') ?? [])
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
}

export function createMemoryVolumes(log: Log): MemoryVolumes {
  return {
    async mount(path, sizeBytes) {
      if (mountsBelow(path).length > 0) return;
      const mount = findProgram('mount');
      const size = sizeBytes === undefined ? [] : [`size=${sizeBytes}`];
      try {
        await run(mount ?? 'mount', ['-t', 'tmpfs', '-o', ['mode=1777', ...size].join(','), 'tmpfs', path]);
      } catch (error) {
        log.warn('an emptyDir of medium Memory lies on disk: it cannot be mounted', { error: messageOf(error) });
      }
    },
    async unmountBelow(directory) {
      for (const path of mountsBelow(directory).toReversed())
        await run(findProgram('umount') ?? 'umount', ['-l', path]);
    },
  };
}
