/**
 * The kubelet on the real registry and the simulated engine, in virtual time: what `kubectl get pod` shows of a
 * life, what a restart of the node changes (nothing), and what may be removed (only what is proven to be over).
 */
import test, { type ExecutionContext } from 'ava';
import { formatTime } from '#src/api/metadata.ts';
import { ApiError } from '#src/api/api-error.ts';
import type { Container, Pod, PodSpec } from '#src/api/objects.ts';
import { createKubelet, type Kubelet } from '#src/kubelet/kubelet.ts';
import type { Client } from '#src/registry/client.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import type { NodeClock } from '#src/sim/clock.ts';
import { createSimDataplane, createSimDataplaneHost, type SimDataplaneHost } from '#src/sim/dataplane.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import {
  createSimRuntime,
  createSimRuntimeHost,
  endContainer,
  loseSandbox,
  type SimRuntimeHost,
} from '#src/sim/runtime.ts';
import type { Peers } from '#src/wire/peers.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { runFor } from '#test/support/virtual.ts';

const PODS = { group: '', version: 'v1', resource: 'pods' };
const EVENTS = { group: '', version: 'v1', resource: 'events' };

interface Bench extends ApiFixture {
  run: <T>(promise: Promise<T>) => Promise<T>;
  host: SimRuntimeHost;
  dataplane: SimDataplaneHost;
  kubelet: Kubelet;
  /** kill -9 of the node; containers go on. */
  crash: () => void;
  boot: (client?: Client) => void;
  pass: (ms: number) => Promise<void>;
  create: (spec: Partial<PodSpec> & { containers: Container[] }, name?: string) => Promise<Pod>;
  pod: (name?: string) => Promise<Pod>;
  gone: (name?: string) => Promise<boolean>;
  remove: (graceSeconds?: number, name?: string) => Promise<void>;
  reasons: () => Promise<string[]>;
  running: () => string[];
}

const nobody: Peers = {
  onStream: () => undefined,
  onRequest: () => undefined,
} as unknown as Peers; // Streams are tried with the real links.

async function bench(
  t: ExecutionContext,
  prepare?: (host: SimRuntimeHost) => void,
  podCidr = '10.244.1.0/24',
  wrap: (runtime: Runtime, clock: NodeClock) => Runtime = (runtime) => runtime,
): Promise<Bench> {
  const fixture = await apiFixture();
  const { world, registry, admin, log } = fixture;
  const host = createSimRuntimeHost(world);
  prepare?.(host);
  const dataplane = createSimDataplaneHost();
  const node = registry.clientFor({ user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] });
  let clock: NodeClock;
  let seed = 0;
  const self: Bench = {
    ...fixture,
    host,
    dataplane,
    kubelet: undefined as unknown as Kubelet, // boot() below
    boot(client = node) {
      seed += 1;
      clock = world.clock();
      self.kubelet = createKubelet({
        client,
        clock,
        random: createSimRandom(createPrng(seed)),
        log,
        runtime: wrap(createSimRuntime(host, { clock, node: 'n1' }), clock),
        dataplane: createSimDataplane(dataplane),
        peers: nobody,
        config: {
          clusterId: 'c',
          nodeName: 'n1',
          podCidr,
          hostIp: '10.0.0.1',
          labels: {},
          cpuMillis: 2000,
          memoryBytes: 1 << 30,
          podsMax: 110,
          leaseRenewMs: 10_000,
          leaseDurationSeconds: 40,
          version: 'v1.36.0',
          system: { os: 'linux', architecture: 'amd64', kernel: '6', image: 'sim', machineId: 'm', bootId: 'b' },
          limits: () => Promise.resolve([]),
        },
      });
      self.kubelet.start();
    },
    crash() {
      clock.revoke();
      self.kubelet.stop();
    },
    pass: (ms) => runFor(world, ms),
    create: (spec, name = 'p') =>
      fixture.run(
        admin.create<Pod>(
          PODS,
          {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name, namespace: 'default' },
            spec: { nodeName: 'n1', ...spec },
          },
          { namespace: 'default' },
        ),
      ),
    pod: (name = 'p') => fixture.run(admin.get<Pod>(PODS, name, { namespace: 'default' })),
    gone: async (name = 'p') =>
      !(await fixture.run(admin.list<Pod>(PODS, { namespace: 'default' }))).items.some(
        (pod) => pod.metadata.name === name,
      ),
    async remove(graceSeconds, name = 'p') {
      await fixture.run(
        admin.delete(PODS, name, {
          namespace: 'default',
          ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
        }),
      );
    },
    async reasons() {
      const list = await fixture.run(admin.list(EVENTS, { namespace: 'default' }));
      return list.items.map((event) => (event as unknown as { reason: string }).reason);
    },
    running: () => [...host.containers.values()].filter((c) => c.state.state === 'running').map((c) => c.state.id),
  };
  self.boot();
  await self.pass(500);
  t.teardown(() => self.kubelet.stop());
  return self;
}

