import test, { type ExecutionContext } from 'ava';
import { createApiServer, type ApiServer, type ApiServerOptions } from '#src/apiserver/apiserver.ts';
import { EXEMPT_MAX } from '#src/apiserver/fairness/fairness.ts';
import { BODY_BYTES_MAX } from '#src/apiserver/body.ts';
import { STALLED_READER_MS } from '#src/apiserver/list-answer.ts';
import type { Http, HttpUpgrade } from '#src/ports/http.ts';
import { Fault } from '#src/std/fault.ts';
import { encodeLengthFrame } from '#src/std/length-frames.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { drained } from '#test/support/virtual.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';

interface Fixture extends ApiFixture {
  server: ApiServer;
  /** Send and let time run until it is answered. */
  ask(request: FakeRequest): Promise<FakeAnswer>;
  /** Send and leave it open. */
  open(request: FakeRequest): FakeAnswer;
}

const VERSION = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0+kontiki.0.1.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '',
  goVersion: '',
  compiler: 'node',
  platform: 'linux/amd64',
};

async function fixture(extra: Partial<ApiServerOptions> = {}): Promise<Fixture> {
  const f = await apiFixture();
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: VERSION },
    ...extra,
  });
  const open = (request: FakeRequest): FakeAnswer => send(server.handle, request);
  const ask = async (request: FakeRequest): Promise<FakeAnswer> => {
    const answer = open(request);
    await f.run(answer.done);
    return answer;
  };
  return { ...f, server, ask, open };
}

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';

function configMap(name: string, data: Record<string, string> = {}): unknown {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}

function pod(name: string, containers = ['main'], nodeName?: string): unknown {
  const spec = {
    containers: containers.map((one) => ({ name: one, image: 'busybox' })),
    ...(nodeName === undefined ? {} : { nodeName }),
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
}

function isStatus(
  t: ExecutionContext,
  answer: FakeAnswer,
  code: number,
  reason: string,
  message?: string | RegExp,
): void {
  t.is(answer.status, code, answer.text);
  t.like(answer.json, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, code });
  const said = (answer.json as { message: string }).message;
  if (typeof message === 'string') t.is(said, message);
  else if (message !== undefined) t.regex(said, message);
}

