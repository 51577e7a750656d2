/** Rules of StatefulSets, DaemonSets and core's workloads. Source: Kubernetes 1.36 pkg/apis/{apps,core}/validation. */
import { deepEqual } from '../metadata.ts';
import { isDns1123Label } from '../names.ts';
import type {
  ControllerRevision,
  DaemonSet,
  PodTemplate,
  ReplicationController,
  StatefulSet,
  StatefulSetSpec,
} from '../objects/workloads.ts';
import {
  isZero,
  validateCountOrPercent,
  validatePodTemplate,
  validateSelector,
  validateTemplate,
  validateTemplateLabels,
} from './apps.ts';
import type { Causes } from './causes.ts';
import { validateLabels } from './metadata.ts';

export function validateStatefulSet(causes: Causes, object: StatefulSet): void {
  const spec = object.spec ?? ({} as Partial<StatefulSetSpec>);
  if (!spec.podManagementPolicy) causes.required('spec.podManagementPolicy');
  else if (!['OrderedReady', 'Parallel'].includes(spec.podManagementPolicy)) {
    causes.invalid('spec.podManagementPolicy', spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
  }
  validateStatefulSetStrategy(causes, spec);
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  for (const key of ['whenDeleted', 'whenScaled'] as const) {
    causes.oneOf(`spec.persistentVolumeClaimRetentionPolicy.${key}`, retention?.[key], ['Delete', 'Retain']);
  }
  causes.nonNegative('spec.replicas', spec.replicas);
  causes.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  causes.nonNegative('spec.ordinals.start', spec.ordinals?.start);
  if (spec.serviceName) causes.invalidEach('spec.serviceName', spec.serviceName, isDns1123Label(spec.serviceName));
  validateSelector(causes, 'statefulset', spec.selector);
  validateTemplate(causes, 'StatefulSet', spec.selector, spec.template);
}

function validateStatefulSetStrategy(causes: Causes, spec: Partial<StatefulSetSpec>): void {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const field = 'spec.updateStrategy';
  if (!type) causes.required(field);
  else if (type === 'OnDelete') {
    if (rollingUpdate !== undefined) {
      causes.invalid(`${field}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'");
    }
  } else if (type !== 'RollingUpdate')
    causes.invalid(field, spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
  if (type !== 'RollingUpdate') return;
  causes.nonNegative(`${field}.rollingUpdate.partition`, rollingUpdate?.partition);
  const most = rollingUpdate?.maxUnavailable;
  validateCountOrPercent(causes, `${field}.rollingUpdate.maxUnavailable`, most, true);
  if (isZero(most)) causes.invalid(`${field}.rollingUpdate.maxUnavailable`, most, 'cannot be 0');
}

const STATEFUL_SET_MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export function validateStatefulSetUpdate(causes: Causes, updated: StatefulSet, current: StatefulSet): void {
  const fixed = (object: StatefulSet): unknown =>
    Object.fromEntries(Object.entries(object.spec ?? {}).filter(([key]) => !STATEFUL_SET_MUTABLE.includes(key)));
  if (deepEqual(fixed(updated), fixed(current))) return;
  const names = STATEFUL_SET_MUTABLE.map((name) => `'${name}'`);
  const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  causes.forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`);
}

export function validateDaemonSet(causes: Causes, object: DaemonSet): void {
  const spec: Partial<NonNullable<DaemonSet['spec']>> = object.spec ?? {};
  validateSelector(causes, 'daemonset', spec.selector);
  validateTemplate(causes, 'DaemonSet', spec.selector, spec.template);
  causes.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  causes.nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const field = 'spec.updateStrategy';
  causes.oneOf(`${field}.type`, type, ['OnDelete', 'RollingUpdate']);
  if (type !== 'RollingUpdate') return;
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {};
  validateCountOrPercent(causes, `${field}.rollingUpdate.maxUnavailable`, maxUnavailable, true);
  validateCountOrPercent(causes, `${field}.rollingUpdate.maxSurge`, maxSurge, true);
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    causes.invalid(`${field}.rollingUpdate.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
  } else if (isZero(maxUnavailable) && isZero(maxSurge)) {
    causes.required(`${field}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
  }
}

export function validateReplicationController(causes: Causes, object: ReplicationController): void {
  const spec = object.spec ?? {};
  causes.nonNegative('spec.replicas', spec.replicas);
  causes.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  const selector = spec.selector ?? {};
  validateLabels(causes, 'spec.selector', selector);
  if (Object.keys(selector).length === 0) causes.required('spec.selector');
  if (spec.template === undefined) {
    causes.required('spec.template');
    return;
  }
  validateTemplateLabels(causes, 'spec.template', { matchLabels: selector }, spec.template);
  validatePodTemplate(causes, 'spec.template', spec.template);
  causes.oneOf('spec.template.spec.restartPolicy', spec.template.spec?.restartPolicy, ['Always']);
}

export function validatePodTemplateObject(causes: Causes, object: PodTemplate): void {
  validatePodTemplate(causes, 'template', object.template);
}

export function validateControllerRevision(causes: Causes, object: ControllerRevision): void {
  if (object.data === undefined || object.data === null) causes.required('data', 'data is mandatory');
  causes.nonNegative('revision', object.revision);
}

export function validateControllerRevisionUpdate(
  causes: Causes,
  updated: ControllerRevision,
  current: ControllerRevision,
): void {
  if (!deepEqual(updated.data, current.data)) causes.immutable('data', updated.data ?? null);
}
