import test from 'ava';
import { apiFixture, type ApiFixture, ADMIN } from '#test/support/api-fixture.ts';
import { findKind } from '#src/api/kinds.ts';
import { DEPLOYMENTS, NAMESPACES, object, pod, PODS, refusal, type Loose } from './support.ts';

const GOOD = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

async function label(f: ApiFixture, labels: Record<string, string>): Promise<void> {
  const named = Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]);
  const body = { metadata: { labels: Object.fromEntries(named) as Record<string, string> } };
  await f.run(f.admin.patch(NAMESPACES, 'default', { type: 'merge', body }));
}

const NAIVE =
  'allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false), ' +
  'unrestricted capabilities (container "main" must set securityContext.capabilities.drop=["ALL"]), ' +
  'runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true), ' +
  'seccompProfile (pod or container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';

for (const [level, spec, container, reasons] of [
  ['restricted', {}, {}, NAIVE],
  ['restricted', {}, { securityContext: GOOD }, undefined],
  ['baseline', {}, {}, undefined],
  ['privileged', { hostNetwork: true }, { securityContext: { privileged: true } }, undefined],
  ['baseline', { hostPID: true, hostIPC: true }, {}, 'host namespaces (hostPID=true, hostIPC=true)'],
  [
    'baseline',
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    { ports: [{ containerPort: 80, hostPort: 8080 }] },
    'hostPath volumes (volume "v"), hostPort (container "main" uses hostPort 8080)',
  ],
  [
    'restricted',
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    { securityContext: GOOD },
    'restricted volume types (volume "v" uses restricted volume type "hostPath")',
  ],
  [
    'baseline',
    {},
    { securityContext: { privileged: true, capabilities: { add: ['NET_ADMIN', 'CHOWN'] } } },
    'non-default capabilities (container "main" must not include "NET_ADMIN" in securityContext.capabilities.add), privileged (container "main" must not set securityContext.privileged=true)',
  ],
  [
    'restricted',
    { securityContext: { runAsUser: 0 } },
    { securityContext: { ...GOOD, runAsNonRoot: false, capabilities: { drop: ['ALL'], add: ['CHOWN'] } } },
    'unrestricted capabilities (container "main" must not include "CHOWN" in securityContext.capabilities.add), runAsNonRoot != true (container "main" must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0)',
  ],
  [
    'baseline',
    {
      securityContext: { seLinuxOptions: { type: 'foo', user: 'u' }, sysctls: [{ name: 'kernel.msgmax', value: '1' }] },
    },
    { securityContext: { seccompProfile: { type: 'Unconfined' }, appArmorProfile: { type: 'Unconfined' } } },
    'forbidden AppArmor profile (container "main" must not set AppArmor profile type to "Unconfined"), seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "foo"; user may not be set), seccompProfile (container "main" must not set securityContext.seccompProfile.type to "Unconfined"), forbidden sysctls (kernel.msgmax)',
  ],
  [
    'baseline',
    {},
    {
      livenessProbe: { httpGet: { port: 80, host: '10.0.0.1' } },
      readinessProbe: { tcpSocket: { port: 80, host: '127.0.0.1' } },
    },
    'hostProbesOrHostLifecycle (container "main" uses hostProbeOrHostLifecycle "10.0.0.1")',
  ],
] as [string, Record<string, unknown>, Record<string, unknown>, string | undefined][]) {
  test(`${level}: ${JSON.stringify({ spec, container })}`, async (t) => {
    const f = await apiFixture();
    await label(f, { enforce: level });
    const create = f.admin.create(PODS, pod('p', spec, container));
    if (reasons === undefined) t.is((await f.run(create)).metadata?.name, 'p');
    else {
      const message = `pods "p" is forbidden: violates PodSecurity "${level}:latest": ${reasons}`;
      t.deepEqual(await refusal(f, create), { code: 403, message });
    }
  });
}

test('a version of the policy knows only the checks it had', async (t) => {
  const f = await apiFixture();
  await label(f, { enforce: 'baseline', 'enforce-version': 'v1.33' });
  const probe = { livenessProbe: { httpGet: { port: 80, host: '10.0.0.1' } } };
  await f.run(f.admin.create(PODS, pod('p', {}, probe)));
  t.regex(
    (await refusal(f, f.admin.create(PODS, pod('q', { hostNetwork: true })))).message,
    /violates PodSecurity "baseline:v1\.33": host namespaces/,
  );
});

test('a template that would make forbidden Pods is warned about and let in', async (t) => {
  const f = await apiFixture();
  await label(f, { enforce: 'restricted', warn: 'restricted' });
  const kind = findKind(DEPLOYMENTS);
  if (kind === undefined) throw new Error('Deployments are not served');
  const deployment = object('apps/v1', 'Deployment', 'd', {
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'main', image: 'i' }] } },
    },
  });
  const answer = await f.run(f.registry.verbsFor(ADMIN).create(kind, { object: deployment }, {}));
  t.deepEqual(answer.warnings, [`would violate PodSecurity "restricted:latest": ${NAIVE}`]);
});

test('what was let in before stays: its labels may change', async (t) => {
  const f = await apiFixture();
  await f.run(f.admin.create<Loose>(PODS, pod('p')));
  await label(f, { enforce: 'restricted' });
  const body = { metadata: { labels: { a: 'b' } } };
  t.is(
    (await f.run(f.admin.patch(PODS, 'p', { type: 'merge', body }, { namespace: 'default' }))).metadata?.labels?.['a'],
    'b',
  );
});
