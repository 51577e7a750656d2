/** Kubernetes' rules of reading and answering, as clients meet them: a row each, in its words. */
import test, { type ExecutionContext } from 'ava';
import { createRegistry } from '#src/registry/registry.ts';
import { serverFixture, type ServerFixture } from '#test/support/server-fixture.ts';
import type { FakeAnswer, FakeRequest } from '#test/support/fake-exchange.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PARTIAL = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

interface Answered {
  kind: string;
  message: string;
  reason: string;
  code: number;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number; generateName?: string };
  details?: { name?: string; kind?: string; retryAfterSeconds?: number; causes?: { field?: string; reason: string }[] };
  items: { kind?: string; metadata: { name: string }; data?: unknown }[];
  rows: unknown[];
}

async function withMaps(count: number): Promise<ServerFixture> {
  const f = await serverFixture();
  for (let i = 0; i < count; i += 1) await post(f, `m${i}`);
  return f;
}

async function post(f: ServerFixture, name: string, extra: object = {}): Promise<FakeAnswer> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...extra };
  return await f.ask({ method: 'POST', url: MAPS, body });
}

function status(t: ExecutionContext, answer: FakeAnswer, code: number, reason: string): Answered {
  const body = answer.json as Answered;
  t.is(answer.status, code, answer.text);
  t.like(body, { kind: 'Status', reason, code });
  return body;
}

