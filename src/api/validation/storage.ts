/** Rules of volumes and storage.k8s.io. Source: Kubernetes 1.36 pkg/apis/{core,storage}/validation/validation.go. */
import { deepEqual } from '../metadata.ts';
import { isDns1123Subdomain, isQualifiedName } from '../names.ts';
import type { PersistentVolumeClaimSpec } from '../objects.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeSpec,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../objects/storage.ts';
import { compareQuantity, isQuantity, parseQuantity } from '../quantity.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const DRIVER_NAME_LENGTH_MAX = 63;

function validateAccessModes(causes: Causes, field: string, modes: readonly string[]): void {
  if (modes.length === 0) causes.required(field, 'at least 1 access mode is required');
  for (const mode of modes) causes.oneOf(field, mode, ACCESS_MODES);
  if (modes.includes('ReadWriteOncePod') && modes.length > 1) {
    causes.forbidden(field, 'may not use ReadWriteOncePod with other access modes');
  }
}

function validatePositive(causes: Causes, field: string, value: string): void {
  if (isQuantity(value) && parseQuantity(value).nano <= 0n) causes.invalid(field, value, 'must be greater than zero');
}

export function validateClaim(causes: Causes, claim: PersistentVolumeClaim): void {
  const spec = claim.spec ?? ({} as PersistentVolumeClaimSpec);
  if (spec.selector !== undefined) validateLabelSelector(causes, 'spec.selector', spec.selector);
  validateAccessModes(causes, 'spec.accessModes', spec.accessModes ?? []);
  const storage = spec.resources?.requests?.['storage'];
  if (storage === undefined) causes.required('spec.resources[storage]');
  else validatePositive(causes, 'spec.resources[storage]', storage);
  if (spec.storageClassName) {
    causes.invalidEach('spec.storageClassName', spec.storageClassName, isDns1123Subdomain(spec.storageClassName));
  }
  causes.oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']);
  for (const key of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[key];
    if (source === undefined) continue;
    if (!source.name) causes.required(`spec.${key}.name`);
    if (!source.kind) causes.required(`spec.${key}.kind`);
    if (!source.apiGroup && source.kind && source.kind !== 'PersistentVolumeClaim') {
      causes.invalid(
        `spec.${key}`,
        source.kind,
        "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
      );
    }
  }
}

export function validateClaimUpdate(
  causes: Causes,
  updated: PersistentVolumeClaim,
  current: PersistentVolumeClaim,
): void {
  const [after, before] = [updated.spec ?? {}, current.spec ?? {}];
  const kept: Partial<PersistentVolumeClaimSpec> = { ...after };
  const was: Partial<PersistentVolumeClaimSpec> = { ...before };
  // Binding names the volume, and a class may be given to a claim that was made before there was a default.
  if (before.volumeName === undefined) delete kept.volumeName;
  if (before.storageClassName === undefined) delete kept.storageClassName;
  if (current.status?.phase === 'Bound') {
    for (const key of ['resources', 'volumeAttributesClassName'] as const) {
      delete kept[key];
      delete was[key];
    }
  }
  if (!deepEqual(kept, was)) {
    const text =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
    causes.forbidden('spec', text);
  }
  const [size, oldSize] = [after.resources?.requests?.['storage'], before.resources?.requests?.['storage']];
  if (size === undefined || oldSize === undefined || !isQuantity(size) || !isQuantity(oldSize)) return;
  if (compareQuantity(parseQuantity(size), parseQuantity(oldSize)) < 0) {
    causes.forbidden('spec.resources.requests.storage', 'field can not be less than previous value');
  }
}

/** Fields of PersistentVolumeSpec that are not the volume itself. */
const NOT_A_SOURCE: ReadonlySet<string> = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

function sourceOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(spec).filter(([key, value]) => !NOT_A_SOURCE.has(key) && value !== undefined),
  );
}

