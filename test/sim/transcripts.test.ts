/**
 * Shrunk failures, kept for ever: each file is a case (`kontiki sim --faults file` plays it) and what it must show.
 * With a planted mistake the violation; without it, and for mistakes of ours that were mended, nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { played } from '#src/cli/sim-consensus.ts';
import type { ConsensusCase } from '#src/sim/consensus/run.ts';

const directory = new URL('transcripts/', import.meta.url);

for (const name of readdirSync(directory).filter((one) => one.endsWith('.json'))) {
  const { kind, case: told } = JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as {
    kind: string;
    case: ConsensusCase;
  };
  test.serial(`${name.replace('.json', '')}: ${told.mutations.join() || 'mended'}`, async (t) => {
    if (told.mutations.length > 0) {
      const { violations } = await played(told);
      t.is(violations[0]?.kind, kind as never, 'the planted mistake is not found any more');
    }
    const { violations, details } = await played({ ...told, mutations: [] });
    t.deepEqual(violations, [], details);
  });
}
