/** Bad input: a message that names the field or setting, the value and the remedy; nothing half made, no node harmed. */
import { mkdirSync, openSync, readdirSync, readSync, writeFileSync, writeSync, closeSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { canMakeNetns, createLab, eventually, isRoot, kubectlPath, type Lab } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const NO_STACK = /^\s+at /m;
const DAMAGE_AT = 3 * 512 + 20;

async function refused(t: ExecutionContext, lab: Lab, args: string[], code: number, message: RegExp): Promise<void> {
  const output = await lab.kontiki(...args);
  t.is(output.code, code, `${args.join(' ')}: ${output.stdout}${output.stderr}`);
  t.regex(output.stderr, message);
  t.notRegex(output.stderr, NO_STACK);
}

function listenOn(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

test.serial('the command line refuses what it cannot do, and leaves nothing behind', async (t) => {
  t.timeout(900_000);
  const lab = await createLab({ runtime: 'process', hostNetwork: true });
  try {
    await refused(t, lab, ['up', '--colour'], 2, /Unknown option '--colour'/);
    await refused(t, lab, ['up', '--nodes', '0'], 2, /--nodes is '0'; it must be a whole number from 1 to 9/);
    await refused(
      t,
      lab,
      ['up', '--runtime', 'podman'],
      2,
      /--runtime is 'podman'; it must be one of auto, docker, process/,
    );
    await refused(
      t,
      lab,
      ['status'],
      1,
      /there is no cluster in .*; start one with npm start, or name its directory with --data/,
    );
    await refused(t, lab, ['start', 'n9'], 1, /there is no cluster in/);

    const taken = await listenOn(lab.port + 2);
    await refused(
      t,
      lab,
      ['up', '--detach', '--port', String(lab.port)],
      1,
      new RegExp(
        `port ${lab.port + 2} \\(API of n2\\) is in use by another process; stop it, or choose other ports with --port`,
      ),
    );
    await new Promise((resolve) => taken.close(resolve));

    mkdirSync(join(lab.data, 'photos'), { recursive: true });
    await refused(t, lab, ['up', '--detach'], 2, /is not empty and holds no cluster \(found photos\)/);
    await refused(t, lab, ['up', '--detach', '--fresh'], 2, /--fresh would remove .*, which holds no cluster/);
    t.deepEqual(
      readdirSync(lab.data).filter((name) => !name.startsWith('.')),
      ['photos'],
    );
  } finally {
    await lab.close();
  }
});

test.serial('a node refuses settings that are wrong, naming the setting', async (t) => {
  t.timeout(900_000);
  const lab = await createLab({ runtime: 'process', hostNetwork: true });
  try {
    mkdirSync(lab.data, { recursive: true });
    const file = join(lab.data, 'node.yaml');
    const base = { name: 'n1', api: { port: lab.port }, peer: { port: lab.port + 1 } };
    const cases: [object, RegExp][] = [
      [{ ...base, colour: 'red' }, /setting 'colour' is "red"; it must be left out; known settings here: name, api/],
      [{ ...base, name: 'Node_1' }, /setting 'name' is "Node_1"; it must be a DNS-1123 label/],
      [{ ...base, api: { port: 'high' } }, /setting 'api\.port' is "high"; it must be a whole number from 1 to 65535/],
      [
        { ...base, times: { electionMinMs: 60, heartbeatMs: 50 } },
        /setting 'times\.electionMinMs' is 60; it must be at least three heartbeats/,
      ],
      [
        { ...base, ranges: { pods: '10.0.0.0/33' } },
        /setting 'ranges\.pods' is "10\.0\.0\.0\/33"; it must be an IPv4 range/,
      ],
    ];
    for (const [settings, message] of cases) {
      writeFileSync(file, JSON.stringify(settings));
      await refused(t, lab, ['server', '--config', file], 2, message);
    }
    writeFileSync(file, JSON.stringify({ ...base, join: { server: 'https://127.0.0.1:1', token: 'secret' } }));
    await refused(t, lab, ['server', '--config', file], 1, /join\.token is not of the form kontiki1\.<hash>\.<secret>/);
  } finally {
    await lab.close();
  }
});

/** Turn over one bit early in a node's log. */
function damageLog(directory: string): void {
  const segments = readdirSync(directory).filter((name) => name.startsWith('segment-'));
  const path = join(directory, segments.toSorted()[0] ?? '');
  const file = openSync(path, 'r+');
  const byte = new Uint8Array(1);
  // A batch begins at each sector: inside the third, with many written later behind it.
  readSync(file, byte, 0, 1, DAMAGE_AT);
  writeSync(file, new Uint8Array([(byte[0] ?? 0) ^ 1]), 0, 1, DAMAGE_AT);
  closeSync(file);
}

needs('root, network namespaces and kubectl', isRoot && canMakeNetns() && kubectlPath !== undefined, { serial: true })(
  'objects that are wrong are refused in the words of Kubernetes; a damaged log is refilled; a foreign directory and a stranger token stop one node, not the cluster',
  async (t) => {
    t.timeout(900_000);
    const lab = await createLab({ runtime: 'process' });
    try {
      const up = await lab.up();
      t.is(up.code, 0, up.stdout + up.stderr);
      const deployment = (spec: string): string =>
        `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: ${spec}`;
      const good =
        '{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}';
      const cases: [string, RegExp][] = [
        [deployment(`${good}, replikas: 3}`), /strict decoding error: unknown field "spec\.replikas"/],
        [
          deployment(`${good}, replicas: many}`),
          /cannot unmarshal string into Go struct field DeploymentSpec\.spec\.replicas of type int32/,
        ],
        [
          'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}',
          /The ConfigMap "Not_A_Name" is invalid: metadata\.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain must consist of/,
        ],
        [
          deployment(good.replace('labels: {a: b}', 'labels: {a: c}') + '}'),
          /`selector` does not match template `labels`/,
        ],
        [
          deployment(`${good.replace('image: i', 'image: i, resources: {limits: {memory: lots}}')}}`),
          /quantities must match the regular expression/,
        ],
      ];
      for (const [yaml, message] of cases) {
        const output = await lab.apply(yaml);
        t.is(output.code, 1, output.stdout);
        t.regex(output.stderr, message);
      }
      t.is(
        (await lab.kubectl('get', 'deploy,cm', '-o', 'name')).stdout,
        'configmap/kube-root-ca.crt\n',
        'nothing half made',
      );

      t.is((await lab.kontiki('stop', 'n3')).code, 0);
      damageLog(join(lab.data, 'n3', 'consensus'));
      const damaged = await lab.kontiki('start', 'n3');
      t.is(damaged.code, 0, damaged.stderr);
      const told = (): string => readFileSync(join(lab.data, 'n3.log'), 'utf8');
      t.regex(
        told(),
        /the log was damaged; this node does not vote until the leader has refilled it.*offset \d+, index \d+/,
      );
      t.is((await lab.kubectl('create', 'configmap', 'after-damage')).code, 0, 'the other two go on');
      await eventually('n3 is refilled', 20_000, async () => told().includes('has been refilled by the leader'));
      t.is(
        (await lab.kubectlAt('n3', 'get', 'configmap', 'after-damage', '-o', 'name')).stdout,
        'configmap/after-damage\n',
      );

      t.is((await lab.kontiki('stop', 'n2')).code, 0);
      const settings = readFileSync(join(lab.data, 'n2.yaml'), 'utf8');
      writeFileSync(join(lab.data, 'n2.yaml'), settings.replace('name: n2', 'name: n7'));
      const foreign = await lab.kontiki('start', 'n2');
      t.is(foreign.code, 1);
      t.regex(foreign.stderr, /the data directory belongs to node 'n2' of cluster \S+, and this node is 'n7'/);
      writeFileSync(join(lab.data, 'n2.yaml'), settings);
      t.is((await lab.kontiki('start', 'n2')).code, 0);
      await eventually(
        'writes again',
        20_000,
        async () => (await lab.kubectl('create', 'configmap', 'after-return')).code === 0,
      );
    } finally {
      await lab.close();
    }
  },
);
