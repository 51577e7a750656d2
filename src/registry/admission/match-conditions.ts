/** matchConditions of webhooks and policies: CEL that says whether they are about a write. */
import type { MatchCondition } from '#src/api/objects/admission.ts';
import type { Bindings, Budget, Programs } from './expressions.ts';

export type Matches = boolean | { error: string };

/** A condition that is false settles it, whatever others failed at (as in Kubernetes). */
export function matchesConditions(
  conditions: readonly MatchCondition[] | undefined,
  at: { programs: Programs; budget: Budget; bindings: () => Bindings },
): Matches {
  if (conditions === undefined || conditions.length === 0) return true;
  const bindings = at.bindings();
  let error: string | undefined;
  for (const { name, expression } of conditions) {
    const evaluated = at.budget.run(at.programs, expression, 'bool', bindings);
    if (!evaluated.ok) error ??= `match condition ${JSON.stringify(name)}: ${evaluated.error}`;
    else if (evaluated.value !== true) return false;
  }
  return error === undefined ? true : { error };
}
