/** Tables of admissionregistration.k8s.io. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import type { KubeObject } from '../object.ts';
import type {
  MutatingAdmissionPolicy,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../objects/admission.ts';
import { age, AGE, column, NAME, nameOf, printer } from './printer.ts';

const PARAM_KIND = column('ParamKind', 'Kind of the objects that hold its parameters.');

/** Of both kinds of webhook configurations. */
export const webhooks = printer<KubeObject & { webhooks?: unknown[] }>(
  [NAME, column('Webhooks', 'Number of its webhooks.', 'integer'), AGE],
  (object, nowMs) => [nameOf(object), object.webhooks?.length ?? 0, age(object, nowMs)],
);

export const validatingPolicy = printer<ValidatingAdmissionPolicy>(
  [NAME, column('Validations', 'Number of its rules.', 'integer'), PARAM_KIND, AGE],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.validations?.length ?? 0,
    paramKindText(object.spec?.paramKind),
    age(object, nowMs),
  ],
);

export const mutatingPolicy = printer<MutatingAdmissionPolicy>(
  [NAME, column('Mutations', 'Number of its changes.', 'integer'), PARAM_KIND, AGE],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.mutations?.length ?? 0,
    paramKindText(object.spec?.paramKind),
    age(object, nowMs),
  ],
);

/** Of both kinds of policy bindings. */
export const policyBinding = printer<ValidatingAdmissionPolicyBinding>(
  [NAME, column('PolicyName', 'Policy that is put to work.'), column('ParamRef', 'Its parameters.'), AGE],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.policyName ?? '',
    paramRefText(object.spec?.paramRef),
    age(object, nowMs),
  ],
);

function paramKindText(paramKind: ParamKind | undefined): string {
  return paramKind === undefined ? '<unset>' : `${paramKind.apiVersion ?? ''}/${paramKind.kind ?? ''}`;
}

function paramRefText(reference: ParamRef | undefined): string {
  if (reference === undefined) return '<unset>';
  return reference.namespace ? `${reference.namespace}/${reference.name ?? ''}` : (reference.name ?? '');
}
