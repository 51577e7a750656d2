/**
 * What the system itself writes into objects of some kinds when they are made or changed, after defaults and before
 * validation: Kubernetes' strategies. Pure; what every kind has in common is in create.ts and update.ts.
 */
import { decodeObject } from '#src/api/decode.ts';
import { findType } from '#src/api/facts/facts.ts';
import type { Kind } from '#src/api/kinds.ts';
import { deepEqual, formatTime } from '#src/api/metadata.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#src/api/objects/access.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#src/api/objects/storage.ts';
import type { DaemonSet, Job } from '#src/api/objects/workloads.ts';
import type { Identity } from './client.ts';
import type { NamedObject } from './raw.ts';

export interface StrategyRequest {
  identity: Identity;
  nowMs: number;
  /** '' for the object itself. */
  subresource: string;
}

interface Strategy {
  create?: (object: never, request: StrategyRequest) => void;
  /** `updated` has the status, or the spec, of `current` already where the write may not change it. */
  update?: (updated: never, current: never, request: StrategyRequest) => void;
}

const STRATEGIES: Record<string, Strategy> = {
  'batch/v1 Job': { create: generateSelector },
  'apps/v1 DaemonSet': { create: startTemplateGeneration, update: countTemplateGeneration },
  'v1 PersistentVolume': { create: startPhase, update: notePhase },
  'v1 PersistentVolumeClaim': { create: normalizeDataSources, update: normalizeDataSources },
  'certificates.k8s.io/v1 CertificateSigningRequest': { create: setRequester, update: keepRequest },
};

/** Kinds whose status existed before this file settle theirs in create.ts. */
const OWN_STATUS: ReadonlySet<string> = new Set([
  'v1 Namespace',
  'v1 Node',
  'v1 Pod',
  'v1 Service',
  'apps/v1 Deployment',
  'apps/v1 ReplicaSet',
]);

function keyOf(kind: Kind): string {
  return `${kind.apiVersion} ${kind.kind}`;
}

/** Changes the object in place. */
export function prepareForCreate(kind: Kind, object: NamedObject, request: StrategyRequest): void {
  if (kind.hasStatus && !OWN_STATUS.has(keyOf(kind))) resetStatus(kind, object as NamedObject & { status?: unknown });
  const create = STRATEGIES[keyOf(kind)]?.create as
    | ((object: NamedObject, request: StrategyRequest) => void)
    | undefined;
  create?.(object, request);
}

/** Changes `updated` in place; `current` is only looked at. */
export function prepareForUpdate(
  kind: Kind,
  updated: NamedObject,
  current: NamedObject,
  request: StrategyRequest,
): void {
  const update = STRATEGIES[keyOf(kind)]?.update as
    | ((updated: NamedObject, current: NamedObject, request: StrategyRequest) => void)
    | undefined;
  update?.(updated, current, request);
}

/** Whatever was sent: with the fields that Go always writes, and the phase a volume begins with. */
function resetStatus(kind: Kind, object: { status?: unknown }): void {
  const type = findType(kind.typeName)?.byName.get('status')?.type;
  // The table knows nothing of custom resources: theirs is only dropped.
  if (type === undefined) {
    delete object.status;
    return;
  }
  const status = { ...decodeObject({}, type, { fieldValidation: 'Ignore' }).object };
  const isVolume = kind.group === '' && kind.resource.startsWith('persistentvolume');
  if (isVolume) status['phase'] = 'Pending';
  if (kind.resource === 'ingresses') status['loadBalancer'] = {};
  object.status = status;
}

const JOB_NAME = 'batch.kubernetes.io/job-name';
const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

