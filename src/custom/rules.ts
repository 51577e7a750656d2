/** x-kubernetes-validations: CEL over values, with what they were before (KEP-2876, KEP-4008). */
import {
  compile,
  fromJson,
  PER_CALL_COST_LIMIT,
  RUNTIME_COST_BUDGET,
  Optional,
  type CelType,
  type CelValue,
  type Program,
} from '#src/cel/cel.ts';
import { deepEqual } from '#src/api/metadata.ts';
import type { Causes } from '#src/api/validation/causes.ts';
import { celTypeOf } from './cel-types.ts';
import { correlateItems } from './check-value.ts';
import { additionalOf, childPath, isRecord, type JsonSchema, type ValidationRule } from './schema.ts';

interface CompiledRule {
  rule: ValidationRule;
  program: Program;
  message: Program | undefined;
  /** It looks at oldSelf: only for changes, unless optionalOldSelf. */
  isTransition: boolean;
}

interface Node {
  schema: JsonSchema;
  type: CelType;
  rules: readonly CompiledRule[];
  properties: ReadonlyMap<string, Node>;
  rest: Node | undefined;
  items: Node | undefined;
}

export interface RuleProblem {
  /** Below the schema: `properties[spec].x-kubernetes-validations[0].rule`. */
  path: string;
  value: string;
  message: string;
}

/** The rules of a schema; undefined where there are none. Problems are told once and such rules left out. */
export function compileRules(schema: JsonSchema): { node: Node | undefined; problems: RuleProblem[] } {
  const problems: RuleProblem[] = [];
  const node = compileNode(schema, { path: '', isRoot: true }, problems);
  return { node, problems };
}

function compileNode(
  schema: JsonSchema,
  at: { path: string; isRoot: boolean },
  problems: RuleProblem[],
): Node | undefined {
  const below = (part: JsonSchema | undefined, path: string): Node | undefined =>
    part === undefined ? undefined : compileNode(part, { path, isRoot: false }, problems);
  const properties = new Map<string, Node>();
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const node = below(property, `${at.path}.properties[${name}]`);
    if (node !== undefined) properties.set(name, node);
  }
  const additional = additionalOf(schema);
  const rest = additional === true ? undefined : below(additional, `${at.path}.additionalProperties`);
  const items = below(schema.items, `${at.path}.items`);
  const type = celTypeOf(schema, at.isRoot) ?? 'dyn';
  const rules = (schema['x-kubernetes-validations'] ?? []).flatMap((rule, i) => {
    const compiled = compileRule(rule, type, `${at.path}.x-kubernetes-validations[${i}]`, problems);
    return compiled === undefined ? [] : [compiled];
  });
  if (rules.length === 0 && properties.size === 0 && rest === undefined && items === undefined) return undefined;
  return { schema, type, rules, properties, rest, items };
}

function compileRule(
  rule: ValidationRule,
  self: CelType,
  path: string,
  problems: RuleProblem[],
): CompiledRule | undefined {
  const oldSelf: CelType = rule.optionalOldSelf === true ? { optional: self } : self;
  const variables = { self, oldSelf };
  const compiled = compile(rule.rule, { variables, result: 'bool' });
  if (!compiled.ok) {
    const message = `compilation failed: ${compiled.errors.map((error) => error.text).join('\n')}`;
    problems.push({ path: `${path}.rule`, value: rule.rule, message });
    return undefined;
  }
  let message: Program | undefined;
  if ((rule.messageExpression ?? '') !== '') {
    const text = compile(rule.messageExpression ?? '', { variables, result: 'string' });
    if (text.ok) message = text.program;
    else {
      const why = `messageExpression compilation failed: ${text.errors.map((error) => error.text).join('\n')}`;
      problems.push({ path: `${path}.messageExpression`, value: rule.messageExpression ?? '', message: why });
    }
  }
  return { rule, program: compiled.program, message, isTransition: compiled.program.uses.has('oldSelf') };
}

interface Budget {
  left: number;
}

