import test from 'ava';
import type { Client, ResourceRef } from '#src/registry/client.ts';
import { isApiError } from '#src/api/api-error.ts';
import { applyFirstObjects } from '#src/registry/first-objects.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { manifests } from '#test/support/kubectl-server.ts';
import { core, NAMESPACES, object, pod, PODS, refusal, type Loose } from './admission/support.ts';

const rbac = (resource: string): ResourceRef => ({ group: 'rbac.authorization.k8s.io', version: 'v1', resource });
const API = 'rbac.authorization.k8s.io/v1';
const jane = (f: ApiFixture, ...groups: string[]): Client =>
  f.registry.clientFor({ user: 'jane', groups: [...groups, 'system:authenticated'] });

type Rules = Record<string, string[] | undefined>[];
const role = (name: string, rules: Rules): Loose => object(API, 'Role', name, { rules });
const clusterRole = (name: string, rules: Rules, rest: Record<string, unknown> = {}): Loose => ({
  apiVersion: API,
  kind: 'ClusterRole',
  metadata: { name },
  rules,
  ...rest,
});
const USER = { kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' };
const bind = (kind: string, to: string, toKind: string, subjects: unknown[] = [USER]): Loose => ({
  ...object(API, kind, 'b', { subjects, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: toKind, name: to } }),
  metadata: kind === 'RoleBinding' ? { name: 'b', namespace: 'default' } : { name: 'b' },
});

test('without a binding everything is refused, in the words of Kubernetes', async (t) => {
  const f = await apiFixture();
  t.deepEqual(await refusal(f, jane(f).list(PODS, { namespace: 'default' })), {
    code: 403,
    message: 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
  });
});

test('a role allows its verbs, resources and names in its namespace only', async (t) => {
  const f = await apiFixture();
  const rules = [
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'], verbs: ['get'] },
  ];
  await f.run(f.admin.create(rbac('roles'), role('r', rules)));
  await f.run(f.admin.create(rbac('rolebindings'), bind('RoleBinding', 'r', 'Role')));
  await f.run(f.admin.create(PODS, pod('p')));
  t.is((await f.run(jane(f).get(PODS, 'p', { namespace: 'default' }))).metadata?.name, 'p');
  t.is((await f.run(jane(f).list(PODS, { namespace: 'default' }))).items.length, 1);
  for (const refused of [
    jane(f).list(PODS, { namespace: 'kube-system' }),
    jane(f).list(PODS),
    jane(f).create(PODS, pod('q')),
    jane(f).get(core('configmaps'), 'other', { namespace: 'default' }),
    f.registry.clientFor({ user: 'joe', groups: ['system:authenticated'] }).list(PODS, { namespace: 'default' }),
  ]) {
    t.is((await refusal(f, refused)).code, 403);
  }
  t.is((await refusal(f, jane(f).get(core('configmaps'), 'mine', { namespace: 'default' }))).code, 404);
});

for (const [what, subject, identity] of [
  ['a group', { kind: 'Group', name: 'team', apiGroup: 'rbac.authorization.k8s.io' }, { user: 'x', groups: ['team'] }],
  [
    'an account',
    { kind: 'ServiceAccount', name: 'robot', namespace: 'default' },
    { user: 'system:serviceaccount:default:robot', groups: [] },
  ],
] as const) {
  test(`a cluster-wide binding of ${what}`, async (t) => {
    const f = await apiFixture();
    const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['list'] }];
    await f.run(f.admin.create(rbac('clusterroles'), clusterRole('lister', rules)));
    await f.run(
      f.admin.create(rbac('clusterrolebindings'), bind('ClusterRoleBinding', 'lister', 'ClusterRole', [subject])),
    );
    const client = f.registry.clientFor({ user: identity.user, groups: [...identity.groups] });
    t.true((await f.run(client.list(NAMESPACES))).items.length > 0);
    t.is((await refusal(f, client.get(NAMESPACES, 'default'))).code, 403);
  });
}

