/** Text → tokens. Problems are thrown as SyntaxProblem and become values at the front door. */

export class SyntaxProblem extends Error {
  override readonly name = 'SyntaxProblem';
  readonly at: number;
  constructor(message: string, at: number) {
    super(`Syntax error: ${message}`);
    this.at = at;
  }
}

export type Token =
  | { readonly type: 'int' | 'uint' | 'double'; readonly text: string; readonly at: number }
  | { readonly type: 'string'; readonly value: string; readonly at: number }
  | { readonly type: 'bytes'; readonly value: Uint8Array; readonly at: number }
  | { readonly type: 'ident' | 'quoted' | 'punctuation' | 'end'; readonly text: string; readonly at: number };

const SPACE = /(?:[ \t\r\n\f]+|\/\/[^\n]*)*/y;
const NUMBER = /0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?/y;
const IDENT = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const QUOTED = /`[a-zA-Z0-9_.\-/ ]+`/y;
const PUNCTUATION = /&&|\|\||[<>=!]=|[-+*/%<>!?:.,()[\]{}]/y;
const STRING_START = /(?:[rR][bB]?|[bB][rR]?)?("""|'''|"|')/y;

/** At most `limit` tokens, so that hostile texts stay cheap. */
export function tokenize(source: string, limit: number): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  for (;;) {
    at += take(SPACE)?.length ?? 0;
    if (tokens.length > limit) throw new SyntaxProblem(`expression has more than ${limit} tokens`, at);
    if (at >= source.length) {
      tokens.push({ type: 'end', text: '<EOF>', at: source.length });
      return tokens;
    }
    const start = take(STRING_START);
    if (start !== undefined) {
      const read = readString(source, at, start);
      tokens.push(read.token);
      at = read.end;
      continue;
    }
    const number = take(NUMBER);
    if (number !== undefined) {
      const hex = /^0x/i.test(number);
      const type = /[uU]$/.test(number) ? 'uint' : !hex && /[.eE]/.test(number) ? 'double' : 'int';
      tokens.push({ type, text: number, at });
      at += number.length;
      continue;
    }
    const ident = take(IDENT);
    const quoted = ident === undefined ? take(QUOTED) : undefined;
    const punctuation = take(PUNCTUATION);
    const text = ident ?? quoted ?? punctuation;
    if (text === undefined) {
      const shown = String.fromCodePoint(source.codePointAt(at) as number);
      throw new SyntaxProblem(`token recognition error at: '${shown}'`, at);
    }
    const type = ident !== undefined ? 'ident' : quoted !== undefined ? 'quoted' : 'punctuation';
    tokens.push({ type, text: quoted === undefined ? text : text.slice(1, -1), at });
    at += text.length;
  }
}

function readString(source: string, at: number, start: string): { token: Token; end: number } {
  const quote = /["']+$/.exec(start)?.[0] as string;
  const prefix = start.slice(0, start.length - quote.length).toLowerCase();
  const raw = prefix.includes('r');
  const isBytes = prefix.includes('b');
  const units: (string | number)[] = [];
  let i = at + start.length;
  for (;;) {
    if (i >= source.length || (quote.length === 1 && /[\r\n]/.test(source[i] as string))) {
      throw new SyntaxProblem('unterminated string literal', at);
    }
    if (source.startsWith(quote, i)) break;
    if (source[i] !== '\\' || raw) {
      // In a raw string a backslash is a character like others; even one before a quote does not save it.
      const character = String.fromCodePoint(source.codePointAt(i) as number);
      units.push(character);
      i += character.length;
      continue;
    }
    const escape = readEscape(source, i, isBytes);
    units.push(escape.unit);
    i = escape.end;
  }
  const end = i + quote.length;
  if (!isBytes) return { token: { type: 'string', value: units.join(''), at }, end };
  const encoder = new TextEncoder();
  const bytes = units.flatMap((unit) => (typeof unit === 'number' ? [unit] : [...encoder.encode(unit)]));
  return { token: { type: 'bytes', value: Uint8Array.from(bytes), at }, end };
}

const SIMPLE: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  "'": "'",
  '\\': '\\',
  '?': '?',
  '`': '`',
};
const CODED = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

function readEscape(source: string, at: number, isBytes: boolean): { unit: string | number; end: number } {
  const next = source[at + 1] ?? '';
  if (Object.hasOwn(SIMPLE, next)) return { unit: SIMPLE[next] as string, end: at + 2 };
  CODED.lastIndex = at;
  const match = CODED.exec(source);
  if (match === null) throw new SyntaxProblem(`invalid escape sequence '\\${next}' in string literal`, at);
  const end = at + match[0].length;
  const octal = match[4];
  const digits = match[1] ?? match[2] ?? match[3];
  const code = octal === undefined ? Number.parseInt(digits as string, 16) : Number.parseInt(octal, 8);
  const isUnicode = match[2] !== undefined || match[3] !== undefined;
  if (isBytes) {
    if (isUnicode) throw new SyntaxProblem('unicode escape in a bytes literal', at);
    return { unit: code, end };
  }
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw new SyntaxProblem(`invalid unicode code point ${match[0]}`, at);
  }
  return { unit: String.fromCodePoint(code), end };
}
