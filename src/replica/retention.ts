/**
 * How far back history may be given up. Pure: the replica feeds samples of (revision, time, bytes
 * written) and asks; the answer becomes a `compact` command, so that all replicas agree.
 */
import { SAMPLES_MAX } from './settings.ts';

export type RetentionSample = {
  revision: number;
  /** Monotonic ms of this replica. */
  atMs: number;
  /** Bytes of events written up to here, a growing count. */
  writtenBytes: number;
};

/** Keep samples in order, a new one only when something was written; the oldest go first. */
export function addSample(samples: RetentionSample[], sample: RetentionSample): void {
  if (samples.at(-1)?.revision === sample.revision) return;
  samples.push(sample);
  if (samples.length > SAMPLES_MAX) samples.shift();
}

/**
 * The newest revision that is old enough, or behind enough bytes, to be the floor; undefined when there is
 * none above the present floor. Retained is what is younger than `retainMs` within the last `retainBytes`.
 */
export function compactionTarget(options: {
  samples: readonly RetentionSample[];
  nowMs: number;
  writtenBytes: number;
  compactedRevision: number;
  retainMs: number;
  retainBytes: number;
}): number | undefined {
  const { samples, nowMs, writtenBytes, retainMs, retainBytes } = options;
  let target: number | undefined;
  for (const sample of samples) {
    const old = nowMs - sample.atMs >= retainMs;
    const far = writtenBytes - sample.writtenBytes >= retainBytes;
    if (!old && !far) break;
    target = sample.revision;
  }
  return target !== undefined && target > options.compactedRevision ? target : undefined;
}
