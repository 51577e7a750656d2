/** Tables of rbac and certificates. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import { humanDuration } from '../human-duration.ts';
import type { CertificateSigningRequest, RoleBinding } from '../objects/access.ts';
import { age, AGE, column, NAME, nameOf, printer, wide } from './printer.ts';

/** Of both kinds of bindings. */
export const roleBinding = printer<RoleBinding>(
  [
    NAME,
    column('Role', 'Role that is given.'),
    AGE,
    wide('Users', 'Users it is given to.'),
    wide('Groups', 'Groups it is given to.'),
    wide('ServiceAccounts', 'ServiceAccounts it is given to.'),
  ],
  (object, nowMs) => {
    const subjects = object.subjects ?? [];
    const named = (kind: string): string =>
      subjects
        .filter((subject) => subject.kind === kind)
        .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
        .join(', ');
    return [
      nameOf(object),
      `${object.roleRef?.kind ?? ''}/${object.roleRef?.name ?? ''}`,
      age(object, nowMs),
      named('User'),
      named('Group'),
      named('ServiceAccount'),
    ];
  },
);

export const signingRequest = printer<CertificateSigningRequest>(
  [
    NAME,
    AGE,
    column('SignerName', 'Who is asked to sign.'),
    column('Requestor', 'Who asks.'),
    column('RequestedDuration', 'How long the certificate is to be valid.'),
    column('Condition', 'What became of it.'),
  ],
  (object, nowMs) => {
    const seconds = object.spec?.expirationSeconds;
    return [
      nameOf(object),
      age(object, nowMs),
      object.spec?.signerName || '<none>',
      object.spec?.username ?? '',
      seconds === undefined ? '<none>' : humanDuration(seconds * 1000),
      conditionText(object),
    ];
  },
);

function conditionText(object: CertificateSigningRequest): string {
  const has = (type: string): boolean => object.status?.conditions?.some((known) => known.type === type) === true;
  const words = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'];
  if (has('Failed')) words.push('Failed');
  if ((object.status?.certificate ?? '') !== '') words.push('Issued');
  return words.join(',');
}
