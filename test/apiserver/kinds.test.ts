/** Every built-in kind over HTTP: no body makes the server stumble, and what is special about a kind is there. */
import test from 'ava';
import fc from 'fast-check';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import { KINDS, type Kind } from '#src/api/kinds.ts';
import { Wire } from '#src/api/protobuf-wire.ts';
import type { Http } from '#src/ports/http.ts';
import { apiFixture } from '#test/support/api-fixture.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';
import { arbitraryObject } from '../api/arbitrary-object.ts';
import { encodeProtobuf } from '../api/protobuf-encoder.ts';

type Json = Record<string, unknown>;
const VERSION = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '',
  goVersion: '',
  compiler: 'node',
  platform: '',
};

async function fixture() {
  const f = await apiFixture();
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: VERSION },
  });
  const ask = async (request: FakeRequest): Promise<FakeAnswer> => {
    const answer = send(server.handle, request);
    await f.run(answer.done);
    return answer;
  };
  return { ...f, ask };
}

function collectionOf(kind: Kind): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  return `${root}${kind.namespaced ? '/namespaces/default' : ''}/${kind.resource}`;
}

const BODIES_PER_KIND = 12;

/** Objects of the type with a name that is right, or anything; as JSON or as protobuf, whole or not. */
function bodiesOf(kind: Kind): fc.Arbitrary<{ body: string | Uint8Array; headers: Record<string, string> }> {
  const typed = arbitraryObject(kind.typeName).map((random) => ({
    ...random,
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name: 'x' },
  }));
  const json = (value: unknown) => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } });
  const protobuf = (body: Uint8Array) => ({ body, headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } });
  const junk = fc.jsonValue({ maxDepth: 2 });
  return fc.oneof(
    { weight: 3, arbitrary: typed.map(json) },
    junk.map(json),
    fc
      .tuple(typed, fc.constantFrom('spec', 'status', 'metadata', 'rules'), junk)
      .map(([object, key, value]) => json({ ...object, [key]: value })),
    typed.map((object) => protobuf(encodeProtobuf(kind.typeName, kind, object))),
    fc.tuple(typed, fc.double({ min: 0, max: 1, noNaN: true })).map(([object, part]) => {
      const whole = encodeProtobuf(kind.typeName, kind, object);
      return protobuf(whole.subarray(0, Math.floor(whole.length * part)));
    }),
  );
}

for (const kind of KINDS.filter((one) => one.verbs.includes('create'))) {
  test(`${kind.apiVersion} ${kind.kind}: whatever the body, never a 500`, async (t) => {
    const f = await fixture();
    const url = collectionOf(kind);
    for (const [seed, sent] of fc.sample(bodiesOf(kind), { numRuns: BODIES_PER_KIND, seed: 7 }).entries()) {
      const asked: FakeRequest[] = [
        { method: 'POST', url, ...sent },
        { method: 'PUT', url: `${url}/x`, ...sent },
        {
          method: 'PATCH',
          url: `${url}/x`,
          body: sent.body,
          headers: { 'content-type': 'application/merge-patch+json' },
        },
        ...kind.subresources.flatMap(({ name, verbs }): FakeRequest[] =>
          // A proxy's answers are those of what is behind it.
          verbs.includes('update') && name !== 'proxy' ? [{ method: 'PUT', url: `${url}/x/${name}`, ...sent }] : [],
        ),
        { url, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } },
      ];
      for (const request of asked) {
        const answer = await f.ask(request);
        t.true(
          answer.status >= 200 && answer.status < 500,
          `body ${seed}: ${request.method ?? 'GET'} ${request.url}: ${answer.text}`,
        );
      }
    }
  });
}

const JOB = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j' },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
};

test('a Job is deleted without its Pods unless one says so, with a warning', async (t) => {
  const f = await fixture();
  const url = '/apis/batch/v1/namespaces/default/jobs';
  t.is((await f.ask({ method: 'POST', url, body: JOB })).status, 201);
  const deleted = await f.ask({ method: 'DELETE', url: `${url}/j` });
  t.like(deleted.json, { metadata: { finalizers: ['orphan'] } });
  t.regex(String(deleted.headers['warning']), /child pods are preserved by default when jobs are deleted/);
  const background = { propagationPolicy: 'Background' };
  t.is((await f.ask({ method: 'POST', url, body: { ...JOB, metadata: { name: 'k' } } })).status, 201);
  t.is((await f.ask({ method: 'DELETE', url: `${url}/k`, body: background })).status, 200);
  t.is((await f.ask({ url: `${url}/k` })).status, 404);
});

test('Jobs are found by how many of their Pods succeeded', async (t) => {
  const f = await fixture();
  const url = '/apis/batch/v1/namespaces/default/jobs';
  for (const name of ['j', 'k']) await f.ask({ method: 'POST', url, body: { ...JOB, metadata: { name } } });
  const merge = { 'content-type': 'application/merge-patch+json' };
  const done = await f.ask({
    method: 'PATCH',
    url: `${url}/k/status`,
    headers: merge,
    body: { status: { succeeded: 1 } },
  });
  t.is(done.status, 200, done.text);
  const found = await f.ask({ url: `${url}?fieldSelector=status.successful%3D1` });
  t.deepEqual(
    (found.json as { items: { metadata: Json }[] }).items.map(({ metadata }) => metadata['name']),
    ['k'],
  );
});

