/** How a simulated world runs in this process: events one after the other, promises in between, nothing else. */
import type { SimHost } from '#src/sim/consensus/run.ts';

/** Events between two looks at the real world (signals, output). */
const stepsPerTurn = 20_000;

/**
 * `process._tickCallback` runs all microtasks that wait, at once, when it is called outside of one: Node keeps it for
 * embedders. A turn of the real event loop for every event would cost ten times as much.
 */
const runMicrotasks = (process as unknown as { _tickCallback: () => void })._tickCallback;

/** A promise that nobody waits for and that fails is a mistake of ours: the run ends with it. */
export function createSimHost(): SimHost & { close(): void } {
  const failures: unknown[] = [];
  const note = (reason: unknown): void => void failures.push(reason);
  process.on('unhandledRejection', note);
  return {
    settle() {
      runMicrotasks();
      if (failures.length > 0) throw failures.shift();
    },
    loop: (step) =>
      new Promise((resolve, reject) => {
        const turn = (): void => {
          try {
            for (let i = 0; i < stepsPerTurn; i += 1) if (!step()) return resolve();
            setImmediate(turn);
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        };
        setImmediate(turn);
      }),
    close: () => void process.off('unhandledRejection', note),
  };
}
