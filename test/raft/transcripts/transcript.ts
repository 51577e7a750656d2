/**
 * A transcript: comment lines, commands at the margin, and below each, indented, what was seen. Replaying it
 * must show the same; with KONTIKI_REWRITE=1 what is seen takes its place (and a reader says whether it is right).
 */
import { messageOf } from '#src/std/fault.ts';

export interface Interpreter {
  run(line: string): string[];
}

/** The text with what is seen now. Throws with the line of a command that fails. */
export function replay(text: string, interpreter: Interpreter): string {
  const result: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.startsWith('  ')) continue;
    result.push(line);
    if (line === '' || line.startsWith('#')) continue;
    try {
      result.push(...interpreter.run(line).map((seen) => `  ${seen}`));
    } catch (error) {
      const before = result.slice(-20).join('\n');
      throw new Error(`line ${at + 1}, '${line}': ${messageOf(error)}\nafter\n${before}`, { cause: error });
    }
  }
  return result.join('\n');
}