const condition = (pod: Pod, type: string): string | undefined =>
  pod.status?.conditions?.find((c) => c.type === type)?.status;
const first = (pod: Pod) => pod.status?.containerStatuses?.[0];
const app = (more: Partial<Container> = {}): Container => ({ name: 'c', image: 'app', ...more });

test('the node registers itself: labels, capacity, Ready, and a Lease that it renews', async (t) => {
  const { admin, run, pass, clock } = await bench(t);
  const node = await run(
    admin.get<{ status: { conditions: { type: string; status: string }[] } } & Pod>(
      { group: '', version: 'v1', resource: 'nodes' },
      'n1',
    ),
  );
  t.is(node.metadata.labels?.['kubernetes.io/hostname'], 'n1');
  t.is(node.status.conditions.find((c) => c.type === 'Ready')?.status, 'True');
  const lease = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' };
  const renewed = async (): Promise<string> =>
    (await run(admin.get<{ spec: { renewTime: string } } & Pod>(lease, 'n1', { namespace: 'kube-node-lease' }))).spec
      .renewTime;
  const before = await renewed();
  await pass(21_000);
  const after = await renewed();
  t.true(Date.parse(after) - Date.parse(before) >= 20_000, `${before} … ${after} at ${formatTime(clock.wallMs())}`);
});

test('a Pod is created, runs and becomes ready, as Kubernetes words it', async (t) => {
  const { create, pass, pod, reasons, dataplane } = await bench(t);
  await create({ containers: [app()] });
  await pass(2000);
  const seen = await pod();
  t.like(seen.status, { phase: 'Running', podIP: '10.244.1.2', hostIP: '10.0.0.1', qosClass: 'BestEffort' });
  for (const type of ['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready', 'PodScheduled'])
    t.is(condition(seen, type), 'True', type);
  t.like(first(seen), { ready: true, started: true, restartCount: 0 });
  t.truthy(first(seen)?.state?.running?.startedAt);
  t.truthy(first(seen)?.imageID);
  t.is(dataplane.pods.get(seen.metadata.uid ?? '')?.ip, '10.244.1.2');
  const told = await reasons();
  for (const reason of ['Pulled', 'Created', 'Started']) t.true(told.includes(reason), `${reason} in ${told.join()}`);
});

test('a container that crashes restarts at once, then with back-off, and says CrashLoopBackOff', async (t) => {
  const { create, pass, pod, reasons } = await bench(t, (host) =>
    host.programs.set('app', { runMs: 100, exitCode: 3 }),
  );
  await create({ containers: [app()] });
  await pass(3000);
  const seen = await pod();
  t.is(seen.status?.phase, 'Running');
  t.is(condition(seen, 'Ready'), 'False');
  t.like(first(seen), {
    restartCount: 1,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 3, reason: 'Error' } },
  });
  t.regex(first(seen)?.state?.waiting?.message ?? '', /^back-off 10s restarting failed container=c pod=p_default\(/);
  t.true((await reasons()).includes('BackOff'));
  await pass(10_000);
  t.is(first(await pod())?.restartCount, 2);
  await pass(16_000);
  t.is(first(await pod())?.restartCount, 2);
  await pass(4000);
  t.is(first(await pod())?.restartCount, 3);
});

