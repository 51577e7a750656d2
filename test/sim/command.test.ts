/** `kontiki sim` as it is typed. */
import test from 'ava';
import { simCommand } from '#src/cli/sim.ts';

/** What a command prints, line by line, and its exit code. */
async function printed(args: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const original = console.log;
  console.log = (line: string) => void lines.push(line);
  try {
    return { code: await simCommand(args), lines };
  } finally {
    console.log = original;
  }
}

test.serial('one line for each seed, and exit code 0 when all passed', async (t) => {
  const { code, lines } = await printed(['--seed', '3', '--seeds', '2', '--profile', 'calm', '--writes', '20']);
  t.is(code, 0);
  t.is(lines.length, 5);
  t.regex(lines[0] ?? '', /^✔ seed 3 calm: 2\d writes acknowledged/);
  t.is(lines[2], '2 of 2 seeds passed');
});

test.serial('a failure says what was seen, how to see it again, and is exit code 1', async (t) => {
  const { code, lines } = await printed(['--seed', '1', '--mutation', 'lost-watch-event']);
  t.is(code, 1);
  const told = lines.join('\n');
  t.regex(told, /watch: watcher\d watched from \d+ through \d+ and never got/);
  t.regex(
    told,
    / again: npm run -s kontiki -- sim --seed 1 --profile flaky --nodes 3 --writes 200 --mutation lost-watch-event$/m,
  );
});

test.serial('wrong flags are refused by name', async (t) => {
  await t.throwsAsync(simCommand(['--profile', 'cruel']), { message: /--profile is 'cruel'.*calm, flaky, hostile/ });
  await t.throwsAsync(simCommand(['--mutation', 'x']), { message: /--mutation is 'x'.*ack-before-sync/ });
});

test.serial('as JSON, the sums are one line', async (t) => {
  const { lines } = await printed(['--seed', '3', '--profile', 'calm', '--writes', '20', '--json', '-']);
  t.like(JSON.parse(lines[0] ?? ''), { seeds: 1, failed: 0, violations: {}, counts: { leaderChanges: 0, unknown: 0 } });
});
