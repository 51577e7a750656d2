/** Whether a Docker engine answers where DOCKER_HOST or the default socket says. */
import { execFileSync } from 'node:child_process';

export function hasEngine(): boolean {
  try {
    execFileSync('docker', ['version'], { stdio: 'ignore', timeout: 10_000 });
    return true;
  } catch {
    return false; // No client, or no engine behind it.
  }
}
