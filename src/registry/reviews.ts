/**
 * Kinds that are questions: who am I, may I, what may I, whose token is this. Answered from the caller's identity and
 * the same authorizer that judges requests, so that the answer is what the request itself would get; never stored.
 */
import { KINDS, type Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewStatus,
  TokenReview,
  UserInfo,
} from '#src/api/objects/access.ts';
import { invalid } from '#src/api/validation.ts';
import { Causes } from '#src/api/validation/causes.ts';
import { isAllowed } from './authorize.ts';
import type { Identity } from './client.ts';
import type { NamedObject } from './raw.ts';
import type { Rbac } from './rbac.ts';
import { badRequest } from './refusals.ts';

/** Whose token it is, for one of these audiences (none: the API server's own); undefined when it is nobody's. */
export type TokenJudge = (
  token: string,
  audiences: readonly string[],
) => Promise<{ user: UserInfo; audiences: string[] } | undefined>;

interface Question {
  kind: Kind;
  identity: Identity;
  namespace: string | undefined;
  object: KubeObject;
  /** Absent where no tokens are accepted. */
  judgeToken?: TokenJudge | undefined;
  rbac?: Rbac | undefined;
}

type Answerer = (question: Question) => unknown;

const ANSWERERS: Record<string, Answerer> = {
  'authentication.k8s.io/v1 SelfSubjectReview': ({ identity }) => ({ userInfo: userInfoOf(identity) }),
  'authentication.k8s.io/v1 TokenReview': answerToken,
  'authorization.k8s.io/v1 SelfSubjectAccessReview': answerSelf,
  'authorization.k8s.io/v1 SubjectAccessReview': answerSubject,
  'authorization.k8s.io/v1 LocalSubjectAccessReview': answerLocal,
  'authorization.k8s.io/v1 SelfSubjectRulesReview': answerRules,
};

export function isReview(kind: Kind): boolean {
  return Object.hasOwn(ANSWERERS, `${kind.apiVersion} ${kind.kind}`);
}

/** The question with its answer in `status`. @throws ApiError 400, 422 for a question that cannot be answered. */
export async function answerReview(question: Question): Promise<NamedObject> {
  const { kind, object } = question;
  const answer = ANSWERERS[`${kind.apiVersion} ${kind.kind}`]?.(question);
  const status = await (answer as Promise<unknown>);
  const { managedFields: _none, ...metadata } = object.metadata ?? {};
  return { ...object, apiVersion: kind.apiVersion, kind: kind.kind, metadata, status } as NamedObject;
}

function userInfoOf(identity: Identity): UserInfo {
  const { user, uid, groups } = identity;
  return { username: user, ...(uid === undefined ? {} : { uid }), groups: [...groups] };
}

async function answerToken({ object, judgeToken }: Question): Promise<TokenReview['status']> {
  const { token = '', audiences = [] } = (object as TokenReview).spec ?? {};
  if (token === '') throw badRequest('token is required for TokenReview in authentication');
  const found = await judgeToken?.(token, audiences);
  if (found === undefined) return { authenticated: false, user: {}, error: 'invalid bearer token' };
  return { authenticated: true, user: found.user, audiences: found.audiences };
}

function answerSelf(question: Question): SubjectAccessReviewStatus {
  const { spec } = question.object as SelfSubjectAccessReview;
  const causes = new Causes();
  checkAttributes(causes, spec);
  refuse(question, causes);
  return verdict(question, question.identity, spec?.resourceAttributes, spec?.nonResourceAttributes);
}

function answerSubject(question: Question): SubjectAccessReviewStatus {
  const { spec } = question.object as SubjectAccessReview;
  const causes = new Causes();
  checkAttributes(causes, spec);
  checkSubject(causes, spec);
  refuse(question, causes);
  return verdict(question, identityIn(spec), spec?.resourceAttributes, spec?.nonResourceAttributes);
}

function answerLocal(question: Question): SubjectAccessReviewStatus {
  const { spec } = question.object as LocalSubjectAccessReview;
  const { namespace = '' } = question;
  const causes = new Causes();
  checkSubject(causes, spec);
  const attributes = spec?.resourceAttributes;
  if (spec?.nonResourceAttributes !== undefined) {
    causes.invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request');
  }
  if (attributes === undefined) causes.invalid('spec.resourceAttributes', null, 'must be specified');
  else if (attributes.namespace !== namespace) {
    causes.invalid('spec.resourceAttributes.namespace', attributes.namespace ?? '', 'must match metadata.namespace');
  }
  refuse(question, causes);
  return verdict(question, identityIn(spec), attributes, undefined);
}

