import test, { type ExecutionContext } from 'ava';
import { createApiServer } from '#src/apiserver/apiserver.ts';
import type { Http } from '#src/ports/http.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { send, type FakeAnswer, type FakeRequest } from '#test/support/fake-exchange.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const WIDGETS = '/apis/example.com/v1/namespaces/default/widgets';

interface Fixture extends ApiFixture {
  ask(request: FakeRequest): Promise<FakeAnswer>;
}

async function fixture(): Promise<Fixture> {
  const f = await apiFixture();
  const version = {
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
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version },
  });
  const ask = async (request: FakeRequest): Promise<FakeAnswer> => {
    const answer = send(server.handle, request);
    await f.run(answer.done);
    return answer;
  };
  return { ...f, ask };
}

const SPEC_SCHEMA = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, maximum: 10 },
    replicas: { type: 'integer', default: 1 },
    color: { type: 'string', enum: ['red', 'blue'], default: 'red' },
    name: { type: 'string', pattern: '^[a-z]+$', maxLength: 5 },
    when: { type: 'string', format: 'date-time' },
    port: { 'x-kubernetes-int-or-string': true },
    anything: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    ports: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, port: { type: 'integer' } },
      },
    },
    maybe: { type: 'string', nullable: true },
  },
  'x-kubernetes-validations': [
    { rule: 'self.replicas <= self.size', message: 'no more replicas than size' },
    { rule: 'self.size >= oldSelf.size', messageExpression: "'size cannot shrink from ' + string(oldSelf.size)" },
  ],
};

const STATUS_SCHEMA = {
  type: 'object',
  properties: { replicas: { type: 'integer' }, selector: { type: 'string' }, phase: { type: 'string' } },
};

const V1 = {
  name: 'v1',
  served: true,
  storage: true,
  schema: { openAPIV3Schema: { type: 'object', properties: { spec: SPEC_SCHEMA, status: STATUS_SCHEMA } } },
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  },
  additionalPrinterColumns: [
    { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  ],
  selectableFields: [{ jsonPath: '.spec.color' }],
};

function definition(versions: object[] = [V1], extra: object = {}): Record<string, unknown> {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
      versions,
      ...extra,
    },
  };
}

function widget(name: string, spec: object, extra: object = {}): unknown {
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name }, spec, ...extra };
}

async function defined(t: ExecutionContext, body: unknown = definition()): Promise<Fixture> {
  const f = await fixture();
  const made = await f.ask({ method: 'POST', url: CRDS, body });
  t.is(made.status, 201, made.text);
  return f;
}

