/** apiregistration.k8s.io/v1 APIService: what is refused, what the server says of its own, and which are remote. */
import type { StatusCause } from '#src/api/api-error.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import { formatTime, withCondition, type ConditionLike } from '#src/api/metadata.ts';
import type { KubeObject, ObjectMeta } from '#src/api/object.ts';
import { Causes } from '#src/api/validation/causes.ts';
import { decodeValue } from './bytes.ts';
import type { RegistryCore } from './core.ts';
import { objectKey, objectRange } from './keys.ts';
import type { NamedObject } from './raw.ts';

export interface ApiService extends KubeObject {
  metadata: ObjectMeta;
  spec?: {
    group?: string;
    version?: string;
    service?: { namespace?: string; name?: string; port?: number };
    insecureSkipTLSVerify?: boolean;
    caBundle?: string;
    groupPriorityMinimum: number;
    versionPriority: number;
  };
  status?: { conditions?: (ConditionLike & { reason?: string; message?: string })[] };
}

const GROUP_PRIORITY_MAX = 20_000;
const VERSION_PRIORITY_MAX = 1_000;
const PORT_MAX = 65_535;

export function isApiServiceKind(kind: { group: string; resource: string }): boolean {
  return kind.group === 'apiregistration.k8s.io' && kind.resource === 'apiservices';
}

/** Defaults and judges it, in place; says of local ones that they are available. Nothing for other kinds. */
export function judgeApiService(core: RegistryCore, kind: Kind, object: NamedObject): StatusCause[] {
  if (!isApiServiceKind(kind)) return [];
  const causes = new Causes();
  const service = object as unknown as ApiService;
  const { spec } = service;
  if (spec === undefined) {
    causes.required('spec');
    return causes.list;
  }
  if (spec.service !== undefined) spec.service.port ??= 443;
  checkSpec(causes, service.metadata.name ?? '', spec);
  if (causes.list.length > 0 || spec.service !== undefined) return causes.list;
  const local = {
    type: 'Available',
    status: 'True',
    reason: 'Local',
    message: 'Local APIServices are always available',
  };
  const conditions = withCondition(service.status?.conditions, local, formatTime(core.clock.wallMs()));
  service.status = { ...service.status, conditions };
  return [];
}

function checkSpec(causes: Causes, name: string, spec: NonNullable<ApiService['spec']>): void {
  const { group = '', version = '', service } = spec;
  const wanted = `${version}.${group}`;
  if (name !== wanted) causes.invalid('metadata.name', name, `must be \`spec.version+"."+spec.group\`: "${wanted}"`);
  if (version === '') causes.required('spec.version');
  const within = (field: string, value: number, max: number): void => {
    if (value <= 0 || value > max) causes.invalid(field, value, `must be positive and less than ${max}`);
  };
  within('spec.groupPriorityMinimum', spec.groupPriorityMinimum, GROUP_PRIORITY_MAX);
  within('spec.versionPriority', spec.versionPriority, VERSION_PRIORITY_MAX);
  if (service === undefined) {
    if ((spec.caBundle ?? '') !== '') {
      causes.invalid(
        'spec.caBundle',
        `${spec.caBundle?.length ?? 0} bytes`,
        'local APIServices may not have a caBundle',
      );
    }
    if (spec.insecureSkipTLSVerify === true) {
      causes.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify');
    }
    return;
  }
  if ((service.namespace ?? '') === '') causes.required('spec.service.namespace');
  if ((service.name ?? '') === '') causes.required('spec.service.name');
  if ((service.port ?? 443) < 1 || (service.port ?? 443) > PORT_MAX) {
    causes.invalid(
      'spec.service.port',
      service.port,
      `port is not valid: must be between 1 and ${PORT_MAX}, inclusive`,
    );
  }
  if (spec.insecureSkipTLSVerify === true && (spec.caBundle ?? '') !== '') {
    causes.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
  }
}

const kindOf = (): Kind =>
  findKind({ group: 'apiregistration.k8s.io', version: 'v1', resource: 'apiservices' }) as Kind;

/** The APIService that says another server has this group and version, by the local state. */
export function remoteApiService(core: RegistryCore, group: string, version: string): ApiService | undefined {
  const value = core.reader.local().get(objectKey(kindOf(), undefined, `${version}.${group}`));
  const service = value === undefined ? undefined : (decodeValue(value) as unknown as ApiService);
  return service?.spec?.service === undefined ? undefined : service;
}

/** All of another server, the most important group first. */
export function remoteApiServices(core: RegistryCore): ApiService[] {
  const { items } = core.reader.local().range({ ...objectRange(kindOf(), undefined), limit: 0 });
  return items
    .map(({ value }) => decodeValue(value) as unknown as ApiService)
    .filter(({ spec }) => spec?.service !== undefined)
    .sort(
      (a, b) =>
        (b.spec?.groupPriorityMinimum ?? 0) - (a.spec?.groupPriorityMinimum ?? 0) ||
        (b.spec?.versionPriority ?? 0) - (a.spec?.versionPriority ?? 0),
    );
}
