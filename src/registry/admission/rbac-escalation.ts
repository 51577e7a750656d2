/** Nobody gives away what they do not hold: writes of roles and bindings are measured by the writer's own rules. */
import { deepEqual } from '#src/api/metadata.ts';
import type { ClusterRole, PolicyRule, RoleRef } from '#src/api/objects/access.ts';
import { isAllowed } from '../authorize.ts';
import { covers } from '../rbac.ts';
import { forbidden, notFound } from '../refusals.ts';
import type { AdmissionPlugin, Attributes } from './attributes.ts';

const GROUP = 'rbac.authorization.k8s.io';
const ROLES = ['roles', 'clusterroles'];
const BINDINGS = ['rolebindings', 'clusterrolebindings'];
/** Rules told of in one refusal. */
const TOLD_MAX = 32;

export const rbacEscalation: AdmissionPlugin = {
  name: 'RBACEscalation',
  validate(attributes) {
    const { kind, object, subresource } = attributes;
    if (kind.group !== GROUP || object === undefined || subresource !== '') return undefined;
    if (ROLES.includes(kind.resource)) judgeRole(attributes);
    if (BINDINGS.includes(kind.resource)) judgeBinding(attributes);
    return undefined;
  },
};

function may({ core, identity, kind, namespace }: Attributes, verb: string, name: string, resource: string): boolean {
  const asked = { group: GROUP, version: 'v1', resource };
  const where = kind.namespaced ? namespace : undefined;
  return isAllowed({ identity, verb, resource: asked, namespace: where, name, rbac: core.rbac });
}

function judgeRole(attributes: Attributes): void {
  const { kind, object, old, name } = attributes;
  const role = object as ClusterRole;
  const before = old as ClusterRole | undefined;
  const isSame = before !== undefined && deepEqual(before.rules, role.rules);
  if (isSame && deepEqual(before.aggregationRule, role.aggregationRule)) return;
  if (may(attributes, 'escalate', name, kind.resource)) return;
  // What an aggregation will gather is not known yet: it may be everything.
  const all = [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ];
  requireHeld(attributes, role.aggregationRule === undefined ? (role.rules ?? []) : all);
}

function judgeBinding(attributes: Attributes): void {
  const { core, object, old, namespace } = attributes;
  const binding = object as unknown as { roleRef: RoleRef; subjects?: unknown };
  const before = old as unknown as typeof binding | undefined;
  const isSame = before !== undefined && deepEqual(before.subjects, binding.subjects);
  if (isSame && deepEqual(before.roleRef, binding.roleRef)) return;
  const { roleRef } = binding;
  const resource = roleRef.kind === 'Role' ? 'roles' : 'clusterroles';
  if (may(attributes, 'bind', roleRef.name, resource)) return;
  const rules = core.rbac.rulesOfRole(roleRef, namespace);
  if (rules === undefined) throw notFound({ group: GROUP, version: 'v1', resource }, roleRef.name);
  requireHeld(attributes, rules);
}

/** @throws ApiError 403 that tells what is missing. */
function requireHeld(attributes: Attributes, wanted: readonly PolicyRule[]): void {
  const { core, identity, kind, name, namespace } = attributes;
  const held = core.rbac.rulesOf(identity, kind.namespaced ? namespace : undefined);
  const missing = wanted.filter((rule) => !covers(held, rule));
  if (missing.length === 0) return;
  const who = `user ${JSON.stringify(identity.user)} (groups=[${identity.groups.map((one) => JSON.stringify(one)).join(' ')}])`;
  const told = missing.slice(0, TOLD_MAX).map(textOf).join('\n');
  throw forbidden(kind, name, `${who} is attempting to grant RBAC permissions not currently held:\n${told}`);
}

function textOf({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: PolicyRule): string {
  const parts = Object.entries({
    APIGroups: apiGroups,
    Resources: resources,
    ResourceNames: resourceNames,
    NonResourceURLs: nonResourceURLs,
    Verbs: verbs,
  }).flatMap(([name, list]) =>
    list === undefined || list.length === 0 ? [] : [`${name}:[${list.map((one) => JSON.stringify(one)).join(' ')}]`],
  );
  return `{${parts.join(', ')}}`.replaceAll('" "', '", "');
}
