/**
 * Transcripts: the situations that etcd-io/raft tests by scripts (README.md has the table), in our words. What
 * they show is compared line by line; `expect` lines say what matters and are not rewritten.
 * KONTIKI_REWRITE=1 writes what is seen into the files.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

import test from 'ava';

import { RAFT_MUTATIONS } from '#src/raft/raft.ts';
import type { RaftMutation } from '#src/raft/raft.ts';
import { Script } from './commands.ts';
import { ConfigurationScript, QuorumScript } from './tables.ts';
import { replay } from './transcript.ts';
import type { Interpreter } from './transcript.ts';

const folders: [string, () => Interpreter][] = [
  ['./', () => new Script()],
  ['./configurations/', () => new ConfigurationScript()],
  ['./quorum/', () => new QuorumScript()],
];

for (const [path, interpreter] of folders) {
  const folder = new URL(path, import.meta.url);
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
    test(`transcript ${path.slice(2)}${name}`, (t) => {
      const file = new URL(name, folder);
      const text = readFileSync(file, 'utf8');
      const seen = replay(text, interpreter());
      if (process.env['KONTIKI_REWRITE'] === '1') writeFileSync(file, seen);
      else t.deepEqual(seen.split('\n'), text.split('\n'));
      t.regex(text, /^# Situation: .+\n(# .+\n)*# Must be seen: /);
    });
  }
}

/** No transcript meets them; ../traps.test.ts does. */
const UNNOTICED: RaftMutation[] = ['read-answer-of-old-life', 'damaged-member-believes-heartbeat'];

test('each mistake planted in the core changes what some transcript shows', (t) => {
  const folder = new URL('./', import.meta.url);
  const texts = readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')] as const);
  const unnoticed = RAFT_MUTATIONS.filter((mutation) => {
    const noticed = texts.find(([, text]) => {
      try {
        return replay(text, new Script({ mutations: [mutation] })) !== text;
      } catch {
        return true; // an `expect`, an invariant or an assertion of the core
      }
    });
    t.log(`${mutation}: ${noticed?.[0] ?? 'not noticed'}`);
    return noticed === undefined;
  });
  t.deepEqual(unnoticed, UNNOTICED);
});
