/** Tokens → Expr, macros included. Nesting and length are bounded; the grammar is that of cel-spec's langdef. */
import { childrenOf, type Expr } from './ast.ts';
import { SyntaxProblem, tokenize, type Token } from './lexer.ts';
import { expandMacro } from './macros.ts';
import { INT_MAX, INT_MIN, Uint, UINT_MAX } from './values.ts';

/** In UTF-16 units; cel-go's limit counts code points. */
export const EXPRESSION_LENGTH_MAX = 100_000;
export const TOKENS_MAX = 50_000;
/** Levels of nesting, chains of operators of one level included. */
export const PARSE_DEPTH_MAX = 250;

const RESERVED: ReadonlySet<string> = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);
const LITERALS = new Map<string, true | false | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const RELATIONS: ReadonlySet<string> = new Set(['<', '<=', '>', '>=', '==', '!=', 'in']);

/** Levels of the tree; evaluation recurses over them. Larger than nesting, since chains nest without brackets. */
const TREE_DEPTH_MAX = 400;

/** Throws SyntaxProblem. */
export function parse(source: string): Expr {
  if (source.length > EXPRESSION_LENGTH_MAX) {
    const text = `expression code point size exceeds limit: size: ${source.length}, limit ${EXPRESSION_LENGTH_MAX}`;
    throw new SyntaxProblem(text, 0);
  }
  const expr = new Parser(tokenize(source, TOKENS_MAX)).whole();
  checkDepth(expr);
  return expr;
}