test('status is dropped from what is made, the spec from what is written to status', async (t) => {
  const f = await fixture();
  const url = '/apis/batch/v1/namespaces/default/jobs';
  const made = await f.ask({ method: 'POST', url, body: { ...JOB, status: { succeeded: 7 } } });
  t.deepEqual((made.json as Json)['status'], {});
  t.like(made.json, { metadata: { generation: 1 } });
  const object = made.json as { spec: Json };
  const spec = { ...object.spec, parallelism: 5 };
  const updated = await f.ask({
    method: 'PUT',
    url: `${url}/j/status`,
    body: { ...object, spec, status: { active: 1 } },
  });
  t.like(updated.json, { spec: { parallelism: 1 }, status: { active: 1 }, metadata: { generation: 1 } });
  const changed = await f.ask({
    method: 'PUT',
    url: `${url}/j`,
    body: { ...(updated.json as Json), spec, status: {} },
  });
  t.like(changed.json, { spec: { parallelism: 5 }, status: { active: 1 }, metadata: { generation: 2 } });
});

test('POST bindings binds the Pod that the body names', async (t) => {
  const f = await fixture();
  const pods = '/api/v1/namespaces/default/pods';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };
  await f.ask({ method: 'POST', url: pods, body: pod });
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n1' } };
  const bound = await f.ask({ method: 'POST', url: '/api/v1/namespaces/default/bindings', body: binding });
  t.is(bound.status, 201, bound.text);
  t.like((await f.ask({ url: `${pods}/p` })).json, { spec: { nodeName: 'n1' } });
});

test("a request for a certificate is its sender's; approval and status keep to their conditions", async (t) => {
  const f = await fixture();
  const url = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const pem = '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n';
  const spec = { request: btoa(pem), signerName: 'a.b/c', usages: ['client auth'], username: 'mallory', groups: ['x'] };
  const body = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r' },
    spec,
  };
  const made = await f.ask({ method: 'POST', url, body });
  t.like(made.json, { spec: { username: 'admin', groups: ['system:masters', 'system:authenticated'] }, status: {} });
  const approved = { type: 'Approved', status: 'True', reason: 'Mine' };
  const withStatus = (object: Json, status: Json): Json => ({ ...object, status });
  const sneaky = await f.ask({
    method: 'PUT',
    url: `${url}/r/status`,
    body: withStatus(made.json as Json, { conditions: [approved], certificate: 'AA==' }),
  });
  t.deepEqual((sneaky.json as Json)['status'], { certificate: 'AA==' });
  const verdict = await f.ask({
    method: 'PUT',
    url: `${url}/r/approval`,
    body: withStatus(sneaky.json as Json, { conditions: [approved, { type: 'Failed', status: 'True' }] }),
  });
  t.like((verdict.json as { status: Json }).status, {
    certificate: 'AA==',
    conditions: [{ type: 'Approved', reason: 'Mine' }],
  });
  t.is((verdict.json as { status: { conditions: Json[] } }).status.conditions.length, 1);
  const both = [approved, { type: 'Denied', status: 'True' }];
  const denied = await f.ask({
    method: 'PUT',
    url: `${url}/r/approval`,
    body: withStatus(verdict.json as Json, { conditions: both }),
  });
  t.is(denied.status, 422);
  t.regex(denied.text, /mutually exclusive/);
  const taken = await f.ask({ method: 'PUT', url: `${url}/r/approval`, body: withStatus(verdict.json as Json, {}) });
  t.regex(taken.text, /updates may not remove a condition of type \\"Approved\\"/);
});

const REVIEWS = '/apis/authorization.k8s.io/v1';
const bob = { commonName: 'bob', organizations: [] };
const node = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
const pods = { resource: 'pods', namespace: 'default' };
const review = (kind: string, spec: Json): Json => ({ apiVersion: 'authorization.k8s.io/v1', kind, spec });

