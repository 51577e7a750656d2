/** Regular expressions in RE2's syntax, compiled once each and charged for by length. */
import { CelFailure } from './failure.ts';
import type { CallContext } from './library.ts';

const CHARS_MAX = 1000;

function compilePattern(pattern: string): RegExp {
  if (pattern.length > CHARS_MAX) throw new CelFailure(`the pattern is longer than ${CHARS_MAX} characters`);
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const rest = pattern.slice(flags?.[0].length ?? 0).replaceAll('(?P<', '(?<');
  try {
    return new RegExp(rest, `u${flags?.[1] ?? ''}`);
  } catch {
    throw new CelFailure(`error parsing regexp: \`${pattern}\``);
  }
}

function charge(text: string, pattern: string, context: CallContext): void {
  context.charge(Math.ceil((1 + text.length) * 0.1) * Math.ceil(pattern.length * 0.25));
}

export function matchesPattern(text: string, pattern: string, context: CallContext): boolean {
  charge(text, pattern, context);
  return compilePattern(pattern).test(text);
}

/** The matches in the order they stand; at most `limit`, none for zero, all for less. */
export function findAll(text: string, pattern: string, limit: number, context: CallContext): string[] {
  charge(text, pattern, context);
  const compiled = compilePattern(pattern);
  const found: string[] = [];
  for (const match of text.matchAll(new RegExp(compiled, `${compiled.flags}g`))) {
    if (limit >= 0 && found.length >= limit) break;
    found.push(match[0]);
  }
  return found;
}
