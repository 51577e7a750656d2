/** One good object of every stored kind, through all that can be done with it. */
import test from 'ava';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { KINDS, type Kind } from '#src/api/kinds.ts';
import type { Http } from '#src/ports/http.ts';
import { apiFixture } from '#test/support/api-fixture.ts';
import { KIND_EXAMPLES } from '#test/support/kind-examples.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';

type Json = Record<string, unknown>;

async function fixture() {
  const f = await apiFixture();
  const version = { major: '1', minor: '36', gitVersion: 'v1.36.0', gitCommit: '', gitTreeState: '', buildDate: '' };
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: { ...version, goVersion: '', compiler: 'node', platform: '' } },
  });
  return async (request: FakeRequest): Promise<FakeAnswer & { object: Json & { metadata: Json } }> => {
    const answer = send(server.handle, request);
    await f.run(answer.done);
    return Object.assign(answer, { object: JSON.parse(answer.text) as Json & { metadata: Json } });
  };
}

function collectionOf(kind: Kind): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  return `${root}${kind.namespaced ? '/namespaces/default' : ''}/${kind.resource}`;
}

const MERGE = { 'content-type': 'application/merge-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

for (const kind of KINDS.filter(({ verbs }) => verbs.includes('create') && verbs.includes('get'))) {
  const id = `${kind.apiVersion} ${kind.kind}`;
  test(`${id}: made, read, changed, applied, listed, deleted`, async (t) => {
    const ask = await fixture();
    const example = KIND_EXAMPLES[id];
    if (example === undefined) return t.fail('it has no example');
    const name = (example['metadata'] as { name?: string } | undefined)?.name ?? 'x';
    const body = { apiVersion: kind.apiVersion, kind: kind.kind, ...example, metadata: { name } };
    const url = collectionOf(kind);
    const one = `${url}/${name}`;

    t.is((await ask({ method: 'POST', url: `${url}?dryRun=All&fieldValidation=Strict`, body })).status, 201);
    t.is((await ask({ url: one })).status, 404);
    const made = await ask({ method: 'POST', url: `${url}?fieldValidation=Strict`, body });
    t.is(made.status, 201, made.text);
    t.deepEqual(made.headers['warning'], undefined);
    t.is(made.object.metadata['generation'], kind.generationFields.length === 0 ? undefined : 1);
    t.like(made.object, { apiVersion: kind.apiVersion, kind: kind.kind });
    t.is((await ask({ method: 'POST', url, body })).status, 409);

    const read = await ask({ url: one });
    t.deepEqual(read.object, made.object);
    const same = await ask({ method: 'PUT', url: one, body: read.object });
    t.is(same.object.metadata['resourceVersion'], made.object.metadata['resourceVersion'], 'a PUT of the same is none');
    for (const headers of [MERGE, STRATEGIC]) {
      const labels = { by: String(Object.values(headers)).length.toString() };
      const patched = await ask({ method: 'PATCH', url: one, headers, body: { metadata: { labels } } });
      t.like(patched.object, { metadata: { labels } }, patched.text);
      t.is(patched.object.metadata['generation'], made.object.metadata['generation']);
    }
    const config = { ...body, metadata: { name, annotations: { mine: 'yes' } } };
    const applied = await ask({
      method: 'PATCH',
      url: `${one}?fieldManager=me&force=true`,
      headers: APPLY,
      body: config,
    });
    t.is(applied.status, 200, applied.text);
    t.true(JSON.stringify(applied.object.metadata['managedFields']).includes('"manager":"me"'));

    const list = await ask({ url: `${url}?fieldSelector=metadata.name%3D${name}` });
    t.like(list.object, { kind: kind.listKind, apiVersion: kind.apiVersion });
    t.is((list.object['items'] as unknown[]).length, 1);
    const table = await ask({ url, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
    t.is(table.object['kind'], 'Table');
    for (const { name: subresource, verbs } of kind.subresources) {
      if (!['status', 'scale', 'approval'].includes(subresource) || !verbs.includes('get')) continue;
      const part = await ask({ url: `${one}/${subresource}` });
      t.is(part.status, 200, part.text);
      const put = await ask({ method: 'PUT', url: `${one}/${subresource}`, body: part.object });
      t.is(put.status, 200, put.text);
    }
    const deleted = await ask({ method: 'DELETE', url: one, body: { propagationPolicy: 'Background' } });
    t.is(deleted.status, 200, deleted.text);
    // A namespace is emptied first, and so is a definition.
    const isEmptied = ['Namespace', 'CustomResourceDefinition'].includes(kind.kind);
    t.is((await ask({ url: one })).status, isEmptied ? 200 : 404);
  });
}
