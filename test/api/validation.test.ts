/** Defaults and refusals of the served kinds, as kubectl's users know them. */
import test from 'ava';
import fc from 'fast-check';
import { decodeObject } from '#src/api/decode.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import { KINDS, kindOf, type Kind } from '#src/api/kinds.ts';
import { deepCopy } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import { invalid, validateCreate, validateUpdate } from '#src/api/validation.ts';
import { arbitraryObject } from './arbitrary-object.ts';

type Json = Record<string, unknown>;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function kindNamed(apiVersion: string, kind: string): Kind {
  const found = kindOf(apiVersion, kind);
  if (found === undefined) throw new Error(`${apiVersion} ${kind} is not served`);
  return found;
}

/** Decoded and defaulted, as the registry hands it to validation. */
function make(kind: Kind, fields: Json): KubeObject {
  const metadata = { name: 'x', ...(kind.namespaced ? { namespace: 'default' } : {}), ...(fields['metadata'] as Json) };
  const given = { apiVersion: kind.apiVersion, kind: kind.kind, ...fields, metadata };
  const object = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
  applyDefaults(kind, object);
  return object;
}

const POD = kindNamed('v1', 'Pod');
const DEPLOYMENT = kindNamed('apps/v1', 'Deployment');
const SERVICE = kindNamed('v1', 'Service');
const SECRET = kindNamed('v1', 'Secret');
const CONFIG_MAP = kindNamed('v1', 'ConfigMap');
const container = { name: 'c', image: 'nginx' };
const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [container] } };
const selector = { matchLabels: { app: 'x' } };

test('a Pod gets what clients rely on', (t) => {
  const pod = make(POD, {
    spec: {
      containers: [
        {
          ...container,
          ports: [{ containerPort: 80 }],
          resources: { limits: { cpu: '1' } },
          livenessProbe: { httpGet: { port: 80 } },
        },
        { name: 'd', image: 'nginx:1.2' },
      ],
      volumes: [{ name: 'v' }, { name: 's', secret: { secretName: 'x' } }],
    },
  });
  t.deepEqual((plain(pod) as { spec: unknown }).spec, {
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 's', secret: { secretName: 'x', defaultMode: 420 } },
    ],
    containers: [
      {
        name: 'c',
        image: 'nginx',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        imagePullPolicy: 'Always',
      },
      {
        name: 'd',
        image: 'nginx:1.2',
        resources: {},
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        imagePullPolicy: 'IfNotPresent',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
});

test('workloads, Services, Namespaces and Secrets get their defaults', (t) => {
  t.like(plain(make(DEPLOYMENT, { spec: { selector, template } })), {
    spec: {
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
    },
  });
  t.deepEqual((plain(make(SERVICE, { spec: { ports: [{ port: 80 }] } })) as { spec: unknown }).spec, {
    ports: [{ protocol: 'TCP', port: 80, targetPort: 80 }],
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ipFamilyPolicy: 'SingleStack',
    ipFamilies: ['IPv4'],
  });
  t.like(plain(make(kindNamed('v1', 'Namespace'), {})), {
    metadata: { name: 'x', labels: { 'kubernetes.io/metadata.name': 'x' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  const secret = plain(make(SECRET, { data: { a: 'AA==' }, stringData: { a: 'é' } })) as Json;
  t.deepEqual(secret['data'], { a: 'w6k=' });
  t.is(secret['type'], 'Opaque');
  t.false('stringData' in secret);
});

test('defaulting twice changes nothing', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS).chain((kind) => fc.tuple(fc.constant(kind), arbitraryObject(kind.typeName))),
      ([kind, random]) => {
        const given = { ...random, apiVersion: kind.apiVersion, kind: kind.kind };
        const object = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
        applyDefaults(kind, object);
        const once = plain(object);
        applyDefaults(kind, object);
        t.deepEqual(plain(object), once);
      },
    ),
    { numRuns: 200 },
  );
});

test('validation of random objects gives causes and never throws', (t) => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(...KINDS)
        .chain((kind) => fc.tuple(fc.constant(kind), arbitraryObject(kind.typeName), arbitraryObject(kind.typeName))),
      ([kind, first, second]) => {
        const [a, b] = [first, second].map((random) => {
          const given = { ...random, apiVersion: kind.apiVersion, kind: kind.kind };
          const object = decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
          applyDefaults(kind, object);
          return object;
        }) as [KubeObject, KubeObject];
        t.true(Array.isArray(validateCreate(kind, a)));
        t.true(Array.isArray(validateUpdate(kind, a, b)));
      },
    ),
    { numRuns: 200 },
  );
});

