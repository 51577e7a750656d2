/**
 * Keys that want attention, each handled by one worker at a time. A key that changes while it is handled is
 * handled again; changes in between are one. Bounded by the number of objects, since a key waits at most once.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Metrics } from '#src/std/metrics.ts';
import { createQueueMeters } from './queue-meters.ts';

/** Keys of one queue that are handled side by side. */
export const WORKERS = 16;
/** A key that keeps changing is handled at most this often: one wave of changes, one write. */
export const WAVE_MS = 50;
export const KEY_RETRY_MIN_MS = 100;
export const KEY_RETRY_MAX_MS = 60_000;

export interface WorkQueue {
  add(key: string): void;
  /** Handling begins; keys added before waited. */
  start(): void;
  /** Nothing new begins; what is under way ends by itself. Forgets all keys and timers. */
  stop(): void;
  readonly length: number;
}

interface Key {
  state: 'waiting' | 'resting' | 'running' | 'runningDirty';
  failures: number;
  /** When it may be handled again, monotonic ms. */
  notBeforeMs: number;
  timer: Timer | undefined;
  /** When it was put in line, monotonic ms. */
  addedMs: number;
}

/** `handle` must not throw for what is expected; a throw is logged and the key is tried again with back-off. */
export function createWorkQueue(setup: {
  name: string;
  clock: Clock;
  log: Log;
  handle: (key: string) => Promise<void>;
  metrics?: Metrics | undefined;
}): WorkQueue {
  const { clock, log } = setup;
  const meters = createQueueMeters(setup.metrics, setup.name, clock);
  meters.depth(() => ready.length);
  const keys = new Map<string, Key>();
  const ready: string[] = [];
  let running = 0;
  let started = false;
  let run = 0;

  const enqueue = (name: string, key: Key) => {
    key.addedMs = clock.monotonicMs();
    const waitMs = key.notBeforeMs - clock.monotonicMs();
    key.timer?.cancel();
    key.timer = undefined;
    if (waitMs <= 0) {
      key.state = 'waiting';
      ready.push(name);
      pump();
      return;
    }
    key.state = 'resting';
    key.timer = clock.after(waitMs, () => {
      key.state = 'waiting';
      key.timer = undefined;
      ready.push(name);
      pump();
    });
  };

  const pump = () => {
    while (started && running < WORKERS && ready.length > 0) {
      const name = ready.shift() ?? '';
      const key = keys.get(name);
      if (key?.state !== 'waiting') continue;
      key.state = 'running';
      running += 1;
      const worked = meters.began(key.addedMs);
      const thisRun = run;
      setup.handle(name).then(
        () => {
          worked();
          finished(thisRun, name, key, undefined);
        },
        (error: unknown) => {
          worked();
          finished(thisRun, name, key, error);
        },
      );
    }
  };

  const finished = (ofRun: number, name: string, key: Key, error: unknown) => {
    running -= 1;
    if (ofRun === run) {
      const dirty = key.state === 'runningDirty';
      key.failures = error === undefined ? 0 : key.failures + 1;
      if (error !== undefined) {
        meters.retried();
        const delayMs = Math.min(KEY_RETRY_MIN_MS * 2 ** (key.failures - 1), KEY_RETRY_MAX_MS);
        key.notBeforeMs = clock.monotonicMs() + delayMs;
        log.warn('handling failed; trying again', { queue: setup.name, key: name, delayMs, error: messageOf(error) });
        enqueue(name, key);
      } else if (dirty) {
        key.notBeforeMs = clock.monotonicMs() + WAVE_MS;
        enqueue(name, key);
      } else {
        keys.delete(name);
      }
    }
    pump();
  };

  return {
    add(name) {
      const key = keys.get(name);
      if (key === undefined) {
        const fresh: Key = { state: 'waiting', failures: 0, notBeforeMs: 0, timer: undefined, addedMs: 0 };
        keys.set(name, fresh);
        meters.added();
        enqueue(name, fresh);
      } else if (key.state === 'running') {
        key.state = 'runningDirty';
      }
    },
    start() {
      started = true;
      pump();
    },
    stop() {
      started = false;
      run += 1;
      for (const key of keys.values()) key.timer?.cancel();
      keys.clear();
      ready.length = 0;
    },
    get length() {
      return keys.size;
    },
  };
}
