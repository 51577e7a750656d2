/** Rules of PodSpec, in a Pod and in a template. Source: Kubernetes 1.36 pkg/apis/core/validation/validation.go. */
import { deepCopy, deepEqual } from '../metadata.ts';
import { isDns1123Label, isDns1123Subdomain, isIp, isLabelValue, isQualifiedName } from '../names.ts';
import type { Pod, PodSpec, Toleration, TopologySpreadConstraint, Volume } from '../objects.ts';
import type { Causes } from './causes.ts';
import { validateAffinity } from './affinity.ts';
import { validateContainer } from './container.ts';
import { validateEphemeralContainers } from './ephemeral.ts';
import { validateLabels } from './metadata.ts';
import { validateLabelSelector } from './selector.ts';

const UPDATABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export function validatePodSpec(causes: Causes, field: string, spec: PodSpec | undefined): void {
  const pod = spec ?? ({} as Partial<PodSpec>);
  const volumes = new Set<string>();
  for (const [index, volume] of (pod.volumes ?? []).entries()) {
    validateVolume(causes, `${field}.volumes[${index}]`, volume, volumes);
  }
  if (pod.containers === undefined || pod.containers.length === 0) causes.required(`${field}.containers`);
  const names = new Set<string>();
  for (const group of ['containers', 'initContainers', 'ephemeralContainers'] as const) {
    for (const [index, container] of (pod[group] ?? []).entries()) {
      const path = `${field}.${group}[${index}]`;
      validateContainer(causes, path, container, { group, volumes });
      if (names.has(container.name)) causes.duplicate(`${path}.name`, container.name);
      names.add(container.name);
    }
  }
  validateEphemeralContainers(causes, field, pod);
  validatePodScalars(causes, field, pod);
  validateLabels(causes, `${field}.nodeSelector`, pod.nodeSelector);
  for (const [index, toleration] of (pod.tolerations ?? []).entries()) {
    validateToleration(causes, `${field}.tolerations[${index}]`, toleration);
  }
  for (const [index, constraint] of (pod.topologySpreadConstraints ?? []).entries()) {
    validateSpread(causes, `${field}.topologySpreadConstraints[${index}]`, constraint);
  }
  validateAffinity(causes, `${field}.affinity`, pod.affinity);
  for (const [index, alias] of (pod.hostAliases ?? []).entries()) {
    causes.invalidEach(`${field}.hostAliases[${index}].ip`, alias.ip ?? '', isIp(alias.ip ?? ''));
  }
}

