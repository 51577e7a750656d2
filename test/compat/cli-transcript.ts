/**
 * Transcripts of a command line: what is typed, and what must be seen. The format, by example:
 *
 *   # a comment
 *   $ kubectl create configmap one --from-literal=a=b
 *   configmap/one created
 *
 *   $ kubectl get cm nope
 *   ! Error from server (NotFound): configmaps "nope" not found
 *   ? 1
 *
 *   @ 30 kubectl get deploy web --no-headers
 *   web   1/1   1   1   <age>
 *
 * `$` runs once, `@ SECONDS` again and again until it fits. Lines after it are standard output, those
 * with `!` standard error, `? N` the exit code (0 when not given). `$ >=1.31 kubectl …` and a line
 * `[>=1.31] text` are for those releases of kubectl only (`<1.31` too). A command that ends in
 * `<<EOF` gets the lines up to `EOF` as its standard input. Placeholders: <age>, <ip>, <hash>, <uid>,
 * <number>, <time>, <any> (within a line); a line `...` stands for any number of lines.
 * Two or more blanks fit two or more blanks. A `#` line is a comment where no output can be: first, or after a blank line.
 */
export interface Step {
  line: number;
  /** Without `kubectl`. */
  args: string[];
  stdin: string | undefined;
  /** Tried again for so long; 0: once. */
  withinMs: number;
  stdout: string[];
  stderr: string[];
  code: number;
}

export interface Seen {
  code: number;
  stdout: string;
  stderr: string;
}

const PLACEHOLDERS: Record<string, string> = {
  age: String.raw`(?:\d+[dhms])+|<unknown>`,
  ip: String.raw`\d+\.\d+\.\d+\.\d+`,
  hash: '[a-z0-9]+',
  uid: '[0-9a-f-]{36}',
  number: String.raw`\d+`,
  time: String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,
  any: '.*',
};

/** The steps for a release of kubectl (its minor version). Throws on a line it cannot read, naming it. */
export function parseTranscript(text: string, minor: number): Step[] {
  const steps: Step[] = [];
  const lines = text.split('\n');
  let current: Step | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const raw = lines[at] ?? '';
    const typed = /^(?:\$|@ (\d+)) (?:([<>]=?1\.\d+) )?kubectl (.*?)( <<EOF)?$/.exec(raw);
    if (typed) {
      const [, seconds, guard, command = '', heredoc] = typed;
      let stdin: string | undefined;
      const line = at + 1;
      if (heredoc !== undefined) {
        const end = lines.indexOf('EOF', at);
        if (end < 0) throw new Error(`line ${line}: no EOF follows`);
        stdin = `${lines.slice(at + 1, end).join('\n')}\n`;
        at = end;
      }
      current = {
        line,
        args: words(command),
        stdin,
        withinMs: Number(seconds ?? 0) * 1000,
        stdout: [],
        stderr: [],
        code: 0,
      };
      if (guard === undefined || fits(guard, minor)) steps.push(current);
    } else if (raw === '' || (raw.startsWith('#') && isApart(lines, at))) continue;
    else if (current === undefined || raw.startsWith('$') || raw.startsWith('@'))
      throw new Error(`line ${at + 1}: cannot read '${raw}'`);
    else if (raw.startsWith('? ')) current.code = Number(raw.slice(2));
    else {
      const [, guard, text = ''] = /^(?:\[([<>]=?1\.\d+)\] )?(.*)$/.exec(raw) ?? [];
      if (guard !== undefined && !fits(guard, minor)) continue;
      if (text.startsWith('! ')) current.stderr.push(text.slice(2));
      else current.stdout.push(text);
    }
  }
  return steps;
}

function isApart(lines: string[], at: number): boolean {
  const before = lines[at - 1];
  return before === undefined || before === '' || (before.startsWith('#') && isApart(lines, at - 1));
}

/** What is wrong with what was seen; undefined when it fits. Standard error is judged only when the step names any, or failed by surprise. */
export function judge(step: Step, seen: Seen): string | undefined {
  const wrong =
    seen.code !== step.code
      ? `exit code ${seen.code}, not ${step.code}`
      : !linesFit(step.stdout, linesOf(seen.stdout))
        ? 'another standard output'
        : step.stderr.length > 0 && !linesFit(step.stderr, linesOf(seen.stderr))
          ? 'another standard error'
          : undefined;
  if (wrong === undefined) return undefined;
  const expected = [...step.stdout, ...step.stderr.map((line) => `! ${line}`)];
  return [
    `line ${step.line}: kubectl ${step.args.join(' ')}: ${wrong}`,
    'expected:',
    ...expected,
    'seen:',
    seen.stdout + prefixed(seen.stderr),
  ].join('\n');
}

function prefixed(stderr: string): string {
  return linesOf(stderr)
    .map((line) => `! ${line}\n`)
    .join('');
}

/** Blank lines are kept out on both sides: a transcript uses them to set steps apart. */
function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

function linesFit(expected: string[], seen: string[]): boolean {
  const [first, ...rest] = expected;
  if (first === undefined) return seen.length === 0;
  if (first === '...') return seen.some((_, at) => linesFit(rest, seen.slice(at))) || linesFit(rest, []);
  const [line, ...others] = seen;
  return line !== undefined && patternOf(first).test(line) && linesFit(rest, others);
}

function patternOf(line: string): RegExp {
  const escaped = line.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const filled = escaped.replaceAll(
    /<(age|ip|hash|uid|number|time|any)>/g,
    (_, name: string) => `(?:${PLACEHOLDERS[name]})`,
  );
  return new RegExp(`^${filled.replaceAll(/ {2,}/g, ' {2,}')}\\s*$`);
}

function fits(guard: string, minor: number): boolean {
  const [, sign = '', bound = ''] = /^([<>]=?)1\.(\d+)$/.exec(guard) ?? [];
  const limit = Number(bound);
  if (sign === '>=') return minor >= limit;
  if (sign === '>') return minor > limit;
  return sign === '<' ? minor < limit : minor <= limit;
}

/** As a shell would take them apart: blanks, single and double quotes. */
function words(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, a?: string, b?: string) => a ?? b ?? ''),
  );
}
