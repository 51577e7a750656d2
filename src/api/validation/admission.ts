/** Static rules of admission's own kinds. Source: Kubernetes 1.36 pkg/apis/admissionregistration/validation. */
import { isDns1123Subdomain, isQualifiedName } from '../names.ts';
import type {
  MatchCondition,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ParamKind,
  ParamRef,
  RuleWithOperations,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from '../objects/admission.ts';
import type { Causes } from './causes.ts';
import { validateLabelSelector } from './selector.ts';

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const MATCH_CONDITIONS_MAX = 64;
const TIMEOUT_SECONDS_MAX = 30;

export function validateWebhooks(
  causes: Causes,
  configuration: MutatingWebhookConfiguration | ValidatingWebhookConfiguration,
): void {
  const names = new Set<string>();
  for (const [index, webhook] of (configuration.webhooks ?? []).entries()) {
    const field = `webhooks[${index}]`;
    validateWebhook(causes, field, webhook);
    if (names.has(webhook.name)) causes.duplicate(`${field}.name`, webhook.name);
    names.add(webhook.name);
  }
}

function validateWebhook(causes: Causes, field: string, webhook: MutatingWebhook | ValidatingWebhook): void {
  const name = webhook.name ?? '';
  if (name === '') causes.required(`${field}.name`);
  else {
    causes.invalidEach(`${field}.name`, name, isDns1123Subdomain(name));
    if (name.split('.').length < 3) {
      causes.invalid(`${field}.name`, name, 'should be a domain with at least three segments separated by dots');
    }
  }
  validateClientConfig(causes, `${field}.clientConfig`, webhook.clientConfig ?? {});
  for (const [index, rule] of (webhook.rules ?? []).entries()) {
    validateRule(causes, `${field}.rules[${index}]`, rule);
  }
  causes.oneOf(`${field}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore']);
  causes.oneOf(`${field}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact']);
  if (webhook.namespaceSelector !== undefined) {
    validateLabelSelector(causes, `${field}.namespaceSelector`, webhook.namespaceSelector);
  }
  if (webhook.objectSelector !== undefined) {
    validateLabelSelector(causes, `${field}.objectSelector`, webhook.objectSelector);
  }
  if (!webhook.sideEffects) {
    causes.required(`${field}.sideEffects`, 'must specify one of None, NoneOnDryRun');
  } else causes.oneOf(`${field}.sideEffects`, webhook.sideEffects, ['None', 'NoneOnDryRun']);
  const timeout = webhook.timeoutSeconds;
  if (timeout !== undefined && (timeout < 1 || timeout > TIMEOUT_SECONDS_MAX)) {
    const text = `the timeout value must be between 1 and ${TIMEOUT_SECONDS_MAX} seconds`;
    causes.invalid(`${field}.timeoutSeconds`, timeout, text);
  }
  validateReviewVersions(causes, `${field}.admissionReviewVersions`, webhook.admissionReviewVersions ?? []);
  if ('reinvocationPolicy' in webhook) {
    causes.oneOf(`${field}.reinvocationPolicy`, webhook.reinvocationPolicy, ['IfNeeded', 'Never']);
  }
  validateMatchConditions(causes, `${field}.matchConditions`, webhook.matchConditions ?? []);
}

function validateReviewVersions(causes: Causes, field: string, versions: readonly string[]): void {
  if (versions.length === 0) {
    causes.required(field, 'must specify one of v1, v1beta1');
    return;
  }
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) causes.invalid(`${field}[${index}]`, version, 'duplicate version');
    seen.add(version);
  }
  if (!versions.includes('v1') && !versions.includes('v1beta1')) {
    causes.invalid(field, versions, 'must include at least one of v1, v1beta1');
  }
}

function validateClientConfig(causes: Causes, field: string, config: WebhookClientConfig): void {
  const { url, service } = config;
  if ((url === undefined) === (service === undefined)) {
    causes.required(field, 'exactly one of url or service is required');
  }
  if (url !== undefined) validateUrl(causes, `${field}.url`, url);
  if (service === undefined) return;
  if (!service.name) causes.required(`${field}.service.name`, 'service name is required');
  if (!service.namespace) causes.required(`${field}.service.namespace`, 'service namespace is required');
  const port = service.port ?? 443;
  if (port < 1 || port > 65_535) {
    causes.invalid(`${field}.service.port`, port, 'port is not valid: must be between 1 and 65535, inclusive');
  }
  const path = service.path;
  if (path !== undefined && !path.startsWith('/')) {
    causes.invalid(`${field}.service.path`, path, "must start with a '/'");
  }
}

