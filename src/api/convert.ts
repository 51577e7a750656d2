/** Between the versions of one stored object: Events of both groups, HorizontalPodAutoscalers of v1 and v2. */
import { hpaToV1, hpaToV2 } from './convert-autoscaling.ts';
import { defaultAutoscalerV2 } from './defaults/workloads.ts';
import type { Kind } from './kinds.ts';
import type { KubeObject } from './object.ts';
import type { Event, EventsV1Event } from './objects.ts';
import type { HorizontalPodAutoscaler as AutoscalerV1 } from './objects/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler as AutoscalerV2 } from './objects/autoscaling-v2.ts';

function isAutoscalerV1(kind: Kind): boolean {
  return kind.apiVersion === 'autoscaling/v1' && kind.kind === 'HorizontalPodAutoscaler';
}

/** A stored object in the form `to`; the same object when it already is. */
export function convertTo(to: Kind, object: KubeObject): KubeObject {
  if (to.custom !== undefined) return to.custom.fromStored(object);
  if (to.kind === 'Event' && to.group === 'events.k8s.io' && object.apiVersion === 'v1')
    return toEventsV1(object as Event);
  if (isAutoscalerV1(to) && object.apiVersion === 'autoscaling/v2') return hpaToV1(object as AutoscalerV2);
  return object;
}

/** An object of kind `from` in the form that is stored; the same object when it already is. */
export function convertToStored(from: Kind, object: KubeObject): KubeObject {
  if (from.custom !== undefined) return from.custom.toStored(object);
  if (from.kind === 'Event' && from.group === 'events.k8s.io') return toCoreV1(object as EventsV1Event);
  if (isAutoscalerV1(from)) {
    const stored = hpaToV2(object as AutoscalerV1);
    // A v1 without a target means v2's default, which v1 itself cannot know while its annotations may hold metrics.
    defaultAutoscalerV2(stored);
    return stored;
  }
  return object;
}

function toEventsV1(event: Event): EventsV1Event {
  const { involvedObject, message, source, firstTimestamp, lastTimestamp, count, reportingComponent, ...rest } = event;
  return defined<EventsV1Event>({
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    eventTime: event.eventTime,
    series: event.series as EventsV1Event['series'],
    regarding: involvedObject,
    note: message,
    reportingController: reportingComponent,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
  });
}

function toCoreV1(event: EventsV1Event): Event {
  const {
    regarding,
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...rest
  } = event;
  return defined<Event>({
    ...rest,
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: regarding ?? {},
    message: note,
    reportingComponent: reportingController,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
  });
}

/** Without the members that are undefined. */
function defined<T>(object: { [K in keyof T]: T[K] | undefined }): T {
  const result = { __proto__: null } as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(object)) if (value !== undefined) result[key] = value;
  return result as T;
}
