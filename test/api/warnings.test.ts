/** What is taken with a warning. */
import test from 'ava';
import { warningsOf } from '#src/api/warnings.ts';
import { kindNamed, makeObject, type Json } from '#test/support/api-object.ts';

const LABEL = 'must not contain dots';
const pod = (change: Json): Json => ({ containers: [{ name: 'c', image: 'i', ...change }] });
const template = (spec: Json): Json => ({ spec: { template: { spec } } });

const rows: [string, string, Json, string[]][] = [
  ['v1', 'Pod', { spec: pod({}) }, []],
  [
    'v1',
    'Pod',
    { metadata: { name: 'a.b' }, spec: pod({}) },
    [
      `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${LABEL}]`,
    ],
  ],
  [
    'apps/v1',
    'Deployment',
    { metadata: { name: 'a.b' }, ...template(pod({ env: [{ name: 'A' }, { name: 'B' }, { name: 'A' }] })) },
    [
      `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${LABEL}]`,
      'spec.template.spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply',
    ],
  ],
  [
    'apps/v1',
    'DaemonSet',
    template({
      ...pod({ ports: [{ containerPort: 80 }, { containerPort: 80, name: 'b' }] }),
      nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
    }),
    [
      'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.template.spec.containers[0].ports[1]: duplicate port definition with spec.template.spec.containers[0].ports[0]',
    ],
  ],
  [
    'apps/v1',
    'StatefulSet',
    { spec: { revisionHistoryLimit: -1 } },
    ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended'],
  ],
  [
    'networking.k8s.io/v1',
    'Ingress',
    { metadata: { annotations: { 'kubernetes.io/ingress.class': 'nginx' } } },
    [`annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`],
  ],
];
for (const [index, [apiVersion, name, fields, want]] of rows.entries()) {
  test(`${index}: ${name} with ${want.length} warnings`, (t) => {
    const kind = kindNamed(apiVersion, name);
    t.deepEqual(warningsOf(kind, makeObject(kind, fields)), want);
  });
}
