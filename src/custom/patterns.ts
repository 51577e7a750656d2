/** `pattern` of a schema: a Go regular expression, found anywhere in the text unless it says otherwise. */

/** Longer patterns are refused with the definition. */
export const PATTERN_LENGTH_MAX = 4096;

/** undefined when it cannot be read. */
export function compileGoPattern(pattern: string): RegExp | undefined {
  if (pattern.length > PATTERN_LENGTH_MAX) return undefined;
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const rest = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
  for (const mode of ['u', '']) {
    try {
      return new RegExp(rest, `${mode}${flags?.[1] ?? ''}`);
    } catch {
      // Go allows escapes that unicode mode refuses (`\-`, `\_`): tried again without it.
    }
  }
  return undefined;
}

/** Texts longer than this are not searched: a pattern may backtrack. */
const SEARCHED_LENGTH_MAX = 256 * 1024;

/** Each pattern of a schema is compiled once. */
export class Patterns {
  readonly #compiled = new Map<string, RegExp | undefined>();

  matches(pattern: string, text: string): boolean {
    if (text.length > SEARCHED_LENGTH_MAX) return false;
    if (!this.#compiled.has(pattern)) this.#compiled.set(pattern, compileGoPattern(pattern));
    return this.#compiled.get(pattern)?.test(text) ?? false;
  }
}