test('an aggregated role is what its parts are, and theirs', async (t) => {
  const f = await apiFixture();
  const gathers = (label: string) => ({
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] },
  });
  const view = clusterRole('view', [], gathers('to-view'));
  view.metadata = { name: 'view', labels: { 'to-edit': 'true' } };
  const part = clusterRole('part', [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }]);
  part.metadata = { name: 'part', labels: { 'to-view': 'true' } };
  for (const one of [clusterRole('edit', [], gathers('to-edit')), view, part]) {
    await f.run(f.admin.create(rbac('clusterroles'), one));
  }
  await f.run(f.admin.create(rbac('rolebindings'), bind('RoleBinding', 'edit', 'ClusterRole')));
  t.deepEqual((await f.run(jane(f).list(PODS, { namespace: 'default' }))).items, []);
});

test('nobody gives away what they do not hold, unless they may escalate or bind', async (t) => {
  const f = await apiFixture();
  const rules = [
    { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: ['create'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
  ];
  await f.run(f.admin.create(rbac('roles'), role('maker', rules)));
  await f.run(f.admin.create(rbac('roles'), role('power', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])));
  await f.run(f.admin.create(rbac('rolebindings'), bind('RoleBinding', 'maker', 'Role')));
  const pods = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
  await f.run(jane(f).create(rbac('roles'), role('small', pods)));
  const secrets = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }];
  t.deepEqual(await refusal(f, jane(f).create(rbac('roles'), role('big', secrets))), {
    code: 403,
    message:
      'roles.rbac.authorization.k8s.io "big" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get", "list"]}',
  });
  const grab = { ...bind('RoleBinding', 'power', 'Role'), metadata: { name: 'grab', namespace: 'default' } };
  t.regex((await refusal(f, jane(f).create(rbac('rolebindings'), grab))).message, /not currently held/);
  const binder = [
    { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], resourceNames: ['power'], verbs: ['bind'] },
  ];
  await f.run(f.admin.create(rbac('roles'), role('binder', binder)));
  const second = { ...bind('RoleBinding', 'binder', 'Role'), metadata: { name: 'second', namespace: 'default' } };
  await f.run(f.admin.create(rbac('rolebindings'), second));
  t.is((await f.run(jane(f).create(rbac('rolebindings'), grab))).metadata?.name, 'grab');
  t.is((await f.run(jane(f).create(PODS, pod('now')))).metadata?.name, 'now');
});

test('may I: the answer is what the request would get', async (t) => {
  const f = await apiFixture();
  const reviews = { group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectaccessreviews' };
  const ask = async (): Promise<unknown> => {
    const spec = { resourceAttributes: { namespace: 'default', verb: 'list', resource: 'pods' } };
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', metadata: {}, spec };
    return (await f.run(jane(f).create<Loose>(reviews, review)))['status'];
  };
  t.like(await ask(), { allowed: false });
  await f.run(f.admin.create(rbac('roles'), role('r', [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }])));
  await f.run(f.admin.create(rbac('rolebindings'), bind('RoleBinding', 'r', 'Role')));
  t.like(await ask(), { allowed: true });
});

test('the roles that every cluster starts with: view reads, edit writes, admin gives, none sees too much', async (t) => {
  const f = await apiFixture();
  await f.run(applyFirstObjects(f.admin, manifests()));
  const secrets = core('secrets');
  const roles = rbac('roles');
  const read = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
  const may = async (act: Promise<unknown>): Promise<boolean> => {
    try {
      await f.run(act);
      return true;
    } catch (error) {
      if (isApiError(error, 'Forbidden')) return false;
      throw error;
    }
  };
  const seen: Record<string, boolean[]> = {};
  for (const name of ['view', 'edit', 'admin']) {
    await f.run(f.admin.create(rbac('rolebindings'), bind('RoleBinding', name, 'ClusterRole')));
    seen[name] = [
      await may(jane(f).list(PODS, { namespace: 'default' })),
      await may(jane(f).list(secrets, { namespace: 'default' })),
      await may(jane(f).create(PODS, pod(`of-${name}`))),
      await may(jane(f).create(roles, role(`of-${name}`, read))),
      await may(jane(f).create(core('resourcequotas'), object('v1', 'ResourceQuota', 'q', { spec: { hard: {} } }))),
      await may(jane(f).list(core('nodes'))),
    ];
    await f.run(f.admin.delete(rbac('rolebindings'), 'b', { namespace: 'default' }));
  }
  t.deepEqual(seen, {
    view: [true, false, false, false, false, false],
    edit: [true, true, true, false, false, false],
    admin: [true, true, true, true, false, false],
  });
});
