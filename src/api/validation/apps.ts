/** Rules of Deployments and ReplicaSets. Source: Kubernetes 1.36 pkg/apis/apps/validation/validation.go. */
import { deepEqual } from '../metadata.ts';
import type { Deployment, DeploymentSpec, LabelSelector, PodTemplateSpec, ReplicaSet } from '../objects.ts';
import { labelSelectorMatcher } from '../selectors.ts';
import { percentOf, type IntOrString } from '../int-or-string.ts';
import type { Causes } from './causes.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { validatePodSpec } from './pod.ts';
import { validateLabelSelector } from './selector.ts';

export function validateDeployment(causes: Causes, deployment: Deployment): void {
  const spec = deployment.spec ?? ({} as Partial<DeploymentSpec>);
  causes.nonNegative('spec.replicas', spec.replicas);
  validateSelector(causes, 'deployment', spec.selector);
  validateTemplate(causes, 'Deployment', spec.selector, spec.template);
  validateStrategy(causes, spec);
  causes.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  causes.nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  causes.nonNegative('spec.progressDeadlineSeconds', deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    causes.invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
  }
}

export function validateReplicaSet(causes: Causes, replicaSet: ReplicaSet): void {
  const spec: Partial<ReplicaSet['spec']> = replicaSet.spec ?? {};
  causes.nonNegative('spec.replicas', spec?.replicas);
  causes.nonNegative('spec.minReadySeconds', spec?.minReadySeconds);
  validateSelector(causes, 'deployment', spec?.selector);
  validateTemplate(causes, 'ReplicaSet', spec?.selector, spec?.template);
}

/** The selector of a workload is settled when it is made: its objects are found by it. */
export function validateSelectorUpdate(
  causes: Causes,
  updated: { spec?: { selector?: LabelSelector } },
  current: { spec?: { selector?: LabelSelector } },
): void {
  const selector = updated.spec?.selector;
  if (!deepEqual(selector, current.spec?.selector)) causes.immutable('spec.selector', selector);
}

export function validateSelector(causes: Causes, owner: string, selector: LabelSelector | undefined): void {
  if (selector === undefined) {
    causes.required('spec.selector');
    return;
  }
  validateLabelSelector(causes, 'spec.selector', selector);
  if (isEmpty(selector)) causes.invalid('spec.selector', selector, `empty selector is invalid for ${owner}`);
}

function isEmpty(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0;
}

/** Of a workload that keeps its Pods running. */
export function validateTemplate(
  causes: Causes,
  owner: string,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): void {
  validateTemplateLabels(causes, 'spec.template', selector, template);
  validatePodTemplate(causes, 'spec.template', template);
  causes.oneOf('spec.template.spec.restartPolicy', template?.spec?.restartPolicy, ['Always']);
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    causes.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${owner} is not Supported`);
  }
}

/** What is made from the template must be found by the selector. */
export function validateTemplateLabels(
  causes: Causes,
  field: string,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): void {
  const labels = template?.metadata?.labels;
  const known =
    selector?.matchExpressions?.every(({ operator }) => /^(?:In|NotIn|Exists|DoesNotExist)$/.test(operator)) !== false;
  if (selector !== undefined && !isEmpty(selector) && known && !labelSelectorMatcher(selector).matches(labels)) {
    causes.invalid(`${field}.metadata.labels`, labels ?? null, '`selector` does not match template `labels`');
  }
}

export function validatePodTemplate(causes: Causes, field: string, template: PodTemplateSpec | undefined): void {
  validateLabels(causes, `${field}.labels`, template?.metadata?.labels);
  validateAnnotations(causes, `${field}.annotations`, template?.metadata?.annotations);
  validatePodSpec(causes, `${field}.spec`, template?.spec);
}

function validateStrategy(causes: Causes, spec: Partial<DeploymentSpec>): void {
  const strategy = spec.strategy;
  causes.oneOf('spec.strategy', strategy?.type, ['Recreate', 'RollingUpdate']);
  const rolling = strategy?.rollingUpdate;
  if (strategy?.type === 'Recreate' && rolling !== undefined) {
    causes.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'");
  }
  if (strategy?.type !== 'RollingUpdate') return;
  const { maxSurge, maxUnavailable } = rolling ?? {};
  validateCountOrPercent(causes, 'spec.strategy.rollingUpdate.maxUnavailable', maxUnavailable, true);
  validateCountOrPercent(causes, 'spec.strategy.rollingUpdate.maxSurge', maxSurge, false);
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    causes.invalid('spec.strategy.rollingUpdate.maxUnavailable', maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
}

export function isZero(value: IntOrString | undefined): boolean {
  return value === 0 || (typeof value === 'string' && percentOf(value) === 0);
}

export function validateCountOrPercent(
  causes: Causes,
  field: string,
  value: IntOrString | undefined,
  capped: boolean,
): void {
  if (typeof value === 'number') causes.nonNegative(field, value);
  if (typeof value !== 'string') return;
  const percent = percentOf(value);
  if (percent === undefined) {
    const text =
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    causes.invalid(field, value, text);
  } else if (capped && percent > 100) causes.invalid(field, value, 'must not be greater than 100%');
}
