/** Tables of volumes and storage.k8s.io. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import type { KubeObject } from '../object.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../objects/storage.ts';
import { age, AGE, column, NAME, nameOf, printer, wide } from './printer.ts';

/** The old home of the class name, which still wins. */
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';
const MODES: readonly (readonly [string, string])[] = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
];

const CAPACITY = column('Capacity', 'How much it holds.');
const ACCESS_MODES = column('Access Modes', 'How it can be mounted.');
const VOLUME_MODE = wide('VolumeMode', 'Filesystem or Block.');
const ATTRIBUTES_CLASS = column('VolumeAttributesClass', 'Class of what can be changed while it is used.');

function modesText(modes: readonly string[] | undefined): string {
  return MODES.filter(([mode]) => modes?.includes(mode) === true)
    .map(([, short]) => short)
    .join(',');
}

function classOf(object: KubeObject, name: string | undefined): string {
  return object.metadata?.annotations?.[CLASS_ANNOTATION] ?? name ?? '';
}

function phaseOf(object: KubeObject, phase: string | undefined): string {
  return object.metadata?.deletionTimestamp === undefined ? (phase ?? '') : 'Terminating';
}

export const persistentVolume = printer<PersistentVolume>(
  [
    NAME,
    CAPACITY,
    ACCESS_MODES,
    column('Reclaim Policy', 'What happens to it once its claim is gone.'),
    column('Status', 'Where it is in its life.'),
    column('Claim', 'Claim that it is bound to.'),
    column('StorageClass', 'Class it is of.'),
    ATTRIBUTES_CLASS,
    column('Reason', 'Why it is in its state.'),
    AGE,
    VOLUME_MODE,
  ],
  (object, nowMs) => {
    const { spec = {}, status = {} } = object;
    const claim = spec.claimRef;
    return [
      nameOf(object),
      spec.capacity?.['storage'] ?? '0',
      modesText(spec.accessModes),
      spec.persistentVolumeReclaimPolicy ?? '',
      phaseOf(object, status.phase),
      claim === undefined ? '' : `${claim.namespace ?? ''}/${claim.name ?? ''}`,
      classOf(object, spec.storageClassName),
      spec.volumeAttributesClassName ?? '<unset>',
      status.reason ?? '',
      age(object, nowMs),
      spec.volumeMode ?? '<unset>',
    ];
  },
);

export const persistentVolumeClaim = printer<PersistentVolumeClaim>(
  [
    NAME,
    column('Status', 'Where it is in its life.'),
    column('Volume', 'Volume that it is bound to.'),
    CAPACITY,
    ACCESS_MODES,
    column('StorageClass', 'Class it asks for.'),
    ATTRIBUTES_CLASS,
    AGE,
    VOLUME_MODE,
  ],
  (object, nowMs) => {
    const { spec = {}, status = {} } = object;
    const isBound = (spec.volumeName ?? '') !== '';
    return [
      nameOf(object),
      phaseOf(object, status.phase),
      spec.volumeName ?? '',
      isBound ? (status.capacity?.['storage'] ?? '0') : '',
      isBound ? modesText(status.accessModes) : '',
      classOf(object, spec.storageClassName),
      spec.volumeAttributesClassName ?? '<unset>',
      age(object, nowMs),
      spec.volumeMode ?? '<unset>',
    ];
  },
);

const DEFAULT_CLASS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

export const storageClass = printer<StorageClass>(
  [
    NAME,
    column('Provisioner', 'Who makes volumes of the class.'),
    column('ReclaimPolicy', 'What happens to its volumes once their claims are gone.'),
    column('VolumeBindingMode', 'When a volume is chosen or made for a claim.'),
    column('AllowVolumeExpansion', 'Whether its volumes can grow.'),
    AGE,
  ],
  (object, nowMs) => {
    const isDefault = DEFAULT_CLASS.some((key) => object.metadata?.annotations?.[key] === 'true');
    return [
      nameOf(object) + (isDefault ? ' (default)' : ''),
      object.provisioner ?? '',
      object.reclaimPolicy ?? 'Delete',
      object.volumeBindingMode ?? 'Immediate',
      object.allowVolumeExpansion ?? false,
      age(object, nowMs),
    ];
  },
);

export const volumeAttributesClass = printer<VolumeAttributesClass>(
  [NAME, column('DriverName', 'Driver that the parameters are for.'), AGE],
  (object, nowMs) => [nameOf(object), object.driverName ?? '', age(object, nowMs)],
);

export const volumeAttachment = printer<VolumeAttachment>(
  [
    NAME,
    { ...column('Attacher', 'Driver that attaches.'), format: 'name' },
    column('PV', 'Volume that is attached.'),
    column('Node', 'Node it is attached to.'),
    column('Attached', 'Whether it is done.', 'boolean'),
    AGE,
  ],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.attacher ?? '',
    object.spec?.source?.persistentVolumeName ?? '',
    object.spec?.nodeName ?? '',
    object.status?.attached ?? false,
    age(object, nowMs),
  ],
);

export const csiDriver = printer<CSIDriver>(
  [
    NAME,
    column('AttachRequired', 'Whether volumes must be attached before they are mounted.', 'boolean'),
    column('PodInfoOnMount', 'Whether it is told about the Pod.', 'boolean'),
    column('StorageCapacity', 'Whether the scheduler looks at its capacity.', 'boolean'),
    column('TokenRequests', 'Audiences of the tokens it needs.'),
    column('RequiresRepublish', 'Whether mounts are renewed.', 'boolean'),
    column('Modes', 'Kinds of volumes it offers.'),
    AGE,
  ],
  (object, nowMs) => {
    const spec = object.spec ?? {};
    const audiences = (spec.tokenRequests ?? []).map(({ audience }) => audience);
    return [
      nameOf(object),
      spec.attachRequired ?? true,
      spec.podInfoOnMount ?? false,
      spec.storageCapacity ?? false,
      audiences.length === 0 ? '<unset>' : audiences.join(','),
      spec.requiresRepublish ?? false,
      (spec.volumeLifecycleModes ?? []).join(',') || '<none>',
      age(object, nowMs),
    ];
  },
);

export const csiNode = printer<CSINode>(
  [NAME, column('Drivers', 'Number of drivers on the node.', 'integer'), AGE],
  (object, nowMs) => [nameOf(object), object.spec?.drivers?.length ?? 0, age(object, nowMs)],
);

export const csiStorageCapacity = printer<CSIStorageCapacity>(
  [NAME, column('StorageClassName', 'Class it is about.'), CAPACITY],
  (object) => [nameOf(object), object.storageClassName ?? '', object.capacity ?? '<unset>'],
);
