/** CEL over a write: what expressions of webhooks and policies may name, compiled once and run with a budget. */
import {
  authorizerValue,
  compile,
  fromJson,
  PER_CALL_COST_LIMIT,
  RUNTIME_COST_BUDGET,
  type CelType,
  type CelValue,
  type Compiled,
  type Outcome,
} from '#src/cel/cel.ts';
import type { Kind } from '#src/api/kinds.ts';
import { isAllowed } from '../authorize.ts';
import type { Attributes } from './attributes.ts';
import { converted, namespaceOf } from './match.ts';
import { describeRequest } from './webhook-call.ts';

/** Compiled expressions that are kept; more are compiled again when asked for. */
const PROGRAMS_MAX = 2000;

/** What is always there; `params` and `variables` are policies' own. */
const VARIABLES: Record<string, CelType> = Object.fromEntries(
  ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'authorizer', 'variables'].map((name) => [
    name,
    'dyn',
  ]),
);

export type ResultType = 'bool' | 'string' | 'dyn';

/** Owned by the registry: one for all its writes. */
export class Programs {
  readonly #compiled = new Map<string, Compiled>();

  compiled(expression: string, result: ResultType): Compiled {
    const key = `${result} ${expression}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const made = compile(expression, { variables: VARIABLES, result });
    this.#compiled.set(key, made);
    if (this.#compiled.size > PROGRAMS_MAX) this.#compiled.delete(this.#compiled.keys().next().value ?? '');
    return made;
  }
}

export type Bindings = Record<string, CelValue>;

export function bindingsOf(attributes: Attributes, shown: Kind): Bindings {
  const { core, kind, object, old, identity } = attributes;
  const as = (one: typeof object): CelValue => fromJson(one === undefined ? null : converted(kind, shown, one));
  return {
    object: as(object),
    oldObject: as(old),
    request: fromJson(describeRequest({ attributes, shown }, attributes.object?.metadata.uid ?? '')),
    namespaceObject: fromJson(namespaceOf(attributes) ?? null),
    authorizer: authorizerValue({
      decide: ({ verb, group = '', resource, subresource, namespace, name, user }) => {
        const { namespace: home = '', name: account = '' } = user?.serviceAccount ?? {};
        const who =
          user === undefined
            ? identity
            : {
                user: `system:serviceaccount:${home}:${account}`,
                groups: ['system:serviceaccounts', 'system:authenticated'],
              };
        // Paths that are no resources are judged at the edge, which is not to be asked from here.
        if (resource === undefined) return { allowed: who.groups.includes('system:masters') };
        return {
          allowed: isAllowed({
            identity: who,
            verb,
            resource: { group, version: '*', resource },
            subresource,
            namespace,
            name,
            rbac: core.rbac,
          }),
        };
      },
    }),
  };
}

/** What the expressions of one policy or webhook may spend together in one write. */
export class Budget {
  #left = RUNTIME_COST_BUDGET;

  run(programs: Programs, expression: string, result: ResultType, bindings: Bindings): Evaluated {
    const compiled = programs.compiled(expression, result);
    if (!compiled.ok) {
      return { ok: false, error: `compilation error: ${compiled.errors.map(({ text }) => text).join('; ')}` };
    }
    const outcome = this.outcome(compiled, bindings);
    if (!outcome.ok) return { ok: false, error: outcome.error.message };
    return { ok: true, value: outcome.value };
  }

  outcome(compiled: Extract<Compiled, { ok: true }>, bindings: Bindings): Outcome {
    const outcome = compiled.program.evaluate(bindings, { costLimit: Math.min(this.#left, PER_CALL_COST_LIMIT) });
    this.#left = Math.max(0, this.#left - outcome.cost);
    return outcome;
  }
}

export type Evaluated = { ok: true; value: CelValue } | { ok: false; error: string };
