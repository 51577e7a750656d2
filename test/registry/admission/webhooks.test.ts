import test, { type ExecutionContext } from 'ava';
import { isApiError } from '#src/api/api-error.ts';
import type { KubeObject } from '#src/api/object.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import type { ResourceRef } from '#src/registry/client.ts';
import { findKind } from '#src/api/kinds.ts';
import { ADMIN, apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { core, NAMESPACES, object, pod, PODS, type Loose } from './support.ts';

const registration = (resource: string): ResourceRef => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  resource,
});
const VALIDATING = registration('validatingwebhookconfigurations');
const MUTATING = registration('mutatingwebhookconfigurations');
const CONFIGMAPS = core('configmaps');

interface Review {
  uid: string;
  kind: { kind: string };
  name: string;
  operation: string;
  subResource?: string;
  dryRun: boolean;
  userInfo: { username: string; groups: string[] };
  object: Loose | null;
  oldObject: Loose | null;
  options: Record<string, unknown>;
}
type Answer = (review: Review) => Record<string, unknown> | string | undefined;

interface Hooks {
  f: ApiFixture;
  url: string;
  port: number;
  caBundle: string;
  reviews: Review[];
}

/** A registry that calls a real HTTPS server on the loopback. */
async function hooks(t: ExecutionContext, answer: Answer): Promise<Hooks> {
  const crypto = createCrypto();
  const http = createHttp();
  const authority = await crypto.createAuthority({ commonName: 'hooks', validityDays: 1 });
  const keys = await crypto.generateKeyPair();
  const certificatePem = await crypto.issueCertificate(authority, {
    publicKeyPem: keys.publicKeyPem,
    commonName: 'hook',
    dnsNames: ['hook.default.svc'],
    ipAddresses: ['127.0.0.1'],
    usages: ['server'],
    validityDays: 1,
  });
  const reviews: Review[] = [];
  const server = await http.serve({
    listen: [{ host: '127.0.0.1', port: 0 }],
    certificatePem,
    privateKeyPem: keys.privateKeyPem,
    clientAuthorityPem: authority.certificatePem,
    handle: (request, response) => {
      void request.body({ bytesMax: 1e6, timeoutMs: 5000 }).then((body) => {
        const { request: review } = JSON.parse(new TextDecoder().decode(body)) as { request: Review };
        reviews.push(review);
        const said = answer(review);
        if (said === undefined) return; // Never answers.
        const whole = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
        const text =
          typeof said === 'string' ? said : JSON.stringify({ ...whole, response: { uid: review.uid, ...said } });
        response.head(200, { 'content-type': 'application/json' });
        response.end(new TextEncoder().encode(text));
      });
    },
  });
  t.teardown(async () => await server.close(0));
  const port = server.ports[0] ?? 0;
  const caBundle = Buffer.from(authority.certificatePem).toString('base64');
  return { f: await apiFixture({ http }), url: `https://127.0.0.1:${port}`, port, caBundle, reviews };
}

const RULES = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['configmaps'] }];

async function register(
  h: Hooks,
  ref: ResourceRef,
  webhooks: Record<string, unknown>[],
  name = 'hooks',
): Promise<void> {
  const kind = ref === MUTATING ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration';
  const whole = webhooks.map((one) => ({
    name: 'a.example.com',
    clientConfig: { url: `${h.url}/judge`, caBundle: h.caBundle },
    rules: RULES,
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...one,
  }));
  const made: Loose = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, webhooks: whole };
  await h.f.admin.create(ref, made);
}

const configMap = (name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): Loose => ({
  ...object('v1', 'ConfigMap', name, { data }),
  metadata: { name, namespace: 'default', labels },
});

async function refusal(promise: Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (isApiError(error)) return { code: error.status, message: error.message };
    throw error;
  }
  throw new Error('it was not refused');
}