const listRules: [query: string, code: number, reason: string, message: string | RegExp][] = [
  ['resourceVersion=0', 200, '', ''],
  ['resourceVersion=0&limit=1', 200, '', ''],
  ['resourceVersion=NOW&resourceVersionMatch=Exact', 200, '', ''],
  ['resourceVersion=NOW&resourceVersionMatch=NotOlderThan', 200, '', ''],
  ['resourceVersion=0&resourceVersionMatch=NotOlderThan', 200, '', ''],
  [
    'resourceVersionMatch=Exact',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
  ],
  [
    'resourceVersion=0&resourceVersionMatch=Exact',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
  ],
  [
    'resourceVersion=5&resourceVersionMatch=Newest',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
  ],
  [
    'resourceVersionMatch=Newest&continue=x',
    422,
    'Invalid',
    /^ListOptions\.meta\.k8s\.io "" is invalid: \[resourceVersionMatch: Forbidden.*unless.*, resourceVersionMatch: Forbidden.*continue, resourceVersionMatch: Unsupported value/,
  ],
  [
    'sendInitialEvents=true',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
  ],
  [
    'watch=1&sendInitialEvents=true',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
  ],
  [
    'watch=1&resourceVersion=5&resourceVersionMatch=NotOlderThan',
    422,
    'Invalid',
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
  ],
  ['resourceVersion=abc', 400, 'BadRequest', /invalid resource version/],
  ['continue=%7B', 400, 'BadRequest', /^invalid continue token: continue key is not valid/],
  ['limit=-1', 400, 'BadRequest', /limit/],
  ['timeout=never', 400, 'BadRequest', /^invalid timeout specified in the request URL/],
  ['fieldSelector=spec.color%3Dred', 400, 'BadRequest', 'field label not supported: spec.color'],
  ['labelSelector=a%3D%3D%3Db', 400, 'BadRequest', /unable to parse requirement/],
  ['resourceVersion=999999999', 504, 'Timeout', /^Too large resource version: 999999999, current: \d+$/],
  [
    'resourceVersion=1&resourceVersionMatch=Exact',
    410,
    'Expired',
    'The resourceVersion for the provided list is too old.',
  ],
];

for (const [query, code, reason, message] of listRules) {
  test(`list ?${query} is ${code} ${reason}`, async (t) => {
    const f = await withMaps(2);
    if (code === 410) f.replica.compact(f.replica.store.revision);
    const answer = await f.ask({ url: `${MAPS}?${query.replace('NOW', String(f.replica.store.revision))}` });
    if (code === 200) {
      t.is(answer.status, 200, answer.text);
      return;
    }
    const body = status(t, answer, code, reason);
    if (typeof message === 'string') t.is(body.message, message);
    else t.regex(body.message, message);
    if (code === 504) t.is(answer.headers['retry-after'], '1');
  });
}

test('pages: the count of what is left, but not under a selector; an old token leads on inconsistently', async (t) => {
  const f = await withMaps(5);
  const first = (await f.ask({ url: `${MAPS}?limit=2` })).json as Answered;
  t.like(first.metadata, { remainingItemCount: 3 });
  const selected = (await f.ask({ url: `${MAPS}?limit=2&fieldSelector=metadata.name!%3Dm9` })).json as Answered;
  t.is(selected.metadata.remainingItemCount, undefined);
  t.truthy(selected.metadata.continue);
  const token = encodeURIComponent(first.metadata.continue ?? '');
  const both = await f.ask({ url: `${MAPS}?limit=2&continue=${token}&resourceVersion=7` });
  t.is(status(t, both, 400, 'BadRequest').message, 'specifying resource version is not allowed when using continue');
  await post(f, 'late');
  f.replica.compact(f.replica.store.revision);
  const gone = status(t, await f.ask({ url: `${MAPS}?limit=2&continue=${token}` }), 410, 'Expired');
  const onward = encodeURIComponent(gone.metadata.continue ?? '');
  const rest = (await f.ask({ url: `${MAPS}?continue=${onward}` })).json as Answered;
  t.deepEqual(
    rest.items.map(({ metadata }) => metadata.name),
    ['m2', 'm3', 'm4'],
    'after the last that was given, from the newest state',
  );
});

test('every verb answers in the form that was asked for', async (t) => {
  const f = await withMaps(3);
  const ask = async (accept: string, request: FakeRequest): Promise<Answered> => {
    const answer = await f.ask({ ...request, headers: { accept, ...request.headers } });
    t.true(answer.status < 300, answer.text);
    return answer.json as Answered;
  };
  const patch = { 'content-type': 'application/merge-patch+json' };
  const patched = await ask(PARTIAL, {
    method: 'PATCH',
    url: `${MAPS}/m0`,
    headers: patch,
    body: { data: { a: '1' } },
  });
  t.like(patched, { kind: 'PartialObjectMetadata', metadata: { name: 'm0' } });
  t.false('data' in patched);
  const held = { metadata: { finalizers: ['example.com/hold'] } };
  await ask(TABLE, { method: 'PATCH', url: `${MAPS}/m1`, headers: patch, body: held });
  t.is((await ask(PARTIAL, { method: 'DELETE', url: `${MAPS}/m1` })).kind, 'PartialObjectMetadata');
  t.is((await ask(PARTIAL, { method: 'DELETE', url: `${MAPS}/m0` })).kind, 'Status', 'a Status has no other form');
  const all = await ask(PARTIAL_LIST, { method: 'DELETE', url: MAPS });
  t.is(all.kind, 'PartialObjectMetadataList');
  t.true(all.items.every((item) => item.kind === 'PartialObjectMetadata'));
  t.is((await ask(TABLE, { url: '/api/v1/namespaces/default/status' })).rows.length, 1);
  const refused = await f.ask({
    method: 'POST',
    url: MAPS,
    headers: { accept: 'text/html' },
    body: { metadata: { name: 'x' } },
  });
  status(t, refused, 406, 'NotAcceptable');
  t.is((await f.ask({ url: `${MAPS}/x` })).status, 404, 'what cannot be answered is not written');
});

test('a WatchList as Table marks its end in a row, and selectors turn changes into ADDED and DELETED', async (t) => {
  const f = await withMaps(1);
  const query =
    'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1';
  const watch = f.open({ url: `${MAPS}?${query}`, headers: { accept: TABLE } });
  await f.run(watch.done);
  const marked = watch.lines().filter((line) => line.includes('"k8s.io/initial-events-end":"true"'));
  t.is(marked.length, 1);
  t.like(JSON.parse(marked[0] ?? ''), { type: 'BOOKMARK', object: { kind: 'Table', rows: { length: 1 } } });
});

test('answers for people: YAML, indented JSON, HEAD; 405 for what is no verb', async (t) => {
  const f = await withMaps(1);
  const yaml = await f.ask({ url: `${MAPS}/m0`, headers: { accept: 'application/yaml' } });
  t.is(yaml.headers['content-type'], 'application/yaml');
  t.regex(yaml.text, /^apiVersion: v1\nkind: ConfigMap\nmetadata:\n/);
  t.regex((await f.ask({ url: `${MAPS}/m0?pretty=true` })).text, /^\{\n {2}"apiVersion": "v1",\n/);
  t.regex((await f.ask({ url: `${MAPS}/m0`, headers: { 'user-agent': 'curl/8.5.0' } })).text, /^\{\n {2}"/);
  t.notRegex((await f.ask({ url: `${MAPS}/m0?pretty=false`, headers: { 'user-agent': 'curl/8' } })).text, /^\{\n/);
  const head = await f.ask({ method: 'HEAD', url: '/readyz' });
  t.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '2']);
  for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    const answer = await f.ask({ method, url: MAPS });
    t.is(answer.status, 405, method);
  }
});

test('watching one object by ?watch on its own path is a plain read; the old watch/ paths watch', async (t) => {
  const f = await withMaps(1);
  t.is(((await f.ask({ url: `${MAPS}/m0?watch=true` })).json as Answered).kind, 'ConfigMap');
  const old = f.open({ url: `/api/v1/watch/namespaces/default/configmaps/m0?timeoutSeconds=1` });
  await f.run(old.done);
  t.regex(old.lines()[0] ?? '', /^\{"type":"ADDED","object":\{.*"name":"m0"/);
});

test('health in Kubernetes’ format: verbose, exclude, single checks; reasons are for administrators', async (t) => {
  let wrong: string | undefined = 'no leader';
  const f = await serverFixture(() => ({ readinessChecks: [{ name: 'raft', check: () => wrong }] }));
  const text = async (url: string, client?: false): Promise<[number, string]> => {
    const answer = await f.ask({ url, ...(client === false ? { client } : {}) });
    return [answer.status, answer.text];
  };
  t.deepEqual(await text('/readyz'), [500, '[+]ping ok\n[-]raft failed: no leader\nreadyz check failed\n']);
  t.deepEqual(await text('/readyz/raft', false), [500, 'internal server error: reason withheld\n']);
  t.deepEqual(await text('/readyz?exclude=raft'), [200, 'ok']);
  t.deepEqual(await text('/readyz?verbose&exclude=raft&exclude=nope'), [
    200,
    '[+]ping ok\n[+]raft excluded: ok\nwarn: some health checks cannot be excluded: no matches for "nope"\nreadyz check passed\n',
  ]);
  wrong = undefined;
  t.deepEqual(await text('/readyz?verbose'), [200, '[+]ping ok\n[+]raft ok\nreadyz check passed\n']);
  t.deepEqual(await text('/livez/ping'), [200, 'ok']);
  t.is((await f.ask({ url: '/livez/raft' })).status, 404);
  const { paths } = (await f.ask({ url: '/' })).json as { paths: string[] };
  for (const path of ['/api/v1', '/apis/apps', '/apis/apps/v1', '/livez/ping', '/metrics', '/readyz/raft', '/version'])
    t.true(paths.includes(path), path);
});

test('metrics: Kubernetes’ names, bounded labels, for those who may', async (t) => {
  const f = await withMaps(2);
  await f.ask({ url: `${MAPS}/nope` });
  await f.ask({ method: 'INVENTED', url: '/api/v1/invented/thing' });
  const watch = f.open({ url: `${MAPS}?watch=1` });
  await f.run(watch.progress());
  const answer = await f.ask({ url: '/metrics' });
  t.regex(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  const lines = answer.text.split('\n');
  const has = (line: string) => t.true(lines.includes(line), `${line}\n${answer.text.slice(0, 3000)}`);
  const labels = 'group="",version="v1",resource="configmaps",subresource=""';
  has(`apiserver_request_total{verb="POST",dry_run="",${labels},scope="namespace",component="apiserver",code="201"} 2`);
  has(`apiserver_request_total{verb="GET",dry_run="",${labels},scope="resource",component="apiserver",code="404"} 1`);
  has('apiserver_storage_objects{resource="configmaps"} 2');
  has('apiserver_registered_watchers{group="",version="v1",kind="ConfigMap"} 1');
  has('apiserver_current_inflight_requests{request_kind="readOnly"} 1');
  t.regex(answer.text, /apiserver_request_duration_seconds_bucket\{verb="POST",.*le="\+Inf"\} 2/);
  t.false(/invented/i.test(answer.text), 'what clients make up is no label');
  const eve = { commonName: 'eve', organizations: ['people'] };
  status(t, await f.ask({ url: '/metrics', client: eve }), 403, 'Forbidden');
  watch.hangUp();
});

test('a generated name that is taken each time is AlreadyExists with Retry-After', async (t) => {
  const f = await serverFixture(({ clock, log, replica: { proposer, reader } }) => {
    let count = 0;
    const random = {
      // Dice that always fall alike.
      bytes: (length: number) => new Uint8Array(length),
      below: () => 0,
      uuid: () => `00000000-0000-4000-8000-${String((count += 1)).padStart(12, '0')}`,
    };
    return {
      registry: createRegistry({ clock, log, proposer, reader, random, config: { serviceCidr: '10.96.0.0/16' } }),
    };
  });
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'g-' } };
  t.is((await f.ask({ method: 'POST', url: MAPS, body })).status, 201);
  const again = await f.ask({ method: 'POST', url: MAPS, body });
  const { message } = status(t, again, 409, 'AlreadyExists');
  t.is(
    message,
    'configmaps "g-bbbbb" already exists, the server was not able to generate a unique name for the object',
  );
  t.is(again.headers['retry-after'], '1');
});