/** Without recursion, for what it looks for would break it. */
function checkDepth(root: Expr): void {
  let level: Expr[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > TREE_DEPTH_MAX) throw new SyntaxProblem(`max recursion depth exceeded: ${TREE_DEPTH_MAX}`, 0);
    level = level.flatMap(childrenOf);
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expr {
    const expr = this.#expression();
    if (this.#peek().type !== 'end') throw this.#unexpected('expecting <EOF>');
    return expr;
  }

  #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #take(): Token {
    return this.#tokens[this.#next++] as Token;
  }

  #is(text: string): boolean {
    const token = this.#peek();
    if (token.type === 'punctuation') return token.text === text;
    return token.type === 'ident' && text === 'in' && token.text === 'in';
  }

  #accept(text: string): Token | undefined {
    return this.#is(text) ? this.#take() : undefined;
  }

  #expect(text: string): Token {
    return this.#accept(text) ?? this.#fail(`expecting '${text}'`);
  }

  #fail(hint: string): never {
    throw this.#unexpected(hint);
  }

  #unexpected(hint: string): SyntaxProblem {
    const token = this.#peek();
    const shown = 'text' in token ? token.text : 'string literal';
    return new SyntaxProblem(`mismatched input '${shown}' ${hint}`, token.at);
  }

  #deeper(levels = 1): void {
    this.#depth += levels;
    if (this.#depth > PARSE_DEPTH_MAX) {
      throw new SyntaxProblem(`max recursion depth exceeded: ${PARSE_DEPTH_MAX}`, this.#peek().at);
    }
  }

  #expression(): Expr {
    this.#deeper();
    const test = this.#logical('or');
    const mark = this.#accept('?');
    if (mark === undefined) {
      this.#depth--;
      return test;
    }
    const then = this.#logical('or');
    this.#expect(':');
    const otherwise = this.#expression();
    this.#depth--;
    return { op: 'conditional', test, then, otherwise, at: mark.at };
  }

  /** Chains of && and || are one node, however long. */
  #logical(op: 'or' | 'and'): Expr {
    const symbol = op === 'or' ? '||' : '&&';
    const operand = (): Expr => (op === 'or' ? this.#logical('and') : this.#relation());
    const first = operand();
    const at = this.#peek().at;
    if (!this.#is(symbol)) return first;
    const terms = [first];
    while (this.#accept(symbol) !== undefined) terms.push(operand());
    return { op, terms, at };
  }

  /** A chain of left-associative operators; each link is a level of the tree. */
  #chain(operand: () => Expr, isOperator: () => boolean): Expr {
    let left = operand();
    const depth = this.#depth;
    while (isOperator()) {
      this.#deeper();
      const operator = this.#take();
      const name = (operator as { text: string }).text;
      left = { op: 'call', name: `_${name}_`, target: undefined, args: [left, operand()], at: operator.at };
    }
    this.#depth = depth;
    return left;
  }

  #relation(): Expr {
    const isRelation = (): boolean => {
      const token = this.#peek();
      if (token.type !== 'punctuation' && token.type !== 'ident') return false;
      return RELATIONS.has(token.text);
    };
    return this.#chain(() => this.#addition(), isRelation);
  }

  #addition(): Expr {
    return this.#chain(
      () => this.#multiplication(),
      () => this.#is('+') || this.#is('-'),
    );
  }

  #multiplication(): Expr {
    return this.#chain(
      () => this.#unary(),
      () => this.#is('*') || this.#is('/') || this.#is('%'),
    );
  }

  #unary(): Expr {
    for (const symbol of ['!', '-'] as const) {
      const first = this.#accept(symbol);
      if (first === undefined) continue;
      const literal = symbol === '-' ? this.#negativeLiteral(first.at) : undefined;
      if (literal !== undefined) return this.#members(literal);
      let count = 1;
      while (this.#accept(symbol) !== undefined) count++;
      const operand = this.#member();
      // Pairs cancel out, as the grammar's `"!" {"!"}` says.
      if (count % 2 === 0) return operand;
      return { op: 'call', name: `${symbol}_`, target: undefined, args: [operand], at: first.at };
    }
    return this.#member();
  }

  /** -9223372036854775808 has no positive counterpart, so the sign belongs to the literal. */
  #negativeLiteral(at: number): Expr | undefined {
    const token = this.#peek();
    if (token.type !== 'int' && token.type !== 'double') return undefined;
    this.#take();
    return this.#number({ ...token, text: `-${token.text}`, at });
  }

  #member(): Expr {
    return this.#members(this.#primary());
  }

  #members(start: Expr): Expr {
    let operand = start;
    const depth = this.#depth;
    for (;;) {
      const dot = this.#accept('.');
      if (dot !== undefined) {
        this.#deeper();
        operand = this.#afterDot(operand, dot.at);
        continue;
      }
      const bracket = this.#accept('[');
      if (bracket === undefined) break;
      this.#deeper();
      const optional = this.#accept('?') !== undefined;
      const index = this.#expression();
      this.#expect(']');
      operand = { op: 'index', operand, index, optional, at: bracket.at };
    }
    this.#depth = depth;
    return operand;
  }

  #afterDot(operand: Expr, at: number): Expr {
    const optional = this.#accept('?') !== undefined;
    const token = this.#peek();
    if (token.type !== 'ident' && token.type !== 'quoted') return this.#fail('expecting IDENTIFIER');
    if (token.type === 'ident' && (token.text === 'in' || LITERALS.has(token.text))) {
      return this.#fail('expecting IDENTIFIER');
    }
    this.#take();
    if (token.type === 'quoted' || optional || !this.#is('(')) {
      if (token.type === 'ident' && !optional && this.#is('{')) {
        const name = qualifiedName(operand);
        if (name !== undefined) return this.#struct(`${name}.${token.text}`, at);
      }
      return { op: 'select', operand, field: token.text, optional, at };
    }
    this.#take();
    const args = this.#arguments(')');
    return (
      expandMacro({ name: token.text, target: operand, args, at: token.at }) ?? {
        op: 'call',
        name: token.text,
        target: operand,
        args,
        at: token.at,
      }
    );
  }

  #arguments(close: string): Expr[] {
    const args: Expr[] = [];
    if (this.#accept(close) !== undefined) return args;
    for (;;) {
      args.push(this.#expression());
      if (this.#accept(close) !== undefined) return args;
      this.#expect(',');
    }
  }

  #primary(): Expr {
    const token = this.#peek();
    switch (token.type) {
      case 'int':
      case 'uint':
      case 'double':
        this.#take();
        return this.#number(token);
      case 'string':
      case 'bytes':
        this.#take();
        return { op: 'const', value: token.value, at: token.at };
      case 'ident':
        return this.#identifier('');
    }
    if (this.#accept('(') !== undefined) {
      const inner = this.#expression();
      this.#expect(')');
      return inner;
    }
    if (this.#accept('[') !== undefined) return this.#list(token.at);
    if (this.#accept('{') !== undefined) return this.#map(token.at);
    if (this.#accept('.') !== undefined) {
      if (this.#peek().type !== 'ident') return this.#fail('expecting IDENTIFIER');
      return this.#identifier('.');
    }
    return this.#fail("expecting {'[', '{', '(', '.', '-', '!', literal, IDENTIFIER}");
  }

  #identifier(root: string): Expr {
    const { text: name, at } = this.#take() as { text: string; at: number };
    if (root === '' && LITERALS.has(name)) return { op: 'const', value: LITERALS.get(name) ?? null, at };
    if (RESERVED.has(name)) throw new SyntaxProblem(`reserved identifier: ${name}`, at);
    if (name === 'in') throw new SyntaxProblem("mismatched input 'in'", at);
    if (this.#is('{')) return this.#struct(name, at);
    if (this.#accept('(') === undefined) return { op: 'ident', name, at };
    const args = this.#arguments(')');
    return expandMacro({ name, target: undefined, args, at }) ?? { op: 'call', name, target: undefined, args, at };
  }

  #list(at: number): Expr {
    const items: { value: Expr; optional: boolean }[] = [];
    while (this.#accept(']') === undefined) {
      const optional = this.#accept('?') !== undefined;
      items.push({ value: this.#expression(), optional });
      if (this.#accept(',') === undefined && !this.#is(']')) this.#fail("expecting {',', ']'}");
    }
    return { op: 'list', items, at };
  }

  #map(at: number): Expr {
    const entries: { key: Expr; value: Expr; optional: boolean }[] = [];
    while (this.#accept('}') === undefined) {
      const optional = this.#accept('?') !== undefined;
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (this.#accept(',') === undefined && !this.#is('}')) this.#fail("expecting {',', '}'}");
    }
    return { op: 'map', entries, at };
  }

  #struct(typeName: string, at: number): Expr {
    this.#expect('{');
    const fields: { name: string; value: Expr; optional: boolean }[] = [];
    while (this.#accept('}') === undefined) {
      const optional = this.#accept('?') !== undefined;
      const token = this.#peek();
      if (token.type !== 'ident' && token.type !== 'quoted') return this.#fail('expecting IDENTIFIER');
      this.#take();
      this.#expect(':');
      fields.push({ name: token.text, value: this.#expression(), optional });
      if (this.#accept(',') === undefined && !this.#is('}')) this.#fail("expecting {',', '}'}");
    }
    return { op: 'struct', typeName, fields, at };
  }

  #number(token: { type: string; text: string; at: number }): Expr {
    const { text, at } = token;
    if (token.type === 'double') {
      const value = Number(text);
      if (!Number.isFinite(value)) throw new SyntaxProblem('invalid double literal', at);
      return { op: 'const', value, at };
    }
    const negative = text.startsWith('-');
    const digits = text.replace(/^-/, '').replace(/[uU]$/, '');
    const magnitude = BigInt(/^0x/i.test(digits) ? digits : digits.replace(/^0+(?=\d)/, ''));
    const value = negative ? -magnitude : magnitude;
    if (token.type === 'uint') {
      if (value > UINT_MAX) throw new SyntaxProblem('invalid uint literal', at);
      return { op: 'const', value: new Uint(value), at };
    }
    if (value > INT_MAX || value < INT_MIN) throw new SyntaxProblem('invalid int literal', at);
    return { op: 'const', value, at };
  }
}

/** `a.b.c` as text, when it is nothing but names. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.op === 'ident') return expr.name;
  if (expr.op !== 'select' || expr.optional) return undefined;
  const operand = qualifiedName(expr.operand);
  return operand === undefined ? undefined : `${operand}.${expr.field}`;
}