function validatePodScalars(causes: Causes, field: string, pod: Partial<PodSpec>): void {
  causes.oneOf(`${field}.restartPolicy`, pod.restartPolicy, ['Always', 'OnFailure', 'Never']);
  causes.oneOf(`${field}.dnsPolicy`, pod.dnsPolicy, ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']);
  if (pod.dnsPolicy === 'None' && !pod.dnsConfig?.nameservers?.length) {
    causes.required(
      `${field}.dnsConfig.nameservers`,
      'must provide at least one DNS nameserver when `dnsPolicy` is None',
    );
  }
  causes.oneOf(`${field}.preemptionPolicy`, pod.preemptionPolicy, ['Never', 'PreemptLowerPriority']);
  causes.nonNegative(`${field}.terminationGracePeriodSeconds`, pod.terminationGracePeriodSeconds);
  const deadline = pod.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > 2147483647)) {
    causes.invalid(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive');
  }
  if (pod.serviceAccountName) {
    causes.invalidEach(
      `${field}.serviceAccountName`,
      pod.serviceAccountName,
      isDns1123Subdomain(pod.serviceAccountName),
    );
  }
  if (pod.nodeName) causes.invalidEach(`${field}.nodeName`, pod.nodeName, isDns1123Subdomain(pod.nodeName));
  if (pod.hostname) causes.invalidEach(`${field}.hostname`, pod.hostname, isDns1123Label(pod.hostname));
  if (pod.subdomain) causes.invalidEach(`${field}.subdomain`, pod.subdomain, isDns1123Label(pod.subdomain));
  if (pod.runtimeClassName !== undefined) {
    causes.invalidEach(`${field}.runtimeClassName`, pod.runtimeClassName, isDns1123Subdomain(pod.runtimeClassName));
  }
  if (pod.shareProcessNamespace === true && pod.hostPID === true) {
    causes.invalid(`${field}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled');
  }
}

function validateVolume(causes: Causes, field: string, volume: Volume, names: Set<string>): void {
  const { name, ...sources } = volume;
  if (!name) causes.required(`${field}.name`);
  else causes.invalidEach(`${field}.name`, name, isDns1123Label(name));
  if (names.has(name)) causes.duplicate(`${field}.name`, name);
  names.add(name);
  const given = Object.keys(sources).filter((key) => sources[key as keyof typeof sources] !== undefined);
  if (given.length === 0) causes.required(field, 'must specify a volume type');
  for (const extra of given.slice(1)) causes.forbidden(`${field}.${extra}`, 'may not specify more than 1 volume type');
  if (volume.hostPath !== undefined && !volume.hostPath.path) causes.required(`${field}.hostPath.path`);
  if (volume.hostPath?.path.split('/').includes('..') === true) {
    causes.invalid(`${field}.hostPath.path`, volume.hostPath.path, "must not contain '..'");
  }
  if (volume.secret !== undefined && !volume.secret.secretName) causes.required(`${field}.secret.secretName`);
  if (volume.configMap !== undefined && !volume.configMap.name) causes.required(`${field}.configMap.name`);
  if (volume.persistentVolumeClaim !== undefined && !volume.persistentVolumeClaim.claimName) {
    causes.required(`${field}.persistentVolumeClaim.claimName`);
  }
  for (const key of ['secret', 'configMap', 'downwardAPI', 'projected'] as const) {
    const mode = volume[key]?.defaultMode;
    if (mode !== undefined && (mode < 0 || mode > 0o777)) {
      causes.invalid(
        `${field}.${key}.defaultMode`,
        mode,
        'must be a number between 0 and 0777 (octal), both inclusive',
      );
    }
  }
}

function validateToleration(causes: Causes, field: string, toleration: Toleration): void {
  const { key = '', operator = 'Equal', value = '', effect } = toleration;
  if (key !== '') causes.invalidEach(`${field}.key`, key, isQualifiedName(key));
  else if (operator !== 'Exists') {
    causes.invalid(
      `${field}.operator`,
      operator,
      'operator must be Exists when `key` is empty, which means "match all values and all keys"',
    );
  }
  causes.oneOf(`${field}.operator`, operator, ['Equal', 'Exists', 'Gt', 'Lt']);
  if (operator === 'Equal') causes.invalidEach(`${field}.operator`, value, isLabelValue(value));
  if (operator === 'Exists' && value !== '') {
    causes.invalid(`${field}.operator`, toleration, "value must be empty when `operator` is 'Exists'");
  }
  if (effect) causes.oneOf(`${field}.effect`, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
  if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
    causes.invalid(`${field}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
}

function validateSpread(causes: Causes, field: string, constraint: TopologySpreadConstraint): void {
  if (!(constraint.maxSkew > 0))
    causes.invalid(`${field}.maxSkew`, constraint.maxSkew ?? 0, 'must be greater than zero');
  if (!constraint.topologyKey) causes.required(`${field}.topologyKey`, 'can not be empty');
  if (constraint.labelSelector !== undefined) {
    validateLabelSelector(causes, `${field}.labelSelector`, constraint.labelSelector);
  }
  causes.oneOf(`${field}.whenUnsatisfiable`, constraint.whenUnsatisfiable ?? '', ['DoNotSchedule', 'ScheduleAnyway']);
}

/** Nearly all of a Pod's spec is settled when it is made. */
export function validatePodUpdate(causes: Causes, updated: Pod, current: Pod): void {
  if (updated.spec === undefined || current.spec === undefined) return;
  const before = current.spec;
  const after = updated.spec;
  if ((after.containers?.length ?? 0) !== (before.containers?.length ?? 0)) {
    causes.forbidden('spec.containers', 'pod updates may not add or remove containers');
    return;
  }
  if ((after.initContainers?.length ?? 0) !== (before.initContainers?.length ?? 0)) {
    causes.forbidden('spec.initContainers', 'pod updates may not add or remove containers');
    return;
  }
  const deadline = after.activeDeadlineSeconds;
  if (before.activeDeadlineSeconds !== undefined && deadline !== before.activeDeadlineSeconds) {
    if (deadline === undefined)
      causes.invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value');
    else if (deadline > before.activeDeadlineSeconds) {
      causes.invalid('spec.activeDeadlineSeconds', deadline, `must be less than or equal to previous value`);
    }
  }
  const present = new Set((after.tolerations ?? []).map(tolerationIdentity));
  const kept = (before.tolerations ?? []).every((toleration) => present.has(tolerationIdentity(toleration)));
  if (!kept)
    causes.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
  if (!deepEqual(fixedPart(after, before), before)) causes.forbidden('spec', UPDATABLE);
}

/** All of it but the seconds, which may change. */
function tolerationIdentity({ key, operator, value, effect }: Toleration): string {
  return JSON.stringify([key, operator, value, effect]);
}

/** `spec` with what may change taken from `before`. */
function fixedPart(spec: PodSpec, before: PodSpec): PodSpec {
  const part = deepCopy(spec);
  for (const group of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (part[group] ?? []).entries()) container.image = before[group]?.[index]?.image;
  }
  part.activeDeadlineSeconds = before.activeDeadlineSeconds;
  part.tolerations = before.tolerations;
  const grace = before.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0 && part.terminationGracePeriodSeconds === 1)
    part.terminationGracePeriodSeconds = grace;
  // Gates may only be taken away (KEP-3521); a Pod that has them is not bound yet, so its node choice may narrow.
  if (part.schedulingGates?.every((gate) => before.schedulingGates?.some(({ name }) => name === gate.name)) !== false) {
    part.schedulingGates = before.schedulingGates;
  }
  return part;
}
