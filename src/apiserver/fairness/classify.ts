/** Which FlowSchema a request belongs to: the first that matches by precedence, then by name. Pure. */
import type { Identity } from '#src/registry/client.ts';
import type { RequestInfo } from '../request-info.ts';
import type { FlowConfiguration, FlowRule, FlowSchema, ResourceRule, Subject } from './configuration.ts';

export interface Flow {
  schema: FlowSchema;
  /** Requests of one schema and distinguisher share a flow. */
  distinguisher: string;
}

export function inOrder(schemas: readonly FlowSchema[]): FlowSchema[] {
  return schemas.toSorted((a, b) => a.matchingPrecedence - b.matchingPrecedence || (a.name < b.name ? -1 : 1));
}

/** `ordered`: from inOrder. undefined: no schema matches, which the mandatory ones keep from happening. */
export function classify(
  ordered: FlowConfiguration['flowSchemas'],
  identity: Identity,
  info: RequestInfo,
): Flow | undefined {
  const schema = ordered.find(({ rules }) => rules.some((rule) => matches(rule, identity, info)));
  if (schema === undefined) return undefined;
  const distinguisher =
    schema.distinguisher === 'ByUser' ? identity.user : schema.distinguisher === 'ByNamespace' ? info.namespace : '';
  return { schema, distinguisher };
}

function matches(rule: FlowRule, identity: Identity, info: RequestInfo): boolean {
  if (!rule.subjects.some((subject) => isSubject(subject, identity))) return false;
  if (info.isResource) return rule.resourceRules.some((one) => coversResource(one, info));
  return rule.nonResourceRules.some(
    ({ verbs, nonResourceURLs }) => has(verbs, info.verb) && nonResourceURLs.some((url) => coversPath(url, info.path)),
  );
}

function isSubject(subject: Subject, identity: Identity): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.name === '*' || subject.name === identity.user;
    case 'Group':
      return subject.name === '*' || identity.groups.includes(subject.name);
    case 'ServiceAccount': {
      const prefix = `system:serviceaccount:${subject.namespace ?? ''}:`;
      return subject.name === '*' ? identity.user.startsWith(prefix) : identity.user === prefix + subject.name;
    }
    default:
      return false;
  }
}

function coversResource(rule: ResourceRule, info: RequestInfo): boolean {
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`;
  if (!has(rule.verbs, info.verb) || !has(rule.apiGroups, info.group) || !has(rule.resources, resource)) return false;
  return info.namespace === '' ? rule.clusterScope === true : has(rule.namespaces ?? [], info.namespace);
}

function has(list: readonly string[], wanted: string): boolean {
  return list.includes('*') || list.includes(wanted);
}

/** `/a/*` covers what lies below. */
function coversPath(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('/*') && path.startsWith(pattern.slice(0, -1));
}