test('a definition is established at once and served', async (t) => {
  const f = await fixture();
  t.is((await f.ask({ url: WIDGETS })).status, 404);
  const made = await f.ask({ method: 'POST', url: CRDS, body: definition() });
  t.is(made.status, 201, made.text);
  const { metadata, spec, status } = made.json as {
    metadata: { finalizers: string[] };
    spec: unknown;
    status: { conditions: { type: string; status: string }[] };
  };
  t.deepEqual(metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
  t.like(spec, { names: { singular: 'widget', listKind: 'WidgetList' }, conversion: { strategy: 'None' } });
  t.like(status, { storedVersions: ['v1'], acceptedNames: { kind: 'Widget' } });
  t.deepEqual(
    status.conditions.map((condition) => `${condition.type}=${condition.status}`),
    ['NamesAccepted=True', 'Established=True'],
  );
  const list = await f.ask({ url: WIDGETS });
  t.like(list.json, { kind: 'WidgetList', apiVersion: 'example.com/v1', items: [] });
});

test('defaults are filled in, unknown fields pruned, warned of or refused', async (t) => {
  const f = await defined(t);
  const body = widget('a', { size: 3, bogus: 1, anything: { deep: { er: true } } });
  const strict = await f.ask({ method: 'POST', url: `${WIDGETS}?fieldValidation=Strict`, body });
  t.is(strict.status, 400);
  t.regex(strict.text, /strict decoding error: unknown field \\"spec.bogus\\"/);
  const made = await f.ask({ method: 'POST', url: WIDGETS, body });
  t.is(made.status, 201, made.text);
  t.deepEqual(made.headers['warning'], ['299 - "unknown field \\"spec.bogus\\""']);
  t.deepEqual((made.json as { spec: unknown }).spec, {
    size: 3,
    anything: { deep: { er: true } },
    replicas: 1,
    color: 'red',
  });
  t.like(made.json, { metadata: { generation: 1, namespace: 'default' } });
});

const REFUSALS: [string, object, string][] = [
  [
    'a wrong type',
    { size: '3' },
    'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
  ],
  ['a missing field', {}, 'spec.size: Required value'],
  ['too small', { size: 0 }, 'spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1'],
  ['too large', { size: 11 }, 'spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10'],
  [
    'not in the enum',
    { size: 1, color: 'pink' },
    'spec.color: Unsupported value: "pink": supported values: "red", "blue"',
  ],
  ['no match', { size: 1, name: 'A' }, `spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'`],
  ['too long', { size: 1, name: 'abcdef' }, 'spec.name: Too long: may not be more than 5 bytes'],
  [
    'no date',
    { size: 1, when: 'now' },
    'spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now"',
  ],
  [
    'neither int nor string',
    { size: 1, port: true },
    'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
  ],
  ['twice in a set', { size: 1, tags: ['a', 'a'] }, 'spec.tags[1]: Duplicate value: "a"'],
  [
    'twice in a map',
    { size: 1, ports: [{ name: 'a' }, { name: 'a' }] },
    'spec.ports[1]: Duplicate value: {"name":"a"}',
  ],
  ['null', { size: null }, 'spec.size: Invalid value: "null": spec.size in body must be of type integer: "null"'],
  ['a broken rule', { size: 1, replicas: 2 }, 'spec: Invalid value: "object": no more replicas than size'],
];
for (const [title, spec, message] of REFUSALS) {
  test(`refused: ${title}`, async (t) => {
    const f = await defined(t);
    const answer = await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', spec) });
    t.is(answer.status, 422, answer.text);
    t.is((answer.json as { message: string }).message, `Widget.example.com "a" is invalid: ${message}`);
  });
}

test('transition rules compare with what was; metadata leaves the generation, the spec bumps it', async (t) => {
  const f = await defined(t);
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 3, maybe: null }) });
  const patch = (body: unknown, at = ''): Promise<FakeAnswer> =>
    f.ask({
      method: 'PATCH',
      url: `${WIDGETS}/a${at}`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body,
    });
  const shrunk = await patch({ spec: { size: 2 } });
  t.is(shrunk.status, 422);
  t.regex(shrunk.text, /spec: Invalid value: \\"object\\": size cannot shrink from 3/);
  t.like((await patch({ metadata: { labels: { a: 'b' } } })).json, { metadata: { generation: 1 } });
  t.like((await patch({ spec: { size: 4 } })).json, { metadata: { generation: 2 }, spec: { size: 4 } });
  const status = await patch({ spec: { size: 9 }, status: { phase: 'Ready', replicas: 1 } }, '/status');
  t.like(status.json, { metadata: { generation: 2 }, spec: { size: 4 }, status: { phase: 'Ready' } });
  const strategic = await f.ask({
    method: 'PATCH',
    url: `${WIDGETS}/a`,
    headers: { 'content-type': 'application/strategic-merge-patch+json' },
    body: {},
  });
  t.is(strategic.status, 415);
});

test('the scale subresource reads and writes by its paths', async (t) => {
  const f = await defined(t);
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 5 }) });
  const scale = await f.ask({ url: `${WIDGETS}/a/scale` });
  t.like(scale.json, { kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 1 }, status: { replicas: 0 } });
  const scaled = await f.ask({
    method: 'PATCH',
    url: `${WIDGETS}/a/scale`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { spec: { replicas: 4 } },
  });
  t.like(scaled.json, { kind: 'Scale', spec: { replicas: 4 } });
  t.like((await f.ask({ url: `${WIDGETS}/a` })).json, { spec: { replicas: 4, size: 5 }, metadata: { generation: 2 } });
});

