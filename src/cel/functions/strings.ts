/** Strings: the language's own functions and the strings extension. Positions count code points. */
import { CelFailure } from '../failure.ts';
import { formatText } from '../format.ts';
import { count, type CallContext, type Definitions } from '../library.ts';
import { matchesPattern } from '../patterns.ts';
import type { CelMap, CelValue } from '../values.ts';

/** Text made by one call; a join or a replacement may not multiply without end. */
const RESULT_LENGTH_MAX = 8 * 1024 * 1024;

const SURROGATE = /[\ud800-\udfff]/;

/** Code points; cheap where each is one unit. */
function points(text: string): string | readonly string[] {
  return SURROGATE.test(text) ? Array.from(text) : text;
}

function joined(part: string | readonly string[]): string {
  return typeof part === 'string' ? part : part.join('');
}

/** What looking at each character costs. */
function traverse(context: CallContext, ...texts: readonly CelValue[]): void {
  let length = 0;
  for (const text of texts) if (typeof text === 'string') length += text.length;
  context.charge(Math.ceil(0.1 * length));
}

function bounded(text: string, context: CallContext): string {
  context.charge(Math.ceil(0.1 * text.length));
  return text;
}

function checkLength(length: number): void {
  if (length > RESULT_LENGTH_MAX) throw new CelFailure(`the result is longer than ${RESULT_LENGTH_MAX} characters`);
}

function at(text: readonly string[] | string, index: CelValue | undefined, what: string): number {
  const position = count(index);
  if (position < 0 || position > text.length) throw new CelFailure(`${what} out of range: ${position}`);
  return position;
}

function substring(text: string, from: CelValue | undefined, to: CelValue | undefined): string {
  const characters = points(text);
  const start = at(characters, from, 'index');
  const end = to === undefined ? characters.length : at(characters, to, 'index');
  if (start > end) throw new CelFailure(`invalid substring range. start: ${start}, end: ${end}`);
  return joined(characters.slice(start, end));
}

/** Position in code points of a position in units. */
function pointIndex(text: string, unit: number): bigint {
  return BigInt(unit < 0 ? -1 : SURROGATE.test(text) ? Array.from(text.slice(0, unit)).length : unit);
}

function unitIndex(text: string, point: number): number {
  return SURROGATE.test(text) ? Array.from(text).slice(0, point).join('').length : point;
}

function indexOf(text: string, wanted: string, from: CelValue | undefined): bigint {
  const start = from === undefined ? 0 : at(points(text), from, 'index');
  return pointIndex(text, text.indexOf(wanted, unitIndex(text, start)));
}

function lastIndexOf(text: string, wanted: string, from: CelValue | undefined): bigint {
  const start = from === undefined ? undefined : at(points(text), from, 'index');
  return pointIndex(text, text.lastIndexOf(wanted, start === undefined ? undefined : unitIndex(text, start)));
}

function split(text: string, separator: string, limit: number): string[] {
  if (limit === 0) return [];
  const parts = separator === '' ? Array.from(text) : text.split(separator);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

function replace(text: string, [from, to]: [string, string], limit: number): string {
  const parts = split(text, from, limit < 0 ? -1 : limit + 1);
  // An empty pattern stands before each character and at the end.
  const made =
    from !== '' ? parts : limit < 0 || limit > parts.length ? ['', ...parts, ''] : ['', ...split(text, '', limit)];
  checkLength(text.length + to.length * made.length);
  return made.join(to);
}

function join(items: readonly CelValue[], separator: string): string {
  const texts = items.map((item) => {
    if (typeof item !== 'string') throw new CelFailure('no such overload: join needs strings');
    return item;
  });
  checkLength(texts.reduce((length, item) => length + item.length + separator.length, 0));
  return texts.join(separator);
}

/** Only ASCII letters change, as the names of the functions say. */
const lower = (text: string): string => text.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase());
const upper = (text: string): string => text.replaceAll(/[a-z]+/g, (part) => part.toUpperCase());

