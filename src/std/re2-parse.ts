/** RE2's syntax (github.com/google/re2/wiki/Syntax) → a program for re2.ts. Pure; problems are thrown as RegexpProblem. */

export class RegexpProblem extends Error {
  override readonly name = 'RegexpProblem';
}

export type CharTest = (code: number) => boolean;

export type Instruction =
  | { op: 'char'; test: CharTest; next: number }
  | { op: 'split'; first: number; second: number }
  | { op: 'assert'; holds: (before: number, after: number) => boolean; next: number }
  | { op: 'match' };

/** Instructions of one program; RE2 has a budget of the same kind. */
export const PROGRAM_MAX = 5_000;
const REPEAT_MAX = 1_000;
const PATTERN_LENGTH_MAX = 10_000;
const DEPTH_MAX = 100;

type Node =
  | { type: 'empty' }
  | { type: 'char'; test: CharTest }
  | { type: 'assert'; holds: (before: number, after: number) => boolean }
  | { type: 'concat' | 'alternate'; parts: Node[] }
  | { type: 'repeat'; inner: Node; min: number; max: number; greedy: boolean };

interface Flags {
  ignoreCase: boolean;
  multiline: boolean;
  dotAll: boolean;
  ungreedy: boolean;
}

/** Before the first and after the last character. */
export const EDGE = -1;

export function compileProgram(pattern: string): Instruction[] {
  if (pattern.length > PATTERN_LENGTH_MAX) throw new RegexpProblem('expression is too long');
  const node = new PatternParser(pattern).whole();
  const program: Instruction[] = [];
  emit(node, program);
  program.push({ op: 'match' });
  return program;
}

/** Appends the code of a node; what follows it stands at program.length. */
function emit(node: Node, program: Instruction[]): void {
  if (program.length > PROGRAM_MAX) throw new RegexpProblem('expression is too large');
  switch (node.type) {
    case 'empty':
      return;
    case 'char':
      program.push({ op: 'char', test: node.test, next: program.length + 1 });
      return;
    case 'assert':
      program.push({ op: 'assert', holds: node.holds, next: program.length + 1 });
      return;
    case 'concat':
      for (const part of node.parts) emit(part, program);
      return;
    case 'alternate':
      emitAlternate(node.parts, program);
      return;
    case 'repeat':
      for (let i = 0; i < node.min; i += 1) emit(node.inner, program);
      if (node.max === Infinity) emitStar(node.inner, node.greedy, program);
      else emitOptional(node, node.max - node.min, program);
  }
}

function emitAlternate(parts: Node[], program: Instruction[]): void {
  const ends: { op: 'split'; first: number; second: number }[] = [];
  parts.forEach((part, i) => {
    if (i === parts.length - 1) {
      emit(part, program);
      return;
    }
    const split = { op: 'split' as const, first: program.length + 1, second: 0 };
    program.push(split);
    emit(part, program);
    const jump = { op: 'split' as const, first: 0, second: 0 };
    program.push(jump);
    ends.push(jump);
    split.second = program.length;
  });
  for (const jump of ends) jump.first = jump.second = program.length;
}

function emitStar(inner: Node, greedy: boolean, program: Instruction[]): void {
  const at = program.length;
  const split = { op: 'split' as const, first: at + 1, second: 0 };
  program.push(split);
  emit(inner, program);
  program.push({ op: 'split', first: at, second: at });
  const [into, out] = [at + 1, program.length];
  split.first = greedy ? into : out;
  split.second = greedy ? out : into;
}

function emitOptional(node: Node & { type: 'repeat' }, times: number, program: Instruction[]): void {
  const splits: { op: 'split'; first: number; second: number; into: number }[] = [];
  for (let i = 0; i < times; i += 1) {
    const split = { op: 'split' as const, first: 0, second: 0, into: program.length + 1 };
    program.push(split);
    splits.push(split);
    emit(node.inner, program);
  }
  for (const split of splits) {
    split.first = node.greedy ? split.into : program.length;
    split.second = node.greedy ? program.length : split.into;
  }
}

const isWord: CharTest = (code) =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);
const isDigit: CharTest = (code) => code >= 48 && code <= 57;
const isSpace: CharTest = (code) => code === 9 || code === 10 || code === 12 || code === 13 || code === 32;
const not =
  (test: CharTest): CharTest =>
  (code) =>
    !test(code);

const CLASSES: Record<string, CharTest> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};

const range =
  (from: string, to: string): CharTest =>
  (code) =>
    code >= from.charCodeAt(0) && code <= to.charCodeAt(0);
const anyOf =
  (...tests: CharTest[]): CharTest =>
  (code) =>
    tests.some((test) => test(code));