function validateUrl(causes: Causes, field: string, text: string): void {
  const form = 'desired format: https://host[/path]';
  const url = URL.parse(text);
  if (url === null) {
    causes.required(field, `url must be a valid URL: ${JSON.stringify(text)}; ${form}`);
    return;
  }
  if (url.protocol !== 'https:') {
    const scheme = JSON.stringify(url.protocol.slice(0, -1));
    causes.invalid(field, scheme, `'https' is the only allowed URL scheme; ${form}`);
  }
  if (url.host === '') causes.invalid(field, url.host, `host must be specified; ${form}`);
  if (url.username !== '' || url.password !== '') {
    causes.invalid(field, text, 'user information is not permitted in the URL');
  }
  if (url.hash !== '') causes.invalid(field, url.hash.slice(1), 'fragments are not permitted in the URL');
  if (url.search !== '') causes.invalid(field, url.search.slice(1), 'query parameters are not permitted in the URL');
}

function validateRule(causes: Causes, field: string, rule: RuleWithOperations): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  if (operations.length === 0) causes.required(`${field}.operations`);
  if (operations.length > 1 && operations.includes('*')) {
    causes.invalid(`${field}.operations`, operations, "if '*' is present, must not specify other operations");
  }
  for (const [index, operation] of operations.entries()) {
    causes.oneOf(`${field}.operations[${index}]`, operation, OPERATIONS);
  }
  validateNames(causes, `${field}.apiGroups`, apiGroups, 'API groups');
  validateNames(causes, `${field}.apiVersions`, apiVersions, 'API versions');
  for (const [index, version] of apiVersions.entries()) {
    if (version === '') causes.required(`${field}.apiVersions[${index}]`);
  }
  if (resources.length === 0) causes.required(`${field}.resources`);
  for (const [index, resource] of resources.entries()) {
    if (resource === '') causes.required(`${field}.resources[${index}]`);
    else if (resource !== '*/*' && resources.includes('*/*')) {
      causes.invalid(`${field}.resources[${index}]`, resource, "if '*/*' is present, must not specify other resources");
    } else if (resource !== '*' && !resource.includes('/') && resources.includes('*')) {
      causes.invalid(
        `${field}.resources`,
        resources,
        "if '*' is present, must not specify other resources without subresources",
      );
    }
  }
  causes.oneOf(`${field}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced']);
}

function validateNames(causes: Causes, field: string, names: readonly string[], what: string): void {
  if (names.length === 0) causes.required(field);
  else if (names.length > 1 && names.includes('*')) {
    causes.invalid(field, names, `if '*' is present, must not specify other ${what}`);
  }
}

function validateMatchConditions(causes: Causes, field: string, conditions: readonly MatchCondition[]): void {
  if (conditions.length > MATCH_CONDITIONS_MAX) causes.tooMany(field, conditions.length, MATCH_CONDITIONS_MAX);
  const names = new Set<string>();
  for (const [index, { name, expression }] of conditions.slice(0, MATCH_CONDITIONS_MAX).entries()) {
    const path = `${field}[${index}]`;
    if (!expression?.trim()) causes.required(`${path}.expression`);
    if (!name) causes.required(`${path}.name`);
    else causes.invalidEach(`${path}.name`, name, isQualifiedName(name));
    if (names.has(name)) causes.duplicate(`${path}.name`, name);
    names.add(name);
  }
}

export function validateAdmissionPolicy(causes: Causes, policy: ValidatingAdmissionPolicy): void {
  const spec = policy.spec ?? {};
  const { validations = [], auditAnnotations = [] } = spec;
  validatePolicy(causes, spec);
  if (validations.length === 0 && auditAnnotations.length === 0) {
    causes.required('spec.validations', 'validations or auditAnnotations must contain at least one item');
  }
  for (const [index, { expression, reason }] of validations.entries()) {
    const field = `spec.validations[${index}]`;
    if (!expression?.trim()) causes.required(`${field}.expression`, 'expression is not specified');
    causes.oneOf(`${field}.reason`, reason, ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge']);
  }
  const keys = new Set<string>();
  for (const [index, { key, valueExpression }] of auditAnnotations.entries()) {
    const field = `spec.auditAnnotations[${index}]`;
    if (!key) causes.required(`${field}.key`);
    else causes.invalidEach(`${field}.key`, key, isQualifiedName(key));
    if (keys.has(key)) causes.duplicate(`${field}.key`, key);
    keys.add(key);
    if (!valueExpression?.trim()) causes.required(`${field}.valueExpression`, 'valueExpression is not specified');
  }
}

export function validateMutatingPolicy(causes: Causes, policy: MutatingAdmissionPolicy): void {
  const spec = policy.spec ?? {};
  validatePolicy(causes, spec);
  const mutations = spec.mutations ?? [];
  if (mutations.length === 0) causes.required('spec.mutations', 'mutations must contain at least one item');
  for (const [index, { patchType, applyConfiguration, jsonPatch }] of mutations.entries()) {
    const field = `spec.mutations[${index}]`;
    if (!patchType) causes.required(`${field}.patchType`);
    else causes.oneOf(`${field}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch']);
    if (patchType === 'ApplyConfiguration' && !applyConfiguration?.expression?.trim()) {
      causes.required(`${field}.applyConfiguration.expression`);
    }
    if (patchType === 'JSONPatch' && !jsonPatch?.expression?.trim()) causes.required(`${field}.jsonPatch.expression`);
  }
  if (!spec.reinvocationPolicy) causes.required('spec.reinvocationPolicy');
  else causes.oneOf('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never']);
}

