/** Hosts the Namespace actors: empties a namespace that is being deleted, then lets it go. */
import {
  namespaceConditions,
  namespaceLifecycle,
  type NamespaceFacts,
  type NamespaceIntent,
  type Sweep,
} from '#actors/namespace/namespace.ts';
import { isApiError } from '#src/api/api-error.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { Namespace } from '#src/api/objects.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { unreachable } from '#src/std/assert.ts';
import { createActorHost, isFenced, type ActorHost, type Duty } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import { oncePerStorage } from './custom-informers.ts';
import { NAMESPACE } from './informers.ts';
import { NAMESPACES, resourceName } from './resources.ts';

/** Objects of one resource deleted in one sweep; the rest is the next sweep's. */
export const SWEEP_OBJECTS_PER_RESOURCE = 500;

/** Refusals told in a condition. */
const FAILURES_MAX = 20;

export function hostNamespaces(context: ControllerContext): ActorHost {
  const { informers, writer, client, clock } = context;
  const sweeps = new Map<string, { uid: string; atMs: number } & Omit<Sweep, 'ageMs'>>();
  const find = (key: string) => informers.namespaces.get(undefined, key);

  const observe = (key: string, observation: NamespaceFacts['observation']): NamespaceFacts | undefined => {
    const namespace = find(key);
    const known = sweeps.get(key);
    if (namespace === undefined || (known !== undefined && known.uid !== namespace.metadata.uid)) sweeps.delete(key);
    if (namespace === undefined) return undefined;
    const swept = sweeps.get(key);
    const sweep = swept === undefined ? undefined : { ...swept, ageMs: ageOf(key, swept) };
    return {
      observation,
      deleting: namespace.metadata.deletionTimestamp !== undefined,
      held: (namespace.spec?.finalizers ?? []).includes('kubernetes'),
      sweep,
      conditions: namespaceConditions(namespace, sweep, clock.wallMs()),
    };
  };

  /** Once its last Pod has gone, waiting for the next sweep would only cost time: the last one counts as old. */
  const ageOf = (key: string, swept: { atMs: number; remaining: Readonly<Record<string, number>> }): number => {
    const podsGone = (swept.remaining['pods'] ?? 0) > 0 && informers.pods.byIndex(NAMESPACE, key).length === 0;
    return podsGone ? Number.MAX_SAFE_INTEGER : clock.monotonicMs() - swept.atMs;
  };

  const perform = async (key: string, intent: NamespaceIntent, duty: Duty): Promise<void> => {
    const namespace = find(key);
    if (namespace === undefined) return;
    switch (intent.kind) {
      case 'deleteContent':
        sweeps.set(key, {
          ...(await sweepContent(key, duty)),
          uid: namespace.metadata.uid ?? '',
          atMs: clock.monotonicMs(),
        });
        // An empty namespace brings no further change that would wake its actor.
        host.changed(key);
        return;
      case 'writeConditions': {
        const status = { ...namespace.status, phase: 'Terminating', conditions: [...intent.conditions] };
        await writer.update(duty, NAMESPACES, { ...namespace, status }, 'status');
        return;
      }
      case 'finalize': {
        const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
        const finalized: Namespace = { ...namespace, spec: { ...namespace.spec, finalizers } };
        await writer.update(duty, NAMESPACES, finalized, 'finalize');
        return;
      }
      case 'wake':
      case 'retryLater':
        return;
      default:
        return unreachable(intent);
    }
  };

  const sweepContent = async (namespace: string, duty: Duty): Promise<Omit<Sweep, 'ageMs'>> => {
    const remaining: Record<string, number> = {};
    const finalizers: Record<string, number> = {};
    const failures: string[] = [];
    for (const kind of contentKinds(client.kinds())) {
      const list = await client.list(kind, { namespace, limit: SWEEP_OBJECTS_PER_RESOURCE });
      if (list.items.length === 0) continue;
      const writes = list.items
        // Pods are told once; their kubelet ends them in their own time.
        .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
        .map(({ metadata }): BatchWrite => {
          const options = { propagationPolicy: 'Background' as const, preconditions: { uid: metadata?.uid ?? '' } };
          return { verb: 'delete', resource: kind, namespace, name: metadata?.name ?? '', options };
        });
      try {
        if (writes.length > 0) await writer.batch(duty, writes);
      } catch (error) {
        // One kind that cannot be deleted must not keep the others; the condition names it.
        if (isFenced(error) || !isApiError(error)) throw error;
        if (failures.length < FAILURES_MAX) failures.push(error.message);
      }
      // What had nothing to hold it is gone now; count what is still there.
      const left = await client.list(kind, { namespace, limit: SWEEP_OBJECTS_PER_RESOURCE });
      if (left.items.length === 0) continue;
      remaining[resourceName(kind)] = left.items.length + (left.metadata.remainingItemCount ?? 0);
      for (const finalizer of left.items.flatMap(({ metadata }) => metadata?.finalizers ?? [])) {
        finalizers[finalizer] = (finalizers[finalizer] ?? 0) + 1;
      }
    }
    // Groups served elsewhere would be named here; every group is ours so far.
    return { remaining, finalizers, failures, undiscovered: [] };
  };

  const host = createActorHost<NamespaceFacts, NamespaceIntent>({
    kind: {
      kind: 'Namespace',
      stepper: namespaceLifecycle.stepper,
      derive: namespaceLifecycle.derive,
      settled: (state) => state === 'active' || state === 'finalized',
      waitsFor: (state, { sweep }) =>
        state === 'waiting'
          ? `its content to go: ${Object.entries(sweep?.remaining ?? {})
              .map(([name, count]) => `${count} ${name}`)
              .join(', ')}`
          : 'its own writes to be seen',
      object: find,
      observe,
      perform: (intent, key, duty) => perform(key, intent, duty),
    },
    clock,
    log: context.log,
    informerFor: informers.of,
    metrics: context.metrics,
  });

  informers.namespaces.onChange((_, namespace) => host.changed(namespace.metadata.name ?? ''));
  informers.pods.onChange((_, pod) => {
    const key = pod.metadata.namespace ?? '';
    if (find(key)?.metadata.deletionTimestamp !== undefined) host.changed(key);
  });
  return host;
}

/** Everything in a namespace, once per storage; workloads before Pods, so that nothing is made anew meanwhile. */
function contentKinds(kinds: readonly Kind[]): Kind[] {
  const stored = kinds.filter(
    (kind) => kind.namespaced && kind.verbs.includes('list') && kind.verbs.includes('delete'),
  );
  const last = ['pods', 'events'];
  return oncePerStorage(stored).toSorted((a, b) => last.indexOf(a.resource) - last.indexOf(b.resource));
}
