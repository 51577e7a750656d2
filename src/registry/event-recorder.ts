/**
 * Events for people (`kubectl describe`): repeated ones are one object with a count, a source that repeats itself is
 * cut off, and none of it delays another write: they wait in a bounded queue and go as one batch (DESIGN §4.14).
 * For the scheduler, the kubelet and the control loops.
 * Imports: std, ports, api, the Client.
 */
import { formatTime } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Event, ObjectReference } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import { messageOf } from '#src/std/fault.ts';
import type { BatchWrite, Client, ResourceRef } from './client.ts';

export const EVENTS_RESOURCE: ResourceRef = { group: '', version: 'v1', resource: 'events' };
/** Written together after this long. */
export const EVENT_FLUSH_MS = 200;
export const EVENT_BATCH_MAX = 200;
/** Waiting to be written; beyond it new events are dropped. */
export const EVENT_QUEUE_MAX = 1_000;
/** Remembered for aggregation; the oldest are forgotten. */
export const EVENT_MEMORY_MAX = 4_096;
/** An event repeated within this long is counted, later it is a new one. */
export const EVENT_AGGREGATION_MS = 600_000;
/** Per object a burst of events, then one per five minutes (Kubernetes' spam filter). */
export const EVENT_BURST = 25;
export const EVENT_REFILL_MS = 300_000;
/** The API's limit on Event.message. */
export const EVENT_MESSAGE_CHARS_MAX = 1_024;

export interface EventNote {
  type: 'Normal' | 'Warning';
  /** CamelCase: `FailedScheduling`. */
  reason: string;
  message: string;
  /** `spec.containers{web}` for a container. */
  fieldPath?: string;
}

/** An object that is talked of; apiVersion and kind are needed, since listed objects may lack them. */
export type Subject = KubeObject & { apiVersion: string; kind: string };

export interface EventRecorder {
  /** Never throws, never waits. */
  record(subject: Subject, note: EventNote): void;
  /** Drops what waits and cancels the timer. */
  stop(): void;
}

interface Remembered {
  name: string;
  namespace: string;
  event: Event;
  lastMs: number;
  stored: boolean;
}

export interface EventRecorderSetup {
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
  /** `kubelet`, `default-scheduler`, `replicaset-controller`. */
  component: string;
  /** The node, for a kubelet. */
  host?: string;
}

export function createEventRecorder(setup: EventRecorderSetup): EventRecorder {
  const { clock } = setup;
  const log = setup.log.scope('events');
  const remembered = new Map<string, Remembered>();
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  const queue = new Map<string, Remembered>();
  let timer: Timer | undefined;
  let dropped = 0;

  const allowed = (uid: string): boolean => {
    const nowMs = clock.monotonicMs();
    const bucket = buckets.get(uid) ?? { tokens: EVENT_BURST, atMs: nowMs };
    const refilled = Math.min(EVENT_BURST, bucket.tokens + (nowMs - bucket.atMs) / EVENT_REFILL_MS);
    buckets.delete(uid);
    buckets.set(uid, { tokens: refilled >= 1 ? refilled - 1 : refilled, atMs: nowMs });
    forgetOldest(buckets);
    return refilled >= 1;
  };

  const flush = async () => {
    timer = undefined;
    const batch = [...queue].slice(0, EVENT_BATCH_MAX);
    for (const [key] of batch) queue.delete(key);
    const writes = batch.map(([, entry]): BatchWrite => ({
      verb: entry.stored ? 'update' : 'create',
      resource: EVENTS_RESOURCE,
      namespace: entry.namespace,
      object: { ...entry.event },
    }));
    try {
      const results = await setup.client.batch(writes);
      results.forEach((result, index) => {
        const [key, entry] = batch[index] ?? [];
        if (entry === undefined || key === undefined) return;
        if (result.ok) entry.stored = true;
        // Expired or refused: a repetition makes a new one.
        else remembered.delete(key);
      });
    } catch (error) {
      // Events are the first thing to be given up when the cluster is in trouble.
      dropped += batch.length;
      for (const [key] of batch) remembered.delete(key);
      log.debug('events were dropped', { count: batch.length, dropped, error: messageOf(error) });
    }
    if (queue.size > 0) schedule();
  };

  const schedule = () => {
    timer ??= clock.after(EVENT_FLUSH_MS, () => void flush());
  };

  return {
    record(subject, note) {
      const uid = subject.metadata?.uid ?? '';
      const message = note.message.slice(0, EVENT_MESSAGE_CHARS_MAX);
      const key = [uid, note.type, note.reason, note.fieldPath ?? '', message].join('\n');
      if (!allowed(uid) || (queue.size >= EVENT_QUEUE_MAX && !queue.has(key))) {
        dropped += 1;
        return;
      }
      const nowMs = clock.monotonicMs();
      const known = remembered.get(key);
      const entry =
        known === undefined || nowMs - known.lastMs > EVENT_AGGREGATION_MS
          ? newEntry(setup, subject, { ...note, message })
          : repeated(known, clock.wallMs());
      entry.lastMs = nowMs;
      remembered.delete(key);
      remembered.set(key, entry);
      forgetOldest(remembered);
      queue.set(key, entry);
      schedule();
    },
    stop() {
      timer?.cancel();
      timer = undefined;
      queue.clear();
    },
  };
}

/** The reference an Event carries. */
export function referenceTo(subject: Subject, fieldPath?: string): ObjectReference {
  const { metadata } = subject;
  return {
    apiVersion: subject.apiVersion,
    kind: subject.kind,
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    ...(metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}

function newEntry(setup: EventRecorderSetup, subject: Subject, note: EventNote): Remembered {
  const now = formatTime(setup.clock.wallMs());
  const namespace = subject.metadata?.namespace ?? 'default';
  const suffix = Array.from(setup.random.bytes(8), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const name = `${subject.metadata?.name ?? 'unknown'}.${suffix}`;
  const event: Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: referenceTo(subject, note.fieldPath),
    reason: note.reason,
    message: note.message,
    source: { component: setup.component, ...(setup.host === undefined ? {} : { host: setup.host }) },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
    type: note.type,
    reportingComponent: setup.component,
    reportingInstance: setup.host ?? '',
  };
  return { name, namespace, event, lastMs: 0, stored: false };
}

function repeated(entry: Remembered, wallMs: number): Remembered {
  entry.event = { ...entry.event, count: (entry.event.count ?? 1) + 1, lastTimestamp: formatTime(wallMs) };
  return entry;
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size > EVENT_MEMORY_MAX) map.delete(map.keys().next().value ?? '');
}
