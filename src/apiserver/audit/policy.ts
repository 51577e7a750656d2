/**
 * audit.k8s.io/v1 Policy: which requests are recorded, and how much of them. The first rule that matches decides;
 * what matches none is not recorded. After k8s.io/apiserver/pkg/audit/policy, 1.36. Pure.
 */
import { Fault } from '#src/std/fault.ts';
import type { Identity } from '#src/registry/client.ts';
import type { RequestInfo } from '../request-info.ts';

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type AuditLevel = (typeof LEVELS)[number];
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type AuditStage = (typeof STAGES)[number];

export interface GroupResources {
  group: string;
  resources: string[];
  resourceNames: string[];
}

export interface AuditRule {
  level: AuditLevel;
  users: string[];
  userGroups: string[];
  verbs: string[];
  resources: GroupResources[];
  namespaces: string[];
  nonResourceURLs: string[];
  omitStages: AuditStage[];
  omitManagedFields: boolean | undefined;
}

export interface AuditPolicy {
  rules: AuditRule[];
  omitStages: AuditStage[];
  omitManagedFields: boolean;
}

export interface AuditDecision {
  level: AuditLevel;
  omitStages: readonly AuditStage[];
  omitManagedFields: boolean;
}

const NOTHING: AuditDecision = { level: 'None', omitStages: STAGES, omitManagedFields: false };

export function decide(policy: AuditPolicy, identity: Identity, info: RequestInfo): AuditDecision {
  const rule = policy.rules.find((one) => matches(one, identity, info));
  if (rule === undefined || rule.level === 'None') return NOTHING;
  return {
    level: rule.level,
    omitStages: [...policy.omitStages, ...rule.omitStages],
    omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields,
  };
}

function matches(rule: AuditRule, identity: Identity, info: RequestInfo): boolean {
  if (rule.users.length > 0 && !rule.users.includes(identity.user)) return false;
  if (rule.userGroups.length > 0 && !rule.userGroups.some((group) => identity.groups.includes(group))) return false;
  if (rule.verbs.length > 0 && !rule.verbs.includes(info.verb)) return false;
  if (rule.namespaces.length > 0 || rule.resources.length > 0) return info.isResource && coversResource(rule, info);
  if (rule.nonResourceURLs.length > 0) return !info.isResource && rule.nonResourceURLs.some((url) => covers(url, info));
  return true;
}

function covers(pattern: string, { path }: RequestInfo): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1));
}

function coversResource(rule: AuditRule, info: RequestInfo): boolean {
  if (rule.namespaces.length > 0 && !rule.namespaces.includes(info.namespace)) return false;
  if (rule.resources.length === 0) return true;
  const { resource, subresource } = info;
  const whole = subresource === '' ? resource : `${resource}/${subresource}`;
  return rule.resources.some(({ group, resources, resourceNames }) => {
    if (group !== info.group) return false;
    if (resources.length === 0) return true;
    return resources.some((pattern) => {
      const isName = resourceNames.length === 0 || resourceNames.includes(info.name);
      if (pattern === whole) return isName;
      if (pattern === '*') return true;
      const [left, right] = pattern.split('/');
      // `*/scale` covers the subresource of all, `pods/*` all subresources of one.
      if (subresource === '' || right === undefined) return false;
      return (left === '*' && right === subresource) || (right === '*' && left === resource && isName);
    });
  });
}

/** A Policy as parsed from its file. @throws Fault AUDIT_POLICY naming the field. */
export function parseAuditPolicy(input: unknown): AuditPolicy {
  const policy = record(input, 'the policy');
  const apiVersion = policy['apiVersion'];
  if (policy['kind'] !== 'Policy' || apiVersion !== 'audit.k8s.io/v1')
    fail('apiVersion and kind', `${String(apiVersion)} ${String(policy['kind'])}`, 'audit.k8s.io/v1 Policy');
  known(policy, '', ['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields']);
  const rules = policy['rules'];
  if (!Array.isArray(rules) || rules.length === 0) fail('rules', rules, 'a list with at least one rule');
  return {
    rules: (rules as unknown[]).map((rule, at) => parseRule(rule, `rules[${at}]`)),
    omitStages: stagesOf(policy['omitStages'], 'omitStages'),
    omitManagedFields: booleanOf(policy['omitManagedFields'], 'omitManagedFields') ?? false,
  };
}