const questions: [string, FakeRequest, number, RegExp][] = [
  [
    'oneself, without the right',
    {
      url: 'selfsubjectaccessreviews',
      client: bob,
      body: review('SelfSubjectAccessReview', { resourceAttributes: { ...pods, verb: 'list' } }),
    },
    201,
    /"allowed":false/,
  ],
  [
    'oneself, with the right',
    {
      url: 'selfsubjectaccessreviews',
      client: node,
      body: review('SelfSubjectAccessReview', { resourceAttributes: { ...pods, verb: 'list' } }),
    },
    201,
    /"allowed":true/,
  ],
  [
    'a path',
    {
      url: 'selfsubjectaccessreviews',
      client: bob,
      body: review('SelfSubjectAccessReview', { nonResourceAttributes: { path: '/healthz', verb: 'get' } }),
    },
    201,
    /"allowed":true/,
  ],
  [
    'nothing',
    { url: 'selfsubjectaccessreviews', client: bob, body: review('SelfSubjectAccessReview', {}) },
    422,
    /exactly one of nonResourceAttributes or resourceAttributes must be specified/,
  ],
  [
    'others',
    {
      url: 'subjectaccessreviews',
      body: review('SubjectAccessReview', {
        user: 'system:node:n1',
        groups: ['system:nodes'],
        resourceAttributes: { ...pods, verb: 'delete' },
      }),
    },
    201,
    /"allowed":true/,
  ],
  [
    'nobody',
    {
      url: 'subjectaccessreviews',
      body: review('SubjectAccessReview', { resourceAttributes: { ...pods, verb: 'get' } }),
    },
    422,
    /at least one of user or group must be specified/,
  ],
  [
    'others, by somebody who may not',
    {
      url: 'subjectaccessreviews',
      client: bob,
      body: review('SubjectAccessReview', { user: 'x', resourceAttributes: pods }),
    },
    403,
    /cannot create resource \\"subjectaccessreviews\\"/,
  ],
  [
    'another namespace',
    {
      url: 'namespaces/default/localsubjectaccessreviews',
      body: review('LocalSubjectAccessReview', { user: 'x', resourceAttributes: { ...pods, namespace: 'other' } }),
    },
    422,
    /must match metadata\.namespace/,
  ],
  [
    'all that one may',
    { url: 'selfsubjectrulesreviews', client: node, body: review('SelfSubjectRulesReview', { namespace: 'default' }) },
    201,
    /"resources":\["nodes\/status"/,
  ],
  [
    'all that one may, nowhere',
    { url: 'selfsubjectrulesreviews', client: node, body: review('SelfSubjectRulesReview', {}) },
    400,
    /no namespace on request/,
  ],
];
for (const [what, request, status, answer] of questions) {
  test(`a question about ${what}`, async (t) => {
    const f = await fixture();
    const answered = await f.ask({ ...request, method: 'POST', url: `${REVIEWS}/${request.url}` });
    t.is(answered.status, status, answered.text);
    t.regex(answered.text, answer);
  });
}

test('a token is judged by whoever knows tokens', async (t) => {
  const f = await fixture();
  const url = '/apis/authentication.k8s.io/v1/tokenreviews';
  const body = (spec: Json): Json => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec });
  t.like((await f.ask({ method: 'POST', url, body: body({ token: 'x' }) })).json, {
    status: { authenticated: false, error: 'invalid bearer token' },
  });
  t.is((await f.ask({ method: 'POST', url, body: body({}) })).status, 400);
  t.is((await f.ask({ url })).status, 405);
});

test('OpenAPI v2 says in protobuf what it says in JSON', async (t) => {
  const f = await fixture();
  const swagger = (await f.ask({ url: '/openapi/v2' })).json as {
    definitions: Record<string, { properties?: Json }>;
    paths: Json;
  };
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const server = createApiServer({
    http: undefined as unknown as Http,
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: VERSION },
  });
  const chunks: Uint8Array[] = [];
  const answer = send(
    (request, response) => {
      const noted = Object.assign(Object.create(response) as typeof response, {
        write: (bytes: Uint8Array) => (chunks.push(bytes), response.write(bytes)),
        end: (bytes?: Uint8Array) => {
          if (bytes !== undefined) chunks.push(bytes);
          response.end(bytes);
        },
      });
      server.handle(request, noted);
    },
    { url: '/openapi/v2', headers: { accept } },
  );
  await f.run(answer.done);
  t.is(answer.headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
  const definitions = new Map<string, string[]>();
  const paths: string[] = [];
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  /** NamedX {1 name, 2 value}. */
  const named = (bytes: Uint8Array): { name: string; value: Uint8Array } => {
    const wire = new Wire(bytes);
    const found = { name: '', value: new Uint8Array() };
    while (wire.next()) {
      if (wire.field === 1) found.name = text(wire.bytes());
      else found.value = wire.bytes();
    }
    return found;
  };
  const fields = (bytes: Uint8Array, number: number): Uint8Array[] => {
    const wire = new Wire(bytes);
    const found: Uint8Array[] = [];
    while (wire.next()) {
      if (wire.field === number) found.push(wire.bytes());
      else wire.skip();
    }
    return found;
  };
  const whole = Buffer.concat(chunks);
  for (const part of fields(whole, 8).flatMap((one) => fields(one, 2))) paths.push(named(part).name);
  for (const part of fields(whole, 9).flatMap((one) => fields(one, 1))) {
    const { name, value } = named(part);
    const properties = fields(value, 25).flatMap((one) => fields(one, 1));
    definitions.set(
      name,
      properties.map((property) => named(property).name),
    );
  }
  t.deepEqual(paths, Object.keys(swagger.paths));
  t.deepEqual(
    [...definitions],
    Object.entries(swagger.definitions).map(([name, { properties }]) => [name, Object.keys(properties ?? {})]),
  );
  t.true(definitions.has('io.k8s.api.batch.v1.CronJobSpec'));
  for (const [, name = ''] of JSON.stringify(swagger).matchAll(/"#\/definitions\/([\w.-]+)"/g))
    t.true(definitions.has(name), name);
});
