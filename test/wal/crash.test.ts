/**
 * Crashes at every step of random histories, by power cut and by kill -9. A failure prints its seed
 * and step; the same pair repeats it.
 */
import test, { type ExecutionContext } from 'ava';

import { History } from '#test/support/wal-history.ts';
import { createLab, readAll, walOptions, type Lab } from '#test/support/wal-lab.ts';
import { runEvents } from '#test/support/virtual.ts';
import { messageOf } from '#src/std/fault.ts';
import { openWal, type WalOptions } from '#src/wal/wal.ts';

const callsMax = 60;

/** One life: open, work for `steps` events, crash. Returns what is wrong, if anything. */
async function live(
  lab: Lab,
  history: History | undefined,
  { steps, kind, options }: { steps: number; kind: 'power' | 'process'; options?: Partial<WalOptions> },
): Promise<{ history: History; complaint?: string }> {
  try {
    const { recovered } = await lab.open(options);
    const complaint = history?.complaint(recovered);
    const next = new History(lab.prng, recovered);
    if (complaint !== undefined) return { history: next, complaint };
    // What a start has given out must not be lost by a crash right after it, nor by one in the next start.
    lab.crash('power');
    void openWal({ ...walOptions(lab), ...options }).catch(() => undefined); // never ends
    await runEvents(lab.world, lab.prng.below(40));
    lab.crash(kind);
    const again = await lab.open(options);
    const lost = new History(lab.prng, recovered).complaint(again.recovered);
    if (lost !== undefined) return { history: next, complaint: `a second start differs: ${lost}` };
    const snapshot = await again.wal.openSnapshot();
    if (snapshot !== undefined) await lab.run(readAll(snapshot.read()));
    void next.work(again.wal, callsMax);
    await runEvents(lab.world, steps);
    lab.crash(kind);
    return { history: next };
  } catch (error) {
    return { history: history ?? new History(lab.prng, emptyState), complaint: messageOf(error) };
  }
}

const emptyState = {
  hardState: { currentTerm: 0, votedFor: undefined, commitIndex: 0 },
  snapshot: undefined,
  entries: [],
};

async function survives(seed: number, steps: number[], options?: Partial<WalOptions>): Promise<string | undefined> {
  const lab = createLab(seed);
  let history: History | undefined;
  for (const [life, count] of steps.entries()) {
    const kind = lab.prng.chance(0.7) ? 'power' : 'process';
    const outcome = await live(lab, history, { steps: count, kind, ...(options === undefined ? {} : { options }) });
    if (outcome.complaint !== undefined)
      return `seed ${seed}, life ${life}, steps ${steps.join(' ')}: ${outcome.complaint}`;
    history = outcome.history;
  }
  return undefined;
}

test('a crash after every event of a history loses nothing acknowledged and invents nothing', async (t) => {
  for (let seed = 1; seed <= 3; seed += 1) {
    for (let step = 0; step < 120; step += 1) await check(t, seed, [step, 5]);
  }
});

test('nor do six crashes in a row, each at any moment', async (t) => {
  for (let seed = 100; seed < 160; seed += 1) {
    await check(
      t,
      seed,
      Array.from({ length: 6 }, (_, life) => (seed * 7919 + life * 104_729) % 150),
    );
  }
});

async function check(t: ExecutionContext, seed: number, steps: number[]): Promise<void> {
  const complaint = await survives(seed, steps);
  if (complaint !== undefined) t.fail(complaint);
  else t.pass();
}

/** Mistakes that histories of crashes find by themselves; the others need a disk that fails, see mutations.test.ts. */
const FOUND: string[] = [
  'ack-before-sync',
  'rename-without-directory-sync',
  'release-before-snapshot-durable',
  'hard-state-not-written',
];
for (const mutation of FOUND) {
  test(`the mutation ${mutation} is found by the same histories`, async (t) => {
    const mutations = new Set([mutation]);
    for (let seed = 1; seed <= 60; seed += 1) {
      const complaint = await survives(seed, [30 + seed, 40, 90, 5], { mutations });
      if (complaint === undefined) continue;
      t.log(complaint.slice(0, 160));
      return void t.pass();
    }
    t.fail(`sixty histories did not notice ${mutation}`);
  });
}
