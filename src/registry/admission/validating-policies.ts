/** ValidatingAdmissionPolicy and its bindings (KEP-3488): CEL that judges writes without a call. */
import { ApiError, type StatusReason } from '#src/api/api-error.ts';
import { fromJson, lazyMap, toJson, type CelValue } from '#src/cel/cel.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import type {
  MatchResources,
  NamedRuleWithOperations,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicySpec,
} from '#src/api/objects/admission.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import { objectKey, objectRange } from '../keys.ts';
import { objectOf, type NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import type { AdmissionPlugin, Attributes } from './attributes.ts';
import { bindingsOf, Budget, type Bindings } from './expressions.ts';
import { matchesConditions } from './match-conditions.ts';
import { isExempt, matchedKind, type Matching } from './match.ts';

/** Policies and bindings that are looked at, and parameters of one binding. */
const POLICIES_MAX = 1000;
const PARAMS_MAX = 1000;
const MESSAGE_CHARACTERS_MAX = 5 * 1024;
const CODES: Record<string, number> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413, Invalid: 422 };
const FAILURE_ANNOTATION = 'validation.policy.admission.k8s.io/validation_failure';

type Policy = NamedObject & ValidatingAdmissionPolicy;
type Binding = NamedObject & ValidatingAdmissionPolicyBinding;

interface Failure {
  message: string;
  reason: string;
  /** The place among the validations; -1 for what is none. */
  index: number;
}

export const validatingPolicies: AdmissionPlugin = {
  name: 'ValidatingAdmissionPolicy',
  validate(attributes) {
    if (isExempt(attributes)) return undefined;
    const policies = stored<Policy>(attributes, 'validatingadmissionpolicies');
    if (policies.length === 0) return undefined;
    const bindings = stored<Binding>(attributes, 'validatingadmissionpolicybindings');
    for (const policy of policies) judgePolicy(attributes, policy, bindings);
    return undefined;
  },
};

function stored<T>({ core, view }: Attributes, resource: string): T[] {
  const kind = findKind({ group: 'admissionregistration.k8s.io', version: 'v1', resource });
  if (kind === undefined) return [];
  const { items } = view.range({ ...objectRange(kind, undefined), limit: POLICIES_MAX });
  return items.map(({ value }) => core.decoded.peek(kind, value) as T);
}

function matchingOf(resources: MatchResources | undefined, name: string): Matching {
  const named = (rules: NamedRuleWithOperations[] | undefined): NamedRuleWithOperations[] =>
    (rules ?? []).filter(({ resourceNames = [] }) => resourceNames.length === 0 || resourceNames.includes(name));
  return { ...resources, rules: named(resources?.resourceRules), excluded: named(resources?.excludeResourceRules) };
}

/** @throws ApiError when a binding denies. */
function judgePolicy(attributes: Attributes, policy: Policy, all: readonly Binding[]): void {
  const name = policy.metadata.name ?? '';
  const bound = all.filter(({ spec }) => spec?.policyName === name);
  if (bound.length === 0 || policy.spec === undefined) return;
  const shown = matchedKind(matchingOf(policy.spec.matchConstraints, attributes.name), attributes);
  if (shown === undefined) return;
  for (const binding of bound) {
    if (!concernsBinding(attributes, binding)) continue;
    const params = paramsOf(attributes, policy.spec, binding.spec?.paramRef);
    if (params === 'missing') {
      if (binding.spec?.paramRef?.parameterNotFoundAction === 'Allow') continue;
      const why = 'no params found for policy binding with `Deny` parameterNotFoundAction';
      act(attributes, policy, binding, [{ message: why, reason: 'Invalid', index: -1 }]);
      continue;
    }
    for (const param of params)
      act(attributes, policy, binding, evaluate(attributes, policy.spec, { shown, param, name }));
  }
}

