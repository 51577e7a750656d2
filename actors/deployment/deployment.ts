/**
 * The life of a Deployment: a ReplicaSet per template, replicas moved from the old ones to the new one.
 *
 *   claiming (orphaned ReplicaSets) ──▶ creating ──▶ scaling ⇄ waiting ──▶ complete ──▶ (new template) creating …
 *                  │          └─ deadline ─▶ stalled (goes on when Pods do)
 *   draining (Recreate: old Pods go first)   paused (sizes only)   deleting (garbage collector)
 *   acting states ── DONE ─▶ catchingUp, ── FAILED ─▶ backingOff
 *
 * Owns: the states, events and intents. Imports: actors/lifecycle. Read next: plan.ts (sizes), status.ts (conditions).
 */
import type { DeploymentStatus, ReplicaSet } from '#src/api/objects.ts';
import { lifecycleOf } from '../lifecycle.ts';
import type { LifecycleEvent, ObservedFacts, RetryLaterIntent, WakeIntent } from '../observation.ts';
import type { AnnotateStep, DeploymentPlan, ScaleStep } from './plan.ts';
import type { StatusPlan } from './status.ts';

export interface DeploymentFacts extends ObservedFacts {
  readonly deleting: boolean;
  readonly paused: boolean;
  readonly plan: DeploymentPlan;
  readonly status: StatusPlan;
}

export const DEPLOYMENT_STATES = [
  'complete',
  'claiming',
  'creating',
  'annotating',
  'scaling',
  'draining',
  'waiting',
  'stalled',
  'pruning',
  'paused',
  'catchingUp',
  'backingOff',
  'deleting',
] as const;
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];

export type DeploymentEvent = LifecycleEvent<DeploymentFacts>;

export type DeploymentIntent =
  | { kind: 'adopt'; replicaSets: readonly { name: string; uid: string }[] }
  | { kind: 'createReplicaSet'; replicaSet: ReplicaSet }
  | { kind: 'annotate'; replicaSets: readonly AnnotateStep[]; revision: string | undefined }
  | { kind: 'scaleReplicaSets'; steps: readonly ScaleStep[] }
  | { kind: 'deleteReplicaSets'; names: readonly string[] }
  | { kind: 'writeStatus'; status: DeploymentStatus }
  | WakeIntent
  | RetryLaterIntent;

export function deploymentState(facts: DeploymentFacts): DeploymentState {
  const { plan, status, observation } = facts;
  if (facts.deleting) return 'deleting';
  if (!observation.caughtUp) return 'catchingUp';
  if (observation.backingOff) return 'backingOff';
  if (plan.adopt.length > 0) return 'claiming';
  if (plan.annotate.length > 0 || plan.revision !== undefined) return 'annotating';
  if (plan.create !== undefined) return 'creating';
  if (plan.scale.length > 0) return 'scaling';
  if (facts.paused) return 'paused';
  if (plan.draining > 0) return 'draining';
  if (status.complete) return plan.prune.length > 0 ? 'pruning' : 'complete';
  return status.stalled ? 'stalled' : 'waiting';
}

function intentsOf(state: DeploymentState, { plan, status }: DeploymentFacts): DeploymentIntent[] {
  const intents: DeploymentIntent[] = [];
  if (state === 'claiming') intents.push({ kind: 'adopt', replicaSets: plan.adopt });
  if (state === 'annotating') intents.push({ kind: 'annotate', replicaSets: plan.annotate, revision: plan.revision });
  if (state === 'creating' && plan.create !== undefined) {
    intents.push({ kind: 'createReplicaSet', replicaSet: plan.create });
  }
  if (state === 'scaling') intents.push({ kind: 'scaleReplicaSets', steps: plan.scale });
  if (state === 'pruning') intents.push({ kind: 'deleteReplicaSets', names: plan.prune });
  const acting = intents.length > 0 || state === 'catchingUp' || state === 'deleting';
  if (!acting && status.changed) intents.push({ kind: 'writeStatus', status: status.status });
  if (!acting && status.deadlineInMs !== undefined) intents.push({ kind: 'wake', delayMs: status.deadlineInMs });
  return intents;
}

export const deploymentLifecycle = lifecycleOf<DeploymentFacts, DeploymentState, DeploymentIntent>({
  id: 'deployment',
  states: DEPLOYMENT_STATES,
  initial: 'complete',
  classify: deploymentState,
  intents: intentsOf,
  idle: ['deleting'],
});