const RULE_FIELDS = [
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
];

function parseRule(input: unknown, field: string): AuditRule {
  const rule = record(input, field);
  known(rule, field, RULE_FIELDS);
  const level = rule['level'] as AuditLevel;
  if (!LEVELS.includes(level)) fail(`${field}.level`, level, `one of ${LEVELS.join(', ')}`);
  const parsed: AuditRule = {
    level,
    users: textsOf(rule['users'], `${field}.users`),
    userGroups: textsOf(rule['userGroups'], `${field}.userGroups`),
    verbs: textsOf(rule['verbs'], `${field}.verbs`),
    resources: resourcesOf(rule['resources'], `${field}.resources`),
    namespaces: textsOf(rule['namespaces'], `${field}.namespaces`),
    nonResourceURLs: textsOf(rule['nonResourceURLs'], `${field}.nonResourceURLs`),
    omitStages: stagesOf(rule['omitStages'], `${field}.omitStages`),
    omitManagedFields: booleanOf(rule['omitManagedFields'], `${field}.omitManagedFields`),
  };
  const paths = parsed.nonResourceURLs;
  if (paths.length > 0 && (parsed.resources.length > 0 || parsed.namespaces.length > 0))
    fail(
      `${field}.nonResourceURLs`,
      paths,
      'left out of a rule about resources or namespaces: rules cannot apply to both',
    );
  for (const path of paths) {
    if (path === '*') continue;
    if (!path.startsWith('/')) fail(`${field}.nonResourceURLs`, path, '"*" or a path that begins with "/"');
    if (path.slice(0, -1).includes('*'))
      fail(`${field}.nonResourceURLs`, path, 'a path whose only "*" is its last character');
  }
  return parsed;
}

function resourcesOf(input: unknown, field: string): GroupResources[] {
  if (input === undefined || input === null) return [];
  if (!Array.isArray(input)) return fail(field, input, 'a list');
  return (input as unknown[]).map((one, at) => {
    const place = `${field}[${at}]`;
    const entry = record(one, place);
    known(entry, place, ['group', 'resources', 'resourceNames']);
    const group = entry['group'] ?? '';
    if (typeof group !== 'string' || group.includes('/')) fail(`${place}.group`, group, 'a group without its version');
    const resources = textsOf(entry['resources'], `${place}.resources`);
    const resourceNames = textsOf(entry['resourceNames'], `${place}.resourceNames`);
    if (resourceNames.length > 0 && resources.length === 0)
      fail(`${place}.resourceNames`, resourceNames, 'used with at least one resource');
    return { group: group as string, resources, resourceNames };
  });
}

function stagesOf(input: unknown, field: string): AuditStage[] {
  const stages = textsOf(input, field);
  for (const stage of stages) if (!STAGES.includes(stage as AuditStage)) fail(field, stage, `of ${STAGES.join(', ')}`);
  return stages as AuditStage[];
}

function textsOf(input: unknown, field: string): string[] {
  if (input === undefined || input === null) return [];
  if (!Array.isArray(input) || input.some((one) => typeof one !== 'string'))
    return fail(field, input, 'a list of texts');
  return input as string[];
}

function booleanOf(input: unknown, field: string): boolean | undefined {
  if (input === undefined || input === null) return undefined;
  return typeof input === 'boolean' ? input : fail(field, input, 'true or false');
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(field, value, 'a mapping');
  return value as Record<string, unknown>;
}

function known(value: Record<string, unknown>, field: string, names: readonly string[]): void {
  for (const name of Object.keys(value))
    if (!names.includes(name))
      fail(field === '' ? name : `${field}.${name}`, value[name], `left out; known: ${names.join(', ')}`);
}

function fail(field: string, value: unknown, want: string): never {
  const shown = JSON.stringify(value) ?? 'missing';
  throw new Fault('AUDIT_POLICY', `audit policy: ${field} is ${shown.slice(0, 200)}; it must be ${want}`, 'never');
}