const POSIX: Record<string, CharTest> = {
  alnum: anyOf(range('0', '9'), range('A', 'Z'), range('a', 'z')),
  alpha: anyOf(range('A', 'Z'), range('a', 'z')),
  ascii: (code) => code <= 0x7f,
  blank: (code) => code === 9 || code === 32,
  cntrl: (code) => code < 32 || code === 127,
  digit: isDigit,
  graph: range('!', '~'),
  lower: range('a', 'z'),
  print: range(' ', '~'),
  punct: anyOf(range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')),
  space: (code) => isSpace(code) || code === 11,
  upper: range('A', 'Z'),
  word: isWord,
  xdigit: anyOf(range('0', '9'), range('A', 'F'), range('a', 'f')),
};

const ESCAPES: Record<string, number> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

const lineStart = (before: number): boolean => before === EDGE || before === 10;
const lineEnd = (_before: number, after: number): boolean => after === EDGE || after === 10;
const textStart = (before: number): boolean => before === EDGE;
const textEnd = (_before: number, after: number): boolean => after === EDGE;
const boundary = (before: number, after: number): boolean =>
  (before !== EDGE && isWord(before)) !== (after !== EDGE && isWord(after));

/** The other cases of a letter, itself included. */
function foldsOf(code: number): number[] {
  const text = String.fromCodePoint(code);
  const codes = [text, text.toLowerCase(), text.toUpperCase()].map((one) => one.codePointAt(0) as number);
  return [...new Set(codes)];
}

function charNode(test: CharTest, flags: Flags): Node {
  if (!flags.ignoreCase) return { type: 'char', test };
  return { type: 'char', test: (code) => foldsOf(code).some(test) };
}

class PatternParser {
  readonly #codes: string[];
  #at = 0;
  #depth = 0;
  #flags: Flags = { ignoreCase: false, multiline: false, dotAll: false, ungreedy: false };

  constructor(pattern: string) {
    this.#codes = Array.from(pattern);
  }

  whole(): Node {
    const node = this.#alternate();
    if (this.#at < this.#codes.length) throw new RegexpProblem('unexpected )');
    return node;
  }

  #peek(ahead = 0): string | undefined {
    return this.#codes[this.#at + ahead];
  }

  #accept(text: string): boolean {
    if (this.#codes.slice(this.#at, this.#at + text.length).join('') !== text) return false;
    this.#at += text.length;
    return true;
  }

  #alternate(): Node {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new RegexpProblem('expression nests too deeply');
    const parts = [this.#concat()];
    while (this.#accept('|')) parts.push(this.#concat());
    this.#depth -= 1;
    return parts.length === 1 ? (parts[0] as Node) : { type: 'alternate', parts };
  }

  #concat(): Node {
    const parts: Node[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { type: 'concat', parts };
  }

  #repeated(atom: Node): Node {
    let node = atom;
    for (let count = 0; ; count += 1) {
      const bounds = this.#bounds();
      if (bounds === undefined) return node;
      if (count > 0) throw new RegexpProblem('invalid nested repetition operator');
      const lazy = this.#accept('?');
      node = { type: 'repeat', inner: node, ...bounds, greedy: lazy === this.#flags.ungreedy };
    }
  }

  #bounds(): { min: number; max: number } | undefined {
    if (this.#accept('*')) return { min: 0, max: Infinity };
    if (this.#accept('+')) return { min: 1, max: Infinity };
    if (this.#accept('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#codes.slice(this.#at, this.#at + 12).join(''));
    // Anything else in braces is text.
    if (match === null) return undefined;
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3]);
    if (min > REPEAT_MAX || (max !== Infinity && max > REPEAT_MAX) || max < min) {
      throw new RegexpProblem(`invalid repeat count: ${match[0]}`);
    }
    return { min, max };
  }

  #atom(): Node {
    const flags = this.#flags;
    const char = this.#codes[this.#at++] as string;
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return charNode(this.#class(), flags);
      case '.':
        return { type: 'char', test: flags.dotAll ? () => true : (code) => code !== 10 };
      case '^':
        return { type: 'assert', holds: flags.multiline ? lineStart : textStart };
      case '$':
        return { type: 'assert', holds: flags.multiline ? lineEnd : textEnd };
      case '*':
      case '+':
      case '?':
        throw new RegexpProblem(`missing argument to repetition operator: ${char}`);
      case '\\':
        return this.#escape();
    }
    const code = char.codePointAt(0) as number;
    return charNode((given) => given === code, flags);
  }

  #group(): Node {
    const outer = this.#flags;
    if (this.#accept('?')) {
      const named = /^P?<[A-Za-z_]\w*>/.exec(this.#codes.slice(this.#at, this.#at + 80).join(''));
      if (named !== null) this.#at += named[0].length;
      else if (this.#setFlags() === 'rest') return { type: 'empty' };
    }
    const inner = this.#alternate();
    if (!this.#accept(')')) throw new RegexpProblem('missing closing )');
    this.#flags = outer;
    return inner;
  }

  /** `(?i)` holds for the rest of the group, `(?i:` for its own. */
  #setFlags(): 'rest' | 'group' {
    const match = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(this.#codes.slice(this.#at, this.#at + 12).join(''));
    if (match === null) throw new RegexpProblem('invalid or unsupported Perl syntax: (?');
    this.#at += match[0].length;
    const flags = { ...this.#flags };
    const names: Record<string, keyof Flags> = { i: 'ignoreCase', m: 'multiline', s: 'dotAll', U: 'ungreedy' };
    for (const letter of match[1] ?? '') flags[names[letter] as keyof Flags] = true;
    for (const letter of match[2] ?? '') flags[names[letter] as keyof Flags] = false;
    this.#flags = flags;
    return match[3] === ')' ? 'rest' : 'group';
  }

  #escape(): Node {
    const letter = this.#peek();
    if (letter === 'b' || letter === 'B') {
      this.#at += 1;
      return { type: 'assert', holds: letter === 'b' ? boundary : (before, after) => !boundary(before, after) };
    }
    if (letter === 'A' || letter === 'z') {
      this.#at += 1;
      return { type: 'assert', holds: letter === 'A' ? textStart : textEnd };
    }
    if (letter === 'Q') return this.#quoted();
    return charNode(this.#escapedClass() ?? this.#escapedChar(), this.#flags);
  }

  #quoted(): Node {
    this.#at += 1;
    const parts: Node[] = [];
    while (this.#at < this.#codes.length && !this.#accept('\\E')) {
      const code = (this.#codes[this.#at++] as string).codePointAt(0) as number;
      parts.push(charNode((given) => given === code, this.#flags));
    }
    return { type: 'concat', parts };
  }

  /** \d, \pL, \p{Greek}; undefined when it is another escape. */
  #escapedClass(): CharTest | undefined {
    const letter = this.#peek() ?? '';
    if (Object.hasOwn(CLASSES, letter)) {
      this.#at += 1;
      return CLASSES[letter];
    }
    if (letter !== 'p' && letter !== 'P') return undefined;
    const match = /^[pP](?:\{(\^?)(\w+)\}|(\w))/.exec(this.#codes.slice(this.#at, this.#at + 60).join(''));
    if (match === null) throw new RegexpProblem('invalid character class range');
    this.#at += match[0].length;
    const name = match[2] ?? match[3] ?? '';
    const test = unicodeClass(name);
    return (letter === 'P') !== (match[1] === '^') ? not(test) : test;
  }

  #escapedChar(): CharTest {
    const code = this.#escapedCode();
    return (given) => given === code;
  }

  #escapedCode(): number {
    const letter = this.#codes[this.#at];
    if (letter === undefined) throw new RegexpProblem('trailing backslash at end of expression');
    if (Object.hasOwn(ESCAPES, letter)) {
      this.#at += 1;
      return ESCAPES[letter] as number;
    }
    const rest = this.#codes.slice(this.#at, this.#at + 12).join('');
    const coded = /^x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})|^([0-7]{3}|0[0-7]{0,2})/.exec(rest);
    if (coded !== null) {
      this.#at += coded[0].length;
      const hex = coded[1] ?? coded[2];
      const code = hex === undefined ? Number.parseInt(coded[3] as string, 8) : Number.parseInt(hex, 16);
      if (code > 0x10ffff) throw new RegexpProblem('invalid escape sequence');
      return code;
    }
    if (/[a-zA-Z0-9]/.test(letter)) throw new RegexpProblem(`invalid escape sequence: \\${letter}`);
    this.#at += 1;
    return letter.codePointAt(0) as number;
  }

  #class(): CharTest {
    const negated = this.#accept('^');
    const tests: CharTest[] = [];
    for (let first = true; ; first = false) {
      const next = this.#peek();
      if (next === undefined) throw new RegexpProblem('missing closing ]');
      if (next === ']' && !first) break;
      tests.push(this.#classItem());
    }
    this.#at += 1;
    const test = anyOf(...tests);
    return negated ? not(test) : test;
  }

  #classItem(): CharTest {
    if (this.#peek() === '[' && this.#peek(1) === ':') {
      const match = /^\[:(\^?)(\w+):\]/.exec(this.#codes.slice(this.#at, this.#at + 14).join(''));
      const test = match === null ? undefined : POSIX[match[2] as string];
      if (match === null || test === undefined) throw new RegexpProblem('invalid character class range');
      this.#at += match[0].length;
      return match[1] === '^' ? not(test) : test;
    }
    if (this.#accept('\\')) {
      const group = this.#escapedClass();
      if (group !== undefined) return group;
      return this.#classRange(this.#escapedCode());
    }
    return this.#classRange((this.#codes[this.#at++] as string).codePointAt(0) as number);
  }

  #classRange(from: number): CharTest {
    const isRange = this.#peek() === '-' && this.#peek(1) !== undefined && this.#peek(1) !== ']';
    if (!isRange) return (code) => code === from;
    this.#at += 1;
    const to = this.#accept('\\')
      ? this.#escapedCode()
      : ((this.#codes[this.#at++] as string).codePointAt(0) as number);
    if (to < from) throw new RegexpProblem('invalid character class range');
    return (code) => code >= from && code <= to;
  }
}

function unicodeClass(name: string): CharTest {
  if (name === 'Any') return () => true;
  for (const text of [`\\p{${name}}`, `\\p{Script=${name}}`]) {
    try {
      const pattern = new RegExp(`^${text}$`, 'u');
      return (code) => pattern.test(String.fromCodePoint(code));
    } catch {
      // Not a category: perhaps a script.
    }
  }
  throw new RegexpProblem(`invalid character class range: \\p{${name}}`);
}
