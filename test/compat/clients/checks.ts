/** A list of checks run one after another inside a lab, told as `ok NAME` and `not ok NAME: why` lines. */
import { setTimeout as sleep } from 'node:timers/promises';

export type Check = [name: string, run: () => Promise<void>];

export async function runChecks(checks: Check[]): Promise<void> {
  for (const [name, run] of checks) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      console.log(`not ok ${name}: ${why.replaceAll('\n', ' ').slice(0, 600)}`);
    }
  }
}

export async function until<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(100);
  }
}
