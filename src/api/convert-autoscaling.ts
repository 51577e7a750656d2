/**
 * HorizontalPodAutoscaler between autoscaling/v1 and v2, which is stored. What v1 has no fields for travels in the
 * annotations that Kubernetes uses, so that a client of v1 writes back what it was given and loses nothing.
 * Source: Kubernetes 1.36 pkg/apis/autoscaling/v1/conversion.go.
 */
import type { KubeObject } from './object.ts';
import type { HorizontalPodAutoscaler as V1 } from './objects/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler as V2, MetricSpec, MetricStatus } from './objects/autoscaling-v2.ts';
import { decodeObject } from './decode.ts';
import { ApiError } from './api-error.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { isFault } from '#src/std/fault.ts';

const PREFIX = 'autoscaling.alpha.kubernetes.io/';
const METRICS = `${PREFIX}metrics`;
const BEHAVIOR = `${PREFIX}behavior`;
const CONDITIONS = `${PREFIX}conditions`;
const CURRENT_METRICS = `${PREFIX}current-metrics`;
const TYPES = 'io.k8s.api.autoscaling.v2.';

export function hpaToV2(object: V1): V2 {
  const { spec, status, metadata } = object;
  const annotations = { ...metadata?.annotations };
  const carried = (key: string): unknown => readAnnotation(annotations[key]);
  const target = spec?.targetCPUUtilizationPercentage;
  const metrics = list(carried(METRICS)).flatMap((item) => typed<MetricSpec>('MetricSpec', specFromV1(item)) ?? []);
  if (target !== undefined) {
    const resource = { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } };
    metrics.unshift({ type: 'Resource', resource });
  }
  const behavior = typed<object>('HorizontalPodAutoscalerBehavior', carried(BEHAVIOR));
  const conditions = list(carried(CONDITIONS)).flatMap(
    (item) => typed<object>('HorizontalPodAutoscalerCondition', item) ?? [],
  );
  const current = list(carried(CURRENT_METRICS)).flatMap(
    (item) => typed<MetricStatus>('MetricStatus', statusFromV1(item)) ?? [],
  );
  const utilization = status?.currentCPUUtilizationPercentage;
  if (utilization !== undefined) {
    current.unshift({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: utilization } } });
  }
  for (const key of [METRICS, BEHAVIOR, CONDITIONS, CURRENT_METRICS]) delete annotations[key];
  const { targetCPUUtilizationPercentage: _target, ...specRest } = spec ?? {};
  const { currentCPUUtilizationPercentage: _current, ...statusRest } = status ?? {};
  return {
    ...object,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(metadata, annotations),
    ...(spec === undefined
      ? {}
      : {
          spec: {
            ...specRest,
            ...(metrics.length === 0 ? {} : { metrics }),
            ...(behavior === undefined ? {} : { behavior }),
          },
        }),
    ...(status === undefined && conditions.length + current.length === 0
      ? {}
      : {
          status: {
            ...statusRest,
            currentMetrics: current,
            ...(conditions.length === 0 ? {} : { conditions }),
          },
        }),
  } as V2;
}

export function hpaToV1(object: V2): V1 {
  const { spec, status, metadata } = object;
  const { metrics = [], behavior, ...specRest } = spec ?? {};
  const { currentMetrics = [], conditions = [], ...statusRest } = status ?? {};
  const cpu = metrics.find(isCpuUtilization);
  const cpuNow = currentMetrics.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu');
  const utilization = cpuNow?.resource?.current?.averageUtilization;
  const otherMetrics = metrics.filter((metric) => metric !== cpu);
  const otherNow = utilization === undefined ? currentMetrics : currentMetrics.filter((metric) => metric !== cpuNow);
  const annotations: Record<string, string> = { ...metadata?.annotations };
  if (otherMetrics.length > 0) annotations[METRICS] = JSON.stringify(otherMetrics.map(specToV1));
  if (behavior !== undefined) annotations[BEHAVIOR] = JSON.stringify(behavior);
  if (conditions.length > 0) annotations[CONDITIONS] = JSON.stringify(conditions);
  if (otherNow.length > 0) annotations[CURRENT_METRICS] = JSON.stringify(otherNow.map(statusToV1));
  const target = cpu?.resource?.target?.averageUtilization;
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(metadata, annotations),
    ...(spec === undefined
      ? {}
      : { spec: { ...specRest, ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }) } }),
    ...(status === undefined
      ? {}
      : {
          status: {
            currentReplicas: 0,
            ...statusRest,
            ...(utilization === undefined ? {} : { currentCPUUtilizationPercentage: utilization }),
          },
        }),
  } as V1;
}

function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target?.averageUtilization !== undefined;
}

function withAnnotations(metadata: KubeObject['metadata'], annotations: Record<string, string>): object {
  const { annotations: _before, ...rest } = metadata ?? {};
  return Object.keys(annotations).length === 0 ? rest : { ...rest, annotations };
}

/** Whatever users may have written there: what is no JSON is nothing, as in Kubernetes. */
function readAnnotation(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return parseStrictJson(text).value;
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value when it can be read as that type. */
function typed<T>(type: string, value: unknown): T | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return decodeObject(value, TYPES + type, { fieldValidation: 'Ignore' }).object as T;
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}

