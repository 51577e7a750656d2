/**
 * The copies the control loops share: one list and watch per resource, warm on every voter, with the indices the
 * loops look things up by.
 */
import type { KubeObject } from '#src/api/object.ts';
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
  ServiceAccount,
} from '#src/api/objects.ts';
import { KINDS, type Kind } from '#src/api/kinds.ts';
import { controllerOf } from '#src/api/metadata.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client, ResourceRef } from '#src/registry/client.ts';
import { createInformer, type Informer, type InformerOptions } from '#src/registry/informer.ts';
import { createCustomInformers, type CustomInformers } from './custom-informers.ts';
import * as resources from './resources.ts';

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const ROOT_CA_CONFIG_MAP = 'kube-root-ca.crt';
/** Where nodes keep their Leases; others are not heartbeats. */
export const LEASE_NAMESPACE = 'kube-node-lease';

export interface Informers {
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly endpoints: Informer<Endpoints>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  readonly leases: Informer<Lease>;
  readonly configMaps: Informer<ConfigMap>;
  readonly serviceAccounts: Informer<ServiceAccount>;
  /** Every kind that is watched whole, for the garbage collector: those above and those that only it reads. */
  readonly collected: readonly { kind: Kind; informer: Informer<KubeObject> }[];
  /** Custom resources, as their definitions come and go. */
  readonly custom: CustomInformers;
  /** The copy of a resource, for expectations; undefined for what is not watched. */
  readonly of: (resource: ResourceRef) => Informer<KubeObject> | undefined;
  start(): void;
  stop(): void;
  synced(): Promise<void>;
}

export const OWNER = 'owner';
export const NAMESPACE = 'namespace';
export const NODE = 'node';
export const SERVICE = 'service';

const byOwner = (object: KubeObject) => (object.metadata?.ownerReferences ?? []).map((owner) => owner.uid);
/** Controlled objects by their controller, others by '' so that orphans are found for adoption. */
export const CONTROLLER = 'controller';
const byController = (object: KubeObject) => [
  controllerOf(object)?.uid ?? `orphan/${object.metadata?.namespace ?? ''}`,
];
const byNamespace = (object: KubeObject) => [object.metadata?.namespace ?? ''];

/** Everything that may own or be owned, once per storage. Events own nothing and expire by age. */
function collectedKinds(): Kind[] {
  return KINDS.filter(
    (kind) =>
      kind.verbs.includes('watch') &&
      kind.verbs.includes('delete') &&
      kind.resource !== 'events' &&
      kind.storedAs.apiVersion === kind.apiVersion,
  );
}

/** What the garbage collector looks at: a voter holds no second copy of every Secret. */
function metadataOnly({ apiVersion, kind, metadata = {} }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp } = metadata;
  const kept = { name, namespace, uid, resourceVersion, ownerReferences, finalizers, deletionTimestamp };
  const set = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: set,
  };
}

export function createInformers(setup: { client: Client; clock: Clock; log: Log; random: Random }): Informers {
  const all = new Map<string, Informer<KubeObject>>();
  const make = <T extends KubeObject>(resource: ResourceRef, options?: InformerOptions<T>): Informer<T> => {
    const informer = createInformer<T>({ ...setup, resource, ...(options === undefined ? {} : { options }) });
    all.set(resources.resourceName(resource), informer as unknown as Informer<KubeObject>);
    return informer;
  };
  const main = {
    pods: make<Pod>(resources.PODS, {
      indices: {
        [OWNER]: byOwner,
        [CONTROLLER]: byController,
        [NAMESPACE]: byNamespace,
        [NODE]: (pod) => [pod.spec?.nodeName ?? ''],
      },
    }),
    nodes: make<Node>(resources.NODES),
    namespaces: make<Namespace>(resources.NAMESPACES),
    services: make<Service>(resources.SERVICES, { indices: { [NAMESPACE]: byNamespace } }),
    endpointSlices: make<EndpointSlice>(resources.ENDPOINT_SLICES, {
      indices: {
        [OWNER]: byOwner,
        [SERVICE]: (slice) => [`${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`],
      },
    }),
    endpoints: make<Endpoints>(resources.ENDPOINTS),
    replicaSets: make<ReplicaSet>(resources.REPLICA_SETS, {
      indices: { [OWNER]: byOwner, [CONTROLLER]: byController, [NAMESPACE]: byNamespace },
    }),
    deployments: make<Deployment>(resources.DEPLOYMENTS, { indices: { [NAMESPACE]: byNamespace } }),
    leases: make<Lease>(resources.LEASES),
    configMaps: make<ConfigMap>(resources.CONFIG_MAPS),
    serviceAccounts: make<ServiceAccount>(resources.SERVICE_ACCOUNTS, { indices: { [NAMESPACE]: byNamespace } }),
  };
  // Whole: what they define, and where remote groups are, is read from them.
  const definitions = make<KubeObject>(resources.CUSTOM_RESOURCE_DEFINITIONS);
  make<KubeObject>(resources.API_SERVICES);
  const collected = collectedKinds().map((kind) => {
    const informer = all.get(resources.resourceName(kind)) ?? make(kind, { keep: metadataOnly });
    return { kind, informer: informer as unknown as Informer<KubeObject> };
  });
  const custom = createCustomInformers({ ...setup, definitions });
  return {
    ...main,
    collected,
    custom,
    of: (resource) => all.get(resources.resourceName(resource)),
    start() {
      for (const informer of all.values()) informer.start();
    },
    stop() {
      for (const informer of all.values()) informer.stop();
      custom.stop();
    },
    async synced() {
      for (const informer of all.values()) await informer.synced();
    },
  };
}