/** A binding without rules of its own takes the policy's. */
function concernsBinding(attributes: Attributes, { spec }: Binding): boolean {
  const resources = spec?.matchResources;
  if (resources === undefined) return true;
  const everything = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*', '*/*'] }];
  const own = (resources.resourceRules ?? []).length === 0 ? { ...resources, resourceRules: everything } : resources;
  return matchedKind(matchingOf(own, attributes.name), attributes) !== undefined;
}

/** One `undefined` for a policy without parameters. */
function paramsOf(
  attributes: Attributes,
  { paramKind }: ValidatingAdmissionPolicySpec,
  ref: ParamRef | undefined,
): (NamedObject | undefined)[] | 'missing' {
  if (paramKind === undefined || ref === undefined) return [undefined];
  const { core, view } = attributes;
  const kind = core.kinds.of(paramKind.apiVersion ?? '', paramKind.kind ?? '');
  if (kind === undefined) return 'missing';
  const namespace = kind.namespaced ? (ref.namespace ?? attributes.namespace) : undefined;
  if (kind.namespaced && namespace === undefined) return 'missing';
  if (ref.name !== undefined) {
    const value = view.get(objectKey(kind, namespace, ref.name));
    return value === undefined ? 'missing' : [objectOf(kind, value)];
  }
  const matcher = labelSelectorMatcher(ref.selector);
  const found = view
    .range({ ...objectRange(kind, namespace), limit: PARAMS_MAX })
    .items.map(({ value }) => objectOf(kind, value))
    .filter(({ metadata }) => matcher.matches(metadata.labels ?? {}));
  return found.length === 0 ? 'missing' : found;
}

function evaluate(
  attributes: Attributes,
  spec: ValidatingAdmissionPolicySpec,
  at: { shown: Kind; param: NamedObject | undefined; name: string },
): Failure[] {
  const { programs } = attributes.core;
  const budget = new Budget();
  const bindings: Bindings = { ...bindingsOf(attributes, at.shown), params: fromJson(at.param ?? null) };
  const isIgnored = spec.failurePolicy === 'Ignore';
  const matches = matchesConditions(spec.matchConditions, { programs, budget, bindings: () => bindings });
  if (matches === false) return [];
  if (matches !== true) return isIgnored ? [] : [{ message: matches.error, reason: 'Invalid', index: -1 }];
  bindings['variables'] = variablesOf(attributes, spec, { bindings, budget });
  const failures = (spec.validations ?? []).flatMap((validation, index): Failure[] => {
    const { expression, message, messageExpression, reason = 'Invalid' } = validation;
    const evaluated = budget.run(programs, expression, 'bool', bindings);
    if (!evaluated.ok) {
      const why = `expression '${expression}' resulted in error: ${evaluated.error}`;
      return isIgnored ? [] : [{ message: why, reason: 'Invalid', index }];
    }
    if (evaluated.value === true) return [];
    const made =
      messageExpression === undefined ? undefined : budget.run(programs, messageExpression, 'string', bindings);
    const own = made?.ok === true ? usableMessage(made.value) : undefined;
    return [{ message: own ?? message ?? `failed expression: ${expression.trim()}`, reason, index }];
  });
  annotate(attributes, spec, { bindings, budget, name: at.name });
  return failures;
}

/** Evaluated when first named; each may name those before it. */
function variablesOf(
  { core }: Attributes,
  { variables = [] }: ValidatingAdmissionPolicySpec,
  { bindings, budget }: { bindings: Bindings; budget: Budget },
): CelValue {
  const values: CelValue = lazyMap(
    variables.map(({ name }) => name),
    (name) => {
      const expression = variables.find((one) => one.name === name)?.expression ?? '';
      const compiled = core.programs.compiled(expression, 'dyn');
      if (compiled.ok) return budget.outcome(compiled, { ...bindings, variables: values });
      const [first] = compiled.errors;
      const error = { message: '', offset: 0, line: 1, column: 1, text: '', ...first, kind: 'evaluation' as const };
      return { ok: false, error, cost: 0 };
    },
  );
  return values;
}

function usableMessage(value: CelValue): string | undefined {
  const text = toJson(value);
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  return trimmed === '' || trimmed.includes('\n') || trimmed.length > MESSAGE_CHARACTERS_MAX ? undefined : trimmed;
}

function annotate(
  attributes: Attributes,
  { auditAnnotations = [] }: ValidatingAdmissionPolicySpec,
  { bindings, budget, name }: { bindings: Bindings; budget: Budget; name: string },
): void {
  for (const { key, valueExpression } of auditAnnotations) {
    const evaluated = budget.run(attributes.core.programs, valueExpression, 'dyn', bindings);
    const value = evaluated.ok ? toJson(evaluated.value) : null;
    if (typeof value === 'string' && value !== '') attributes.annotations[`${name}/${key}`] = value;
  }
}

/** By the binding's validationActions. @throws ApiError. */
function act(attributes: Attributes, policy: Policy, binding: Binding, failures: readonly Failure[]): void {
  const [first] = failures;
  if (first === undefined) return;
  const [name, by] = [policy.metadata.name ?? '', binding.metadata.name ?? ''];
  const actions = binding.spec?.validationActions ?? [];
  if (actions.includes('Warn')) {
    const head = `Validation failed for ValidatingAdmissionPolicy '${name}' with binding '${by}'`;
    attributes.warnings.push(...failures.map(({ message }) => `${head}: ${message}`));
  }
  if (actions.includes('Audit')) {
    const told = failures.map(({ message, index }) => ({
      message,
      policy: name,
      binding: by,
      expressionIndex: index,
      validationActions: actions,
    }));
    attributes.annotations[FAILURE_ANNOTATION] = JSON.stringify(told);
  }
  if (!actions.includes('Deny')) return;
  const why = `ValidatingAdmissionPolicy '${name}' with binding '${by}' denied request: ${first.message}`;
  const { message, details } = forbidden(attributes.kind, attributes.name, why);
  throw new ApiError(CODES[first.reason] ?? 422, first.reason as StatusReason, message, {
    details: { ...details, causes: [{ reason: '', message: first.message }] },
  });
}
