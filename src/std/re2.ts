/**
 * Regular expressions in RE2's syntax and in time linear in the text: patterns and texts come from users, and one that
 * backtracks could hold the event loop for ever. A Pike machine: all ways to match advance together, a character at a time.
 */
import { compileProgram, EDGE, RegexpProblem, type Instruction } from './re2-parse.ts';

export { RegexpProblem } from './re2-parse.ts';

/** Instructions looked at for one search; about a tenth of a second. */
export const SEARCH_STEPS_MAX = 5_000_000;

export interface Match {
  /** In UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

export interface Regexp {
  readonly pattern: string;
  /** Somewhere in the text. @throws RegexpProblem when it would take more than SEARCH_STEPS_MAX. */
  test(text: string): boolean;
  /** The leftmost match from a place on, of several the one that Perl would take. @throws RegexpProblem as `test`. */
  find(text: string, from?: number): Match | undefined;
}

/** @throws RegexpProblem */
export function compileRegexp(pattern: string): Regexp {
  const program = compileProgram(pattern);
  return {
    pattern,
    test: (text) => search(program, text, 0, true) !== undefined,
    find: (text, from = 0) => search(program, text, from, false),
  };
}

/** undefined instead of a problem. */
export function tryRegexp(pattern: string): Regexp | undefined {
  try {
    return compileRegexp(pattern);
  } catch (error) {
    if (error instanceof RegexpProblem) return undefined;
    throw error;
  }
}

interface Threads {
  /** By priority. */
  readonly list: { pc: number; start: number }[];
  /** The step each instruction was last added in. */
  readonly added: Int32Array;
}

function search(program: Instruction[], text: string, from: number, any: boolean): Match | undefined {
  let current: Threads = { list: [], added: new Int32Array(program.length).fill(-1) };
  let next: Threads = { list: [], added: new Int32Array(program.length).fill(-1) };
  let found: Match | undefined;
  let steps = 0;
  let before = from === 0 ? EDGE : text.charCodeAt(from - 1);
  for (let at = from; ;) {
    const after = at < text.length ? (text.codePointAt(at) as number) : EDGE;
    const width = after > 0xffff ? 2 : 1;
    if (found === undefined) steps += add(program, current, { pc: 0, start: at }, { before, after, at });
    if (current.list.length === 0 && found !== undefined) return found;
    const beyond = at + width < text.length ? (text.codePointAt(at + width) as number) : EDGE;
    for (const { pc, start } of current.list) {
      const instruction = program[pc] as Instruction;
      steps += 1;
      if (instruction.op === 'match') {
        found = { start, end: at };
        if (any) return found;
        // Those after it are of lower priority.
        break;
      }
      if (instruction.op !== 'char' || after === EDGE || !instruction.test(after)) continue;
      steps += add(program, next, { pc: instruction.next, start }, { before: after, after: beyond, at: at + width });
    }
    if (steps > SEARCH_STEPS_MAX) throw new RegexpProblem('the search takes too long');
    if (after === EDGE) return found;
    [current, next] = [next, current];
    next.list.length = 0;
    before = after;
    at += width;
  }
}

/** Follows what needs no character; how many instructions that were. */
function add(
  program: Instruction[],
  threads: Threads,
  thread: { pc: number; start: number },
  here: { before: number; after: number; at: number },
): number {
  const stack = [thread.pc];
  let steps = 0;
  for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
    steps += 1;
    if (threads.added[pc] === here.at) continue;
    threads.added[pc] = here.at;
    const instruction = program[pc] as Instruction;
    if (instruction.op === 'split') stack.push(instruction.second, instruction.first);
    else if (instruction.op === 'assert') {
      if (instruction.holds(here.before, here.after)) stack.push(instruction.next);
    } else threads.list.push({ pc, start: thread.start });
  }
  return steps;
}
