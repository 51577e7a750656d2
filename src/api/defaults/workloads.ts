/** Defaults of workloads. Source: Kubernetes 1.36 pkg/apis/{core,apps,batch,autoscaling}/<version>/defaults.go. */
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../objects/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../objects/autoscaling-v2.ts';
import type { PersistentVolumeClaim } from '../objects/storage.ts';
import type { CronJob, DaemonSet, Job, PodTemplate, ReplicationController, StatefulSet } from '../objects/workloads.ts';
import { defaultPodSpec } from '../pod-defaults.ts';

/** Kubernetes' own: without a limit of its own when there is one per index. */
const BACKOFF_LIMIT_NONE = 2_147_483_647;
const METRICS_ANNOTATION = 'autoscaling.alpha.kubernetes.io/metrics';

function defaultTemplate(template: PodTemplate['template']): void {
  if (template?.spec !== undefined) defaultPodSpec(template.spec, 'template');
}

export function defaultPodTemplate(object: PodTemplate): void {
  defaultTemplate(object.template);
}

export function defaultReplicationController(object: ReplicationController): void {
  const spec = object.spec;
  if (spec === undefined) return;
  const labels = spec.template?.metadata?.labels;
  if (labels !== undefined) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    if (Object.keys(object.metadata?.labels ?? {}).length === 0) {
      object.metadata = { ...object.metadata, labels: { ...labels } };
    }
  }
  spec.replicas ??= 1;
  defaultTemplate(spec.template);
}

export function defaultStatefulSet(object: StatefulSet): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.podManagementPolicy ??= 'OrderedReady';
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ??= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ??= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ??= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  defaultTemplate(spec.template);
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion ??= 'v1';
    claim.kind ??= 'PersistentVolumeClaim';
    defaultClaim(claim);
  }
}

export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ??= 'Pending';
  if (claim.spec !== undefined) claim.spec.volumeMode ??= 'Filesystem';
}

export function defaultDaemonSet(object: DaemonSet): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ??= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  defaultTemplate(spec.template);
}

export function defaultJob(object: Job): void {
  const spec = object.spec;
  if (spec === undefined) return;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : BACKOFF_LIMIT_NONE;
  const labels = spec.template?.metadata?.labels;
  if (labels !== undefined && Object.keys(object.metadata?.labels ?? {}).length === 0) {
    object.metadata = { ...object.metadata, labels: { ...labels } };
  }
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const condition of rule.onPodConditions ?? []) condition.status ||= 'True';
  }
  defaultTemplate(spec.template);
}

export function defaultCronJob(object: CronJob): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.concurrencyPolicy ??= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  defaultTemplate(spec.jobTemplate?.spec?.template);
}

export function defaultAutoscalerV1(object: AutoscalerV1): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.minReplicas ??= 1;
  // v2's default, which is v1's only where no other metrics travel in the annotations.
  if (object.metadata?.annotations?.[METRICS_ANNOTATION] === undefined) spec.targetCPUUtilizationPercentage ??= 80;
}

export function defaultAutoscalerV2(object: HorizontalPodAutoscaler): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.minReplicas ??= 1;
  if ((spec.metrics?.length ?? 0) === 0) {
    const target = { type: 'Utilization', averageUtilization: 80 };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  if (spec.behavior === undefined) return;
  const doubling = { type: 'Percent', value: 100, periodSeconds: 15 };
  spec.behavior.scaleUp = scalingRules(spec.behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, doubling],
  });
  spec.behavior.scaleDown = scalingRules(spec.behavior.scaleDown, { selectPolicy: 'Max', policies: [{ ...doubling }] });
}

function scalingRules(given: HPAScalingRules | undefined, otherwise: HPAScalingRules): HPAScalingRules {
  if (given === undefined) return otherwise;
  given.selectPolicy ??= 'Max';
  given.policies ??= otherwise.policies ?? [];
  if (otherwise.stabilizationWindowSeconds !== undefined) {
    given.stabilizationWindowSeconds ??= otherwise.stabilizationWindowSeconds;
  }
  return given;
}