const spec = (change: Json): Json => ({ spec: { containers: [container], ...change } });
const inContainer = (change: Json): Json => spec({ containers: [{ ...container, ...change }] });
const deployment = (change: Json): Json => ({ spec: { selector, template, ...change } });

const refusals: [string, Kind, Json, string][] = [
  ['no containers', POD, { spec: {} }, 'Pod "x" is invalid: spec.containers: Required value'],
  [
    'no image',
    POD,
    spec({ containers: [{ name: 'c' }] }),
    'Pod "x" is invalid: spec.containers[0].image: Required value',
  ],
  [
    'two containers of one name',
    POD,
    spec({ containers: [container, container] }),
    'Pod "x" is invalid: spec.containers[1].name: Duplicate value: "c"',
  ],
  [
    'an unknown restart policy',
    POD,
    spec({ restartPolicy: 'Sometimes' }),
    'Pod "x" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  ],
  [
    'a port out of range',
    POD,
    inContainer({ ports: [{ containerPort: 70000 }] }),
    'Pod "x" is invalid: spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  [
    'a request above its limit',
    POD,
    inContainer({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
    'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
  ],
  [
    'a mount of no volume',
    POD,
    inContainer({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    'Pod "x" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "v"',
  ],
  [
    'a variable with two sources',
    POD,
    inContainer({ env: [{ name: 'A', value: '1', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
    'Pod "x" is invalid: spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
  ],
  [
    'a probe without a handler',
    POD,
    inContainer({ livenessProbe: {} }),
    'Pod "x" is invalid: spec.containers[0].livenessProbe: Required value: must specify a handler type',
  ],
  [
    'a bad label and a bad name together',
    POD,
    { metadata: { name: 'X_', labels: { '/a': 'b' } }, ...spec({}) },
    "Pod \"X_\" is invalid: [metadata.name: Invalid value: \"X_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), metadata.labels: Invalid value: \"/a\": prefix part must be non-empty]",
  ],
  [
    'a node affinity that nothing can meet',
    POD,
    spec({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } }),
    'Pod "x" is invalid: spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
  ],
  [
    'a pod affinity without topology',
    POD,
    spec({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{}] } } }),
    'Pod "x" is invalid: spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
  ],
  [
    'a Deployment of nothing',
    DEPLOYMENT,
    {},
    'Deployment.apps "x" is invalid: [spec.selector: Required value, spec.template.spec.containers: Required value]',
  ],
  [
    'a selector that misses its template',
    DEPLOYMENT,
    deployment({ selector: { matchLabels: { app: 'y' } } }),
    'Deployment.apps "x" is invalid: spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
  ],
  [
    'negative replicas',
    DEPLOYMENT,
    deployment({ replicas: -1 }),
    'Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    'a rollout that cannot move',
    DEPLOYMENT,
    deployment({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
    'Deployment.apps "x" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
  ],
  [
    'Recreate with rolling settings',
    DEPLOYMENT,
    deployment({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
    'Deployment.apps "x" is invalid: spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is \'Recreate\'',
  ],
  [
    'a template that does not restart',
    DEPLOYMENT,
    deployment({ template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } }),
    'Deployment.apps "x" is invalid: spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ],
  ['a Service without ports', SERVICE, {}, 'Service "x" is invalid: spec.ports: Required value'],
  [
    'two ports without names',
    SERVICE,
    { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    'Service "x" is invalid: [spec.ports[0].name: Required value, spec.ports[1].name: Required value]',
  ],
  [
    'a node port without the type',
    SERVICE,
    { spec: { ports: [{ port: 80, nodePort: 30080 }] } },
    'Service "x" is invalid: spec.ports[0].nodePort: Forbidden: may not be used when `type` is \'ClusterIP\'',
  ],
  [
    'a bad key',
    CONFIG_MAP,
    { data: { 'a b': '' } },
    "ConfigMap \"x\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  ],
  [
    'a TLS Secret without its key',
    SECRET,
    { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } },
    'Secret "x" is invalid: data[tls.key]: Required value',
  ],
];
for (const [what, kind, fields, message] of refusals) {
  test(`${kind.kind} refused: ${what}`, (t) => {
    const object = make(kind, fields);
    t.is(invalid(kind, object.metadata?.name ?? '', validateCreate(kind, object)).message, message);
  });
}

const fine: [string, Kind, Json][] = [
  ['a Pod', POD, spec({})],
  ['a Deployment', DEPLOYMENT, deployment({})],
  ['a Service', SERVICE, { spec: { ports: [{ port: 80, targetPort: 'http' }] } }],
  ['a headless Service without ports', SERVICE, { spec: { clusterIP: 'None' } }],
  ['an ExternalName Service', SERVICE, { spec: { type: 'ExternalName', externalName: 'example.com' } }],
  ['a ReplicaSet', kindNamed('apps/v1', 'ReplicaSet'), deployment({})],
  ['a Node', kindNamed('v1', 'Node'), { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }],
  ['a Namespace', kindNamed('v1', 'Namespace'), {}],
  ['a Lease', kindNamed('coordination.k8s.io/v1', 'Lease'), { spec: { leaseDurationSeconds: 40 } }],
  [
    'an EndpointSlice',
    kindNamed('discovery.k8s.io/v1', 'EndpointSlice'),
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  ],
];
for (const [what, kind, fields] of fine) {
  test(`${what} passes`, (t) => t.deepEqual(validateCreate(kind, make(kind, fields)), []));
}

function updated(kind: Kind, before: Json, after: Json): string {
  const current = make(kind, before);
  const causes = validateUpdate(kind, make(kind, after), current);
  return causes.length === 0 ? '' : invalid(kind, 'x', causes).message;
}

test('a Pod may change its images and little else', (t) => {
  t.is(updated(POD, spec({}), inContainer({ image: 'nginx:2', imagePullPolicy: 'Always' })), '');
  t.regex(
    updated(POD, spec({}), spec({ hostname: 'other' })),
    /^Pod "x" is invalid: spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`,/,
  );
  t.is(
    updated(POD, spec({}), spec({ containers: [container, { ...container, name: 'd' }] })),
    'Pod "x" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers',
  );
});

test('what is settled at creation is immutable', (t) => {
  t.is(
    updated(
      DEPLOYMENT,
      deployment({}),
      deployment({
        selector: { matchLabels: { app: 'x', b: 'c' } },
        template: { ...template, metadata: { labels: { app: 'x', b: 'c' } } },
      }),
    ),
    'Deployment.apps "x" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"x","b":"c"}}: field is immutable',
  );
  t.is(
    updated(SECRET, { type: 'Opaque' }, { type: 'other' }),
    'Secret "x" is invalid: type: Invalid value: "other": field is immutable',
  );
  t.is(
    updated(CONFIG_MAP, { immutable: true, data: { a: '1' } }, { immutable: true, data: { a: '2' } }),
    'ConfigMap "x" is invalid: data: Forbidden: field is immutable when `immutable` is set',
  );
  t.is(
    updated(
      SERVICE,
      { spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }] } },
      { spec: { clusterIP: '10.0.0.2', ports: [{ port: 80 }] } },
    ),
    'Service "x" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  );
});

test('no finalizer joins an object that is being deleted', (t) => {
  const current = make(CONFIG_MAP, { metadata: { deletionTimestamp: '2026-11-23T09:00:00Z', finalizers: ['a/b'] } });
  const after = deepCopy(current);
  after.metadata!.finalizers = ['a/b', 'a/c'];
  t.is(
    invalid(CONFIG_MAP, 'x', validateUpdate(CONFIG_MAP, after, current)).message,
    'ConfigMap "x" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/c"}',
  );
});
