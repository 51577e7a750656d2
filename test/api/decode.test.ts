/** The two ways in, JSON and protobuf: what is taken, what is dropped, what is refused and how. */
import test from 'ava';
import fc from 'fast-check';
import { decodeBody } from '#src/api/api.ts';
import { isApiError } from '#src/api/api-error.ts';
import { decodeObject, type FieldValidation } from '#src/api/decode.ts';
import { KINDS, typeNameOf } from '#src/api/kinds.ts';
import { decodeProtobuf } from '#src/api/protobuf.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { arbitraryObject } from './arbitrary-object.ts';
import { encodeProtobuf } from './protobuf-encoder.ts';

const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment';
const HEAD = '"apiVersion":"apps/v1","kind":"Deployment"';
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function decode(text: string, fieldValidation: FieldValidation, typeName = DEPLOYMENT) {
  const { value, duplicates } = parseStrictJson(text);
  return decodeObject(value, typeName, { fieldValidation, duplicates });
}

const wrongTypes: [string, string][] = [
  [
    '"spec":{"replicas":"3"}',
    'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    '"spec":{"replicas":1.5}',
    'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    '"spec":{"replicas":3000000000}',
    'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    '"spec":{"paused":"yes"}',
    'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool',
  ],
  ['"spec":[]', 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
  [
    '"metadata":{"labels":{"a":1}}',
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    '"metadata":{"finalizers":"x"}',
    'json: cannot unmarshal string into Go struct field ObjectMeta.metadata.finalizers of type []string',
  ],
  [
    '"spec":{"template":{"spec":{"containers":[{"image":1}]}}}',
    'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string',
  ],
  [
    '"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}}',
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  [
    '"metadata":{"creationTimestamp":"yesterday"}',
    'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
  ],
];
for (const [fields, problem] of wrongTypes) {
  test(`a wrong type is refused as Kubernetes words it: ${fields}`, (t) => {
    const error = t.throws(() => decode(`{${HEAD},${fields}}`, 'Ignore'));
    t.true(isApiError(error, 'BadRequest'));
    t.is(error?.message, `Deployment in version "v1" cannot be handled as a Deployment: ${problem}`);
  });
}

const SLIPS = `{${HEAD},"spec":{"replicas":1,"replicas":2,"replica":3,"template":{"spec":{"containers":[{"name":"a","img":"x"}]}}}}`;

test('fieldValidation=Strict refuses unknown and repeated fields with their paths', (t) => {
  const error = t.throws(() => decode(SLIPS, 'Strict'));
  t.true(isApiError(error, 'BadRequest'));
  t.is(
    error?.message,
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field "spec.replicas", ' +
      'unknown field "spec.template.spec.containers[0].img", unknown field "spec.replica"',
  );
});

test('fieldValidation=Warn tells them and drops them, Ignore only drops them', (t) => {
  const warned = decode(SLIPS, 'Warn');
  t.deepEqual(warned.warnings, [
    'duplicate field "spec.replicas"',
    'unknown field "spec.template.spec.containers[0].img"',
    'unknown field "spec.replica"',
  ]);
  const ignored = decode(SLIPS, 'Ignore');
  t.deepEqual(ignored.warnings, []);
  t.deepEqual(plain(ignored.object), plain(warned.object));
  t.deepEqual((plain(ignored.object) as { spec: unknown }).spec, {
    replicas: 2,
    template: { spec: { containers: [{ name: 'a' }] } },
  });
});

test('nulls and empties go as the JSON tags say; zero stays where it is a value', (t) => {
  const { object } = decode(
    `{${HEAD},"metadata":{"creationTimestamp":null,"labels":{},"finalizers":[],"name":"x"},"spec":{"replicas":0,"minReadySeconds":0,"paused":false,"strategy":{}},"status":{}}`,
    'Strict',
  );
  t.deepEqual(plain(object), {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'x' },
    spec: { replicas: 0, strategy: {} },
    status: {},
  });
});

test('plain fields that are always written have their zero value', (t) => {
  const given = { status: {}, spec: { template: { spec: {} }, selector: null } };
  const { object } = decodeObject(given, 'io.k8s.api.apps.v1.ReplicaSet', { fieldValidation: 'Strict' });
  t.deepEqual(plain(object), { spec: { template: { spec: { containers: [] } } }, status: { replicas: 0 } });
});

test('leaves come out in canonical form', (t) => {
  const { object } = decode(
    '{"apiVersion":"v1","kind":"Pod","metadata":{"creationTimestamp":"2026-11-23T10:00:00+01:00"},"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":"1024Mi"}}}]}}',
    'Strict',
    'io.k8s.api.core.v1.Pod',
  );
  t.like(plain(object), {
    metadata: { creationTimestamp: '2026-11-23T09:00:00Z' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: '1', memory: '1Gi' } } }] },
  });
});

