/** The tour's core in every degree of privilege (DESIGN §4.9); root with everything is tour.test.ts. */
import { readFileSync, readdirSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { findProgram } from '#src/drivers/dataplane/commands.ts';
import { hasEngine } from '#test/support/engine.ts';
import {
  canMakeNetns,
  createLab,
  eventually,
  isRoot,
  kubectlPath,
  type Lab,
  type LabOptions,
} from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const canRun = isRoot && canMakeNetns() && kubectlPath !== undefined;

interface Degree {
  lab: LabOptions;
  /** Where Pods get their addresses. */
  podIp: RegExp;
  /** The Service's port as announced. */
  servicePort: number;
  /** What the node's condition has to say. */
  limit: RegExp;
}

/** Processes that carry the lab's id in their environment. */
function processesOf(lab: Lab): string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return (
        /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/environ`, 'latin1').includes(`KONTIKI_LAB=${lab.id}\0`)
      );
    } catch {
      return false; // Ended meanwhile.
    }
  });
}

async function core(t: ExecutionContext, degree: Degree): Promise<void> {
  t.timeout(900_000);
  const lab = await createLab(degree.lab);
  try {
    const up = await lab.up();
    t.is(up.code, 0, up.stdout + up.stderr);
    t.is((await lab.kubectl('apply', '-f', 'cluster-config/examples/hello.yaml')).code, 0);
    const rolled = await lab.kubectl('rollout', 'status', 'deploy/hello', '--timeout=90s');
    t.is(rolled.code, 0, rolled.stdout + rolled.stderr + (await lab.kubectl('get', 'pods', '-o', 'wide')).stdout);
    const ips = (await lab.kubectl('get', 'pods', '-o', 'jsonpath={.items[*].status.podIP}')).stdout.split(' ');
    t.is(new Set(ips).size, 3);
    for (const ip of ips) t.regex(ip, degree.podIp);

    const clusterIp = (await lab.kubectl('get', 'svc', 'hello', '-o', 'jsonpath={.spec.clusterIP}')).stdout;
    const url = `http://${clusterIp}:${degree.servicePort}/`;
    const answers = async (): Promise<boolean> =>
      (await lab.exec('curl', '-s', '-m', '2', url)).stdout.startsWith('hello from');
    await eventually(`the Service answers at ${url}`, 20_000, answers);
    await eventually('the condition says what is missing', 20_000, async () => {
      const limits = await lab.kubectl(
        'get',
        'nodes',
        '-o',
        'jsonpath={.items[*].status.conditions[?(@.type=="KontikiLimited")].message}',
      );
      return degree.limit.test(limits.stdout);
    });
    t.regex((await lab.kubectl('logs', 'deploy/hello')).stdout, /listens on/);
    const exec = await lab.kubectl('exec', 'deploy/hello', '--', 'sh', '-c', 'exit 7');
    t.is(exec.code, 7, exec.stderr);

    t.is((await lab.kontiki('kill-leader')).code, 0);
    await eventually('kubectl works again', 10_000, async () => (await lab.kubectl('get', 'pods')).code === 0);
    await eventually('the Service answers again', 10_000, answers);
    const restarts = await lab.kubectl(
      'get',
      'pods',
      '-o',
      'jsonpath={.items[*].status.containerStatuses[*].restartCount}',
    );
    t.is(restarts.stdout, '0 0 0');
    // A killed node cannot clean up after itself: it is started again, so that `down` finds all of them.
    const dead = (await lab.status()).nodes.find((node) => node.pid === null)?.name ?? '';
    t.is((await lab.kontiki('start', dead)).code, 0);

    const down = await lab.kontiki('down');
    t.is(down.code, 0, down.stderr);
    await eventually('no process is left', 15_000, async () => processesOf(lab).length === 0);
    if (!degree.lab.hostNetwork)
      t.is((await lab.exec(findProgram('ip') ?? 'ip', '-o', 'link')).stdout.match(/: kt/), null, 'no device is left');
  } finally {
    await lab.close();
  }
}

needs('root (to become nobody), network namespaces and kubectl', canRun, { serial: true })(
  'neither root nor an engine: loopback addresses, a userspace proxy, an announced high port',
  (t) =>
    core(t, {
      lab: { runtime: 'process', user: 'nobody' },
      podIp: /^127\./,
      servicePort: 10_080,
      limit: /not root:.*default\/hello:80 answers on \S+:10080/,
    }),
);

needs('root, network namespaces, nft and kubectl', canRun && findProgram('nft') !== undefined, { serial: true })(
  'root without nft: loopback addresses and the real port',
  (t) =>
    core(t, {
      lab: { runtime: 'process', hide: [findProgram('nft') ?? ''] },
      podIp: /^127\./,
      servicePort: 80,
      limit: /the programs nft are missing/,
    }),
);

needs('root, network namespaces, kubectl and a Docker engine', canRun && hasEngine(), { serial: true })(
  'Docker without root: a bridge network and a userspace proxy',
  (t) =>
    core(t, {
      lab: { runtime: 'docker', user: 'nobody', hostNetwork: true },
      podIp: /^(10|172|192)\./,
      servicePort: 10_080,
      limit: /not root/,
    }),
);
