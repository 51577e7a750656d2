/** Rules of Jobs and CronJobs. Source: Kubernetes 1.36 pkg/apis/batch/validation/validation.go. */
import { isFault } from '#src/std/fault.ts';
import { parseCron } from '../cron.ts';
import { deepCopy, deepEqual } from '../metadata.ts';
import { isQualifiedName } from '../names.ts';
import type { CronJob, Job, JobSpec, PodFailurePolicyRule } from '../objects/workloads.ts';
import type { PodTemplateSpec } from '../objects.ts';
import { labelSelectorMatcher } from '../selectors.ts';
import { validatePodTemplate, validateTemplateLabels } from './apps.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

/** A CronJob appends eleven characters to its name for its Jobs. */
const CRON_JOB_NAME_LENGTH_MAX = 52;
const INDEXED_PARALLELISM_MAX = 100_000;
const FAILURE_RULES_MAX = 20;
const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

export function validateJob(causes: Causes, job: Job): void {
  const spec = job.spec ?? ({} as Partial<JobSpec>);
  validateJobSpec(causes, 'spec', spec);
  if (spec.selector === undefined) causes.required('spec.selector');
  else {
    validateLabelSelector(causes, 'spec.selector', spec.selector);
    validateTemplateLabels(causes, 'spec.template', spec.selector, spec.template);
    if (spec.manualSelector !== true) validateGeneratedSelector(causes, job);
  }
}

/** The selector that the server made must still say this Job. */
function validateGeneratedSelector(causes: Causes, job: Job): void {
  const uid = job.metadata?.uid ?? '';
  // Before the server has given it an identity there is nothing to compare with.
  if (uid === '') return;
  const labels = job.spec?.template?.metadata?.labels ?? {};
  const expected = { [CONTROLLER_UID]: uid, 'controller-uid': uid };
  for (const [key, value] of Object.entries({
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': job.metadata?.name ?? '',
  })) {
    const field = `spec.template.metadata.labels[${key}]`;
    if (labels[key] === undefined) causes.required(field, `must be '${value}'`);
    else if (labels[key] !== value) causes.invalid(field, labels[key], `must be '${value}'`);
  }
  const selector = job.spec?.selector;
  const known = selector?.matchExpressions?.every(({ operator }) =>
    /^(?:In|NotIn|Exists|DoesNotExist)$/.test(operator),
  );
  if (
    selector !== undefined &&
    known !== false &&
    !labelSelectorMatcher(selector).matches({ ...labels, ...expected })
  ) {
    causes.invalid('spec.selector', selector, '`selector` not auto-generated');
  }
}

function validateJobSpec(causes: Causes, field: string, spec: Partial<JobSpec>): void {
  for (const key of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const) {
    causes.nonNegative(`${field}.${key}`, spec[key]);
  }
  causes.oneOf(`${field}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed']);
  if (spec.completionMode === 'Indexed') validateIndexed(causes, field, spec);
  else if (spec.backoffLimitPerIndex !== undefined) {
    causes.invalid(`${field}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode');
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    causes.required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
  }
  causes.oneOf(`${field}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed']);
  if (spec.podFailurePolicy !== undefined && spec.podReplacementPolicy === 'TerminatingOrFailed') {
    causes.notSupported(`${field}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed']);
  }
  if (spec.managedBy !== undefined)
    causes.invalidEach(`${field}.managedBy`, spec.managedBy, managerProblems(spec.managedBy));
  validateFailurePolicy(causes, `${field}.podFailurePolicy`, spec);
  validateSuccessPolicy(causes, `${field}.successPolicy`, spec);
  validatePodTemplate(causes, `${field}.template`, spec.template);
  validateRestartPolicy(causes, `${field}.template.spec.restartPolicy`, spec);
}

function managerProblems(name: string): string[] {
  return name.includes('/') ? isQualifiedName(name) : ['must be a domain-prefixed path (such as "acme.io/foo")'];
}

function validateIndexed(causes: Causes, field: string, spec: Partial<JobSpec>): void {
  if (spec.completions === undefined) {
    causes.required(`${field}.completions`, 'when completion mode is Indexed');
  } else if (spec.maxFailedIndexes !== undefined && spec.maxFailedIndexes > spec.completions) {
    const text = 'must be less than or equal to completions';
    causes.invalid(`${field}.maxFailedIndexes`, spec.maxFailedIndexes, text);
  }
  if ((spec.parallelism ?? 0) > INDEXED_PARALLELISM_MAX) {
    const text = `must be less than or equal to ${INDEXED_PARALLELISM_MAX} when completion mode is Indexed`;
    causes.invalid(`${field}.parallelism`, spec.parallelism, text);
  }
}

