/** ServiceAccount: every Pod runs as one, which must be there and lends its imagePullSecrets. */
import { findKind } from '#src/api/kinds.ts';
import type { Pod, ServiceAccount } from '#src/api/objects.ts';
import { decodeValue } from '../bytes.ts';
import { objectKey } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionPlugin, type Attributes } from './attributes.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const DEFAULT = 'default';

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  mutate(attributes) {
    const pod = attributes.object as (NamedObject & Pod) | undefined;
    const spec = pod?.spec;
    if (attributes.operation !== 'CREATE' || !isPodKind(attributes.kind) || pod === undefined || spec === undefined) {
      return;
    }
    if (pod.metadata.annotations?.[MIRROR] !== undefined) {
      requirePlainMirror(attributes, pod);
      return;
    }
    const asked = spec.serviceAccountName ?? spec.serviceAccount ?? '';
    const name = asked === '' ? DEFAULT : asked;
    spec.serviceAccountName = name;
    // The deprecated alias is kept equal, as Kubernetes' conversion does.
    spec.serviceAccount = name;
    const account = accountOf(attributes, name);
    const secrets = account?.imagePullSecrets ?? [];
    if ((spec.imagePullSecrets ?? []).length === 0 && secrets.length > 0) spec.imagePullSecrets = secrets;
  },
};

/** @throws ApiError 403 for an account that is not there; `default` comes with the namespace, a moment later. */
function accountOf({ view, kind, namespace, name: pod }: Attributes, name: string): ServiceAccount | undefined {
  const accounts = findKind({ group: '', version: 'v1', resource: 'serviceaccounts' });
  const value = accounts === undefined ? undefined : view.get(objectKey(accounts, namespace, name));
  if (value !== undefined) return decodeValue(value) as ServiceAccount;
  if (name === DEFAULT) return undefined;
  const why = `error looking up service account ${namespace ?? ''}/${name}: serviceaccount "${name}" not found`;
  throw forbidden(kind, pod, why);
}

/** What a node shows of its static Pods may not reach into the API. @throws ApiError 403. */
function requirePlainMirror({ kind, name }: Attributes, pod: Pod): void {
  const { spec } = pod;
  if ((spec?.serviceAccountName ?? '') !== '')
    throw forbidden(kind, name, 'a mirror pod may not reference service accounts');
  for (const volume of spec?.volumes ?? []) {
    if (volume.secret !== undefined) throw forbidden(kind, name, 'a mirror pod may not reference secrets');
    if (volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined) === true) {
      throw forbidden(kind, name, 'a mirror pod may not use ServiceAccountToken volume projections');
    }
  }
}
