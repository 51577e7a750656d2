/** Rules of affinity: what the scheduler may rely on. Source: Kubernetes 1.36 pkg/apis/core/validation/validation.go. */
import { isQualifiedName } from '../names.ts';
import type { Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm } from '../objects.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function validateAffinity(causes: Causes, field: string, affinity: Affinity | undefined): void {
  const node = affinity?.nodeAffinity;
  const required = node?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required !== undefined) {
    const path = `${field}.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;
    const terms = required.nodeSelectorTerms ?? [];
    if (terms.length === 0) causes.required(path, 'must have at least one node selector term');
    for (const [index, term] of terms.entries()) validateNodeTerm(causes, `${path}[${index}]`, term);
  }
  for (const [index, { weight, preference }] of (
    node?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  ).entries()) {
    const path = `${field}.nodeAffinity.${PREFERRED}[${index}]`;
    validateWeight(causes, `${path}.weight`, weight);
    validateNodeTerm(causes, `${path}.preference`, preference ?? {});
  }
  validatePodAffinity(causes, `${field}.podAffinity`, affinity?.podAffinity);
  validatePodAffinity(causes, `${field}.podAntiAffinity`, affinity?.podAntiAffinity);
}

function validateWeight(causes: Causes, field: string, weight: number | undefined): void {
  if (weight === undefined || weight < 1 || weight > 100)
    causes.invalid(field, weight ?? 0, 'must be in the range 1-100');
}

function validateNodeTerm(causes: Causes, field: string, term: NodeSelectorTerm): void {
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    validateNodeRequirement(causes, `${field}.matchExpressions[${index}]`, requirement);
    causes.invalidEach(
      `${field}.matchExpressions[${index}].key`,
      requirement.key ?? '',
      isQualifiedName(requirement.key ?? ''),
    );
  }
  for (const [index, requirement] of (term.matchFields ?? []).entries()) {
    const path = `${field}.matchFields[${index}]`;
    if (requirement.key !== 'metadata.name')
      causes.invalid(`${path}.key`, requirement.key ?? '', 'not a valid field selector key');
    if (requirement.operator !== 'In' && requirement.operator !== 'NotIn') {
      causes.invalid(`${path}.operator`, requirement.operator ?? '', 'not a valid selector operator');
    } else if (requirement.values?.length !== 1) {
      causes.required(
        `${path}.values`,
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      );
    }
  }
}

function validateNodeRequirement(causes: Causes, field: string, { operator, values }: NodeSelectorRequirement): void {
  const count = values?.length ?? 0;
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (count === 0) causes.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      return;
    case 'Exists':
    case 'DoesNotExist':
      if (count > 0)
        causes.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      return;
    case 'Gt':
    case 'Lt':
      if (count !== 1)
        causes.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
      return;
    default:
      causes.invalid(`${field}.operator`, operator ?? '', 'not a valid selector operator');
  }
}

function validatePodAffinity(causes: Causes, field: string, affinity: PodAffinity | undefined): void {
  for (const [index, term] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    validatePodTerm(causes, `${field}.${REQUIRED}[${index}]`, term);
  }
  for (const [index, preferred] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const path = `${field}.${PREFERRED}[${index}]`;
    validateWeight(causes, `${path}.weight`, preferred.weight);
    validatePodTerm(causes, `${path}.podAffinityTerm`, preferred.podAffinityTerm ?? {});
  }
}

function validatePodTerm(causes: Causes, field: string, term: Partial<PodAffinityTerm>): void {
  if (!term.topologyKey) causes.required(`${field}.topologyKey`, 'can not be empty');
  else causes.invalidEach(`${field}.topologyKey`, term.topologyKey, isQualifiedName(term.topologyKey));
  if (term.labelSelector !== undefined) validateLabelSelector(causes, `${field}.labelSelector`, term.labelSelector);
  if (term.namespaceSelector !== undefined)
    validateLabelSelector(causes, `${field}.namespaceSelector`, term.namespaceSelector);
}
