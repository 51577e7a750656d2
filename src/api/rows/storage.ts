/** Volumes of core, and storage.k8s.io. */
import type { KindRow } from '../kinds.ts';
import * as storage from '../tables/storage.ts';
import { STATUS } from './subresources.ts';

const GROUP = { group: 'storage.k8s.io', version: 'v1' };

export const STORAGE_ROWS: readonly KindRow[] = [
  {
    group: '',
    version: 'v1',
    kind: 'PersistentVolumeClaim',
    resource: 'persistentvolumeclaims',
    namespaced: true,
    shortNames: ['pvc'],
    subresources: [STATUS],
    ...storage.persistentVolumeClaim,
  },
  {
    group: '',
    version: 'v1',
    kind: 'PersistentVolume',
    resource: 'persistentvolumes',
    namespaced: false,
    shortNames: ['pv'],
    subresources: [STATUS],
    ...storage.persistentVolume,
  },
  {
    ...GROUP,
    kind: 'CSIDriver',
    resource: 'csidrivers',
    namespaced: false,
    allowUnconditionalUpdate: false,
    generationFields: ['spec'],
    ...storage.csiDriver,
  },
  {
    ...GROUP,
    kind: 'CSINode',
    resource: 'csinodes',
    namespaced: false,
    allowUnconditionalUpdate: false,
    ...storage.csiNode,
  },
  {
    ...GROUP,
    kind: 'CSIStorageCapacity',
    resource: 'csistoragecapacities',
    namespaced: true,
    allowUnconditionalUpdate: false,
    ...storage.csiStorageCapacity,
  },
  {
    ...GROUP,
    kind: 'StorageClass',
    resource: 'storageclasses',
    namespaced: false,
    shortNames: ['sc'],
    ...storage.storageClass,
  },
  {
    ...GROUP,
    kind: 'VolumeAttachment',
    resource: 'volumeattachments',
    namespaced: false,
    subresources: [STATUS],
    allowUnconditionalUpdate: false,
    ...storage.volumeAttachment,
  },
  {
    ...GROUP,
    kind: 'VolumeAttributesClass',
    resource: 'volumeattributesclasses',
    namespaced: false,
    shortNames: ['vac'],
    ...storage.volumeAttributesClass,
  },
];
