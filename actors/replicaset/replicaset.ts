/**
 * The life of a ReplicaSet: as many Pods as it wants, and a status that says so.
 *
 *   settled ─ too few ─▶ scalingUp     ─┐
 *           ─ too many ▶ scalingDown    ├─ DONE ─▶ catchingUp ─ seen ─▶ …
 *           ─ orphans ─▶ claiming      ─┘  FAILED ▶ backingOff ─ retry ─▶ …
 *           ─ deletionTimestamp ─▶ deleting (the garbage collector takes over)
 *
 * Owns: the states, events and intents. Imports: actors/lifecycle. Read next: plan.ts (the numbers).
 */
import type { ReplicaSetStatus } from '#src/api/objects.ts';
import { lifecycleOf } from '../lifecycle.ts';
import type { LifecycleEvent, ObservedFacts, RetryLaterIntent, WakeIntent } from '../observation.ts';
import type { PodRef, ReplicaSetPlan } from './plan.ts';

export interface ReplicaSetFacts extends ObservedFacts {
  readonly deleting: boolean;
  readonly plan: ReplicaSetPlan;
}

export const REPLICA_SET_STATES = [
  'settled',
  'claiming',
  'scalingUp',
  'scalingDown',
  'catchingUp',
  'backingOff',
  'deleting',
] as const;
export type ReplicaSetState = (typeof REPLICA_SET_STATES)[number];

export type ReplicaSetEvent = LifecycleEvent<ReplicaSetFacts>;

export type ReplicaSetIntent =
  | { kind: 'createPods'; count: number }
  | { kind: 'deletePods'; pods: readonly PodRef[] }
  | { kind: 'claimPods'; adopt: readonly PodRef[]; release: readonly PodRef[] }
  | { kind: 'writeStatus'; status: ReplicaSetStatus }
  | WakeIntent
  | RetryLaterIntent;

export function replicaSetState(facts: ReplicaSetFacts): ReplicaSetState {
  if (facts.deleting) return 'deleting';
  if (!facts.observation.caughtUp) return 'catchingUp';
  if (facts.observation.backingOff) return 'backingOff';
  if (facts.plan.adopt.length > 0 || facts.plan.release.length > 0) return 'claiming';
  if (facts.plan.missing > 0) return 'scalingUp';
  if (facts.plan.surplus.length > 0) return 'scalingDown';
  return 'settled';
}

function intentsOf(state: ReplicaSetState, { plan }: ReplicaSetFacts): ReplicaSetIntent[] {
  const intents: ReplicaSetIntent[] = [];
  if (state === 'claiming') intents.push({ kind: 'claimPods', adopt: plan.adopt, release: plan.release });
  if (state === 'scalingUp') intents.push({ kind: 'createPods', count: plan.missing });
  if (state === 'scalingDown') intents.push({ kind: 'deletePods', pods: plan.surplus });
  // Only where nothing else is under way: one status write per wave, never from a copy that lags behind our writes.
  const resting = state === 'settled' || state === 'backingOff';
  if (resting && plan.status !== undefined) intents.push({ kind: 'writeStatus', status: plan.status });
  if (state !== 'deleting' && plan.wakeAfterMs !== undefined) intents.push({ kind: 'wake', delayMs: plan.wakeAfterMs });
  return intents;
}

export const replicaSetLifecycle = lifecycleOf<ReplicaSetFacts, ReplicaSetState, ReplicaSetIntent>({
  id: 'replicaset',
  states: REPLICA_SET_STATES,
  initial: 'settled',
  classify: replicaSetState,
  intents: intentsOf,
  idle: ['deleting'],
});