test('columns, field selectors, discovery and OpenAPI follow the definition', async (t) => {
  const f = await defined(t);
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 5 }) });
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('b', { size: 6, color: 'blue' }) });
  const table = await f.ask({ url: WIDGETS, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
  t.deepEqual(
    (table.json as { columnDefinitions: { name: string }[] }).columnDefinitions.map(({ name }) => name),
    ['Name', 'Size', 'Phase'],
  );
  t.deepEqual(
    (table.json as { rows: { cells: unknown[] }[] }).rows.map(({ cells }) => cells),
    [
      ['a', 5, null],
      ['b', 6, null],
    ],
  );
  const blue = await f.ask({ url: `${WIDGETS}?fieldSelector=spec.color%3Dblue` });
  t.deepEqual(
    (blue.json as { items: { metadata: { name: string } }[] }).items.map((item) => item.metadata.name),
    ['b'],
  );
  t.is((await f.ask({ url: `${WIDGETS}?fieldSelector=spec.size%3D5` })).status, 400);
  t.like((await f.ask({ url: '/apis/example.com' })).json, { preferredVersion: { version: 'v1' } });
  const resources = (await f.ask({ url: '/apis/example.com/v1' })).json as { resources: { name: string }[] };
  t.deepEqual(
    resources.resources.map(({ name }) => name),
    ['widgets', 'widgets/scale', 'widgets/status'],
  );
  const document = (await f.ask({ url: '/openapi/v3/apis/example.com/v1' })).json as {
    components: { schemas: Record<string, { properties: Record<string, unknown> }> };
  };
  const schema = document.components.schemas['com.example.v1.Widget'];
  t.deepEqual(Object.keys(schema?.properties ?? {}).sort(), ['apiVersion', 'kind', 'metadata', 'spec', 'status']);
});

test('server-side apply goes by the schema of the definition', async (t) => {
  const f = await defined(t);
  const apply = (manager: string, spec: object): Promise<FakeAnswer> =>
    f.ask({
      method: 'PATCH',
      url: `${WIDGETS}/a?fieldManager=${manager}`,
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: widget('a', spec),
    });
  const made = await apply('one', { size: 2, ports: [{ name: 'http', port: 80 }] });
  t.is(made.status, 201, made.text);
  const second = await apply('two', { ports: [{ name: 'https', port: 443 }] });
  t.is(second.status, 200, second.text);
  const { spec, metadata } = second.json as { spec: { ports: unknown }; metadata: { managedFields: unknown[] } };
  t.deepEqual(spec.ports, [
    { name: 'https', port: 443 },
    { name: 'http', port: 80 },
  ]);
  t.like(metadata.managedFields, {
    0: {
      manager: 'one',
      fieldsV1: {
        'f:spec': { 'f:size': {}, 'f:ports': { 'k:{"name":"http"}': { '.': {}, 'f:name': {}, 'f:port': {} } } },
      },
    },
  });
  const conflict = await apply('two', { ports: [{ name: 'http', port: 81 }] });
  t.is(conflict.status, 409);
  t.regex(conflict.text, /conflict with \\"one\\": .spec.ports\[name=\\"http\\"\].port/);
});

test('several versions of one storage: None conversion changes the apiVersion only', async (t) => {
  const old = { ...V1, name: 'v1beta1', storage: false, deprecated: true };
  const f = await defined(t, definition([old, V1]));
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 5 }) });
  const asOld = await f.ask({ url: WIDGETS.replace('/v1/', '/v1beta1/') + '/a' });
  t.like(asOld.json, { apiVersion: 'example.com/v1beta1', spec: { size: 5 } });
  t.deepEqual(asOld.headers['warning'], ['299 - "example.com/v1beta1 Widget is deprecated"']);
  const group = (await f.ask({ url: '/apis/example.com' })).json as { versions: { version: string }[] };
  t.deepEqual(
    group.versions.map(({ version }) => version),
    ['v1', 'v1beta1'],
  );
});

