/** Rules of HorizontalPodAutoscalers. Source: Kubernetes 1.36 pkg/apis/autoscaling/validation/validation.go. */
import { hpaToV2 } from '../convert-autoscaling.ts';
import { isPathSegmentName } from '../names.ts';
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../objects/autoscaling-v1.ts';
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../objects/autoscaling-v2.ts';
import { isQuantity, parseQuantity } from '../quantity.ts';
import type { Causes } from './causes.ts';

const STABILIZATION_SECONDS_MAX = 3600;
const PERIOD_SECONDS_MAX = 1800;

export function validateAutoscalerV1(causes: Causes, object: AutoscalerV1): void {
  validateAutoscaler(causes, hpaToV2(object));
}

export function validateAutoscaler(causes: Causes, object: HorizontalPodAutoscaler): void {
  const spec: Partial<NonNullable<HorizontalPodAutoscaler['spec']>> = object.spec ?? {};
  const { minReplicas, maxReplicas = 0 } = spec;
  if (minReplicas !== undefined && minReplicas < 1) {
    causes.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  }
  if (maxReplicas < 1) causes.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0');
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    causes.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  }
  validateReference(causes, 'spec.scaleTargetRef', spec.scaleTargetRef);
  for (const [index, metric] of (spec.metrics ?? []).entries()) {
    validateMetric(causes, `spec.metrics[${index}]`, metric);
  }
  validateRules(causes, 'spec.behavior.scaleUp', spec.behavior?.scaleUp);
  validateRules(causes, 'spec.behavior.scaleDown', spec.behavior?.scaleDown);
}

function validateReference(causes: Causes, field: string, reference: CrossVersionObjectReference | undefined): void {
  for (const key of ['kind', 'name'] as const) {
    const value = reference?.[key] ?? '';
    if (value === '') causes.required(`${field}.${key}`);
    else causes.invalidEach(`${field}.${key}`, value, isPathSegmentName(value));
  }
}

const SOURCES: Record<string, 'object' | 'pods' | 'resource' | 'containerResource' | 'external'> = {
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
  External: 'external',
};

function validateMetric(causes: Causes, field: string, metric: MetricSpec): void {
  if (!metric.type) {
    causes.required(`${field}.type`, 'must specify a metric source type');
    return;
  }
  const wanted = Object.hasOwn(SOURCES, metric.type) ? SOURCES[metric.type] : undefined;
  if (wanted === undefined) {
    causes.notSupported(`${field}.type`, metric.type, Object.keys(SOURCES).sort());
    return;
  }
  for (const source of Object.values(SOURCES)) {
    if (metric[source] !== undefined && source !== wanted) {
      causes.forbidden(`${field}.${source}`, 'must populate the given metric source only');
    }
  }
  if (metric[wanted] === undefined) {
    causes.required(`${field}.${wanted}`, 'must populate information for the given metric source');
    return;
  }
  validateSource(causes, `${field}.${wanted}`, metric);
}

function validateSource(causes: Causes, field: string, metric: MetricSpec): void {
  const { resource, containerResource, pods, object, external } = metric;
  if (metric.type === 'Resource' && resource !== undefined) validateResource(causes, field, resource);
  if (metric.type === 'ContainerResource' && containerResource !== undefined) {
    if (!containerResource.container) causes.required(`${field}.container`, 'must specify a container');
    validateResource(causes, field, containerResource);
  }
  if (metric.type === 'Pods' && pods !== undefined) {
    validateIdentifier(causes, `${field}.metric`, pods.metric);
    validateTarget(causes, `${field}.target`, pods.target);
    if (pods.target?.averageValue === undefined || !isPositive(pods.target.averageValue)) {
      causes.required(`${field}.target.averageValue`, 'must specify a positive target averageValue');
    }
  }
  if (metric.type === 'Object' && object !== undefined) {
    validateReference(causes, `${field}.describedObject`, object.describedObject);
    validateIdentifier(causes, `${field}.metric`, object.metric);
    validateTarget(causes, `${field}.target`, object.target);
    if (object.target?.value === undefined && object.target?.averageValue === undefined) {
      causes.required(`${field}.target.averageValue`, 'must set either a target value or averageValue');
    }
  }
  if (metric.type === 'External' && external !== undefined) {
    validateIdentifier(causes, `${field}.metric`, external.metric);
    validateTarget(causes, `${field}.target`, external.target);
    const { value, averageValue } = external.target ?? {};
    if (value === undefined && averageValue === undefined) {
      causes.required(`${field}.target.averageValue`, 'must set either a target value for metric or a per-pod target');
    } else if (value !== undefined && averageValue !== undefined) {
      causes.forbidden(`${field}.target.value`, 'may not set both a target value for metric and a per-pod target');
    }
  }
}

