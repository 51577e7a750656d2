/** Tables of autoscaling. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import { hpaToV2 } from '../convert-autoscaling.ts';
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../objects/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../objects/autoscaling-v2.ts';
import type { Scale } from '../objects.ts';
import { age, AGE, column, NAME, nameOf, printer } from './printer.ts';

/** Metrics listed before `+ N more...`. */
const METRICS_SHOWN_MAX = 2;

const COLUMNS = [
  NAME,
  column('Reference', 'What it scales.'),
  column('Targets', 'Current and wanted values of its metrics.'),
  column('MinPods', 'Replicas at least.'),
  column('MaxPods', 'Replicas at most.'),
  column('Replicas', 'Replicas there are.'),
  AGE,
];

/** autoscaling/v1 Scale, of whatever has one. */
export const scale = printer<Scale>(
  [
    { ...NAME, format: '' },
    column('Desired', 'Replicas that are wanted.', 'integer'),
    column('Available', 'Replicas there are.', 'integer'),
    AGE,
  ],
  (object, nowMs) => [nameOf(object), object.spec?.replicas ?? 0, object.status?.replicas ?? 0, age(object, nowMs)],
);

export const autoscalerV2 = printer<HorizontalPodAutoscaler>(COLUMNS, autoscalerCells);

export const autoscalerV1 = printer<AutoscalerV1>(COLUMNS, (object, nowMs) => autoscalerCells(hpaToV2(object), nowMs));

function autoscalerCells(object: HorizontalPodAutoscaler, nowMs: number) {
  const { scaleTargetRef, minReplicas, maxReplicas, metrics } = object.spec ?? {};
  return [
    nameOf(object),
    `${scaleTargetRef?.kind ?? ''}/${scaleTargetRef?.name ?? ''}`,
    metricsText(metrics ?? [], object.status?.currentMetrics ?? []),
    minReplicas === undefined ? '<unset>' : String(minReplicas),
    maxReplicas ?? 0,
    object.status?.currentReplicas ?? 0,
    age(object, nowMs),
  ];
}

function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return '<none>';
  const texts = specs.map((spec, index) => metricText(spec, statuses[index]));
  const shown = texts.slice(0, METRICS_SHOWN_MAX).join(', ');
  return texts.length > METRICS_SHOWN_MAX ? `${shown} + ${texts.length - METRICS_SHOWN_MAX} more...` : shown;
}

const UNKNOWN = '<unknown>';

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
    case 'Object': {
      const source = spec.type === 'External' ? spec.external : spec.object;
      const current = spec.type === 'External' ? status?.external?.current : status?.object?.current;
      const { averageValue, value } = source?.target ?? {};
      if (averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${averageValue} (avg)`;
      return `${current?.value ?? UNKNOWN}/${value ?? UNKNOWN}`;
    }
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? UNKNOWN}/${spec.pods?.target?.averageValue ?? UNKNOWN}`;
    case 'Resource':
    case 'ContainerResource': {
      const source = spec.type === 'Resource' ? spec.resource : spec.containerResource;
      const current = spec.type === 'Resource' ? status?.resource?.current : status?.containerResource?.current;
      const { averageValue, averageUtilization } = source?.target ?? {};
      const name = source?.name ?? '';
      if (averageValue !== undefined) return `${name}: ${current?.averageValue ?? UNKNOWN}/${averageValue}`;
      return `${name}: ${percent(current?.averageUtilization, UNKNOWN)}/${percent(averageUtilization, '<auto>')}`;
    }
    default:
      return '<unknown type>';
  }
}

function percent(value: number | undefined, otherwise: string): string {
  return value === undefined ? otherwise : `${value}%`;
}
