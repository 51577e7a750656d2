/** Rules of flow control. Source: Kubernetes 1.36 pkg/apis/flowcontrol/validation/validation.go. */
import { isPathSegmentName } from '../names.ts';
import type {
  FlowSchema,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  Subject,
} from '../objects/flowcontrol.ts';
import type { Causes } from './causes.ts';

const PRECEDENCE_MAX = 10_000;
const QUEUES_MAX = 10_000_000;
const HAND_BITS_MAX = 60;

export function validateFlowSchema(causes: Causes, schema: FlowSchema): void {
  const spec: Partial<NonNullable<FlowSchema['spec']>> = schema.spec ?? {};
  const precedence = spec.matchingPrecedence ?? 0;
  if (precedence <= 0) causes.invalid('spec.matchingPrecedence', precedence, 'must be a positive value');
  if (precedence > PRECEDENCE_MAX) {
    causes.invalid('spec.matchingPrecedence', precedence, `must not be greater than ${PRECEDENCE_MAX}`);
  }
  if (precedence === 1 && schema.metadata?.name !== 'exempt') {
    causes.invalid(
      'spec.matchingPrecedence',
      precedence,
      "only the schema named 'exempt' may have matchingPrecedence 1",
    );
  }
  if (spec.distinguisherMethod !== undefined) {
    causes.oneOf('spec.distinguisherMethod', spec.distinguisherMethod.type ?? '', ['ByNamespace', 'ByUser']);
  }
  const level = spec.priorityLevelConfiguration?.name ?? '';
  if (level === '') causes.required('spec.priorityLevelConfiguration.name', 'must reference a priority level');
  else causes.invalidEach('spec.priorityLevelConfiguration.name', level, isPathSegmentName(level));
  for (const [index, rule] of (spec.rules ?? []).entries()) validateRules(causes, `spec.rules[${index}]`, rule);
}

function validateRules(causes: Causes, field: string, rule: PolicyRulesWithSubjects): void {
  if (!rule.subjects?.length) causes.required(`${field}.subjects`, 'subjects must contain at least one value');
  for (const [index, subject] of (rule.subjects ?? []).entries()) {
    validateSubject(causes, `${field}.subjects[${index}]`, subject);
  }
  if (!rule.resourceRules?.length && !rule.nonResourceRules?.length) {
    causes.required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  }
  for (const [index, one] of (rule.resourceRules ?? []).entries()) {
    const path = `${field}.resourceRules[${index}]`;
    requireValues(causes, `${path}.verbs`, one.verbs, 'verbs must contain at least one value');
    requireValues(causes, `${path}.apiGroups`, one.apiGroups, 'resource rules must supply at least one api group');
    requireValues(causes, `${path}.resources`, one.resources, 'resource rules must supply at least one resource');
    if (!one.namespaces?.length && one.clusterScope !== true) {
      causes.required(
        `${path}.namespaces`,
        'resource rules that are not cluster scoped must supply at least one namespace',
      );
    }
  }
  for (const [index, one] of (rule.nonResourceRules ?? []).entries()) {
    const path = `${field}.nonResourceRules[${index}]`;
    requireValues(causes, `${path}.verbs`, one.verbs, 'verbs must contain at least one value');
    requireValues(
      causes,
      `${path}.nonResourceURLs`,
      one.nonResourceURLs,
      'nonResourceURLs must contain at least one value',
    );
  }
}

function requireValues(causes: Causes, field: string, values: readonly string[] | undefined, text: string): void {
  if (!values?.length) causes.required(field, text);
  else if (values.includes('*') && values.length > 1) {
    causes.invalid(field, values, "if '*' is present, must not specify other values");
  }
}

