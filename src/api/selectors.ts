/** Label and field selectors: text or object → matcher. */
import { ApiError } from './api-error.ts';
import type { Kind } from './kinds.ts';
import { isLabelValue, isQualifiedName } from './names.ts';
import type { KubeObject } from './object.ts';
import type { LabelSelector } from './objects.ts';

export interface Requirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  values: string[];
}

export interface LabelMatcher {
  readonly requirements: readonly Requirement[];
  /** True for the empty selector. */
  readonly everything: boolean;
  matches(labels: Record<string, string> | undefined): boolean;
}

export interface FieldMatcher {
  readonly everything: boolean;
  /** The value a path is required to equal, e.g. to answer `metadata.name=x` with one get. */
  exact(path: string): string | undefined;
  matches(object: KubeObject): boolean;
}

/** Characters of a selector; far beyond any real one. */
export const SELECTOR_LENGTH_MAX = 16_384;

function labelMatcher(requirements: Requirement[]): LabelMatcher {
  return {
    requirements,
    everything: requirements.length === 0,
    matches: (labels) => requirements.every((requirement) => meets(requirement, labels)),
  };
}

const NOTHING: LabelMatcher = { requirements: [], everything: false, matches: () => false };

function meets({ key, operator, values }: Requirement, labels: Record<string, string> | undefined): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const difference = Number(value) - Number(values[0]);
      return operator === 'Gt' ? difference > 0 : difference < 0;
    }
  }
}

const TOKEN = /\s*(,|\(|\)|!=|==|=|!|<|>|[^\s,()!=<>]+)/y;

/** `a=b,c in (d,e),!f`. ApiError 400 in Kubernetes' words. */
export function parseLabelSelector(text: string | undefined): LabelMatcher {
  if (text === undefined || text.trim() === '') return labelMatcher([]);
  const parser = new LabelParser(text);
  return labelMatcher(parser.requirements());
}

