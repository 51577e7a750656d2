/**
 * Every machine of the control loops: the cheap step is the library's own transition, and for every transition
 * the machine and derive() name the same state, so that an activation may begin anywhere.
 */
import test from 'ava';
import { transition, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate';
import { deploymentLifecycle, type DeploymentFacts } from '#actors/deployment/deployment.ts';
import {
  namespaceConditions,
  namespaceLifecycle,
  namespaceState,
  type NamespaceFacts,
} from '#actors/namespace/namespace.ts';
import { nodeLifecycle, type NodeFacts } from '#actors/node/node.ts';
import { FRESH, type LifecycleEvent, type ObservedFacts } from '#actors/observation.ts';
import type { Lifecycle } from '#actors/lifecycle.ts';
import { replicaSetLifecycle, type ReplicaSetFacts } from '#actors/replicaset/replicaset.ts';
import { serviceLifecycle, type ServiceFacts } from '#actors/service/service.ts';
import type { Intent } from '#actors/step.ts';

const pod = { namespace: 'default', name: 'p', uid: 'u' };
const meta = { name: 'x' };
const observation = FRESH;
const lagging = { caughtUp: false, backingOff: false };
const failed = { caughtUp: true, backingOff: true };

const rsPlan = { missing: 0, surplus: [], adopt: [], release: [], status: undefined, wakeAfterMs: undefined };
const rs: Record<string, ReplicaSetFacts> = {
  settled: { observation, deleting: false, plan: { ...rsPlan, status: { replicas: 1 }, wakeAfterMs: 5 } },
  claiming: { observation, deleting: false, plan: { ...rsPlan, adopt: [pod], missing: 1 } },
  scalingUp: { observation, deleting: false, plan: { ...rsPlan, missing: 3 } },
  scalingDown: { observation, deleting: false, plan: { ...rsPlan, surplus: [pod] } },
  catchingUp: { observation: lagging, deleting: false, plan: { ...rsPlan, missing: 3 } },
  backingOff: { observation: failed, deleting: false, plan: { ...rsPlan, missing: 3, status: { replicas: 0 } } },
  deleting: { observation, deleting: true, plan: { ...rsPlan } },
};

const dPlan = { create: undefined, adopt: [], scale: [], annotate: [], prune: [], revision: undefined, draining: 0 };
const dStatus = { status: {}, changed: true, complete: false, stalled: false, deadlineInMs: 1_000 };
const d = { observation, deleting: false, paused: false, plan: dPlan, status: dStatus };
const deployment: Record<string, DeploymentFacts> = {
  complete: { ...d, status: { ...dStatus, complete: true } },
  claiming: { ...d, plan: { ...dPlan, adopt: [{ name: 'a', uid: 'u' }] } },
  creating: { ...d, plan: { ...dPlan, create: { metadata: meta } } },
  annotating: { ...d, plan: { ...dPlan, revision: '2' } },
  scaling: { ...d, plan: { ...dPlan, scale: [{ name: 'a', from: 1, to: 2 }] } },
  draining: { ...d, plan: { ...dPlan, draining: 2 } },
  waiting: d,
  stalled: { ...d, status: { ...dStatus, stalled: true } },
  pruning: { ...d, plan: { ...dPlan, prune: ['a'] }, status: { ...dStatus, complete: true } },
  paused: { ...d, paused: true },
  catchingUp: { ...d, observation: lagging },
  backingOff: { ...d, observation: failed },
  deleting: { ...d, deleting: true },
};

const sPlan = { create: [], update: [], remove: [], endpoints: undefined };
const service: Record<string, ServiceFacts> = {
  settled: { observation, deleting: false, managed: true, plan: sPlan },
  unmanaged: { observation, deleting: false, managed: false, plan: sPlan },
  writing: {
    observation,
    deleting: false,
    managed: true,
    plan: { ...sPlan, remove: [{ metadata: meta, addressType: 'IPv4' }] },
  },
  catchingUp: { observation: lagging, deleting: false, managed: true, plan: sPlan },
  backingOff: { observation: failed, deleting: false, managed: true, plan: sPlan },
  deleting: { observation, deleting: true, managed: true, plan: sPlan },
};

const nPlan: NodeFacts['plan'] = {
  ready: 'True',
  stale: false,
  suspended: false,
  conditions: undefined,
  taints: undefined,
  markNotReady: [],
  evict: [],
  wakeAfterMs: 1_000,
};
const node: Record<string, NodeFacts> = {
  healthy: { observation, deleting: false, plan: nPlan },
  notReady: { observation, deleting: false, plan: { ...nPlan, ready: 'False' } },
  unreachable: { observation, deleting: false, plan: { ...nPlan, ready: 'Unknown', stale: true } },
  suspended: { observation, deleting: false, plan: { ...nPlan, ready: 'Unknown', stale: true, suspended: true } },
  recovering: { observation, deleting: false, plan: { ...nPlan, ready: 'Unknown' } },
  marking: { observation, deleting: false, plan: { ...nPlan, conditions: [] } },
  tainting: { observation, deleting: false, plan: { ...nPlan, taints: [] } },
  markingPods: { observation, deleting: false, plan: { ...nPlan, ready: 'Unknown', stale: true, markNotReady: [pod] } },
  evicting: { observation, deleting: false, plan: { ...nPlan, ready: 'Unknown', stale: true, evict: [pod] } },
  catchingUp: { observation: lagging, deleting: false, plan: nPlan },
  backingOff: { observation: failed, deleting: false, plan: nPlan },
  deleting: { observation, deleting: true, plan: nPlan },
};

const ns = { observation, deleting: true, held: true, sweep: undefined, conditions: undefined };
const sweep = { remaining: { pods: 1 }, finalizers: {}, failures: [], undiscovered: [], ageMs: 10 };
const namespace: Record<string, NamespaceFacts> = {
  active: { ...ns, deleting: false },
  emptying: ns,
  waiting: { ...ns, sweep, conditions: [] },
  finalizing: { ...ns, sweep: { ...sweep, remaining: {} } },
  finalized: { ...ns, held: false },
  catchingUp: { ...ns, observation: lagging },
  backingOff: { ...ns, observation: failed },
};

interface Row {
  lifecycle: Lifecycle<ObservedFacts, string, Intent>;
  facts: Record<string, ObservedFacts>;
  /** States in which nothing is ever under way. */
  idle: string[];
}
const row = (lifecycle: unknown, facts: Record<string, ObservedFacts>, idle: string[]): Row => ({
  // Each machine's own types are checked where its table is written; here they are all alike.
  lifecycle: lifecycle as Row['lifecycle'],
  facts,
  idle,
});
const rows: Row[] = [
  row(replicaSetLifecycle, rs, ['deleting']),
  row(deploymentLifecycle, deployment, ['deleting']),
  row(serviceLifecycle, service, ['deleting']),
  row(nodeLifecycle, node, ['deleting']),
  row(namespaceLifecycle, namespace, ['active', 'finalized']),
];

for (const { lifecycle, facts, idle } of rows) {
  const { stepper, states } = lifecycle;

  test(`${stepper.id}: derive names every state, from facts alone`, (t) => {
    t.deepEqual(Object.keys(facts).toSorted(byText), [...states].toSorted(byText));
    for (const [state, seen] of Object.entries(facts)) t.is(lifecycle.derive(seen).value, state);
  });

  test(`${stepper.id}: whatever was before, an observation leads where derive says`, (t) => {
    for (const from of states) {
      for (const seen of Object.values(facts)) {
        for (const type of ['OBSERVED', 'TIMER.retry', 'TIMER.due'] as const) {
          const { state } = stepper.step({ value: from, context: {} }, { type, facts: seen });
          t.deepEqual(state, lifecycle.derive(seen), `${from} on ${type}`);
        }
      }
    }
  });

  test(`${stepper.id}: results of intents lead where derive says once the host has noted them`, (t) => {
    for (const [from, seen] of Object.entries(facts)) {
      const done = stepper.step({ value: from, context: {} }, { type: 'INTENT.DONE' });
      const failure = stepper.step({ value: from, context: {} }, { type: 'INTENT.FAILED', message: 'no' });
      if (idle.includes(from)) {
        t.is(done.state.value, from);
        t.is(failure.state.value, from);
        continue;
      }
      t.is(done.state.value, lifecycle.derive({ ...seen, observation: lagging }).value, `${from}, done`);
      t.is(failure.state.value, lifecycle.derive({ ...seen, observation: failed }).value, `${from}, failed`);
      t.deepEqual(failure.intents, [{ kind: 'retryLater' }]);
    }
  });

  test(`${stepper.id}: the step is the library's transition, state and intents`, (t) => {
    for (const from of states) {
      const events: LifecycleEvent<ObservedFacts>[] = [
        { type: 'INTENT.DONE' },
        { type: 'INTENT.FAILED', message: 'no' },
      ];
      for (const seen of Object.values(facts)) events.push({ type: 'OBSERVED', facts: seen });
      for (const event of events) {
        const ours = stepper.step({ value: from, context: {} }, event);
        const [after, actions] = transition(lifecycle.machine, snapshotOf(lifecycle.machine, from), event);
        t.is(ours.state.value, (after as AnyMachineSnapshot).value as string);
        t.deepEqual(
          ours.intents,
          actions.filter(({ type }) => String(type) === 'intent').map(({ params }) => params as unknown as Intent),
        );
      }
    }
  });

  test(`${stepper.id}: every state with something to do says so in an intent, and repeats it when asked again`, (t) => {
    for (const [state, seen] of Object.entries(facts)) {
      const first = stepper.step({ value: state, context: {} }, { type: 'OBSERVED', facts: seen });
      const again = stepper.step(first.state, { type: 'OBSERVED', facts: seen });
      t.deepEqual(first.intents, again.intents);
      if (state === 'catchingUp' || idle.includes(state)) {
        t.deepEqual(
          first.intents.filter(({ kind }) => kind !== 'wake'),
          [],
          `${state} acts on an old copy`,
        );
      }
    }
  });
}

function snapshotOf(machine: AnyStateMachine, value: string): AnyMachineSnapshot {
  return machine.resolveState({ value, context: {} }) as AnyMachineSnapshot;
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

test('a step is a value: a thousand of them leave nothing behind in the machine', (t) => {
  const seen = rs['scalingUp'];
  if (seen === undefined) throw new Error('no facts');
  let state = replicaSetLifecycle.derive(seen);
  for (let i = 0; i < 1_000; i += 1) {
    state = replicaSetLifecycle.stepper.step(state, { type: 'OBSERVED', facts: seen }).state;
  }
  t.deepEqual(state, { value: 'scalingUp', context: {} });
});

test('a namespace whose content could not all be deleted or seen is not let go, and its conditions say why', (t) => {
  const failing = { ...sweep, remaining: {}, failures: ['no'] };
  t.is(namespaceState({ ...ns, sweep: failing }), 'waiting');
  t.is(
    namespaceState({ ...ns, sweep: { ...sweep, remaining: {}, undiscovered: ['metrics.k8s.io/v1beta1'] } }),
    'waiting',
  );
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } } as const;
  const conditions = namespaceConditions(namespace, { ...failing, undiscovered: ['a/v1'] }, 0) ?? [];
  t.like(
    conditions.find(({ type }) => type === 'NamespaceDeletionContentFailure'),
    {
      status: 'True',
      reason: 'ContentDeletionFailed',
      message: 'Failed to delete all resource types, 1 remaining: no',
    },
  );
  t.like(
    conditions.find(({ type }) => type === 'NamespaceDeletionDiscoveryFailure'),
    {
      status: 'True',
      reason: 'DiscoveryFailed',
      message: 'Discovery failed for some groups, 1 failing: a/v1',
    },
  );
});