for (const [policy, exitCode, phase] of [
  ['Never', 0, 'Succeeded'],
  ['Never', 1, 'Failed'],
  ['OnFailure', 0, 'Succeeded'],
] as const)
  test(`restartPolicy ${policy}, exit ${exitCode}: ${phase}, and the sandbox and its address are given back`, async (t) => {
    const { create, pass, pod, host, dataplane } = await bench(t, (h) =>
      h.programs.set('app', { runMs: 100, exitCode }),
    );
    await create({ restartPolicy: policy, containers: [app()] });
    await pass(2000);
    const seen = await pod();
    t.is(seen.status?.phase, phase);
    t.like(first(seen), {
      restartCount: 0,
      state: { terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' } },
    });
    t.is(condition(seen, 'PodReadyToStartContainers'), 'False');
    t.is([...host.sandboxes.values()].filter((s) => s.state === 'ready').length, 0);
    t.is(dataplane.pods.size, 0);
    t.is(host.containers.size, 1, 'the container stays for its log');
  });

test('finished Pods do not use up the addresses of the node', async (t) => {
  const { create, pass, pod } = await bench(t, (host) => host.programs.set('job', { runMs: 10 }), '10.244.1.0/29');
  for (let i = 0; i < 12; i += 1) {
    await create({ restartPolicy: 'Never', containers: [app({ image: 'job' })] }, `j${i}`);
    await pass(1000);
  }
  t.is((await pod('j11')).status?.phase, 'Succeeded');
});

test('init containers run one after another, before the others; a failed one ends a Pod that never restarts', async (t) => {
  const { create, pass, pod, host } = await bench(t, (h) => {
    h.programs.set('one', { runMs: 1000 });
    h.programs.set('bad', { runMs: 100, exitCode: 2 });
  });
  await create({
    initContainers: [app({ name: 'i1', image: 'one' }), app({ name: 'i2', image: 'one' })],
    containers: [app()],
  });
  await pass(800);
  t.like(first(await pod()), { state: { waiting: { reason: 'PodInitializing' } } });
  t.is((await pod()).status?.phase, 'Pending');
  await pass(4000);
  t.is((await pod()).status?.phase, 'Running');
  const times = [...host.containers.values()]
    .map((c) => [c.state.name, c.state.startedAtMs ?? 0] as const)
    .toSorted((a, b) => a[1] - b[1]);
  t.deepEqual(
    times.map(([name]) => name),
    ['i1', 'i2', 'c'],
  );

  await create(
    { restartPolicy: 'Never', initContainers: [app({ name: 'i', image: 'bad' })], containers: [app()] },
    'q',
  );
  await pass(3000);
  t.is((await pod('q')).status?.phase, 'Failed');
});

test('a sidecar starts before the containers it serves, counts for readiness, and does not keep a Job alive', async (t) => {
  const { create, pass, pod } = await bench(t, (host) => host.programs.set('work', { runMs: 5000 }));
  await create({
    restartPolicy: 'Never',
    initContainers: [app({ name: 'side', image: 'side', restartPolicy: 'Always' })],
    containers: [app({ image: 'work' })],
  });
  await pass(2000);
  const seen = await pod();
  t.like(seen.status?.initContainerStatuses?.[0], { ready: true, started: true });
  t.is(condition(seen, 'Ready'), 'True');
  await pass(6000);
  t.is((await pod()).status?.phase, 'Succeeded');
});

test('an ephemeral container runs once beside the others and decides nothing', async (t) => {
  const { admin, run, create, pass, pod, crash, boot } = await bench(t, (host) => {
    host.programs.set('work', { runMs: 20_000 });
    host.programs.set('tool', { runMs: 3000, exitCode: 1 });
  });
  await create({ restartPolicy: 'Never', containers: [app({ image: 'work' })] });
  await pass(2000);
  const ephemeralContainers = [{ name: 'dbg', image: 'tool', targetContainerName: 'c' }];
  const change = { spec: { ephemeralContainers, activeDeadlineSeconds: 5 } };
  await run(
    admin.patch(
      PODS,
      'p',
      { type: 'strategic', body: change },
      { namespace: 'default', subresource: 'ephemeralcontainers' },
    ),
  );
  await pass(1000);
  const seen = await pod();
  t.is(seen.spec?.activeDeadlineSeconds, undefined, 'nothing else changes through this subresource');
  t.like(seen.status?.ephemeralContainerStatuses?.[0], { name: 'dbg', ready: false, restartCount: 0 });
  t.truthy(seen.status?.ephemeralContainerStatuses?.[0]?.state?.running);
  t.is(condition(seen, 'Ready'), 'True');
  t.is(seen.status?.containerStatuses?.length, 1);
  await pass(4000);
  t.like((await pod()).status, {
    phase: 'Running',
    ephemeralContainerStatuses: [{ restartCount: 0, state: { terminated: { exitCode: 1 } } }],
  });
  // Another life of the node does not run it again.
  crash();
  boot();
  await pass(2000);
  t.like((await pod()).status?.ephemeralContainerStatuses?.[0], { state: { terminated: { exitCode: 1 } } });
  await pass(15_000);
  t.is((await pod()).status?.phase, 'Succeeded');
});

test('probes: startup holds the others back, readiness follows its answers, liveness restarts', async (t) => {
  let status = 500;
  const { create, pass, pod, reasons } = await bench(t, (host) => host.programs.set('app', { probe: () => status }));
  const http = { httpGet: { path: '/', port: 80 }, periodSeconds: 1 };
  await create({
    containers: [
      app({
        startupProbe: { ...http, failureThreshold: 10 },
        livenessProbe: { ...http, failureThreshold: 3 },
        readinessProbe: http,
      }),
    ],
  });
  await pass(3000);
  t.like(first(await pod()), { started: false, ready: false, restartCount: 0 });
  status = 200;
  await pass(3000);
  t.like(first(await pod()), { started: true, ready: true, restartCount: 0 });
  status = 503;
  await pass(6000);
  const told = await reasons();
  t.true(told.includes('Unhealthy') && told.includes('Killing'));
  t.is(first(await pod())?.restartCount, 1);
  t.is(condition(await pod(), 'Ready'), 'False');
});

test('a deleted Pod gets SIGTERM and its grace, then SIGKILL, and leaves nothing', async (t) => {
  const { create, pass, gone, remove, running, host, dataplane } = await bench(t, (h) =>
    h.programs.set('app', { termMs: 'never' }),
  );
  await create({ terminationGracePeriodSeconds: 5, containers: [app()] });
  await pass(2000);
  await remove();
  await pass(4000);
  t.is(running().length, 1);
  t.false(await gone());
  await pass(3000);
  t.true(await gone());
  t.deepEqual([host.containers.size, host.sandboxes.size, dataplane.pods.size], [0, 0, 0]);
});

test('preStop runs before SIGTERM and counts against the grace', async (t) => {
  const commands: string[] = [];
  const { create, pass, gone, remove } = await bench(t, (h) =>
    h.programs.set('app', {
      exec: (command) => {
        commands.push(command.join(' '));
        return { exitCode: 0 };
      },
    }),
  );
  await create({ containers: [app({ lifecycle: { preStop: { exec: { command: ['say', 'bye'] } } } })] });
  await pass(2000);
  await remove();
  await pass(2000);
  t.deepEqual(commands, ['say bye']);
  t.true(await gone());
});

for (const [when, atMs] of [
  ['its first container is pulled', 30],
  ['its sandbox is made', 5],
  ['it waits for its next attempt', 4000],
] as const)
  test(`a Pod that is deleted while ${when} ends`, async (t) => {
    const { create, pass, gone, remove, host } = await bench(t, (h) => {
      h.programs.set('app', { runMs: 50, exitCode: 1 });
      h.latency.pull = 300;
    });
    await create({ containers: [app({ imagePullPolicy: 'Always' })] });
    await pass(atMs);
    await remove(1);
    await pass(5000);
    t.true(await gone());
    t.deepEqual([host.containers.size, host.sandboxes.size], [0, 0]);
  });

test('a Pod that is deleted while a container is made again ends', async (t) => {
  const { create, pass, gone, remove, host, running } = await bench(t, (h) => {
    h.programs.set('app', { runMs: 1000, exitCode: 1 });
    h.latency.pull = 500;
  });
  await create({ containers: [app({ imagePullPolicy: 'Always' })] });
  await pass(1500);
  host.programs.set('app', {});
  await pass(300);
  t.is(running().length, 0, 'between two attempts');
  await remove(1);
  await pass(6000);
  t.true(await gone());
  t.is(host.containers.size, 0);
});

test('images: ErrImagePull, then ImagePullBackOff, and the Pod starts once the image is there', async (t) => {
  const { create, pass, pod, host } = await bench(t, (h) => h.programs.set('app', { pull: 'fails' }));
  await create({ containers: [app()] });
  await pass(1000);
  t.like(first(await pod()), { restartCount: 0, state: { waiting: { reason: 'ErrImagePull' } } });
  await pass(11_000);
  t.like(first(await pod()), { restartCount: 0, state: { waiting: { reason: 'ImagePullBackOff' } } });
  host.programs.set('app', {});
  await pass(30_000);
  t.like(first(await pod()), { restartCount: 0, ready: true });
});

test('a command that cannot start says so, and a later attempt may', async (t) => {
  const { create, pass, pod, host } = await bench(t, (h) =>
    h.programs.set('app', { startFails: 'exec: "nope": not found' }),
  );
  await create({ containers: [app()] });
  await pass(1000);
  t.like(first(await pod()), {
    state: { waiting: { reason: 'RunContainerError', message: 'exec: "nope": not found' } },
  });
  host.programs.set('app', {});
  await pass(12_000);
  t.is(condition(await pod(), 'Ready'), 'True');
});

test('a node killed with -9 adopts: same container, same restart count, and nothing is removed', async (t) => {
  const { create, pass, pod, crash, boot, host, running } = await bench(t, (h) =>
    h.programs.set('app', { runMs: 1000, exitCode: 1 }),
  );
  await create({ containers: [app()] });
  await pass(1900);
  host.programs.set('app', {});
  await pass(14_000);
  const before = await pod();
  const ids = running();
  t.is(ids.length, 1);
  const removed = host.removed.length;
  crash();
  await pass(60_000);
  boot();
  await pass(15_000);
  t.deepEqual(running(), ids);
  t.deepEqual(first(await pod()), first(before));
  t.is(host.removed.length, removed);
});

test('what ended while the node was away is seen when it is back', async (t) => {
  const { create, pass, pod, crash, boot, host, running } = await bench(t);
  await create({ containers: [app()] });
  await pass(2000);
  crash();
  endContainer(host, running()[0] ?? '', 9);
  await pass(1000);
  boot();
  await pass(2000);
  t.like(first(await pod()), { restartCount: 1, lastState: { terminated: { exitCode: 9 } }, ready: true });
});

test('a lost sandbox is made again, with all containers, counting on', async (t) => {
  const { create, pass, pod, host, reasons } = await bench(t);
  await create({ containers: [app()] });
  await pass(2000);
  loseSandbox(host, [...host.sandboxes.keys()][0] ?? '');
  await pass(3000);
  const seen = await pod();
  t.is(condition(seen, 'Ready'), 'True');
  t.is(first(seen)?.restartCount, 1);
  t.is(host.sandboxes.size, 1);
  t.true((await reasons()).includes('SandboxChanged'));
});

test('a Pod that never restarts is not run again in a new sandbox', async (t) => {
  const { create, pass, pod, host, running } = await bench(t);
  await create({ restartPolicy: 'Never', containers: [app()] });
  await pass(2000);
  loseSandbox(host, [...host.sandboxes.keys()][0] ?? '');
  await pass(3000);
  t.is((await pod()).status?.phase, 'Failed');
  t.is(running().length, 0);
});

test('DESIGN §4.7: without a confirmed list nothing is removed; with one, what no Pod explains goes', async (t) => {
  const { create, pass, crash, boot, host, registry, remove, running, gone } = await bench(t);
  await create({ containers: [app()] });
  await create({ containers: [app()] }, 'q');
  await pass(2000);
  crash();
  await remove(0);
  t.true(await gone());
  const real = registry.clientFor({ user: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] });
  let away = true;
  const cut: Client = {
    ...real,
    identity: real.identity,
    list: (...args) =>
      (away ? Promise.reject(new ApiError(503, 'ServiceUnavailable', 'no quorum')) : real.list(...args)) as never,
    watch: (...args) => real.watch(...args) as never,
    get: (...args) => real.get(...args) as never,
    create: (...args) => real.create(...args) as never,
    update: (...args) => real.update(...args) as never,
    batch: (...args) => real.batch(...args),
  };
  boot(cut);
  await pass(60_000);
  t.is(running().length, 2);
  t.deepEqual(host.removed, []);
  away = false;
  await pass(60_000);
  t.is(running().length, 1);
  t.is(host.sandboxes.size, 1);
});