const QUOTED: Record<string, string> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

const quote = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  `"${text.toWellFormed().replaceAll(/[\x07\b\f\n\r\t\v\\"]/g, (character) => QUOTED[character] as string)}"`;

const text = (value: CelValue | undefined): string => value as string;

export const strings: Definitions = {
  'size(string): int': ([a]) => BigInt(points(text(a)).length),
  'string.size(): int': ([a]) => BigInt(points(text(a)).length),
  'size(bytes): int': ([a]) => BigInt((a as Uint8Array).length),
  'bytes.size(): int': ([a]) => BigInt((a as Uint8Array).length),
  'size(list<A>): int': ([a]) => BigInt((a as readonly CelValue[]).length),
  'list<A>.size(): int': ([a]) => BigInt((a as readonly CelValue[]).length),
  'size(map<A, B>): int': ([a]) => BigInt((a as CelMap).size),
  'map<A, B>.size(): int': ([a]) => BigInt((a as CelMap).size),
  'string.contains(string): bool': ([a, b], context) => {
    traverse(context, text(a));
    return text(a).includes(text(b));
  },
  'string.startsWith(string): bool': ([a, b], context) => {
    traverse(context, text(b));
    return text(a).startsWith(text(b));
  },
  'string.endsWith(string): bool': ([a, b], context) => {
    traverse(context, text(b));
    return text(a).endsWith(text(b));
  },
  'string.matches(string): bool': ([a, b], context) => matchesPattern(text(a), text(b), context),
  'matches(string, string): bool': ([a, b], context) => matchesPattern(text(a), text(b), context),
  'string.charAt(int): string': ([a, b]) => {
    const characters = points(text(a));
    return characters[at(characters, b, 'index')] ?? '';
  },
  'string.indexOf(string): int': ([a, b], context) => {
    traverse(context, text(a));
    return indexOf(text(a), text(b), undefined);
  },
  'string.indexOf(string, int): int': ([a, b, c], context) => {
    traverse(context, text(a));
    return indexOf(text(a), text(b), c);
  },
  'string.lastIndexOf(string): int': ([a, b], context) => {
    traverse(context, text(a));
    return lastIndexOf(text(a), text(b), undefined);
  },
  'string.lastIndexOf(string, int): int': ([a, b, c], context) => {
    traverse(context, text(a));
    return lastIndexOf(text(a), text(b), c);
  },
  'string.lowerAscii(): string': ([a], context) => bounded(lower(text(a)), context),
  'string.upperAscii(): string': ([a], context) => bounded(upper(text(a)), context),
  'string.trim(): string': ([a], context) => bounded(text(a).trim(), context),
  'string.reverse(): string': ([a], context) => bounded(Array.from(text(a)).reverse().join(''), context),
  'string.substring(int): string': ([a, b], context) => bounded(substring(text(a), b, undefined), context),
  'string.substring(int, int): string': ([a, b, c], context) => bounded(substring(text(a), b, c), context),
  'string.replace(string, string): string': ([a, b, c], context) =>
    bounded(replace(text(a), [text(b), text(c)], -1), context),
  'string.replace(string, string, int): string': ([a, b, c, n], context) =>
    bounded(replace(text(a), [text(b), text(c)], count(n)), context),
  'string.split(string): list<string>': ([a, b], context) => {
    traverse(context, text(a));
    return split(text(a), text(b), -1);
  },
  'string.split(string, int): list<string>': ([a, b, n], context) => {
    traverse(context, text(a));
    return split(text(a), text(b), count(n));
  },
  'list<string>.join(): string': ([a], context) => bounded(join(a as readonly CelValue[], ''), context),
  'list<string>.join(string): string': ([a, b], context) => bounded(join(a as readonly CelValue[], text(b)), context),
  'strings::quote(string): string': ([a], context) => bounded(quote(text(a)), context),
  'string.format(list<dyn>): string': ([a, b], context) =>
    bounded(formatText(text(a), b as readonly CelValue[]), context),
};
