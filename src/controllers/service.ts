/** Hosts the Service actors, which keep EndpointSlices. */
import { hasEndpoints, planSlices } from '#actors/service/plan.ts';
import { serviceLifecycle, type ServiceFacts, type ServiceIntent } from '#actors/service/service.ts';
import { labelMapMatcher } from '#src/api/selectors.ts';
import type { Pod } from '#src/api/objects.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { objectKey } from '#src/registry/informer.ts';
import { createActorHost, type ActorHost, type Duty } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import { NAMESPACE, SERVICE, SERVICE_NAME_LABEL } from './informers.ts';
import { split } from './replicaset.ts';
import { ENDPOINTS, ENDPOINT_SLICES } from './resources.ts';

export function hostServices(context: ControllerContext): ActorHost {
  const { informers, writer, clock } = context;
  const find = (key: string) => informers.services.get(...split(key));

  const perform = async (intent: ServiceIntent, duty: Duty): Promise<void> => {
    if (intent.kind !== 'writeSlices') return;
    const { create, update, remove, endpoints } = intent.plan;
    const writes: BatchWrite[] = [
      ...create.map((object): BatchWrite => {
        return { verb: 'create', resource: ENDPOINT_SLICES, namespace: object.metadata.namespace ?? '', object };
      }),
      ...update.map((object): BatchWrite => ({ verb: 'update', resource: ENDPOINT_SLICES, object })),
      ...remove.map(({ metadata }): BatchWrite => {
        const { namespace = '', name = '' } = metadata;
        return { verb: 'delete', resource: ENDPOINT_SLICES, namespace, name };
      }),
    ];
    if (endpoints !== undefined) {
      const namespace = endpoints.metadata.namespace ?? '';
      const verb = endpoints.metadata.resourceVersion === undefined ? 'create' : 'update';
      writes.push({ verb, resource: ENDPOINTS, namespace, object: endpoints });
    }
    await writer.batch(duty, writes);
  };

  const host = createActorHost<ServiceFacts, ServiceIntent>({
    kind: {
      kind: 'Service',
      stepper: serviceLifecycle.stepper,
      derive: serviceLifecycle.derive,
      settled: (state) => state === 'settled' || state === 'unmanaged' || state === 'deleting',
      waitsFor: (state) => (state === 'catchingUp' ? 'its own writes to be seen' : 'a change'),
      object: find,
      observe(key, observation) {
        const service = find(key);
        if (service === undefined) return undefined;
        const managed = hasEndpoints(service);
        const pods = managed ? informers.pods.byIndex(NAMESPACE, service.metadata.namespace ?? '') : [];
        return {
          observation,
          managed,
          deleting: service.metadata.deletionTimestamp !== undefined,
          plan: planSlices({
            service,
            pods,
            slices: informers.endpointSlices.byIndex(SERVICE, key),
            endpoints: informers.endpoints.get(...split(key)),
          }),
        };
      },
      perform: (intent, _, duty) => perform(intent, duty),
    },
    clock,
    log: context.log,
    informerFor: informers.of,
    metrics: context.metrics,
  });

  informers.services.onChange((_, service) => host.changed(objectKey(service)));
  informers.endpointSlices.onChange((_, slice) => {
    const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (service !== undefined) host.changed(`${slice.metadata.namespace ?? ''}/${service}`);
  });
  informers.endpoints.onChange((_, endpoints) => {
    if (find(objectKey(endpoints)) !== undefined) host.changed(objectKey(endpoints));
  });
  informers.pods.onChange((type, pod, previous) => {
    if (type === 'MODIFIED' && previous !== undefined && endpointFacts(pod) === endpointFacts(previous)) return;
    for (const service of informers.services.byIndex(NAMESPACE, pod.metadata.namespace ?? '')) {
      if (!hasEndpoints(service)) continue;
      const matcher = labelMapMatcher(service.spec?.selector ?? {});
      const was = previous !== undefined && matcher.matches(previous.metadata.labels);
      if (was || matcher.matches(pod.metadata.labels)) host.changed(objectKey(service));
    }
  });
  return host;
}

/** What of a Pod an endpoint shows; other changes of its status need no look at the Services. */
function endpointFacts(pod: Pod): string {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const { labels, deletionTimestamp } = pod.metadata;
  return JSON.stringify([labels, deletionTimestamp, pod.status?.podIP, pod.status?.phase, ready, pod.spec?.nodeName]);
}