interface Asked {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

function checkAttributes(causes: Causes, spec: Asked | undefined): void {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec ?? {};
  if (resource !== undefined && path !== undefined) {
    causes.invalid('spec.nonResourceAttributes', path, 'cannot be specified in combination with resourceAttributes');
  } else if (resource === undefined && path === undefined) {
    causes.invalid(
      'spec.resourceAttributes',
      null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  }
}

function checkSubject(causes: Causes, spec: SubjectAccessReview['spec'] | undefined): void {
  if (spec?.user || spec?.groups?.length) return;
  causes.invalid('spec.user', '', 'at least one of user or group must be specified');
}

function refuse({ kind }: Question, causes: Causes): void {
  if (causes.list.length > 0) throw invalid(kind, '', causes.list);
}

function identityIn(spec: SubjectAccessReview['spec'] | undefined): Identity {
  return {
    user: spec?.user ?? '',
    groups: [...(spec?.groups ?? [])],
    ...(spec?.uid === undefined ? {} : { uid: spec.uid }),
  };
}

function verdict(
  { rbac }: Question,
  identity: Identity,
  resource: ResourceAttributes | undefined,
  path: NonResourceAttributes | undefined,
): SubjectAccessReviewStatus {
  const allowed =
    resource === undefined
      ? isPathAllowed(identity, path?.verb ?? '')
      : isAllowed({
          rbac,
          identity,
          verb: resource.verb ?? '',
          resource: {
            group: resource.group ?? '',
            version: resource.version ?? '',
            resource: resource.resource ?? '',
          },
          namespace: resource.namespace || undefined,
          name: resource.name || undefined,
          subresource: resource.subresource || undefined,
        });
  return { allowed };
}

/** As apiserver.ts has it: what is no resource is read by everyone who has a name, and written by nobody. */
function isPathAllowed(identity: Identity, verb: string): boolean {
  if (identity.groups.includes('system:masters')) return true;
  return verb.toLowerCase() === 'get' && identity.groups.includes('system:authenticated');
}

/** What is asked of the authorizer one by one, put together again; the wildcard first, which ends the search. */
function answerRules(question: Question): SelfSubjectRulesReview['status'] {
  const { identity } = question;
  const namespace = (question.object as SelfSubjectRulesReview).spec?.namespace ?? '';
  if (namespace === '') throw badRequest('no namespace on request');
  const any = { group: '*', version: '*', resource: '*' };
  if (isAllowed({ identity, verb: '*', resource: any, namespace, rbac: question.rbac })) {
    const everything = ['*'];
    return {
      resourceRules: [{ verbs: everything, apiGroups: everything, resources: everything }],
      nonResourceRules: [{ verbs: everything, nonResourceURLs: everything }],
      incomplete: false,
    };
  }
  const rules = new Map<string, { verbs: string[]; apiGroups: string[]; resources: string[] }>();
  for (const kind of KINDS) {
    for (const subresource of [undefined, ...kind.subresources]) {
      const verbs = (subresource?.verbs ?? kind.verbs).filter((verb) =>
        isAllowed({
          rbac: question.rbac,
          identity,
          verb,
          resource: kind,
          namespace: kind.namespaced ? namespace : undefined,
          subresource: subresource?.name,
        }),
      );
      if (verbs.length === 0) continue;
      const resource = subresource === undefined ? kind.resource : `${kind.resource}/${subresource.name}`;
      const key = `${kind.group} ${verbs.join()}`;
      const rule = rules.get(key) ?? { verbs: [...verbs], apiGroups: [kind.group], resources: [] };
      if (!rule.resources.includes(resource)) rule.resources.push(resource);
      rules.set(key, rule);
    }
  }
  const readsPaths = isPathAllowed(identity, 'get');
  return {
    resourceRules: [...rules.values()],
    nonResourceRules: readsPaths ? [{ verbs: ['get'], nonResourceURLs: ['*'] }] : [],
    incomplete: false,
  };
}
