/** Hosts the ReplicaSet actors: what each sees, and how its intents become writes. */
import { planReplicaSet, BURST_PODS } from '#actors/replicaset/plan.ts';
import { replicaSetLifecycle, type ReplicaSetFacts, type ReplicaSetIntent } from '#actors/replicaset/replicaset.ts';
import { unreachable } from '#src/std/assert.ts';
import { controllerReference, deepCopy } from '#src/api/metadata.ts';
import type { Pod, ReplicaSet } from '#src/api/objects.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { objectKey } from '#src/registry/informer.ts';
import { createActorHost, type ActorHost, type Attempt, type Duty, type Failure } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import { CONTROLLER } from './informers.ts';
import { PODS, REPLICA_SETS } from './resources.ts';

export function hostReplicaSets(context: ControllerContext): ActorHost {
  const { informers, writer, clock } = context;
  const recorder = context.recorder('replicaset-controller');

  const observe = (key: string, observation: ReplicaSetFacts['observation'] & Attempt): ReplicaSetFacts | undefined => {
    const replicaSet = find(key);
    if (replicaSet === undefined) return undefined;
    const plan = planReplicaSet({
      replicaSet,
      pods: podsOf(replicaSet),
      nowMs: clock.wallMs(),
      failure: failureOf(observation.failure),
    });
    return { observation, deleting: replicaSet.metadata.deletionTimestamp !== undefined, plan };
  };
  const find = (key: string) => informers.replicaSets.get(...split(key));
  const podsOf = (replicaSet: ReplicaSet): Pod[] => [
    ...informers.pods.byIndex(CONTROLLER, replicaSet.metadata.uid ?? ''),
    ...informers.pods.byIndex(CONTROLLER, `orphan/${replicaSet.metadata.namespace ?? ''}`),
  ];

  const perform = async (key: string, intent: ReplicaSetIntent, duty: Duty): Promise<void> => {
    const replicaSet = find(key);
    if (replicaSet === undefined) return;
    switch (intent.kind) {
      case 'createPods':
        return createPods(replicaSet, intent.count, duty);
      case 'deletePods': {
        const writes = intent.pods.map((pod) => deletion(pod));
        await writer.batch(duty, writes);
        for (const pod of intent.pods) note(replicaSet, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.name}`);
        return;
      }
      case 'claimPods': {
        const owner = controllerReference({ ...replicaSet, apiVersion: 'apps/v1', kind: 'ReplicaSet' });
        for (const pod of intent.adopt) {
          // The uid makes it a no-op for another Pod of that name.
          const body = { metadata: { uid: pod.uid, ownerReferences: [owner] } };
          await writer.patch(duty, PODS, { namespace: pod.namespace, name: pod.name, type: 'strategic' }, body);
        }
        for (const pod of intent.release) {
          const body = { metadata: { uid: pod.uid, ownerReferences: [{ $patch: 'delete', uid: owner.uid }] } };
          await writer.patch(duty, PODS, { namespace: pod.namespace, name: pod.name, type: 'strategic' }, body);
        }
        return;
      }
      case 'writeStatus':
        await writer.update(duty, REPLICA_SETS, { ...replicaSet, status: intent.status }, 'status');
        return;
      case 'wake':
      case 'retryLater':
        return;
      default:
        return unreachable(intent);
    }
  };

  /** All at once; after a failure in doubling batches, so that a quota is not asked 500 times (slow start). */
  const createPods = async (replicaSet: ReplicaSet, count: number, duty: Duty): Promise<void> => {
    let batchSize = duty.failures > 0 ? 1 : BURST_PODS;
    for (let made = 0; made < count; batchSize *= 2) {
      const size = Math.min(batchSize, count - made);
      const writes = Array.from({ length: size }, (): BatchWrite => ({
        verb: 'create',
        resource: PODS,
        namespace: replicaSet.metadata.namespace ?? '',
        object: podFrom(replicaSet),
      }));
      try {
        const pods = await writer.batch(duty, writes);
        for (const pod of pods) {
          note(replicaSet, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata?.name ?? ''}`);
        }
      } catch (error) {
        note(replicaSet, 'Warning', 'FailedCreate', `Error creating: ${error instanceof Error ? error.message : ''}`);
        throw error;
      }
      made += size;
    }
  };

  const note = (replicaSet: ReplicaSet, type: 'Normal' | 'Warning', reason: string, message: string) =>
    recorder.record({ ...replicaSet, apiVersion: 'apps/v1', kind: 'ReplicaSet' }, { type, reason, message });

  const host = createActorHost<ReplicaSetFacts, ReplicaSetIntent>({
    kind: {
      kind: 'ReplicaSet',
      stepper: replicaSetLifecycle.stepper,
      derive: replicaSetLifecycle.derive,
      settled: (state) => state === 'settled' || state === 'deleting',
      waitsFor: (state, facts) => waits(state, facts),
      object: find,
      observe,
      perform: (intent, key, duty) => perform(key, intent, duty),
    },
    clock,
    log: context.log,
    informerFor: informers.of,
    metrics: context.metrics,
  });

  informers.replicaSets.onChange((_, replicaSet) => host.changed(objectKey(replicaSet)));
  informers.pods.onChange((_, pod, previous) => {
    for (const version of [pod, previous]) {
      for (const owner of version?.metadata.ownerReferences ?? []) {
        if (owner.kind === 'ReplicaSet') host.changed(`${pod.metadata.namespace ?? ''}/${owner.name}`);
      }
    }
    // An orphan may be somebody's: few, so asking all of its namespace is cheap.
    if ((pod.metadata.ownerReferences ?? []).length === 0) {
      for (const replicaSet of informers.replicaSets.byIndex('namespace', pod.metadata.namespace ?? '')) {
        host.changed(objectKey(replicaSet));
      }
    }
  });
  return host;
}

function failureOf(failure: Failure | undefined) {
  if (failure?.intent === 'createPods') return { reason: 'FailedCreate' as const, message: failure.message };
  if (failure?.intent === 'deletePods') return { reason: 'FailedDelete' as const, message: failure.message };
  return undefined;
}

function deletion(pod: { namespace: string; name: string; uid: string }): BatchWrite {
  const options = { preconditions: { uid: pod.uid } };
  return { verb: 'delete', resource: PODS, namespace: pod.namespace, name: pod.name, options };
}

/** A Pod from the template: generateName keeps five letters for the registry's suffix. */
function podFrom(replicaSet: ReplicaSet): Pod {
  const template = replicaSet.spec?.template;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${replicaSet.metadata.name ?? ''}-`,
      namespace: replicaSet.metadata.namespace ?? '',
      ...(labels === undefined ? {} : { labels: { ...labels } }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ...(finalizers === undefined ? {} : { finalizers: [...finalizers] }),
      ownerReferences: [controllerReference({ ...replicaSet, apiVersion: 'apps/v1', kind: 'ReplicaSet' })],
    },
    ...(template?.spec === undefined ? {} : { spec: deepCopy(template.spec) }),
  };
}

function waits(state: string, { plan }: ReplicaSetFacts): string {
  if (state === 'scalingUp') return `${plan.missing} Pods to be created`;
  if (state === 'scalingDown') return `${plan.surplus.length} Pods to be deleted`;
  if (state === 'catchingUp') return 'its own writes to be seen';
  if (state === 'backingOff') return 'the next attempt';
  return 'a change';
}

/** `namespace/name` as the two arguments of an informer's get. */
export function split(key: string): [string | undefined, string] {
  const slash = key.indexOf('/');
  return slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
}