type Json = Record<string, unknown>;

function part(value: unknown, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  const found = (value as Json)[key];
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Json) : undefined;
}

/** Without the members that are undefined. */
function defined(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

/** autoscaling/v1 MetricSpec, which is in annotations only: `targetAverageUtilization` and the like. */
function specToV1(metric: MetricSpec): Json {
  const { type, resource, containerResource, pods, object, external } = metric;
  const usage = (source: typeof resource) =>
    source &&
    defined({
      name: source.name,
      targetAverageUtilization: source.target?.averageUtilization,
      targetAverageValue: source.target?.averageValue,
    });
  return defined({
    type,
    resource: usage(resource),
    containerResource: containerResource && { ...usage(containerResource), container: containerResource.container },
    pods:
      pods &&
      defined({
        metricName: pods.metric?.name,
        targetAverageValue: pods.target?.averageValue,
        selector: pods.metric?.selector,
      }),
    object:
      object &&
      defined({
        target: object.describedObject,
        metricName: object.metric?.name,
        targetValue: object.target?.value,
        averageValue: object.target?.averageValue,
        selector: object.metric?.selector,
      }),
    external:
      external &&
      defined({
        metricName: external.metric?.name,
        metricSelector: external.metric?.selector,
        targetValue: external.target?.value,
        targetAverageValue: external.target?.averageValue,
      }),
  });
}

function targetOf(averageUtilization: unknown, averageValue: unknown, value?: unknown): Json {
  const type = averageUtilization !== undefined ? 'Utilization' : averageValue !== undefined ? 'AverageValue' : 'Value';
  return defined({ type, averageUtilization, averageValue, value });
}

function specFromV1(value: unknown): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage = (source: Json | undefined) =>
    source && {
      name: source['name'],
      target: targetOf(source['targetAverageUtilization'], source['targetAverageValue']),
    };
  const [resource, container] = [part(value, 'resource'), part(value, 'containerResource')];
  const [pods, object, external] = [part(value, 'pods'), part(value, 'object'), part(value, 'external')];
  return defined({
    type: (value as Json)['type'],
    resource: usage(resource),
    containerResource: container && { ...usage(container), container: container['container'] },
    pods: pods && {
      metric: defined({ name: pods['metricName'], selector: pods['selector'] }),
      target: targetOf(undefined, pods['targetAverageValue']),
    },
    object: object && {
      describedObject: object['target'],
      metric: defined({ name: object['metricName'], selector: object['selector'] }),
      target: targetOf(undefined, object['averageValue'], object['targetValue']),
    },
    external: external && {
      metric: defined({ name: external['metricName'], selector: external['metricSelector'] }),
      target: targetOf(undefined, external['targetAverageValue'], external['targetValue']),
    },
  });
}

function statusToV1(metric: MetricStatus): Json {
  const { type, resource, containerResource, pods, object, external } = metric;
  const usage = (source: typeof resource) =>
    source &&
    defined({
      name: source.name,
      currentAverageUtilization: source.current?.averageUtilization,
      currentAverageValue: source.current?.averageValue,
    });
  return defined({
    type,
    resource: usage(resource),
    containerResource: containerResource && { ...usage(containerResource), container: containerResource.container },
    pods:
      pods &&
      defined({
        metricName: pods.metric?.name,
        currentAverageValue: pods.current?.averageValue,
        selector: pods.metric?.selector,
      }),
    object:
      object &&
      defined({
        target: object.describedObject,
        metricName: object.metric?.name,
        currentValue: object.current?.value,
        averageValue: object.current?.averageValue,
        selector: object.metric?.selector,
      }),
    external:
      external &&
      defined({
        metricName: external.metric?.name,
        metricSelector: external.metric?.selector,
        currentValue: external.current?.value,
        currentAverageValue: external.current?.averageValue,
      }),
  });
}

function statusFromV1(value: unknown): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage = (source: Json | undefined) =>
    source && {
      name: source['name'],
      current: defined({
        averageUtilization: source['currentAverageUtilization'],
        averageValue: source['currentAverageValue'],
      }),
    };
  const [resource, container] = [part(value, 'resource'), part(value, 'containerResource')];
  const [pods, object, external] = [part(value, 'pods'), part(value, 'object'), part(value, 'external')];
  return defined({
    type: (value as Json)['type'],
    resource: usage(resource),
    containerResource: container && { ...usage(container), container: container['container'] },
    pods: pods && {
      metric: defined({ name: pods['metricName'], selector: pods['selector'] }),
      current: defined({ averageValue: pods['currentAverageValue'] }),
    },
    object: object && {
      describedObject: object['target'],
      metric: defined({ name: object['metricName'], selector: object['selector'] }),
      current: defined({ value: object['currentValue'], averageValue: object['averageValue'] }),
    },
    external: external && {
      metric: defined({ name: external['metricName'], selector: external['metricSelector'] }),
      current: defined({ value: external['currentValue'], averageValue: external['currentAverageValue'] }),
    },
  });
}
