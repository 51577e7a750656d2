/** Regular expressions in RE2's syntax, charged for by the length of text and pattern. */
import { compileRegexp, RegexpProblem, type Regexp } from '#src/std/re2.ts';
import { CelFailure } from './failure.ts';
import type { CallContext } from './library.ts';

function charge(text: string, pattern: string, context: CallContext): void {
  context.charge(Math.ceil((1 + text.length) * 0.1) * Math.ceil(pattern.length * 0.25));
}

function guarded<T>(pattern: string, use: (regexp: Regexp) => T): T {
  try {
    return use(compileRegexp(pattern));
  } catch (error) {
    if (!(error instanceof RegexpProblem)) throw error;
    throw new CelFailure(`error parsing regexp: ${error.message}: \`${pattern}\``);
  }
}

export function matchesPattern(text: string, pattern: string, context: CallContext): boolean {
  charge(text, pattern, context);
  return guarded(pattern, (regexp) => regexp.test(text));
}

/** The matches in the order they stand; at most `limit`, none for zero, all for less. */
export function findAll(text: string, pattern: string, limit: number, context: CallContext): string[] {
  return guarded(pattern, (regexp) => {
    const found: string[] = [];
    for (let at = 0; at <= text.length && (limit < 0 || found.length < limit);) {
      charge(text.slice(at), pattern, context);
      const match = regexp.find(text, at);
      if (match === undefined) break;
      found.push(text.slice(match.start, match.end));
      // After an empty match the next one begins a character further.
      at = match.end > match.start ? match.end : match.end + ((text.codePointAt(match.end) ?? 0) > 0xffff ? 2 : 1);
    }
    return found;
  });
}
