/** Kinds that are answered and never stored: questions about who one is and what one may, and Binding. */
import type { KindRow } from '../kinds.ts';
import { plain } from '../tables/printer.ts';

const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1', verbs: ['create'], ...plain } as const;
const AUTHORIZATION = { group: 'authorization.k8s.io', version: 'v1', verbs: ['create'], ...plain } as const;

export const VIRTUAL_ROWS: readonly KindRow[] = [
  { group: '', version: 'v1', verbs: ['create'], kind: 'Binding', resource: 'bindings', namespaced: true, ...plain },
  { ...AUTHENTICATION, kind: 'SelfSubjectReview', resource: 'selfsubjectreviews', namespaced: false },
  { ...AUTHENTICATION, kind: 'TokenReview', resource: 'tokenreviews', namespaced: false },
  { ...AUTHORIZATION, kind: 'LocalSubjectAccessReview', resource: 'localsubjectaccessreviews', namespaced: true },
  { ...AUTHORIZATION, kind: 'SelfSubjectAccessReview', resource: 'selfsubjectaccessreviews', namespaced: false },
  { ...AUTHORIZATION, kind: 'SelfSubjectRulesReview', resource: 'selfsubjectrulesreviews', namespaced: false },
  { ...AUTHORIZATION, kind: 'SubjectAccessReview', resource: 'subjectaccessreviews', namespaced: false },
];