interface PolicySpec {
  failurePolicy?: string;
  paramKind?: ParamKind;
  matchConstraints?: MatchResources;
  matchConditions?: MatchCondition[];
  variables?: { name: string; expression: string }[];
}

function validatePolicy(causes: Causes, spec: PolicySpec): void {
  if (!spec.failurePolicy) causes.required('spec.failurePolicy');
  else causes.oneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore']);
  if (spec.paramKind !== undefined) {
    if (!spec.paramKind.apiVersion) causes.required('spec.paramKind.apiVersion');
    if (!spec.paramKind.kind) causes.required('spec.paramKind.kind');
  }
  if (spec.matchConstraints === undefined) causes.required('spec.matchConstraints');
  else {
    if (!spec.matchConstraints.resourceRules?.length) causes.required('spec.matchConstraints.resourceRules');
    validateMatch(causes, 'spec.matchConstraints', spec.matchConstraints);
  }
  const names = new Set<string>();
  for (const [index, { name, expression }] of (spec.variables ?? []).entries()) {
    const field = `spec.variables[${index}]`;
    if (!name?.trim()) causes.required(`${field}.name`, 'name is not specified');
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name)) {
      causes.invalid(`${field}.name`, name, 'name is not a valid CEL identifier');
    }
    if (names.has(name)) causes.duplicate(`${field}.name`, name);
    names.add(name);
    if (!expression?.trim()) causes.required(`${field}.expression`, 'expression is not specified');
  }
  validateMatchConditions(causes, 'spec.matchConditions', spec.matchConditions ?? []);
}

function validateMatch(causes: Causes, field: string, match: MatchResources): void {
  if (match.namespaceSelector !== undefined) {
    validateLabelSelector(causes, `${field}.namespaceSelector`, match.namespaceSelector);
  }
  if (match.objectSelector !== undefined)
    validateLabelSelector(causes, `${field}.objectSelector`, match.objectSelector);
  for (const key of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (match[key] ?? []).entries()) validateRule(causes, `${field}.${key}[${index}]`, rule);
  }
  causes.oneOf(`${field}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact']);
}

export function validatePolicyBinding(causes: Causes, binding: ValidatingAdmissionPolicyBinding): void {
  const actions = binding.spec?.validationActions ?? [];
  validateBinding(causes, binding.spec ?? {});
  if (actions.length === 0) causes.required('spec.validationActions', 'at least one validation action is required');
  const seen = new Set<string>();
  for (const [index, action] of actions.entries()) {
    causes.oneOf(`spec.validationActions[${index}]`, action, ['Audit', 'Deny', 'Warn']);
    if (seen.has(action)) causes.duplicate(`spec.validationActions[${index}]`, action);
    seen.add(action);
  }
  if (seen.has('Deny') && seen.has('Warn')) {
    const text =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    causes.invalid('spec.validationActions', actions, text);
  }
}

/** Also all there is to say of a binding of a MutatingAdmissionPolicy. */
export function validateMutatingBinding(
  causes: Causes,
  binding: { spec?: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources } },
): void {
  validateBinding(causes, binding.spec ?? {});
}

function validateBinding(
  causes: Causes,
  spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources },
): void {
  if (!spec.policyName) causes.required('spec.policyName');
  else causes.invalidEach('spec.policyName', spec.policyName, isDns1123Subdomain(spec.policyName));
  const { paramRef } = spec;
  if (paramRef !== undefined) {
    if (paramRef.name && paramRef.selector !== undefined) {
      causes.forbidden('spec.paramRef.name', 'name and selector are mutually exclusive');
    } else if (!paramRef.name && paramRef.selector === undefined) {
      causes.required('spec.paramRef', 'one of name or selector must be specified');
    }
    if (!paramRef.parameterNotFoundAction) causes.required('spec.paramRef.parameterNotFoundAction');
    else causes.oneOf('spec.paramRef.parameterNotFoundAction', paramRef.parameterNotFoundAction, ['Deny', 'Allow']);
  }
  if (spec.matchResources !== undefined) validateMatch(causes, 'spec.matchResources', spec.matchResources);
}
