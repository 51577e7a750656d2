/** Hosts the Deployment actors: what each sees, and how its intents become writes. */
import { deploymentLifecycle, type DeploymentFacts, type DeploymentIntent } from '#actors/deployment/deployment.ts';
import { newReplicaSet, planDeployment, REVISION, sizeAnnotations, type ScaleStep } from '#actors/deployment/plan.ts';
import { planStatus } from '#actors/deployment/status.ts';
import { isApiError } from '#src/api/api-error.ts';
import { controllerOf, controllerReference } from '#src/api/metadata.ts';
import type { Deployment, ReplicaSet } from '#src/api/objects.ts';
import { unreachable } from '#src/std/assert.ts';
import { objectKey } from '#src/registry/informer.ts';
import { createActorHost, type ActorHost, type Attempt, type Duty } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import { CONTROLLER, NAMESPACE } from './informers.ts';
import { split } from './replicaset.ts';
import { DEPLOYMENTS, REPLICA_SETS } from './resources.ts';

export function hostDeployments(context: ControllerContext): ActorHost {
  const { informers, writer, client, clock } = context;
  const recorder = context.recorder('deployment-controller');
  const find = (key: string) => informers.deployments.get(...split(key));
  const ownSets = (deployment: Deployment) => informers.replicaSets.byIndex(CONTROLLER, deployment.metadata.uid ?? '');

  const observe = (key: string, observation: DeploymentFacts['observation'] & Attempt): DeploymentFacts | undefined => {
    const deployment = find(key);
    if (deployment === undefined) return undefined;
    const replicaSets = ownSets(deployment);
    const orphans = informers.replicaSets.byIndex(CONTROLLER, `orphan/${deployment.metadata.namespace ?? ''}`);
    const recreate = deployment.spec?.strategy?.type === 'Recreate';
    const pods = recreate
      ? replicaSets.flatMap((set) => informers.pods.byIndex(CONTROLLER, set.metadata.uid ?? ''))
      : [];
    const failure = observation.failure?.intent === 'createReplicaSet' ? observation.failure.message : undefined;
    return {
      observation,
      deleting: deployment.metadata.deletionTimestamp !== undefined,
      paused: deployment.spec?.paused === true,
      plan: planDeployment({ deployment, replicaSets, orphans, pods }),
      status: planStatus({ deployment, replicaSets, nowMs: clock.wallMs(), failure }),
    };
  };

  const perform = async (key: string, intent: DeploymentIntent, duty: Duty): Promise<void> => {
    const deployment = find(key);
    if (deployment === undefined) return;
    const namespace = deployment.metadata.namespace ?? '';
    switch (intent.kind) {
      case 'adopt': {
        const owner = controllerReference({ ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' });
        for (const { name, uid } of intent.replicaSets) {
          const body = { metadata: { uid, ownerReferences: [owner] } };
          await writer.patch(duty, REPLICA_SETS, { namespace, name, type: 'strategic' }, body);
        }
        return;
      }
      case 'createReplicaSet':
        return createReplicaSet(deployment, intent.replicaSet, duty);
      case 'annotate':
        for (const { name, annotations } of intent.replicaSets) {
          await writer.patch(duty, REPLICA_SETS, { namespace, name }, { metadata: { annotations } });
        }
        if (intent.revision !== undefined) {
          const body = { metadata: { annotations: { [REVISION]: intent.revision } } };
          await writer.patch(duty, DEPLOYMENTS, { namespace, name: deployment.metadata.name ?? '' }, body);
        }
        return;
      case 'scaleReplicaSets':
        for (const step of intent.steps) await scale(deployment, step, duty);
        return;
      case 'deleteReplicaSets':
        await writer.batch(
          duty,
          intent.names.map((name) => ({ verb: 'delete', resource: REPLICA_SETS, namespace, name })),
        );
        return;
      case 'writeStatus':
        await writer.update(duty, DEPLOYMENTS, { ...deployment, status: intent.status }, 'status');
        return;
      case 'wake':
      case 'retryLater':
        return;
      default:
        return unreachable(intent);
    }
  };

  const scale = async (deployment: Deployment, step: ScaleStep, duty: Duty): Promise<void> => {
    const namespace = deployment.metadata.namespace ?? '';
    const body = { metadata: { annotations: sizeAnnotations(deployment) }, spec: { replicas: step.to } };
    await writer.patch(duty, REPLICA_SETS, { namespace, name: step.name }, body);
    if (step.from === step.to) return;
    const direction = step.to > step.from ? 'up' : 'down';
    note(deployment, `Scaled ${direction} replica set ${step.name} from ${step.from} to ${step.to}`);
  };

  const createReplicaSet = async (deployment: Deployment, replicaSet: ReplicaSet, duty: Duty): Promise<void> => {
    try {
      const made = await writer.create(duty, REPLICA_SETS, replicaSet);
      const to = replicaSet.spec?.replicas ?? 1;
      if (to > 0) note(deployment, `Scaled up replica set ${made.metadata.name ?? ''} from 0 to ${to}`);
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
      await resolveCollision(deployment, replicaSet, duty);
    }
  };

  /** The name is taken: by our own, not yet seen; or by another template of the same hash, then count the collision. */
  const resolveCollision = async (deployment: Deployment, replicaSet: ReplicaSet, duty: Duty): Promise<void> => {
    const namespace = replicaSet.metadata.namespace ?? '';
    const taken = await client.get<ReplicaSet>(REPLICA_SETS, replicaSet.metadata.name ?? '', { namespace });
    if (controllerOf(taken)?.uid === deployment.metadata.uid && newReplicaSet(deployment, [taken]) !== undefined) {
      duty.expectations.wrote(REPLICA_SETS, taken);
      return;
    }
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    const status = { ...deployment.status, collisionCount };
    await writer.update(duty, DEPLOYMENTS, { ...deployment, status }, 'status');
  };

  const note = (deployment: Deployment, message: string) =>
    recorder.record(
      { ...deployment, apiVersion: 'apps/v1', kind: 'Deployment' },
      { type: 'Normal', reason: 'ScalingReplicaSet', message },
    );

  const host = createActorHost<DeploymentFacts, DeploymentIntent>({
    kind: {
      kind: 'Deployment',
      stepper: deploymentLifecycle.stepper,
      derive: deploymentLifecycle.derive,
      settled: (state) => state === 'complete' || state === 'paused' || state === 'deleting',
      waitsFor: waits,
      object: find,
      observe,
      perform: (intent, key, duty) => perform(key, intent, duty),
    },
    clock,
    log: context.log,
    informerFor: informers.of,
    metrics: context.metrics,
  });

  informers.deployments.onChange((_, deployment) => host.changed(objectKey(deployment)));
  informers.replicaSets.onChange((_, set, previous) => {
    if (controllerOf(set) === undefined) {
      const { namespace = '' } = set.metadata;
      for (const deployment of informers.deployments.byIndex(NAMESPACE, namespace)) host.changed(objectKey(deployment));
    }
    for (const version of [set, previous]) {
      const owner = version === undefined ? undefined : controllerOf(version);
      if (owner?.kind === 'Deployment') host.changed(`${set.metadata.namespace ?? ''}/${owner.name}`);
    }
  });
  // A Recreate waits for the last old Pod; every other strategy reads ReplicaSet statuses only.
  informers.pods.onChange((type, pod) => {
    const owner = controllerOf(pod);
    if (type === 'ADDED' || owner?.kind !== 'ReplicaSet') return;
    const set = informers.replicaSets.get(pod.metadata.namespace, owner.name);
    const deploymentRef = set === undefined ? undefined : controllerOf(set);
    if (deploymentRef?.kind !== 'Deployment') return;
    const deployment = informers.deployments.get(pod.metadata.namespace, deploymentRef.name);
    if (deployment?.spec?.strategy?.type === 'Recreate') host.changed(objectKey(deployment));
  });
  return host;
}

function waits(state: string, { plan, status }: DeploymentFacts): string {
  switch (state) {
    case 'waiting': {
      const { updatedReplicas = 0, availableReplicas = 0 } = status.status;
      return `Pods to become available (${updatedReplicas} updated, ${availableReplicas} available)`;
    }
    case 'draining':
      return `${plan.draining} old Pods to end`;
    case 'stalled':
      return 'progress, past its deadline';
    case 'catchingUp':
      return 'its own writes to be seen';
    case 'backingOff':
      return 'the next attempt';
    default:
      return 'a change';
  }
}
