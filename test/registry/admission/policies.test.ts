import test from 'ava';
import { findKind } from '#src/api/kinds.ts';
import type { ResourceRef } from '#src/registry/client.ts';
import { ADMIN, apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { core, object, refusal, type Loose } from './support.ts';

const registration = (resource: string): ResourceRef => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  resource,
});
const POLICIES = registration('validatingadmissionpolicies');
const BINDINGS = registration('validatingadmissionpolicybindings');
const CONFIGMAPS = core('configmaps');
const RULE = { operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };

async function policy(
  f: ApiFixture,
  spec: Record<string, unknown>,
  binding: Record<string, unknown> = {},
): Promise<void> {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const whole = { matchConstraints: { resourceRules: [RULE] }, ...spec };
  await f.run(
    f.admin.create<Loose>(POLICIES, {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: 'p' },
      spec: whole,
    }),
  );
  await f.run(
    f.admin.create<Loose>(BINDINGS, {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'b' },
      spec: { policyName: 'p', validationActions: ['Deny'], ...binding },
    }),
  );
}

const configMap = (name: string, data: Record<string, string> = {}): Loose => object('v1', 'ConfigMap', name, { data });
const denied = (why: string): string =>
  `configmaps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ${why}`;

for (const [what, spec, want] of [
  [
    'an expression without a message',
    { validations: [{ expression: 'size(object.data) > 5' }] },
    [422, denied('failed expression: size(object.data) > 5')],
  ],
  ['a message', { validations: [{ expression: 'false', message: 'never' }] }, [422, denied('never')]],
  ['a reason', { validations: [{ expression: 'false', message: 'no', reason: 'Forbidden' }] }, [403, denied('no')]],
  [
    'a message that is an expression',
    { validations: [{ expression: 'false', messageExpression: "'data ' + object.data.k" }] },
    [422, denied('data v')],
  ],
  [
    'variables that build on each other',
    {
      variables: [
        { name: 'value', expression: 'object.data.k' },
        { name: 'isBad', expression: "variables.value == 'v'" },
      ],
      validations: [{ expression: '!variables.isBad', message: 'bad value' }],
    },
    [422, denied('bad value')],
  ],
  [
    'what is right',
    { validations: [{ expression: "object.data.k == 'v' && request.operation == 'CREATE'" }] },
    undefined,
  ],
  ['a namespace', { validations: [{ expression: "namespaceObject.metadata.name == 'default'" }] }, undefined],
  ['the old object of a create', { validations: [{ expression: 'oldObject == null' }] }, undefined],
  [
    'what the writer may do',
    { validations: [{ expression: "authorizer.group('').resource('pods').check('create').allowed()" }] },
    undefined,
  ],
  [
    'an error',
    { validations: [{ expression: 'object.data.missing == 1' }] },
    [422, /denied request: expression 'object\.data\.missing == 1' resulted in error: no such key: missing$/],
  ],
  [
    'an error that is ignored',
    { failurePolicy: 'Ignore', validations: [{ expression: 'object.data.missing == 1' }] },
    undefined,
  ],
  [
    'a condition that does not hold',
    {
      matchConditions: [{ name: 'never', expression: "request.name == 'other'" }],
      validations: [{ expression: 'false' }],
    },
    undefined,
  ],
] as [string, Record<string, unknown>, [number, string | RegExp] | undefined][]) {
  test(`a policy with ${what}`, async (t) => {
    const f = await apiFixture();
    await policy(f, spec);
    const create = f.admin.create(CONFIGMAPS, configMap('a', { k: 'v' }));
    if (want === undefined) {
      t.is((await f.run(create)).metadata?.name, 'a');
      return;
    }
    const { code, message } = await refusal(f, create);
    t.is(code, want[0]);
    if (typeof want[1] === 'string') t.is(message, want[1]);
    else t.regex(message, want[1]);
  });
}

test('a policy is nothing without a binding, and a binding may warn instead', async (t) => {
  const f = await apiFixture();
  await policy(f, { validations: [{ expression: 'false', message: 'hm' }] }, { validationActions: ['Warn', 'Audit'] });
  const kind = findKind(CONFIGMAPS);
  if (kind === undefined) throw new Error('ConfigMaps are not served');
  const create = async (name: string) =>
    await f.run(f.registry.verbsFor(ADMIN).create(kind, { object: configMap(name) }, {}));
  t.deepEqual((await create('a')).warnings, [
    "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': hm",
  ]);
  await f.run(f.admin.delete(BINDINGS, 'b'));
  t.deepEqual((await create('c')).warnings, []);
});

test('parameters come from the object that a binding names', async (t) => {
  const f = await apiFixture();
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConditions: [{ name: 'others', expression: "request.name != 'limits'" }],
    validations: [{ expression: 'size(object.data) <= int(params.data.max)', message: 'too many' }],
  };
  await policy(f, spec, { paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' } });
  t.is(
    (await refusal(f, f.admin.create(CONFIGMAPS, configMap('a')))).message,
    denied('no params found for policy binding with `Deny` parameterNotFoundAction'),
  );
  await f.run(f.admin.delete(BINDINGS, 'b'));
  await f.run(f.admin.create(CONFIGMAPS, configMap('limits', { max: '1' })));
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const paramRef = { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' };
  await f.run(
    f.admin.create<Loose>(BINDINGS, {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'b' },
      spec: { policyName: 'p', validationActions: ['Deny'], paramRef },
    }),
  );
  await f.run(f.admin.create(CONFIGMAPS, configMap('few', { a: '1' })));
  t.is((await refusal(f, f.admin.create(CONFIGMAPS, configMap('a', { a: '1', b: '2' })))).message, denied('too many'));
});

test('an expression that does not compile is refused when it is written', async (t) => {
  const f = await apiFixture();
  const { code, message } = await refusal(f, policy(f, { validations: [{ expression: 'object.' }] }));
  t.is(code, 422);
  t.regex(
    message,
    /spec\.validations\[0\]\.expression: Invalid value: "object\.": compilation failed: ERROR: <input>:1/,
  );
});