export function validateVolume(causes: Causes, volume: PersistentVolume): void {
  const spec = volume.spec ?? {};
  validateAccessModes(causes, 'spec.accessModes', spec.accessModes ?? []);
  const capacity = spec.capacity ?? {};
  if (Object.keys(capacity).length === 0) causes.required('spec.capacity');
  else if (capacity['storage'] === undefined || Object.keys(capacity).length > 1) {
    causes.notSupported('spec.capacity', capacity, ['storage']);
  }
  for (const [name, value] of Object.entries(capacity)) validatePositive(causes, `spec.capacity[${name}]`, value);
  causes.oneOf('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, [
    'Delete',
    'Recycle',
    'Retain',
  ]);
  const sources = Object.keys(sourceOf(spec));
  if (sources.length === 0) causes.required('spec', 'must specify a volume type');
  for (const extra of sources.slice(1)) causes.forbidden(`spec.${extra}`, 'may not specify more than 1 volume type');
  validateVolumeSource(causes, spec);
  if (spec.storageClassName) {
    causes.invalidEach('spec.storageClassName', spec.storageClassName, isDns1123Subdomain(spec.storageClassName));
  }
  causes.oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']);
}

function validateVolumeSource(causes: Causes, spec: PersistentVolumeSpec): void {
  const { hostPath, nfs, local, csi } = spec;
  if (hostPath !== undefined && !hostPath.path) causes.required('spec.hostPath.path');
  if (hostPath?.path?.split('/').includes('..') === true) {
    causes.invalid('spec.hostPath.path', hostPath.path, "must not contain '..'");
  }
  if (hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    causes.forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'");
  }
  if (nfs !== undefined) {
    if (!nfs.server) causes.required('spec.nfs.server');
    if (!nfs.path) causes.required('spec.nfs.path');
    else if (!nfs.path.startsWith('/')) causes.invalid('spec.nfs.path', nfs.path, 'must be an absolute path');
  }
  if (local !== undefined) {
    if (!local.path) causes.required('spec.local.path');
    if (spec.nodeAffinity?.required === undefined) {
      causes.required('spec.nodeAffinity', 'Local volume requires node affinity');
    }
  }
  if (csi !== undefined) {
    if (!csi.driver) causes.required('spec.csi.driver');
    if (!csi.volumeHandle) causes.required('spec.csi.volumeHandle');
  }
}

export function validateVolumeUpdate(causes: Causes, updated: PersistentVolume, current: PersistentVolume): void {
  const [after, before] = [updated.spec ?? {}, current.spec ?? {}];
  if (!deepEqual(sourceOf(after), sourceOf(before))) {
    causes.forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation');
  }
  if (after.volumeMode !== before.volumeMode) causes.immutable('spec.volumeMode', after.volumeMode ?? null);
  if (before.nodeAffinity !== undefined && !deepEqual(after.nodeAffinity, before.nodeAffinity)) {
    causes.invalid(
      'spec.nodeAffinity',
      after.nodeAffinity ?? null,
      'field is immutable, except for updating from beta label to GA',
    );
  }
}