/** Its Pods are found by the Job's uid, which no other Job has, unless the user says how. */
function generateSelector(job: Job): void {
  const spec = job.spec;
  if (spec?.template === undefined || spec.manualSelector === true) return;
  const { name = '', uid = '' } = job.metadata;
  const labels = { ...spec.template.metadata?.labels };
  // A label that the user set otherwise stays, for validation to refuse.
  for (const key of ['job-name', JOB_NAME]) labels[key] ??= name;
  for (const key of ['controller-uid', CONTROLLER_UID]) labels[key] ??= uid;
  spec.template.metadata = { ...spec.template.metadata, labels };
  spec.selector = {
    ...spec.selector,
    matchLabels: { [CONTROLLER_UID]: uid, ...spec.selector?.matchLabels },
  };
  // Kubernetes defaults them whenever it reads the Job, so clients see them from the first moment.
  if (Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata = { ...job.metadata, labels: { ...labels } };
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

function setTemplateGeneration(object: DaemonSet, generation: number): void {
  const annotations = { ...object.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
  object.metadata = { ...object.metadata, annotations };
}

function startTemplateGeneration(object: DaemonSet): void {
  setTemplateGeneration(object, 1);
}

/** Counts changes of the template; nobody may set it otherwise. */
function countTemplateGeneration(updated: DaemonSet, current: DaemonSet): void {
  const before = Number(current.metadata.annotations?.[TEMPLATE_GENERATION] ?? 1);
  const changed = !deepEqual(updated.spec?.template, current.spec?.template);
  setTemplateGeneration(updated, (Number.isSafeInteger(before) ? before : 1) + (changed ? 1 : 0));
}

function startPhase(volume: PersistentVolume, request: StrategyRequest): void {
  volume.status = { ...volume.status, lastPhaseTransitionTime: formatTime(request.nowMs) };
}

function notePhase(updated: PersistentVolume, current: PersistentVolume, request: StrategyRequest): void {
  if (request.subresource !== 'status' || updated.status?.phase === current.status?.phase) return;
  const { lastPhaseTransitionTime: given } = updated.status ?? {};
  if (given !== undefined && given !== current.status?.lastPhaseTransitionTime) return;
  updated.status = { ...updated.status, lastPhaseTransitionTime: formatTime(request.nowMs) };
}

/** dataSource and dataSourceRef say the same where both can (KEP-1495). */
function normalizeDataSources(claim: PersistentVolumeClaim): void {
  const spec = claim.spec;
  if (spec === undefined) return;
  const { dataSource, dataSourceRef } = spec;
  if (dataSource !== undefined && dataSourceRef === undefined) {
    spec.dataSourceRef = { ...dataSource };
  } else if (dataSource === undefined && dataSourceRef !== undefined && !dataSourceRef.namespace) {
    const { namespace: _none, ...local } = dataSourceRef;
    spec.dataSource = local;
  }
}

/** A request speaks for whoever sends it. */
function setRequester(object: CertificateSigningRequest, { identity }: StrategyRequest): void {
  const { username: _user, uid: _uid, groups: _groups, extra: _extra, ...spec } = object.spec ?? {};
  object.spec = {
    ...spec,
    username: identity.user,
    ...(identity.uid === undefined ? {} : { uid: identity.uid }),
    groups: [...identity.groups],
  } as CertificateSigningRequest['spec'];
}

const VERDICTS = ['Approved', 'Denied'];

/** The spec never changes; approval and status each have their own conditions. */
function keepRequest(
  updated: CertificateSigningRequest,
  current: CertificateSigningRequest,
  request: StrategyRequest,
): void {
  updated.spec = current.spec;
  if (request.subresource === '') return;
  const isApproval = request.subresource === 'approval';
  const isMine = ({ type }: CertificateSigningRequestCondition): boolean => VERDICTS.includes(type) === isApproval;
  const known = current.status?.conditions ?? [];
  const sent = (updated.status?.conditions ?? []).filter(isMine).map((condition) => stamped(condition, known, request));
  // In the order that they are known in, new ones at the end.
  const kept = known.flatMap((condition) =>
    isMine(condition) ? sent.filter(({ type }) => type === condition.type) : [condition],
  );
  const added = sent.filter(({ type }) => !known.some((condition) => condition.type === type));
  const conditions = [...kept, ...added];
  const { conditions: _sent, ...rest } = (isApproval ? current.status : updated.status) ?? {};
  updated.status = { ...rest, ...(conditions.length === 0 ? {} : { conditions }) };
}

function stamped(
  condition: CertificateSigningRequestCondition,
  known: readonly CertificateSigningRequestCondition[],
  { nowMs }: StrategyRequest,
): CertificateSigningRequestCondition {
  const before = known.find(({ type }) => type === condition.type);
  const now = formatTime(nowMs);
  const lastTransitionTime =
    condition.lastTransitionTime ??
    (before?.status === condition.status ? before.lastTransitionTime : undefined) ??
    now;
  return { ...condition, lastUpdateTime: condition.lastUpdateTime ?? now, lastTransitionTime };
}
