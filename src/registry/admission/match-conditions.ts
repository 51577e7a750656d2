/** matchConditions of webhooks: CEL that says whether the webhook is asked. */
import type { MatchCondition } from '#src/api/objects/admission.ts';
import type { Attributes } from './attributes.ts';

export type Matches = boolean | { error: string };

/** An error only when no condition is false (Kubernetes: a false one wins). */
export function matchesConditions(
  { matchConditions }: { matchConditions?: MatchCondition[] },
  _attributes: Attributes,
): Matches {
  return (matchConditions ?? []).length === 0 ? true : { error: 'matchConditions are not evaluated by this server' };
}