test('after a restart no address of a sandbox that still runs is given out', async (t) => {
  const { create, pass, crash, boot, pod } = await bench(t);
  await create({ containers: [app()] });
  await pass(2000);
  crash();
  await create({ containers: [app()] }, 'a');
  boot();
  await pass(3000);
  t.not((await pod('a')).status?.podIP, (await pod()).status?.podIP);
});

test('an engine that is away costs the node its readiness and no Pod its life', async (t) => {
  const { create, pass, pod, host, admin, run, running } = await bench(t);
  await create({ containers: [app()] });
  await pass(2000);
  const ids = running();
  host.down = true;
  await pass(30_000);
  const node = await run(
    admin.get<{ status: { conditions: { type: string; status: string }[] } } & Pod>(
      { group: '', version: 'v1', resource: 'nodes' },
      'n1',
    ),
  );
  t.is(node.status.conditions.find((c) => c.type === 'Ready')?.status, 'False');
  host.down = false;
  await pass(20_000);
  t.deepEqual(running(), ids);
  t.is(condition(await pod(), 'Ready'), 'True');
});

test('a list of the engine that was begun before a container ran does not count against it', async (t) => {
  // Lists show the moment they were begun and take two seconds: looks overlap with starts all the time.
  const slowLists = (runtime: Runtime, clock: NodeClock): Runtime => {
    const late = async <T>(list: Promise<T>): Promise<T> => {
      const seen = structuredClone(await list);
      await new Promise<void>((resolve) => clock.after(2000, resolve));
      return seen;
    };
    return {
      ...runtime,
      listSandboxes: () => late(runtime.listSandboxes()),
      listContainers: () => late(runtime.listContainers()),
    };
  };
  const b = await bench(t, undefined, '10.244.1.0/24', slowLists);
  for (const name of ['a', 'b', 'c', 'd']) {
    await b.create({ containers: [{ name: 'web', image: 'kontiki/demo' }] }, name);
    await b.pass(700);
  }
  await b.pass(15_000);
  for (const name of ['a', 'b', 'c', 'd']) {
    const pod = await b.pod(name);
    t.is(condition(pod, 'Ready'), 'True', name);
    t.is(pod.status?.containerStatuses?.[0]?.restartCount, 0, name);
  }
  t.false((await b.reasons()).includes('SandboxChanged'));
  t.is(b.host.sandboxes.size, 4, 'no sandbox was made twice');
});