interface Run {
  causes: Causes;
  budget: Budget;
}

/** `old` undefined: a create. */
export function checkRules(causes: Causes, root: Node, value: unknown, old: unknown): void {
  checkNode({ causes, budget: { left: RUNTIME_COST_BUDGET } }, root, { value, old, path: '' });
}

interface Place {
  value: unknown;
  old: unknown;
  path: string;
}

function checkNode(run: Run, node: Node, place: Place): void {
  const { value, old, path } = place;
  if (value === null || value === undefined) return;
  for (const rule of node.rules) {
    if (run.budget.left < 0) return;
    checkRule(run, node, rule, place);
  }
  if (Array.isArray(value)) {
    const { items } = node;
    if (items === undefined) return;
    const before = correlateItems(node.schema, old);
    value.forEach((item: unknown, i) => {
      checkNode(run, items, { value: item, old: before(item), path: childPath(path, i) });
    });
    return;
  }
  if (!isRecord(value)) return;
  for (const [key, member] of Object.entries(value)) {
    const inner = node.properties.get(key) ?? node.rest;
    if (inner === undefined || (node.properties.has(key) === false && isNamed(node.schema, key))) continue;
    checkNode(run, inner, { value: member, old: isRecord(old) ? old[key] : undefined, path: childPath(path, key) });
  }
}

/** A property without rules of its own is none of the others either. */
function isNamed(schema: JsonSchema, key: string): boolean {
  return schema.properties !== undefined && Object.hasOwn(schema.properties, key);
}

function checkRule(run: Run, node: Node, compiled: CompiledRule, { value, old, path }: Place): void {
  const { rule, program, isTransition } = compiled;
  const optional = rule.optionalOldSelf === true;
  if (isTransition && old === undefined && !optional) return;
  if (!isTransition && old !== undefined && deepEqual(value, old)) return;
  const bindings: Record<string, CelValue> = { self: fromJson(value, node.type) };
  const before = old === undefined ? undefined : fromJson(old, node.type);
  if (optional) bindings['oldSelf'] = new Optional(before);
  else if (before !== undefined) bindings['oldSelf'] = before;
  const outcome = program.evaluate(bindings, { costLimit: Math.min(PER_CALL_COST_LIMIT, run.budget.left) });
  run.budget.left -= outcome.cost;
  const where = `${path}${rule.fieldPath ?? ''}`.replace(/^\./, '');
  const type = node.schema.type ?? 'object';
  if (outcome.ok) {
    if (outcome.value !== true) run.causes.forReason(rule.reason, where, type, messageOf(run, compiled, bindings));
    return;
  }
  if (outcome.error.kind === 'budget') {
    const text =
      run.budget.left <= 0
        ? 'validation failed due to running out of cost budget, no further validation rules will be run'
        : `call cost exceeds limit for rule: ${rule.rule}`;
    run.causes.invalid(where, type, text);
    if (run.budget.left <= 0) run.budget.left = -1;
    return;
  }
  run.causes.invalid(where, type, `rule evaluation error: ${outcome.error.message} evaluating rule: ${rule.rule}`);
}

/** The expression's text where it yields a fit one, else the message, else the rule. */
function messageOf(run: Run, { rule, message }: CompiledRule, bindings: Record<string, CelValue>): string {
  const fallback = (rule.message ?? '') === '' ? `failed rule: ${rule.rule.trim()}` : (rule.message ?? '');
  if (message === undefined) return fallback;
  const outcome = message.evaluate(bindings, {
    costLimit: Math.max(0, Math.min(PER_CALL_COST_LIMIT, run.budget.left)),
  });
  run.budget.left -= outcome.cost;
  if (!outcome.ok || typeof outcome.value !== 'string') return fallback;
  const text = outcome.value.trim();
  return text === '' || text.includes('\n') || text.length > MESSAGE_LENGTH_MAX ? fallback : text;
}

const MESSAGE_LENGTH_MAX = 5 * 1024;

export type RuleTree = Node;