test('server-side apply creates, merges, refuses what others manage, and reads YAML', async (t) => {
  const f = await fixture();
  const apply = (query: string, body: string): Promise<FakeAnswer> =>
    f.ask({
      method: 'PATCH',
      url: `${CONFIGMAPS}/a?${query}`,
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body,
    });
  const yaml = (n: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  n: "${n}"\n`;
  const made = await apply('fieldManager=ci', yaml('1'));
  t.is(made.status, 201, made.text);
  t.like(made.json, { data: { n: '1' }, metadata: { managedFields: { 0: { manager: 'ci', operation: 'Apply' } } } });
  const again = await apply('fieldManager=ci', JSON.stringify({ ...(configMap('a', { n: '1' }) as object) }));
  t.is(again.status, 200);
  t.deepEqual(again.json, made.json, 'the same again changes nothing');
  const other = await apply('fieldManager=other', yaml('2'));
  isStatus(t, other, 409, 'Conflict', 'Apply failed with 1 conflict: conflict with "ci": .data.n');
  const forced = await apply('fieldManager=other&force=true', yaml('2'));
  t.like(forced.json, { data: { n: '2' } });
  isStatus(t, await apply('', yaml('2')), 422, 'Invalid', /fieldManager: Required value: is required for apply patch/);
  isStatus(t, await apply('fieldManager=ci', 'a: [1'), 400, 'BadRequest', /error converting YAML to JSON/);
  isStatus(t, await apply('fieldManager=ci', 'data: {n: "1"}'), 400, 'BadRequest', /apiVersion and kind are needed/);
  isStatus(t, await apply('fieldManager=ci', `a: &a [x]\nb: [${'*a,'.repeat(1000)}]`), 400, 'BadRequest');
});

test('a read at resourceVersion=0 from a state that was not confirmed for long says how old it is', async (t) => {
  const f = await fixture();
  await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap('a') });
  const ask = (query: string, path = `${CONFIGMAPS}/a`): Promise<FakeAnswer> =>
    f.ask({ method: 'GET', url: `${path}?${query}` });
  f.replica.setAge(4_000);
  t.is((await ask('resourceVersion=0')).headers['kontiki-state-age-ms'], undefined);
  f.replica.setAge(61_000);
  for (const answer of [await ask('resourceVersion=0'), await ask('resourceVersion=0', CONFIGMAPS)]) {
    t.is(answer.status, 200);
    t.is(answer.headers['kontiki-state-age-ms'], '61000');
    t.regex(String(answer.headers['warning']), /^299 - "this node has lost contact .* last confirmed 61 s ago"$/);
  }
  t.is((await ask('')).headers['kontiki-state-age-ms'], undefined, 'a confirmed read is not old');
  f.replica.setAge(undefined);
  t.is((await ask('resourceVersion=0')).headers['kontiki-state-age-ms'], 'unknown');
});

test('an object lives through POST, GET, PUT, PATCH and DELETE', async (t) => {
  const f = await fixture();
  const made = await f.ask({
    method: 'POST',
    url: `${CONFIGMAPS}?fieldManager=kubectl-create&fieldValidation=Strict`,
    body: configMap('a', { n: '1' }),
  });
  t.is(made.status, 201);
  t.is(made.headers['content-type'], 'application/json');
  const got = await f.ask({ url: `${CONFIGMAPS}/a` });
  t.deepEqual(got.json, made.json);
  const put = await f.ask({
    method: 'PUT',
    url: `${CONFIGMAPS}/a`,
    body: { ...(made.json as object), data: { n: '2' } },
  });
  t.is(put.status, 200);
  const stale = await f.ask({
    method: 'PUT',
    url: `${CONFIGMAPS}/a`,
    body: { ...(made.json as object), data: { n: '3' } },
  });
  isStatus(t, stale, 409, 'Conflict', /object has been modified/);
  const patch = await f.ask({
    method: 'PATCH',
    url: `${CONFIGMAPS}/a`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { metadata: { labels: { x: 'y' } } },
  });
  t.like(patch.json, { data: { n: '2' }, metadata: { labels: { x: 'y' } } });
  const deleted = await f.ask({ method: 'DELETE', url: `${CONFIGMAPS}/a`, body: { propagationPolicy: 'Background' } });
  t.is(deleted.status, 200);
  t.like(deleted.json, {
    kind: 'Status',
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid: (made.json as { metadata: { uid: string } }).metadata.uid },
  });
  isStatus(t, await f.ask({ url: `${CONFIGMAPS}/a` }), 404, 'NotFound', 'configmaps "a" not found');
});

test('lists are ready bytes, tables or metadata, as asked', async (t) => {
  const f = await fixture();
  for (const name of ['a', 'b']) await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap(name) });
  const list = await f.ask({ url: `${CONFIGMAPS}?limit=500` });
  t.like(list.json, {
    kind: 'ConfigMapList',
    apiVersion: 'v1',
    metadata: { resourceVersion: String(f.replica.store.revision) },
  });
  t.deepEqual(
    (list.json as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name),
    ['a', 'b'],
  );
  const table = await f.ask({
    url: CONFIGMAPS,
    headers: {
      accept:
        'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
    },
  });
  t.like(table.json, { kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
  const metadata = await f.ask({
    url: CONFIGMAPS,
    headers: { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' },
  });
  t.like(metadata.json, { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' });
  t.deepEqual(Object.keys((metadata.json as { items: object[] }).items[0] ?? {}), ['kind', 'apiVersion', 'metadata']);
  const page = await f.ask({ url: `${CONFIGMAPS}?limit=1` });
  const token = (page.json as { metadata: { continue: string } }).metadata.continue;
  const rest = await f.ask({ url: `${CONFIGMAPS}?limit=1&continue=${encodeURIComponent(token)}` });
  t.deepEqual(
    (rest.json as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name),
    ['b'],
  );
});

test('a long list is sent in chunks and is still one document', async (t) => {
  const f = await fixture();
  const filler = 'x'.repeat(100_000);
  for (let i = 0; i < 8; i += 1) await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap(`c${i}`, { filler }) });
  const list = await f.ask({ url: CONFIGMAPS });
  t.is((list.json as { items: unknown[] }).items.length, 8);
  t.is(list.headers['content-length'], undefined);
  const stalled = f.open({ url: CONFIGMAPS, stalled: true });
  const before = f.world.nowMs();
  await f.run(stalled.done);
  t.regex(stalled.aborted ?? '', /took nothing/);
  t.is(f.world.nowMs() - before, STALLED_READER_MS);
});

test('watches stream events and end cleanly at their timeout', async (t) => {
  const f = await fixture();
  const since = f.replica.store.revision;
  const watch = f.open({
    url: `${CONFIGMAPS}?watch=true&resourceVersion=${since}&allowWatchBookmarks=true&timeoutSeconds=70`,
  });
  await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap('a') });
  await f.ask({ method: 'DELETE', url: `${CONFIGMAPS}/a` });
  await f.run(watch.done);
  t.true(watch.ended);
  const events = watch
    .lines()
    .map(
      (line) => JSON.parse(line) as { type: string; object: { kind: string; metadata: { resourceVersion: string } } },
    );
  t.deepEqual(
    events.map((event) => event.type),
    ['ADDED', 'DELETED', 'BOOKMARK', 'BOOKMARK'],
  );
  t.is(events[2]?.object.kind, 'ConfigMap');
  t.is(events[1]?.object.metadata.resourceVersion, String(f.replica.store.revision));
  const initial = f.open({
    url: `${CONFIGMAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`,
  });
  await f.run(initial.done);
  t.like(JSON.parse(initial.lines()[0] ?? ''), {
    type: 'BOOKMARK',
    object: { metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });
  f.replica.compact(f.replica.store.revision);
  isStatus(t, await f.ask({ url: `${CONFIGMAPS}?watch=1&resourceVersion=1` }), 410, 'Expired');
});

test('a watcher that takes nothing is cut and resumes by itself', async (t) => {
  const f = await fixture();
  await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap('a') });
  const watch = f.open({ url: `${CONFIGMAPS}?watch=1`, stalled: true });
  await f.run(watch.done);
  t.regex(watch.aborted ?? '', /took nothing for 30000 ms/);
  t.is(f.replica.store.watches, 0);
});

test('watchers with and without a selector see one change as each must', async (t) => {
  const f = await fixture();
  await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap('a') });
  const since = f.replica.store.revision;
  const all = f.open({ url: `${CONFIGMAPS}?watch=1&resourceVersion=${since}&timeoutSeconds=5` });
  const some = f.open({ url: `${CONFIGMAPS}?watch=1&resourceVersion=${since}&timeoutSeconds=5&labelSelector=x%3Dy` });
  const table = f.open({
    url: `${CONFIGMAPS}?watch=1&resourceVersion=${since}&timeoutSeconds=5`,
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  const label = { metadata: { labels: { x: 'y' } } };
  await f.ask({
    method: 'PATCH',
    url: `${CONFIGMAPS}/a`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: label,
  });
  await f.run(Promise.all([all.done, some.done, table.done]));
  const type = (answer: FakeAnswer): unknown => (JSON.parse(answer.lines()[0] ?? '') as { type: unknown }).type;
  t.deepEqual([type(all), type(some), type(table)], ['MODIFIED', 'ADDED', 'MODIFIED']);
  t.like(JSON.parse(table.lines()[0] ?? ''), { object: { kind: 'Table', rows: [{ cells: ['a', 0, '0s'] }] } });
});

test('requests in flight are bounded, and each has a deadline', async (t) => {
  const f = await fixture();
  const hanging = Array.from({ length: EXEMPT_MAX }, () =>
    f.open({ method: 'POST', url: CONFIGMAPS, body: '', bodyless: true }),
  );
  const refused = await f.ask({ url: '/version' });
  isStatus(t, refused, 429, 'TooManyRequests');
  t.is(refused.headers['retry-after'], '1');
  const watch = f.open({ url: `${CONFIGMAPS}?watch=1&timeoutSeconds=1` });
  await f.run(watch.done);
  t.is(watch.status, 200);
  await f.run(Promise.all(hanging.map(async (one) => await one.done)));
  isStatus(t, hanging[0] as FakeAnswer, 504, 'Timeout', /outcome of a write is unknown/);
});

test('a watch ends when its client goes away', async (t) => {
  const f = await fixture();
  const watch = f.open({ url: `${PODS}?watch=1` });
  await f.run(watch.progress());
  t.is(f.replica.store.watches, 1);
  watch.hangUp();
  await f.ask({ url: '/version' });
  t.is(f.replica.store.watches, 0);
});

const refusals: [string, FakeRequest, number, string, (string | RegExp)?][] = [
  [
    'an unknown group',
    { url: '/apis/nope.example.com/v1/things' },
    404,
    'NotFound',
    'the server could not find the requested resource',
  ],
  [
    'an unknown resource',
    { url: '/api/v1/namespaces/default/things' },
    404,
    'NotFound',
    'the server could not find the requested resource',
  ],
  ['an unknown path', { url: '/nope' }, 404, 'NotFound'],
  ['a name outside of a namespace', { url: '/api/v1/pods/x' }, 404, 'NotFound'],
  ['a cluster kind in a namespace', { url: '/api/v1/namespaces/default/nodes' }, 404, 'NotFound'],
  ['an unknown subresource', { url: `${PODS}/x/nope` }, 404, 'NotFound'],
  [
    'a method nobody has',
    { method: 'TRACE', url: PODS },
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  ],
  ['POST to a path', { method: 'POST', url: '/version', body: {} }, 405, 'MethodNotAllowed'],
  ['a create outside of a namespace', { method: 'POST', url: '/api/v1/pods', body: pod('x') }, 405, 'MethodNotAllowed'],
  [
    'an unknown body type',
    { method: 'POST', url: PODS, headers: { 'content-type': 'text/csv' }, body: 'a,b' },
    415,
    'UnsupportedMediaType',
    /accepted media types include: application\/json, application\/yaml, application\/vnd.kubernetes.protobuf/,
  ],
  [
    'an unknown patch type',
    { method: 'PATCH', url: `${PODS}/x`, headers: { 'content-type': 'application/json' }, body: {} },
    415,
    'UnsupportedMediaType',
    /merge-patch/,
  ],
  ['nothing acceptable', { url: PODS, headers: { accept: 'image/png' } }, 406, 'NotAcceptable'],
  ['broken JSON', { method: 'POST', url: PODS, body: '{"a":' }, 400, 'BadRequest'],
  ['JSON that is no object', { method: 'POST', url: PODS, body: '[]' }, 400, 'BadRequest'],
  [
    'another kind',
    { method: 'POST', url: PODS, body: configMap('x') },
    400,
    'BadRequest',
    /Pod in version "v1" cannot be handled as a ConfigMap/,
  ],
  [
    'broken protobuf',
    {
      method: 'POST',
      url: PODS,
      headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
      body: new Uint8Array([1, 2, 3]),
    },
    400,
    'BadRequest',
  ],
  [
    'a body beyond the limit',
    { method: 'POST', url: PODS, body: 'x'.repeat(BODY_BYTES_MAX + 1) },
    413,
    'RequestEntityTooLarge',
    /Request entity too large: limit is 3145728/,
  ],
  ['broken percent-encoding', { url: `${PODS}/%zz` }, 400, 'BadRequest'],
  ['a path that climbs', { url: '/api/v1/namespaces/..%2f..%2fx/pods' }, 400, 'BadRequest'],
  ['a path with a zero byte', { url: `${PODS}/a%00b` }, 400, 'BadRequest'],
  ['a limit that is no number', { url: `${PODS}?limit=many` }, 400, 'BadRequest'],
  ['a revision that is no number', { url: `${PODS}?resourceVersion=x` }, 400, 'BadRequest'],
  ['a watch timeout that is no number', { url: `${PODS}?watch=1&timeoutSeconds=x` }, 400, 'BadRequest'],
  ['a selector that cannot be read', { url: `${PODS}?labelSelector=%21%21` }, 400, 'BadRequest'],
  ['a field nobody selects by', { url: `${PODS}?fieldSelector=spec.nope%3Dx` }, 400, 'BadRequest'],
  [
    'an unknown dryRun',
    { method: 'POST', url: `${PODS}?dryRun=Some`, body: pod('x') },
    422,
    'Invalid',
    /dryRun: Unsupported value/,
  ],
  [
    'an unknown fieldValidation',
    { method: 'POST', url: `${PODS}?fieldValidation=Hard`, body: pod('x') },
    422,
    'Invalid',
  ],
  ['an unknown propagation policy', { method: 'DELETE', url: `${PODS}/x?propagationPolicy=Later` }, 422, 'Invalid'],
  [
    'a patch of nothing',
    { method: 'PATCH', url: `${PODS}/x`, headers: { 'content-type': 'application/merge-patch+json' }, body: {} },
    404,
    'NotFound',
    'pods "x" not found',
  ],
  [
    'no certificate',
    { url: PODS, client: false },
    403,
    'Forbidden',
    'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"',
  ],
  [
    'a token nobody gave out',
    { url: PODS, client: false, headers: { authorization: 'Bearer none' } },
    401,
    'Unauthorized',
    'Unauthorized',
  ],
  [
    'a stranger',
    { url: PODS, client: { commonName: 'eve', organizations: [] } },
    403,
    'Forbidden',
    /^pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "default"$/,
  ],
  ['a URL without end', { url: `/${'a'.repeat(40_000)}` }, 400, 'BadRequest'],
];
for (const [title, request, code, reason, message] of refusals) {
  test(`refused: ${title} is ${code}`, async (t) => {
    const f = await fixture();
    isStatus(t, await f.ask(request), code, reason, message);
    t.deepEqual(
      f.log.lines.filter((line) => line.level === 'error'),
      [],
    );
  });
}

test('unknown fields are refused under Strict and warned about otherwise', async (t) => {
  const f = await fixture();
  const body = { ...(configMap('a') as object), bogus: 1 };
  isStatus(
    t,
    await f.ask({ method: 'POST', url: `${CONFIGMAPS}?fieldValidation=Strict`, body }),
    400,
    'BadRequest',
    /unknown field "bogus"/,
  );
  const warned = await f.ask({ method: 'POST', url: CONFIGMAPS, body });
  t.is(warned.status, 201);
  t.deepEqual(warned.headers['warning'], ['299 - "unknown field \\"bogus\\""']);
});

const faults: [string, Fault['retry'], number, string][] = [
  ['REPLICA_NO_LEADER', 'later', 503, 'ServiceUnavailable'],
  ['REPLICA_OVERLOADED', 'later', 429, 'TooManyRequests'],
  ['REPLICA_OUTCOME_UNKNOWN', 'later', 504, 'Timeout'],
  ['REPLICA_TOO_LARGE', 'never', 413, 'RequestEntityTooLarge'],
];
for (const [code, retry, status, reason] of faults) {
  test(`the fault ${code} is ${status}, and only what is safe to repeat says when`, async (t) => {
    const f = await fixture();
    f.replica.interfere(async () => await Promise.reject(new Fault(code, 'as it was', retry)));
    const answer = await f.ask({ method: 'POST', url: CONFIGMAPS, body: configMap('a') });
    isStatus(t, answer, status, reason);
    t.is(answer.headers['retry-after'], status === 503 || status === 429 ? '1' : undefined);
  });
}

test('health, version and discovery; health is open to anybody', async (t) => {
  let wrong: string | undefined = 'no leader';
  const f = await fixture({ readinessChecks: [{ name: 'raft', check: () => wrong }] });
  t.is((await f.ask({ url: '/livez', client: false })).text, 'ok');
  const notReady = await f.ask({ url: '/readyz?verbose', client: false });
  t.is(notReady.status, 500);
  t.is(notReady.text, '[+]ping ok\n[-]raft failed: reason withheld\nreadyz check failed\n');
  t.is((await f.ask({ url: '/readyz/raft' })).status, 500);
  t.is((await f.ask({ url: '/readyz/nope' })).status, 404);
  wrong = undefined;
  t.is((await f.ask({ url: '/readyz' })).text, 'ok');
  t.like((await f.ask({ url: '/version', client: false })).json, { gitVersion: 'v1.36.0+kontiki.0.1.0' });
  isStatus(t, await f.ask({ url: '/api', client: false }), 403, 'Forbidden');
  for (const version of ['v2', 'v2beta1']) {
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    const found = await f.ask({ url: '/apis', headers: { accept: `${type},application/json` } });
    t.is(found.headers['content-type'], type);
    const again = await f.ask({
      url: '/apis',
      headers: { accept: type, 'if-none-match': String(found.headers['etag']) },
    });
    t.is(again.status, 304);
  }
  t.is((await f.ask({ url: '/openapi/v2' })).status, 200);
  t.is((await f.ask({ url: '/openapi/v3' })).status, 200);
});

test('pods are bound, evicted and scaled through their subresources', async (t) => {
  const f = await fixture();
  await f.ask({ method: 'POST', url: PODS, body: pod('p') });
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
  const bound = await f.ask({ method: 'POST', url: `${PODS}/p/binding`, body: binding });
  t.is(bound.status, 201, bound.text);
  t.like(bound.json, { kind: 'Status', status: 'Success' });
  isStatus(
    t,
    await f.ask({ method: 'POST', url: `${PODS}/p/binding`, body: binding }),
    409,
    'Conflict',
    /already assigned/,
  );
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } };
  t.is((await f.ask({ method: 'POST', url: `${PODS}/p/eviction`, body: eviction })).status, 201);
  t.truthy(
    ((await f.ask({ url: `${PODS}/p` })).json as { metadata: { deletionTimestamp?: string } }).metadata
      .deletionTimestamp,
  );
});

function streamOf(chunks: string[]): ByteStream & { cancelled: string | undefined } {
  const waiting = chunks.map((chunk) => new TextEncoder().encode(chunk));
  const stream: ByteStream & { cancelled: string | undefined } = {
    cancelled: undefined,
    write: async () => undefined,
    end: () => undefined,
    cancel: (reason) => {
      stream.cancelled ??= reason;
    },
    read: async () => waiting.shift(),
    onClose: () => undefined,
  };
  return stream;
}

test('logs are copied from the kubelet of the pod, and refused in Kubernetes words', async (t) => {
  const asked: unknown[] = [];
  const streams = {
    openStream: async (node: string, method: string, header: unknown) => {
      asked.push([node, method, header]);
      return streamOf(['one\n', 'two\n']);
    },
  } as unknown as Peers;
  const f = await fixture({ streams });
  await f.ask({ method: 'POST', url: PODS, body: pod('one', ['main'], 'n1') });
  await f.ask({ method: 'POST', url: PODS, body: pod('two', ['a', 'b'], 'n1') });
  await f.ask({ method: 'POST', url: PODS, body: pod('unscheduled') });
  const log = await f.ask({ url: `${PODS}/one/log?tailLines=2&timestamps=true` });
  t.is(log.text, 'one\ntwo\n');
  t.is(log.headers['content-type'], 'text/plain');
  t.like(asked[0], [
    'n1',
    'kubelet.logs',
    { namespace: 'default', pod: 'one', container: 'main', tailLines: 2, timestamps: true, follow: false },
  ]);
  isStatus(
    t,
    await f.ask({ url: `${PODS}/two/log` }),
    400,
    'BadRequest',
    'a container name must be specified for pod two, choose one of: [a b]',
  );
  isStatus(
    t,
    await f.ask({ url: `${PODS}/two/log?container=c` }),
    400,
    'BadRequest',
    'container c is not valid for pod two',
  );
  isStatus(
    t,
    await f.ask({ url: `${PODS}/unscheduled/log` }),
    400,
    'BadRequest',
    'pod unscheduled does not have a host assigned',
  );
  isStatus(t, await f.ask({ url: `${PODS}/gone/log` }), 404, 'NotFound');
  const status = {
    containerStatuses: [
      {
        name: 'main',
        state: { waiting: { reason: 'ContainerCreating' } },
        image: '',
        imageID: '',
        ready: false,
        restartCount: 0,
      },
    ],
  };
  await f.ask({
    method: 'PATCH',
    url: `${PODS}/one/status`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { status },
  });
  isStatus(
    t,
    await f.ask({ url: `${PODS}/one/log` }),
    400,
    'BadRequest',
    'container "main" in pod "one" is waiting to start: ContainerCreating',
  );
});

interface FakeUpgrade {
  upgrade: HttpUpgrade;
  refused: { status: number; message: string } | undefined;
  protocol: string | undefined;
  received: string[];
  closed: number | undefined;
  /** What the client sends. */
  type(channel: number, text: string): void;
}

function upgradeTo(url: string, protocols: string): FakeUpgrade {
  let onMessage: (message: Uint8Array, isText: boolean) => void = () => undefined;
  const fake: FakeUpgrade = {
    refused: undefined,
    protocol: undefined,
    received: [],
    closed: undefined,
    type: (channel, text) => {
      onMessage(new Uint8Array([channel, ...new TextEncoder().encode(text)]), false);
    },
    upgrade: {
      request: {
        method: 'GET',
        url,
        headers: { upgrade: 'websocket', 'sec-websocket-protocol': protocols },
        httpVersion: '1.1',
        remoteAddress: '127.0.0.1:1',
        client: { commonName: 'admin', organizations: ['system:masters'] },
        body: async () => new Uint8Array(),
      },
      acceptWebSocket: async (protocol) => {
        fake.protocol = protocol;
        return {
          send: (message) => fake.received.push(`${message[0]}:${new TextDecoder().decode(message.subarray(1))}`),
          bufferedBytes: () => 0,
          onMessage: (handle) => {
            onMessage = handle;
          },
          onClose: () => undefined,
          pause: () => undefined,
          resume: () => undefined,
          close: (code) => {
            fake.closed = code;
          },
        };
      },
      acceptRaw: () => {
        throw new Error('nobody asked for a raw stream');
      },
      refuse: (status, _headers, body) => {
        fake.refused = { status, message: (JSON.parse(new TextDecoder().decode(body)) as { message: string }).message };
      },
    },
  };
  return fake;
}

test('exec joins the WebSocket of the client to a stream of the kubelet', async (t) => {
  const asked: unknown[] = [];
  const taken: Uint8Array[] = [];
  const chunks: (Uint8Array | undefined)[] = [];
  let wake: () => void = () => undefined;
  const stream: ByteStream = {
    write: async (chunk) => {
      taken.push(chunk);
      chunks.push(
        encodeLengthFrame(new Uint8Array([1, 0x68, 0x69])).subarray(0, 5),
        new Uint8Array([0x68, 0x69]),
        undefined,
      );
      wake();
    },
    end: () => undefined,
    cancel: () => undefined,
    read: async () => {
      if (chunks.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return chunks.shift();
    },
    onClose: () => undefined,
  };
  const streams = {
    openStream: async (...what: unknown[]) => {
      asked.push(what);
      return stream;
    },
  } as unknown as Peers;
  const f = await fixture({ streams });
  await f.ask({ method: 'POST', url: PODS, body: pod('p', ['main'], 'n1') });
  const exec = upgradeTo(
    `${PODS}/p/exec?command=sh&command=-c&command=true&stdin=true&stdout=true`,
    'v4.channel.k8s.io, v5.channel.k8s.io',
  );
  f.server.upgrade(exec.upgrade);
  await drained();
  t.is(exec.protocol, 'v5.channel.k8s.io');
  const want = {
    namespace: 'default',
    pod: 'p',
    container: 'main',
    command: ['sh', '-c', 'true'],
    stdin: true,
    stdout: true,
    stderr: false,
    tty: false,
    attach: false,
  };
  t.like(asked[0], ['n1', 'kubelet.exec', want]);
  exec.type(0, 'in');
  await drained();
  t.deepEqual(taken, [encodeLengthFrame(new Uint8Array([0, 0x69, 0x6e]))]);
  t.deepEqual([exec.received, exec.closed], [['1:hi'], 1000]);

  const cases: [string, string, number, RegExp][] = [
    [`${PODS}/p/exec?command=ls&stdout=true`, 'base64.channel.k8s.io', 400, /unable to upgrade/],
    [`${PODS}/p/exec?stdout=true`, 'v5.channel.k8s.io', 400, /at least one command/],
    [`${PODS}/p/exec?command=ls`, 'v5.channel.k8s.io', 400, /at least one of stdin, stdout or stderr/],
    [`${PODS}/p/exec?command=ls&stdout=1&container=x`, 'v5.channel.k8s.io', 400, /container x is not valid for pod p/],
    [`${PODS}/gone/exec?command=ls&stdout=1`, 'v5.channel.k8s.io', 404, /pods "gone" not found/],
    ['/api/v1/nodes/n1/exec', 'v5.channel.k8s.io', 404, /could not find/],
  ];
  for (const [url, protocols, status, message] of cases) {
    const refused = upgradeTo(url, protocols);
    f.server.upgrade(refused.upgrade);
    await drained();
    t.is(refused.refused?.status, status, url);
    t.regex(refused.refused?.message ?? '', message);
  }
});

test('random requests never bring out a mistake of ours', async (t) => {
  const f = await fixture();
  const parts = [
    'api',
    'apis',
    'v1',
    'apps',
    'namespaces',
    'default',
    'pods',
    'x',
    '',
    '.',
    '%2e%2e',
    '%',
    '%00',
    'watch',
    'status',
    'log',
    'scale',
    '?watch=1&timeoutSeconds=1',
    '?limit=-1',
    '?continue=e30',
    '?fieldSelector=a',
    '?labelSelector=%28',
    '\u00e9',
    '__proto__',
    'constructor',
  ];
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];
  const bodies = [
    undefined,
    '{}',
    'null',
    '{"metadata":null}',
    '{"metadata":{"name":1}}',
    '{"__proto__":{"x":1}}',
    '{"spec":[]}',
    '"x"',
  ];
  let seed = 7;
  const below = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * n);
  };
  for (let i = 0; i < 400; i += 1) {
    const path = Array.from({ length: 1 + below(7) }, () => parts[below(parts.length)]);
    const url = `/${path.join('/')}`;
    const method = methods[below(methods.length)] ?? 'GET';
    const body = bodies[below(bodies.length)];
    const answer = await f.ask({ method, url, ...(body === undefined ? {} : { body }) });
    t.true(answer.status > 0 && answer.status < 500, `${method} ${url} ${body}: ${answer.status} ${answer.text}`);
  }
});
