/** `pattern` of a schema: a Go regular expression, found anywhere in the text unless it says otherwise. */
import { RegexpProblem, tryRegexp, type Regexp } from '#src/std/re2.ts';

/** Each pattern of a schema is compiled once. */
export class Patterns {
  readonly #compiled = new Map<string, Regexp | undefined>();

  /** A search that would take too long finds nothing. */
  matches(pattern: string, text: string): boolean {
    if (!this.#compiled.has(pattern)) this.#compiled.set(pattern, tryRegexp(pattern));
    try {
      return this.#compiled.get(pattern)?.test(text) ?? false;
    } catch (error) {
      if (error instanceof RegexpProblem) return false;
      throw error;
    }
  }
}
