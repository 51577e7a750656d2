/**
 * The life of a Node as its leader sees it.
 *
 *   healthy ─ silent for the grace ─▶ marking (Unknown) ─▶ tainting ─▶ markingPods ─▶ unreachable ─ tolerations end ─▶ evicting
 *      ▲                                                                └─ most nodes are silent ─▶ suspended (nothing is evicted)
 *      └── Ready again ── tainting (taints go) ◀── recovering ◀── the Lease moves again
 *   notReady: the kubelet itself says so; taints and evictions follow the same way.
 *
 * Owns: the states, events and intents. Imports: actors/lifecycle. Read next: plan.ts.
 */
import type { NodeCondition, Taint } from '#src/api/objects.ts';
import { lifecycleOf } from '../lifecycle.ts';
import type { LifecycleEvent, ObservedFacts, RetryLaterIntent, WakeIntent } from '../observation.ts';
import type { NodePlan, PodName } from './plan.ts';

export interface NodeFacts extends ObservedFacts {
  readonly deleting: boolean;
  readonly plan: NodePlan;
}

export const NODE_STATES = [
  'healthy',
  'notReady',
  'unreachable',
  'suspended',
  'recovering',
  'marking',
  'tainting',
  'markingPods',
  'evicting',
  'catchingUp',
  'backingOff',
  'deleting',
] as const;
export type NodeState = (typeof NODE_STATES)[number];

export type NodeEvent = LifecycleEvent<NodeFacts>;

export type NodeIntent =
  | { kind: 'writeConditions'; conditions: readonly NodeCondition[] }
  | { kind: 'writeTaints'; taints: readonly Taint[] }
  | { kind: 'markPodsNotReady'; pods: readonly PodName[] }
  | { kind: 'evictPods'; pods: readonly PodName[] }
  | WakeIntent
  | RetryLaterIntent;

export function nodeState({ deleting, observation, plan }: NodeFacts): NodeState {
  if (deleting) return 'deleting';
  if (!observation.caughtUp) return 'catchingUp';
  if (observation.backingOff) return 'backingOff';
  if (plan.conditions !== undefined) return 'marking';
  if (plan.taints !== undefined) return 'tainting';
  if (plan.markNotReady.length > 0) return 'markingPods';
  if (plan.evict.length > 0) return 'evicting';
  if (plan.suspended) return 'suspended';
  if (plan.ready === 'True') return 'healthy';
  if (plan.ready === 'False') return 'notReady';
  return plan.stale ? 'unreachable' : 'recovering';
}

function intentsOf(state: NodeState, { plan }: NodeFacts): NodeIntent[] {
  const intents: NodeIntent[] = [];
  if (state === 'marking' && plan.conditions !== undefined) {
    intents.push({ kind: 'writeConditions', conditions: plan.conditions });
  }
  if (state === 'tainting' && plan.taints !== undefined) intents.push({ kind: 'writeTaints', taints: plan.taints });
  if (state === 'markingPods') intents.push({ kind: 'markPodsNotReady', pods: plan.markNotReady });
  if (state === 'evicting') intents.push({ kind: 'evictPods', pods: plan.evict });
  if (state !== 'deleting' && plan.wakeAfterMs !== undefined) intents.push({ kind: 'wake', delayMs: plan.wakeAfterMs });
  return intents;
}

export const nodeLifecycle = lifecycleOf<NodeFacts, NodeState, NodeIntent>({
  id: 'node',
  states: NODE_STATES,
  initial: 'healthy',
  classify: nodeState,
  intents: intentsOf,
  idle: ['deleting'],
});
