/**
 * The reference model follows traces of real runs. It has to accept every step of the core as it is, and to refuse a step
 * of the core with a planted mistake: a model that accepts everything proves nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';

import test from 'ava';

import { RAFT_MUTATIONS } from '#src/raft/raft.ts';
import type { RaftMutation } from '#src/raft/raft.ts';
import { messageOf } from '#src/std/fault.ts';
import { randomRun } from '../random-run.ts';
import { Script } from '../transcripts/commands.ts';
import { replay as replayTranscript } from '../transcripts/transcript.ts';
import { Recorder } from './recorder.ts';
import { replay } from './replay.ts';

/** Of random runs; KONTIKI_SEEDS for more. */
const SEEDS = Number(process.env['KONTIKI_SEEDS'] ?? 15);
const STEPS = 2500;
/** Seeds that a mistake may need, after the transcripts. */
const MUTANT_SEEDS = 60;

const folder = new URL('../transcripts/', import.meta.url);
const transcripts = readdirSync(folder).filter((name) => name.endsWith('.txt'));

/** A run may fail by its own checks; its trace until there is what counts. */
function recordSeed(seed: number, mutations: RaftMutation[] = []): Recorder {
  const recorder = new Recorder();
  const started = recorder.started;
  try {
    randomRun({ seed, steps: STEPS, mutations, started });
  } catch (error) {
    if (mutations.length === 0) throw error;
  }
  return recorder;
}

/** With a mistake planted a script goes on where it can: what it expects is not what counts here. */
function recordTranscript(name: string, mutations: RaftMutation[] = []): Recorder {
  const recorder = new Recorder();
  const script = new Script({ mutations, started: recorder.started });
  const mutant = mutations.length > 0;
  try {
    const text = readFileSync(new URL(name, folder), 'utf8');
    replayTranscript(text, { run: (line) => (mutant && line.startsWith('expect') ? [] : script.run(line)) });
  } catch (error) {
    if (!mutant) throw error;
  }
  return recorder;
}

function refusalOf({ events }: Recorder): string | undefined {
  try {
    replay(events);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

test('the model takes every step of random runs', (t) => {
  const kinds = new Map<string, number>();
  for (let seed = 1000; seed < 1000 + SEEDS; seed += 1) {
    const { events } = recordSeed(seed);
    try {
      for (const [kind, count] of replay(events)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
    } catch (error) {
      throw new Error(`seed ${seed}: ${messageOf(error)}`, { cause: error });
    }
  }
  t.log([...kinds].map(([kind, count]) => `${kind} ${count}`).join(', '));
  t.is(kinds.size, 21, 'every kind of event came up');
});

test('the model takes every step of the transcripts', (t) => {
  for (const name of transcripts) t.is(refusalOf(recordTranscript(name)), undefined, name);
});

/** What the model says of the step that shows each mistake. */
const MUTANTS: Partial<Record<RaftMutation, RegExp>> = {
  'vote-not-durable': /the vote for \w+ must be on the disk before/,
  'ack-before-sync': /it believes that entry \d+ is on its disk|needs a quorum/,
  'leader-counts-unsynced': /needs a quorum; \w+ has \d+ on its disk/,
  'commit-old-term-by-counting': /only entries of the own term \d+ are committed by counting/,
  'read-before-noop': /read \d+ must see \d+/,
  'read-without-quorum': /read \d+ must see \d+/,
  'change-before-commit': /no entry of term \d+ is committed yet|is not committed yet/,
  'configuration-not-rolled-back': /configuration is .*; the model has/,
  'joint-single-majority': /needs a quorum/,
  'removed-leader-stays': /a leader whose own removal is committed steps down/,
  'pre-vote-raises-term': /needs a quorum of pre-votes|term is \d+; the model has/,
  'vote-for-shorter-log': /the candidate's log is older/,
  'append-aba': /it believes that entry \d+ is on its disk/,
  'unclamped-heartbeat-commit': /are committed and known to be at \w+/,
  'truncate-on-stale-append': /last index is \d+; the model has \d+/,
  'transfer-to-laggard': /timeoutNow to \w+ in term \d+: \w+ has/,
  'stale-snapshot-installed': /are committed already; a snapshot up to \d+ is too old/,
  'damaged-member-votes': /a damaged member does not/,
};

for (const [mutation, sentence] of Object.entries(MUTANTS) as [RaftMutation, RegExp][]) {
  test(`the model refuses a step of the core with '${mutation}'`, (t) => {
    const sources = [
      ...transcripts.map((name) => [name, () => recordTranscript(name, [mutation])] as const),
      ...Array.from({ length: MUTANT_SEEDS }, (_, i) => [`seed ${i}`, () => recordSeed(i, [mutation])] as const),
    ];
    for (const [name, record] of sources) {
      const said = refusalOf(record());
      if (said === undefined) continue;
      t.log(`${name}: ${said.split('\n')[0]}`);
      t.regex(said, sentence);
      return;
    }
    t.fail(`not refused in ${transcripts.length} transcripts and ${MUTANT_SEEDS} seeds`);
  });
}

/** What the model has no word for; the tests that notice are in ../traps.test.ts. */
const NOT_SEEN: Partial<Record<RaftMutation, string>> = {
  'read-answer-of-old-life': 'read ids of the runs are never used twice',
  'vote-under-live-leader': 'a vote under a live leader is safe, only unkind; the model has no clock',
  'learner-refuses-vote': 'refusing is always safe',
  'no-probe-after-loss': 'not sending is always safe',
  'damaged-member-believes-heartbeat': 'the disks of the runs lose entries; none brings back what they replaced',
  'lease-for-ever': 'a lease rests on clocks, the model has none; a stale read would be refused',
  'lease-through-transfer': 'as above',
  'vote-within-lease': 'as above',
};

test('every mutation of the core is either refused by the model, or it is known why not', (t) => {
  const known = new Set([...Object.keys(MUTANTS), ...Object.keys(NOT_SEEN)]);
  t.deepEqual(
    RAFT_MUTATIONS.filter((mutation) => !known.has(mutation)),
    [],
  );
});