class LabelParser {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    if (text.length > SELECTOR_LENGTH_MAX) throw unable(`a selector of ${text.length} characters is too long`);
    TOKEN.lastIndex = 0;
    const whole = text.trimEnd();
    while (TOKEN.lastIndex < whole.length) {
      const token = TOKEN.exec(whole)?.[1];
      if (token === undefined) throw unable(`couldn't parse the selector string "${text}"`);
      this.#tokens.push(token);
    }
  }

  requirements(): Requirement[] {
    const list: Requirement[] = [];
    for (;;) {
      list.push(this.#requirement());
      const token = this.#next();
      if (token === undefined) return list;
      if (token !== ',') throw unable(`found '${token}', expected: ',' or 'end of string'`);
      if (this.#tokens[this.#at] === undefined) throw unable("found '', expected: identifier after ','");
    }
  }

  #next(): string | undefined {
    return this.#tokens[this.#at++];
  }

  #requirement(): Requirement {
    let negated = false;
    let key = this.#next();
    if (key === '!') {
      negated = true;
      key = this.#next();
    }
    if (key === undefined || /^[,()!=<>]/.test(key))
      throw unable(`found '${key ?? ''}', expected: !, identifier, or 'end of string'`);
    checkKey(key);
    const after = this.#tokens[this.#at];
    if (negated || after === undefined || after === ',') {
      return { key, operator: negated ? 'DoesNotExist' : 'Exists', values: [] };
    }
    this.#at++;
    switch (after) {
      case '=':
      case '==':
        return checkValues({ key, operator: 'In', values: [this.#value()] });
      case '!=':
        return checkValues({ key, operator: 'NotIn', values: [this.#value()] });
      case 'in':
        return checkValues({ key, operator: 'In', values: this.#values() });
      case 'notin':
        return checkValues({ key, operator: 'NotIn', values: this.#values() });
      case '<':
      case '>': {
        const value = this.#value();
        if (!/^-?\d+$/.test(value))
          throw unable(
            `values[0][${key}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        return { key, operator: after === '>' ? 'Gt' : 'Lt', values: [value] };
      }
      default:
        throw unable(`found '${after}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  /** The value after `=`; it may be missing, which is the empty value. */
  #value(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || token === ',') return '';
    if (/^[()!=<>]/.test(token)) throw unable(`found '${token}', expected: identifier`);
    this.#at++;
    return token;
  }

  #values(): string[] {
    const open = this.#next();
    if (open !== '(') throw unable(`found '${open ?? ''}', expected: '('`);
    const values: string[] = [];
    for (;;) {
      const token = this.#next();
      if (token === ')') return values.length === 0 ? [''] : values;
      if (token === ',') values.push('');
      else if (token === undefined || /^[(!=<>]/.test(token))
        throw unable(`found '${token ?? ''}', expected: ',', ')' or identifier`);
      else {
        values.push(token);
        const separator = this.#next();
        if (separator === ')') return values;
        if (separator !== ',') throw unable(`found '${separator ?? ''}', expected: ',' or ')'`);
        if (this.#tokens[this.#at] === ')') values.push('');
      }
    }
  }
}

function checkKey(key: string): void {
  const problems = isQualifiedName(key);
  if (problems.length > 0) throw unable(`key: Invalid value: "${key}": ${problems.join('; ')}`);
}

function checkValues(requirement: Requirement): Requirement {
  requirement.values.forEach((value, index) => {
    const problems = isLabelValue(value);
    if (problems.length > 0) {
      throw unable(`values[${index}][${requirement.key}]: Invalid value: "${value}": ${problems.join('; ')}`);
    }
  });
  return requirement;
}

function unable(problem: string): ApiError {
  return new ApiError(400, 'BadRequest', `unable to parse requirement: ${problem}`);
}

/** A LabelSelector object; undefined matches nothing, `{}` everything. ApiError 400 for an unknown operator. */
export function labelSelectorMatcher(selector: LabelSelector | undefined): LabelMatcher {
  if (selector === undefined) return NOTHING;
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist') {
      throw new ApiError(400, 'BadRequest', `"${operator}" is not a valid label selector operator`);
    }
    requirements.push({ key, operator, values: values ?? [] });
  }
  return labelMatcher(requirements);
}

/** A plain map (`spec.selector` of a Service). Empty matches everything; the caller decides otherwise. */
export function labelMapMatcher(labels: Record<string, string>): LabelMatcher {
  return labelSelectorMatcher({ matchLabels: labels });
}

/** A LabelSelector as text (`a=b,c in (d,e)`), as in Scale.status.selector; empty when it selects all, or is absent. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  if (selector === undefined) return '';
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => [key, `${key}=${value}`] as const);
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    const list = `(${[...(values ?? [])].sort().join(',')})`;
    if (operator === 'In') return [key, `${key} in ${list}`] as const;
    if (operator === 'NotIn') return [key, `${key} notin ${list}`] as const;
    return [key, operator === 'Exists' ? key : `!${key}`] as const;
  });
  const all = [...parts, ...expressions].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return all.map(([, text]) => text).join(',');
}

/** `a=b,c=d`; empty for no labels. */
export function formatLabels(labels: Record<string, string> | undefined): string {
  return formatLabelSelector({ matchLabels: labels ?? {} });
}

interface FieldTerm {
  path: string;
  equal: boolean;
  value: string;
}

/** `status.phase=Running,spec.nodeName!=n1`; paths the kind does not offer are ApiError 400. */
export function parseFieldSelector(kind: Kind, text: string | undefined): FieldMatcher {
  const terms = splitTerms(text ?? '').map((term) => parseFieldTerm(kind, term, text ?? ''));
  return {
    everything: terms.length === 0,
    exact: (path) => terms.find((term) => term.equal && term.path === path)?.value,
    matches: (object) => terms.every((term) => (fieldValue(object, term.path) === term.value) === term.equal),
  };
}

/** At commas; a backslash keeps the next character as it is. */
function splitTerms(text: string): string[] {
  if (text.length > SELECTOR_LENGTH_MAX)
    throw new ApiError(400, 'BadRequest', `a field selector of ${text.length} characters is too long`);
  return [...text.matchAll(/(?:\\.|[^,\\])+/gs)].map((match) => match[0]).filter((term) => term !== '');
}

function parseFieldTerm(kind: Kind, term: string, text: string): FieldTerm {
  const match = /^((?:\\.|[^=!\\])*)(==|!=|=)(.*)$/s.exec(term);
  if (match === null) {
    throw new ApiError(400, 'BadRequest', `invalid selector: '${text}'; can't understand '${term}'`);
  }
  const [, path = '', operator, raw = ''] = match;
  const known =
    kind.selectableFields.includes(path) ||
    path === 'metadata.name' ||
    (path === 'metadata.namespace' && kind.namespaced);
  if (!known) throw new ApiError(400, 'BadRequest', `field label not supported: ${path}`);
  return { path, equal: operator !== '!=', value: raw.replaceAll(/\\(.)/gs, '$1') };
}

/** The text that a selector compares: absent is empty, except where the kind's zero value has a text. */
export function fieldValue(object: KubeObject, path: string): string {
  // Event's `source` selects on its component (or, for newer reporters, the controller).
  if (path === 'source') {
    const { source, reportingComponent } = object as { source?: { component?: string }; reportingComponent?: string };
    return source?.component || reportingComponent || '';
  }
  if (path === 'status.podIPs') {
    const status = (object as { status?: { podIPs?: { ip?: string }[] } }).status;
    return (status?.podIPs ?? []).map(({ ip }) => ip ?? '').join(',');
  }
  let value: unknown = object;
  // A Job selects on a number that its status calls otherwise.
  for (const step of (path === 'status.successful' ? 'status.succeeded' : path).split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) {
      value = undefined;
      break;
    }
    value = (value as Record<string, unknown>)[step];
  }
  if (value === undefined || value === null) return ZERO_TEXTS[path] ?? '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}

const ZERO_TEXTS: Record<string, string> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
  'status.replicas': '0',
  'status.successful': '0',
};
