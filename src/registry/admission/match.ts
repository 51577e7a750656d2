/** Whether a webhook or policy is about a write: rules, scope, equivalent versions of a kind, selectors. */
import { convertTo, convertToStored } from '#src/api/convert.ts';
import { findKind, KINDS, type Kind } from '#src/api/kinds.ts';
import type { LabelSelector } from '#src/api/objects.ts';
import type { RuleWithOperations } from '#src/api/objects/admission.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import { decodeValue } from '../bytes.ts';
import { objectKey } from '../keys.ts';
import { isNamespaceKind } from '../namespaces.ts';
import type { NamedObject } from '../raw.ts';
import type { Attributes } from './attributes.ts';

/** What decides about admission is not decided about by webhooks: a bad one could never be removed. */
const EXEMPT = [
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
];
/** Subresources whose body is the object itself. */
const WHOLE_SUBRESOURCES = ['', 'status', 'finalize', 'ephemeralcontainers', 'resize', 'approval'];

export interface Matching {
  rules?: RuleWithOperations[];
  /** Rules that take back. */
  excluded?: RuleWithOperations[];
  matchPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
}

export function isExempt({ kind, subresource }: Attributes): boolean {
  const isConfiguration = kind.group === 'admissionregistration.k8s.io' && EXEMPT.includes(kind.resource);
  return isConfiguration || !WHOLE_SUBRESOURCES.includes(subresource);
}

/** The kind under which the write is to be shown; undefined: it is not concerned. */
export function matchedKind(matching: Matching, attributes: Attributes): Kind | undefined {
  const isUnder = (kind: Kind): boolean =>
    (matching.rules ?? []).some((rule) => matchesRule(rule, kind, attributes)) &&
    !(matching.excluded ?? []).some((rule) => matchesRule(rule, kind, attributes));
  const { kind } = attributes;
  const shown = isUnder(kind) ? kind : matching.matchPolicy === 'Exact' ? undefined : equivalents(kind).find(isUnder);
  if (shown === undefined || !selectsNamespace(matching.namespaceSelector, attributes)) return undefined;
  return selectsObject(matching.objectSelector, attributes) ? shown : undefined;
}

/** Other versions under which the same objects are served. */
function equivalents(kind: Kind): Kind[] {
  return KINDS.filter((other) => other !== kind && other.storagePrefix === kind.storagePrefix);
}

export function converted(from: Kind, to: Kind, object: NamedObject): NamedObject {
  return from === to ? object : (convertTo(to, convertToStored(from, object)) as NamedObject);
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.includes('*') === true || list?.includes(value) === true;
}

export function matchesRule(rule: RuleWithOperations, kind: Kind, { operation, subresource }: Attributes): boolean {
  const scope = rule.scope ?? '*';
  if (scope === 'Namespaced' && !kind.namespaced) return false;
  if (scope === 'Cluster' && kind.namespaced) return false;
  if (!has(rule.operations, operation) || !has(rule.apiGroups, kind.group) || !has(rule.apiVersions, kind.version)) {
    return false;
  }
  return (rule.resources ?? []).some((wanted) => {
    const [resource, sub = ''] = wanted.split('/');
    return (resource === '*' || resource === kind.resource) && (sub === '*' || sub === subresource);
  });
}

function isEverything(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** The namespace's labels; of a Namespace its own; other objects without a namespace always match. */
function selectsNamespace(selector: LabelSelector | undefined, attributes: Attributes): boolean {
  if (isEverything(selector)) return true;
  const { kind, object, old } = attributes;
  if (isNamespaceKind(kind)) return labelSelectorMatcher(selector).matches((object ?? old)?.metadata.labels ?? {});
  const namespace = namespaceOf(attributes);
  return namespace === undefined || labelSelectorMatcher(selector).matches(namespace.metadata.labels ?? {});
}

/** The namespace of a write as it is stored; undefined for kinds without one. */
export function namespaceOf({ view, namespace, kind }: Attributes): NamedObject | undefined {
  const namespaces = findKind({ group: '', version: 'v1', resource: 'namespaces' });
  if (!kind.namespaced || namespace === undefined || namespaces === undefined) return undefined;
  const value = view.get(objectKey(namespaces, undefined, namespace));
  return value === undefined ? undefined : decodeValue(value);
}

function selectsObject(selector: LabelSelector | undefined, { object, old }: Attributes): boolean {
  if (isEverything(selector)) return true;
  const matcher = labelSelectorMatcher(selector);
  return [object, old].some((one) => one !== undefined && matcher.matches(one.metadata.labels ?? {}));
}