for (const kind of KINDS) {
  test(`protobuf and JSON give the same object: ${kind.apiVersion} ${kind.kind}`, (t) => {
    fc.assert(
      fc.property(arbitraryObject(kind.typeName), (random) => {
        const given = { ...random, apiVersion: kind.apiVersion, kind: kind.kind };
        const { object } = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' });
        const decoded = decodeProtobuf(encodeProtobuf(kind.typeName, kind, object));
        t.deepEqual(plain(decoded.object), plain(object));
        t.is(decoded.kind, kind.kind);
      }),
      { numRuns: 60 },
    );
  });
}

test('kinds of bodies that are not stored decode from protobuf too', (t) => {
  const bodies: [string, string, Record<string, unknown>][] = [
    ['v1', 'DeleteOptions', { gracePeriodSeconds: 0, propagationPolicy: 'Background', preconditions: { uid: 'u' } }],
    ['policy/v1', 'Eviction', { metadata: { name: 'p' }, deleteOptions: { gracePeriodSeconds: 5 } }],
    ['autoscaling/v1', 'Scale', { metadata: { name: 'd' }, spec: { replicas: 3 } }],
    ['batch/v1', 'Job', { spec: { parallelism: 0, template: { spec: { containers: [{ name: 'a' }] } } } }],
    ['authentication.k8s.io/v1', 'TokenRequest', { spec: { audiences: ['x'], expirationSeconds: 600 } }],
    ['authorization.k8s.io/v1', 'SelfSubjectAccessReview', { spec: { resourceAttributes: { verb: 'get' } } }],
  ];
  for (const [apiVersion, kind, body] of bodies) {
    const typeName = typeNameOf(apiVersion, kind) ?? '';
    const decoded = decodeProtobuf(encodeProtobuf(typeName, { apiVersion, kind }, body));
    t.like(plain(decoded.object), { apiVersion, kind, ...body });
  }
});

test('random and mutilated protobuf is decoded or refused with 400, nothing else', (t) => {
  const whole = encodeProtobuf(
    DEPLOYMENT,
    { apiVersion: 'apps/v1', kind: 'Deployment' },
    {
      metadata: { name: 'x', labels: { a: 'b' }, creationTimestamp: '2026-11-23T09:00:00Z' },
      spec: { replicas: 3, template: { spec: { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] } } },
    },
  );
  const survives = (bytes: Uint8Array) => {
    try {
      decodeProtobuf(bytes);
    } catch (error) {
      t.true(isApiError(error, 'BadRequest'), String(error));
    }
  };
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => survives(whole.with(at, byte))),
    { numRuns: 500 },
  );
  for (let length = 0; length < whole.length; length++) survives(whole.subarray(0, length));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (tail) => survives(Uint8Array.of(0x6b, 0x38, 0x73, 0, ...tail))),
    { numRuns: 300 },
  );
});

test('random JSON is decoded as any type, or refused with 400', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS),
      fc.jsonValue(),
      fc.constantFrom('metadata', 'spec', 'status', 'data'),
      (kind, value, key) => {
        for (const given of [value, { apiVersion: kind.apiVersion, kind: kind.kind, [key]: value }]) {
          try {
            decodeObject(given, kind.typeName, { fieldValidation: 'Strict' });
          } catch (error) {
            t.true(isApiError(error, 'BadRequest'), String(error));
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

const POD_BODY = { apiVersion: 'v1', kind: 'Pod', typeName: 'io.k8s.api.core.v1.Pod' };
const bytes = (text: string) => new TextEncoder().encode(text);

test('a body is read by its content type; the kind of the URL is filled in', (t) => {
  const json = decodeBody(
    bytes('{"metadata":{"name":"x"},"__proto__":1}'),
    'application/json; charset=utf-8',
    POD_BODY,
    'Warn',
  );
  t.like(plain(json.object), { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' } });
  t.deepEqual(json.warnings, ['unknown field "__proto__"']);
  const protobuf = encodeProtobuf(POD_BODY.typeName, POD_BODY, { metadata: { name: 'x' } });
  t.like(plain(decodeBody(protobuf, 'application/vnd.kubernetes.protobuf', POD_BODY, 'Strict').object), {
    metadata: { name: 'x' },
  });
});

const badBodies: [string, string, string, number, RegExp][] = [
  [
    'another kind',
    '{"apiVersion":"v1","kind":"Node"}',
    'application/json',
    400,
    /\(v1, Node\) does not match the expected API version \(v1, Pod\)/,
  ],
  ['broken JSON', '{', 'application/json', 400, /json parse error: position 1/],
  ['YAML', 'a: 1', 'application/yaml', 415, /accepted media types include/],
  ['JSON called protobuf', '{}', 'application/vnd.kubernetes.protobuf', 400, /magic number/],
];
for (const [what, text, contentType, status, message] of badBodies) {
  test(`a body is refused: ${what}`, (t) => {
    const error = t.throws(() => decodeBody(bytes(text), contentType, POD_BODY, 'Strict'), { message });
    t.true(isApiError(error) && error.status === status);
  });
}
