/** The tour of the README, with the stock kubectl, real processes and real containers. */
import type { ExecutionContext } from 'ava';
import type { Deployment, Node, Pod } from '#src/api/objects.ts';
import { canMakeNetns, createLab, eventually, isRoot, kubectlPath, type Lab, type Output } from '#test/support/lab.ts';
import { hasEngine } from '#test/support/engine.ts';
import { needs } from '#test/support/needs.ts';

const HELLO = 'cluster-config/examples/hello.yaml';

async function json<T>(lab: Lab, ...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await lab.kubectl(...args, '-o', 'json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

const podsOf = async (lab: Lab): Promise<Pod[]> =>
  (await json<{ items: Pod[] }>(lab, 'get', 'pods', '-l', 'app=hello')).items;

const isReady = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

function columns(output: Output): string[] {
  return (output.stdout.split('\n')[0] ?? '').split(/\s{2,}/);
}

const canTour = isRoot && canMakeNetns() && kubectlPath !== undefined;
const TITLE = 'the tour: deploy, scale, roll, undo, lose the leader, get it back';

needs('root, ip, network namespaces and kubectl', canTour, { serial: true })(`${TITLE} (process runtime)`, (t) =>
  tour(t, 'process'),
);

needs('root, network namespaces, kubectl and a Docker engine', canTour && hasEngine(), { serial: true })(
  `${TITLE} (Docker)`,
  (t) => tour(t, 'docker'),
);

async function tour(t: ExecutionContext, runtime: 'process' | 'docker'): Promise<void> {
  t.timeout(900_000);
  const lab = await createLab({ runtime });
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    t.regex(up.stdout, /✔ 3 nodes {4,}n1 n2 n3 \(pids \d+ \d+ \d+\) · leader n\d, term \d+/);

    const nodes = await lab.kubectl('get', 'nodes');
    t.deepEqual(columns(nodes), ['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION']);
    t.is(nodes.stdout.match(/ Ready /g)?.length, 3, nodes.stdout);

    const applied = await lab.kubectl('apply', '-f', HELLO);
    t.is(applied.stdout, 'deployment.apps/hello created\nservice/hello created\n', applied.stderr);
    t.regex(await rolledOut(t, lab), /deployment "hello" successfully rolled out\n$/);
    t.is(
      (await lab.kubectl('apply', '-f', HELLO)).stdout,
      'deployment.apps/hello unchanged\nservice/hello unchanged\n',
    );

    const wide = await lab.kubectl('get', 'deploy,rs,pods,svc', '-o', 'wide');
    t.regex(wide.stdout, /NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR/);
    t.regex(wide.stdout, /NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES/);
    t.regex(wide.stdout, /NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR/);
    t.regex(wide.stdout, /deployment\.apps\/hello +3\/3 +3 +3 /);
    t.is(new Set((await podsOf(lab)).map((pod) => pod.spec?.nodeName)).size, 3, 'spread over the nodes');

    const clusterIp = (await lab.kubectl('get', 'svc', 'hello', '-o', 'jsonpath={.spec.clusterIP}')).stdout;
    await eventually('the service answers from the host and balances', 20_000, async () => {
      const names = new Set<string>();
      for (let i = 0; i < 12; i += 1)
        names.add(
          /hello-\S+/.exec((await lab.exec('curl', '-s', '-m', '2', `http://${clusterIp}/`)).stdout)?.[0] ?? '',
        );
      names.delete('');
      return names.size === 3;
    });

    t.is((await lab.kubectl('scale', 'deploy/hello', '--replicas=6')).stdout, 'deployment.apps/hello scaled\n');
    await eventually('six ready Pods', 60_000, async () => (await podsOf(lab)).filter(isReady).length === 6);
    t.regex((await lab.kubectl('logs', 'deploy/hello')).stdout, /8080/);
    const [pod] = await podsOf(lab);
    const described = await lab.kubectl('describe', 'pod', pod?.metadata.name ?? '');
    t.regex(described.stdout, /Successfully assigned default\/hello-\S+ to n\d/);
    t.regex(described.stdout, /Started container hello|Container started/);

    const image = await lab.kubectl('set', 'image', 'deploy/hello', 'hello=kontiki/demo:v2');
    t.is(image.stdout, 'deployment.apps/hello image updated\n', image.stderr);
    await rolledOut(t, lab);
    t.regex(
      (await lab.kubectl('rollout', 'history', 'deploy/hello')).stdout,
      /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>/,
    );
    t.is((await lab.kubectl('rollout', 'undo', 'deploy/hello')).stdout, 'deployment.apps/hello rolled back\n');
    await rolledOut(t, lab);
    t.is(
      (await json<Deployment>(lab, 'get', 'deploy', 'hello')).metadata.annotations?.[
        'deployment.kubernetes.io/revision'
      ],
      '3',
    );

    const [victim] = await podsOf(lab);
    t.regex((await lab.kubectl('delete', 'pod', victim?.metadata.name ?? '')).stdout, /^pod "hello-\S+" deleted/);
    await eventually('its replacement', 60_000, async () => {
      const pods = await podsOf(lab);
      return pods.filter(isReady).length === 6 && pods.every((p) => p.metadata.uid !== victim?.metadata.uid);
    });

    await surviveLeaderLoss(t, lab, clusterIp);

    t.is(
      (await lab.kubectl('delete', 'deploy/hello', 'svc/hello')).stdout,
      'deployment.apps "hello" deleted from default namespace\nservice "hello" deleted from default namespace\n'.replaceAll(
        ' from default namespace',
        '',
      ),
    );
    await eventually('no Pod left', 60_000, async () => (await podsOf(lab)).length === 0);
    const down = await lab.kontiki('down');
    t.is(down.code, 0, down.stderr);
  } finally {
    await lab.close();
  }
}

async function rolledOut(t: ExecutionContext, lab: Lab): Promise<string> {
  const status = await lab.kubectl('rollout', 'status', 'deploy/hello', '--timeout=90s');
  if (status.code !== 0) {
    t.log((await lab.kubectl('get', 'deploy,rs,pods', '-o', 'wide')).stdout);
    t.log((await lab.kubectl('describe', 'pods')).stdout);
    t.log((await lab.kontiki('actors')).stdout);
  }
  t.is(status.code, 0, status.stdout + status.stderr);
  return status.stdout;
}

async function surviveLeaderLoss(t: ExecutionContext, lab: Lab, clusterIp: string): Promise<void> {
  const before = await lab.status();
  const dead = before.leader ?? '';
  const podsBefore = await podsOf(lab);
  const killed = await lab.kontiki('kill-leader');
  t.is(killed.code, 0, killed.stderr);
  const after = await eventually(
    'the same kubectl, same context',
    10_000,
    async () => (await lab.kubectl('get', 'pods')).code === 0 && (await lab.status()),
  );
  t.not(after.leader, dead);
  t.true(after.term > before.term);

  const survivors = podsBefore.filter((pod) => pod.spec?.nodeName !== dead);
  const now = await podsOf(lab);
  for (const pod of survivors) {
    const same = now.find((candidate) => candidate.metadata.uid === pod.metadata.uid);
    t.is(
      same?.status?.containerStatuses?.[0]?.restartCount,
      pod.status?.containerStatuses?.[0]?.restartCount,
      `${pod.metadata.name} never stopped`,
    );
  }
  await eventually('the service answers again', 10_000, async () =>
    (await lab.exec('curl', '-s', '-m', '2', `http://${clusterIp}/`)).stdout.includes('hello'),
  );
  await eventually('the dead node is NotReady', 60_000, async () => {
    const node = await json<Node>(lab, 'get', 'node', dead);
    return node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'Unknown');
  });
  await eventually('its Pods run elsewhere', 90_000, async () => {
    const pods = (await podsOf(lab)).filter(isReady);
    return pods.filter((pod) => pod.spec?.nodeName !== dead).length === 6;
  });

  const started = await lab.kontiki('start', dead);
  t.is(started.code, 0, started.stdout + started.stderr);
  await eventually('the node is Ready again', 30_000, async () => {
    const node = await json<Node>(lab, 'get', 'node', dead);
    return node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
  });
  await eventually('what moved is given up', 60_000, async () => (await podsOf(lab)).length === 6);
}
