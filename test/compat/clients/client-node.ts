/** @kubernetes/client-node, unchanged, in a lab: typed calls, patches, watches, an informer through a failover, exec, logs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { PassThrough, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CoreV1Event,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  VersionApi,
  Watch,
  type V1ConfigMap,
  type V1Status,
} from '@kubernetes/client-node';
import { runChecks, until } from './checks.ts';

const [, , data = ''] = process.argv;
const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const config = new KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(CoreV1Api);
const apps = config.makeApiClient(AppsV1Api);
const namespace = 'client-node';

async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 200;
  } catch (error) {
    if (error instanceof ApiException) return error.code;
    throw error;
  }
}

function sink(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

async function podOf(selector: string): Promise<string> {
  return await until(`a ready Pod of ${selector}`, 60, async () => {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: selector });
    return items.find((pod) =>
      pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    )?.metadata?.name;
  });
}

await runChecks([
  [
    'version',
    async () => {
      const version = await config.makeApiClient(VersionApi).getCode();
      assert.equal(version.major, '1');
      assert.match(version.gitVersion, /^v1\.36\./);
    },
  ],
  ['create a namespace', async () => void (await core.createNamespace({ body: { metadata: { name: namespace } } }))],
  [
    'create, read, replace, list, delete a ConfigMap',
    async () => {
      const made = await core.createNamespacedConfigMap({
        namespace,
        body: { metadata: { name: 'one', labels: { a: 'b' } }, data: { k: 'v' } },
      });
      assert.ok(made.metadata?.uid);
      assert.ok(made.metadata?.creationTimestamp instanceof Date);
      const read = await core.readNamespacedConfigMap({ namespace, name: 'one' });
      assert.deepEqual(read.data, { k: 'v' });
      const replaced = await core.replaceNamespacedConfigMap({
        namespace,
        name: 'one',
        body: { ...read, data: { k: 'w' } },
      });
      assert.notEqual(replaced.metadata?.resourceVersion, read.metadata?.resourceVersion);
      assert.equal(await codeOf(core.replaceNamespacedConfigMap({ namespace, name: 'one', body: read })), 409);
      const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'a=b' });
      assert.deepEqual(
        list.items.map(({ metadata }) => metadata?.name),
        ['one'],
      );
      await core.deleteNamespacedConfigMap({ namespace, name: 'one' });
      assert.equal(await codeOf(core.readNamespacedConfigMap({ namespace, name: 'one' })), 404);
    },
  ],
  [
    'refusals carry a Status',
    async () => {
      try {
        await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'Not Valid' } } });
        assert.fail('accepted');
      } catch (error) {
        assert.ok(error instanceof ApiException);
        assert.equal(error.code, 422);
        const status = JSON.parse(String(error.body)) as V1Status;
        assert.equal(status.reason, 'Invalid');
        assert.equal(status.details?.causes?.[0]?.field, 'metadata.name');
      }
    },
  ],
  [
    'the patch types',
    async () => {
      await core.createNamespacedConfigMap({
        namespace,
        body: { metadata: { name: 'patched' }, data: { a: '1', b: '2' } },
      });
      const place = { namespace, name: 'patched' };
      const as = (strategy: (typeof PatchStrategy)[keyof typeof PatchStrategy]): ReturnType<typeof setHeaderOptions> =>
        setHeaderOptions('Content-Type', strategy);
      await core.patchNamespacedConfigMap(
        { ...place, body: [{ op: 'replace', path: '/data/a', value: '9' }] },
        as(PatchStrategy.JsonPatch),
      );
      await core.patchNamespacedConfigMap({ ...place, body: { data: { b: null } } }, as(PatchStrategy.MergePatch));
      await core.patchNamespacedConfigMap(
        { ...place, body: { data: { c: '3' } } },
        as(PatchStrategy.StrategicMergePatch),
      );
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched' }, data: { d: '4' } };
      const applied = await core.patchNamespacedConfigMap(
        { ...place, body, fieldManager: 'me', force: true },
        as(PatchStrategy.ServerSideApply),
      );
      assert.deepEqual(applied.data, { a: '9', c: '3', d: '4' });
      assert.ok(
        applied.metadata?.managedFields?.some(({ manager, operation }) => manager === 'me' && operation === 'Apply'),
      );
    },
  ],
  [
    'pages of a list',
    async () => {
      for (let i = 0; i < 7; i += 1)
        await core.createNamespacedConfigMap({
          namespace,
          body: { metadata: { name: `page-${i}`, labels: { page: 'yes' } } },
        });
      const names: (string | undefined)[] = [];
      let next: string | undefined;
      do {
        const page = await core.listNamespacedConfigMap({
          namespace,
          labelSelector: 'page=yes',
          limit: 3,
          ...(next ? { _continue: next } : {}),
        });
        assert.ok(page.items.length <= 3);
        names.push(...page.items.map(({ metadata }) => metadata?.name));
        next = page.metadata?._continue;
      } while (next);
      assert.deepEqual(
        names,
        [0, 1, 2, 3, 4, 5, 6].map((i) => `page-${i}`),
      );
    },
  ],
  [
    'a watch tells what changes, in order',
    async () => {
      const { metadata } = await core.listNamespacedConfigMap({ namespace });
      const seen: string[] = [];
      const controller = await new Watch(config).watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        { resourceVersion: metadata?.resourceVersion, labelSelector: 'watched=yes' },
        (type: string, object: V1ConfigMap) => void seen.push(`${type} ${object.metadata?.name}`),
        () => undefined,
      );
      await core.createNamespacedConfigMap({
        namespace,
        body: { metadata: { name: 'watched', labels: { watched: 'yes' } } },
      });
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'not-watched' } } });
      await core.patchNamespacedConfigMap(
        { namespace, name: 'watched', body: { data: { a: 'b' } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      await core.patchNamespacedConfigMap(
        { namespace, name: 'watched', body: { metadata: { labels: null } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      await until('three events', 10, () => (seen.length >= 3 ? true : undefined));
      controller.abort();
      assert.deepEqual(seen, ['ADDED watched', 'MODIFIED watched', 'DELETED watched']);
    },
  ],
  [
    'a Deployment comes up and scales',
    async () => {
      const labels = { app: 'node' };
      await apps.createNamespacedDeployment({
        namespace,
        body: {
          metadata: { name: 'node' },
          spec: {
            replicas: 1,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'kontiki/demo' }] } },
          },
        },
      });
      await podOf('app=node');
      const scale = await apps.readNamespacedDeploymentScale({ namespace, name: 'node' });
      await apps.replaceNamespacedDeploymentScale({
        namespace,
        name: 'node',
        body: { ...scale, spec: { replicas: 2 } },
      });
      await until('two ready', 60, async () =>
        (await apps.readNamespacedDeployment({ namespace, name: 'node' })).status?.readyReplicas === 2
          ? true
          : undefined,
      );
    },
  ],
  [
    'exec: output, error output, exit code, standard input',
    async () => {
      const pod = await podOf('app=node');
      const [out, err] = [sink(), sink()];
      const status = await new Promise<V1Status>((resolve, reject) => {
        new Exec(config)
          .exec(
            namespace,
            pod,
            'main',
            ['sh', '-c', 'echo out; echo err >&2; exit 3'],
            out.stream,
            err.stream,
            null,
            false,
            resolve,
          )
          .catch(reject);
      });
      assert.equal(out.text(), 'out\n');
      assert.equal(err.text(), 'err\n');
      assert.equal(status.status, 'Failure');
      assert.equal(status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message, '3');
      const input = new PassThrough();
      const echoed = sink();
      const done = new Promise<V1Status>((resolve, reject) => {
        new Exec(config)
          .exec(namespace, pod, 'main', ['head', '-n', '1'], echoed.stream, null, input, false, resolve)
          .catch(reject);
      });
      input.write('through\n');
      assert.equal((await done).status, 'Success');
      assert.equal(echoed.text(), 'through\n');
    },
  ],
  [
    'logs, followed',
    async () => {
      const pod = await podOf('app=node');
      const out = sink();
      // Not aborted: this client throws at the process then. It ends with it.
      await new Log(config).log(namespace, pod, 'main', out.stream, { follow: true, tailLines: 1 });
      await until('a line', 20, () => (out.text().includes('listens on') ? true : undefined));
    },
  ],
  [
    'objects of any kind through KubernetesObjectApi',
    async () => {
      const api = KubernetesObjectApi.makeApiClient(config);
      const made = await api.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'any', namespace } });
      assert.equal(made.kind, 'Secret');
      await api.delete({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'any', namespace } });
    },
  ],
  [
    'an Event',
    async () => {
      const event = new CoreV1Event();
      event.metadata = { name: 'told', namespace };
      event.involvedObject = { kind: 'Namespace', name: namespace, namespace };
      event.reason = 'Told';
      event.message = 'by client-node';
      event.type = 'Normal';
      assert.equal((await core.createNamespacedEvent({ namespace, body: event })).reason, 'Told');
    },
  ],
  [
    'an informer keeps every change through the loss of the leader',
    async () => {
      const seen = new Set<string>();
      const gone = new Set<string>();
      const list = (): Promise<{ items: V1ConfigMap[] } & object> =>
        core.listNamespacedConfigMap({ namespace, labelSelector: 'informed=yes' });
      const informer = makeInformer(
        config,
        `/api/v1/namespaces/${namespace}/configmaps`,
        list as never,
        'informed=yes',
      );
      informer.on('add', (object: V1ConfigMap) => void seen.add(object.metadata?.name ?? ''));
      informer.on('delete', (object: V1ConfigMap) => void gone.add(object.metadata?.name ?? ''));
      informer.on('error', () => setTimeout(() => void informer.start(), 200));
      await informer.start();
      const names = Array.from({ length: 40 }, (_, i) => `informed-${i}`);
      const killed = promisify(execFile)(process.execPath, [MAIN, 'kill-leader', '--data', data]);
      for (const name of names) {
        await until(`${name} is written`, 30, async () => {
          const code = await codeOf(
            core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { informed: 'yes' } } } }),
          ).catch(() => 0);
          // A write whose answer was lost may have happened.
          return code === 200 || code === 409 ? true : undefined;
        });
      }
      await killed;
      await core.deleteNamespacedConfigMap({ namespace, name: 'informed-0' });
      await until('all of them', 30, () =>
        names.every((name) => seen.has(name)) && gone.has('informed-0') ? true : undefined,
      );
      await informer.stop();
    },
  ],
]);
process.exit(0);
