/** Pod statuses go to the API in waves, many in one batch, the newest of each Pod only (DESIGN §4.14). */
import type { Pod } from '#src/api/objects.ts';
import { isApiError } from '#src/api/api-error.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { BatchWrite, Client } from '#src/registry/client.ts';
import { messageOf } from '#src/std/fault.ts';

const WAVE_MS = 20;
const RETRY_MS = 500;
const BATCH_MAX = 100;

export interface StatusWriter {
  /** The newest status of this Pod; `pod` carries metadata and the whole status. */
  write(pod: Pod): void;
  forget(podUid: string): void;
  stop(): void;
}

const PODS = { group: '', version: 'v1', resource: 'pods' };

export function createStatusWriter(options: { client: Client; clock: Clock; log: Log }): StatusWriter {
  const { client, clock, log } = options;
  const waiting = new Map<string, Pod>();
  let timer: Timer | undefined;
  let writing = false;
  let stopped = false;

  function schedule(delayMs: number): void {
    if (timer || writing || stopped || waiting.size === 0) return;
    timer = clock.after(delayMs, () => {
      timer = undefined;
      void flush();
    });
  }

  async function flush(): Promise<void> {
    writing = true;
    const wave = [...waiting].slice(0, BATCH_MAX);
    for (const [uid] of wave) waiting.delete(uid);
    let delayMs = WAVE_MS;
    try {
      const writes = wave.map(([, pod]): BatchWrite => ({
        verb: 'update',
        resource: PODS,
        subresource: 'status',
        object: pod,
      }));
      const results = await client.batch(writes);
      for (const [i, result] of results.entries()) {
        const pod = wave[i]?.[1];
        // Gone meanwhile, or another Pod of that name: nobody needs this status.
        if (
          result.ok ||
          !pod ||
          isApiError(result.error, 'NotFound') ||
          isApiError(result.error, 'Conflict') ||
          isApiError(result.error, 'Invalid')
        ) {
          if (!result.ok && !isApiError(result.error, 'NotFound'))
            log.debug('a status was not taken', { pod: pod?.metadata.name, error: messageOf(result.error) });
          continue;
        }
        retry(pod);
        delayMs = RETRY_MS;
      }
    } catch (error) {
      log.debug('statuses wait for the API', { count: wave.length, error: messageOf(error) });
      for (const [, pod] of wave) retry(pod);
      delayMs = RETRY_MS;
    }
    writing = false;
    schedule(delayMs);
  }

  /** Unless a newer one came meanwhile. */
  function retry(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    if (!waiting.has(uid)) waiting.set(uid, pod);
  }

  return {
    write(pod) {
      // The status is ours alone: it is bound to the Pod's uid, not to the revision we happen to know.
      const { resourceVersion: _, ...metadata } = pod.metadata;
      waiting.set(pod.metadata.uid ?? '', { ...pod, metadata });
      schedule(WAVE_MS);
    },
    forget: (podUid) => void waiting.delete(podUid),
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
