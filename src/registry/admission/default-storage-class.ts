/** DefaultStorageClass: the class of a claim that names none; of several defaults the newest. */
import { findKind } from '#src/api/kinds.ts';
import { decodeValue } from '../bytes.ts';
import { objectRange } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import type { AdmissionPlugin } from './attributes.ts';

const IS_DEFAULT = 'storageclass.kubernetes.io/is-default-class';
const IS_DEFAULT_BETA = 'storageclass.beta.kubernetes.io/is-default-class';
const CLASSES_MAX = 1000;

type Claim = NamedObject & { spec?: { storageClassName?: string } };

export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  mutate({ operation, kind, object, view }) {
    if (operation !== 'CREATE' || kind.group !== '' || kind.resource !== 'persistentvolumeclaims') return;
    const claim = object as Claim;
    const asked = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'];
    if (claim.spec === undefined || claim.spec.storageClassName !== undefined || asked !== undefined) return;
    const classes = findKind({ group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses' });
    if (classes === undefined) return;
    const { items } = view.range({ ...objectRange(classes, undefined), limit: CLASSES_MAX });
    const [newest] = items
      .map(({ value }) => decodeValue(value))
      .filter(({ metadata: { annotations } }) =>
        [annotations?.[IS_DEFAULT], annotations?.[IS_DEFAULT_BETA]].includes('true'),
      )
      .toSorted((a, b) => (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? ''));
    if (newest?.metadata.name !== undefined) claim.spec.storageClassName = newest.metadata.name;
  },
};