export function validateStorageClass(causes: Causes, storageClass: StorageClass): void {
  const provisioner = storageClass.provisioner ?? '';
  if (provisioner === '') causes.required('provisioner');
  else causes.invalidEach('provisioner', provisioner, isQualifiedName(provisioner.toLowerCase()));
  causes.oneOf('reclaimPolicy', storageClass.reclaimPolicy, ['Delete', 'Retain']);
  if (!storageClass.volumeBindingMode) causes.required('volumeBindingMode');
  else causes.oneOf('volumeBindingMode', storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
  if (Object.hasOwn(storageClass.parameters ?? {}, '')) {
    causes.invalid('parameters', '', 'field can not be empty.');
  }
}

export function validateStorageClassUpdate(causes: Causes, updated: StorageClass, current: StorageClass): void {
  for (const key of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
    if (!deepEqual(updated[key], current[key])) causes.forbidden(key, `updates to ${key} are forbidden.`);
  }
  for (const key of ['volumeBindingMode', 'allowedTopologies'] as const) {
    if (!deepEqual(updated[key], current[key])) causes.immutable(key, updated[key] ?? null);
  }
}

function validateDriverName(causes: Causes, field: string, name: string): void {
  if (name === '') causes.required(field);
  else if (name.length > DRIVER_NAME_LENGTH_MAX) causes.tooLong(field, DRIVER_NAME_LENGTH_MAX);
  else causes.invalidEach(field, name, isDns1123Subdomain(name.toLowerCase()));
}

export function validateCsiDriver(causes: Causes, driver: CSIDriver): void {
  validateDriverName(causes, 'metadata.name', driver.metadata?.name ?? '');
  const spec = driver.spec ?? {};
  for (const key of ['attachRequired', 'podInfoOnMount', 'storageCapacity'] as const) {
    if (spec[key] === undefined) causes.required(`spec.${key}`);
  }
  causes.oneOf('spec.fsGroupPolicy', spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']);
  for (const [index, mode] of (spec.volumeLifecycleModes ?? []).entries()) {
    causes.oneOf(`spec.volumeLifecycleModes[${index}]`, mode, ['Ephemeral', 'Persistent']);
  }
  const audiences = new Set<string>();
  for (const [index, { audience = '', expirationSeconds }] of (spec.tokenRequests ?? []).entries()) {
    const field = `spec.tokenRequests[${index}]`;
    if (audiences.has(audience)) causes.duplicate(`${field}.audience`, audience);
    audiences.add(audience);
    if (expirationSeconds !== undefined && expirationSeconds < 600) {
      causes.invalid(
        `${field}.expirationSeconds`,
        expirationSeconds,
        'may not specify a duration less than 10 minutes',
      );
    }
  }
}

export function validateCsiDriverUpdate(causes: Causes, updated: CSIDriver, current: CSIDriver): void {
  for (const key of ['attachRequired', 'volumeLifecycleModes'] as const) {
    if (!deepEqual(updated.spec?.[key], current.spec?.[key]))
      causes.immutable(`spec.${key}`, updated.spec?.[key] ?? null);
  }
}

export function validateCsiNode(causes: Causes, node: CSINode): void {
  const names = new Set<string>();
  for (const [index, driver] of (node.spec?.drivers ?? []).entries()) {
    const field = `spec.drivers[${index}]`;
    validateDriverName(causes, `${field}.name`, driver.name ?? '');
    if (!driver.nodeID) causes.required(`${field}.nodeID`);
    if (names.has(driver.name)) causes.duplicate(`${field}.name`, driver.name);
    names.add(driver.name);
    causes.nonNegative(`${field}.allocatable.count`, driver.allocatable?.count);
  }
}

export function validateAttachment(causes: Causes, attachment: VolumeAttachment): void {
  const spec: Partial<VolumeAttachment['spec']> = attachment.spec ?? {};
  validateDriverName(causes, 'spec.attacher', spec.attacher ?? '');
  const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec.source ?? {};
  if (!name && inline === undefined) {
    causes.required('spec.source', 'must specify one of inlineVolumeSpec and persistentVolumeName');
  } else if (name && inline !== undefined) {
    causes.forbidden('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
  }
  if (!spec.nodeName) causes.required('spec.nodeName');
  else causes.invalidEach('spec.nodeName', spec.nodeName, isDns1123Subdomain(spec.nodeName));
}

export function validateAttachmentUpdate(causes: Causes, updated: VolumeAttachment, current: VolumeAttachment): void {
  if (!deepEqual(updated.spec, current.spec)) causes.invalid('spec', updated.spec, 'field is immutable');
}

export function validateCapacity(causes: Causes, capacity: CSIStorageCapacity): void {
  const name = capacity.storageClassName ?? '';
  if (name === '') causes.required('storageClassName');
  else causes.invalidEach('storageClassName', name, isDns1123Subdomain(name));
  for (const key of ['capacity', 'maximumVolumeSize'] as const) {
    const value = capacity[key];
    if (value !== undefined && isQuantity(value) && parseQuantity(value).nano < 0n) {
      causes.invalid(key, value, 'must be greater than or equal to 0');
    }
  }
  if (capacity.nodeTopology !== undefined) validateLabelSelector(causes, 'nodeTopology', capacity.nodeTopology);
}

export function validateCapacityUpdate(causes: Causes, updated: CSIStorageCapacity, current: CSIStorageCapacity): void {
  if (!deepEqual(updated.nodeTopology, current.nodeTopology)) {
    causes.immutable('nodeTopology', updated.nodeTopology ?? null);
  }
  if (updated.storageClassName !== current.storageClassName) {
    causes.immutable('storageClassName', updated.storageClassName);
  }
}

export function validateAttributesClass(causes: Causes, attributesClass: VolumeAttributesClass): void {
  validateDriverName(causes, 'driverName', attributesClass.driverName ?? '');
  if (Object.keys(attributesClass.parameters ?? {}).length === 0) {
    causes.required('parameters', 'must contain at least one key/value pair');
  }
}

export function validateAttributesClassUpdate(
  causes: Causes,
  updated: VolumeAttributesClass,
  current: VolumeAttributesClass,
): void {
  for (const key of ['driverName', 'parameters'] as const) {
    if (!deepEqual(updated[key], current[key])) causes.forbidden(key, `updates to ${key} are forbidden.`);
  }
}
