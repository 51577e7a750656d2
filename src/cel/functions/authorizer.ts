/** `authorizer.group('apps').resource('deployments').check('create').allowed()`: only the questions are asked here. */
import type { Definitions } from '../library.ts';
import { Opaque, type CelValue } from '../values.ts';

/** What a check asks. `path` is for what is no resource. */
export interface AuthorizationQuestion {
  readonly user?: { readonly serviceAccount: { readonly namespace: string; readonly name: string } };
  readonly verb: string;
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** Answers at once, from what is known locally. */
export interface Authorizer {
  decide(question: AuthorizationQuestion): {
    readonly allowed: boolean;
    readonly reason?: string;
    /** Set when it could not be decided; `allowed` is false then. */
    readonly error?: string;
  };
}

type Check = Omit<AuthorizationQuestion, 'verb'>;

class Asking extends Opaque {
  readonly typeName: string;
  readonly authorizer: Authorizer;
  readonly check: Check;
  constructor(typeName: string, authorizer: Authorizer, check: Check) {
    super();
    this.typeName = typeName;
    this.authorizer = authorizer;
    this.check = check;
  }

  equals(other: Opaque): boolean {
    return this === other;
  }
}

class Decision extends Opaque {
  readonly typeName = 'kubernetes.authorization.Decision';
  readonly decision: ReturnType<Authorizer['decide']>;
  constructor(decision: ReturnType<Authorizer['decide']>) {
    super();
    this.decision = decision;
  }

  equals(other: Opaque): boolean {
    return this === other;
  }
}

const ROOT = 'kubernetes.authorization.Authorizer';
const PATH = 'kubernetes.authorization.PathCheck';
const GROUP = 'kubernetes.authorization.GroupCheck';
const RESOURCE = 'kubernetes.authorization.ResourceCheck';
const DECISION = 'kubernetes.authorization.Decision';
/** As dear as in Kubernetes: a check may walk through all bindings. */
const CHECK_COST = 350_000;

/** The value of the variable `authorizer`, whose type is `{ named: AUTHORIZER_TYPE }` or dyn. */
export function authorizerValue(authorizer: Authorizer): CelValue {
  return new Asking(ROOT, authorizer, {});
}

/** `authorizer.requestResource`. */
export function resourceCheckValue(authorizer: Authorizer, check: Check): CelValue {
  return new Asking(RESOURCE, authorizer, check);
}

const next = (typeName: string, change: (argument: string) => Check) => (args: readonly CelValue[]) => {
  const [asking, argument] = args as [Asking, string];
  return new Asking(typeName, asking.authorizer, { ...asking.check, ...change(argument) });
};

const decide: Definitions[string] = (args, context) => {
  const [asking, verb] = args as [Asking, string];
  context.charge(CHECK_COST);
  return new Decision(asking.authorizer.decide({ ...asking.check, verb }));
};

const decision = (value: CelValue | undefined): ReturnType<Authorizer['decide']> => (value as Decision).decision;

export const authorizers: Definitions = {
  [`${ROOT}.path(string): ${PATH}`]: next(PATH, (path) => ({ path })),
  [`${PATH}.check(string): ${DECISION}`]: decide,
  [`${ROOT}.group(string): ${GROUP}`]: next(GROUP, (group) => ({ group })),
  [`${ROOT}.serviceAccount(string, string): ${ROOT}`]: (args) => {
    const [asking, namespace, name] = args as [Asking, string, string];
    return new Asking(ROOT, asking.authorizer, { ...asking.check, user: { serviceAccount: { namespace, name } } });
  },
  [`${GROUP}.resource(string): ${RESOURCE}`]: next(RESOURCE, (resource) => ({ resource })),
  [`${RESOURCE}.subresource(string): ${RESOURCE}`]: next(RESOURCE, (subresource) => ({ subresource })),
  [`${RESOURCE}.namespace(string): ${RESOURCE}`]: next(RESOURCE, (namespace) => ({ namespace })),
  [`${RESOURCE}.name(string): ${RESOURCE}`]: next(RESOURCE, (name) => ({ name })),
  [`${RESOURCE}.fieldSelector(string): ${RESOURCE}`]: next(RESOURCE, (fieldSelector) => ({ fieldSelector })),
  [`${RESOURCE}.labelSelector(string): ${RESOURCE}`]: next(RESOURCE, (labelSelector) => ({ labelSelector })),
  [`${RESOURCE}.check(string): ${DECISION}`]: decide,
  [`${DECISION}.allowed(): bool`]: ([value]) => decision(value).allowed,
  [`${DECISION}.reason(): string`]: ([value]) => decision(value).reason ?? '',
  [`${DECISION}.errored(): bool`]: ([value]) => decision(value).error !== undefined,
  [`${DECISION}.error(): string`]: ([value]) => decision(value).error ?? '',
};
