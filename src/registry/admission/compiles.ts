/** Expressions of webhooks and policies are compiled when they are written, not first when they are needed. */
import type { StatusCause } from '#src/api/api-error.ts';
import type { ValidatingAdmissionPolicySpec, MatchCondition } from '#src/api/objects/admission.ts';
import { invalid } from '#src/api/validation.ts';
import type { AdmissionPlugin } from './attributes.ts';
import type { Programs, ResultType } from './expressions.ts';

type Found = [field: string, expression: string | undefined, result: ResultType];

export const compiles: AdmissionPlugin = {
  name: 'CompiledExpressions',
  validate({ kind, object, core, name, subresource }) {
    if (kind.group !== 'admissionregistration.k8s.io' || object === undefined || subresource !== '') return undefined;
    const found = [
      ...policyExpressions((object as { spec?: ValidatingAdmissionPolicySpec }).spec ?? {}, kind.resource),
      ...webhookExpressions((object as { webhooks?: { matchConditions?: MatchCondition[] }[] }).webhooks ?? []),
    ];
    const causes = found.flatMap((one) => problemOf(core.programs, one) ?? []);
    if (causes.length > 0) throw invalid(kind, name, causes);
    return undefined;
  },
};

function policyExpressions(spec: ValidatingAdmissionPolicySpec, resource: string): Found[] {
  if (resource !== 'validatingadmissionpolicies') return [];
  return [
    ...(spec.validations ?? []).flatMap((one, i): Found[] => [
      [`spec.validations[${i}].expression`, one.expression, 'bool'],
      [`spec.validations[${i}].messageExpression`, one.messageExpression, 'string'],
    ]),
    ...(spec.variables ?? []).map((one, i): Found => [`spec.variables[${i}].expression`, one.expression, 'dyn']),
    ...(spec.auditAnnotations ?? []).map((one, i): Found => [
      `spec.auditAnnotations[${i}].valueExpression`,
      one.valueExpression,
      'dyn',
    ]),
    ...conditions('spec', spec.matchConditions),
  ];
}

function webhookExpressions(webhooks: readonly { matchConditions?: MatchCondition[] }[]): Found[] {
  return webhooks.flatMap((one, i) => conditions(`webhooks[${i}]`, one.matchConditions));
}

function conditions(at: string, list: readonly MatchCondition[] | undefined): Found[] {
  return (list ?? []).map((one, i): Found => [`${at}.matchConditions[${i}].expression`, one.expression, 'bool']);
}

function problemOf(programs: Programs, [field, expression = '', result]: Found): StatusCause | undefined {
  if (expression.trim() === '') return undefined;
  const compiled = programs.compiled(expression, result);
  if (compiled.ok) return undefined;
  const why = compiled.errors.map(({ text }) => text).join('; ');
  const message = `Invalid value: ${JSON.stringify(expression)}: compilation failed: ${why}`;
  return { reason: 'FieldValueInvalid', field, message };
}
