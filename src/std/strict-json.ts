/**
 * JSON as the API takes it: duplicate keys are reported with their path, integers are exact or refused, nesting is
 * bounded, bytes must be UTF-8, and objects have no prototype, so that a key `__proto__` is only a key.
 */
import { Fault, messageOf } from './fault.ts';

export interface ParsedJson {
  /** Objects have a null prototype. The last of repeated members wins. */
  value: unknown;
  /** Paths of repeated keys, each once: `spec.replicas`, `spec.containers[0].name`. At most JSON_DUPLICATES_MAX. */
  duplicates: string[];
}

/** Levels of nesting; no API object needs more than about thirty. */
export const JSON_DEPTH_MAX = 1000;
export const JSON_DUPLICATES_MAX = 100;

/**
 * Faults: JSON_SYNTAX (message holds the position in characters), JSON_UTF8, JSON_DEPTH, and JSON_NUMBER_RANGE for an
 * integer past 2^53, which a number would silently round, or a number that is no finite double.
 */
export function parseStrictJson(input: Uint8Array | string): ParsedJson {
  const scanner = new Scanner(typeof input === 'string' ? input : decodeUtf8(input));
  return { value: scanner.document(), duplicates: scanner.duplicates };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Fault('JSON_UTF8', `the text is not valid UTF-8: ${messageOf(error)}`, 'never', error);
  }
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Scanner {
  readonly duplicates: string[] = [];
  readonly #text: string;
  #at = 0;
  /** Keys and indexes from the root to here; its length is the depth. */
  readonly #path: (string | number)[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#syntax('text after the end of the value');
    return value;
  }

  #value(): unknown {
    this.#skipSpace();
    const code = this.#text.charCodeAt(this.#at);
    if (code === QUOTE) return this.#string();
    if (code === OPEN_BRACE) return this.#object();
    if (code === OPEN_BRACKET) return this.#array();
    if (code === 0x74) return this.#word('true', true);
    if (code === 0x66) return this.#word('false', false);
    if (code === 0x6e) return this.#word('null', null);
    return this.#number();
  }

  #object(): Record<string, unknown> {
    const object = { __proto__: null } as unknown as Record<string, unknown>;
    this.#descend();
    this.#at++;
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) === CLOSE_BRACE) {
      this.#at++;
      this.#path.pop();
      return object;
    }
    for (;;) {
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== QUOTE) throw this.#syntax('expected a key in double quotes');
      const key = this.#string();
      this.#path[this.#path.length - 1] = key;
      if (key in object) this.#noteDuplicate();
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== COLON) throw this.#syntax("expected ':' after a key");
      this.#at++;
      object[key] = this.#value();
      if (this.#endOfItem(CLOSE_BRACE, "expected ',' or '}'")) return object;
    }
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#descend();
    this.#at++;
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) === CLOSE_BRACKET) {
      this.#at++;
      this.#path.pop();
      return array;
    }
    for (;;) {
      this.#path[this.#path.length - 1] = array.length;
      array.push(this.#value());
      if (this.#endOfItem(CLOSE_BRACKET, "expected ',' or ']'")) return array;
    }
  }

  /** After an item: true at the closing character, false at a comma. */
  #endOfItem(close: number, expected: string): boolean {
    this.#skipSpace();
    const code = this.#text.charCodeAt(this.#at);
    if (code !== close && code !== COMMA) throw this.#syntax(expected);
    this.#at++;
    if (code === COMMA) return false;
    this.#path.pop();
    return true;
  }

  #descend(): void {
    if (this.#path.length >= JSON_DEPTH_MAX) {
      throw new Fault('JSON_DEPTH', `the JSON is nested deeper than ${JSON_DEPTH_MAX} levels`, 'never');
    }
    this.#path.push('');
  }

  #string(): string {
    const start = ++this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) return this.#text.slice(start, this.#at++);
      if (code === BACKSLASH) return this.#escapedString(start);
      if (code < SPACE) throw this.#syntax('control character in a string');
      if (Number.isNaN(code)) throw this.#syntax('the string does not end');
      this.#at++;
    }
  }

  /** From the first backslash on; what came before is already scanned. */
  #escapedString(start: number): string {
    let result = this.#text.slice(start, this.#at);
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) {
        this.#at++;
        // A lone surrogate cannot be written as UTF-8 again; Go reads it as U+FFFD too.
        return result.toWellFormed();
      }
      if (code < SPACE) throw this.#syntax('control character in a string');
      if (Number.isNaN(code)) throw this.#syntax('the string does not end');
      if (code === BACKSLASH) result += this.#escape();
      else result += this.#text[this.#at++] ?? '';
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'u') {
      HEX4.lastIndex = this.#at + 2;
      const hex = HEX4.exec(this.#text)?.[0];
      if (hex === undefined) throw this.#syntax('\\u without four hex digits');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const escaped = ESCAPES[letter];
    if (escaped === undefined) throw this.#syntax('unknown escape in a string');
    this.#at += 2;
    return escaped;
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) {
      throw this.#syntax(this.#at < this.#text.length ? 'expected a value' : 'the text ends before a value');
    }
    const text = match[0];
    const value = Number(text);
    const isInteger = match[1] === undefined && match[2] === undefined;
    if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
      const where = this.#pathText() || 'the document';
      throw new Fault('JSON_NUMBER_RANGE', `${where}: the number ${text} cannot be kept exactly`, 'never');
    }
    this.#at += text.length;
    return value === 0 ? 0 : value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#syntax('expected a value');
    this.#at += word.length;
    return value;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #noteDuplicate(): void {
    const path = this.#pathText();
    if (this.duplicates.length < JSON_DUPLICATES_MAX && !this.duplicates.includes(path)) this.duplicates.push(path);
  }

  #pathText(): string {
    let path = '';
    for (const step of this.#path) {
      if (typeof step === 'number') path += `[${step}]`;
      else path += path === '' ? step : `.${step}`;
    }
    return path;
  }

  #syntax(problem: string): Fault {
    const found = this.#at < this.#text.length ? JSON.stringify(this.#text[this.#at]) : 'the end';
    return new Fault('JSON_SYNTAX', `position ${this.#at}: ${problem}, found ${found}`, 'never');
  }
}