function validateSubject(causes: Causes, field: string, subject: Subject): void {
  const parts = { User: 'user', Group: 'group', ServiceAccount: 'serviceAccount' } as const;
  const kind = subject.kind ?? '';
  if (!Object.hasOwn(parts, kind)) {
    causes.notSupported(`${field}.kind`, kind, ['Group', 'ServiceAccount', 'User']);
    return;
  }
  for (const [name, part] of Object.entries(parts)) {
    if (name === kind && subject[part] === undefined) {
      causes.required(`${field}.${part}`, `${part} is required when subject kind is '${name}'`);
    } else if (name !== kind && subject[part] !== undefined) {
      causes.forbidden(`${field}.${part}`, `${part} is forbidden when subject kind is not '${name}'`);
    } else if (name === kind && !subject[part]?.name) causes.required(`${field}.${part}.name`);
  }
  if (kind === 'ServiceAccount' && subject.serviceAccount !== undefined && !subject.serviceAccount.namespace) {
    causes.required(`${field}.serviceAccount.namespace`, 'must specify namespace for service account');
  }
}

export function validatePriorityLevel(causes: Causes, level: PriorityLevelConfiguration): void {
  const { type, limited, exempt } = level.spec ?? {};
  const isExempt = level.metadata?.name === 'exempt';
  if (isExempt !== (type === 'Exempt')) {
    causes.invalid('spec.type', type ?? '', "type must be 'Exempt' if and only if name is 'exempt'");
  }
  if (type === 'Limited') {
    if (exempt !== undefined) causes.forbidden('spec.exempt', 'must be nil if the type is Limited');
    if (limited === undefined) causes.required('spec.limited', 'must not be empty when type is Limited');
    else validateLimited(causes, limited);
  } else if (type === 'Exempt') {
    if (limited !== undefined) causes.forbidden('spec.limited', 'must be nil if the type is not Limited');
    causes.nonNegative('spec.exempt.nominalConcurrencyShares', exempt?.nominalConcurrencyShares);
    percent(causes, 'spec.exempt.lendablePercent', exempt?.lendablePercent);
  } else causes.notSupported('spec.type', type ?? '', ['Exempt', 'Limited']);
}

type Limited = NonNullable<NonNullable<PriorityLevelConfiguration['spec']>['limited']>;

function validateLimited(causes: Causes, limited: Limited): void {
  const field = 'spec.limited';
  causes.nonNegative(`${field}.nominalConcurrencyShares`, limited.nominalConcurrencyShares);
  percent(causes, `${field}.lendablePercent`, limited.lendablePercent);
  causes.nonNegative(`${field}.borrowingLimitPercent`, limited.borrowingLimitPercent);
  const { type = '', queuing } = limited.limitResponse ?? {};
  const response = `${field}.limitResponse`;
  if (type === 'Reject') {
    if (queuing !== undefined)
      causes.forbidden(`${response}.queuing`, 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type !== 'Queue') causes.notSupported(`${response}.type`, type, ['Queue', 'Reject']);
  else if (queuing === undefined)
    causes.required(`${response}.queuing`, 'must not be empty if limited.limitResponse.type is Limited');
  else {
    const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
    if (queueLengthLimit <= 0)
      causes.invalid(`${response}.queuing.queueLengthLimit`, queueLengthLimit, 'must be positive');
    if (queues <= 0) causes.invalid(`${response}.queuing.queues`, queues, 'must be positive');
    else if (queues > QUEUES_MAX)
      causes.invalid(`${response}.queuing.queues`, queues, `must not be greater than ${QUEUES_MAX}`);
    if (handSize <= 0) causes.invalid(`${response}.queuing.handSize`, handSize, 'must be positive');
    else if (handSize > queues) {
      const text = `should not be greater than queues (${queues})`;
      causes.invalid(`${response}.queuing.handSize`, handSize, text);
    } else if (handSize * Math.log2(Math.max(queues, 1)) > HAND_BITS_MAX) {
      causes.invalid(
        `${response}.queuing.handSize`,
        handSize,
        `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${HAND_BITS_MAX}`,
      );
    }
  }
}

function percent(causes: Causes, field: string, value: number | undefined): void {
  if (value !== undefined && (value < 0 || value > 100)) {
    causes.invalid(field, value, 'must be between 0 and 100, inclusive');
  }
}