test('defaults of a changed schema show in what was stored before', async (t) => {
  const f = await defined(t);
  await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 5 }) });
  const changed = structuredClone(V1) as unknown as {
    schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } };
  };
  changed.schema.openAPIV3Schema.properties.spec.properties['mode'] = { type: 'string', default: 'fast' };
  const put = await f.ask({
    method: 'PATCH',
    url: `${CRDS}/widgets.example.com`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { spec: { versions: [changed] } },
  });
  t.is(put.status, 200, put.text);
  t.like((await f.ask({ url: `${WIDGETS}/a` })).json, { spec: { mode: 'fast' } });
});

test('protobuf bodies of custom resources are refused with 415', async (t) => {
  const f = await defined(t);
  const answer = await f.ask({
    method: 'POST',
    url: WIDGETS,
    headers: { 'content-type': 'application/vnd.kubernetes.protobuf' },
    body: new Uint8Array([0x6b, 0x38, 0x73, 0]),
  });
  t.is(answer.status, 415);
});

const BAD_DEFINITIONS: [string, Record<string, unknown>, RegExp][] = [
  [
    'a wrong name',
    { ...definition(), metadata: { name: 'x' } },
    /metadata.name: Invalid value: \\"x\\": must be spec.names.plural/,
  ],
  [
    'two storage versions',
    definition([V1, { ...V1, name: 'v2' }]),
    /must have exactly one version marked as storage version/,
  ],
  [
    'no schema',
    definition([{ ...V1, schema: undefined }]),
    /spec.versions\[0\].schema.openAPIV3Schema: Required value: schemas are required/,
  ],
  [
    'a field without type',
    definition([
      {
        ...V1,
        subresources: {},
        selectableFields: [],
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: {} } } },
      },
    ]),
    /properties\[spec\].type: Required value: must not be empty for specified object fields/,
  ],
  [
    'a rule that does not compile',
    definition([
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { a: { type: 'string' } },
                'x-kubernetes-validations': [{ rule: 'self.b == 1' }],
              },
            },
          },
        },
      },
    ]),
    /x-kubernetes-validations\[0\].rule: Invalid value: \\"self.b == 1\\": compilation failed: ERROR: <input>:1:5: undefined field 'b'/,
  ],
];
for (const [title, body, message] of BAD_DEFINITIONS) {
  test(`a definition is refused: ${title}`, async (t) => {
    const f = await fixture();
    const answer = await f.ask({ method: 'POST', url: CRDS, body });
    t.is(answer.status, 422, answer.text);
    t.regex(answer.text, message);
  });
}

test('a second kind of the same name in a group is not served', async (t) => {
  const f = await defined(t);
  const other = definition([V1], { names: { plural: 'gadgets', kind: 'Widget' } });
  const made = await f.ask({
    method: 'POST',
    url: CRDS,
    body: { ...other, metadata: { name: 'gadgets.example.com' } },
  });
  t.is(made.status, 201, made.text);
  const { conditions } = (made.json as { status: { conditions: { status: string; reason: string }[] } }).status;
  t.like(conditions[0], { type: 'NamesAccepted', status: 'False', reason: 'ListKindConflict' });
  t.is((await f.ask({ url: '/apis/example.com/v1/namespaces/default/gadgets' })).status, 404);
});

test('a definition that is deleted waits for its objects and takes no new ones', async (t) => {
  const f = await defined(t);
  const gone = await f.ask({ method: 'DELETE', url: `${CRDS}/widgets.example.com` });
  t.is(gone.status, 200);
  t.like(gone.json, { metadata: { finalizers: ['customresourcecleanup.apiextensions.k8s.io'] } });
  const refused = await f.ask({ method: 'POST', url: WIDGETS, body: widget('a', { size: 1 }) });
  t.is(refused.status, 405);
  t.regex(refused.text, /create not allowed while custom resource definition is terminating/);
});
