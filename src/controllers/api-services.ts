/**
 * APIServices: one of our own for each group and version that is served here, and whether those of other servers can be
 * reached: their Service is there and has a ready endpoint. Each API server finds out for itself whether it answers.
 */
import { isApiError } from '#src/api/api-error.ts';
import { findCondition, formatTime, withCondition, type ConditionLike } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import { isFenced } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import type { Duties } from './controllers.ts';
import { SERVICE } from './informers.ts';
import { API_SERVICES, CUSTOM_RESOURCE_DEFINITIONS } from './resources.ts';
import { createWorkQueue } from './work-queue.ts';

const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged';
/** As Kubernetes gives the core group, its own groups and custom resources. */
const PRIORITIES = { core: 18_000, own: 17_000, custom: 1_000 };
const VERSION_PRIORITY = { own: 15, custom: 100 };

interface ApiService extends KubeObject {
  spec?: { group?: string; version?: string; service?: { namespace?: string; name?: string } };
  status?: { conditions?: Condition[] };
}

interface Condition extends ConditionLike {
  reason?: string;
  message?: string;
}

export function keepApiServices(context: ControllerContext): Duties {
  const { client, clock, informers } = context;
  const services = informers.of(API_SERVICES);
  let term = 0;

  /** Name → the group and version that are served here. */
  const wanted = (): Map<string, { group: string; version: string; isCustom: boolean }> =>
    new Map(
      client.kinds().map(({ group, version, custom }) => {
        return [`${version}.${group}`, { group, version, isCustom: custom !== undefined }];
      }),
    );

  const handle = async (name: string): Promise<void> => {
    const found = services?.get(undefined, name) as ApiService | undefined;
    const local = wanted().get(name);
    try {
      if (found === undefined) {
        if (local !== undefined) await client.create(API_SERVICES, localService(name, local), { term });
      } else if (found.spec?.service !== undefined) await judge(found);
      else if (local === undefined && found.metadata?.labels?.[AUTOMANAGED] !== undefined) {
        await client.delete(API_SERVICES, name, { term });
      }
    } catch (error) {
      if (isFenced(error) || isApiError(error, 'NotFound') || isApiError(error, 'AlreadyExists')) return;
      throw error;
    }
  };

  const judge = async (service: ApiService): Promise<void> => {
    const condition = availabilityOf(service);
    const before = findCondition(service.status?.conditions ?? [], 'Available') as Condition | undefined;
    if (before?.status === condition.status && before.reason === condition.reason) return;
    const conditions = withCondition(service.status?.conditions, condition, formatTime(clock.wallMs()));
    const told: ApiService = { ...service, status: { ...service.status, conditions } };
    await client.update(API_SERVICES, told, { term, subresource: 'status' });
  };

  const availabilityOf = ({ spec }: ApiService): Condition => {
    const { namespace = '', name = '' } = spec?.service ?? {};
    const refused = (reason: string, message: string) => ({ type: 'Available', status: 'False', reason, message });
    if (informers.services.get(namespace, name) === undefined) {
      return refused('ServiceNotFound', `service/${name} in "${namespace}" is not present`);
    }
    const slices = informers.endpointSlices.byIndex(SERVICE, `${namespace}/${name}`);
    const isReady = slices.some(({ endpoints }) =>
      (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false),
    );
    if (!isReady)
      return refused('MissingEndpoints', `endpoints for service/${name} in "${namespace}" have no addresses`);
    return { type: 'Available', status: 'True', reason: 'Passed', message: 'all checks passed' };
  };

  const queue = createWorkQueue({ name: 'api-services', clock, log: context.log, handle });
  const look = (name: string) => {
    if (term > 0) queue.add(name);
  };
  const all = () => {
    if (term === 0) return;
    for (const name of wanted().keys()) if (services?.get(undefined, name) === undefined) queue.add(name);
    for (const service of services?.list() ?? []) queue.add(service.metadata?.name ?? '');
  };
  const remote = () => {
    for (const service of (services?.list() ?? []) as ApiService[]) {
      if (service.spec?.service !== undefined) look(service.metadata?.name ?? '');
    }
  };
  services?.onChange((_type, service) => look(service.metadata?.name ?? ''));
  informers.of(CUSTOM_RESOURCE_DEFINITIONS)?.onChange(all);
  informers.services.onChange(remote);
  informers.endpointSlices.onChange(remote);
  return {
    start(newTerm) {
      term = newTerm;
      queue.start();
      all();
    },
    stop() {
      term = 0;
      queue.stop();
    },
  };
}

function localService(
  name: string,
  { group, version, isCustom }: { group: string; version: string; isCustom: boolean },
): KubeObject {
  const groupPriorityMinimum = isCustom ? PRIORITIES.custom : group === '' ? PRIORITIES.core : PRIORITIES.own;
  const versionPriority = isCustom ? VERSION_PRIORITY.custom : VERSION_PRIORITY.own;
  const metadata = { name, labels: { [AUTOMANAGED]: isCustom ? 'true' : 'onstart' } };
  const spec = { ...(group === '' ? {} : { group }), version, groupPriorityMinimum, versionPriority };
  return { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata, spec } as KubeObject;
}
