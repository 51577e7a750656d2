/**
 * RBAC: what roles and bindings in the store let an identity do. Judged from the local state each time, so
 * that a binding counts as soon as it is applied here. Additive: it allows, or has no opinion.
 */
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding, Subject } from '#src/api/objects/access.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import type { Reader } from '#src/replica/reader.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Identity, ResourceRef } from './client.ts';
import { objectKey, objectRange } from './keys.ts';
import type { DecodedCache, NamedObject } from './raw.ts';

/** Bindings of one scope that are looked at, and roles that one may be made of. */
const BINDINGS_MAX = 10_000;
const ROLES_MAX = 10_000;
const GROUP = 'rbac.authorization.k8s.io';

export interface Question {
  identity: Identity;
  verb: string;
  resource: ResourceRef;
  subresource?: string | undefined;
  namespace?: string | undefined;
  name?: string | undefined;
}

export interface RoleRefLike {
  kind: string;
  name: string;
}

export interface Rbac {
  allows(question: Question): boolean;
  /** Everything the identity holds in the namespace, cluster-wide rules included; without one: cluster-wide only. */
  rulesOf(identity: Identity, namespace: string | undefined): PolicyRule[];
  /** The rules of a role, those of aggregated ones together; undefined: there is no such role. */
  rulesOfRole(ref: RoleRefLike, namespace: string | undefined): PolicyRule[] | undefined;
}

export function createRbac(reader: Reader, decoded: DecodedCache): Rbac {
  const kindOf = (resource: string): Kind | undefined => findKind({ group: GROUP, version: 'v1', resource });

  function all<T>(view: StoreView, resource: string, namespace: string | undefined, limit: number): T[] {
    const kind = kindOf(resource);
    if (kind === undefined) return [];
    const { items } = view.range({ ...objectRange(kind, namespace), limit });
    return items.map(({ value }) => decoded.peek(kind, value) as T);
  }

  function rulesOfRole({ kind: kindName, name }: RoleRefLike, namespace: string | undefined): PolicyRule[] | undefined {
    const view = reader.local();
    const kind = kindOf(kindName === 'Role' ? 'roles' : 'clusterroles');
    const value = kind && view.get(objectKey(kind, kind.namespaced ? namespace : undefined, name));
    if (kind === undefined || value === undefined) return undefined;
    const role = decoded.peek(kind, value) as NamedObject & ClusterRole;
    const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
    if (selectors.length === 0) return role.rules ?? [];
    return aggregated(view, role.metadata.name ?? '', selectors.map(labelSelectorMatcher), role.rules ?? [], new Set());
  }

  /** Parts may be aggregated themselves (`admin` is made of `edit`, that of `view`). */
  function aggregated(
    view: StoreView,
    name: string,
    matchers: { matches(labels: Record<string, string>): boolean }[],
    own: PolicyRule[],
    seen: Set<string>,
  ): PolicyRule[] {
    seen.add(name);
    const parts = all<NamedObject & ClusterRole>(view, 'clusterroles', undefined, ROLES_MAX).filter(
      ({ metadata }) =>
        !seen.has(metadata.name ?? '') && matchers.some((matcher) => matcher.matches(metadata.labels ?? {})),
    );
    return parts.reduce<PolicyRule[]>((rules, part) => {
      const selectors = part.aggregationRule?.clusterRoleSelectors ?? [];
      const nested = selectors.map(labelSelectorMatcher);
      return [...rules, ...aggregated(view, part.metadata.name ?? '', nested, part.rules ?? [], seen)];
    }, own);
  }

  function rulesOf(identity: Identity, namespace: string | undefined): PolicyRule[] {
    const view = reader.local();
    const everywhere = all<ClusterRoleBinding>(view, 'clusterrolebindings', undefined, BINDINGS_MAX);
    const here = namespace === undefined ? [] : all<RoleBinding>(view, 'rolebindings', namespace, BINDINGS_MAX);
    return [...everywhere, ...here]
      .filter(({ subjects, metadata }) => subjects?.some((one) => isSubject(one, identity, metadata.namespace)))
      .flatMap(({ roleRef, metadata }) => rulesOfRole(roleRef, metadata.namespace) ?? []);
  }

  return {
    rulesOf,
    rulesOfRole,
    allows: (question) => rulesOf(question.identity, question.namespace).some((rule) => ruleAllows(rule, question)),
  };
}

function isSubject(subject: Subject, identity: Identity, home: string | undefined): boolean {
  if (subject.kind === 'User') return subject.name === identity.user;
  if (subject.kind === 'Group') return identity.groups.includes(subject.name);
  const namespace = subject.namespace ?? home ?? '';
  return subject.kind === 'ServiceAccount' && identity.user === `system:serviceaccount:${namespace}:${subject.name}`;
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.includes('*') === true || list?.includes(value) === true;
}

export function ruleAllows(rule: PolicyRule, question: Omit<Question, 'identity'>): boolean {
  const { resource, subresource, verb, name } = question;
  if (!has(rule.verbs, verb) || !has(rule.apiGroups, resource.group)) return false;
  const whole = subresource === undefined ? resource.resource : `${resource.resource}/${subresource}`;
  const isResource =
    has(rule.resources, whole) || (subresource !== undefined && rule.resources?.includes(`*/${subresource}`) === true);
  if (!isResource) return false;
  const names = rule.resourceNames ?? [];
  return names.length === 0 || (name !== undefined && names.includes(name));
}

/** Whether `held` together allow all that `wanted` does, taken apart into single permissions. */
export function covers(held: readonly PolicyRule[], wanted: PolicyRule): boolean {
  const each = (list: readonly string[] | undefined): readonly string[] => list ?? [];
  for (const verb of wanted.verbs) {
    for (const url of each(wanted.nonResourceURLs)) {
      const isHeld = held.some(
        (rule) => has(rule.verbs, verb) && each(rule.nonResourceURLs).some((own) => holdsUrl(own, url)),
      );
      if (!isHeld) return false;
    }
    for (const group of each(wanted.apiGroups)) {
      for (const resource of each(wanted.resources)) {
        const names = each(wanted.resourceNames).length === 0 ? [undefined] : each(wanted.resourceNames);
        for (const name of names) {
          const [main = '', subresource] = resource.split('/');
          const question = { verb, resource: { group, version: '*', resource: main }, subresource, name };
          if (!held.some((rule) => ruleAllows(rule, question))) return false;
        }
      }
    }
  }
  return true;
}

function holdsUrl(own: string, url: string): boolean {
  return own === url || own === '*' || (own.endsWith('*') && url.startsWith(own.slice(0, -1)));
}
