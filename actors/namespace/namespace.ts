/**
 * The life of a Namespace.
 *
 *   active ─ deletionTimestamp ─▶ emptying ─ DONE ─▶ catchingUp ─▶ waiting (for what ends by itself) ─▶ emptying …
 *                                    └─ nothing left ─▶ finalizing ─▶ (removed by the registry)
 *
 * Content is deleted in bounded sweeps; what a sweep found is part of the observation, not of the machine.
 * Owns: the states, events, intents, conditions. Imports: actors/lifecycle.
 */
import { deepEqual, formatTime } from '#src/api/metadata.ts';
import type { Namespace, NamespaceCondition } from '#src/api/objects.ts';
import { lifecycleOf } from '../lifecycle.ts';
import type { LifecycleEvent, ObservedFacts, RetryLaterIntent, WakeIntent } from '../observation.ts';

/** Between two sweeps of a namespace whose content does not go by itself. */
export const SWEEP_AGAIN_MS = 5_000;

/** What the last sweep of this leader found; undefined before the first. */
export interface Sweep {
  /** By resource (`pods`), those that were there, counting what was just deleted. */
  readonly remaining: Readonly<Record<string, number>>;
  /** Finalizers of what remains. */
  readonly finalizers: Readonly<Record<string, number>>;
  /** Why content of a resource could not be deleted, in the words of the refusal. */
  readonly failures: readonly string[];
  /** Groups that are served elsewhere and did not answer: what they hold is not known. */
  readonly undiscovered: readonly string[];
  /** Monotonic age. */
  readonly ageMs: number;
}

export interface NamespaceFacts extends ObservedFacts {
  readonly deleting: boolean;
  /** spec.finalizers still has `kubernetes`. */
  readonly held: boolean;
  readonly sweep: Sweep | undefined;
  /** To be written; undefined when they are so already. */
  readonly conditions: readonly NamespaceCondition[] | undefined;
}

export const NAMESPACE_STATES = [
  'active',
  'emptying',
  'waiting',
  'finalizing',
  'finalized',
  'catchingUp',
  'backingOff',
] as const;
export type NamespaceState = (typeof NAMESPACE_STATES)[number];

export type NamespaceEvent = LifecycleEvent<NamespaceFacts>;

export type NamespaceIntent =
  | { kind: 'deleteContent' }
  | { kind: 'writeConditions'; conditions: readonly NamespaceCondition[] }
  | { kind: 'finalize' }
  | WakeIntent
  | RetryLaterIntent;

export function namespaceState({ deleting, held, sweep, observation }: NamespaceFacts): NamespaceState {
  if (!deleting) return 'active';
  if (!observation.caughtUp) return 'catchingUp';
  if (observation.backingOff) return 'backingOff';
  if (!held) return 'finalized';
  if (sweep === undefined) return 'emptying';
  if (isEmpty(sweep)) return 'finalizing';
  return sweep.ageMs >= SWEEP_AGAIN_MS ? 'emptying' : 'waiting';
}

function intentsOf(state: NamespaceState, { sweep, conditions }: NamespaceFacts): NamespaceIntent[] {
  switch (state) {
    case 'emptying':
      return [{ kind: 'deleteContent' }];
    case 'finalizing':
      return [{ kind: 'finalize' }];
    case 'waiting': {
      const wake: NamespaceIntent = { kind: 'wake', delayMs: SWEEP_AGAIN_MS - (sweep?.ageMs ?? 0) };
      return conditions === undefined ? [wake] : [wake, { kind: 'writeConditions', conditions }];
    }
    default:
      return [];
  }
}

export const namespaceLifecycle = lifecycleOf<NamespaceFacts, NamespaceState, NamespaceIntent>({
  id: 'namespace',
  states: NAMESPACE_STATES,
  initial: 'active',
  classify: namespaceState,
  intents: intentsOf,
  idle: ['active', 'finalized'],
});

/** The conditions of a Namespace being deleted, in Kubernetes' words; undefined when stored so already. */
export function namespaceConditions(
  namespace: Namespace,
  sweep: Sweep | undefined,
  nowMs: number,
): NamespaceCondition[] | undefined {
  if (sweep === undefined) return undefined;
  const resources = Object.entries(sweep.remaining).filter(([, count]) => count > 0);
  const finalizers = Object.entries(sweep.finalizers).filter(([, count]) => count > 0);
  const say = (type: string, status: boolean, reason: string, message: string): NamespaceCondition => {
    const before = namespace.status?.conditions?.find((condition) => condition.type === type);
    const value = status ? 'True' : 'False';
    const lastTransitionTime = before?.status === value ? before.lastTransitionTime : undefined;
    return { type, status: value, lastTransitionTime: lastTransitionTime ?? formatTime(nowMs), reason, message };
  };
  const conditions = [
    sweep.undiscovered.length === 0
      ? say('NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered')
      : say(
          'NamespaceDeletionDiscoveryFailure',
          true,
          'DiscoveryFailed',
          `Discovery failed for some groups, ${sweep.undiscovered.length} failing: ${sweep.undiscovered.join(', ')}`,
        ),
    say(
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    sweep.failures.length === 0
      ? say(
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        )
      : say(
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${sweep.failures.length} remaining: ${sweep.failures.join(', ')}`,
        ),
    resources.length === 0
      ? say('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed')
      : say(
          'NamespaceContentRemaining',
          true,
          'SomeResourcesRemain',
          `Some resources are remaining: ${resources.map(([name, count]) => `${dotted(name)} has ${count} resource instances`).join(', ')}`,
        ),
    finalizers.length === 0
      ? say(
          'NamespaceFinalizersRemaining',
          false,
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        )
      : say(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${finalizers.map(([name, count]) => `${name} in ${count} resource instances`).join(', ')}`,
        ),
  ];
  return deepEqual(namespace.status?.conditions ?? [], conditions) ? undefined : conditions;
}

/** Kubernetes writes resource and group with a dot between, also where the group is empty. */
function dotted(name: string): string {
  return name.includes('.') ? name : `${name}.`;
}

/** Nothing was seen, and everything was looked at. */
function isEmpty({ remaining, failures, undiscovered }: Sweep): boolean {
  return total(remaining) === 0 && failures.length === 0 && undiscovered.length === 0;
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
