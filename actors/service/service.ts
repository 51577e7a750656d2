/**
 * The life of a Service as far as its endpoints go: its slices tell which Pods stand behind it.
 *
 *   settled ─ Pods or ports changed ─▶ writing ─ DONE ─▶ catchingUp ─ seen ─▶ settled
 *           ─ no selector ─▶ unmanaged (slices are the user's)   ─ deletionTimestamp ─▶ deleting
 *
 * Owns: the states, events and intents. Imports: actors/lifecycle. Read next: plan.ts.
 */
import { lifecycleOf } from '../lifecycle.ts';
import type { LifecycleEvent, ObservedFacts, RetryLaterIntent, WakeIntent } from '../observation.ts';
import type { SlicesPlan } from './plan.ts';

export interface ServiceFacts extends ObservedFacts {
  readonly deleting: boolean;
  /** It has a selector and is not an ExternalName. */
  readonly managed: boolean;
  readonly plan: SlicesPlan;
}

export const SERVICE_STATES = ['settled', 'unmanaged', 'writing', 'catchingUp', 'backingOff', 'deleting'] as const;
export type ServiceState = (typeof SERVICE_STATES)[number];

export type ServiceEvent = LifecycleEvent<ServiceFacts>;

export type ServiceIntent = { kind: 'writeSlices'; plan: SlicesPlan } | WakeIntent | RetryLaterIntent;

export function serviceState({ deleting, managed, observation, plan }: ServiceFacts): ServiceState {
  if (deleting) return 'deleting';
  if (!observation.caughtUp) return 'catchingUp';
  if (observation.backingOff) return 'backingOff';
  const slices = plan.create.length + plan.update.length + plan.remove.length;
  if (slices > 0 || plan.endpoints !== undefined) return 'writing';
  return managed ? 'settled' : 'unmanaged';
}

export const serviceLifecycle = lifecycleOf<ServiceFacts, ServiceState, ServiceIntent>({
  id: 'service',
  states: SERVICE_STATES,
  initial: 'settled',
  classify: serviceState,
  intents: (state, { plan }) => (state === 'writing' ? [{ kind: 'writeSlices', plan }] : []),
  idle: ['deleting'],
});
