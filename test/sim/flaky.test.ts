/** Crashes, power cuts, partitions, pauses and slow disks, as a bad week brings them. */
import test from 'ava';
import { replay, runSeed, seedsOf, testSeeds } from './seeds.ts';

testSeeds(test, { profile: 'flaky', first: 1, count: seedsOf(0.6) });
testSeeds(test, { profile: 'calm', first: 1, count: seedsOf(0.05) });

test.serial('a seed gives the same events in the same order, a second time in one process too', async (t) => {
  const [first, other] = [await runSeed(7, 'flaky'), await runSeed(8, 'flaky')];
  const again = await runSeed(7, 'flaky');
  t.deepEqual(again, first, replay(first, 'flaky'));
  t.not(other.traceHash, first.traceHash);
});
