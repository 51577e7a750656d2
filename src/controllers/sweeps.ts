/**
 * Housekeeping without a lifecycle: what every namespace has, Pods whose node is gone, Events that are old.
 * Each sweep is bounded; what is left is the next sweep's.
 */
import { isApiError } from '#src/api/api-error.ts';
import type { ConfigMap, Event, Namespace, ServiceAccount } from '#src/api/objects.ts';
import type { Timer } from '#src/ports/clock.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { messageOf } from '#src/std/fault.ts';
import { isFenced } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import type { Duties } from './controllers.ts';
import { NODE, ROOT_CA_CONFIG_MAP } from './informers.ts';
import { CONFIG_MAPS, EVENTS, PODS, SERVICE_ACCOUNTS } from './resources.ts';
import { createWorkQueue } from './work-queue.ts';

/** Looked at and deleted per sweep. */
export const EVENTS_PER_SWEEP = 5_000;
export const EVENTS_PER_PAGE = 500;
/** A node that vanished may be about to come back (Kubernetes' quarantine). */
export const ORPHAN_QUARANTINE_MS = 40_000;
const ROOT_CA_NOTE =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints.';

/** The ServiceAccount `default` and the ConfigMap `kube-root-ca.crt` of every namespace. */
export function furnishNamespaces(context: ControllerContext): Duties & { refresh(): void } {
  const { informers, client, config } = context;
  let term = 0;

  const handle = async (namespace: string): Promise<void> => {
    const object = informers.namespaces.get(undefined, namespace);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
    try {
      if (informers.serviceAccounts.get(namespace, 'default') === undefined) {
        const account: ServiceAccount = {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'default', namespace },
        };
        await client.create(SERVICE_ACCOUNTS, account, { term, namespace });
      }
    } catch (error) {
      ignoreIfDone(error);
    }
    try {
      await publishRootCa(namespace);
    } catch (error) {
      ignoreIfDone(error);
    }
  };

  const publishRootCa = async (namespace: string): Promise<void> => {
    if (config.rootCa === '') return;
    const before = informers.configMaps.get(namespace, ROOT_CA_CONFIG_MAP);
    if (before?.data?.['ca.crt'] === config.rootCa) return;
    const data = { 'ca.crt': config.rootCa };
    if (before !== undefined) {
      await client.update<ConfigMap>(CONFIG_MAPS, { ...before, data }, { term });
      return;
    }
    const annotations = { 'kubernetes.io/description': ROOT_CA_NOTE };
    const metadata = { name: ROOT_CA_CONFIG_MAP, namespace, annotations };
    await client.create<ConfigMap>(
      CONFIG_MAPS,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
      { term, namespace },
    );
  };

  const queue = createWorkQueue({ ...context, name: 'namespace-furniture', handle });
  const look = (namespace: string) => {
    if (term > 0) queue.add(namespace);
  };
  const all = () => informers.namespaces.list().forEach((namespace: Namespace) => look(namespace.metadata.name ?? ''));
  informers.namespaces.onChange((type, namespace) => {
    if (type !== 'DELETED') look(namespace.metadata.name ?? '');
  });
  informers.serviceAccounts.onChange((type, account) => {
    if (type === 'DELETED' && account.metadata.name === 'default') look(account.metadata.namespace ?? '');
  });
  informers.configMaps.onChange((type, map) => {
    if (type !== 'ADDED' && map.metadata.name === ROOT_CA_CONFIG_MAP) look(map.metadata.namespace ?? '');
  });
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
    refresh: all,
  };
}

/** Made meanwhile, or the namespace is going, or we are no longer leader: nothing to do. */
function ignoreIfDone(error: unknown): void {
  const known = isApiError(error, 'AlreadyExists') || isApiError(error, 'NotFound') || isApiError(error, 'Forbidden');
  if (!known && !isFenced(error)) throw error;
}

/** Deletes Events older than the setting, so many at a time. */
export function expireEvents(context: ControllerContext): Duties {
  const { client, clock, config } = context;
  return everySweep(context, 'events', async (term) => {
    let next: string | undefined;
    for (let seen = 0; seen < EVENTS_PER_SWEEP; seen += EVENTS_PER_PAGE) {
      const options = { limit: EVENTS_PER_PAGE, ...(next === undefined ? {} : { continue: next }) };
      const page = await client.list<Event>(EVENTS, options);
      const oldMs = clock.wallMs() - config.eventTtlMs;
      const writes = page.items
        .filter((event) => lastSeenMs(event) < oldMs)
        .map(({ metadata }): BatchWrite => {
          const { namespace = '', name = '' } = metadata;
          return { verb: 'delete', resource: EVENTS, namespace, name };
        });
      if (writes.length > 0) await client.batch(writes, { term });
      next = page.metadata.continue;
      if (next === undefined || next === '') return;
    }
  });
}

function lastSeenMs(event: Event): number {
  const time =
    event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
  return Date.parse(time ?? '') || 0;
}

/** Deletes the Pods of nodes that are gone, and Pods that end without ever having had a node. */
export function collectOrphanedPods(context: ControllerContext): Duties {
  const { informers, client, clock } = context;
  const missingSinceMs = new Map<string, number>();
  informers.nodes.onChange((type, { metadata }) => {
    if (type === 'DELETED') missingSinceMs.set(metadata.name ?? '', clock.monotonicMs());
    else missingSinceMs.delete(metadata.name ?? '');
  });
  return everySweep(context, 'orphaned-pods', async (term) => {
    const writes: BatchWrite[] = [];
    const nodes = new Set(informers.pods.list().map((pod) => pod.spec?.nodeName ?? ''));
    for (const name of missingSinceMs.keys()) if (!nodes.has(name)) missingSinceMs.delete(name);
    for (const name of nodes) {
      const gone = name !== '' && informers.nodes.get(undefined, name) === undefined;
      if (!gone) missingSinceMs.delete(name);
      else if (!missingSinceMs.has(name)) missingSinceMs.set(name, clock.monotonicMs());
      const dueMs = (missingSinceMs.get(name) ?? Number.POSITIVE_INFINITY) + ORPHAN_QUARANTINE_MS;
      for (const pod of informers.pods.byIndex(NODE, name)) {
        const endsNowhere = name === '' && pod.metadata.deletionTimestamp !== undefined;
        if (!endsNowhere && clock.monotonicMs() < dueMs) continue;
        const { namespace = '', uid = '' } = pod.metadata;
        const options = { gracePeriodSeconds: 0, preconditions: { uid } };
        writes.push({ verb: 'delete', resource: PODS, namespace, name: pod.metadata.name ?? '', options });
      }
    }
    if (writes.length > 0) await client.batch(writes.slice(0, EVENTS_PER_PAGE), { term });
  });
}

/** A duty on a timer: the next sweep is armed when the last has ended. */
function everySweep(context: ControllerContext, name: string, sweep: (term: number) => Promise<void>): Duties {
  const { clock, config } = context;
  const log = context.log.scope('sweeps');
  let timer: Timer | undefined;
  let run = 0;
  const arm = (term: number, ofRun: number) => {
    timer = clock.after(config.sweepMs, () => {
      sweep(term)
        .catch((error: unknown) =>
          log.warn('a sweep failed; the next one tries again', { sweep: name, error: messageOf(error) }),
        )
        .finally(() => {
          if (ofRun === run) arm(term, ofRun);
        });
    });
  };
  return {
    start(term) {
      run += 1;
      arm(term, run);
    },
    stop() {
      run += 1;
      timer?.cancel();
      timer = undefined;
    },
  };
}
