/**
 * Transcripts: the situations that etcd-io/raft tests by scripts (README.md has the table), in our words. What
 * they show is compared line by line; `expect` lines say what matters and are not rewritten.
 * KONTIKI_REWRITE=1 writes what is seen into the files.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

import test from 'ava';

import { Script } from './commands.ts';
import { replay } from './transcript.ts';

const folder = new URL('./', import.meta.url);

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
  test(`transcript ${name}`, (t) => {
    const file = new URL(name, folder);
    const text = readFileSync(file, 'utf8');
    const seen = replay(text, new Script());
    if (process.env['KONTIKI_REWRITE'] === '1') writeFileSync(file, seen);
    else t.deepEqual(seen.split('\n'), text.split('\n'));
    t.regex(text, /^# Situation: .+\n(# .+\n)*# Must be seen: /);
  });
}
