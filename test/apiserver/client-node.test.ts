/** The JavaScript client of the Kubernetes project against every stored kind: it finds them and reads what it is given. */
import {
  KubeConfig,
  KubernetesObjectApi,
  BatchV1Api,
  AuthorizationV1Api,
  type KubernetesObject,
} from '@kubernetes/client-node';
import test from 'ava';
import { KINDS } from '#src/api/kinds.ts';
import { KIND_EXAMPLES } from '#test/support/kind-examples.ts';
import { startKubectlServer, type KubectlServer } from '#test/support/kubectl-server.ts';

type Json = Record<string, unknown>;

let server: KubectlServer;
let config: KubeConfig;
test.before(async () => {
  server = await startKubectlServer('');
  config = new KubeConfig();
  config.loadFromFile(server.kubeconfig);
});
test.after.always(async () => await server.stop());

for (const kind of KINDS.filter(({ verbs }) => verbs.includes('create') && verbs.includes('get'))) {
  const id = `${kind.apiVersion} ${kind.kind}`;
  test(`${id} through the generic client`, async (t) => {
    const api = KubernetesObjectApi.makeApiClient(config);
    const example = KIND_EXAMPLES[id] ?? {};
    // One cluster for all of them, in which some have a name already.
    const name =
      (example['metadata'] as { name?: string } | undefined)?.name ??
      `${kind.resource}-${kind.apiVersion.replaceAll('/', '-')}`;
    const metadata = { name, ...(kind.namespaced ? { namespace: 'default' } : {}) };
    const object = { apiVersion: kind.apiVersion, kind: kind.kind, ...example, metadata } as KubernetesObject;
    const made = await api.create(object);
    t.is(made.metadata?.name, name);
    t.true(made.metadata?.creationTimestamp instanceof Date);
    const read = await api.read({ ...object, metadata });
    t.deepEqual(read, made);
    const list = await api.list(kind.apiVersion, kind.kind, kind.namespaced ? 'default' : undefined);
    t.true(list.items.some((item) => item.metadata?.name === name));
    const replaced = await api.replace({
      ...read,
      metadata: { ...read.metadata, labels: { by: 'me' } },
    } as KubernetesObject);
    t.like(replaced.metadata?.labels, { by: 'me' });
    await api.delete({ ...object, metadata } as KubernetesObject, undefined, undefined, 0, undefined, 'Background');
  });
}

test('typed clients read statuses and answers', async (t) => {
  const batch = config.makeApiClient(BatchV1Api);
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const body = { metadata: { name: 'typed' }, spec: { template } };
  const job = await batch.createNamespacedJob({ namespace: 'default', body });
  t.is(job.spec?.selector?.matchLabels?.['batch.kubernetes.io/controller-uid'], job.metadata?.uid);
  const patched = await batch.readNamespacedJobStatus({ name: 'typed', namespace: 'default' });
  t.deepEqual({ ...(patched.status as unknown as Json) }, { ...(job.status as unknown as Json) });
  const review = await config.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({
    body: { spec: { resourceAttributes: { verb: 'create', resource: 'jobs', group: 'batch', namespace: 'default' } } },
  });
  t.true(review.status?.allowed);
});
