/** The subresource ephemeralcontainers: what may be added, in the words of Kubernetes. */
import test from 'ava';
import { findKind } from '#src/api/kinds.ts';
import type { EphemeralContainer, Pod } from '#src/api/objects.ts';
import { validateCreate, validateUpdate } from '#src/api/validation.ts';

const KIND = findKind({ group: '', version: 'v1', resource: 'pods' });
if (KIND === undefined) throw new Error('Pods are not served');
const pods = KIND;

const debug = (over: Partial<EphemeralContainer> = {}): EphemeralContainer => ({
  name: 'debug',
  image: 'tool',
  ...over,
});

function pod(...ephemeralContainers: EphemeralContainer[]): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', uid: 'u' },
    spec: {
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      containers: [{ name: 'main', image: 'app' }],
      ...(ephemeralContainers.length === 0 ? {} : { ephemeralContainers }),
    },
  } as Pod;
}

const told = (updated: Pod, current: Pod): string[] =>
  validateUpdate(pods, updated, current, 'ephemeralcontainers').map(({ field, message }) => `${field}: ${message}`);

for (const [what, before, after, want] of [
  ['one is added', [], [debug()], []],
  ['with a target', [], [debug({ targetContainerName: 'main', stdin: true, tty: true })], []],
  ['a second one', [debug()], [debug(), debug({ name: 'more' })], []],
  [
    'a target that is not there',
    [],
    [debug({ targetContainerName: 'gone' })],
    ['spec.ephemeralContainers[0].targetContainerName: Not found: "gone"'],
  ],
  [
    'a name that is taken',
    [],
    [debug({ name: 'main' })],
    ['spec.ephemeralContainers[0].name: Duplicate value: "main"'],
  ],
  [
    'ports and probes',
    [],
    [
      debug({
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        livenessProbe: { periodSeconds: 1 },
      } as Partial<EphemeralContainer>),
    ],
    [
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      'spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container',
    ],
  ],
  ['an empty resources, as defaulting leaves it', [], [debug({ resources: {} })], []],
  [
    'removal',
    [debug()],
    [],
    ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n'],
  ],
  [
    'change',
    [debug()],
    [debug({ image: 'other' })],
    ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed\n'],
  ],
] as [string, EphemeralContainer[], EphemeralContainer[], string[]][]) {
  test(`ephemeral containers: ${what}`, (t) => {
    t.deepEqual(told(pod(...after), pod(...before)), want);
  });
}

test('ephemeral containers are not set when a Pod is made', (t) => {
  t.deepEqual(
    validateCreate(pods, pod(debug())).map(({ field, message }) => `${field}: ${message}`),
    ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
  );
});
