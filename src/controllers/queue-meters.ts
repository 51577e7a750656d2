/** What a work queue tells about itself, under client-go's names (k8s.io/client-go/util/workqueue, 1.36). */
import type { Clock } from '#src/ports/clock.ts';
import type { Metrics } from '#src/std/metrics.ts';

const SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

export interface QueueMeters {
  /** Asked at each collection. */
  depth(length: () => number): void;
  added(): void;
  retried(): void;
  /** A key put in line at `addedMs` is being worked on, until the returned function is called. */
  began(addedMs: number): () => void;
}

export function createQueueMeters(metrics: Metrics | undefined, name: string, clock: Clock): QueueMeters {
  if (metrics === undefined) return SILENT;
  const labels = { name };
  const names = ['name'];
  const depth = metrics.gauge('workqueue_depth', 'Keys that wait', names);
  const adds = metrics.counter('workqueue_adds_total', 'Keys added', names);
  const retries = metrics.counter('workqueue_retries_total', 'Keys tried again after a failure', names);
  const waited = metrics.histogram('workqueue_queue_duration_seconds', 'Time a key waits', names, SECONDS);
  const worked = metrics.histogram('workqueue_work_duration_seconds', 'Time a key takes', names, SECONDS);
  const unfinished = metrics.gauge('workqueue_unfinished_work_seconds', 'Work under way, summed', names);
  const longest = metrics.gauge('workqueue_longest_running_processor_seconds', 'The oldest work under way', names);
  const running = new Set<{ sinceMs: number }>();
  metrics.onCollect(() => {
    const ages = [...running].map(({ sinceMs }) => (clock.monotonicMs() - sinceMs) / 1000);
    unfinished.set(
      labels,
      ages.reduce((sum, age) => sum + age, 0),
    );
    longest.set(labels, Math.max(0, ...ages));
  });
  return {
    depth: (length) => metrics.onCollect(() => depth.set(labels, length())),
    added: () => adds.add(labels),
    retried: () => retries.add(labels),
    began(addedMs) {
      const work = { sinceMs: clock.monotonicMs() };
      running.add(work);
      waited.observe(labels, (work.sinceMs - addedMs) / 1000);
      return () => {
        running.delete(work);
        worked.observe(labels, (clock.monotonicMs() - work.sinceMs) / 1000);
      };
    },
  };
}

const SILENT: QueueMeters = {
  depth: () => undefined,
  added: () => undefined,
  retried: () => undefined,
  began: () => () => undefined,
};