function validateResource(causes: Causes, field: string, source: { name: string; target: MetricTarget }): void {
  if (!source.name) causes.required(`${field}.name`, 'must specify a resource name');
  validateTarget(causes, `${field}.target`, source.target);
  const { averageUtilization, averageValue } = source.target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const text = 'must set either a target raw value or a target utilization';
    causes.required(`${field}.target.averageUtilization`, text);
  } else if (averageUtilization !== undefined && averageValue !== undefined) {
    const text = 'may not set both a target raw value and a target utilization';
    causes.forbidden(`${field}.target.averageValue`, text);
  }
}

function validateIdentifier(causes: Causes, field: string, metric: MetricIdentifier | undefined): void {
  if (!metric?.name) causes.required(`${field}.name`, 'must specify a metric name');
  else causes.invalidEach(`${field}.name`, metric.name, isPathSegmentName(metric.name));
}

function validateTarget(causes: Causes, field: string, target: MetricTarget | undefined): void {
  const type = target?.type ?? '';
  if (type === '') causes.required(`${field}.type`, 'must specify a metric target type');
  else if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    causes.invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue');
  }
  if (target?.averageUtilization !== undefined && target.averageUtilization < 1) {
    causes.invalid(`${field}.averageUtilization`, target.averageUtilization, 'must be greater than 0');
  }
  for (const key of ['value', 'averageValue'] as const) {
    const value = target?.[key];
    if (value !== undefined && !isPositive(value)) causes.invalid(`${field}.${key}`, value, 'must be positive');
  }
}

function isPositive(quantity: string): boolean {
  return isQuantity(quantity) && parseQuantity(quantity).nano > 0n;
}

function validateRules(causes: Causes, field: string, rules: HPAScalingRules | undefined): void {
  if (rules === undefined) return;
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [] } = rules;
  if (seconds !== undefined && seconds < 0) {
    causes.invalid(`${field}.stabilizationWindowSeconds`, seconds, 'must be greater than or equal to zero');
  } else if (seconds !== undefined && seconds > STABILIZATION_SECONDS_MAX) {
    const text = `must be less than or equal to ${STABILIZATION_SECONDS_MAX}`;
    causes.invalid(`${field}.stabilizationWindowSeconds`, seconds, text);
  }
  causes.oneOf(`${field}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']);
  if (policies.length === 0) causes.required(`${field}.policies`, 'must specify at least one Policy');
  for (const [index, policy] of policies.entries()) {
    const path = `${field}.policies[${index}]`;
    causes.oneOf(`${path}.type`, policy.type ?? '', ['Percent', 'Pods']);
    if (!(policy.value > 0)) causes.invalid(`${path}.value`, policy.value ?? 0, 'must be greater than zero');
    const period = policy.periodSeconds ?? 0;
    if (period <= 0) causes.invalid(`${path}.periodSeconds`, period, 'must be greater than zero');
    else if (period > PERIOD_SECONDS_MAX) {
      causes.invalid(`${path}.periodSeconds`, period, `must be less than or equal to ${PERIOD_SECONDS_MAX}`);
    }
  }
}
