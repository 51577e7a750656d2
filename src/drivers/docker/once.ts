/**
 * Work that nodes on one engine must not do twice. The right to do it is a container of a fixed
 * name, never started: the engine gives a name to one creator (networks it would make twice).
 */
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import { engineFault, statusOf, type Engine } from './engine.ts';

const LOOK_MS = 100;
/** Whoever has held the right for longer has died. */
const HELD_MS_MAX = 60_000;

export interface Once<T> {
  /** Of the container. */
  name: string;
  /** Of the container; present. */
  image: () => Promise<string>;
  /** The result, when it is there already. */
  done: () => Promise<T | undefined>;
  work: () => Promise<void>;
}

export async function onceOnEngine<T>(engine: Engine, log: Log, once: Once<T>): Promise<T> {
  const { name, done } = once;
  const begun = await done();
  if (begun !== undefined) return begun;
  let end = Date.now() + HELD_MS_MAX;
  for (;;) {
    if (await take(engine, name, await once.image())) {
      try {
        if ((await done()) === undefined) await once.work();
      } finally {
        await drop(engine, name, log);
      }
    } else if (Date.now() > end) {
      await drop(engine, name, log);
      end = Date.now() + HELD_MS_MAX;
    } else {
      await new Promise((resolve) => void setTimeout(resolve, LOOK_MS));
    }
    const result = await done();
    if (result !== undefined) return result;
  }
}

async function take(engine: Engine, name: string, image: string): Promise<boolean> {
  try {
    await engine.calls.createContainer({ name, Image: image });
    return true;
  } catch (error) {
    if (statusOf(error) === 409) return false;
    throw engineFault(engine, error, name);
  }
}

async function drop({ calls }: Engine, name: string, log: Log): Promise<void> {
  await calls
    .getContainer(name)
    .remove({ force: true })
    .catch((error: unknown) => {
      if (statusOf(error) !== 404)
        log.warn('a container that stands for a right stays', { name, error: messageOf(error) });
    });
}
