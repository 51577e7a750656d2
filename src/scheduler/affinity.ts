/** Where a Pod may and would rather run by labels: node selectors, taints, (anti-)affinity to other Pods. Pure. */
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import type {
  Node,
  NodeSelectorTerm,
  NodeSelectorRequirement,
  Pod,
  PodAffinityTerm,
  Taint,
  Toleration,
} from '#src/api/objects.ts';

export function toleratesAll(tolerations: readonly Toleration[] | undefined, taints: readonly Taint[]): boolean {
  return taints.every((taint) => (tolerations ?? []).some((toleration) => tolerates(toleration, taint)));
}

/** v1.Toleration.ToleratesTaint: an empty key with Exists tolerates everything, an empty effect every effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false;
  const operator = toleration.operator ?? 'Equal';
  if ((toleration.key ?? '') === '') return operator === 'Exists';
  if (toleration.key !== taint.key) return false;
  return operator === 'Exists' || (operator === 'Equal' && (toleration.value ?? '') === (taint.value ?? ''));
}

/** spec.nodeSelector and the required node affinity, whose terms are alternatives. */
export function matchesNodeSelection(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** A term without expressions and fields matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  const names = { 'metadata.name': node.metadata.name ?? '' };
  return (
    expressions.every((requirement) => matchesRequirement(requirement, node.metadata.labels ?? {})) &&
    fields.every((requirement) => matchesRequirement(requirement, names))
  );
}

function matchesRequirement(
  { key, operator, values = [] }: NodeSelectorRequirement,
  labels: Record<string, string>,
): boolean {
  const has = Object.hasOwn(labels, key);
  const value = labels[key] ?? '';
  switch (operator) {
    case 'In':
      return has && values.includes(value);
    case 'NotIn':
      return !has || !values.includes(value);
    case 'Exists':
      return has;
    case 'DoesNotExist':
      return !has;
    case 'Gt':
      return has && /^-?\d+$/.test(value) && Number(value) > Number(values[0]);
    case 'Lt':
      return has && /^-?\d+$/.test(value) && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** Sum of the weights of the preferred terms that the node matches. */
export function preferredNodeWeight(pod: Pod, node: Node): number {
  const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return preferred.reduce((sum, term) => sum + (matchesTerm(term.preference, node) ? term.weight : 0), 0);
}

/** Whether `other` is one of the Pods a term of `pod` speaks of. A namespaceSelector is taken as "all" when it is empty. */
export function termSelects(term: PodAffinityTerm, pod: Pod, other: Pod): boolean {
  const namespaces = term.namespaces ?? [];
  const inNamespace =
    term.namespaceSelector !== undefined
      ? true
      : namespaces.length > 0
        ? namespaces.includes(other.metadata.namespace ?? '')
        : other.metadata.namespace === pod.metadata.namespace;
  return inNamespace && labelSelectorMatcher(term.labelSelector).matches(other.metadata.labels);
}