function validateRestartPolicy(causes: Causes, field: string, spec: Partial<JobSpec>): void {
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === undefined || policy === 'Always') causes.required(field, 'valid values: "OnFailure", "Never"');
  else if (spec.podFailurePolicy !== undefined && policy === 'OnFailure') {
    causes.invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified');
  }
}

function validateFailurePolicy(causes: Causes, field: string, spec: Partial<JobSpec>): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > FAILURE_RULES_MAX) causes.tooMany(`${field}.rules`, rules.length, FAILURE_RULES_MAX);
  for (const [index, rule] of rules.slice(0, FAILURE_RULES_MAX).entries()) {
    validateFailureRule(causes, `${field}.rules[${index}]`, rule, spec);
  }
}

function validateFailureRule(causes: Causes, field: string, rule: PodFailurePolicyRule, spec: Partial<JobSpec>): void {
  const { action, onExitCodes: codes, onPodConditions: conditions = [] } = rule;
  if (!action) causes.required(`${field}.action`, 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]');
  else causes.oneOf(`${field}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore']);
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    causes.invalid(`${field}.action`, action, 'requires the backoffLimitPerIndex to be set');
  }
  if (codes !== undefined && conditions.length > 0) {
    causes.invalid(field, '', 'specifying both OnExitCodes and OnPodConditions is not supported');
  } else if (codes === undefined && conditions.length === 0) {
    causes.invalid(field, '', 'specifying one of OnExitCodes and OnPodConditions is required');
  }
  if (codes !== undefined) {
    const path = `${field}.onExitCodes`;
    if (!codes.operator) causes.required(`${path}.operator`, 'valid values: ["In" "NotIn"]');
    else causes.oneOf(`${path}.operator`, codes.operator, ['In', 'NotIn']);
    const values = codes.values ?? [];
    if (values.length === 0) causes.invalid(`${path}.values`, values, 'at least one value is required');
    if (codes.operator === 'In' && values.includes(0)) {
      causes.invalid(`${path}.values[${values.indexOf(0)}]`, 0, 'must not be 0 for the In operator');
    }
    const names = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])];
    const named = codes.containerName;
    if (named !== undefined && !names.some(({ name }) => name === named)) {
      causes.invalid(
        `${path}.containerName`,
        named,
        'must be one of the container or initContainer names in the pod template',
      );
    }
  }
  for (const [index, condition] of conditions.entries()) {
    const path = `${field}.onPodConditions[${index}]`;
    causes.invalidEach(`${path}.type`, condition.type ?? '', isQualifiedName(condition.type ?? ''));
    if (!condition.status) causes.required(`${path}.status`, 'valid values: ["False" "True" "Unknown"]');
    else causes.oneOf(`${path}.status`, condition.status, ['False', 'True', 'Unknown']);
  }
}

function validateSuccessPolicy(causes: Causes, field: string, spec: Partial<JobSpec>): void {
  if (spec.successPolicy === undefined) return;
  if (spec.completionMode !== 'Indexed') {
    causes.invalid(field, spec.successPolicy, 'requires indexed completion mode');
  }
  const rules = spec.successPolicy.rules ?? [];
  if (rules.length === 0)
    causes.required(`${field}.rules`, 'at least one rules must be specified when the successPolicy is specified');
  if (rules.length > FAILURE_RULES_MAX) causes.tooMany(`${field}.rules`, rules.length, FAILURE_RULES_MAX);
  for (const [index, rule] of rules.slice(0, FAILURE_RULES_MAX).entries()) {
    const path = `${field}.rules[${index}]`;
    if (rule.succeededCount === undefined && rule.succeededIndexes === undefined) {
      causes.required(path, 'at least one of succeededCount or succeededIndexes must be specified');
    }
    if (rule.succeededCount !== undefined && rule.succeededCount < 1) {
      causes.invalid(`${path}.succeededCount`, rule.succeededCount, 'must be greater than or equal to 1');
    }
  }
}

const IMMUTABLE = [
  'selector',
  'completionMode',
  'podFailurePolicy',
  'backoffLimitPerIndex',
  'managedBy',
  'successPolicy',
] as const;

export function validateJobUpdate(causes: Causes, updated: Job, current: Job): void {
  const [after, before] = [updated.spec, current.spec];
  if (after === undefined || before === undefined) return;
  const elastic = after.completionMode === 'Indexed' && after.completions === after.parallelism;
  if (after.completions !== before.completions) {
    if (after.completionMode !== 'Indexed') causes.immutable('spec.completions', after.completions ?? null);
    else if (!elastic) {
      const text = 'can only be modified in tandem with spec.parallelism';
      causes.invalid('spec.completions', after.completions ?? null, text);
    }
  }
  for (const key of IMMUTABLE) {
    if (!deepEqual(after[key], before[key])) causes.immutable(`spec.${key}`, after[key] ?? null);
  }
  // Until it starts, a suspended Job may still be told where to run.
  const waits = before.suspend === true && current.status?.startTime === undefined;
  const settled: PodTemplateSpec | undefined = before.template;
  const wanted = waits && settled !== undefined ? withPlacementOf(settled, after.template) : settled;
  if (!deepEqual(after.template, wanted)) causes.immutable('spec.template', after.template ?? null);
}

function withPlacementOf(template: PodTemplateSpec, from: PodTemplateSpec | undefined): PodTemplateSpec {
  const mixed = deepCopy(template);
  if (mixed.spec === undefined || from?.spec === undefined) return mixed;
  const { labels, annotations } = from.metadata ?? {};
  if (mixed.metadata !== undefined || labels !== undefined || annotations !== undefined) {
    mixed.metadata = { ...mixed.metadata, labels, annotations } as NonNullable<PodTemplateSpec['metadata']>;
  }
  for (const key of ['affinity', 'nodeSelector', 'tolerations', 'schedulingGates'] as const) {
    Object.assign(mixed.spec, { [key]: from.spec[key] });
  }
  return mixed;
}

export function validateCronJob(causes: Causes, cronJob: CronJob): void {
  const name = cronJob.metadata?.name ?? '';
  if (name.length > CRON_JOB_NAME_LENGTH_MAX) {
    causes.invalid('metadata.name', name, `must be no more than ${CRON_JOB_NAME_LENGTH_MAX} characters`);
  }
  const spec: Partial<NonNullable<CronJob['spec']>> = cronJob.spec ?? {};
  validateSchedule(causes, spec.schedule ?? '');
  validateTimeZone(causes, spec.timeZone);
  causes.nonNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds);
  causes.nonNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit);
  causes.nonNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit);
  if (!spec.concurrencyPolicy) causes.required('spec.concurrencyPolicy');
  else causes.oneOf('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']);
  const field = 'spec.jobTemplate.spec';
  const jobSpec = spec.jobTemplate?.spec ?? {};
  validateJobSpec(causes, field, jobSpec);
  const { selector, manualSelector } = jobSpec as Partial<JobSpec>;
  if (selector !== undefined) causes.invalid(`${field}.selector`, selector, '`selector` will be auto-generated');
  if (manualSelector === true) causes.notSupported(`${field}.manualSelector`, true, ['nil', 'false']);
}

function validateSchedule(causes: Causes, schedule: string): void {
  if (schedule === '') {
    causes.required('spec.schedule');
    return;
  }
  if (schedule.includes('TZ')) {
    causes.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
    return;
  }
  try {
    parseCron(schedule);
  } catch (error) {
    if (!isFault(error, 'CRON_SYNTAX')) throw error;
    causes.invalid('spec.schedule', schedule, error.message);
  }
}

/** Whether the zone exists is seen where it is used: this layer knows no zones. */
function validateTimeZone(causes: Causes, zone: string | undefined): void {
  if (zone === undefined) return;
  if (zone === '') causes.invalid('spec.timeZone', zone, 'timeZone must be nil or non-empty string');
  else if (zone.toLowerCase() === 'local') {
    const text = 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
    causes.invalid('spec.timeZone', zone, text);
  } else if (!/^[A-Za-z0-9+\-_]+(?:\/[A-Za-z0-9+\-_]+){0,2}$/.test(zone)) {
    causes.invalid('spec.timeZone', zone, `unknown time zone ${zone}`);
  }
}