const patch = (...operations: unknown[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

test('a validating webhook is shown the write and refuses it in its own words', async (t) => {
  const h = await hooks(t, ({ object: asked }) =>
    asked?.['data'] === undefined
      ? { allowed: false, status: { message: 'no data', code: 403, reason: 'Forbidden' } }
      : { allowed: true, warnings: ['careful'] },
  );
  await register(h, VALIDATING, [{}]);
  const { data: _none, ...empty } = configMap('bad');
  t.deepEqual(await refusal(h.f.admin.create(CONFIGMAPS, empty)), {
    code: 403,
    message: 'admission webhook "a.example.com" denied the request: no data',
  });
  t.is(h.reviews.length, 1);
  t.like(h.reviews[0], {
    name: 'bad',
    namespace: 'default',
    operation: 'CREATE',
    dryRun: false,
    oldObject: null,
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    userInfo: { username: ADMIN.user },
  });
  const kind = findKind(CONFIGMAPS);
  if (kind === undefined) throw new Error('ConfigMaps are not served');
  const answer = await h.f.registry.verbsFor(ADMIN).create(kind, { object: configMap('good', { a: 'b' }) }, {});
  t.deepEqual(answer.warnings, ['careful']);
});

test('updates and deletions are shown with what there was', async (t) => {
  const h = await hooks(t, ({ operation }) =>
    operation === 'DELETE' ? { allowed: false, status: { message: 'stay' } } : { allowed: true },
  );
  await register(h, VALIDATING, [{}]);
  await h.f.admin.create(CONFIGMAPS, configMap('a', { k: '1' }));
  await h.f.admin.patch(CONFIGMAPS, 'a', { type: 'merge', body: { data: { k: '2' } } }, { namespace: 'default' });
  const update = h.reviews.at(-1);
  t.like(update, { operation: 'UPDATE', object: { data: { k: '2' } }, oldObject: { data: { k: '1' } } });
  t.deepEqual(await refusal(h.f.admin.delete(CONFIGMAPS, 'a', { namespace: 'default' })), {
    code: 400,
    message: 'admission webhook "a.example.com" denied the request: stay',
  });
  t.like(h.reviews.at(-1), { operation: 'DELETE', object: null, oldObject: { data: { k: '2' } } });
});

test('mutating webhooks patch in turn, and are asked again when later ones changed more', async (t) => {
  const h = await hooks(t, ({ object: asked }) => {
    const data = (asked?.['data'] ?? {}) as Record<string, string>;
    return patch({ op: 'add', path: '/data/seen', value: `${Object.keys(data).length}` });
  });
  await register(h, MUTATING, [
    { name: 'first.example.com', reinvocationPolicy: 'IfNeeded' },
    { name: 'second.example.com' },
  ]);
  const made = await h.f.admin.create(CONFIGMAPS, configMap('a', { x: '1' }));
  // first: 1 key, second: 2 keys and a change, first again: 2 keys.
  t.deepEqual(made['data'], { x: '1', seen: '2' });
  t.is(h.reviews.length, 3);
});

test('what a webhook makes of an object is validated, defaulted and may not change whose it is', async (t) => {
  const h = await hooks(t, () =>
    patch(
      { op: 'add', path: '/metadata/labels/made', value: 'yes' },
      { op: 'replace', path: '/metadata/name', value: 'other' },
      { op: 'add', path: '/spec/containers/-', value: { name: 'side', image: 'i' } },
    ),
  );
  await register(h, MUTATING, [{ rules: [{ ...RULES[0], operations: ['CREATE'], resources: ['pods'] }] }]);
  const bare = pod('p');
  const made = await h.f.admin.create<Loose>(PODS, { ...bare, metadata: { ...bare.metadata, labels: { a: 'b' } } });
  t.is(made.metadata?.name, 'p');
  t.is(made.metadata?.labels?.['made'], 'yes');
  t.like((made['spec'] as { containers: unknown[] }).containers[1], { name: 'side', terminationMessagePolicy: 'File' });
});

for (const [what, answer, policy, want] of [
  [
    'an answer that is none',
    () => '{"kind":"Nonsense"}',
    'Fail',
    /^Internal error occurred: failed calling webhook "a\.example\.com": received invalid webhook response/,
  ],
  ['an answer that is not JSON', () => 'sorry', 'Fail', /received invalid webhook response/],
  ['an answer to another question', () => ({ allowed: true, uid: 'other' }), 'Fail', /expected response\.uid=/],
  ['a failure that is ignored', () => 'sorry', 'Ignore', undefined],
  [
    'no answer in time',
    () => undefined,
    'Fail',
    /failed calling webhook "a\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:\d+\/judge\?timeout=1s": /,
  ],
  ['a refusal without a word', () => ({ allowed: false }), 'Fail', /denied the request without explanation$/],
] as [string, Answer, string, RegExp | undefined][]) {
  test(`failurePolicy ${policy}: ${what}`, async (t) => {
    const h = await hooks(t, answer);
    await register(h, VALIDATING, [{ failurePolicy: policy, timeoutSeconds: 1 }]);
    const create = h.f.admin.create<KubeObject>(CONFIGMAPS, configMap('a'));
    if (want === undefined) t.is((await create).metadata?.name, 'a');
    else t.regex((await refusal(create)).message, want);
  });
}

test('a server whose certificate another authority signed is not believed', async (t) => {
  const h = await hooks(t, () => ({ allowed: true }));
  const stranger = await createCrypto().createAuthority({ commonName: 'stranger', validityDays: 1 });
  const caBundle = Buffer.from(stranger.certificatePem).toString('base64');
  await register(h, VALIDATING, [{ clientConfig: { url: `${h.url}/judge`, caBundle } }]);
  t.regex((await refusal(h.f.admin.create(CONFIGMAPS, configMap('a')))).message, /failed to call webhook: Post/);
  t.is(h.reviews.length, 0);
});

test('a Service is reached at a ready endpoint, under its own name', async (t) => {
  const h = await hooks(t, () => ({ allowed: false, status: { message: 'reached' } }));
  const clientConfig = { service: { namespace: 'default', name: 'hook', path: '/judge' }, caBundle: h.caBundle };
  await register(h, VALIDATING, [{ clientConfig }]);
  const create = async (): Promise<string> => (await refusal(h.f.admin.create(CONFIGMAPS, configMap('a')))).message;
  t.regex(await create(), /service "hook" not found$/);
  await h.f.admin.create(
    core('services'),
    object('v1', 'Service', 'hook', { spec: { ports: [{ port: 443, targetPort: h.port }] } }),
  );
  t.regex(await create(), /no endpoints available for service "hook"$/);
  const slice: Loose = {
    ...object('discovery.k8s.io/v1', 'EndpointSlice', 'hook-1', {
      addressType: 'IPv4',
      ports: [{ name: '', port: h.port, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    }),
    metadata: { name: 'hook-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'hook' } },
  };
  await h.f.admin.create({ group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' }, slice);
  t.regex(await create(), /denied the request: reached$/);
});

for (const [what, webhook, labels, asked] of [
  ['another resource', { rules: [{ ...RULES[0], resources: ['secrets'] }] }, {}, 0],
  ['another operation', { rules: [{ ...RULES[0], operations: ['UPDATE'] }] }, {}, 0],
  ['objects without a namespace only', { rules: [{ ...RULES[0], scope: 'Cluster' }] }, {}, 0],
  ['all resources', { rules: [{ ...RULES[0], resources: ['*'] }] }, {}, 1],
  ['labels that it has', { objectSelector: { matchLabels: { a: 'b' } } }, { a: 'b' }, 1],
  ['labels that it has not', { objectSelector: { matchLabels: { a: 'b' } } }, {}, 0],
  ['what a condition says', { matchConditions: [{ name: 'a', expression: "object.metadata.name == 'a'" }] }, {}, 1],
  ['what a condition does not say', { matchConditions: [{ name: 'b', expression: "request.name == 'b'" }] }, {}, 0],
  ['its namespace', { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } }, {}, 1],
  ['another namespace', { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } }, {}, 0],
] as [string, Record<string, unknown>, Record<string, string>, number][]) {
  test(`a webhook for ${what}`, async (t) => {
    const h = await hooks(t, () => ({ allowed: true }));
    await register(h, VALIDATING, [webhook]);
    await h.f.admin.create(CONFIGMAPS, configMap('a', {}, labels));
    t.is(h.reviews.length, asked);
  });
}

test('an equivalent version of a kind is shown in the version that was asked for, unless only that is meant', async (t) => {
  const h = await hooks(t, () => ({ allowed: true }));
  const rules = [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['events'] }];
  await register(h, VALIDATING, [{ rules }]);
  await register(h, VALIDATING, [{ rules, matchPolicy: 'Exact' }], 'exact');
  const event: Loose = object('events.k8s.io/v1', 'Event', 'e', {
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    action: 'Act',
    reason: 'Because',
    type: 'Normal',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
  });
  await h.f.admin.create({ group: 'events.k8s.io', version: 'v1', resource: 'events' }, event);
  t.is(h.reviews.length, 1);
  t.like(h.reviews[0], {
    kind: { group: '', version: 'v1', kind: 'Event' },
    requestKind: { group: 'events.k8s.io', version: 'v1', kind: 'Event' },
    object: { apiVersion: 'v1', involvedObject: { name: 'p' } },
  });
});

test('a dry run says so, and is refused by a webhook with side effects', async (t) => {
  const h = await hooks(t, () => ({ allowed: true }));
  await register(h, VALIDATING, [{ sideEffects: 'NoneOnDryRun' }]);
  await h.f.admin.create(CONFIGMAPS, configMap('a'), { dryRun: true });
  t.deepEqual(
    h.reviews.map((review) => review.dryRun),
    [true],
  );
});

test('a write that lost a race is shown again as it is now', async (t) => {
  const h = await hooks(t, () => ({ allowed: true }));
  await h.f.admin.create(CONFIGMAPS, configMap('a', { k: '1' }));
  await register(h, VALIDATING, [{ rules: [{ ...RULES[0], operations: ['UPDATE'] }] }]);
  const rival = [{ op: 'add', path: '/data/rival', value: 'yes' }];
  h.f.replica.interfere(
    async () => await h.f.admin.patch(CONFIGMAPS, 'a', { type: 'json', body: rival }, { namespace: 'default' }),
  );
  await h.f.admin.patch(CONFIGMAPS, 'a', { type: 'merge', body: { data: { k: '2' } } }, { namespace: 'default' });
  t.deepEqual(h.reviews.at(-1)?.object?.['data'], { k: '2', rival: 'yes' });
});

test('no webhook decides about webhooks', async (t) => {
  const h = await hooks(t, () => ({ allowed: false }));
  await register(h, VALIDATING, [
    { rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] },
  ]);
  await h.f.admin.delete(VALIDATING, 'hooks');
  t.is((await h.f.admin.list(NAMESPACES)).items.length > 0, true);
  t.is(h.reviews.length, 0);
});
