/** Running ip, nft and nsenter: absolute paths, bounded time and output, the input in the message of a failure. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { Fault } from '#src/std/fault.ts';

const DIRECTORIES = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
const TIMEOUT_MS = 10_000;
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;

/** Where a program lies. Never by PATH: node_modules/.bin may hold another program called nft. */
export function findProgram(name: string): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${name}`).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false; // Not here, or not to be run: try the next directory.
    }
  });
}

/** Run to its end; the standard output. Faults: DATAPLANE_COMMAND with what the program said. */
export function run(program: string, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX },
      (error, stdout, stderr) => {
        if (error) {
          const said = stderr.trim().split('\n').slice(0, 3).join('; ');
          reject(
            new Fault(
              'DATAPLANE_COMMAND',
              `${program} ${args.join(' ')} failed: ${said || error.message}`,
              'later',
              error,
            ),
          );
        } else {
          resolve(stdout);
        }
      },
    );
    // A program that ends before it has read everything closes the pipe; its exit code tells.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
